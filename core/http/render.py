"""How a response is written: its status line, its fields, the Date that all of them carry."""

from email.utils import formatdate
from functools import lru_cache
from time import time

from calcbench.core.http.message import Response

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
BODILESS = frozenset({204, 304})  # RFC 9110 §8.6, §15.4.5
REASONS = {
    200: b"OK",
    204: b"No Content",
    304: b"Not Modified",
    400: b"Bad Request",
    404: b"Not Found",
    405: b"Method Not Allowed",
    408: b"Request Timeout",
    413: b"Content Too Large",
    414: b"URI Too Long",
    415: b"Unsupported Media Type",
    417: b"Expectation Failed",
    422: b"Unprocessable Content",
    431: b"Request Header Fields Too Large",
    500: b"Internal Server Error",
    501: b"Not Implemented",
    503: b"Service Unavailable",
    505: b"HTTP Version Not Supported",
}
# The line of Content-Length and the empty line, for the lengths that most responses have.
LENGTH_LINES = tuple(b"%d\r\n\r\n" % length for length in range(64))


@lru_cache(maxsize=64)
def heading(status: int, content_type: bytes, date_line: bytes) -> bytes:
    """Return a response's head, up to the value of Content-Length: the same for a whole second."""
    return b"HTTP/1.1 %d %b\r\n%bContent-Type: %b\r\nContent-Length: " % (
        status,
        REASONS[status],
        date_line,
        content_type,
    )


def render(
    response: Response, date_line: bytes, more: bytes = b"", head_only: bool = False
) -> bytes:
    r"""Return the octets of *response*.

    *date_line* is ``Date: …\r\n``; *more* is further complete field lines. A HEAD request gets
    the head alone (RFC 9110 §9.3.2), and so does a response that has no body by its status.
    """
    status, body = response.status, response.body
    length = len(body)
    if status == 200 and length < 64 and not (more or head_only or response.headers):
        return heading(status, response.content_type, date_line) + LENGTH_LINES[length] + body
    for name, value in response.headers:
        more += b"%b: %b\r\n" % (name, value)
    if status in BODILESS:
        return b"HTTP/1.1 %d %b\r\n%b%b\r\n" % (status, REASONS[status], date_line, more)
    return b"%b%d\r\n%b\r\n%b" % (
        heading(status, response.content_type, date_line),
        length,
        more,
        b"" if head_only else body,
    )


class DateLine:
    """A callable that returns the Date field line, which changes once a second."""

    def __init__(self) -> None:
        self.line = b""
        self.expires = 0.0  # seconds since 1970

    def __call__(self) -> bytes:
        r"""Return ``Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n`` (RFC 9110 §5.6.7)."""
        now = time()
        if now >= self.expires or now < self.expires - 1:  # the clock may have been set back
            self.line = f"Date: {formatdate(int(now), usegmt=True)}\r\n".encode("ascii")
            self.expires = int(now) + 1.0  # after the line, lest another thread see an old one
        return self.line
