"""Clients who are not model clients: asked for, and met by servers that count them."""

import socket
from collections import Counter
from contextlib import suppress

import pytest
from truth import (
    all_three_served,
    always,
    drive,
    nobody,
    only,
    requests,
    response_to,
    truth,
)

from calcbench.bench.loadgen.driver.background import BURST, KINDS, BackgroundClient
from calcbench.bench.loadgen.driver.client import PAUSE_NS
from calcbench.bench.loadgen.observation import Observation
from calcbench.bench.schema.behaviours import BEHAVIOURS, Behaviour, mix, parse_behaviour
from calcbench.bench.schema.outcomes import REFUSED
from calcbench.core.errors import UsageError

pytestmark = pytest.mark.slow

right = always(response_to)


def met(seen: Observation, kind: str, what: str) -> int:
    """Return how often clients of a *kind* met *what* within the window."""
    return seen.background[kind].get(what, 0)


@pytest.mark.parametrize(
    ("text", "behaviour"),
    [
        ("idle=20", Behaviour("idle", count=20)),
        ("slow-reader=12.5%", Behaviour("slow-reader", share=0.125)),
        ("burst=0", Behaviour("burst")),
    ],
)
def test_reads_a_behaviour(text: str, behaviour: Behaviour) -> None:
    assert parse_behaviour(text) == behaviour


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("idel=20", "no behaviour 'idel'; did you mean 'idle'"),
        ("idle", "behaviour 'idle' without a number should be like idle=20 or idle=20%"),
        ("idle=", "should be like idle=20"),
        ("idle=-1", "should be like idle=20"),
        ("idle=1.5", "should be like idle=20"),
        ("idle=2000000", "from 0 to 1,000,000 clients"),
        ("idle=99999%", "from 0% to 10,000%"),
        ("normal=3", "is set with --connections"),
    ],
)
def test_says_what_a_behaviour_should_be_like(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_behaviour(text)


def test_puts_background_clients_beside_the_normal_ones() -> None:
    assert mix(("idle=20", "burst=25%"), 10) == {"idle": 20, "burst": 2}
    assert mix((), 10) == {}
    with pytest.raises(UsageError, match="given twice"):
        mix(("idle=20", "idle=5%"), 10)


def test_knows_a_background_client_for_each_behaviour() -> None:
    assert KINDS.keys() == BEHAVIOURS.keys()


@pytest.mark.parametrize("rate", [0, 200])
def test_counts_silent_clients_apart_from_the_others(rate: float) -> None:
    asked: list[bool] = []  # of each connection, whether it had a request
    windows: list[Observation] = []

    def enough(seen: Observation) -> bool:
        windows.append(seen)
        return all_three_served(seen)

    def behave(conn: socket.socket) -> None:
        spoke = False
        for number in requests(conn):
            spoke = True
            conn.sendall(response_to(number))
        asked.append(spoke)

    with truth(behave) as port:
        seen = drive(port, 1, enough, background={"idle": 5}, rate=rate)
        with socket.create_connection(("127.0.0.1", port)) as last:  # behind all of them in line
            last.sendall(b"GET /add/1/2 HTTP/1.1\r\n\r\n")
            assert last.recv(4096) == response_to(3)

    assert only(seen, "ok")
    assert seen.clients_served == 3
    assert seen.background == {"idle": {"clients": 5}}
    assert asked.count(False) == 5 * len(windows)


@pytest.mark.parametrize("keep_alive", [True, False])
def test_sends_a_request_an_octet_at_a_time(keep_alive: bool) -> None:
    pieces: list[int] = []

    def behave(conn: socket.socket) -> None:
        data = b""
        while not data.endswith(b"\r\n\r\n"):
            received = conn.recv(4096)
            if not received:
                return
            pieces.append(len(received))
            data += received
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\n5")

    with truth(behave) as port:
        # At 10 ms for an octet a request takes most of a second.
        seen = drive(
            port,
            1,
            lambda seen: met(seen, "slow-sender", "asked") >= 2 and pieces.count(1) > 50,
            background={"slow-sender": 2},
            duration_s=1,
            warmup_s=0,
            keep_alive=keep_alive,
        )

    assert pieces.count(1) > 50
    assert seen.background["slow-sender"]["asked"] >= 2


def test_reads_so_slowly_that_the_server_cannot_send() -> None:
    stuck: list[int] = []

    def behave(conn: socket.socket) -> None:
        conn.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2048)
        conn.settimeout(0.1)
        with suppress(TimeoutError):
            while data := conn.recv(4096):
                conn.sendall(response_to(5) * data.count(b"\r\n\r\n"))
            return
        stuck.append(1)

    with truth(behave) as port:
        seen = drive(
            port,
            1,
            lambda seen: len(stuck) >= 2 and met(seen, "slow-reader", "asked") > 0,
            background={"slow-reader": 2},
            duration_s=0.5,
        )

    assert len(stuck) >= 2
    assert seen.background["slow-reader"]["asked"] > seen.background["slow-reader"].get("ok", 0)


def test_breaks_connections_in_the_middle_of_a_request() -> None:
    broken: list[bool] = []

    def behave(conn: socket.socket) -> None:
        try:
            right(conn)
        except ConnectionResetError:
            broken.append(True)

    with truth(behave) as port:
        seen = drive(
            port,
            1,
            lambda seen: met(seen, "resetter", "resets") > 2 and seen.outcomes.total > 0,
            background={"resetter": 2},
            duration_s=0.3,
        )

    assert only(seen, "ok")
    assert seen.background["resetter"]["resets"] > 2
    assert broken


def test_asks_in_bursts() -> None:
    with truth(right) as port:
        seen = drive(
            port,
            1,
            lambda seen: met(seen, "burst", "ok") >= 2 * BURST and seen.outcomes.total > 0,
            background={"burst": 2},
            duration_s=0.5,
        )

    assert only(seen, "ok")
    assert seen.background["burst"]["ok"] >= 2 * BURST


def sent_away(seen: Observation) -> bool:
    [kind] = seen.background
    left = sum(met(seen, kind, how) for how in ("closed", "reset", "resets"))
    return left > 1 and met(seen, kind, "connections") > 1


@pytest.mark.parametrize("kind", BEHAVIOURS)
def test_comes_again_when_a_server_sends_it_away(kind: str) -> None:
    with truth(lambda _: None) as port:
        seen = drive(port, 1, sent_away, background={kind: 1}, duration_s=0.3)

    assert met(seen, kind, "connections") > 1
    assert sent_away(seen)


@pytest.mark.parametrize("kind", BEHAVIOURS)
def test_comes_again_where_nobody_listens(kind: str) -> None:
    with nobody() as port:
        seen = drive(
            port,
            1,
            lambda seen: met(seen, kind, "refused") > 1,
            background={kind: 1},
            duration_s=0.3,
        )

    assert seen.background[kind]["refused"] > 1


class Host:
    """A driver whose clock stands where a test puts it, and whose every connection is refused."""

    def __init__(self) -> None:
        self.clock = 0
        self.pauses: list[int] = []

    def now(self) -> int:
        return self.clock

    def dial(self) -> socket.socket:
        raise ConnectionRefusedError

    def failure(self, _: OSError) -> int:
        return REFUSED

    def later(self, when: int, _: object) -> None:
        self.pauses.append(when - self.clock)


def test_pauses_only_where_it_is_sent_away_again_and_again() -> None:
    host = Host()
    client = BackgroundClient(host, Counter(), 0)  # type: ignore[arg-type]
    for _ in range(4):
        client.come()
    host.clock += PAUSE_NS  # this connection has lasted for a while
    client.leave("closed")
    client.come()
    client.leave("")  # as it was to end

    assert host.pauses == [0, 1_000_000, 2_000_000, 4_000_000, 0, 0, 0]


def test_takes_an_end_in_the_middle_of_a_response_for_a_wrong_one() -> None:
    def cut_short(conn: socket.socket) -> None:
        for number in requests(conn):
            conn.sendall(response_to(number)[:-1])
            return

    with truth(cut_short) as port:
        seen = drive(
            port,
            1,
            lambda seen: met(seen, "burst", "wrong") > 0,
            background={"burst": 1},
            duration_s=0.5,
        )

    assert seen.background["burst"]["wrong"] > 0
    assert "ok" not in seen.background["burst"]


def test_counts_the_wrong_responses_that_a_background_client_gets() -> None:
    with truth(always(lambda number: response_to(number + 1))) as port:
        seen = drive(
            port,
            1,
            lambda seen: met(seen, "burst", "wrong") >= BURST,
            background={"burst": 1},
            duration_s=0.5,
        )

    assert seen.background["burst"]["wrong"] >= BURST
