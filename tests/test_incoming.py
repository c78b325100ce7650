"""Answers of any HTTP/1.1 server, as RFC 9112 frames them, whole and in pieces."""

import pytest

from calcbench.bench.loadgen.driver.response import (
    UNKNOWN,
    Checker,
    FramingError,
    Head,
    Incoming,
    parse_any_head,
)

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("head", "method", "understood"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5", "GET", Head(200, 5, True)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5", "GET", Head(200, 5, True)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5", "HEAD", Head(200, 0, True)),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", "HEAD", Head(200, 0, True)),
        (b"HTTP/1.1 200 OK", "HEAD", Head(200, 0, True)),
        (b"HTTP/1.1 204 No Content", "GET", Head(204, 0, True)),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5", "GET", Head(304, 0, True)),
        (b"HTTP/1.1 103 Early Hints\r\nLink: </a>", "GET", Head(103, 0, True)),
        (b"HTTP/1.1 200 OK", "GET", Head(200, UNKNOWN, False)),
        (b"HTTP/1.0 200 OK", "GET", Head(200, UNKNOWN, False)),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked",
            "GET",
            Head(200, UNKNOWN, True, chunked=True),
        ),
        (
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked",
            "GET",
            Head(200, UNKNOWN, False, chunked=True),
        ),
    ],
)
def test_knows_where_a_response_ends(head: bytes, method: str, understood: Head) -> None:
    assert parse_any_head(head, method=method) == understood


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/2 200",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6",
        b"HTTP/1.1 200 OK\r\nContent-Length: five",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    ],
)
def test_trusts_no_framing_that_is_in_doubt(head: bytes) -> None:
    with pytest.raises(FramingError):
        parse_any_head(head)


WHOLE = [
    (OK + b"Content-Length: 5\r\n\r\nhello", b"hello"),
    (OK + b"Content-Length: 0\r\n\r\n", b""),
    (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    (CHUNKED + b"0\r\n\r\n", b""),
    (CHUNKED + b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
    (CHUNKED + b"3 ; name=value\r\nhel\r\n00002\r\nlo\r\n0;last\r\n\r\n", b"hello"),
    (
        CHUNKED + b"A\r\n0123456789\r\na\r\n\r\n0\r\n\r\n123\r\n0\r\n\r\n",
        b"0123456789\r\n0\r\n\r\n123",
    ),
    (CHUNKED + b"5\r\nhello\r\n0\r\nDigest: x\r\nMore: y\r\n\r\n", b"hello"),
    (b"HTTP/1.1 100 Continue\r\n\r\n" * 2 + OK + b"Content-Length: 2\r\n\r\nhi", b"hi"),
    (b"HTTP/1.1 103 Hints\r\nLink: a\r\n\r\n" + CHUNKED + b"1\r\n\n\r\n0\r\n\r\n", b"\n"),
]


def read(pieces: list[bytes]) -> tuple[bool, bytes]:
    incoming = Incoming(parse_any_head, keep=True)
    whole = False
    for piece in pieces:
        assert not whole
        whole = incoming.feed(piece)
    return whole, incoming.body


@pytest.mark.parametrize(("octets", "body"), WHOLE)
def test_reads_a_response_however_it_is_cut(octets: bytes, body: bytes) -> None:
    assert read([octets]) == (True, body)
    assert read([octets[at : at + 1] for at in range(len(octets))]) == (True, body)
    for cut in range(1, len(octets)):
        assert read([octets[:cut], octets[cut:]]) == (True, body)
        assert read([octets[:cut]])[0] is False


@pytest.mark.parametrize(("octets", "body"), WHOLE)
def test_takes_nothing_behind_the_end(octets: bytes, body: bytes) -> None:
    with pytest.raises(FramingError):
        read([octets + b"!"])


@pytest.mark.parametrize(
    "octets",
    [
        CHUNKED + b"\r\n",
        CHUNKED + b"x\r\n",
        CHUNKED + b"-1\r\n",
        CHUNKED + b"0x5\r\nhello\r\n",
        CHUNKED + b"5\r\nhello!\r\n",
        CHUNKED + b"5\nhello\r\n0\r\n\r\n",
        CHUNKED + b"1234567890123\r\n",
        CHUNKED + b"0\r\nno trailer\r\n\r\n",
        CHUNKED + b"0" * 70_000,
        b"x" * 70_000,
    ],
)
def test_refuses_what_is_no_chunk(octets: bytes) -> None:
    with pytest.raises(FramingError):
        read([octets])


def test_ends_with_the_connection_only_where_nothing_else_says_so() -> None:
    for octets, ends in (
        (OK + b"\r\nhello", True),
        (OK + b"\r\n", True),
        (OK + b"Content-Length: 9\r\n\r\nhello", False),
        (CHUNKED + b"5\r\nhello\r\n", False),
        (OK, False),
        (b"HTTP/1.1 100 Continue\r\n\r\n", False),
    ):
        incoming = Incoming(parse_any_head, keep=True)

        assert not incoming.feed(octets)
        assert incoming.ends_here() is ends


def test_keeps_no_body_that_nobody_compares() -> None:
    incoming = Incoming(parse_any_head, keep=False)

    assert incoming.feed(CHUNKED + b"5\r\nhello\r\n0\r\n\r\n")
    assert incoming.body == b""


def test_knows_a_right_response_at_sight_once_it_has_seen_the_head() -> None:
    checker = Checker(None, keep_alive=True)
    head = OK + b"Content-Length: 1"
    whole = head + b"\r\n\r\n5"
    assert not checker.is_right_at_sight(whole, b"5")
    checker.learn(head)

    assert checker.is_right_at_sight(whole, b"5")
    assert checker.is_right_at_sight(whole, None)
    assert not checker.is_right_at_sight(whole, b"6")
    assert not checker.is_right_at_sight(whole + b"5", b"5")
    assert not checker.is_right_at_sight(head, b"5")
