"""Clients that are slow, silent or deaf, against every strategy: the deadlines hold.

No test says how long something takes. A deadline is short where a test waits for it, and a
minute where the response must not wait for it: then TIMEOUT_S of the client is over before.
"""

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from client import Client, ask_until_answered
from servers import make_spec, stop_cleanly

from calcbench.core.app.workload import parse_workload
from calcbench.core.http.connection import READ_SIZE, Connection
from calcbench.core.http.limits import Policy
from calcbench.core.http.parser import Parser
from calcbench.core.http.render import DateLine
from calcbench.core.serving import blocking, sockets
from calcbench.core.serving.catalogue import names
from calcbench.core.serving.launcher import Server, ServerSpec, launch
from calcbench.core.serving.service import make_service
from calcbench.core.serving.stop import Stop

pytestmark = [pytest.mark.slow, pytest.mark.waits]

HOLDING = {"blocking": (), "threadpool": ("workers=4",)}  # held up by slow clients; they say so
FREE = ("fork", "selectors", "thread-per-request")  # never held up; a new one may be either
HANGERS = 20
SOON = (*(f"{what}_timeout=0.1" for what in ("head", "body", "send", "linger")),)
LATE = (*(f"{what}_timeout=60" for what in ("head", "body", "send", "linger", "idle")),)

GET = b"GET /add/1/1 HTTP/1.1\r\nHost: test\r\n\r\n"
PAGE = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"
POST = b"POST /x HTTP/1.1\r\nHost: test\r\nContent-Length: 1000\r\n\r\n"
CHUNKED = b"POST /x HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"


def spec(strategy: str, *policy: str) -> ServerSpec:
    """Return *strategy* under *policy*, with few threads where slow clients can take them all."""
    return make_spec(strategy, options=HOLDING.get(strategy, ()), policy=policy)


@pytest.fixture(scope="module", params=names())
def hasty(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server that waits for nobody who has begun to speak."""
    policy = (*SOON, "idle_timeout=60", "body_rate=1000000")
    with launch(spec(request.param, *policy)) as server:
        yield server
        stop_cleanly(server)


@pytest.fixture(scope="module", params=names())
def lenient(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server that waits for longer than any test does."""
    with launch(spec(request.param, *LATE)) as server:
        yield server
        stop_cleanly(server)


@contextmanager
def dripping(client: Client, octets: bytes) -> Iterator[None]:
    """Send *octets* over and over, one at a time, until the block ends."""
    enough = threading.Event()

    def drip() -> None:
        try:
            while not enough.wait(0.02):
                for at in range(len(octets)):
                    client.send(octets[at : at + 1])
        except OSError:
            pass  # the server has hung up

    dripper = threading.Thread(target=drip)
    dripper.start()
    try:
        yield
    finally:
        enough.set()
        dripper.join()


def deaf(server: Server) -> Client:
    """Return a client with little room for responses, and more than fit in it on their way."""
    client = Client(server)
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.sock.setblocking(False)
    try:
        for _ in range(50):
            client.sock.send(PAGE * 100)
    except BlockingIOError:
        pass  # the server does not read any more
    return client


# A request that has begun is told when no time is left


@pytest.mark.parametrize("begun", [b"GET /add", POST + b"x" * 999, CHUNKED + b"5\r\nhel"])
def test_answers_408_to_a_client_that_stops_in_the_middle(hasty: Server, begun: bytes) -> None:
    with Client(hasty) as client:
        client.send(begun)
        response = client.response()

        assert response.status == 408
        assert response.headers[b"connection"] == b"close"
        assert client.is_closed()


@pytest.mark.parametrize(
    ("begun", "drops"),
    [
        (b"GET / HTTP/1.1\r\n", b"X: y\r\n"),
        (b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n", b"x"),
        (CHUNKED + b"0\r\n", b"X: y\r\n"),
    ],
)
def test_answers_408_however_steadily_a_request_drips(
    hasty: Server, begun: bytes, drops: bytes
) -> None:
    with Client(hasty) as client:
        client.send(begun)
        with dripping(client, drops):
            assert client.response().status == 408


def test_answers_408_on_a_connection_that_was_used_before(hasty: Server) -> None:
    with Client(hasty) as client:
        assert client.get("/add/1/1").body == b"2"
        client.send(GET + b"GET /add")

        assert client.response().body == b"2"
        assert client.response().status == 408
        assert client.is_closed()


def test_leaves_a_client_that_does_not_read(hasty: Server) -> None:
    with Client(hasty) as client:
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with pytest.raises(ConnectionError):
            while True:  # a TimeoutError, were it to last
                client.send(PAGE * 100)
    with Client(hasty) as client:
        assert client.get("/add/1/1").body == b"2"


# What it says arrives


def test_reaches_a_client_that_is_still_sending(lenient: Server) -> None:
    with Client(lenient) as client:
        client.send(b"POST /calc HTTP/1.1\r\nHost: test\r\nContent-Length: 100000\r\n\r\n")
        for _ in range(20):
            client.send(b"x" * 5000)  # more than a reset would leave to be sent
        response = client.response()

        assert response.status == 413
        assert len(response.body) == int(response.headers[b"content-length"])
        client.sock.shutdown(socket.SHUT_WR)
        assert client.file.read() == b""  # an end, and no reset


def test_hangs_up_on_a_client_that_sends_for_ever(hasty: Server) -> None:
    with Client(hasty) as client:
        client.send(b"nonsense\r\n\r\n")
        assert client.response().status == 400
        with pytest.raises(ConnectionError):
            while True:
                client.send(b"x" * 65536)


def test_answers_a_thousand_pipelined_requests_that_are_read_late(lenient: Server) -> None:
    kinds = [
        (b"GET /add/%d/1 HTTP/1.1\r\nHost: test\r\n\r\n", "GET", 200),
        (b"HEAD /add/%d/1 HTTP/1.1\r\nHost: test\r\n\r\n", "HEAD", 200),
        (b"POST /%d HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\nabc", "POST", 404),
        (b"GET /sub/%d/1 HTTP/1.1\r\nHost: test\r\n\r\n", "GET", 200),
    ]
    with Client(lenient) as client:
        requests = b"".join(kinds[n % 4][0] % n for n in range(1000))
        sender = threading.Thread(target=client.send, args=(requests,))
        sender.start()
        responses = [client.response(to=kinds[n % 4][1]) for n in range(1000)]
        sender.join()

    assert [response.status for response in responses] == [kinds[n % 4][2] for n in range(1000)]
    assert [int(response.body) for response in responses[::4]] == [n + 1 for n in range(0, 1000, 4)]
    assert [int(response.body) for response in responses[3::4]] == [
        n - 1 for n in range(3, 1000, 4)
    ]


# An idle connection is closed without a word


def test_closes_an_idle_connection_without_a_word(strategy: str) -> None:
    with launch(spec(strategy, "idle_timeout=0.4")) as server:
        with Client(server) as silent:
            assert silent.is_closed()
        stop_cleanly(server)


def test_closes_a_connection_that_is_idle_again_without_a_word(strategy: str) -> None:
    with launch(spec(strategy, "idle_timeout=1")) as server:
        with Client(server) as used:
            used.send(GET)
            assert used.response().body == b"2"
            assert used.is_closed()
        stop_cleanly(server)


# Others do not have to wait, or not for ever


@contextmanager
def hangers(server: Server) -> Iterator[None]:
    """Keep twenty clients of every kind busy with nothing."""
    with ExitStack() as stack:
        for number in range(HANGERS):
            client = stack.enter_context(Client(server) if number % 4 else deaf(server))
            if number % 4 == 1:
                client.send(GET[:-1])
            elif number % 4 == 2:
                client.send(POST + b"x")
        yield


def test_answers_others_when_twenty_clients_have_hung_on_for_too_long(strategy: str) -> None:
    policy = (*SOON, "idle_timeout=0.1", "drain_timeout=0.2")
    with launch(spec(strategy, *policy)) as server:
        with hangers(server):
            assert ask_until_answered(server, GET).body == b"2"
        stop_cleanly(server)


@pytest.mark.parametrize("strategy", FREE)
def test_answers_others_at_once_although_twenty_clients_hang_on(strategy: str) -> None:
    with launch(spec(strategy, *LATE, "drain_timeout=0.2")) as server:
        with hangers(server), Client(server) as client:
            client.send(GET)
            assert client.response().body == b"2"
        stop_cleanly(server)


@pytest.mark.parametrize("strategy", HOLDING)
def test_says_truly_which_strategies_are_held_up(strategy: str) -> None:
    with launch(spec(strategy, *LATE)) as server:
        with hangers(server):
            client = Client(server)
            client.send(GET)
            ready, _, _ = select.select([client.sock], [], [], 0.2)
            assert ready == []
        with client:
            assert client.response().body == b"2"  # the others have hung up
        stop_cleanly(server)


def test_stops_although_clients_hang_on(strategy: str) -> None:
    with launch(spec(strategy, *LATE, "drain_timeout=0.1")) as server, hangers(server):
        stop_cleanly(server)


# The clock behind it


def test_counts_the_deadline_although_octets_are_ready() -> None:
    """A client that floods is never waited for, so only the clock can end its time."""
    seconds = map(float, range(1000, 10_000))
    policy = Policy(linger_timeout=3.0)
    service = make_service(policy, parse_workload("add"))
    ours, theirs = socket.socketpair()
    quiet, stopper = socket.socketpair()
    with ours, theirs, quiet, stopper:
        for sock in (ours, theirs):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
            sock.setblocking(False)
        sent = theirs.send(b"nonsense\r\n\r\n" + b"x" * 150_000)
        assert sent > 8 * READ_SIZE
        client = sockets.Client(ours, Connection(Parser(policy), DateLine()))
        blocking.serve_connection(client, service, Stop(quiet), clock=lambda: next(seconds))

        assert client.connection.finished
        assert next(seconds) < 1000 + 7
