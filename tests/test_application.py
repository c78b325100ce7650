import json
import math
from typing import Any

import pytest
from builders import make_request
from hypothesis import given
from hypothesis import strategies as st

from calcbench.core.app.application import EXAMPLE, MOST_BRACKETS, PAGE, handle, means_json
from calcbench.core.app.calculator import OPERATIONS, SHOWN, Number, calculate
from calcbench.core.errors import HttpError
from calcbench.core.http.message import JSON, TEXT, Response
from calcbench.core.http.render import REASONS

NINES = "9" * 1000
READ = ((b"Allow", b"GET, HEAD, OPTIONS"),)
WRITE = ((b"Allow", b"OPTIONS, POST"),)
EVERY = ((b"Allow", b"GET, HEAD, OPTIONS, POST"),)


def ask(path: str | bytes, method: str = "GET") -> Response:
    """Answer a path as it stands, and so also one that the parser would have refused."""
    request = make_request("GET", "/")
    request.method = method.encode("latin-1")
    request.path = path if isinstance(path, bytes) else path.encode("latin-1")
    return handle(request)


def post(body: str | bytes, content_type: str | None = "application/json") -> Response:
    headers = {} if content_type is None else {"Content-Type": content_type}
    octets = body if isinstance(body, bytes) else body.encode()
    return handle(make_request("POST", "/calc", octets, headers))


def check(response: Response) -> None:
    """What holds for every answer, whatever was asked."""
    text = response.body.decode()

    assert response.status in REASONS
    assert response.status < 500
    assert response.wait == 0
    if response.status >= 400:
        assert text.isprintable()
        assert len(text) < 400 + 2 * SHOWN
    for name, value in response.headers:
        assert (response.status in (204, 405), name) == (True, b"Allow")
        assert value in (READ[0][1], WRITE[0][1], EVERY[0][1])


def error_of(response: Response) -> str:
    """Return the message of a JSON error, after a look at all the rest."""
    document = json.loads(response.body)
    message = document.pop("error")
    check(response)

    assert document == {}
    assert response.content_type == JSON
    assert response.status >= 400
    assert isinstance(message, str)
    return message


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/add/2/3", "5"),
        ("/sub/2/3", "-1"),
        ("/mult/2/4", "8"),
        ("/div/4/2", "2"),
        ("/div/1/3", "0.3333333333333333"),
        ("/mod/-7/3", "2"),
        ("/pow/2/10", "1024"),
        ("/pow/2/-1", "0.5"),
        ("/add/0.1/0.2", "0.30000000000000004"),
        ("/add/1e22/0", "1e+22"),
        ("/add/-0/0", "0"),
        ("/mult/-1/0.0", "-0.0"),
        (f"/add/{NINES}/1", "1" + "0" * 1000),
        (f"/pow/-1/{NINES}", "-1"),
        # Each segment is decoded once, after the cut.
        ("/add/%32/3", "5"),
        ("/%61%64d/%2D2/3%2e5", "1.5"),
    ],
)
def test_answers_a_sum_in_the_path(path: str, body: str) -> None:
    for method in ("GET", "HEAD"):
        response = ask(path, method)

        assert (response.status, response.body) == (200, body.encode())
        assert response.content_type == TEXT
        assert response.headers == ()


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        # Malformed numbers
        ("/add/007/1", 400, "'007' is not a number; write it as 7, -2.5 or 1e3"),
        ("/add/1/+5", 400, "'+5'"),
        ("/add/1./1", 400, "'1.'"),
        ("/add/1/.5", 400, "'.5'"),
        ("/add/%205/1", 400, "' 5'"),
        ("/add/5%0A/1", 400, r"'5\n'"),
        ("/add/5%00/1", 400, r"'5\x00'"),
        ("/add//1", 400, "'' is not"),
        ("/add/1/", 400, "'' is not"),
        ("/add//", 400, "'' is not"),
        ("/add/two/3", 400, "'two'"),
        ("/add/NaN/3", 400, "'NaN'"),
        ("/add/Infinity/3", 400, "'Infinity'"),
        ("/add/true/3", 400, "'true'"),
        ("/add/%D9%A3/1", 400, "'٣'"),
        ("/add/\xff/1", 400, "'�'"),
        ("/add/%ED%A0%80/1", 400, "'���'"),
        ("/add/%2532/3", 400, "'%32'"),
        ("/add/1%2F2/3", 400, "'1/2'"),
        ("/add/%3/3", 400, "'%3'"),
        ("/add/2/3%", 400, "'3%'"),
        ("/add/" + "x" * 8000 + "/3", 400, "xxx... is not"),
        # No result
        ("/div/1/0", 422, "1 div 0 divides by zero; give a number other than 0"),
        ("/mod/1/0", 422, "zero"),
        ("/pow/0/-1", 422, "zero"),
        ("/add/1e999/1", 422, "'1e999' is too large"),
        (f"/add/1{NINES}/1", 422, "1001 digits"),
        ("/mult/1e308/10", 422, "too large"),
        (f"/add/{NINES}/0.5", 422, "too large"),
        ("/pow/-8/0.5", 422, "not a real number"),
        (f"/pow/{NINES}/{NINES}", 422, "4000 digits"),
        # No such path
        ("/plus/1/2", 404, "no operation 'plus'; there are add, sub, mult, div, mod, pow"),
        ("/subtract/1/2", 404, "no operation 'subtract'; did you mean 'sub'?"),
        ("/multiply/1/2", 404, "did you mean 'mult'?"),
        ("/ADD/1/2", 404, "no operation 'ADD'; did you mean 'add'?"),
        ("/plus/x/y", 404, "no operation"),
        ("///", 404, "no operation ''"),
        ("/%F0%9F%98%80/1/2", 404, "'😀'"),
        ("/add%2F1/1/2", 404, "'add/1'"),
        ("/add", 404, "nothing at '/add'; calculate with /add/2/3"),
        ("/add/2", 404, "'/add/2'"),
        ("/add/2/3/", 404, "'/add/2/3/'"),
        ("/add/2/3/4", 404, "/add/2/3"),
        ("//add/2/3", 404, "'//add/2/3'"),
        ("//", 404, "'//'"),
        ("x/add/2/3", 404, "'x/add/2/3'"),
        ("/favicon.ico", 404, "read the page at /"),
        ("/calc/", 404, "'/calc/'"),
        ("/Calc", 404, "'/Calc'"),
        ("/" + "y" * 8000, 404, "yyy..."),
    ],
)
def test_refuses_a_path_in_plain_text(path: str, status: int, says: str) -> None:
    response = ask(path)
    check(response)

    assert (response.status, response.content_type) == (status, TEXT)
    assert says in response.body.decode()
    assert response.headers == ()


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("POST", "/add/2/3", READ),
        ("DELETE", "/div/1/0", READ),
        ("get", "/add/2/3", READ),
        ("BREW", "/add/x/y", READ),
        ("POST", "/", READ),
        ("PUT", "/", READ),
        ("GET", "/calc", WRITE),
        ("HEAD", "/calc", WRITE),
        ("PATCH", "/%63alc", WRITE),
        ("GET", "*", EVERY),
    ],
)
def test_names_the_methods_that_a_path_has(
    method: str, path: str, allow: tuple[tuple[bytes, bytes], ...]
) -> None:
    response = ask(path, method)
    message = error_of(response) if allow == WRITE else response.body.decode()

    assert response.status == 405
    assert response.headers == allow
    assert repr(method) in message
    assert allow[0][1].decode() in message


@pytest.mark.parametrize(
    ("path", "allow"),
    [("/add/2/3", READ), ("/add/x/y", READ), ("/", READ), ("/calc", WRITE), ("*", EVERY)],
)
def test_answers_options(path: str, allow: tuple[tuple[bytes, bytes], ...]) -> None:
    response = ask(path, "OPTIONS")

    assert (response.status, response.body, response.headers) == (204, b"", allow)
    assert ask("/nowhere", "OPTIONS").status == 404


def test_ignores_the_query() -> None:
    assert handle(make_request("GET", "/add/2/3?x=/1/%32")).body == b"5"


def test_explains_itself_on_one_page() -> None:
    response = ask("/")
    page = response.body.decode()

    assert (response.status, response.content_type) == (200, TEXT)
    assert ask("/", "HEAD").body == PAGE
    assert all(f"/{name.decode()}/" in page for name in OPERATIONS)
    assert max(map(len, page.splitlines())) <= 100
    # What it promises is so.
    for line in page.splitlines():
        if line.startswith("    GET "):
            path, result = line.split()[1:3]
            assert ask(path).body.decode() == result.rstrip(",:")
    assert post(EXAMPLE).body == b'{"result": 8}'


@pytest.mark.parametrize(
    ("body", "result"),
    [
        ('{"op": "mult", "arg1": 2, "arg2": 4}', "8"),
        (' {"arg2":4,\r\n\t"arg1":-2 , "op":"sub"}\n', "-6"),
        (r'{"\u006fp": "\u0061dd", "arg1": 2, "arg2": 4}', "6"),
        ('{"op": "div", "arg1": 4, "arg2": 2}', "2"),
        ('{"op": "div", "arg1": 1, "arg2": 8}', "0.125"),
        ('{"op": "add", "arg1": 1E+2, "arg2": 0.5}', "100.5"),
        ('{"op": "add", "arg1": -0, "arg2": -0.0}', "0.0"),
        (f'{{"op": "add", "arg1": {NINES}, "arg2": 1}}', "1" + "0" * 1000),
    ],
)
def test_answers_a_sum_in_json(body: str, result: str) -> None:
    response = post(body)

    assert response.status == 200
    assert response.body.decode() == f'{{"result": {result}}}'
    assert response.content_type == JSON


def with_arg1(value: str) -> str:
    return f'{{"op": "add", "arg1": {value}, "arg2": 1}}'


def with_op(value: str) -> str:
    return f'{{"op": {value}, "arg1": 1, "arg2": 1}}'


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        # No JSON
        ("", 400, "'' is not JSON"),
        (" ", 400, "is not JSON"),
        ("{", 400, "'{' is not JSON"),
        ("op=add", 400, "'op=add' is not JSON"),
        (EXAMPLE + EXAMPLE, 400, "is not JSON, Extra data"),
        (EXAMPLE.replace('"', "'"), 400, "is not JSON"),
        (EXAMPLE[:-1] + ",}", 400, "is not JSON"),
        (EXAMPLE + "\0", 400, "is not JSON"),
        ("no" * 9999, 400, "nono... is not JSON"),
        ("\ufeff" + EXAMPLE, 400, "is not JSON"),
        (EXAMPLE.encode("utf-16"), 400, "is not JSON, 'utf-8'"),
        (with_op('"\xff"').encode("latin-1"), 400, "is not JSON, 'utf-8'"),
        (b'"\xed\xa0\x80"', 400, "is not JSON, 'utf-8'"),
        (with_op('"a\tb"'), 400, "is not JSON"),
        (with_arg1("007"), 400, "is not JSON"),
        (with_arg1("+5"), 400, "is not JSON"),
        (with_arg1(".5"), 400, "is not JSON"),
        (with_arg1("1."), 400, "is not JSON"),
        (with_arg1("0x10"), 400, "is not JSON"),
        (with_arg1("\u0663"), 400, "is not JSON"),
        (with_arg1("1\u0663"), 400, "not"),
        (with_arg1("NaN"), 400, "NaN is not JSON; send a number like 2.5"),
        (with_arg1("Infinity"), 400, "Infinity is not JSON"),
        (with_arg1("-Infinity"), 400, "-Infinity is not JSON"),
        # Too deep to read
        ("[" * 60, 400, "is not JSON"),
        ("[" * 60_000, 400, "over 64 brackets"),
        ('{"op":' * 10_000, 400, "over 64 brackets"),
        (with_arg1("[" * 1000 + "]" * 1000), 400, "over 64 brackets"),
        # JSON, but no calculation
        ("null", 400, "the body is null; send op, arg1 and arg2"),
        ("true", 400, "the body is true"),
        ("12", 400, "the body is 12"),
        ('"add"', 400, r'the body is "add"'),
        (f"[{EXAMPLE}]", 400, "the body is [{"),
        ("[" * MOST_BRACKETS + "]" * MOST_BRACKETS, 400, "the body is [[["),
        ("{}", 400, "the body is {}"),
        ('{"op": "add", "arg1": 1}', 400, "send op, arg1 and arg2"),
        ('{"op": "add", "arg1": 1, "arg2": 2, "arg3": 3}', 400, "send op, arg1 and arg2"),
        ('{"op": "add", "arg1": 1, "Arg2": 2}', 400, "send op, arg1 and arg2"),
        ('{"op": "add", "op": "add", "arg1": 1, "arg2": 2}', 400, "a key appears twice"),
        (r'{"op": "add", "arg1": 1, "arg2": 2, "\u006fp": "add"}', 400, "a key appears twice"),
        (with_arg1('{"a": 1, "a": 1}'), 400, "a key appears twice"),
        (with_arg1("true"), 400, "arg1 is true; send a number like 2"),
        (with_arg1("false"), 400, "arg1 is false"),
        (with_arg1("null"), 400, "arg1 is null"),
        (with_arg1('"2"'), 400, 'arg1 is "2"'),
        (with_arg1('"' + "2" * 9999 + '"'), 400, "222...; send a number"),
        (with_arg1("[2]"), 400, "arg1 is [2]"),
        (with_arg1('{"a": 2}'), 400, 'arg1 is {"a": 2}'),
        ('{"op": "add", "arg1": 1, "arg2": true}', 400, "arg2 is true"),
        (with_op("5"), 400, 'op is 5; send a string like "mult"'),
        (with_op("null"), 400, "op is null"),
        (with_op('["add"]'), 400, 'op is ["add"]'),
        (with_op("{}"), 400, "op is {}"),
        # A calculation that cannot be done
        (with_op('"plus"'), 422, "no operation 'plus'; there are add"),
        (with_op('"mlt"'), 422, "no operation 'mlt'; did you mean 'mult'?"),
        (with_op('""'), 422, "no operation ''"),
        (with_op('"Add"'), 422, "did you mean 'add'?"),
        (with_op('"add "'), 422, "no operation 'add '"),
        (with_op('"%61dd"'), 422, "no operation '%61dd'"),
        (with_op(r'"\ud800"'), 422, "no operation '?'"),
        (with_op(r'"add\u0000"'), 422, r"no operation 'add\x00'"),
        (with_op('"' + "z" * 9999 + '"'), 422, "zzz..."),
        (with_arg1("1e999"), 422, "'1e999' is too large"),
        (with_arg1("-1e999"), 422, "too large"),
        (with_arg1("1" * 2000), 422, "2000 digits"),
        (with_arg1("1" * 60_000), 422, "60000 digits"),
        ("1" * 60_000, 422, "60000 digits"),
        ('{"op": "div", "arg1": 1, "arg2": 0}', 422, "1 div 0 divides by zero"),
        ('{"op": "pow", "arg1": 9, "arg2": 1' + "0" * 900 + "}", 422, "4000 digits"),
    ],
)
def test_refuses_a_body_in_json(body: str | bytes, status: int, says: str) -> None:
    response = post(body)

    assert response.status == status
    assert says in error_of(response)
    assert response.headers == ()


@pytest.mark.parametrize(
    ("content_type", "accepted"),
    [
        ("application/json", True),
        ("Application/JSON", True),
        ("application/json;charset=utf-8", True),
        ('application/json ; Charset="UTF-8"', True),
        ("application/json; charset=utf-8; profile=x", True),
        ("application/json;", True),
        ("application/json; charset=utf-16", False),
        ("application/json; charset=latin-1", False),
        ("application/json; charset = latin-1", False),
        ("application/json; charset=utf-8; charset=latin-1", False),
        ("application/json; charset=", False),
        ("application/json, application/json", False),
        ("application/jsonp", False),
        ("application/problem+json", False),
        ("text/json", False),
        ("text/plain", False),
        ("application/x-www-form-urlencoded", False),
        ("json", False),
        ("json" * 2000, False),
        ("", False),
        (None, False),
    ],
)
def test_takes_a_body_that_is_json_by_its_type(content_type: str | None, accepted: bool) -> None:
    response = post(EXAMPLE, content_type)

    assert response.status == (200 if accepted else 415)
    assert accepted or "send application/json" in error_of(response)


def test_looks_at_the_type_before_the_body_and_at_the_method_before_both() -> None:
    assert post("", "text/plain").status == 415
    assert ask("/calc", "PUT").status == 405


def test_tells_nothing_of_what_was_sent_in_a_header() -> None:
    for path in ("/add/2/3", "/%0D%0AX:%20y/1/2", "/add/%0D%0A/2", "/calc", "/%0d%0a"):
        for method in ("GET", "POST", "OPTIONS", "B\r\nX: y"):
            assert ask(path, method).headers in ((), READ, WRITE)


segments = (
    st.sampled_from([b"", b"add", b"pow", b"calc", b"%", b"%2", b"%2f", b"%61dd", b"1e999", b"*"])
    | st.binary(max_size=12)
    | st.floats().map(lambda number: repr(number).encode())
    | st.integers().map(lambda number: b"%d" % number)
)
paths = st.binary(max_size=60) | st.lists(segments, max_size=5).map(b"/".join)


@given(paths, st.sampled_from(["GET", "HEAD", "POST", "OPTIONS", "\0\r\n"]))
def test_answers_any_path_with_any_method(path: bytes, method: str) -> None:
    for tried in (path, b"/" + path, b"/add/" + path, b"/pow/2/" + path):
        check(ask(tried, method))


documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
calculations = st.fixed_dictionaries(
    {
        "op": st.sampled_from(["add", "sub", "mult", "div", "mod", "pow"]) | documents,
        "arg1": st.integers() | st.floats() | documents,
        "arg2": st.integers() | st.floats() | documents,
    }
)


@given(st.binary() | (calculations | documents).map(lambda some: json.dumps(some).encode()))
def test_answers_any_body(body: bytes) -> None:
    check(post(body))


@given(st.text() | st.sampled_from(["application/json", "charset", "=", ";", '"', "utf-8", " "]))
def test_judges_any_type(content_type: str) -> None:
    assert means_json(content_type.encode()) in (True, False)
    assert means_json(b"application/json;" + content_type.encode()) in (True, False)


numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)


@given(st.sampled_from(sorted(OPERATIONS)), numbers, numbers)
def test_gives_one_result_in_the_path_and_in_json(name: bytes, left: Number, right: Number) -> None:
    in_path = ask(f"/{name.decode()}/{left!r}/{right!r}")
    question: dict[str, Any] = {"op": name.decode(), "arg1": left, "arg2": right}
    in_json = post(json.dumps(question))
    try:
        result = calculate(name, left, right)
    except HttpError as error:
        assert in_path.status == in_json.status == error.status == 422
        assert in_path.body.decode() == error_of(in_json) == str(error)
    else:
        assert in_path.status == in_json.status == 200
        assert in_path.body.decode() == repr(result)
        assert repr(json.loads(in_json.body)["result"]) == repr(result)
        assert math.isfinite(float(in_path.body)) or isinstance(result, int)
