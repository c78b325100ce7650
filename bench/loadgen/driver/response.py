"""Check a response as strictly as a client may: its status, its framing, and its number.

A request ends in exactly one of the `OUTCOMES`; their places in that tuple are the codes which
the driver records and the sample files hold.

A response of our own servers is read by `parse_head`, which knows what they may say and takes
nothing else. That of any other server is read by `parse_any_head`, as RFC 9112 §6.3 has it.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from calcbench.bench.schema.outcomes import HTTP_ERROR, OK, WRONG
from calcbench.core.http.parser import TCHAR

if TYPE_CHECKING:
    from calcbench.bench.loadgen.spec import Ask


STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: [\t -\xff]*)?")  # RFC 9112 §4
FIELD = re.compile(rb"(%b+):[\t ]*([\t -\xff]*?)[\t ]*" % TCHAR)  # RFC 9112 §5
LENGTH = re.compile(rb"[0-9]{1,15}")  # RFC 9110 §8.6; more octets than that nobody sends
CHUNK = re.compile(rb"([0-9A-Fa-f]{1,12})[\t ]*(?:;[\t -\xff]*)?")  # RFC 9112 §7.1
NUMBER = re.compile(rb"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]{1,3})?")  # RFC 8259 §6
HEAD_END = b"\r\n\r\n"
MAX_HEADS = 256  # memoised heads; a server has a handful for each second (Date, Content-Length)
MAX_HEAD = 64 * 1024  # octets; a longer head is no response to a calculator's client


class FramingError(Exception):
    """Where this response ends cannot be known, so nothing behind it can be trusted."""


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


UNKNOWN = -1


def parse_head(head: bytes) -> Head:
    """Return what *head*, without the empty line at its end, says.

    Raises FramingError for anything but a status line and well-formed fields with exactly one
    Content-Length and no Transfer-Encoding: our servers know the length of every response.
    """
    status, persists, lengths, codings = parse_framing(head)
    if codings:
        raise FramingError("a Transfer-Encoding where a Content-Length was due")
    if len(lengths) != 1 or not LENGTH.fullmatch(lengths[0]):
        raise FramingError(f"not exactly one Content-Length: {lengths}")
    return Head(status, int(lengths[0]), persists)


def parse_any_head(head: bytes, *, method: str = "GET") -> Head:
    """Return what *head*, of the response to a request with *method*, says (RFC 9112 §6.3).

    Raises FramingError where it does not say where the response ends.
    """
    status, persists, lengths, codings = parse_framing(head)
    if method == "HEAD" or status < 200 or status in (204, 304):
        return Head(status, 0, persists)
    if codings and lengths:  # §6.1: it "ought to be handled as an error"
        raise FramingError("both a Transfer-Encoding and a Content-Length")
    if codings:
        if codings != [b"chunked"]:
            raise FramingError(f"a Transfer-Encoding that is not chunked alone: {codings}")
        return Head(status, UNKNOWN, persists, chunked=True)
    if not lengths:
        return Head(status, UNKNOWN, keep_alive=False)
    if len(set(lengths)) != 1 or not LENGTH.fullmatch(lengths[0]):
        raise FramingError(f"not one Content-Length: {lengths}")
    return Head(status, int(lengths[0]), persists)


def parse_framing(head: bytes) -> tuple[int, bool, list[bytes], list[bytes]]:
    """Return the status in *head*, whether the connection persists, the lengths and the codings.

    Raises FramingError for anything but a status line and well-formed fields.
    """
    first, *lines = head.split(b"\r\n")
    status_line = STATUS_LINE.fullmatch(first)
    if not status_line:
        raise FramingError(f"not a status line: {first[:80]!r}")
    lengths: list[bytes] = []
    codings: list[bytes] = []
    options: list[bytes] = []
    for line in lines:
        field = FIELD.fullmatch(line)
        if not field:
            raise FramingError(f"not a header field: {line[:80]!r}")
        name = field[1].lower()
        if name == b"content-length":
            lengths.append(field[2])
        elif name == b"transfer-encoding":
            codings += (token.strip(b"\t ").lower() for token in field[2].split(b","))
        elif name == b"connection":
            options += (token.strip(b"\t ").lower() for token in field[2].split(b","))
    # RFC 9112 §9.3: HTTP/1.1 persists unless it says close; HTTP/1.0 only if it says keep-alive.
    persists = b"close" not in options and (status_line[1] == b"1" or b"keep-alive" in options)
    return int(status_line[2]), persists, lengths, codings


class Incoming:
    """A response that comes in pieces; its *head* is None until all of that is there.

    *understand* makes a `Head` of octets; the body is kept, in `body`, only if *keep* says so.
    """

    __slots__ = ("chunks", "head", "keep", "pending", "size", "taken", "understand")

    def __init__(self, understand: Callable[[bytes], Head], *, keep: bool) -> None:
        self.understand = understand
        self.keep = keep
        self.head: Head | None = None
        self.pending = b""  # what cannot be understood yet
        self.taken: list[bytes] = []
        self.size = 0  # octets of the body that have come
        self.chunks: Chunks | None = None

    @property
    def body(self) -> bytes:
        """What has been kept of the body."""
        return b"".join(self.taken)

    def feed(self, data: bytes) -> bool:
        """Take the next octets; tell whether the response is whole. Raises FramingError."""
        while self.head is None:
            self.pending += data
            start, end, data = self.pending.partition(HEAD_END)
            if not end:
                if len(start) > MAX_HEAD:
                    raise FramingError("a head without an end")
                return False
            head = self.understand(start)
            self.pending = b""
            if head.status < 200 and head.status != 101:
                continue  # RFC 9110 §15.2: an interim response; the one that counts comes behind it
            self.head = head
            self.chunks = Chunks() if head.chunked else None
        if self.chunks:
            whole = self.chunks.feed(data, self.taken if self.keep else None)
        else:
            self.size += len(data)
            if self.keep:
                self.taken.append(data)
            whole = self.size == self.head.length
            if self.size > self.head.length >= 0:
                raise FramingError("bytes after the end of the response")
        return whole

    def ends_here(self) -> bool:
        """Tell whether the response is whole now that the server has closed (RFC 9112 §8)."""
        return self.head is not None and self.head.length == UNKNOWN and not self.head.chunked


class Chunks:
    """A chunked body that comes in pieces (RFC 9112 §7.1)."""

    __slots__ = ("inside", "left", "pending")

    def __init__(self) -> None:
        self.pending = b""
        self.left = 0  # octets to come of this chunk and of the line's end behind it
        self.inside = True  # chunks to come; afterwards trailers

    def feed(self, data: bytes, taken: list[bytes] | None) -> bool:
        """Take the next octets, add those of chunks to *taken*; tell whether that was the last.

        Raises FramingError.
        """
        data = self.pending + data
        start = 0
        while True:
            if self.left > 2:
                part = data[start : start + self.left - 2]
                if taken is not None:
                    taken.append(part)
                self.left -= len(part)
                start += len(part)
                if self.left > 2:
                    break
            if self.left:
                if len(data) - start < 2:
                    break
                if data[start : start + 2] != b"\r\n":
                    raise FramingError("a chunk that is longer than it says")
                self.left = 0
                start += 2
            line, end, _ = data[start : start + MAX_HEAD].partition(b"\r\n")
            if not end:
                if len(line) >= MAX_HEAD:
                    raise FramingError("a line without an end among the chunks")
                break
            start += len(line) + 2
            if self.inside:
                size = CHUNK.fullmatch(line)
                if not size:
                    raise FramingError(f"not the size of a chunk: {line[:80]!r}")
                self.left = int(size[1], 16)
                self.inside = self.left > 0
                self.left += 2 if self.left else 0
            elif line:
                if not FIELD.fullmatch(line):
                    raise FramingError(f"not a trailer: {line[:80]!r}")
            elif start < len(data):
                raise FramingError("bytes after the end of the response")
            else:
                return True
        self.pending = data[start:]
        return False


def is_right(body: bytes, expected: bytes) -> bool:
    """Tell whether *body* states the number that *expected* states, in whatever spelling."""
    if body == expected:
        return True
    stated, right = stated_number(body), stated_number(expected)
    return stated is not None and stated == right


def stated_number(body: bytes) -> Decimal | None:
    """Return the number in a plain body, ``5``, or a JSON one, ``{"result": 5}``; else None."""
    body = body.strip()
    if body.startswith(b"{"):
        try:
            found = json.loads(body, parse_int=Decimal, parse_float=Decimal)
        except (ValueError, ArithmeticError, RecursionError):
            return None
        result = found.get("result")
        return result if isinstance(result, Decimal) else None
    return Decimal(body.decode()) if NUMBER.fullmatch(body) else None


class Checker:
    """What the right responses to a load are; without an *ask*, those of a calculator.

    *lengths* holds the heads of right responses that need no second look, with the length of the
    body behind them, where the connection stays.
    """

    def __init__(self, ask: "Ask | None", *, keep_alive: bool) -> None:
        self.ask, self.keep_alive = ask, keep_alive
        self.heads: dict[bytes, Head] = {}
        self.lengths: dict[bytes, int] = {}

    def is_right_at_sight(self, data: bytes, expected: bytes | None) -> bool:
        """Tell whether *data* is the whole of a right response whose head was seen before."""
        head, _, body = data.partition(HEAD_END)
        return self.lengths.get(head) == len(body) and (body == expected or expected is None)

    def outcome_of(self, incoming: Incoming, expected: bytes | None) -> int:
        """Return the outcome of a whole response where *expected* is the right body, None: any."""
        assert incoming.head
        if not self.is_right_status(incoming.head.status):
            return HTTP_ERROR
        if expected is None or incoming.body == expected:
            return OK
        return OK if not self.ask and is_right(incoming.body, expected) else WRONG

    def is_right_status(self, status: int) -> bool:
        """Tell whether *status* is what was to be expected."""
        ask = self.ask
        if ask and not ask.status:
            return 200 <= status < 400
        return status == (ask.status if ask else 200)

    def learn(self, head: bytes) -> Head:
        """Return what a *head* says, from memory if it was seen before; raises FramingError."""
        known = self.heads.get(head)
        if known:
            return known
        ask = self.ask
        found = parse_any_head(head, method=ask.method) if ask else parse_head(head)
        if len(self.heads) >= MAX_HEADS:  # they change with the Date: start afresh
            self.heads.clear()
            self.lengths.clear()
        self.heads[head] = found
        if self.is_right_status(found.status) and found.keep_alive and self.keep_alive:
            self.lengths[head] = found.length
        return found
