r"""Bodies as they arrive: by length, or in chunks. No sockets, no clocks.

Each kind consumes from the front of a buffer what belongs to it and leaves what follows, which is
the next request. A chunked body, octet by octet (RFC 9112 §7.1)::

    4\r\n            size line: hexadecimal size, then perhaps extensions
    1234\r\n         so many octets, and a CRLF that is checked
    0\r\n            size 0: the last chunk
    Name: value\r\n  trailers: checked like header fields, then dropped
    \r\n             the empty line ends the body
"""

import re

from calcbench.core.errors import HttpError
from calcbench.core.http.limits import Policy
from calcbench.core.http.message import CHUNKED, Fields
from calcbench.core.http.parser import FIELD_LINES, NEEDED, TCHAR

MAX_SIZE_LINE = 256  # bytes of one size line with its extensions; nobody sends long ones
MAX_EXTENSIONS = 4096  # bytes of all extensions of one body, so that they cost no more than it

# RFC 9112 §7.1.1. White space only where BWS stands in the grammar. No way back into what has
# matched: a second + where one class is repeated, (?>…) where a group is. A second + behind a
# group lets the last, failed round count up to CPython 3.11.4 (gh-100061, gh-106052): then
# ``5;x=`` and ``5;x="y`` were size lines.
SIZE_LINE = re.compile(
    rb"""([0-9A-Fa-f]{1,16}+)
         ((?>(?:[\t ]*+;[\t ]*+%b++
             (?:[\t ]*+=[\t ]*+(?:%b++
                |"(?>(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*)"))?
         )*))\r\n"""
    % (TCHAR, TCHAR),
    re.VERBOSE,
)


class LengthBody:
    """A body of a known length, in bytes (RFC 9112 §6.2)."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.content = bytearray()

    @property
    def received(self) -> int:
        """Bytes of content so far."""
        return len(self.content)

    def consume(self, buffer: bytearray) -> bool:
        """Consume up to the missing number of bytes; tell whether the body is complete."""
        missing = self.length - len(self.content)
        self.content += buffer[:missing]
        del buffer[:missing]
        return len(self.content) == self.length


class ChunkedBody:
    """A body in chunks.

    Three states, in this order for each chunk: in a size line (`missing` is 0), in the data
    (`missing` counts the data and its CRLF, so it is above 2), and between the two (`missing`
    is 2 or 1). After the size 0, in the trailers. `scanned` bytes of the buffer are known to
    hold no line end, so that no byte is searched twice.
    """

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.content = bytearray()
        self.missing = 0
        self.in_trailers = False
        self.scanned = 0
        self.extensions = 0
        self.trailer_bytes = 0
        self.trailer_lines = 0

    @property
    def received(self) -> int:
        """Bytes of content so far."""
        return len(self.content)

    def consume(self, buffer: bytearray) -> bool:
        """Consume whole lines and any part of chunk data; tell whether the body is complete."""
        while True:
            if self.missing:
                if not self.consume_data(buffer):
                    return False
                continue
            line = self.consume_line(buffer)
            if line is None:
                return False
            if not self.in_trailers:
                self.parse_size_line(line)
            elif line == b"\r\n":
                return True
            else:
                self.validate_trailer(line)

    def consume_data(self, buffer: bytearray) -> bool:
        """Consume chunk data, then its CRLF; False when more must come."""
        if self.missing > 2:
            data = buffer[: self.missing - 2]
            self.content += data
            self.missing -= len(data)
            del buffer[: len(data)]
        while buffer and 0 < self.missing <= 2:
            if buffer[0] != b"\n\r"[self.missing - 1]:
                raise HttpError(400, "a chunk's data does not end in CRLF")
            del buffer[:1]
            self.missing -= 1
        return self.missing == 0

    def consume_line(self, buffer: bytearray) -> bytes | None:
        """Consume a line that ends in CRLF, and return it; None while its end is missing."""
        limit = 2 + (self.policy.max_field_line if self.in_trailers else MAX_SIZE_LINE)
        end = buffer.find(b"\n", self.scanned, limit)
        if end < 0:
            if len(buffer) >= limit:
                if self.in_trailers:
                    raise HttpError(431, f"a trailer is over {limit - 2} bytes")
                raise HttpError(400, f"a chunk's size line is over {limit - 2} bytes")
            self.scanned = len(buffer)
            return None
        line = bytes(buffer[: end + 1])
        if not line.endswith(b"\r\n"):
            raise HttpError(400, "a line in a chunked body ends in a bare LF")
        del buffer[: end + 1]
        self.scanned = 0
        return line

    def parse_size_line(self, line: bytes) -> None:
        """Begin the chunk, or the trailers, that a size *line* announces."""
        matched = SIZE_LINE.fullmatch(line)
        if matched is None:
            raise HttpError(400, "a chunk's size line is malformed")
        self.extensions += len(matched[2])
        if self.extensions > MAX_EXTENSIONS:
            raise HttpError(400, f"the chunk extensions are over {MAX_EXTENSIONS} bytes")
        size = int(matched[1], 16)  # hexadecimal digits only: the pattern saw to that
        if len(self.content) + size > self.policy.max_body:
            raise HttpError(413, f"the body is over {self.policy.max_body} bytes")
        if size:
            self.missing = size + 2
        else:
            self.in_trailers = True

    def validate_trailer(self, line: bytes) -> None:
        """Hold a trailer to the rules and limits of header fields; it is then dropped.

        No trailer is needed here, so none is ever merged into the header fields.
        """
        self.trailer_bytes += len(line)
        self.trailer_lines += 1
        if not FIELD_LINES.fullmatch(line):
            raise HttpError(400, "a trailer is malformed")
        if NEEDED.match(b"\n" + line.lower()):  # RFC 9110 §6.5.1
            raise HttpError(400, "a trailer names a field that frames or routes a request")
        if self.trailer_bytes > self.policy.max_head:
            raise HttpError(431, f"the trailers are over {self.policy.max_head} bytes")
        if self.trailer_lines > self.policy.max_fields:
            raise HttpError(431, f"there are over {self.policy.max_fields} trailers")


Body = LengthBody | ChunkedBody


def body_of(fields: Fields, policy: Policy) -> Body:
    """Return the reader for the body that *fields* announce."""
    if fields.body_length == CHUNKED:
        return ChunkedBody(policy)
    return LengthBody(fields.body_length)
