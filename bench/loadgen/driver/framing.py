"""Where a response ends: its head and its body, in whatever pieces they come.

The head of a response of our own servers is read by `parse_head`, which knows what they may say and
takes nothing else. That of any other server is read by `parse_any_head`, as RFC 9112 has it: what a
client must understand is understood, and what is refused is refused with a reason, in words for
whoever reads the result.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from calcbench.bench.loadgen.driver.quoting import quote, quote_list
from calcbench.bench.units import format_count
from calcbench.core.http.parser import TCHAR

STATUS_LINE = re.compile(rb"HTTP/1\.([0-9]) ([0-9]{3})(?: [\t -\xff]*)?")  # RFC 9112 §4
FIELD = re.compile(rb"(%b+):([\t -\xff]*)" % TCHAR)  # RFC 9112 §5
# RFC 9110 §5.5: of the other control characters only these make a value dangerous.
ANY_FIELD = re.compile(rb"(%b+):([^\x00\r\n]*)" % TCHAR)
FOLD = re.compile(rb"\n[\t ]+")  # RFC 9112 §5.2
FOLDED = re.compile(rb"[\t ][^\x00\r\n]*")  # what such a line is by itself
LENGTH = re.compile(rb"0*[0-9]{1,15}")  # RFC 9110 §8.6; more bytes than that nobody sends
CHUNK = re.compile(rb"0*([0-9A-Fa-f]{1,15})[\t ]*(?:;[\t -\xff]*)?")  # RFC 9112 §7.1
HEAD_END = b"\r\n\r\n"
ANY_HEAD_END = re.compile(rb"\r?\n\r?\n")  # RFC 9112 §2.2: a line may end in LF alone
BEGINNING = b"HTTP/"
MAX_HEAD = 64 * 1024  # bytes; a longer head is no response to a calculator's client
EXCERPT = 200  # bytes of the beginning of a response that are kept, for whoever asks what was wrong
CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION = (
    b"content-length",
    b"transfer-encoding",
    b"connection",
)
UNKNOWN = -1


class FramingError(Exception):
    """Where this response ends cannot be known, so nothing behind it can be trusted.

    *cause* says why, as a sentence about the response, and *detail* what of this one shows it;
    *data* are the bytes that do, where they are no part of an `Incoming`.
    """

    def __init__(self, cause: str, detail: str = "", data: bytes = b"") -> None:
        super().__init__(f"{cause}: {detail}" if detail else cause)
        self.cause, self.detail, self.data = cause, detail, data


@dataclass(frozen=True, slots=True)
class Head:
    """What the head of a response says: its *status*, its body's *length*, and what follows.

    The length of a *chunked* body is in the body, and is UNKNOWN here like that of one which the
    close of the connection ends.
    """

    status: int
    length: int
    keep_alive: bool
    chunked: bool = False

    @property
    def is_interim(self) -> bool:
        """Whether the response that counts comes behind it (RFC 9110 §15.2)."""
        return 100 <= self.status < 200 and self.status != 101


def parse_head(head: bytes) -> Head:
    """Return what *head*, without the empty line at its end, says.

    Raises FramingError for anything but a status line and well-formed fields with exactly one
    Content-Length and no Transfer-Encoding: our servers know the length of every response.
    """
    first, *lines = head.split(b"\r\n")
    minor, status = parse_status_line(first)
    lists = parse_lists(lines, FIELD)
    if TRANSFER_ENCODING in lists:
        raise FramingError("it has a Transfer-Encoding instead of a Content-Length")
    lengths = lists.get(CONTENT_LENGTH, [])
    if len(lengths) != 1 or not LENGTH.fullmatch(lengths[0]):
        raise FramingError("it has not exactly one Content-Length", quote_list(lengths))
    return Head(status, int(lengths[0]), persists(minor, lists))


def parse_any_head(head: bytes, *, method: str = "GET") -> Head:
    """Return what *head*, of the response to a request with *method*, says (RFC 9112 §6.3).

    Raises FramingError where it does not say where the response ends.
    """
    first, _, rest = head.replace(b"\r\n", b"\n").partition(b"\n")
    minor, status = parse_status_line(first)
    lists = parse_lists(FOLD.sub(b" ", rest).split(b"\n") if rest else [], ANY_FIELD)
    keep_alive = persists(minor, lists)
    if status == 101:  # RFC 9110 §15.2.2: what comes behind it is no HTTP/1.1
        return Head(status, 0, keep_alive=False)
    if method == "HEAD" or 100 <= status < 200 or status in (204, 304):
        return Head(status, 0, keep_alive)
    lengths = [one for one in lists.get(CONTENT_LENGTH, []) if one]
    if TRANSFER_ENCODING in lists:
        if not is_chunked([coding for coding in lists[TRANSFER_ENCODING] if coding]):
            return Head(status, UNKNOWN, keep_alive=False)
        # RFC 9112 §6.1: with a length beside it, or in HTTP/1.0, the connection is not trusted.
        trusted = minor > 0 and CONTENT_LENGTH not in lists
        return Head(status, UNKNOWN, keep_alive and trusted, chunked=True)
    if CONTENT_LENGTH not in lists:
        return Head(status, UNKNOWN, keep_alive=False)
    if not lengths or not all(map(LENGTH.fullmatch, lengths)) or len(set(map(int, lengths))) > 1:
        raise FramingError("its Content-Length is not one number", quote_list(lengths))
    return Head(status, int(lengths[0]), keep_alive)


def parse_status_line(line: bytes) -> tuple[int, int]:
    """Return the minor version and the status in *line*; raises FramingError."""
    found = STATUS_LINE.fullmatch(line)
    if not found:
        raise FramingError("its first line is not a status line of HTTP/1.1", quote(line))
    return int(found[1]), int(found[2])


def parse_lists(lines: list[bytes], form: "re.Pattern[bytes]") -> dict[bytes, list[bytes]]:
    """Return the elements, in lower case, of the fields among *lines* that frame a response.

    Raises FramingError for a line that has not the *form* of a header field.
    """
    lists: dict[bytes, list[bytes]] = {}
    for line in lines:
        field = form.fullmatch(line)
        if not field:
            raise FramingError("a line of its head is not a header field", quote(line))
        name = field[1].lower()
        if name in (CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION):
            elements = (element.strip(b"\t ").lower() for element in field[2].split(b","))
            lists.setdefault(name, []).extend(elements)
    return lists


def persists(minor: int, lists: dict[bytes, list[bytes]]) -> bool:
    """Tell whether the connection stays: in HTTP/1.0 only if it says so (RFC 9112 §9.3)."""
    options = lists.get(CONNECTION, [])
    return b"close" not in options and (minor > 0 or b"keep-alive" in options)


def is_chunked(codings: list[bytes]) -> bool:
    """Tell whether the last of *codings* is chunked; without that the close ends the body.

    Raises FramingError where chunked stands twice or has parameters (RFC 9112 §6.1, §7.1).
    """
    names = [coding.partition(b";")[0].rstrip(b"\t ") for coding in codings]
    if names.count(b"chunked") > 1 or codings.count(b"chunked") != names.count(b"chunked"):
        raise FramingError("its Transfer-Encoding makes no sense", quote_list(codings))
    return names[-1:] == [b"chunked"]


class Incoming:
    """A response that comes in pieces; its *head* is None until all of that is there.

    *parse* makes a `Head` of bytes; *lenient*, lines of a head may end in LF alone. At *most* so
    many bytes of the body are kept, in `body`; `size` says how many have come. `start` is that
    of the whole response, with its head.
    """

    __slots__ = ("chunks", "head", "lenient", "most", "parse", "pending", "size", "start", "taken")

    def __init__(self, parse: Callable[[bytes], Head], *, most: int, lenient: bool = True) -> None:
        self.parse, self.most, self.lenient = parse, most, lenient
        self.head: Head | None = None
        self.start = b""
        self.pending = b""  # what cannot be understood yet
        self.taken: list[bytes] = []
        self.size = 0  # bytes of the body that have come
        self.chunks: Chunks | None = None

    @property
    def body(self) -> bytes:
        """What has been kept of the body."""
        return b"".join(self.taken)

    def feed(self, data: bytes) -> bool:
        """Take the next bytes; tell whether the response is whole. Raises FramingError."""
        if len(self.start) < EXCERPT:
            self.start += data[: EXCERPT - len(self.start)]
        while self.head is None:
            searched = 0
            if self.pending:
                searched = max(len(self.pending) - len(HEAD_END) + 1, 0)
                data = self.pending + data
            start, end, behind = self.split(data, searched)
            if not end and not data.startswith(BEGINNING[: len(data)]):
                raise FramingError("it does not begin with HTTP/", quote(data))
            if len(start) > MAX_HEAD:
                raise FramingError(f"its head is longer than {MAX_HEAD:,} bytes")
            if not end:
                self.pending = data
                return False
            data = behind
            head = self.parse(start)
            self.pending = b""
            if not head.is_interim:
                self.head = head
                self.chunks = Chunks(self.take) if head.chunked else None
        if self.chunks:
            return self.chunks.feed(data)
        self.take(data)
        if self.size > self.head.length >= 0:
            behind = data[self.head.length - self.size :]
            raise FramingError("bytes follow its end", quote(behind))
        return self.size == self.head.length

    def split(self, data: bytes, searched: int) -> tuple[bytes, bytes, bytes]:
        """Return a head, the empty line behind it, and what follows, like `bytes.partition`.

        What of *data* is before *searched* has been searched before.
        """
        parts = start, end, _ = data.partition(HEAD_END)
        if self.lenient and (
            not end or b"\n\n" in start or b"\n\r\n" in start or start.endswith(b"\n")
        ):
            found = ANY_HEAD_END.search(data, searched)
            if found:
                return data[: found.start()], found[0], data[found.end() :]
        return parts

    def take(self, part: bytes) -> None:
        """Take a *part* of the body, and keep of it what is to be kept."""
        if self.size < self.most:
            self.taken.append(part[: self.most - self.size])
        self.size += len(part)

    def ends_here(self) -> bool:
        """Tell whether the response is whole now that the server has closed (RFC 9112 §8)."""
        return self.head is not None and self.head.length == UNKNOWN and not self.head.chunked

    def shortfall(self) -> FramingError:
        """Return what is wrong now that the server has closed, and it is not whole."""
        if self.head is None:
            return FramingError("the connection was closed within its head", quote(self.pending))
        if self.head.chunked:
            return FramingError("the connection was closed before its last chunk")
        read = f"after {self.size:,} of {format_count(self.head.length, 'byte')}"
        return FramingError("the connection was closed within its body", read)


class Chunks:
    """A chunked body that comes in pieces (RFC 9112 §7.1); *take* is given the content of each."""

    __slots__ = ("inside", "left", "pending", "take")

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self.take = take
        self.pending = b""
        self.left = 0  # bytes to come of this chunk and of the line's end behind it
        self.inside = True  # chunks to come; afterwards trailers

    def feed(self, data: bytes) -> bool:
        """Take the next bytes; tell whether that was the last. Raises FramingError."""
        data = self.pending + data
        start = 0
        while True:
            if self.left > 2:
                part = data[start : start + self.left - 2]
                self.take(part)
                self.left -= len(part)
                start += len(part)
                if self.left > 2:
                    break
            if self.left:
                if len(data) - start < 2:
                    break
                if data[start : start + 2] != b"\r\n":
                    raise FramingError("a chunk is longer than its size says")
                self.left = 0
                start += 2
            end = data.find(b"\r\n", start, start + MAX_HEAD)
            if end < 0:
                if data.find(b"\n", start) >= 0:  # what §2.2 allows in a head it does not here
                    raise FramingError("a line among its chunks ends in LF without CR")
                if len(data) - start >= MAX_HEAD:
                    raise FramingError(f"a line among its chunks is longer than {MAX_HEAD:,} bytes")
                break
            line, start = data[start:end], end + 2
            if self.inside:
                size = CHUNK.fullmatch(line)
                if not size:
                    raise FramingError("a chunk does not begin with a size", quote(line))
                self.left = int(size[1], 16)
                self.inside = self.left > 0
                self.left += 2 if self.left else 0
            elif line:
                if not (ANY_FIELD.fullmatch(line) or FOLDED.fullmatch(line)):
                    raise FramingError("a line after its last chunk is not a trailer", quote(line))
            elif start < len(data):
                raise FramingError("bytes follow its end", quote(data[start:]))
            else:
                return True
        self.pending = data[start:]
        return False
