"""The open loop against servers whose delays are known: what it sees, and a closed loop does not.

Nothing here asserts that this machine is quick. A server that is stopped answers nobody before it
goes on, and one that waits does not answer sooner: every bound is one that no noise can break.
"""

import dataclasses
import itertools
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
from truth import (
    LONG_S,
    Behaviour,
    always,
    drive,
    nobody,
    once,
    only,
    requests,
    response_to,
    thinks_between,
    truth,
    until,
)

from calcbench.bench.analysis.quantiles import quantile
from calcbench.bench.analysis.rounds import waits_of
from calcbench.bench.diagnosis.littles_law import users_ratio
from calcbench.bench.diagnosis.warmup import without_warmup
from calcbench.bench.loadgen.collector import Collector
from calcbench.bench.loadgen.observation import LATE_NS, Observation
from calcbench.bench.loadgen.protocol import TAG_BITS, WAITED, DriverReport
from calcbench.bench.loadgen.report_reader import ReportReader
from calcbench.bench.loadgen.spec import LoadSpec
from calcbench.bench.schema.arrivals import ARRIVALS, CONSTANT, EXPONENTIAL, schedule
from calcbench.bench.schema.outcomes import OK, TIMED_OUT, Outcomes
from calcbench.bench.validation.truth import Freeze, freeze_during
from calcbench.core.errors import CalcbenchError
from calcbench.core.serving.launcher import ServerSpec, launch

pytestmark = pytest.mark.slow

right = always(response_to)


def waits(seconds: float) -> Behaviour:
    def behave(conn: socket.socket) -> None:
        for number in requests(conn):
            time.sleep(seconds)  # the delay that is to be measured
            conn.sendall(response_to(number))

    return behave


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("keep_alive", [True, False])
@pytest.mark.parametrize("arrivals", ARRIVALS)
def test_asks_for_what_is_due_and_nothing_else(arrivals: str, keep_alive: bool, count: int) -> None:
    with truth(right if keep_alive else once(response_to)) as port:
        observation = drive(
            port,
            count,
            rate=300,
            arrivals=arrivals,
            seed=5,
            connections=20,
            duration_s=0.3,
            keep_alive=keep_alive,
        )
    intended = np.sort(observation.samples["intended_ns"])
    due = list(itertools.islice(schedule(300, arrivals, 5), 1000))
    # The window opens when it opens; from there every request that is due is there, once.
    start = {int(intended[0]) - ns for ns in due}
    matches = [s for s in start if set((np.array(due) + s).tolist()) >= set(intended.tolist())]

    assert only(observation, "ok")
    assert matches
    assert len(np.unique(intended)) == len(intended)
    assert intended[0] >= 0
    assert intended[-1] < observation.elapsed_ns
    assert observation.in_flight == 0
    assert observation.offered_per_s == 300
    assert observation.clients_served == 20


def test_keeps_the_three_times_of_a_request_apart() -> None:
    with truth(waits(0.02)) as port:
        observation = drive(port, rate=100, connections=1, duration_s=0.3)
    samples = observation.samples
    service = samples["done_ns"] - samples["sent_ns"]
    dispatch = samples["sent_ns"] - samples["intended_ns"]

    assert service.min() >= 20_000_000
    assert dispatch.min() >= 0
    assert (samples["latency_ns"] == service + dispatch).all()
    assert (samples["first_ns"] > samples["sent_ns"]).all()
    assert (samples["first_ns"] <= samples["done_ns"]).all()
    # One connection answers at most 50 a second, and 100 are due: the queue grows by the gap
    # for every request, and that is in the response time, not in the service time.
    order = np.argsort(samples["intended_ns"])
    waited = np.arange(len(order)) * (20_000_000 - 10_000_000)

    assert (samples["latency_ns"][order] >= waited).all()
    assert observation.waited > 0


def test_sees_every_delay_of_a_known_distribution() -> None:
    delays = [0.0, 0.0, 0.0, 0.005, 0.01, 0.03]
    turn = itertools.cycle(delays)
    lock = threading.Lock()
    waited: list[int] = []

    def behave(conn: socket.socket) -> None:
        for number in requests(conn):
            with lock:
                delay = next(turn)
            began = time.perf_counter_ns()
            time.sleep(delay)
            with lock:
                waited.append(time.perf_counter_ns() - began)
            conn.sendall(response_to(number))

    with truth(behave) as port:
        observation = drive(port, rate=200, connections=50, warmup_s=0, duration_s=0.6)
    measured = np.sort(observation.samples["done_ns"] - observation.samples["sent_ns"])
    # A few requests before and behind the window have waited as well.
    truth_ns = np.sort(np.array(waited))[: len(measured)]

    assert only(observation, "ok")
    assert (measured >= truth_ns).all()
    for q in (0.5, 0.75, 0.9):
        assert quantile(measured, q) >= quantile(truth_ns, q)


def came_meanwhile(run: Freeze) -> "np.ndarray":
    """Return which requests were due while the server stood still."""
    intended = run.observation.samples["intended_ns"]
    return (intended > run.stopped_ns) & (intended < run.went_on_ns)


def is_long_before_the_end(run: Freeze) -> bool:
    """Tell whether the window was open before the freeze, and for a while behind it."""
    return run.stopped_ns > 0 and run.went_on_ns < 0.8 * run.observation.elapsed_ns


def test_sees_a_freeze_as_everybody_who_came_meanwhile_did() -> None:
    with launch(ServerSpec("selectors")) as server:
        load = LoadSpec(
            server.host,
            server.port,
            connections=64,
            keep_alive=True,
            duration_s=0,
            warmup_s=0.3,
            timeout_s=LONG_S,
        )

        def freeze(rate: float) -> Freeze:
            def measure(duration_s: float) -> Freeze:
                changed = dataclasses.replace(load, duration_s=duration_s, rate=rate)
                return freeze_during(server.pid, changed, after_s=duration_s / 4, frozen_s=0.5)

            return until(is_long_before_the_end, measure, 1.5)

        closed, opened = freeze(rate=0), freeze(rate=400.0)
    observation, frozen_ns = opened.observation, opened.frozen_ns
    response = np.sort(observation.samples["latency_ns"])

    # Nobody who came during the freeze has a response before its end.
    came = came_meanwhile(opened)
    assert came.sum() >= frozen_ns * 400 // 1_000_000_000 - 1
    assert (observation.samples["done_ns"][came] >= opened.went_on_ns).all()
    # So the q-quantile is at least what arithmetic makes it: of the arrivals in D seconds, the
    # share T/D waits for what is left of T, evenly from T to 0.
    gap_ns = 2_500_000
    for q in (0.8, 0.9, 0.95, 0.99):
        analytic = frozen_ns - (1 - q) * observation.elapsed_ns
        assert quantile(response, q) >= analytic - 2 * gap_ns
    # The closed loop asked nothing meanwhile but what each client had begun: however long a freeze
    # lasts, it is in at most one response of each, of all their many.
    waited = closed.observation.samples["done_ns"] >= closed.went_on_ns
    asked = closed.observation.samples["sent_ns"] < closed.went_on_ns
    assert 1 <= (waited & asked).sum() <= 64
    assert came_meanwhile(closed).sum() <= 64
    assert (response >= frozen_ns // 2).sum() >= 400 * frozen_ns / 2e9 - 2


def test_gives_up_what_never_got_a_connection() -> None:
    def never(conn: socket.socket) -> None:
        for _ in requests(conn):
            pass

    with truth(never) as port:
        observation = drive(port, rate=100, connections=2, timeout_s=0.1, duration_s=0.2)
    unsent = observation.samples["client"] == -1

    assert only(observation, "timed_out")
    assert observation.outcomes.total == 20
    assert observation.samples["latency_ns"].min() >= 100_000_000
    assert (observation.samples["sent_ns"][unsent] == observation.samples["done_ns"][unsent]).all()
    assert observation.clients_served == 0


def test_asks_again_at_once_where_nobody_listens() -> None:
    with nobody() as port:
        observation = drive(port, rate=500, duration_s=0.2)

    assert only(observation, "refused")
    assert observation.outcomes.total == 100


def test_replaces_a_connection_that_the_server_closed_in_peace() -> None:
    def closing(conn: socket.socket) -> None:
        for served, number in enumerate(requests(conn)):
            conn.sendall(response_to(number))
            if served == 4:
                return

    with truth(closing) as port:
        observation = drive(port, rate=100, arrivals=CONSTANT, connections=5, duration_s=0.4)

    # However its requests bunch, a connection has five responses before it breaks one request;
    # those that it had before the window are the only ones that it does not show.
    assert observation.outcomes.total == observation.outcomes.ok + observation.outcomes.reset == 40
    assert observation.outcomes.reset <= observation.outcomes.ok / 5 + 5


def serves_only(count: int) -> Behaviour:
    """Return what answers on the first *count* connections, and never on others."""
    numbers = itertools.count()

    def behave(conn: socket.socket) -> None:
        if next(numbers) < count:
            right(conn)
        for _ in requests(conn):
            pass

    return behave


@pytest.mark.parametrize("count", [1, 2])
def test_gives_every_connection_its_turn(count: int) -> None:
    with truth(right) as port:
        observation = drive(port, count, every_one_used(10), rate=100, connections=10)

    assert only(observation, "ok")
    assert (observation.connections_used, observation.unopened) == (10, 0)


def every_one_used(connections: int) -> "Callable[[Observation], bool]":
    return lambda seen: seen.connections_used == connections


def test_shows_that_most_connections_are_never_served() -> None:
    with truth(serves_only(2)) as port:
        observation = drive(
            port, 1, every_one_used(10), rate=100, connections=10, timeout_s=0.5, duration_s=0.3
        )

    assert observation.connections_used == 10
    assert observation.clients_served <= 2
    assert observation.outcomes.timed_out > 0


def test_counts_who_has_waited_since_before_the_window() -> None:
    def enough(seen: Observation) -> bool:  # all but two hang when the window opens
        return seen.outcomes.timed_out == 0 and seen.in_flight == 8

    with truth(serves_only(2)) as port:
        observation = drive(
            port, 1, enough, 0.2, rate=100, connections=10, warmup_s=0.5, timeout_s=1.5
        )
    waits = waits_of(observation.columns)

    assert (observation.clients_served, observation.in_flight) == (2, 8)
    assert waits.total == observation.outcomes.ok + 8
    assert waits.quantile(0.99).at_least
    assert min(observation.in_flight_ns) >= observation.elapsed_ns


def test_cuts_a_warm_up_and_keeps_who_waits() -> None:
    def enough(seen: Observation) -> bool:
        return seen.in_flight + seen.outcomes.timed_out == 8

    with truth(serves_only(2)) as port:
        observation = drive(
            port, 1, enough, 0.6, rate=100, connections=10, warmup_s=0.05, timeout_s=1.0
        )
    cut_ns = observation.elapsed_ns // 2
    later = without_warmup(observation, cut_ns, ())

    assert later.clients_served == observation.clients_served == 2
    assert later.in_flight + later.outcomes.timed_out == 8
    assert min(later.in_flight_ns) >= later.elapsed_ns


def test_uses_as_few_connections_as_possible_where_asked_to() -> None:
    accepted: list[socket.socket] = []

    def behave(conn: socket.socket) -> None:
        accepted.append(conn)
        right(conn)

    with truth(behave) as port:
        observation = drive(port, rate=20, connections=60, reuse_first=True, duration_s=0.3)

    assert only(observation, "ok")
    assert 1 <= observation.connections_used <= observation.outcomes.total
    assert len(accepted) < 60  # none was opened before it was needed


def test_opens_what_the_server_closes_while_it_is_idle() -> None:
    numbers = itertools.count()

    def behave(conn: socket.socket) -> None:
        if next(numbers) >= 5:  # the first of each client it closes without a word
            right(conn)

    with truth(behave) as port:
        observation = drive(
            port, 1, every_one_used(5), rate=100, connections=5, warmup_s=0.2, duration_s=0.3
        )
    outcomes = observation.outcomes

    assert observation.clients_served == 5
    assert outcomes.ok > 0
    assert outcomes.reset <= 5  # of requests that met the close on their way
    assert outcomes.total == outcomes.ok + outcomes.reset


def test_says_how_many_connections_could_not_be_opened() -> None:
    with nobody() as port:
        observation = drive(port, 2, rate=500, connections=7)

    assert observation.unopened == 7
    assert only(observation, "refused")


@pytest.mark.parametrize("keep_alive", [True, False])
@pytest.mark.parametrize("count", [1, 2])
def test_users_think_before_each_request(count: int, keep_alive: bool) -> None:
    with truth(right if keep_alive else once(response_to)) as port:
        observation = drive(
            port,
            count,
            lambda seen: seen.outcomes.ok > 40,
            think_s=0.05,
            connections=20,
            duration_s=0.3,
            keep_alive=keep_alive,
        )
    samples = observation.samples

    assert only(observation, "ok")
    assert observation.clients_served == 20
    assert observation.offered_per_s == 0
    assert (thinks_between(observation) >= 50_000_000).all()
    assert (samples["sent_ns"] >= samples["intended_ns"]).all()
    assert (samples["latency_ns"] == samples["done_ns"] - samples["intended_ns"]).all()
    assert observation.busy_ns is not None
    assert observation.begun == observation.ended + observation.unfinished
    ratio = users_ratio(observation.busy_ns, observation.away_ns, observation.elapsed_ns, 20)
    assert ratio == pytest.approx(1, abs=0.05)


def test_shows_which_users_are_never_served() -> None:
    with truth(serves_only(2)) as port:
        observation = drive(
            port,
            1,
            lambda seen: seen.outcomes.ok > 0 and seen.outcomes.timed_out > 0,
            think_s=0.02,
            thinking=EXPONENTIAL,
            connections=6,
            timeout_s=0.5,
            duration_s=0.7,
        )

    assert 1 <= observation.clients_served <= 2
    assert observation.outcomes.timed_out > 0


def an_open_loop(**changes: object) -> Observation:
    usual = {
        "elapsed_ns": 1_000_000_000,
        "outcomes": Outcomes(ok=1000),
        "clients_served": 1,
        "in_flight_ns": (),
        "server_cpu_ns": 0,
        "driver_cpu_ns": 0,
        "samples": {},
        "responses": 1000,
        "offered_per_s": 1000.0,
    }
    return Observation(**(usual | changes))  # type: ignore[arg-type]


def test_says_that_it_could_not_keep_its_schedule() -> None:
    assert an_open_loop().driver_fault == ""
    assert an_open_loop(late=10).in_time
    assert not an_open_loop(late=11).in_time
    assert an_open_loop(responses=500).driver_fault == ""  # a server that is full
    assert (
        "of 1,000/s only 500/s got right responses"
        in an_open_loop(responses=500, driver_cpu_ns=950_000_000).driver_fault
    )
    assert (
        "of 1,000/s only 500/s got right responses"
        in an_open_loop(responses=500, driver_delay_ns=300_000_000).driver_fault
    )
    assert an_open_loop(responses=1000, driver_cpu_ns=950_000_000).driver_fault == ""
    few = Outcomes(ok=950)  # of independent users, by chance: all of them were served
    assert an_open_loop(responses=950, outcomes=few, driver_cpu_ns=950_000_000).driver_fault == ""


def collected(
    samples: Iterable[tuple[int, ...]], *, load: LoadSpec | None = None, **limits: Any
) -> Observation:
    """Return what a driver saw whose window of a second had *samples*, each in a message."""
    reader = ReportReader(opened_ns=MOMENT)
    spec = load or LoadSpec("", 0, 20, True, duration_s=1.0, rate=500)
    collector = Collector([spec], [reader], **limits)
    for *moments, tag in samples:
        collector.add(reader, struct.pack("5q", *(MOMENT + moment for moment in moments), tag))
    reader.report = DriverReport(1_000_000_000, 0, 0, 0, (), 0, 0, 0)
    return collector.collect()


USERS = LoadSpec("", 0, 4, True, duration_s=1.0, think_s=0.5)
S = 1_000_000_000


def test_adds_up_what_users_did_within_the_window() -> None:
    """The window counts what ended in it; who was served shows in all that was out in it."""
    client = [number << TAG_BITS for number in range(4)]
    observation = collected(
        [
            (-S // 2, -S // 2, S // 4, S // 4, client[0] | OK),
            (S // 2, S // 2 + 5_000_000, S, 2 * S, client[1] | OK),  # in flight when it closes
            (-S, -S, S, S, client[2] | TIMED_OUT),
            (-S, -S, -S, -S // 2, client[3] | TIMED_OUT),  # and then it thought
        ],
        load=USERS,
    )

    assert (observation.outcomes.ok, observation.outcomes.timed_out) == (1, 1)
    assert observation.busy_ns == S // 4 + S // 2 + S
    assert observation.clients_served == 3
    assert observation.think_s == 0.5


def test_counts_among_the_starved_who_waits_since_before_the_window() -> None:
    stuck = [(-S // 10, -S // 10, S, S, number << TAG_BITS | TIMED_OUT) for number in range(7)]
    observation = collected([*stuck, (0, 0, 1, 2, 7 << TAG_BITS | OK)])

    assert observation.outcomes == Outcomes(ok=1)  # the others were due before it
    assert observation.connections_used == 8
    assert observation.clients_served == 13


MOMENT = 5_000_000_000_000  # of the driver's clock
DELAYS = {0: 0, LATE_NS: 0, LATE_NS + 1: 0, 3_000_000: 0, 5_000_000: WAITED}


@pytest.mark.parametrize(("limits", "late"), [({}, 2), ({"late_ns": -1}, 4)])
def test_counts_as_late_what_was_sent_late_without_a_reason(
    limits: dict[str, Any], late: int
) -> None:
    """What found no connection free has waited for the server."""
    samples = [(0, delay, delay + 1, delay + 2, tag) for delay, tag in DELAYS.items()]
    observation = collected(samples, **limits)

    assert (observation.late, observation.waited) == (late, 1)
    assert observation.outcomes.total == len(DELAYS)
    assert observation.lateness_ns == 3_000_000


@pytest.mark.parametrize("load", [None, USERS])
def test_makes_histograms_of_too_many_samples(load: LoadSpec | None) -> None:
    times = [(due, due, due + 500_000, due + 1_000_000, OK) for due in range(0, 10**9, 10**7)]
    observation = collected([(-1, -1, -1, -1, OK), *times], load=load, max_samples=10)
    assert observation.histograms

    of = observation.histograms.of
    assert observation.outcomes.ok == 100  # and what was due before the window is left out
    assert len(observation.samples["sent_ns"]) == 0
    censored = {name for name in of if name.endswith("_censored")}
    assert [of[name].get_total_count() for name in of if name not in censored] == [100] * 5
    assert {of[name].get_total_count() for name in censored} == {0}
    assert of["service"].get_min_value() >= 999_000
    assert observation.columns["response_count"].sum() == 100


def test_keeps_samples_that_are_not_too_many() -> None:
    observation = collected([(0, 0, 1, 2, OK)] * 10, max_samples=10)

    assert observation.histograms is None
    assert len(observation.samples["sent_ns"]) == 10


def test_refuses_windows_that_have_no_moment_in_common() -> None:
    readers = [ReportReader(opened_ns=MOMENT), ReportReader(opened_ns=MOMENT + 300_000)]
    spec = LoadSpec("", 0, 20, True, duration_s=0.0002)
    collector = Collector([spec, spec], readers)
    for reader in readers:
        reader.report = DriverReport(200_000, 0, 0, 0, (), 0, 0, 0)

    with pytest.raises(CalcbenchError, match="did not overlap"):
        collector.collect()


def test_writes_who_has_waited_for_a_connection() -> None:
    observation = collected([(0, 0, 1, 2, OK), (0, 5, 6, 7, WAITED | OK)])

    assert observation.columns["waited"].tolist() == [0, 1]
