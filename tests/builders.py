"""Make what tests need, with only what a test cares about spelt out."""

from collections.abc import Mapping

from calcbench.core.http.limits import Policy
from calcbench.core.http.message import Request
from calcbench.core.http.parser import Parser, parse_request_line


def make_request(
    method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> Request:
    """Return the request that a client would have sent."""
    named = {"Host": "localhost", "Content-Length": str(len(body))} | dict(headers or {})
    lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    parser = Parser(Policy())
    fields = parser.fields_of(f"HTTP/1.1\r\n{lines}\r\n".encode("latin-1"))
    request = parse_request_line(method.encode("latin-1"), target.encode("latin-1"), fields)
    request.body = body
    return request
