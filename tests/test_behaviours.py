"""Clients who are not model clients: asked for, and met by servers that count them."""

import socket
from collections import Counter
from contextlib import suppress

import pytest
from truth import always, drive, only, requests, response_to, truth

from calcbench.bench.loadgen.driver.background import BURST, KINDS
from calcbench.bench.schema.behaviours import BEHAVIOURS, Behaviour, mix, parse_behaviour
from calcbench.core.errors import UsageError

right = always(response_to)


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
        ("idle=2000000", "at most 1,000,000 clients"),
        ("idle=99999%", "at most 10000%"),
        ("normal=3", "for --connections to say"),
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
    silent = Counter[str]()

    def behave(conn: socket.socket) -> None:
        asked = False
        for number in requests(conn):
            asked = True
            conn.sendall(response_to(number))
        silent["silent" if not asked else "normal"] += 1

    with truth(behave) as port:
        seen = drive(port, background={"idle": 5}, rate=rate)

    assert only(seen, "ok")
    assert seen.clients_served == 3
    assert seen.background == {"idle": {"clients": 5}}
    assert silent["silent"] == 5


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
        # At 10 ms for an octet a request takes most of a second: the window holds several.
        seen = drive(
            port, background={"slow-sender": 2}, duration_s=3, warmup_s=0, keep_alive=keep_alive
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
        seen = drive(port, background={"slow-reader": 2}, duration_s=0.5)

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
        seen = drive(port, background={"resetter": 2}, duration_s=0.3)

    assert only(seen, "ok")
    assert seen.background["resetter"]["resets"] > 2
    assert broken


def test_asks_in_bursts() -> None:
    with truth(right) as port:
        seen = drive(port, background={"burst": 2}, duration_s=0.5)

    assert only(seen, "ok")
    assert seen.background["burst"]["ok"] >= 2 * BURST


@pytest.mark.parametrize("kind", BEHAVIOURS)
def test_comes_again_when_a_server_sends_it_away(kind: str) -> None:
    with truth(lambda _: None) as port:
        seen = drive(port, background={kind: 1}, duration_s=0.5)
    met = seen.background[kind]

    assert met["connections"] > 1
    assert met.get("closed", 0) + met.get("reset", 0) + met.get("resets", 0) > 1


def test_counts_the_wrong_responses_that_a_background_client_gets() -> None:
    with truth(always(lambda number: response_to(number + 1))) as port:
        seen = drive(port, background={"burst": 1}, duration_s=0.5)

    assert seen.background["burst"]["wrong"] >= BURST
