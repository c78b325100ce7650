"""What a check says to a student's program and hears from it, byte by byte, and kept."""

import contextlib
import http.client
import io
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from calcbench.bench.units import format_count

ANSWER_S = 3.0  # for an answer that should come at once
LENGTH = re.compile(rb"(?mi)^content-length: *(\d+)")
NOTES = ("listening", "connected", "lost")  # what the programs print as they are given
SHOWN = 100  # bytes of what was sent and what came that are shown


class MissedError(Exception):
    """What the program under trial did not do: in a sentence, or by what was *sent* and *came*."""

    def __init__(self, why: str, sent: str = "", came: str = "", expected: str = "") -> None:
        super().__init__(why)
        self.why, self.sent, self.came, self.expected = why, sent, came, expected


@dataclass(frozen=True)
class Answer:
    """An HTTP response: its status, its body, and what its field Connection says."""

    status: int
    text: str
    connection: str


class Conversation:
    """One connection: what was sent on it and what came, for who wants to know what went wrong.

    *explain* says what the program at the other end tells of its own failure, if it has failed, and
    *printed* what it has printed.
    """

    def __init__(
        self,
        sock: socket.socket,
        explain: Callable[[], str] = str,
        printed: Callable[[], str] = str,
    ) -> None:
        self.sock, self.explain, self.printed = sock, explain, printed
        self.sent: list[bytes] = []
        self.came = b""
        self.end = ""  # how the other end has ended what it sends, once it has
        self.waited = False  # in vain, the last time that something was to come
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> "Conversation":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.sock.close()

    def send(self, data: bytes) -> None:
        """Send *data*, and remember it; that nobody takes it will be seen by what comes."""
        self.sent.append(data)
        with contextlib.suppress(OSError):
            self.sock.sendall(data)

    def finish(self) -> None:
        """Send no more: the other end's recv gives nothing."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)

    def receive(self, within_s: float | None = None) -> bytes:
        """Return what comes next; nothing when the end has come, or nothing does in time."""
        if self.end:
            return b""
        self.sock.settimeout(within_s or ANSWER_S)
        try:
            data = self.sock.recv(64 * 1024)
        except TimeoutError:
            self.waited = True
            return b""
        except OSError:
            self.end = "then the connection was reset"
            return b""
        self.came += data
        if not data:
            self.end = "then the end"
        return data

    def wait_for(self, wanted: bytes, expected: str) -> None:
        """Wait until *wanted* has come; raises MissedError, with what was *expected*."""
        while wanted not in self.came:
            if not self.receive():
                raise self.missed(expected)

    def wait_for_end(self, expected: str) -> None:
        """Wait until the other end has finished sending; raises MissedError if it does not."""
        while self.receive():
            pass
        if self.end != "then the end":
            raise self.missed(expected)

    def response(self, expected: str, within_s: float | None = None) -> Answer:
        """Return the next HTTP response, as Python's own client reads it; raises MissedError.

        It alone is in `came` afterwards.
        """
        self.came, self.waited = b"", False
        self.sock.settimeout(within_s or ANSWER_S)
        response = http.client.HTTPResponse(Recording(self))  # type: ignore[arg-type]
        try:
            response.begin()
            text = response.read().decode("latin-1")
        except (http.client.HTTPException, OSError, ValueError):
            raise self.missed(expected, self.wrong_in_response()) from None
        if why := self.wrong_in_response():
            raise self.missed(expected, why)
        answer = Answer(response.status, text, response.getheader("connection", "").lower())
        if response.length is None and response.getheader("content-length") is None:
            raise self.missed(f"{expected}, and a Content-Length")
        return answer

    def wrong_in_response(self) -> str:
        """Return what is wrong in the lines or in the length of what came, or nothing."""
        head, end, body = self.came.partition(b"\r\n\r\n")
        if b"\n" not in head:
            return ""
        if not end and b"\n\n" in head.replace(b"\r\n", b"\n"):
            return "the head never ends: its lines and the empty line end in \\r\\n"
        if end and b"\n" in head.replace(b"\r\n", b""):
            return "a line of the head ends in \\n: each one ends in \\r\\n"
        promised = LENGTH.search(head)
        if end and promised and len(body) != int(promised[1]):
            return f"Content-Length is wrong: {int(promised[1])} promised, {len(body)} came"
        return ""

    def expect(self, status: int, text: str | None = None, within_s: float | None = None) -> None:
        """Take the next response; raises MissedError unless it has this *status* and *text*."""
        body = "" if text is None else f", and {text!r} as its body"
        expected = f"an HTTP response with status {status}{body}"
        answer = self.response(expected, within_s)
        if answer.status != status or (text is not None and answer.text.strip() != text):
            raise self.missed(expected)

    def get(self, path: str, *fields: str) -> None:
        """Send a GET for *path*."""
        self.send(get(path, *fields))

    def printed_instead(self) -> str:
        """Return what to say where the program has printed what it was to send; or nothing."""
        port = str(self.sock.getsockname()[1])
        told = b"".join(self.sent).decode("latin-1").splitlines()
        lines = self.printed().splitlines()
        own = [
            line for line in lines if not (line.startswith(NOTES) or port in line or line in told)
        ]
        if self.came or not own:
            return ""
        return f"it printed {own[-1]}; print goes to your terminal, sendall to the client"

    def missed(self, expected: str, why: str = "") -> MissedError:
        """Return what is to be said where something else was *expected*, and *why* if known."""
        came = shown(self.came) if self.came else ""
        nothing = f"then nothing for {ANSWER_S:g} seconds" if self.waited else ""
        end = self.end or nothing
        came = ", ".join(filter(None, (came, end))) if came else end.removeprefix("then ")
        sent = ", then ".join(map(shown, self.sent)) or "nothing"
        why = why or self.explain() or self.printed_instead()
        return MissedError(why, sent, came, expected)


class Recording(io.RawIOBase):
    """The bytes of a conversation as a file, for Python's own HTTP client."""

    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation

    def makefile(self, _: str) -> io.BufferedReader:
        """Return the file, as a socket would. It reads single bytes ahead of nothing."""
        return io.BufferedReader(self, buffer_size=1)

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        """Read what comes into *buffer*, and keep it."""
        conversation = self.conversation
        try:
            count = conversation.sock.recv_into(buffer)
        except TimeoutError:
            conversation.waited = True
            raise
        except OSError:
            conversation.end = "then the connection was reset"
            raise
        conversation.came += bytes(buffer[:count])
        if not count:
            conversation.end = "then the end"
        return count


def get(path: str, *fields: str) -> bytes:
    """Return the bytes of a GET for *path*, with more *fields* than Host."""
    lines = "".join(f"{field}\r\n" for field in ("Host: localhost", *fields))
    return f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode()


def shown(data: bytes) -> str:
    """Return *data* as Python writes it, shortened, with its length where it is."""
    if len(data) <= SHOWN:
        return repr(data)
    return f"{data[:SHOWN]!r}... ({format_count(len(data), 'byte')})"
