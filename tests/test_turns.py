"""Several servers by turns, each of which is known to be right, slow, silent, or gone."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import pairwise

import numpy as np
import pytest
from truth import LONG_S, Behaviour, always, nobody, once, only, requests, response_to, truth, until

from calcbench.bench.diagnosis.classify import NEIGHBOUR
from calcbench.bench.diagnosis.littles_law import unaccounted
from calcbench.bench.loadgen.driver.loop import clock
from calcbench.bench.loadgen.driver.recorder import Recorder
from calcbench.bench.loadgen.driver.turn_loop import TurnLoop
from calcbench.bench.loadgen.observation import Observation
from calcbench.bench.loadgen.pool import DriverProcess
from calcbench.bench.loadgen.spec import LoadSpec
from calcbench.core.errors import CalcbenchError

pytestmark = pytest.mark.slow

DELAY_S = 0.003
right = always(response_to)


def delayed(conn: socket.socket) -> None:
    """Answer each request a little later."""
    for number in requests(conn):
        time.sleep(DELAY_S)
        conn.sendall(response_to(number))


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
        "warmup_s": 0.03,
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


def is_conserved(seen: Observation) -> bool:
    return unaccounted(seen.begun, seen.ended, seen.unfinished) == 0


@pytest.mark.parametrize("keep_alive", [True, False])
def test_counts_right_responses_of_each(keep_alive: bool) -> None:
    behave = right if keep_alive else once(response_to)
    with truth(behave) as one, truth(behave) as other:
        seen = by_turns([one, other], all_ended, keep_alive=keep_alive)

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
        seen = by_turns([one, other], all_ended)
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
        seen = by_turns([slow, fast], all_ended, duration_s=0.6)
    latencies = seen[0].samples["latency_ns"]

    assert latencies.min() >= DELAY_S * 1e9
    assert np.median(latencies) > np.median(seen[1].samples["latency_ns"])
    assert seen[0].slices


def test_measures_in_one_window_what_is_too_slow_for_slices() -> None:
    with truth(delayed) as slow, truth(right) as fast:
        seen = by_turns([slow, fast], all_ended, duration_s=0.1)

    assert seen[0].slices is None
    assert seen[0].turns is not None
    assert len(seen[0].turns.turns) == 1
    assert seen[0].elapsed_ns >= 100_000_000


def test_says_who_was_never_served() -> None:
    with truth(only_the_first()) as one, truth(right) as other:
        seen = by_turns([one, other], all_ended)

    assert [observation.clients_served for observation in seen] == [1, 3]
    assert [observation.in_flight for observation in seen] == [2, 0]
    assert all(map(is_conserved, seen))


def test_gives_up_on_a_server_that_is_silent() -> None:
    with truth(silent) as one, truth(right) as other:
        seen = by_turns([one, other], all_ended, timeout_s=0.1, duration_s=0.4)

    assert only(seen[0], "timed_out")
    assert only(seen[1], "ok")
    assert all(map(is_conserved, seen))


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

    assert loud.idle_cpu_ratio > NEIGHBOUR
    assert quiet.idle_cpu_ratio == 0


def test_sends_nothing_of_what_waits_between_its_turns() -> None:
    loop = TurnLoop(LoadSpec("127.0.0.1", 1, 1, True, 1, rate=1_000), Recorder(0))
    loop.waiting.append(clock())
    loop.send_what_is_due(clock())

    assert len(loop.waiting) == len(loop.free) == 1
    assert loop.ring.begun() == 0


@pytest.mark.slow
def test_leaves_nothing_out_that_an_open_loop_had_due() -> None:
    with truth(only_the_first()) as one, truth(right) as other:
        seen = by_turns([one, other], all_ended, rate=200.0, connections=6, timeout_s=0.2)

    for observation in seen:
        assert abs(observation.outcomes.total - 200 * observation.elapsed_ns / 1e9) < 20
        assert is_conserved(observation)
    assert seen[0].outcomes.timed_out > 0
    assert seen[0].clients_served < 6
