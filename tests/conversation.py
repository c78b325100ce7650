"""Conversations without a socket: what a Connection makes of octets, however they are cut.

Here too are a reader of responses that forgives nothing, and the reader of `tests/corpus/`.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from calcbench.core.app.application import handle
from calcbench.core.http.connection import IDLE, READ, WRITE, Connection
from calcbench.core.http.limits import Policy
from calcbench.core.http.message import Request, Response
from calcbench.core.http.parser import Parser
from calcbench.core.http.render import CONTINUE
from calcbench.core.options import parse_options

CORPUS = Path(__file__).parent / "corpus"
DATE = b"Thu, 01 Jan 1970 00:00:00 GMT"
EOF = b""  # in a list of pieces: the client has sent its last octet
BEHIND = b"GET /add/20/22 HTTP/1.1\r\nHost: behind\r\n\r\n"

STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5][0-9]{2}) [A-Za-z ]+\r\n")
FIELD_LINE = re.compile(rb"([A-Za-z-]+): ([!-~](?:[ -~]*[!-~])?)\r\n")
# Nothing but these is ever said in a header, so no octet of a request can be.
SAID = {
    b"Allow": re.compile(rb"[A-Z]+(?:, [A-Z]+)*"),
    b"Connection": re.compile(rb"close|keep-alive"),
    b"Content-Length": re.compile(rb"0|[1-9][0-9]*"),
    b"Content-Type": re.compile(rb"text/plain; charset=utf-8|application/json"),
    b"Date": re.compile(re.escape(DATE)),
}

Handle = Callable[[Request], Response]


@dataclass(frozen=True)
class Outcome:
    """What came of a conversation.

    *served* is (method, path, body) of each request that came out; *output* is all octets of
    the responses; *end* is ``open`` (between two requests), ``more`` (inside of one) or
    ``close`` (closed, or lingering).
    """

    served: tuple[tuple[bytes, bytes, bytes], ...]
    output: bytes
    end: str

    def without_interim(self) -> "Outcome":
        """Return it without 100 Continue, which is owed only to a client that waits."""
        return Outcome(self.served, self.output.replace(CONTINUE, b""), self.end)


def date_line() -> bytes:
    return b"Date: " + DATE + b"\r\n"


def connect(parser: Parser | None = None) -> Connection:
    return Connection(parser or Parser(Policy()), date_line)


def serve_pieces(
    pieces: Iterable[bytes],
    parser: Parser | None = None,
    handle: Handle = handle,
    reads: int = 1 << 30,
) -> Outcome:
    """Feed *pieces* to a new connection, as a strategy would, and say what came of it.

    EOF is a piece too. The client takes *reads* octets of the responses at a time.
    """
    connection = connect(parser)
    served: list[tuple[bytes, bytes, bytes]] = []
    output: list[bytes] = []
    for piece in pieces:
        if connection.finished:
            break
        assert connection.interest == READ or connection.ended
        first = connection.feed(piece)
        served += [
            (request.method, request.path, request.body)
            for request in serve_requests(connection, first, handle, output, reads)
        ]
    return Outcome(tuple(served), b"".join(output), end_of(connection))


def serve_requests(
    connection: Connection,
    request: Request | None,
    handle: Handle,
    output: list[bytes],
    reads: int,
) -> Iterator[Request]:
    """Carry *connection* as far as it goes; yield each request once it has its response.

    *request* is the first, if it has come out already.
    """
    while True:
        request = request or connection.next_request()
        while request is not None:
            connection.respond(handle(request))
            yield request
            request = connection.next_request()
        if not connection.output:
            return
        assert connection.interest == WRITE
        output.append(connection.output[:reads])
        connection.sent(len(output[-1]))


def end_of(connection: Connection) -> str:
    if connection.finished or connection.lingering:
        return "close"
    return "open" if connection.state == IDLE and not connection.has_buffered else "more"


def octet_by_octet(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


# Responses


@dataclass(frozen=True)
class Reply:
    """One response, as read by a client that forgives nothing."""

    status: int
    fields: dict[bytes, bytes]
    body: bytes

    @property
    def closes(self) -> bool:
        return self.fields.get(b"Connection") == b"close"


def read_replies(output: bytes, heads: Iterable[bool]) -> list[Reply]:
    """Read all responses in *output*, without the interim ones.

    *heads* says for each whether it responds to HEAD. Raises AssertionError for whatever RFC 9110
    and 9112 do not let a server write, or this one does not need to.
    """
    replies = []
    to_head = iter(heads)
    while output:
        if output.startswith(CONTINUE):
            output = output.removeprefix(CONTINUE)
            continue
        reply, output = read_reply(output, next(to_head, False))
        replies.append(reply)
    for reply in replies[:-1]:
        assert not reply.closes, "nothing follows a close"
    return replies


def read_reply(output: bytes, to_head: bool) -> tuple[Reply, bytes]:
    """Read one final response off *output*; return it and what follows."""
    start = STATUS_LINE.match(output)
    assert start, output[:80]
    status, at = int(start[1]), start.end()
    fields: dict[bytes, bytes] = {}
    while not output.startswith(b"\r\n", at):
        line = FIELD_LINE.match(output, at)
        assert line, output[at : at + 80]
        name, value = line[1], line[2]
        assert name not in fields, f"{name!r} is there twice"
        assert SAID[name].fullmatch(value), (name, value)
        fields[name] = value
        at = line.end()
    at += 2
    assert status >= 200, "100 Continue is the only interim response"
    assert b"Date" in fields  # RFC 9110 §6.6.1
    assert (status == 405) <= (b"Allow" in fields)  # RFC 9110 §15.5.6
    if status in (204, 304):  # RFC 9110 §8.6
        assert b"Content-Length" not in fields
        length = 0
    else:
        length = 0 if to_head else int(fields[b"Content-Length"])
    body = output[at : at + length]
    assert len(body) == length, "a response is cut short"
    return Reply(status, fields, body), output[at + length :]


# The corpus


@dataclass(frozen=True)
class Case:
    """One case: its octets, and what must come of them however they are cut.

    *statuses*, *bodies* and *heads* (responses without a body) are those of the responses; None is
    one that may be anything.
    """

    name: str
    why: str
    policy: Policy
    octets: bytes
    ends: bool  # the client half-closes behind the octets
    served: tuple[tuple[bytes, bytes, bytes], ...]
    statuses: tuple[int | None, ...]
    bodies: tuple[bytes | None, ...]
    heads: tuple[bool, ...]
    end: str

    def pieces(self, *cuts: int) -> list[bytes]:
        """Return the octets, cut at *cuts*, and the client's end where there is one."""
        edges = [0, *cuts, len(self.octets)]
        pieces = [self.octets[a:b] for a, b in pairwise(edges) if a < b]
        return [*pieces, EOF] if self.ends else pieces


def cases() -> list[Case]:
    """Return all cases of the corpus, in the order of their files."""
    return [case for path in sorted(CORPUS.glob("*.txt")) for case in read_cases(path)]


def read_cases(path: Path) -> Iterator[Case]:
    """Read a file of cases; its form is explained in `tests/corpus/README.md`."""
    blocks = path.read_text(encoding="utf-8").split("\n== ")[1:]
    for block in blocks:
        title, *lines = block.splitlines()
        yield read_case(f"{path.stem}: {title}", lines)


def read_case(name: str, lines: list[str]) -> Case:
    """Read one case, given the *lines* behind its title."""
    why: list[str] = []
    policy: list[str] = []
    octets, ends, end = b"", False, ""
    served: list[tuple[bytes, bytes, bytes]] = []
    responses: list[tuple[int | None, str]] = []
    for line, before in zip(lines, ["", *lines], strict=False):
        mark, _, rest = line.partition(" ")
        if mark == ">":
            octets += unescape(rest)
        elif mark == "!":
            ends = True
        elif mark == "<":
            method, path, *body = map(unescape, rest.split(" ", 2))
            served.append((method, path, b"".join(body)))
            responses.append((None, ""))
        elif mark == "=":
            status, _, body_text = rest.partition(" ")
            if before.startswith("< "):
                responses.pop()
            responses.append((int(status), body_text))
        elif mark == ".":
            end = rest
        elif mark == "policy":
            policy = rest.split()
        elif line:
            why.append(line)
    heads = [method == b"HEAD" for method, _, _ in served]
    for _, body_text in responses[len(served) :]:
        heads.append(body_text == "-")
    return Case(
        name,
        " ".join(why),
        parse_options(Policy, policy),
        octets,
        ends,
        tuple(served),
        tuple(status for status, _ in responses),
        tuple(unescape(text.removeprefix("-")) if text else None for _, text in responses),
        tuple(heads),
        end,
    )


REPEATED = re.compile(r"\{([^{}]*)\*([0-9]+)\}")
ESCAPED = re.compile(r"\\x([0-9a-f]{2})|\\(.)|(.)", re.DOTALL)
CONTROLS = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\", " ": b" "}


def unescape(text: str) -> bytes:
    r"""Return the octets that *text* means: ``\r \n \t \0 \\ \xff``, and ``{ab*3}`` for ababab."""
    repeated = 1
    while repeated:  # once for each depth
        text, repeated = REPEATED.subn(lambda found: found[1] * int(found[2]), text)
    octets = bytearray()
    for code, control, plain in ESCAPED.findall(text):
        octets += bytes.fromhex(code) or CONTROLS.get(control) or plain.encode("ascii")
    return bytes(octets)
