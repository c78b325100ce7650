"""The driver against servers whose every response is known to be right, wrong, or missing."""

import contextlib
import select
import signal
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from truth import (
    BIG,
    LONG_S,
    Behaviour,
    all_three_served,
    always,
    drive,
    nobody,
    once,
    only,
    refuse_early,
    requests,
    response_to,
    some_ended,
    truth,
    until,
)

from calcbench.bench.diagnosis.failures import failure_reason_of_responses, unserved_reason
from calcbench.bench.loadgen.driver.client import (
    CLOSE_NS,
    CLOSING,
    PAUSE_NS,
    PAUSING,
    READING,
    Client,
)
from calcbench.bench.loadgen.driver.loop import Loop, clock
from calcbench.bench.loadgen.driver.recorder import Recorder
from calcbench.bench.loadgen.observation import Observation
from calcbench.bench.loadgen.pool import COMMAND, DriverProcess
from calcbench.bench.loadgen.protocol import OPENED
from calcbench.bench.loadgen.spec import Ask, LoadSpec, ring
from calcbench.bench.schema.outcomes import Outcomes
from calcbench.core.errors import CalcbenchError

pytestmark = pytest.mark.slow

right = always(response_to)


@pytest.mark.parametrize("post_share", [0, 0.5, 1])
@pytest.mark.parametrize("keep_alive", [True, False])
def test_counts_right_responses(keep_alive: bool, post_share: float) -> None:
    behave = right if keep_alive else once(response_to)
    with truth(behave) as port:
        observation = drive(port, 1, all_three_served, keep_alive=keep_alive, post_share=post_share)

    assert only(observation, "ok")
    assert observation.clients_served == observation.in_flight == 3


def test_samples_only_what_ended_within_the_window() -> None:
    with truth(right) as port:
        observation = drive(port, 1, all_three_served)
    ended = observation.samples["sent_ns"] + observation.samples["latency_ns"]

    assert len(ended) == observation.outcomes.total
    assert ended.min() >= 0
    assert ended.max() <= observation.elapsed_ns
    assert (np.diff(ended) >= 0).all()
    assert set(observation.samples["client"]) == {0, 1, 2}
    assert set(observation.samples["outcome"]) == {0}


def bytewise(conn: socket.socket) -> None:
    conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for number in requests(conn):
        for octet in response_to(number):
            conn.send(bytes([octet]))


@pytest.mark.parametrize(
    "behave",
    [
        bytewise,
        always(lambda number: response_to(f"{number}.0\n")),
        always(lambda number: response_to(number, "200 Very Well")),
        always(lambda number: response_to(number, fields=f"X-Request: {number}\r\n")),
        once(lambda number: response_to(number, fields="Connection: close\r\n")),
    ],
    ids=["byte by byte", "another spelling", "another reason", "a head of its own", "closing"],
)
def test_accepts_whatever_is_right(behave: Behaviour) -> None:
    with truth(behave) as port:
        observation = drive(port)

    assert only(observation, "ok")


@pytest.mark.parametrize(
    "behave",
    [
        always(lambda number: response_to(number + 1)),
        always(lambda _: response_to("")),
        always(lambda number: response_to(number) + b"\n"),
        always(lambda number: response_to(number) * 2),
        always(lambda number: b"HTTP/1.1 200 OK\r\n\r\n%d" % number),
        always(
            lambda _: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n5\r\n0\r\n\r\n"
        ),
        always(lambda _: b"x" * 100_000),
        once(lambda number: response_to(number)[:-1]),
        once(lambda number: response_to(number)[:20]),
    ],
    ids=[
        "another number",
        "nothing",
        "an octet too many",
        "two responses",
        "no length",
        "chunked",
        "no head",
        "truncated body",
        "truncated head",
    ],
)
def test_counts_wrong_responses(behave: Behaviour) -> None:
    with truth(behave) as port:
        observation = drive(port)

    assert only(observation, "wrong")
    assert observation.clients_served == 0


def test_notices_one_wrong_response_among_many() -> None:
    turn = iter(range(1_000_000))
    with truth(always(lambda number: response_to(number + (next(turn) % 10 == 0)))) as port:
        observation = drive(port, 1, lambda observation: observation.outcomes.total >= 20)

    assert observation.outcomes.wrong > 0
    assert observation.outcomes.ok > observation.outcomes.wrong
    assert observation.outcomes.total == observation.outcomes.ok + observation.outcomes.wrong


def test_reads_on_to_the_close_that_it_asked_for() -> None:
    def late(conn: socket.socket) -> None:
        conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        conn.sendall(response_to(next(requests(conn))))
        conn.sendall(b"!")

    with truth(late) as port:
        observation = drive(port, keep_alive=False)

    assert only(observation, "wrong")


@pytest.mark.parametrize("status", ["500 Internal Server Error", "503 Busy", "404 No", "204 None"])
def test_counts_http_errors(status: str) -> None:
    with truth(always(lambda number: response_to(number, status))) as port:
        observation = drive(port)

    assert only(observation, "http_error")


def test_counts_http_errors_of_closing_connections() -> None:
    busy = once(lambda number: response_to(number, "503 Busy", "Connection: close\r\n"))
    with truth(busy) as port:
        observation = drive(port)

    assert only(observation, "http_error")


def test_counts_refused_connections_without_spinning() -> None:
    with nobody() as port:
        observation = drive(port, duration_s=0.2)
    most_tries = observation.elapsed_ns / PAUSE_NS + 1

    assert only(observation, "refused")
    assert observation.outcomes.total <= 3 * most_tries


def abort(conn: socket.socket) -> None:
    next(requests(conn))
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def abort_within(conn: socket.socket) -> None:
    conn.sendall(response_to(next(requests(conn)))[:20])
    abort(conn)


@pytest.mark.parametrize("keep_alive", [True, False])
@pytest.mark.parametrize(
    "behave",
    [abort, once(lambda _: b""), lambda _: None],
    ids=["aborts", "closes", "closes at once"],
)
def test_counts_resets(behave: Behaviour, keep_alive: bool) -> None:
    with truth(behave) as port:
        observation = drive(port, keep_alive=keep_alive, duration_s=0.2)

    assert only(observation, "reset")


def stall(conn: socket.socket) -> None:
    for _ in requests(conn):
        pass


def stall_within(conn: socket.socket) -> None:
    for number in requests(conn):
        conn.sendall(response_to(number)[:-1])


@pytest.mark.parametrize("behave", [stall, stall_within], ids=["no response", "half a response"])
def test_counts_time_outs(behave: Behaviour) -> None:
    with truth(behave) as port:
        observation = drive(port, timeout_s=0.02, duration_s=0.2)

    assert only(observation, "timed_out")
    assert observation.samples["latency_ns"].min() >= 20_000_000


def late_octet(conn: socket.socket) -> None:
    conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    conn.sendall(response_to(next(requests(conn)), fields="Connection: close\r\n"))
    conn.sendall(b"!")


HEAD = r"HTTP/1.1 200 OK\r\nContent-Length: "


@pytest.mark.parametrize(
    ("behave", "outcome", "cause", "beginning"),
    [
        (always(lambda n: response_to(n, "404 No")), "http_error", "status 404", "HTTP/1.1 404 No"),
        (always(lambda n: response_to(n, "503 Oh")), "http_error", "status 503", "HTTP/1.1 503 Oh"),
        (always(lambda n: response_to(n + 1)), "wrong", "wrong body", HEAD),
        (always(lambda n: response_to(n) + b"!"), "wrong", "bytes follow its end", HEAD),
        (late_octet, "wrong", "bytes follow its end", ""),
        (
            once(lambda n: response_to(n)[:-1]),
            "wrong",
            "the connection was closed within its body",
            HEAD,
        ),
        (abort, "reset", "connection reset by peer before a response", ""),
        (once(lambda _: b""), "reset", "connection closed before a response", ""),
        (stall, "timed_out", "timed out before a response", ""),
        (stall_within, "timed_out", "timed out within a response", HEAD),
    ],
)
@pytest.mark.parametrize("rate", [0, 100])
def test_says_why_requests_fail(
    behave: Behaviour, outcome: str, cause: str, beginning: str, rate: float
) -> None:
    def counted(seen: Observation) -> bool:
        return cause in {failure.cause for failure in seen.failures}

    timeout_s = 0.03 if outcome == "timed_out" else LONG_S
    with truth(behave) as port:
        seen = drive(port, 2, counted, timeout_s=timeout_s, duration_s=0.2, rate=rate)
    [failure] = [failure for failure in seen.failures if failure.cause == cause]

    assert failure.outcome == outcome
    assert failure.excerpt.startswith(beginning)
    assert failure.excerpt or not beginning
    # Where a connection is reset, a client may as well hear of it when it sends.
    assert sum(one.count for one in seen.failures) == seen.outcomes.failed


def test_says_why_nobody_is_reached() -> None:
    with nobody() as port:
        [failure] = drive(port).failures

    assert (failure.outcome, failure.cause) == ("refused", "connection refused")
    assert (failure.detail, failure.excerpt) == ("", "")


@pytest.mark.parametrize("rate", [0, 20])
@pytest.mark.parametrize(
    ("fields", "keep_alive"),
    [("", False), ("Connection: close\r\n", True), ("Connection: close\r\n", False)],
    ids=["ignores the close asked for", "says close", "says close as asked"],
)
def test_closes_what_a_server_does_not(fields: str, keep_alive: bool, rate: float) -> None:
    def linger(conn: socket.socket) -> None:
        conn.sendall(response_to(next(requests(conn)), fields=fields))
        for _ in requests(conn):
            raise AssertionError("asked again on a connection that was to end")

    with truth(linger) as port:
        observation = drive(
            port,
            1,
            lambda seen: seen.outcomes.ok > 3,
            keep_alive=keep_alive,
            rate=rate,
            duration_s=0.5,
        )

    assert only(observation, "ok")
    assert observation.outcomes.ok > 3  # each of its three clients, and again
    assert observation.begun == observation.ended + observation.unfinished


@contextlib.contextmanager
def reading(count: int) -> Iterator[Loop]:
    """Give a loop of *count* clients, each of which reads from a connection to nobody."""
    loop = Loop(LoadSpec("127.0.0.1", 1, count, False, LONG_S), Recorder(-1))
    with contextlib.ExitStack() as closing:
        for client in loop.everyone:
            client.sock, theirs = socket.socketpair()
            closing.enter_context(theirs)
            client.state, client.intended = READING, clock()
            client.unsent, client.expected = loop.take()
            loop.clients[client.sock.fileno()] = client
        yield loop


def answer(loop: Loop, client: Client) -> None:
    loop.read(client, response_to((client.expected or b"").decode()), clock())


def test_does_not_wait_for_a_close_again_where_none_came(monkeypatch: pytest.MonkeyPatch) -> None:
    with reading(2) as loop:
        first, second = loop.everyone
        begun: list[Client] = []
        monkeypatch.setattr(loop, "begin_now", begun.append)

        answer(loop, first)
        loop.check_closing()
        assert (begun, first.state) == ([], CLOSING)  # it is early

        first.done -= CLOSE_NS
        loop.check_closing()
        assert begun == [first]

        answer(loop, second)
        assert begun == [first, second]


def test_is_not_late_once_its_response_is_whole() -> None:
    with reading(2) as loop:
        loop.timeout_ns = CLOSE_NS // 2  # of the two waits this is over first
        first, second = loop.everyone
        answer(loop, first)
        loop.check_times(first.done + loop.timeout_ns)

        assert (first.state, second.state) == (CLOSING, PAUSING)
        first.sock.close()


def test_times_out_a_connection_that_never_comes_about() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):  # the backlog is full now
            observation = drive(port, timeout_s=0.02, duration_s=0.2)

    assert only(observation, "timed_out")


def test_does_not_count_what_is_in_flight() -> None:
    with truth(stall) as port:
        observation = drive(port, 1, lambda observation: observation.in_flight == 3)

    assert observation.outcomes == Outcomes()
    assert (observation.clients_served, observation.in_flight) == (0, 3)
    assert min(observation.in_flight_ns) >= observation.elapsed_ns  # since before it opened
    assert all(len(column) == 0 for column in observation.samples.values())


def test_says_how_many_clients_were_served() -> None:
    turn = threading.Lock()

    def serve_one(conn: socket.socket) -> None:
        if turn.acquire(blocking=False):
            try:
                right(conn)
            finally:
                turn.release()  # for the next window, if there is one
        else:
            stall(conn)

    with truth(serve_one) as port:
        observation = drive(
            port,
            1,
            lambda observation: observation.outcomes.total > 0 and observation.in_flight == 3,
        )

    assert only(observation, "ok")
    assert (observation.clients_served, observation.in_flight) == (1, 3)


def test_recovers_when_a_server_does() -> None:
    turn = iter(range(1_000_000))

    def moody(conn: socket.socket) -> None:
        if next(turn) < 3:
            abort(conn)
        else:
            right(conn)

    with truth(moody) as port:
        observation = drive(
            port, 1, lambda observation: observation.outcomes.ok > 0, warmup_s=0, duration_s=0.5
        )

    assert observation.outcomes.ok > 0
    assert observation.outcomes.failed == observation.outcomes.reset <= 3


def test_varies_its_operands_by_its_seed() -> None:
    first, again, other = (ring(LoadSpec("h", 1, 1, True, 1, seed=seed)) for seed in (1, 1, 2))

    assert first == again != other
    assert len({request for request, _ in first}) > len(first) * 0.99


def test_says_when_there_are_too_few_files() -> None:
    with pytest.raises(CalcbenchError, match="connections need more than"):
        drive(1, connections=2_000_000_000)


def test_says_that_its_driver_died() -> None:
    with DriverProcess() as process:
        process.process.kill()
        with pytest.raises(CalcbenchError, match="the driver was killed by SIGKILL, which says"):
            process.drive(LoadSpec("127.0.0.1", 1, 1, True, LONG_S))


def refuse_early_and_leave(conn: socket.socket) -> None:
    conn.recv(1000)
    conn.sendall(response_to("too much", "413 Content Too Large", "Connection: close\r\n"))


def refuse_early_and_wait(conn: socket.socket) -> None:
    conn.recv(1000)
    conn.sendall(response_to("too much", "413 Content Too Large"))
    end = select.poll()
    end.register(conn, select.POLLRDHUP)
    end.poll()  # the test's end: what is unread hides the client's


@pytest.mark.parametrize("behave", [refuse_early, refuse_early_and_leave, refuse_early_and_wait])
def test_hears_a_server_that_does_not_want_all_of_the_request(behave: Behaviour) -> None:
    with truth(behave) as port:
        observation = drive(port, ask=Ask(BIG, "PUT", 413), timeout_s=10, duration_s=0.3)

    # What a close with bytes unread does to the response is TCP's: it may be lost.
    assert observation.outcomes.ok > 0
    assert observation.outcomes.ok + observation.outcomes.reset == observation.outcomes.total
    assert behave is refuse_early_and_leave or only(observation, "ok")


@pytest.mark.parametrize(
    ("behave", "outcome", "why"),
    [
        (
            always(lambda _: response_to("six")),
            "wrong",
            "wrong body: 'six' should be '",
        ),
        (
            once(lambda number: response_to(number)[:-1]),
            "wrong",
            "the connection was closed within",
        ),
        (always(lambda _: b"SSH-2.0\r\n"), "wrong", "it does not begin with HTTP/: 'SSH-2.0"),
        (always(lambda number: response_to(number, "999 Go")), "http_error", "status 999"),
    ],
)
def test_says_why_the_first_response_was_refused(behave: Behaviour, outcome: str, why: str) -> None:
    with truth(behave) as port:
        observation = drive(port, 2)
    reason = failure_reason_of_responses(observation) or unserved_reason(observation)

    assert only(observation, outcome)
    assert f" (the first: {why}" in reason


@pytest.mark.parametrize("drives", [True, False])
def test_ends_when_nobody_listens_to_it_any_more(drives: bool) -> None:
    process = subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin
    with process, truth(stall) as port:
        if drives:
            spec = f'{{"host": "127.0.0.1", "port": {port}, "connections": 1, "keep_alive": true,'
            process.stdin.write(f'{spec} "duration_s": {LONG_S}, "cpus": []}}\n'.encode())
        process.stdin.close()

        assert process.wait() == 0
        assert process.stdout
        reported = process.stdout.read()
        assert reported[:1] in (b"", OPENED)  # at most that the window has opened
        assert len(reported) < 100


def test_leaves_ctrl_c_to_the_harness() -> None:
    drivers: list[DriverProcess] = []

    def interrupt(conn: socket.socket) -> None:
        for number in requests(conn):
            drivers[-1].process.send_signal(signal.SIGINT)
            conn.sendall(response_to(number))

    with truth(interrupt) as port:

        def measure(duration_s: float) -> Observation:
            with DriverProcess() as driver:
                drivers.append(driver)
                return driver.drive(LoadSpec("127.0.0.1", port, 1, True, duration_s))

        observation = until(some_ended, measure, 0.1)

    assert only(observation, "ok")
