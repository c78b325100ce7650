"""Several servers by turns, each of which is known to be right, slow, silent, or gone."""

import errno
import itertools
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from truth import LONG_S, Behaviour, always, nobody, once, only, requests, response_to, truth, until

from calcbench.bench.diagnosis.classify import LITTLE
from calcbench.bench.diagnosis.littles_law import little_ratio, unaccounted
from calcbench.bench.loadgen.driver.client import IDLE, READING
from calcbench.bench.loadgen.driver.loop import NEVER, clock
from calcbench.bench.loadgen.driver.poller import READABLE
from calcbench.bench.loadgen.driver.recorder import Recorder
from calcbench.bench.loadgen.driver.turn_loop import TurnLoop
from calcbench.bench.loadgen.driver.turns import MOST_RANDOM_NS, Member
from calcbench.bench.loadgen.observation import Observation
from calcbench.bench.loadgen.pool import DriverProcess
from calcbench.bench.loadgen.protocol import PACKED, WAITED
from calcbench.bench.loadgen.spec import LoadSpec
from calcbench.bench.schema.outcomes import OK, TIMED_OUT
from calcbench.bench.schema.turns import RESTLESS
from calcbench.core.errors import CalcbenchError

pytestmark = pytest.mark.slow

DELAY_S = 0.003
LATE_S = 0.1  # as late that it has no response in a warm-up
SERVED = 40  # requests before a client is served no more
right = always(response_to)


def delayed(conn: socket.socket) -> None:
    """Answer each request a little later."""
    for number in requests(conn):
        time.sleep(DELAY_S)
        conn.sendall(response_to(number))


def late(conn: socket.socket) -> None:
    """Answer each request much later."""
    for number in requests(conn):
        time.sleep(LATE_S)
        conn.sendall(response_to(number))


def one_at_a_time() -> Behaviour:
    """Return what answers one request after the other, whoever asks, and each a little later."""
    turn = threading.Lock()

    def behave(conn: socket.socket) -> None:
        for number in requests(conn):
            with turn:
                time.sleep(DELAY_S)
            conn.sendall(response_to(number))

    return behave


def two_fall_silent() -> Behaviour:
    """Return what soon answers every fourth connection no more."""
    number = itertools.count()

    def behave(conn: socket.socket) -> None:
        served = itertools.count() if next(number) % 4 else iter(range(SERVED))
        for right_number, _ in zip(requests(conn), served, strict=False):
            time.sleep(0.001)
            conn.sendall(response_to(right_number))
        silent(conn)

    return behave


def silent(conn: socket.socket) -> None:
    """Read, and never answer."""
    while conn.recv(4096):
        pass


def only_the_first() -> Behaviour:
    """Return what serves one connection for as long as it is there, and no other meanwhile."""
    turn = threading.Lock()

    def behave(conn: socket.socket) -> None:
        with turn:
            right(conn)

    return behave


def by_turns(
    ports: Sequence[int],
    enough: Callable[[list[Observation]], bool],
    duration_s: float = 0.15,
    **changes: object,
) -> list[Observation]:
    """Drive the servers at *ports* by turns, until it is *enough*."""
    usual = {
        "host": "127.0.0.1",
        "connections": 3,
        "keep_alive": True,
        "warmup_s": 0.05,
        "timeout_s": LONG_S,
    }

    def measure(duration_s: float) -> list[Observation]:
        loads = [
            LoadSpec(port=port, **(usual | changes | {"duration_s": duration_s}))  # type: ignore[arg-type]
            for port in ports
        ]
        with DriverProcess(len(ports)) as driver:
            return driver.drive_by_turns(loads, 0.005, "seed")

    return until(enough, measure, duration_s)


def all_ended(seen: list[Observation]) -> bool:
    return all(one.outcomes.total > 0 for one in seen)


def all_in_slices(seen: list[Observation]) -> bool:
    """Tell whether the machine was quick enough for slices, which take ten response times."""
    return all_ended(seen) and all(one.slices for one in seen)


def is_conserved(seen: Observation) -> bool:
    return unaccounted(seen.begun, seen.ended, seen.unfinished) == 0


@pytest.mark.parametrize("keep_alive", [True, False])
def test_counts_right_responses_of_each(keep_alive: bool) -> None:
    behave = right if keep_alive else once(response_to)
    with truth(behave) as one, truth(behave) as other:
        seen = by_turns([one, other], all_in_slices, keep_alive=keep_alive)

    for observation in seen:
        assert only(observation, "ok")
        assert is_conserved(observation)
        assert observation.clients_served == 3
        assert observation.slices is not None
        assert observation.elapsed_ns == observation.slices.elapsed_ns
        assert observation.elapsed_ns >= 150_000_000
        assert observation.samples["sent_ns"].min() >= 0
        assert observation.samples["sent_ns"].max() < observation.elapsed_ns
        assert set(observation.samples["client"]) == {0, 1, 2}


def test_turns_from_one_to_the_other() -> None:
    with truth(right) as one, truth(right) as other:
        seen = by_turns([one, other], all_in_slices)
    turns = []
    for number, observation in enumerate(seen):
        assert observation.turns is not None
        turns += [(began, rested, number) for began, _, _, rested in observation.turns.turns]
    turns.sort()

    assert all(rested <= began for (_, rested, _), (began, _, _) in pairwise(turns))
    owners = [number for _, _, number in turns]
    assert sum(one != other for one, other in pairwise(owners)) > 4


def test_measures_how_long_a_server_takes_beside_a_faster_one() -> None:
    with truth(delayed) as slow, truth(right) as fast:
        seen = by_turns([slow, fast], all_in_slices, duration_s=0.4)
    latencies = seen[0].samples["latency_ns"]

    assert seen[0].slices
    assert latencies.min() >= DELAY_S * 1e9
    assert np.median(latencies) > np.median(seen[1].samples["latency_ns"])


def test_measures_in_one_window_what_is_too_slow_for_slices() -> None:
    with truth(delayed) as slow, truth(right) as fast:
        seen = by_turns([slow, fast], all_ended, duration_s=0.1)

    assert seen[0].slices is None
    assert seen[0].turns is not None
    assert len(seen[0].turns.turns) == 1
    assert seen[0].elapsed_ns >= 100_000_000


def test_measures_in_one_window_who_queues_more_clients_than_a_slice_can_serve() -> None:
    with truth(one_at_a_time()) as slow, truth(right) as fast:
        seen = by_turns([slow, fast], all_ended, connections=8, duration_s=0.2)

    assert seen[0].slices is None


def test_opens_the_window_of_an_open_loop_when_responses_flow() -> None:
    with truth(late) as slow, truth(right) as fast:
        seen = by_turns([slow, fast], all_ended, rate=100.0, connections=40)

    assert seen[0].slices is None
    assert seen[0].warmup_ns >= LATE_S * 1e9
    assert only(seen[0], "ok")


def test_says_who_was_never_served() -> None:
    def enough(seen: list[Observation]) -> bool:  # nothing of the other is out at the end
        return all_ended(seen) and [one.in_flight for one in seen] == [2, 0]

    with truth(only_the_first()) as one, truth(right) as other:
        seen = by_turns([one, other], enough)

    assert [observation.in_flight for observation in seen] == [2, 0]
    assert [observation.clients_served for observation in seen] == [1, 3]
    assert all(map(is_conserved, seen))


@pytest.mark.parametrize("timeout_s", [0.2, 2.0])
def test_says_who_waits_in_vain_in_an_open_loop(timeout_s: float) -> None:
    """Who began to wait in the warm-up waits in no slice, and yet all the time."""

    def enough(seen: list[Observation]) -> bool:
        known = seen[0].in_flight == 3 or timeout_s < 1
        return all_ended(seen) and seen[0].clients_served == 1 and known

    with truth(only_the_first()) as one, truth(right) as other:
        seen = by_turns(
            [one, other], enough, rate=200.0, connections=4, warmup_s=0.3, timeout_s=timeout_s
        )

    assert all(observation.slices for observation in seen)
    assert [observation.clients_served for observation in seen] == [1, 4]
    assert seen[0].in_flight == 3 or timeout_s < 1
    assert seen[1].in_flight == 0
    assert all(map(is_conserved, seen))


def test_adds_up_where_some_clients_are_served_no_more() -> None:
    def enough(seen: list[Observation]) -> bool:  # they were served in the slices, and hang
        return all_ended(seen) and seen[0].clients_served == 8 and seen[0].in_flight == 2

    with truth(two_fall_silent()) as one, truth(right) as other:
        seen = by_turns([one, other], enough, connections=8, warmup_s=0.01, duration_s=0.6)
    ratio = little_ratio(
        seen[0].samples,
        seen[0].elapsed_ns,
        8,
        seen[0].in_flight,
        keep_alive=True,
        slice_ends=seen[0].slices.ends if seen[0].slices else (),
    )

    assert (seen[0].clients_served, seen[0].in_flight) == (8, 2)
    assert ratio == pytest.approx(1, abs=LITTLE)


def test_gives_up_on_a_server_that_is_silent() -> None:
    def enough(seen: list[Observation]) -> bool:
        return all_ended(seen) and only(seen[1], "ok")  # nobody has kept that one waiting

    with truth(silent) as one, truth(right) as other:
        seen = by_turns([one, other], enough, timeout_s=0.2, duration_s=0.4)

    assert only(seen[0], "timed_out")
    assert only(seen[1], "ok")
    assert all(map(is_conserved, seen))


def test_counts_of_a_time_out_the_turns_of_its_server_alone() -> None:
    recorder = Recorder(0)
    loop = TurnLoop(LoadSpec("127.0.0.1", 1, 1, True, 1, timeout_s=2e-6), recorder)
    client, (sock, peer) = loop.everyone[0], socket.socketpair()
    with sock, peer:
        loop.attach(client, sock)
        client.state, client.intended, client.sent, client.first = READING, 1_000, 1_000, 2_900
        loop.absences[client] = (1_000, 7_000)
        loop.check_times(9_900)
        assert recorder.ended == 0  # it has waited for 1,900 of 2,000
        loop.next_sweep = 0
        loop.check_times(10_500)

    intended, sent, first, done, tag = PACKED.unpack(*recorder.fresh)
    assert tag & (WAITED - 1) == TIMED_OUT
    assert done - intended == 2_500
    assert intended == sent <= first <= done


@pytest.mark.parametrize(
    ("changes", "random_ns"),
    [
        ({}, 700),
        ({"rate": 400.0}, 2_500_000),
        ({"rate": 1.0}, MOST_RANDOM_NS),
        ({"rate": 400.0, "arrivals": "poisson"}, 700),
    ],
)
def test_begins_slices_at_any_phase_of_a_schedule(changes: dict[str, Any], random_ns: int) -> None:
    loop = TurnLoop(LoadSpec("127.0.0.1", 1, 1, True, 1, **changes), Recorder(0))

    assert Member(loop, int, usual_ns=700).random_ns == random_ns


def test_ends_a_drain_with_the_last_response() -> None:
    loop = TurnLoop(LoadSpec("127.0.0.1", 1, 1, True, 1), Recorder(0))
    client, (sock, peer) = loop.everyone[0], socket.socketpair()
    sock.setblocking(False)
    with sock, peer:
        loop.attach(client, sock)
        loop.poller.register(sock.fileno(), READABLE)
        client.state, client.expected = READING, b"5"
        client.sent = client.intended = clock()
        peer.send(response_to(5))
        loop.drain(0, NEVER)

    assert loop.recorder.ended == 1
    assert client.state == IDLE


@pytest.mark.parametrize("drains", [False, True])
def test_gives_up_nobody_whose_response_is_there(drains: bool) -> None:
    """A driver that was away finds responses that came in time: it reads before it looks."""
    loop = TurnLoop(LoadSpec("127.0.0.1", 1, 2, True, 1, timeout_s=1), Recorder(0))
    with ExitStack() as closing:
        for client in loop.everyone:
            sock, peer = map(closing.enter_context, socket.socketpair())
            sock.setblocking(False)
            loop.attach(client, sock)
            loop.poller.register(sock.fileno(), READABLE)
            client.state, client.expected = READING, b"5"
            client.sent = client.intended = clock() - 2 * 10**9
            if client is loop.everyone[0]:
                peer.send(response_to(5))
        if drains:
            loop.drain(0, NEVER)
        else:
            loop.rest()
            while loop.recorder.ended < 2:
                loop.run_until(clock() + 10**6)

        samples = map(PACKED.unpack, loop.recorder.fresh)
        assert [tag & (WAITED - 1) for *_, tag in samples] == [OK, TIMED_OUT]


def test_learns_no_usual_response_time_from_the_first_of_a_queue() -> None:
    recorder = Recorder(0)
    loop = TurnLoop(LoadSpec("127.0.0.1", 1, 3, True, 1), recorder)
    member = Member(loop, int)
    member.turns.append((100, 100, 200, 200))
    for client in loop.everyone[:2]:
        client.state, client.sent = READING, 100
    recorder.add(PACKED.pack(100, 100, 110, 110, 0))
    recorder.add(PACKED.pack(20, 20, 105, 105, 0))  # of an earlier turn: others came between
    member.learn()
    assert member.usual_ns == 0
    recorder.add(PACKED.pack(110, 110, 130, 130, 0))
    recorder.add(PACKED.pack(130, 130, 160, 160, 0))
    member.learn()

    assert member.usual_ns == 30


def test_says_that_nobody_listens() -> None:
    with nobody() as one, truth(right) as other:
        seen = by_turns([one, other], all_ended)

    assert only(seen[0], "refused")
    assert only(seen[1], "ok")


def test_offers_each_the_rate_of_an_open_loop() -> None:
    with truth(right) as one, truth(right) as other:
        seen = by_turns([one, other], all_ended, duration_s=0.5, rate=400.0, connections=4)

    for observation in seen:
        assert only(observation, "ok")
        assert is_conserved(observation)
        assert observation.samples["intended_ns"].min() >= 0
        assert observation.samples["intended_ns"].max() < observation.elapsed_ns
        # What is due in half a second of constant arrivals, whatever the machine does.
        assert abs(observation.outcomes.total - 400 * observation.elapsed_ns / 1e9) < 20


@pytest.mark.parametrize("failing", ["pipe", "Popen"])
def test_leaves_no_descriptor_open_where_no_driver_can_start(
    failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, "no more")

    made = itertools.count()
    pipe = os.pipe
    if failing == "pipe":  # the first is of its output
        monkeypatch.setattr(os, "pipe", lambda: pipe() if next(made) < 2 else fail())
    else:
        monkeypatch.setattr(subprocess, "Popen", fail)
    before = len(os.listdir("/proc/self/fd"))

    with pytest.raises(OSError, match="no more"):
        DriverProcess(3)
    for _ in range(1_000):  # the thread that reads its output ends
        if len(os.listdir("/proc/self/fd")) <= before:
            break
        time.sleep(0.01)
    assert len(os.listdir("/proc/self/fd")) <= before


def test_fails_all_of_them_when_the_driver_cannot() -> None:
    load = LoadSpec("127.0.0.1", 1, 3_000_000, True, 0.1)
    with ExitStack() as up:
        driver = up.enter_context(DriverProcess(2))
        with pytest.raises(CalcbenchError, match="files"):
            driver.drive_by_turns([load, load], 0.005, "seed")


def test_notices_a_server_that_computes_while_it_is_not_its_turn() -> None:
    with ExitStack() as up:
        busy = up.enter_context(
            subprocess.Popen([sys.executable, "-c", "while True: pass"], process_group=0)
        )
        up.callback(busy.kill)
        ports = [up.enter_context(truth(right)) for _ in range(2)]
        loads = [
            LoadSpec("127.0.0.1", port, 3, True, 0.3, 0.02, server_group=group)
            for port, group in zip(ports, (busy.pid, 0), strict=True)
        ]
        driver = up.enter_context(DriverProcess(2))
        loud, quiet = driver.drive_by_turns(loads, 0.005, "seed")

    assert loud.idle_cpu_ratio > RESTLESS
    assert quiet.idle_cpu_ratio == 0


def test_sends_nothing_of_what_waits_between_its_turns() -> None:
    loop = TurnLoop(LoadSpec("127.0.0.1", 1, 1, True, 1, rate=1_000), Recorder(0))
    loop.waiting.append(clock())
    loop.send_what_is_due(clock())

    assert len(loop.waiting) == len(loop.free) == 1
    assert loop.ring.begun() == 0


@pytest.mark.slow
def test_leaves_nothing_out_that_an_open_loop_had_due() -> None:
    def enough(seen: list[Observation]) -> bool:
        return all_ended(seen) and seen[0].outcomes.timed_out > 0

    with truth(only_the_first()) as one, truth(right) as other:
        seen = by_turns([one, other], enough, rate=200.0, connections=6, timeout_s=0.2)

    for observation in seen:
        assert abs(observation.outcomes.total - 200 * observation.elapsed_ns / 1e9) < 20
        assert is_conserved(observation)
    assert seen[0].outcomes.timed_out > 0
    assert seen[0].clients_served < 6
