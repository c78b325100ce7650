"""The conversation with one client: who may speak, for how long, and when it is over."""

from collections.abc import Callable
from math import inf

import pytest
from builders import make_request
from conversation import BEHIND, DATE, EOF, connect, date_line, octet_by_octet, read_replies

from calcbench.core.app.application import handle
from calcbench.core.errors import HttpError
from calcbench.core.http.connection import (
    BODY,
    HANDLING,
    HEAD,
    IDLE,
    NOTHING,
    OUTPUT_ENOUGH,
    READ,
    READ_SIZE,
    WRITE,
    Connection,
)
from calcbench.core.http.limits import Policy
from calcbench.core.http.message import JSON, Request, Response
from calcbench.core.http.parser import SHORT_TARGET, Parser
from calcbench.core.http.render import CONTINUE, REASONS, render
from calcbench.core.options import parse_options

GET = b"GET /add/1/2 HTTP/1.1\r\nHost: a\r\n\r\n"
CLOSING_GET = b"GET /add/1/2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
OLD_GET = b"GET /add/1/2 HTTP/1.0\r\n\r\n"
POST = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n"
CHUNKED = b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
EXPECTING = b"POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
BAD = b"GET /add/1/2 HTTP/1.1\r\n\r\n"
LONG_FIELD = b"X: %b\r\n" % (b"y" * 8005)

# Each a number that no other is, so that a test sees which one counts.
TIMEOUTS = Policy(
    head_timeout=11.0,
    body_timeout=12.0,
    body_rate=10.0,
    idle_timeout=13.0,
    send_timeout=14.0,
    linger_timeout=15.0,
    drain_timeout=16.0,
)


def stored(data: bytes, policy: Policy | None = None) -> Connection:
    """Return a connection that has *data*, all of which is still to be looked at."""
    connection = connect(Parser(policy or Policy()))
    connection.store(data)
    return connection


def ask(connection: Connection) -> Request:
    request = connection.next_request()
    assert request is not None
    return request


def respond(connection: Connection) -> None:
    """Respond to all requests that have come, without sending anything."""
    while (request := connection.next_request()) is not None:
        connection.respond(handle(request))


def send(connection: Connection) -> bytes:
    output = connection.output
    connection.sent(len(output))
    return output


def say(connection: Connection, data: bytes) -> bytes:
    """Feed *data*, and return all responses to it."""
    output = b""
    if (request := connection.feed(data)) is not None:
        connection.respond(handle(request))
    while True:
        respond(connection)
        if not connection.output:
            return output
        output += send(connection)


def statuses(output: bytes) -> list[int]:
    return [reply.status for reply in read_replies(output, [])]


def test_lingers_where_the_client_may_still_be_sending_behind_a_full_read() -> None:
    """Closed with octets unread, the kernel would send a reset that overtakes the response."""
    field = b"X: " + b"x" * 8000 + b"\r\n"
    head = CLOSING_GET[:-2] + field * 2
    full = head + b"Y: " + b"y" * (READ_SIZE - len(head) - 7) + b"\r\n\r\n"
    for request, lingers in ((full, True), (full.replace(b"Y: y", b"Y: "), False)):
        connection = connect()
        output = say(connection, request)

        assert statuses(output) == [200]
        assert connection.lingering == lingers
        assert connection.finished != lingers


# Pipelining


def test_answers_a_thousand_pipelined_requests_in_bounded_memory() -> None:
    """The client sends all it may before it reads anything, and then reads in small pieces."""
    total = 1000
    unsent = b"".join(b"GET /add/%d/1 HTTP/1.1\r\nHost: a\r\n\r\n" % n for n in range(total))
    longest = len(unsent)
    connection = connect()
    output = b""
    held = []
    while unsent or connection.interest == WRITE:
        if connection.interest == READ:
            connection.store(unsent[:READ_SIZE])
            unsent = unsent[READ_SIZE:]
        respond(connection)
        held.append(len(connection.output) + len(connection.buffer))
        output += connection.output[:700]
        connection.sent(min(700, len(connection.output)))

    bodies = [reply.body for reply in read_replies(output, [])]
    assert bodies == [b"%d" % (n + 1) for n in range(total)]
    assert max(held) < OUTPUT_ENOUGH + READ_SIZE + 1000
    assert longest > OUTPUT_ENOUGH  # or else nothing would be shown


def test_begins_no_request_while_many_responses_are_unread() -> None:
    connection = stored(GET * 1000)
    respond(connection)

    assert OUTPUT_ENOUGH <= len(connection.output) < OUTPUT_ENOUGH + 200
    assert connection.next_request() is None
    assert connection.interest == WRITE
    assert connection.has_buffered
    connection.sent(1000)
    assert connection.next_request() is not None


def test_reads_nothing_while_a_response_is_unread() -> None:
    connection = stored(GET)
    assert connection.interest == READ
    respond(connection)

    assert connection.interest == WRITE
    connection.sent(len(connection.output) - 1)
    assert connection.interest == WRITE
    connection.sent(1)
    assert connection.interest == READ
    assert not connection.has_buffered


def test_reads_nothing_while_a_request_is_handled() -> None:
    connection = stored(GET)
    request = ask(connection)

    assert connection.interest == NOTHING
    assert connection.next_request() is None
    connection.respond(handle(request))
    assert connection.interest == WRITE


def test_hands_out_one_request_at_a_time() -> None:
    connection = stored(GET + BEHIND)
    first = ask(connection)

    assert connection.next_request() is None
    connection.respond(handle(first))
    assert ask(connection).path == b"/add/20/22"
    assert connection.requests_out == 2


def test_takes_one_response_for_each_request() -> None:
    connection = stored(GET)
    with pytest.raises(ValueError, match="no request"):
        connection.respond(Response(200))
    connection.respond(handle(ask(connection)))
    with pytest.raises(ValueError, match="no request"):
        connection.respond(Response(200))

    assert statuses(connection.output) == [200]


def test_takes_no_response_to_a_request_whose_body_is_missing() -> None:
    connection = stored(POST)
    assert connection.next_request() is None
    with pytest.raises(ValueError, match="no request"):
        connection.respond(Response(200))


def test_takes_no_response_to_a_refused_request() -> None:
    connection = stored(CHUNKED + b"x\r\n")
    assert connection.next_request() is None
    with pytest.raises(ValueError, match="no request"):
        connection.respond(Response(200))

    assert statuses(connection.output) == [400]


def test_keeps_the_order_of_responses_and_refusals() -> None:
    assert statuses(say(connect(), GET + OLD_GET + BAD)) == [200, 200]
    assert statuses(say(connect(), GET * 3 + BAD + GET)) == [200, 200, 200, 400]


# Half-close


def test_closes_at_once_when_an_idle_client_has_finished() -> None:
    for before in (b"", GET, b"\r\n"):
        connection = connect()
        if before:
            say(connection, before)

        assert say(connection, EOF) == b""
        assert connection.finished


def test_says_that_it_closes_behind_the_last_request_of_a_half_closed_client() -> None:
    connection = stored(GET + BEHIND)
    connection.store(EOF)
    respond(connection)
    replies = read_replies(connection.output, [])

    assert [reply.body for reply in replies] == [b"3", b"42"]
    assert [reply.closes for reply in replies] == [False, True]
    send(connection)
    assert connection.finished


def test_answers_a_client_that_half_closes_while_its_request_is_handled() -> None:
    connection = stored(GET)
    request = ask(connection)
    connection.store(EOF)
    connection.respond(handle(request))

    assert [reply.closes for reply in read_replies(connection.output, [])] == [True]
    assert connection.interest == WRITE
    send(connection)
    assert connection.finished


def test_answers_a_client_that_half_closes_before_it_reads() -> None:
    connection = stored(GET)
    respond(connection)
    connection.store(EOF)

    assert connection.interest == WRITE
    assert not connection.finished
    send(connection)
    assert connection.next_request() is None
    assert connection.finished


def test_wants_nothing_more_from_a_half_closed_client() -> None:
    connection = stored(GET)
    request = ask(connection)
    connection.store(EOF)

    assert connection.interest == NOTHING
    connection.respond(handle(request))
    send(connection)
    assert connection.interest == NOTHING
    for begun in (b"\r\n", GET[:-1], POST):
        connection = stored(begun)
        assert connection.interest == READ
        connection.store(EOF)
        assert connection.interest == NOTHING


def test_refuses_a_half_closed_client_in_the_middle_of_a_request() -> None:
    for beginning in (b"G", GET[:-1], POST, CHUNKED, CHUNKED + b"1\r\na", CHUNKED + b"0\r\n"):
        connection = connect()
        assert say(connection, beginning) == b""
        replies = read_replies(say(connection, EOF), [])

        assert [(reply.status, reply.closes) for reply in replies] == [(400, True)]
        assert connection.finished, beginning


# Both versions


def test_says_nothing_of_the_connection_where_it_persists_anyway() -> None:
    (reply,) = read_replies(say(connect(), GET), [])

    assert b"Connection" not in reply.fields


def test_says_that_it_keeps_a_connection_of_http_1_0() -> None:
    request = b"GET /add/1/2 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    first, second, third = read_replies(say(connect(), request * 2 + OLD_GET), [])

    assert first.fields[b"Connection"] == b"keep-alive"
    assert second.fields[b"Connection"] == b"keep-alive"
    assert third.fields[b"Connection"] == b"close"


def test_answers_http_1_0_with_its_own_version() -> None:
    assert say(connect(), OLD_GET).startswith(b"HTTP/1.1 200 OK\r\n")  # RFC 9110 §6.2


def test_says_that_it_closes_whenever_it_does() -> None:
    for data in (CLOSING_GET, OLD_GET, BAD, CHUNKED + b"x\r\n", b"\0"):
        (reply,) = read_replies(say(connect(), data), [])

        assert reply.closes, data


def test_serves_nothing_once_it_has_closed() -> None:
    for data in (CLOSING_GET, OLD_GET, BAD, CHUNKED + b"x\r\n"):
        connection = stored(data + GET)
        respond(connection)
        said = send(connection)

        assert say(connection, GET) == b""
        assert say(connection, EOF) == b""
        assert len(read_replies(said, [])) == 1
        assert connection.finished


# 100 Continue


def test_invites_a_body_that_is_waited_for() -> None:
    connection = stored(EXPECTING)

    assert connection.next_request() is None
    assert connection.output == CONTINUE
    assert connection.interest == WRITE
    send(connection)
    assert connection.interest == READ
    connection.store(b"hello")
    assert ask(connection).body == b"hello"
    assert connection.output == b""


def test_invites_chunks_that_are_waited_for() -> None:
    head = EXPECTING.replace(b"Content-Length: 5", b"Transfer-Encoding: chunked")
    connection = stored(head)

    assert connection.next_request() is None
    assert send(connection) == CONTINUE


def test_invites_once_however_the_head_is_cut() -> None:
    connection = connect()
    output = b"".join(say(connection, octet) for octet in octet_by_octet(EXPECTING + b"hello"))

    assert output.count(CONTINUE) == 1
    assert statuses(output) == [404]


def test_invites_each_client_that_waits_even_with_a_head_it_remembers() -> None:
    parser = Parser(Policy())
    for _ in range(3):
        connection = connect(parser)
        assert say(connection, EXPECTING) == CONTINUE
        assert statuses(say(connection, b"hello")) == [404]


def test_does_not_invite_a_body_that_comes_already() -> None:
    connection = stored(EXPECTING + b"h")

    assert connection.next_request() is None
    assert connection.output == b""


@pytest.mark.parametrize(
    "head",
    [
        EXPECTING.replace(b"Content-Length: 5", b"Content-Length: 0"),
        EXPECTING.replace(b"Content-Length: 5\r\n", b""),
        EXPECTING.replace(b"HTTP/1.1", b"HTTP/1.0"),
        EXPECTING.replace(b"Content-Length: 5", b"Content-Length: 99999999"),
        EXPECTING.replace(b"Host: a\r\n", b""),
        EXPECTING.replace(b"100-continue", b"100-continue, 100-continue"),
        EXPECTING.replace(b"POST /x", b"CONNECT a:1"),
        EXPECTING.replace(b"POST /x", b"POST x"),
    ],
)
def test_does_not_invite_where_nothing_or_something_bad_comes(head: bytes) -> None:
    parser = Parser(Policy())

    assert CONTINUE not in say(connect(parser), head)
    assert CONTINUE not in say(connect(parser), head)


def test_invites_behind_the_responses_before() -> None:
    connection = stored(GET + EXPECTING)
    respond(connection)

    assert connection.output.endswith(CONTINUE)
    assert statuses(connection.output) == [200]


# Refusals, and lingering


def test_lingers_behind_a_refusal() -> None:
    connection = stored(BAD)
    respond(connection)

    assert (connection.lingering, connection.interest) == (False, WRITE)
    send(connection)
    assert (connection.lingering, connection.interest) == (True, READ)
    assert not connection.finished
    for _ in range(100):
        assert say(connection, GET * 100) == b""
    assert len(connection.buffer) == 0
    connection.store(EOF)
    assert connection.finished


def test_closes_at_once_behind_a_request_that_asked_for_it() -> None:
    connection = stored(CLOSING_GET)
    respond(connection)
    send(connection)

    assert connection.finished
    assert not connection.lingering


def test_lingers_where_a_client_sent_more_than_it_said() -> None:
    connection = stored(CLOSING_GET + GET)
    respond(connection)
    send(connection)

    assert connection.lingering
    connection.store(EOF)
    assert connection.finished


def test_closes_behind_a_refusal_of_a_client_that_has_finished() -> None:
    connection = stored(b"nonsense")
    connection.store(EOF)
    assert connection.next_request() is None
    assert not connection.finished
    send(connection)

    assert connection.finished


def test_holds_nothing_of_a_client_that_it_has_refused() -> None:
    for data in (BAD + GET * 1000, b"\0" * 10_000, CHUNKED + b"x" * 10_000):
        connection = stored(data)
        respond(connection)

        assert len(connection.buffer) == 0
        assert connection.body is None
        assert connection.request is None


def test_holds_no_more_of_a_client_than_its_limits() -> None:
    policy = Policy(max_request_line=256, max_field_line=256, max_head=4096, max_body=1000)
    endless = {
        b"G": b"E",
        b"GET /": b"a",
        b"GET / HTTP/1.1\r\nX:": b"y",
        b"GET / HTTP/1.1\r\n": b"X: y\r\n",
        b"": b"\r\n",
        CHUNKED: b"1\r\na\r\n",
        CHUNKED + b"5;": b"x",
        CHUNKED + b"0\r\n": b"X: y\r\n",
        CHUNKED + b"0\r\nX: ": b"y",
    }
    for beginning, more in endless.items():
        connection = connect(Parser(policy))
        say(connection, beginning or more)
        for _ in range(10_000):
            content = len(connection.body.content) if connection.body else 0
            assert len(connection.buffer) + content <= 4096 + 6
            if connection.lingering:
                break
            say(connection, more)
        assert connection.lingering, beginning


def test_forgets_a_client_that_is_gone() -> None:
    for data in (b"", GET, GET[:-1], POST, GET * 1000, BAD):
        connection = stored(data) if data else connect()
        respond(connection)
        connection.abort()

        assert connection.finished
        assert connection.output == b""
        assert connection.interest == NOTHING
        assert not connection.has_buffered
        assert connection.next_request() is None
        connection.store(GET)
        assert connection.next_request() is None


@pytest.mark.parametrize(
    ("request_of", "limit", "status"),
    [
        (lambda n: b"GET /" + b"a" * (n - 14) + b" HTTP/1.1\r\nHost: a\r\n\r\n", 8192, 414),
        (lambda n: GET[:-2] + b"X: " + b"y" * (n - 3) + b"\r\n\r\n", 8192, 431),
        (lambda n: GET[:-2] + b"X: y\r\n" * (n - 1) + b"\r\n", 100, 431),
        (lambda n: GET[:-2] + LONG_FIELD * 4 + b"X:%b\r\n\r\n" % (b"y" * (n - 32078)), 32768, 431),
        (lambda n: GET[:-2] + b"Content-Length: %d\r\n\r\n" % n + b"x" * n, 65536, 413),
    ],
    ids=["request line", "field", "fields", "head", "body"],
)
def test_has_limits_by_default(request_of: Callable[[int], bytes], limit: int, status: int) -> None:
    for way in (octet_by_octet, lambda octets: [octets]):
        for size, closes in ((limit, False), (limit + 1, True)):
            connection = connect()
            said = b"".join(say(connection, piece) for piece in way(request_of(size)))
            (reply,) = read_replies(said, [])

            assert reply.closes == closes
            assert (reply.status == status) == closes


def test_has_nothing_to_say_to_a_client_that_went_while_its_response_was_due() -> None:
    connection = stored(GET)
    request = ask(connection)
    connection.abort()
    connection.respond(handle(request))

    assert connection.finished
    assert connection.output == b""
    assert connection.request is None


# Drain


def test_closes_an_idle_connection_when_the_server_stops() -> None:
    for before in (b"", GET, b"\r\n"):
        connection = connect()
        if before:
            say(connection, before)
        connection.drain()

        assert connection.finished
        assert connection.output == b""


def test_answers_a_request_that_has_begun_when_the_server_stops() -> None:
    body = b"hello"
    request = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n" + body
    for cut in range(1, len(request)):
        connection = connect()
        say(connection, request[:cut])
        connection.drain()
        assert not connection.finished
        (reply,) = read_replies(say(connection, request[cut:] + GET), [])

        assert (reply.status, reply.closes) == (404, True)


def test_answers_a_request_that_has_come_when_the_server_stops() -> None:
    """It is here, although nobody has looked at it yet."""
    for data in (GET, POST + b"x" * 100):
        connection = stored(data)
        connection.drain()
        assert not connection.finished
        respond(connection)
        (reply,) = read_replies(connection.output, [])

        assert reply.closes


def test_answers_a_request_that_is_handled_when_the_server_stops() -> None:
    connection = stored(GET + GET)
    request = ask(connection)
    connection.drain()
    connection.respond(handle(request))
    (reply,) = read_replies(connection.output, [])

    assert reply.closes
    assert connection.next_request() is None
    send(connection)
    assert connection.lingering  # the second request is here, so a reset would be near


def test_sends_what_is_unsent_when_the_server_stops() -> None:
    connection = stored(GET)
    respond(connection)
    connection.drain()

    assert not connection.finished
    assert statuses(send(connection)) == [200]
    assert connection.finished


def test_lingers_behind_a_refusal_when_the_server_stops() -> None:
    connection = stored(BAD)
    respond(connection)
    connection.drain()
    send(connection)

    assert connection.lingering
    connection.drain()
    assert connection.lingering
    connection.store(EOF)
    assert connection.finished


# When no time is left


@pytest.mark.parametrize("before", [b"", GET, b"\r\n", GET + b"\r\n", b"\r", GET + b"\r\n\r"])
def test_leaves_an_idle_client_without_a_word(before: bytes) -> None:
    connection = connect()
    if before:
        say(connection, before)
    connection.on_timeout()

    assert connection.finished
    assert connection.output == b""


def test_leaves_a_client_whose_empty_line_came_in_two_pieces_without_a_word() -> None:
    connection = connect()
    for octet in octet_by_octet(b"\r\n\r\n"):
        say(connection, octet)
    connection.on_timeout()

    assert connection.finished
    assert connection.output == b""


@pytest.mark.parametrize(
    "begun",
    [
        b"G",
        b"GET /add/1/2 HTTP/1.1",
        GET[:-1],
        GET + b"G",
        POST,
        POST + b"hell",
        CHUNKED,
        CHUNKED + b"5",
        CHUNKED + b"5\r\nhell",
        CHUNKED + b"5\r\nhello",
        CHUNKED + b"0\r\n",
        CHUNKED + b"0\r\nX: y\r\n",
        EXPECTING,
    ],
)
def test_tells_a_client_that_has_begun_a_request_that_time_is_up(begun: bytes) -> None:
    connection = connect()
    say(connection, begun)
    connection.on_timeout()
    (reply,) = read_replies(connection.output, [])

    assert (reply.status, reply.closes) == (408, True)
    assert send(connection)
    assert connection.lingering
    assert say(connection, b"hello" + GET) == b""


def test_tells_a_client_that_asks_for_the_head_only_a_head() -> None:
    for begun in (b"HEAD ", b"HEAD /add/1/2 HTTP/1.1\r\nHo", b"HEAD" + POST[4:]):
        connection = connect()
        say(connection, begun)
        connection.on_timeout()
        (reply,) = read_replies(connection.output, [True])

        assert reply.status == 408
        assert int(reply.fields[b"Content-Length"]) > 0


@pytest.mark.parametrize("begun", [GET, GET + POST, GET + b"G", BAD, CLOSING_GET, GET + EXPECTING])
def test_leaves_a_client_that_does_not_read(begun: bytes) -> None:
    connection = stored(begun)
    respond(connection)
    connection.sent(10)
    assert connection.interest == WRITE
    connection.on_timeout()

    assert connection.finished
    assert connection.output == b""


def test_leaves_a_client_when_it_has_lingered_for_long_enough() -> None:
    connection = stored(BAD)
    respond(connection)
    send(connection)
    assert connection.lingering
    connection.on_timeout()

    assert connection.finished


# The time left, with a clock of ours


def test_gives_each_position_the_time_that_the_policy_says() -> None:
    cases = {
        b"": 13.0,
        b"\r": 13.0,
        b"G": 11.0,
        GET[:-1]: 11.0,
        POST: 12.0,
        CHUNKED: 12.0,
        b"\r\n": 13.0,
    }
    for begun, seconds in cases.items():
        connection = connect(Parser(TIMEOUTS))
        if begun:
            say(connection, begun)
        assert connection.time_left(1000.0) == seconds
        assert connection.time_left(1002.5) == seconds - 2.5
        assert connection.time_left(1100.0) == seconds - 100.0

    connection = stored(GET, TIMEOUTS)
    respond(connection)
    assert connection.time_left(1000.0) == 14.0  # to read its response
    connection = stored(BAD, TIMEOUTS)
    respond(connection)
    assert connection.time_left(1000.0) == 14.0
    send(connection)
    assert connection.time_left(1005.0) == 15.0  # to linger


def test_has_no_timeout_while_the_client_need_do_nothing() -> None:
    connection = stored(GET, TIMEOUTS)
    ask(connection)

    assert connection.time_left(1000.0) == inf
    connection.drain()
    assert connection.time_left(9000.0) == inf


def test_is_not_held_by_a_head_that_drips() -> None:
    connection = connect(Parser(TIMEOUTS))
    for second, octet in enumerate(octet_by_octet(GET[:-1])):
        say(connection, octet)
        assert connection.state == HEAD
        assert connection.time_left(1000.0 + second) == 11.0 - second


def test_is_not_held_by_empty_lines_that_drip() -> None:
    connection = connect(Parser(TIMEOUTS))
    assert connection.time_left(1000.0) == 13.0
    for second in range(1, 5):
        say(connection, b"\r\n")
        assert connection.time_left(1000.0 + second) == 13.0 - second


def test_gives_a_body_time_for_what_has_arrived_of_it() -> None:
    connection = connect(Parser(TIMEOUTS))
    say(connection, POST)
    assert connection.time_left(1000.0) == 12.0
    for second, octet in enumerate(octet_by_octet(b"x" * 50), 1):
        say(connection, octet)
        assert connection.state == BODY
        assert connection.time_left(1000.0 + second) == pytest.approx(12.0 + second / 10 - second)


def test_gives_a_body_no_time_for_what_is_around_its_chunks() -> None:
    connection = connect(Parser(TIMEOUTS))
    say(connection, CHUNKED)
    assert connection.time_left(1000.0) == 12.0
    for piece in (b"000", b"5;x=y", b"\r\n"):
        say(connection, piece)
    assert connection.time_left(1001.0) == 11.0
    say(connection, b"hello\r\n")
    assert connection.time_left(1002.0) == 10.5
    for piece in (b"0", b"\r\n", b"X: y\r\n", b"Y: z"):
        say(connection, piece)
    assert connection.time_left(1003.0) == 9.5


def test_gives_no_body_more_time_than_its_limit_earns() -> None:
    policy = Policy(max_body=1000, body_timeout=2.0, body_rate=500.0)
    connection = connect(Parser(policy))
    say(connection, b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
    assert connection.time_left(0.0) == 2.0
    say(connection, b"x" * 999)

    assert connection.time_left(2.0) < 2.0


def test_is_not_held_by_a_client_that_reads_in_drips() -> None:
    connection = stored(GET, TIMEOUTS)
    respond(connection)
    size = len(connection.output)
    for second in range(size):
        assert connection.time_left(1000.0 + second) == 14.0 - second
        connection.sent(1)

    assert connection.time_left(2000.0) == 13.0  # all is read: idle, from now on


def test_begins_to_count_anew_for_each_request() -> None:
    connection = connect(Parser(TIMEOUTS))
    assert connection.time_left(1000.0) == 13.0
    for start in (1001.0, 2001.0, 3001.0):
        say(connection, GET[:5])
        assert connection.time_left(start) == 11.0
        say(connection, GET[5:])
        assert connection.state == IDLE
        assert connection.time_left(start + 1) == 13.0
        assert connection.time_left(start + 11) == 3.0


def test_begins_to_count_anew_for_a_request_that_came_between_two_sweeps() -> None:
    """A loop sweeps now and then: the idle time before a request does not count behind it."""
    parser = Parser(TIMEOUTS)
    for _ in range(2):  # the second time, its fields are remembered
        connection = connect(parser)
        assert connection.time_left(1000.0) == 13.0
        say(connection, GET)

        assert connection.time_left(1012.0) == 13.0


def test_begins_to_count_anew_for_the_head_behind_a_head() -> None:
    connection = connect(Parser(TIMEOUTS))
    say(connection, GET[:5])
    assert connection.time_left(1000.0) == 11.0
    say(connection, GET[5:] + GET[:5])

    assert connection.state == HEAD
    assert connection.time_left(1010.0) == 11.0


def test_has_one_deadline_for_all_that_is_left_when_the_server_stops() -> None:
    """Whatever a client does, and however often it begins something new."""
    for begun in (b"G", POST, CHUNKED + b"5\r\nh"):
        connection = connect()
        say(connection, begun)
        assert connection.time_left(1000.0) >= 10.0
        connection.drain(1000.5)

        assert connection.time_left(1000.0) == 0.5
        assert connection.time_left(1000.75) == -0.25
    for unread in (GET, BAD):
        connection = stored(unread)
        respond(connection)
        connection.drain(1000.5)
        assert connection.time_left(1000.25) == 0.25
    connection = stored(BAD)
    respond(connection)
    send(connection)
    connection.drain(1000.5)
    assert connection.time_left(1000.25) == 0.25


def test_leaves_no_new_time_with_each_piece_when_the_server_stops() -> None:
    connection = connect()
    say(connection, b"P")
    connection.drain(1003.0)
    for now, piece in ((1000.0, POST[1:-2]), (1001.0, b"\r\n"), (1002.0, b"x" * 99)):
        say(connection, piece)
        assert connection.time_left(now) == 1003.0 - now
    request = connection.feed(b"x" + BAD)
    assert connection.time_left(1002.0) == inf  # it is the server that must do something
    assert request is not None
    connection.respond(handle(request))
    assert connection.time_left(1002.5) == 0.5
    send(connection)
    assert connection.lingering
    assert connection.time_left(1003.5) == -0.5


def test_leaves_no_more_time_than_usual_when_the_server_stops() -> None:
    connection = connect(Parser(TIMEOUTS))
    say(connection, b"G")
    connection.drain(2000.0)

    assert connection.time_left(1000.0) == 11.0


# When somebody else waits


def test_gives_way_with_the_next_response() -> None:
    connection = stored(GET)
    request = ask(connection)
    connection.give_way()
    connection.respond(handle(request))
    (reply,) = read_replies(send(connection), [])

    assert reply.closes
    assert connection.finished


def test_gives_way_only_behind_the_requests_that_are_here() -> None:
    connection = stored(GET * 3)
    closes = []
    while (request := connection.next_request()) is not None:
        connection.give_way()
        connection.respond(handle(request))
        (reply,) = read_replies(send(connection), [])
        closes.append(reply.closes)

    assert closes == [False, False, True]


def test_gives_way_although_requests_never_end() -> None:
    """Each read brings more than one, and ends within the next."""
    connection = stored(GET + GET[:9])
    closes = []
    while not (connection.finished or connection.lingering):
        request = ask(connection)
        connection.give_way()
        connection.respond(handle(request))
        (reply,) = read_replies(send(connection), [])
        closes.append(reply.closes)
        if not connection.lingering:
            connection.store(GET[9:] + GET + GET[:9])

    assert closes == [False, True]


# A response that ends the connection


def test_closes_with_a_response_that_says_so() -> None:
    connection = stored(GET + GET)
    ask(connection)
    connection.respond(Response(500, b"it failed", close=True))
    (reply,) = read_replies(send(connection), [])

    assert (reply.status, reply.closes) == (500, True)
    assert connection.next_request() is None


# A body that nobody wants


def wanting_none(request: Request) -> bool:
    return False


@pytest.mark.parametrize("behind", [b"", b"he", b"hello", b"hello" + GET])
def test_asks_for_no_body_that_is_not_wanted(behind: bytes) -> None:
    connection = Connection(Parser(Policy()), date_line, wanting_none)
    request = connection.feed(EXPECTING + behind)
    assert request is not None
    assert request.body == b""
    connection.respond(handle(request))
    (reply,) = read_replies(connection.output, [])

    assert (reply.status, reply.closes) == (404, True)
    send(connection)
    assert connection.lingering  # the body may come after all
    assert connection.feed(b"hello" + GET) is None


def test_reads_a_body_of_a_client_that_does_not_wait() -> None:
    connection = Connection(Parser(Policy()), date_line, wanting_none)
    request = connection.feed(EXPECTING.replace(b"Expect", b"Expert") + b"hello" + GET)

    assert request is not None
    assert request.body == b"hello"
    connection.respond(handle(request))
    assert connection.next_request() is not None


def test_has_defaults_that_a_user_would_choose() -> None:
    policy = Policy()

    assert 1 <= policy.head_timeout <= 60
    assert policy.body_timeout + policy.max_body / policy.body_rate < 300
    assert parse_options(Policy, ["head-timeout=0.3"]).head_timeout == 0.3


# Responses


def test_dates_each_response_when_it_is_given() -> None:
    seconds = iter(range(10, 60))
    dates: list[bytes] = []

    def next_date_line() -> bytes:
        dates.append(b"Thu, 01 Jan 1970 00:00:%d GMT" % next(seconds))
        return b"Date: " + dates[-1] + b"\r\n"

    connection = Connection(Parser(Policy()), next_date_line)
    output = say(connection, GET * 3 + BAD)

    found = [line for line in output.split(b"\r\n") if line.startswith(b"Date: ")]
    assert found == [b"Date: " + date for date in dates]
    assert len(set(found)) == 4


@pytest.mark.parametrize("status", REASONS)
def test_writes_each_status_as_it_should_be(status: int) -> None:
    headers = ((b"Allow", b"GET"),) if status == 405 else ()
    for head_only in (False, True):
        connection = stored(b"HEAD" + GET[3:] if head_only else GET)
        ask(connection)
        connection.respond(Response(status, b"some text", headers=headers))
        (reply,) = read_replies(connection.output, [head_only])

        assert reply.status == status
        assert reply.body == (b"" if head_only or status in (204, 304) else b"some text")
        assert reply.fields[b"Date"] == DATE
        assert (b"Content-Length" in reply.fields) == (status not in (204, 304))


@pytest.mark.parametrize("length", [0, 1, 9, 10, 62, 63, 64, 65, 99, 100, 1000, 100_000])
def test_counts_the_octets_of_each_response(length: int) -> None:
    response = Response(200, b"x" * length, JSON)
    (whole,) = read_replies(render(response, date_line()), [False])
    (closing,) = read_replies(render(response, date_line(), b"Connection: close\r\n"), [False])
    (head,) = read_replies(render(response, date_line(), head_only=True), [True])

    assert whole.body == closing.body == response.body
    assert head.fields == whole.fields
    assert closing.fields == {**whole.fields, b"Connection": b"close"}
    assert whole.fields[b"Content-Length"] == b"%d" % length
    assert whole.fields[b"Content-Type"] == JSON


def test_has_a_reason_for_each_status_it_refuses_with() -> None:
    connection = stored(GET)
    ask(connection)
    connection.respond(Response(405, b"no", headers=((b"Allow", b"HEAD, POST"),)))

    (reply,) = read_replies(connection.output, [])
    assert reply.fields[b"Allow"] == b"HEAD, POST"
    assert HttpError(405, "no", ((b"Allow", b"GET"),)).headers == ((b"Allow", b"GET"),)


@pytest.mark.parametrize("body", [b"5", b"5" * 100])
def test_writes_the_fields_of_a_response_of_any_length(body: bytes) -> None:
    (reply,) = read_replies(
        render(Response(200, body, headers=((b"Allow", b"GET"),)), date_line()), []
    )

    assert reply.fields[b"Allow"] == b"GET"


# What a parser remembers


def fields_text(number: int, size: int = 0) -> bytes:
    padding = b"" if not size else b"Y: " + b"y" * (size - len(fields_text(number)) - 5) + b"\r\n"
    return b"HTTP/1.1\r\nHost: a\r\nX: %06d\r\n" % number + padding + b"\r\n"


def test_remembers_good_fields() -> None:
    parser = Parser(Policy())
    first = parser.fields_of(fields_text(1))

    assert parser.fields_of(fields_text(1)) is first
    assert parser.fields_of(fields_text(2)) is not first


def test_remembers_no_more_than_it_may() -> None:
    parser = Parser(Policy())
    for number in range(3 * parser.REMEMBERED_ENTRIES):
        parser.fields_of(fields_text(number))
        assert len(parser.remembered) <= parser.REMEMBERED_ENTRIES

    assert fields_text(3 * parser.REMEMBERED_ENTRIES - 1) in parser.remembered


def test_remembers_no_large_fields() -> None:
    parser = Parser(Policy())
    largest = parser.REMEMBERED_BYTES
    parser.fields_of(fields_text(1, largest))
    parser.fields_of(fields_text(2, largest + 1))

    assert list(parser.remembered) == [fields_text(1, largest)]


@pytest.mark.parametrize(
    "bad",
    [
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/2.0\r\nHost: a\r\n\r\n",
        b"HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n",
        b"HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n",
        b"HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n",
    ],
)
def test_remembers_nothing_bad(bad: bytes) -> None:
    parser = Parser(Policy())
    for _ in range(2):
        with pytest.raises(HttpError):
            parser.fields_of(bad)

    assert parser.remembered == {}


@pytest.mark.parametrize(
    "start",
    [
        b"GET  /add/1/2",
        b"GET /add/1/2 ",
        b"GET\t/add/1/2",
        b"GET /add/1/2\r\nX: y",
        b"GET /add/1/2\nX: y",
        b"GET /add\xc3\xa9",
        b"GET /add#x",
        b"GET add",
        b"GET /%",
        b"GET *",
        b"GET",
        b"GET ",
        b" GET /add",
        b"\0GET /add",
        b"CONNECT /add",
        b"M" * 25 + b" /add",
        b"",
    ],
)
def test_validates_a_request_line_the_same_with_fields_that_it_remembers(start: bytes) -> None:
    """The short cut must not let in what the slow way does not."""
    parser = Parser(Policy())
    say(connect(parser), GET)
    request = start + b" HTTP/1.1\r\nHost: a\r\n\r\n"
    replies = read_replies(say(connect(parser), request), [])

    assert b"HTTP/1.1\r\nHost: a\r\n\r\n" in parser.remembered
    assert [reply.closes for reply in replies] == [True]
    assert replies == read_replies(say(connect(), request), [])


def test_takes_the_short_cut_for_one_whole_ordinary_request() -> None:
    parser = Parser(Policy())
    longest = b"GET /" + b"a" * (SHORT_TARGET - 1) + b" HTTP/1.1\r\nHost: a\r\n\r\n"
    body = b"Content-Length: 1\r\n\r\n"
    for last in (None, parser.fields_of(b"HTTP/1.1\r\nHost: a\r\n\r\n")):
        for whole in (
            GET,
            longest,
            b"GET /add/-1/2.5?x HTTP/1.1\r\nHost: a\r\n\r\n",
            GET[:-2] + b"Expect: 100-continue\r\n\r\n",  # has no body to be invited to send
        ):
            found = parser.parse_whole_head(whole, last)

            assert found is not None
            assert found.target == whole.split()[1]
        for other in (
            GET + GET,
            GET[:-1],
            b"",
            GET[:-2] + body + b"1",
            longest.replace(b"/a", b"/aa"),
            GET[:-2] + b"X: " + b"x" * parser.REMEMBERED_BYTES + b"\r\n\r\n",
        ):
            assert parser.parse_whole_head(other, last) is None


def test_hands_out_nothing_while_too_much_is_unsent() -> None:
    connection = stored(GET)
    ask(connection)
    connection.respond(Response(200, b"x" * OUTPUT_ENOUGH))

    assert connection.feed(GET) is None
    assert connection.has_buffered
    send(connection)
    assert connection.next_request() is not None


def test_compares_with_the_last_fields_of_its_own_client() -> None:
    parser = Parser(Policy())
    one, other = connect(parser), connect(parser)
    closing = GET[:-2] + b"Connection: close\r\n\r\n"
    say(one, GET)
    say(other, closing)

    assert [reply.closes for reply in read_replies(say(one, GET), [])] == [False]
    assert other.lingering or other.finished


def test_forgets_the_empty_lines_before_a_request_in_either_way() -> None:
    parser = Parser(Policy())
    connection = connect(parser)
    for _ in range(20):
        assert say(connection, b"\r\n") == b""
        assert statuses(say(connection, GET)) == [200]


def test_hands_out_the_fields_by_lower_case_name() -> None:
    head = b"GET / HTTP/1.1\r\nHost: a\r\nX-Y:  1 \r\nE:\r\nx-y: 2\t\r\nX-Y:\r\n\r\n"
    request = ask(stored(head))

    assert request.headers == {b"host": b"a", b"x-y": b"1, 2, ", b"e": b""}
    assert request.keep_alive
    assert request.target == request.path == b"/"


def test_hands_out_the_target_as_it_was_sent() -> None:
    request = ask(stored(b"GET http://A:1/x%2fy?z HTTP/1.1\r\nHost: a:1\r\n\r\n"))

    assert request.target == b"http://A:1/x%2fy?z"
    assert request.path == b"/x%2fy"


def test_makes_a_request_to_try_out() -> None:
    request = make_request("POST", "/x?y", b"hello", {"X": "y", "Host": "b"})

    assert (request.method, request.path, request.body) == (b"POST", b"/x", b"hello")
    assert request.headers == {b"host": b"b", b"content-length": b"5", b"x": b"y"}
    with pytest.raises(HttpError):
        make_request("GET", "/x y")


def test_says_that_a_request_in_progress_is_in_progress() -> None:
    connection = stored(GET)
    ask(connection)

    assert connection.state == HANDLING
    assert not connection.finished
    assert not connection.lingering
