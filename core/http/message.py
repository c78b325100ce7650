"""A request as the parser hands it out, and a response as the application makes one."""

from collections.abc import Mapping

TEXT = b"text/plain; charset=utf-8"
JSON = b"application/json"
CHUNKED = -1  # the body_length of a body that comes in chunks


class Fields:
    """Version and header section of a head, parsed: above all what they say of the framing.

    *minor* is the version's second digit, 0 or 1. *text* is the octets that were parsed, from the
    version to the empty line. *host* is in lower case, None in an HTTP/1.0 request without it.
    *body_length* is in bytes, 0 for no body, CHUNKED for chunks.
    """

    __slots__ = ("body_length", "expects_continue", "host", "keep_alive", "minor", "text")

    def __init__(
        self,
        minor: int,
        text: bytes,
        host: bytes | None,
        body_length: int,
        keep_alive: bool,
        expects_continue: bool,
    ) -> None:
        self.minor = minor
        self.text = text
        self.host = host
        self.body_length = body_length
        self.keep_alive = keep_alive
        self.expects_continue = expects_continue


class Request:
    """One complete request.

    *method* and *target* are as the client sent them; *path* is the target's path, still
    percent-encoded and without the query, or ``*``; *body* is without its transfer coding.
    """

    __slots__ = ("body", "fields", "method", "path", "target")

    def __init__(
        self, method: bytes, target: bytes, path: bytes, fields: Fields, body: bytes = b""
    ) -> None:
        self.method = method
        self.target = target
        self.path = path
        self.fields = fields
        self.body = body

    @property
    def headers(self) -> Mapping[bytes, bytes]:
        """The fields by lower-case name; the values of a repeated one joined by commas."""
        merged: dict[bytes, bytes] = {}
        for line in self.fields.text.split(b"\r\n")[1:-2]:  # behind the version
            name, _, value = line.partition(b":")
            name, value = name.lower(), value.strip(b" \t")
            merged[name] = (
                merged[name] + b", " + value if name in merged else value
            )  # RFC 9110 §5.3
        return merged

    @property
    def keep_alive(self) -> bool:
        """Whether the client means to send another request on this connection."""
        return self.fields.keep_alive


class Response:
    """A response.

    *wait* is how many seconds of simulated I/O it takes before it can be sent; *close* ends the
    connection with it.
    """

    __slots__ = ("body", "close", "content_type", "headers", "status", "wait")

    def __init__(
        self,
        status: int,
        body: bytes = b"",
        content_type: bytes = TEXT,
        headers: tuple[tuple[bytes, bytes], ...] = (),
        wait: float = 0.0,
        close: bool = False,
    ) -> None:
        self.status = status
        self.body = body
        self.content_type = content_type
        self.headers = headers
        self.wait = wait
        self.close = close
