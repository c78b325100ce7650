"""What the driver takes for a right response."""

import pytest

from calcbench.bench.loadgen.driver.framing import FramingError, Head, parse_head
from calcbench.bench.loadgen.driver.response import is_right
from calcbench.bench.schema import outcomes
from calcbench.bench.schema.outcomes import OUTCOMES, Outcomes


@pytest.mark.parametrize(
    ("head", "understood"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5", Head(200, 5, True)),
        (b"HTTP/1.1 200\r\ncontent-length:5", Head(200, 5, True)),
        (b"HTTP/1.1 200 \r\nA: b\r\nCONTENT-LENGTH:\t 5 \r\nC:", Head(200, 5, True)),
        (b"HTTP/1.1 422 No\r\nContent-Length: 0\r\nConnection: keep-alive", Head(422, 0, True)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: x, Close", Head(200, 5, False)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: closed", Head(200, 5, True)),
        (b"HTTP/1.1 999 No\r\nContent-Length: 5", Head(999, 5, True)),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 5", Head(200, 5, False)),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: Keep-Alive", Head(200, 5, True)),
    ],
)
def test_understands_a_head(head: bytes, understood: Head) -> None:
    assert parse_head(head) == understood


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"HTTP/1.1 200 OK",
        b"HTTP/2.0 200 OK\r\nContent-Length: 5",
        b"HTTP/1.1 20 OK\r\nContent-Length: 5",
        b"HTTP/1.1 2000 OK\r\nContent-Length: 5",
        b" HTTP/1.1 200 OK\r\nContent-Length: 5",
        b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 5",
        b"HTTP/1.1 200 OK\nContent-Length: 5",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5,",
        b"HTTP/1.1 200 OK\r\nContent-Length: +5",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5_0",
        b"HTTP/1.1 200 OK\r\nContent-Length: \xb2",
        b"HTTP/1.1 200 OK\r\nContent-Length: ",
        b"HTTP/1.1 200 OK\r\nContent-Length : 5",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nA: \x01",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n folded",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nno colon",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked",
    ],
)
def test_trusts_no_framing_that_is_in_doubt(head: bytes) -> None:
    with pytest.raises(FramingError):
        parse_head(head)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"5", b"5"),
        (b"5\n", b"5"),
        (b"5.0", b"5"),
        (b"-50e-1", b"-5"),
        (b'{"result":5}', b'{"result": 5}'),
        (b'{"result": 5.0, "more": []}\n', b'{"result": 5}'),
        (b"99999999999999999999999999999999999999", b"99999999999999999999999999999999999999"),
    ],
)
def test_takes_the_number_in_any_spelling(body: bytes, expected: bytes) -> None:
    assert is_right(body, expected)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"6",
        b"05",
        b"+5",
        b"5 5",
        b"5_0",
        b"0x5",
        b"5.",
        b"NaN",
        b"five",
        b"\xff",
        b"\xd9\xa5",
        b"{",
        b"{}",
        b'{"result": "5"}',
        b'{"result": 6}',
        b'{"result": true}',
        b'{"result": [5]}',
        b'{"error": 5}',
        b'{"result": NaN}',
        b'{"a":' * 100_000,
    ],
)
def test_takes_nothing_else_for_the_number(body: bytes) -> None:
    assert not is_right(body, b"5")
    assert not is_right(body, b'{"result": 5}')


def test_has_one_field_for_each_outcome() -> None:
    fields = tuple(Outcomes.__dataclass_fields__)

    assert fields == OUTCOMES
    assert [getattr(outcomes, field.upper()) for field in fields] == list(range(6))
