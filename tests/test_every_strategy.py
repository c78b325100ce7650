"""What holds for every strategy, found by listing the folder: a new one is tested as it is.

Checks that take a `server` share one for each strategy, and leave it as they found it; those that
stop it, or need it otherwise than by default, take the name of a `strategy` and launch their own.
"""

import select
import socket
import struct
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from client import Client, ClosedError, Response
from servers import GRACE_S, make_spec, stop_cleanly
from soak.faulty import interpreter

from calcbench.core.serving.catalogue import names
from calcbench.core.serving.launcher import Server, launch

pytestmark = pytest.mark.slow

CLIENTS = 100
STAYING = 32
POST = (
    b"POST /calc HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
    b'Content-Length: 36\r\n\r\n{"op": "mult", "arg1": 2, "arg2": 4}'
)


@pytest.fixture(scope="module", params=names())
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server with all defaults; it must stop cleanly behind all that the checks did to it."""
    with launch(make_spec(request.param)) as running:
        yield running
        stop_cleanly(running)


def test_answers(server: Server) -> None:
    with Client(server) as client:
        assert client.get("/add/2/3").body == b"5"
        client.send(POST)
        assert client.response().body == b'{"result": 8}'
        refused = client.get("/div/1/0")

    assert refused.status == 422
    assert b"zero" in refused.body


def test_keeps_a_connection_and_closes_when_asked_to(server: Server) -> None:
    with Client(server) as client:
        bodies = [client.get(f"/add/{n}/1").body for n in range(20)]
        last = client.get("/add/20/1", "Connection: close")

        assert bodies == [str(n + 1).encode() for n in range(20)]
        assert last.headers[b"connection"] == b"close"
        assert client.is_closed()


def test_closes_after_an_http_1_0_request(server: Server) -> None:
    with Client(server) as client:
        client.send(b"GET /add/1/1 HTTP/1.0\r\n\r\n")

        assert client.response().body == b"2"
        assert client.is_closed()


def test_answers_head_without_a_body(server: Server) -> None:
    with Client(server) as client:
        client.send(b"HEAD /add/10/10 HTTP/1.1\r\nHost: test\r\n\r\n")
        head = client.response(to="HEAD")

        assert head.headers[b"content-length"] == b"2"
        assert client.get("/add/1/1").body == b"2"


def test_answers_a_request_cut_at_every_byte(server: Server) -> None:
    for cut in range(1, len(POST)):
        with Client(server) as client:
            client.send(POST[:cut])
            client.send(POST[cut:])
            response = client.response()

        assert (cut, response.body) == (cut, b'{"result": 8}')


def test_answers_a_request_sent_byte_by_byte(server: Server) -> None:
    with Client(server) as client:
        for octet in POST:
            client.send(bytes([octet]))

        assert client.response().body == b'{"result": 8}'


def test_answers_pipelined_requests_in_order(server: Server) -> None:
    count = 1000
    with Client(server) as client:
        requests = b"".join(
            b"GET /add/%d/1 HTTP/1.1\r\nHost: test\r\n\r\n" % n for n in range(count)
        )
        sender = threading.Thread(target=client.send, args=(requests,))
        sender.start()
        bodies = [client.response().body for _ in range(count)]
        sender.join()

    assert bodies == [b"%d" % (n + 1) for n in range(count)]


def test_answers_after_a_half_close(server: Server) -> None:
    with Client(server) as client:
        client.send(b"GET /add/1/1 HTTP/1.1\r\nHost: test\r\n\r\n" * 3)
        client.sock.shutdown(socket.SHUT_WR)

        assert [client.response().body for _ in range(3)] == [b"2"] * 3
        assert client.is_closed()


def test_invites_a_body_that_waits_for_100_continue(server: Server) -> None:
    head, _, body = POST.partition(b"\r\n\r\n")
    with Client(server) as client:
        client.send(head + b"\r\nExpect: 100-continue\r\n\r\n")
        assert client.response().status == 100
        client.send(body)

        assert client.response().body == b'{"result": 8}'


@pytest.mark.parametrize(
    ("line", "status"),
    [("POST /nowhere", 404), ("PUT /calc", 405), ("POST /calc", 415), ("GET /add/1/1", 200)],
)
def test_asks_for_no_body_that_it_does_not_want(server: Server, line: str, status: int) -> None:
    more = "Host: test\r\nContent-Length: 36\r\nExpect: 100-continue"
    with Client(server) as client:
        client.send(f"{line} HTTP/1.1\r\n{more}\r\n\r\n".encode())
        response = client.response()

        assert (response.status, response.headers[b"connection"]) == (status, b"close")
        client.sock.shutdown(socket.SHUT_WR)
        assert client.is_closed()


def test_refuses_and_closes_after_a_bad_request(server: Server) -> None:
    with Client(server) as client:
        client.send(b"GET /add/1/1 HTTP/1.1\r\nHost: test\r\n\r\nGET /add/1/1 HTTP/1.1\r\n\r\n")

        assert client.response().status == 200
        assert client.response().status == 400
        client.sock.shutdown(socket.SHUT_WR)
        assert client.is_closed()


def test_serves_a_hundred_clients(server: Server) -> None:
    """One request each, so that a strategy which holds few clients serves them in turn."""

    def one_client(number: int) -> Response:
        with Client(server) as client:
            return client.get(f"/mult/{number}/3", "Connection: close")

    with ThreadPoolExecutor(CLIENTS) as pool:
        responses = list(pool.map(one_client, range(CLIENTS)))

    assert [response.body for response in responses] == [b"%d" % (n * 3) for n in range(CLIENTS)]


def test_serves_whoever_comes_although_everybody_stays(server: Server) -> None:
    """More clients than a pool has threads, each with a connection that it keeps while it may."""
    served = set[int]()

    def one_client(number: int) -> None:
        client = Client(server)
        try:
            while len(served) < STAYING:
                response = client.get(f"/add/{number}/1")
                assert response.body == b"%d" % (number + 1)
                served.add(number)
                if response.headers.get(b"connection") == b"close":
                    client.close()
                    client = Client(server)
        finally:
            served.update(range(STAYING))  # the others need not wait for one that has failed
            client.close()

    with ThreadPoolExecutor(STAYING) as pool:
        list(pool.map(one_client, range(STAYING)))


@pytest.mark.parametrize(
    ("holding", "options"),
    [
        ("blocking", ()),
        ("threadpool", ("workers=1",)),
        ("fork", ("children=1",)),
    ],
)
def test_lets_a_client_hold_on_where_it_is_told_to(holding: str, options: tuple[str, ...]) -> None:
    with launch(make_spec(holding, options=(*options, "keepalive=hold"))) as server:
        with Client(server) as first, Client(server) as second:
            assert first.get("/add/1/1").body == b"2"
            second.send(b"GET /add/2/2 HTTP/1.1\r\nHost: test\r\n\r\n")
            for _ in range(20):
                assert b"connection" not in first.get("/add/1/1").headers
            assert not select.select([second.sock], [], [], 0)[0]
            first.close()
            assert second.response().body == b"4"
        stop_cleanly(server)


def test_survives_clients_that_reset(server: Server) -> None:
    for beginning in (b"", b"GET /add", POST[:-3], POST * 50):
        with Client(server) as client:
            client.send(beginning)
            # Linger with a time of 0: close sends a reset.
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with Client(server) as client:
        assert client.get("/add/2/3").body == b"5"


def test_survives_a_client_that_resets_while_its_responses_wait(strategy: str) -> None:
    with launch(make_spec(strategy, workload="wait=30ms")) as server:
        for _ in range(3):
            with Client(server) as client:
                client.send(b"GET /add/1/1 HTTP/1.1\r\nHost: test\r\n\r\n" * 4)
                client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with Client(server) as client:
            assert client.get("/add/2/3").body == b"5"
        stop_cleanly(server)


def test_gives_a_long_request_the_time_it_needs_to_stop(strategy: str) -> None:
    policy = ("drain_timeout=0.1", "idle-timeout=86400")
    spec = make_spec(strategy, workload="wait=300ms", policy=policy)
    with launch(spec) as server, Client(server) as client:
        client.send(b"GET /add/1/1 HTTP/1.1\r\nHost: test\r\n\r\n")
        stop_cleanly(server)


def test_answers_concurrent_waits(strategy: str) -> None:
    def one_client(running: Server, number: int) -> bytes:
        with Client(running) as client:
            return client.get(f"/add/{number}/1", "Connection: close").body

    with (
        launch(make_spec(strategy, workload="wait=20ms")) as running,
        ThreadPoolExecutor(8) as pool,
    ):
        bodies = list(pool.map(partial(one_client, running), range(8)))
        stop_cleanly(running)

    assert bodies == [b"%d" % (n + 1) for n in range(8)]


@pytest.mark.parametrize("workload", ["wait=5ms", "block=5ms", "cpu=1ms"])
def test_pipelines_under_each_workload(strategy: str, workload: str) -> None:
    with launch(make_spec(strategy, workload=workload)) as server:
        with Client(server) as client:
            client.send(b"GET /add/1/1 HTTP/1.1\r\nHost: test\r\n\r\n" * 5)
            assert [client.response().body for _ in range(5)] == [b"2"] * 5
        stop_cleanly(server)


def test_stops_with_idle_clients(strategy: str) -> None:
    with launch(make_spec(strategy)) as server, Client(server) as first, Client(server):
        assert first.get("/add/1/1").body == b"2"
        stop_cleanly(server)
        assert first.is_closed()


def test_lets_a_request_in_progress_finish(strategy: str) -> None:
    head, _, body = POST.partition(b"\r\n\r\n")
    spec = make_spec(strategy, workload="wait=50ms", policy=("drain_timeout=60",))
    with launch(spec) as server, Client(server) as client:
        client.send(head + b"\r\nExpect: 100-continue\r\n\r\n")
        assert client.response().status == 100  # so the request has begun
        server.ask_to_stop()
        client.send(body)
        response = client.response()

        assert response.body == b'{"result": 8}'
        assert response.headers[b"connection"] == b"close"
        stop_cleanly(server)


def test_answers_what_has_arrived_when_it_stops(strategy: str) -> None:
    with launch(make_spec(strategy)) as server, Client(server) as client:
        assert client.get("/add/1/1").body == b"2"
        client.send_all_the_way(b"GET /add/1/2 HTTP/1.1\r\nHost: test\r\n\r\n")
        stop_cleanly(server)
        assert client.response().body == b"3"


def test_stops_while_a_client_is_silent_in_its_request(strategy: str) -> None:
    spec = make_spec(strategy, policy=("drain_timeout=0.1", "linger_timeout=0.1"))
    with launch(spec) as server, Client(server) as silent:
        assert silent.get("/add/1/1").body == b"2"
        silent.send_all_the_way(b"GET /add/1/1 HTTP/1.1\r\nHo")
        stop_cleanly(server)
        assert silent.response().status == 408


@pytest.mark.parametrize("fault", ["ValueError", "MemoryError", "SystemExit", "KeyboardInterrupt"])
def test_serves_on_where_a_handler_raises(strategy: str, fault: str, tmp_path: Path) -> None:
    """More often than there are threads or children, and without a trace of it but the log."""
    python, _ = interpreter(tmp_path)
    few = {"threadpool": ("workers=2",), "thread-per-request": ("threads=2",)}
    spec = make_spec(strategy, options=few.get(strategy, ()), python=str(python))
    with launch(spec) as server:
        for _ in range(5):
            with Client(server) as client:
                failed = client.get("/add/1/1", f"Fault: {fault}")

                assert (failed.status, failed.headers[b"connection"]) == (500, b"close")
        with Client(server) as client:
            assert client.get("/add/2/3").body == b"5"
        stopped = server.stop(GRACE_S)

    assert (stopped.status, stopped.killed) == (0, False)
    assert stopped.failure.startswith(f"GET /add/1/1 failed: {fault}")
    assert stopped.printed.count("Traceback") == 5


def test_serves_on_where_nothing_can_be_started_for_a_while(strategy: str, tmp_path: Path) -> None:
    """No thread and no process: who needs one is turned away, and nobody waits for ever."""
    python, switch = interpreter(tmp_path)
    with launch(make_spec(strategy, python=str(python))) as server:
        with Client(server) as client:
            assert client.get("/add/2/3", "Connection: close").body == b"5"
        switch.touch()
        for _ in range(5):
            with Client(server) as client, suppress(ClosedError, ConnectionError):
                assert client.get("/add/2/3", "Connection: close").body == b"5"
        switch.unlink()
        with Client(server) as client:
            assert client.get("/add/2/3").body == b"5"
        stop_cleanly(server)


def test_leaves_no_zombie(server: Server) -> None:
    for _ in range(10):
        with Client(server) as client:
            assert client.get("/add/1/1", "Connection: close").body == b"2"
    while "Z" in {state_of(child) for child in children_of(server)}:
        pass  # a child that has just ended is reaped soon; a test that hangs here has failed


def children_of(server: Server) -> list[int]:
    listing = Path(f"/proc/{server.pid}/task/{server.pid}/children")
    return [int(child) for child in listing.read_text().split()]


def state_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "gone"


def test_runs_with_warnings_as_errors(strategy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    monkeypatch.setenv("PYTHONDEVMODE", "1")
    with launch(make_spec(strategy)) as server:
        with Client(server) as client:
            assert client.get("/add/1/1").body == b"2"
            client.send(b"nonsense\r\n\r\n")
            assert client.response().status == 400
        stop_cleanly(server)
