"""Responses of any HTTP/1.1 server, as RFC 9112 frames them, whole and in pieces."""

import pytest

from calcbench.bench.loadgen.driver.framing import (
    UNKNOWN,
    FramingError,
    Head,
    Incoming,
    parse_any_head,
)
from calcbench.bench.loadgen.driver.ledger import Fault
from calcbench.bench.loadgen.driver.response import MAX_NUMBER, Checker
from calcbench.bench.loadgen.spec import Ask
from calcbench.bench.schema import outcomes

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
TO_THE_CLOSE = Head(200, UNKNOWN, keep_alive=False)
FIVE = Head(200, 5, keep_alive=True)
FIVE_AND_CLOSE = Head(200, 5, keep_alive=False)
IN_CHUNKS = Head(200, UNKNOWN, keep_alive=True, chunked=True)
IN_CHUNKS_AND_CLOSE = Head(200, UNKNOWN, keep_alive=False, chunked=True)


@pytest.mark.parametrize(
    ("fields", "understood"),
    [
        # One length, however it is written (RFC 9112 §6.3, RFC 9110 §5.6.1).
        (b"Content-Length: 5", FIVE),
        (b"content-length:\t5 \t", FIVE),
        (b"Content-Length: 5\r\nContent-Length: 5", FIVE),
        (b"Content-Length: 5, 5", FIVE),
        (b"Content-Length: 5,, 05 ,", FIVE),
        (b"Content-Length: 00000000000000000005", FIVE),
        (b"", TO_THE_CLOSE),
        # The connection (RFC 9112 §9.3).
        (b"Connection: close\r\nContent-Length: 5", FIVE_AND_CLOSE),
        (b"Connection: keep-alive, CLOSE\r\nContent-Length: 5", FIVE_AND_CLOSE),
        (b"Connection: , x\r\nConnection: close\r\nContent-Length: 5", FIVE_AND_CLOSE),
        (b"Connection: closed\r\nKeep-Alive: timeout=5\r\nContent-Length: 5", FIVE),
        # Codings (RFC 9112 §6.1, §6.3): the last one is chunked, or the close ends the body.
        (b"transfer-encoding: Chunked", IN_CHUNKS),
        (b"Transfer-Encoding: , chunked,,", IN_CHUNKS),
        (b"Transfer-Encoding: gzip, chunked", IN_CHUNKS),
        (b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", IN_CHUNKS),
        (b"Connection: close\r\nTransfer-Encoding: chunked", IN_CHUNKS_AND_CLOSE),
        (b"Transfer-Encoding: gzip", TO_THE_CLOSE),
        (b"Transfer-Encoding: chunked, gzip", TO_THE_CLOSE),
        (b"Transfer-Encoding: identity\r\nContent-Length: 5", TO_THE_CLOSE),
        (b"Transfer-Encoding:", TO_THE_CLOSE),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 5", IN_CHUNKS_AND_CLOSE),
        (b"Content-Length: five\r\nTransfer-Encoding: chunked", IN_CHUNKS_AND_CLOSE),
        # Folded fields (RFC 9112 §5.2).
        (b"A: b\r\n c\r\nContent-Length:\r\n\t 5", FIVE),
        (b"Connection: x,\r\n close\r\nContent-Length: 5", FIVE_AND_CLOSE),
        (b"A:\r\n \r\n \r\nContent-Length: 5", FIVE),
        # Values of any bytes, and none (RFC 9110 §5.5); lines that end in LF alone (§2.2).
        (b"A: \xff\x80\x01\x7f\r\nB:\r\nContent-Length: 5", FIVE),
        (b"A: b\nContent-Length: 5", FIVE),
        (b"A: b\n c\nContent-Length: 5", FIVE),
    ],
)
def test_knows_where_a_response_ends(fields: bytes, understood: Head) -> None:
    assert parse_any_head(OK + fields if fields else OK[:-2]) == understood


@pytest.mark.parametrize(
    ("status_line", "understood"),
    [
        (b"HTTP/1.1 200", FIVE),
        (b"HTTP/1.1 200 ", FIVE),
        (b"HTTP/1.1 200 Tr\xe8s  bien", FIVE),
        (b"HTTP/1.2 200 OK", FIVE),
        (b"HTTP/1.9 200 OK", FIVE),
        (b"HTTP/1.0 200 OK", FIVE_AND_CLOSE),
        (b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive", FIVE),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive, close", FIVE_AND_CLOSE),
        (b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked", IN_CHUNKS_AND_CLOSE),
        (
            b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked",
            IN_CHUNKS_AND_CLOSE,
        ),
        (b"HTTP/1.1 600 What", Head(600, 5, keep_alive=True)),
        (b"HTTP/1.1 999 What", Head(999, 5, keep_alive=True)),
        (b"HTTP/1.1 099 What", Head(99, 5, keep_alive=True)),
        (b"HTTP/1.1 101 Switching Protocols", Head(101, 0, keep_alive=False)),
        (b"HTTP/1.1 103 Early Hints", Head(103, 0, keep_alive=True)),
        (b"HTTP/1.1 204 No Content", Head(204, 0, keep_alive=True)),
        (b"HTTP/1.1 205 Reset Content", Head(205, 5, keep_alive=True)),
        (b"HTTP/1.1 304 Not Modified", Head(304, 0, keep_alive=True)),
    ],
)
def test_reads_any_status_and_version(status_line: bytes, understood: Head) -> None:
    assert parse_any_head(status_line + b"\r\nContent-Length: 5") == understood


@pytest.mark.parametrize(
    "fields", [b"Content-Length: 5", b"Transfer-Encoding: chunked", b"Content-Length: x", b"A:"]
)
@pytest.mark.parametrize("status", [b"200", b"404", b"999"])
def test_expects_no_body_of_a_response_to_head(fields: bytes, status: bytes) -> None:
    head = b"HTTP/1.1 " + status + b" X\r\n" + fields

    assert parse_any_head(head, method="HEAD") == Head(int(status), 0, keep_alive=True)


@pytest.mark.parametrize(
    ("head", "why"),
    [
        (b"HTTP/2 200", "its first line is not a status line of HTTP/1.1: 'HTTP/2 200'"),
        (b"http/1.1 200 OK", "not a status line"),
        (b"HTTP/1.1  200 OK", "not a status line"),
        (b"HTTP/1.10 200 OK", "not a status line"),
        (b"HTTP/1.1 20 OK", "not a status line"),
        (b"HTTP/1.1 2000 OK", "not a status line"),
        (b"HTTP/1.1 200 O\rK", "not a status line"),
        (OK + b" A: b", "a line of its head is not a header field: ' A: b'"),
        (OK + b"no colon", "not a header field"),
        (OK + b": x", "not a header field"),
        (OK + b"A : b", "not a header field"),
        (OK + b"A: b\x00", "not a header field"),
        (OK + b"A: b\rB: c", "not a header field"),
        (OK + b"Content-Length: 5\r\nContent-Length: 6", "not one number: '5, 6'"),
        (OK + b"Content-Length: 5, 6", "not one number"),
        (OK + b"Content-Length: five", "not one number"),
        (OK + b"Content-Length: +5", "not one number"),
        (OK + b"Content-Length: 5 5", "not one number"),
        (OK + b"Content-Length: ,", "not one number: there is none"),
        (OK + b"Content-Length: 1000000000000000", "not one number"),
        (OK + b"Transfer-Encoding: chunked, chunked", "makes no sense: 'chunked, chunked'"),
        (OK + b"Transfer-Encoding: chunked;a=b", "makes no sense"),
    ],
)
def test_says_why_it_does_not_trust_a_head(head: bytes, why: str) -> None:
    with pytest.raises(FramingError) as refused:
        parse_any_head(head)

    assert why in str(refused.value)
    assert str(refused.value).isprintable()


WHOLE = [
    (OK + b"Content-Length: 5\r\n\r\nhello", b"hello"),
    (OK + b"Content-Length: 0\r\n\r\n", b""),
    (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    (CHUNKED + b"0\r\n\r\n", b""),
    (CHUNKED + b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
    (CHUNKED + b"3 ; name=value\r\nhel\r\n00002\r\nlo\r\n0;last\r\n\r\n", b"hello"),
    (CHUNKED + b'5;a="; \\" 0";b\r\nhello\r\n0\r\n\r\n', b"hello"),
    (CHUNKED + b"00000000000000000005\r\nhello\r\n" + b"0" * 20 + b"\r\n\r\n", b"hello"),
    (
        CHUNKED + b"A\r\n0123456789\r\na\r\n\r\n0\r\n\r\n123\r\n0\r\n\r\n",
        b"0123456789\r\n0\r\n\r\n123",
    ),
    (CHUNKED + b"5\r\nhello\r\n0\r\nDigest: x\r\n folded\r\nMore: y\r\n\r\n", b"hello"),
    (b"HTTP/1.1 100 Continue\r\n\r\n" * 2 + OK + b"Content-Length: 2\r\n\r\nhi", b"hi"),
    (b"HTTP/1.1 103 Hints\r\nLink: a\r\n\r\n" + CHUNKED + b"1\r\n\n\r\n0\r\n\r\n", b"\n"),
    (b"HTTP/1.1 102 Wait\r\nContent-Length: 9\r\n\r\n" + OK + b"Content-Length: 0\r\n\r\n", b""),
    (b"HTTP/1.1 200 OK\nContent-Length: 4\n\n\n\n\r\n", b"\n\n\r\n"),
    (b"HTTP/1.1 200 OK\r\nA: b\nContent-Length: 2\r\n\nhi", b"hi"),
]


def make_incoming(most: int = 1_000_000) -> Incoming:
    return Incoming(parse_any_head, most=most)


def read(pieces: list[bytes]) -> tuple[bool, bytes]:
    incoming = make_incoming()
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
    with pytest.raises(FramingError, match="bytes follow its end: '!'"):
        read([octets + b"!"])


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (CHUNKED + b"\r\n", "a chunk does not begin with a size: ''"),
        (CHUNKED + b"x\r\n", "begin with a size: 'x'"),
        (CHUNKED + b"-1\r\n", "begin with a size"),
        (CHUNKED + b"0x5\r\nhello\r\n", "begin with a size"),
        (CHUNKED + b"5\r\nhello!\r\n", "a chunk is longer than its size says"),
        (CHUNKED + b"5\nhello\r\n0\r\n\r\n", "begin with a size"),
        (CHUNKED + b"5\nhello", "a line among its chunks ends in LF without CR"),
        (CHUNKED + b"0\r\nA: b\n", "a line among its chunks ends in LF without CR"),
        (CHUNKED + b"0\r\nA: b\x00\r\n", "is not a trailer"),
        (CHUNKED + b"1234567890123456\r\n", "begin with a size"),
        (CHUNKED + b"0\r\nno trailer\r\n\r\n", "is not a trailer: 'no trailer'"),
        (CHUNKED + b"0" * 70_000, "a line among its chunks is longer than 65,536 bytes"),
        (OK + b"x" * 70_000, "its head is longer than 65,536 bytes"),
        (OK + b"A: " + b"x" * 70_000 + b"\r\n\r\n", "its head is longer than 65,536 bytes"),
        (b"SSH-2.0-OpenSSH\r\n", r"it does not begin with HTTP/: 'SSH-2.0-OpenSSH\r\n'"),
        (b"\x15\x03\x01\x00\x02", r"it does not begin with HTTP/: '\x15\x03"),
        (b"\r\n" + OK, "it does not begin with HTTP/"),
        (b"x" * 70_000, "it does not begin with HTTP/"),
    ],
)
def test_refuses_what_is_no_response(octets: bytes, why: str) -> None:
    with pytest.raises(FramingError) as refused:
        read([octets])

    assert why in str(refused.value)
    assert len(str(refused.value)) < 400


def test_refuses_our_own_servers_a_line_that_ends_in_lf_alone() -> None:
    incoming = Checker(None, keep_alive=True).incoming(b"5")

    assert not incoming.feed(b"HTTP/1.1 200 OK\nContent-Length: 1\n\n5")
    with pytest.raises(FramingError, match="not a status line"):
        incoming.feed(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("octets", "missing"),
    [
        (OK + b"\r\nhello", ""),
        (OK + b"\r\n", ""),
        (OK + b"Transfer-Encoding: gzip\r\n\r\n\x1f\x8b", ""),
        (OK + b"Content-Length: 9\r\n\r\nhello", "closed within its body: after 5 of 9 bytes"),
        (CHUNKED + b"5\r\nhello\r\n", "closed before its last chunk"),
        (OK, "closed within its head: 'HTTP/1.1 200 OK"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "closed within its head: ''"),
    ],
)
def test_ends_with_the_connection_only_where_nothing_else_says_so(
    octets: bytes, missing: str
) -> None:
    incoming = make_incoming()

    assert not incoming.feed(octets)
    assert incoming.ends_here() is not bool(missing)
    assert not missing or missing in str(incoming.shortfall())


def test_reads_what_it_is_sent_in_linear_time() -> None:
    tricky = b"A: x" + b" " * 60_000 + b"y"

    assert parse_any_head(OK + tricky + b"\r\nContent-Length: 5") == FIVE
    with pytest.raises(FramingError):
        parse_any_head(OK + tricky + b"\x00")


@pytest.mark.parametrize("ask", [None, Ask("GET / HTTP/1.1\r\n\r\n")])
def test_keeps_no_more_of_an_endless_body_than_it_compares(ask: Ask | None) -> None:
    checker = Checker(ask, keep_alive=True)
    incoming = checker.incoming(b"5")
    most = 2 if ask else MAX_NUMBER

    incoming.feed(OK + b"Content-Length: 100000000\r\n\r\n")
    for _ in range(1000):
        assert not incoming.feed(b"5" * 1000)
    assert (len(incoming.body), incoming.size) == (most, 1_000_000)
    assert checker.incoming(None).most == 0


def outcome(checker: Checker, octets: bytes, expected: bytes | None) -> int:
    incoming = checker.incoming(expected)
    assert incoming.feed(octets)
    return checker.outcome_of(incoming, expected)


def test_does_not_take_the_beginning_of_a_body_for_all_of_it() -> None:
    anybody = Checker(Ask("GET / HTTP/1.1\r\n\r\n"), keep_alive=True)
    ours = Checker(None, keep_alive=True)
    zeros = b"5." + b"0" * MAX_NUMBER + b"1"
    long = OK + b"Content-Length: %d\r\n\r\n" % len(zeros) + zeros
    whole = OK + b"Content-Length: 5\r\n\r\nhello"

    assert outcome(anybody, whole, b"hello") == outcomes.OK
    assert outcome(anybody, whole, b"hell") == outcomes.WRONG
    assert outcome(anybody, whole, b"hello!") == outcomes.WRONG
    assert outcome(ours, long, b"5") == outcomes.WRONG


def test_says_why_a_response_is_not_right() -> None:
    checker = Checker(None, keep_alive=True)
    whys = []
    for octets in (
        OK + b"Content-Length: 1\r\n\r\n6",
        b"HTTP/1.1 999 No\r\nContent-Length: 0\r\n\r\n",
        OK + b"Content-Length: 1\r\n\r\n5",
    ):
        incoming = checker.incoming(b"5")
        assert incoming.feed(octets)
        whys.append(checker.fault_of(incoming, b"5"))

    assert whys == [
        Fault(outcomes.WRONG, "wrong body", "'6' should be '5'"),
        Fault(outcomes.HTTP_ERROR, "status 999"),
        None,
    ]


@pytest.mark.parametrize("status", [99, 600, 999])
def test_takes_a_status_that_no_rule_has_for_an_error(status: int) -> None:
    checker = Checker(Ask("GET / HTTP/1.1\r\n\r\n"), keep_alive=True)

    octets = b"HTTP/1.1 %03d X\r\nContent-Length: 0\r\n\r\n" % status
    assert outcome(checker, octets, None) == outcomes.HTTP_ERROR


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
