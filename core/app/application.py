"""The web application that every strategy serves: a calculator in one function, `handle`.

What is asked for decides the status, in this order: 404 for a path that leads nowhere, 405 for a
method that its resource does not have, 415 for a body that does not claim to be JSON, 400 for what
is malformed, 422 for what is well said but has no result. There is no 500: every refusal is an
HttpError, and `handle` responds with its status.

HEAD is handled like GET here; the connection leaves the body out (RFC 9110 §9.3.2).

`wants_body` says from the head alone whether a body will be looked at, so that no client is asked
for one in vain.
"""

import json
from collections.abc import Callable
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, NoReturn
from urllib.parse import unquote_to_bytes

from calcbench.core.app.calculator import (
    OPERAND_DIGITS,
    OPERATIONS,
    RESULT_DIGITS,
    Number,
    calculate,
    parse_number,
    quote,
    shorten,
    write_number,
)
from calcbench.core.errors import HttpError
from calcbench.core.http.message import JSON, TEXT, Request, Response

EXAMPLE = '{"op": "mult", "arg1": 2, "arg2": 4}'
MOST_BRACKETS = 64  # opening ones in a body; a calculation has one
PERCENT = ord("%")

PAGE = f"""\
calcbench: a small calculator, to measure servers with

    GET /add/2/3       5
    GET /sub/2/3       -1
    GET /mult/2/3      6
    GET /div/6/3       2, and div/1/3 is 0.3333333333333333
    GET /mod/-7/3      2: the remainder has the sign of the second number
    GET /pow/2/10      1024, and pow/2/-1 is 0.5
    POST /calc         {EXAMPLE} gets {{"result": 8}}

Numbers are written as in JSON: 7, -2.5 or 1e3, but not 007, +5, .5 or 1.
Integers are exact, with up to {OPERAND_DIGITS} digits; a result of pow may have {RESULT_DIGITS}.
With a point or an exponent, numbers are doubles, and so is what comes of them: 0.1 + 0.2 shows it.

Put the address of this page in place of http://localhost:8080 to try it:

    curl http://localhost:8080/add/2/3
    curl -H 'Content-Type: application/json' \\
         -d '{EXAMPLE}' http://localhost:8080/calc

An error says what was given and what would be right:

    400  a malformed number, malformed JSON, or other keys than op, arg1 and arg2, each once
    404  no such path, or no such operation in it
    405  a method that the path does not have
    415  a body that is not application/json by its Content-Type
    422  no such op, or no result: division by zero, a number too large, more digits than allowed
""".encode()


def plain_page(_: Request) -> Response:
    """Return the page at ``/`` of a server of which nothing is known."""
    return Response(200, PAGE)


def make_handle(page: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """Return what responds to every request, to one for ``/`` with *page*."""

    def handle(request: Request) -> Response:
        """Return the response to *request*. Nothing is raised, whatever was sent."""
        try:
            path = request.path
            match split(path) if PERCENT in path else path.split(b"/"):
                case [b"", name, left, right]:
                    if name not in OPERATIONS:
                        raise HttpError(404, no_operation(name))
                    if request.method not in (b"GET", b"HEAD"):
                        return other_method(request, b"GET, HEAD, OPTIONS")
                    result = calculate(name, parse_number(left), parse_number(right))
                    return Response(200, write_number(result))
                case [b"", b"calc"]:
                    return handle_json(request)
                case [b"", b""]:
                    if request.method not in (b"GET", b"HEAD"):
                        return other_method(request, b"GET, HEAD, OPTIONS")
                    return page(request)
                case [b"*"]:  # RFC 9110 §9.3.7: OPTIONS about the server as a whole
                    return other_method(request, b"GET, HEAD, OPTIONS, POST")
            hint = "calculate with /add/2/3, or read the page at /"
            raise HttpError(404, f"nothing at {quote(request.path)}; {hint}")
        except HttpError as error:
            return Response(error.status, str(error).encode(), TEXT, error.headers)

    return handle


handle = make_handle(plain_page)


def wants_body(request: Request) -> bool:
    """Tell whether the response to *request* depends on its body, which may be still to come.

    It does for one thing only: JSON that is posted to /calc.
    """
    return (
        request.method == b"POST" and split(request.path) == [b"", b"calc"] and claims_json(request)
    )


def handle_json(request: Request) -> Response:
    """Return the response to a request for /calc, where errors are JSON too."""
    try:
        if request.method != b"POST":
            return other_method(request, b"OPTIONS, POST")
        result = calculate(*parse_calculation(request))
        return Response(200, b'{"result": %b}' % write_number(result), JSON)
    except HttpError as error:
        body = json.dumps({"error": str(error)}).encode()
        return Response(error.status, body, JSON, error.headers)


def other_method(request: Request, allow: bytes) -> Response:
    """Respond to OPTIONS with the methods to *allow*; refuse any other method with 405."""
    headers = ((b"Allow", allow),)
    if request.method == b"OPTIONS":
        return Response(204, headers=headers)
    problem = f"{quote(request.method)} is not allowed for {quote(request.path)}"
    raise HttpError(405, f"{problem}; use {allow.decode()}", headers)


def split(path: bytes) -> list[bytes]:
    """Return the segments of *path*, percent-decoded once.

    Cut first: decoded first, a %2F would turn into a slash that cuts (RFC 3986 §2.4).
    """
    return [unquote_to_bytes(segment) for segment in path.split(b"/")]


def no_operation(name: bytes) -> str:
    """Say that there is no operation *name*, and which may have been meant."""
    names = [known.decode() for known in OPERATIONS]
    like = get_close_matches(name[:20].lower().decode(errors="replace"), names, n=1, cutoff=0.5)
    hint = f"did you mean {like[0]!r}?" if like else f"there are {', '.join(names)}"
    return f"no operation {quote(name)}; {hint}"


def parse_calculation(request: Request) -> tuple[bytes, Number, Number]:
    """Return the operation and the two numbers that the JSON body of *request* asks for."""
    if not claims_json(request):
        content_type = request.headers.get(b"content-type", b"")
        hint = "send application/json, in UTF-8"
        raise HttpError(415, f"the Content-Type is {quote(content_type)}; {hint}")
    body = request.body
    if body.count(b"[") + body.count(b"{") > MOST_BRACKETS:  # if nested, they fill up the stack
        raise HttpError(400, f"the body has over {MOST_BRACKETS} brackets; send {EXAMPLE}")
    try:
        given = DECODER.decode(body.decode())
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise HttpError(400, f"{quote(body)} is not JSON, {error}; send {EXAMPLE}") from None
    # One key too many is refused as well: misspelt or not, its sender expected it to matter.
    if not isinstance(given, dict) or given.keys() != {"op", "arg1", "arg2"}:
        raise HttpError(400, f"the body is {show(given)}; send op, arg1 and arg2, as in {EXAMPLE}")
    op = given["op"]
    if not isinstance(op, str):
        raise HttpError(400, f'op is {show(op)}; send a string like "mult"')
    for key in ("arg1", "arg2"):
        if type(given[key]) not in (int, float):  # not isinstance: a bool is an int in Python
            raise HttpError(400, f"{key} is {show(given[key])}; send a number like 2")
    name = op.encode(errors="replace")
    if name not in OPERATIONS:
        raise HttpError(422, no_operation(name))
    return name, given["arg1"], given["arg2"]


def claims_json(request: Request) -> bool:
    """Tell whether the body of *request* is JSON by its Content-Type."""
    return means_json(request.headers.get(b"content-type", b""))


@lru_cache(maxsize=64)
def means_json(content_type: bytes) -> bool:
    """Tell whether *content_type* is application/json, with whatever parameters (RFC 9110 §8.3.1).

    A charset other than UTF-8 would belie the body, which is always UTF-8 (RFC 8259 §8.1).
    """
    media_type, *parameters = [part.strip(b" \t") for part in content_type.lower().split(b";")]
    charsets = {parameter for parameter in parameters if parameter.startswith(b"charset")}
    return media_type == b"application/json" and charsets <= {b"charset=utf-8", b'charset="utf-8"'}


def show(value: Any) -> str:
    """Return *value* in JSON, shortened."""
    return shorten(json.dumps(value))


def parse_json_number(text: str) -> Number:
    """Return a number from a body, by the same rules as one from a path."""
    return parse_number(text.encode())


def refuse_constant(name: str) -> NoReturn:
    """Refuse NaN, Infinity and -Infinity: Python would read them, but JSON does not have them."""
    raise HttpError(400, f"{name} is not JSON; send a number like 2.5")


def refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object, unless a key appears twice: RFC 8259 §4 cannot tell which would count."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise HttpError(400, f"a key appears twice: {show([key for key, _ in pairs])}; send one")
    return found


DECODER = json.JSONDecoder(
    parse_int=parse_json_number,
    parse_float=parse_json_number,
    parse_constant=refuse_constant,
    object_pairs_hook=refuse_duplicates,
)
