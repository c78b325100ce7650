"""An open loop whose responses take longer than its warm-up shows the right rate all the same."""

import dataclasses
import socket
import time

import numpy as np
import pytest
from builders import make_condition, make_measurement, make_observation
from numpy.typing import NDArray
from truth import always, drive, requests, response_to, truth

from calcbench.bench.diagnosis.common_movement import common_movement
from calcbench.bench.diagnosis.evidence import Assessment, ServerWatch, assess
from calcbench.bench.diagnosis.steady_state import TOO_SHORT
from calcbench.bench.diagnosis.warmup import (
    series_of,
    steadiness_of,
    time_unanswered,
    without_warmup,
)
from calcbench.bench.loadgen.observation import Observation
from calcbench.bench.loadgen.slices import Slices
from calcbench.bench.schema.judgements import UNSTEADY
from calcbench.bench.schema.outcomes import OK, TIMED_OUT, Outcomes
from calcbench.bench.schema.plan import Plan
from calcbench.bench.system.cpus import Pinning
from calcbench.bench.system.usage import Life
from calcbench.bench.views.remarks import warmup_remarks

MS = 1_000_000
S = 1000 * MS
Column = NDArray[np.int64]


def seen_of(due: Column, done: Column, warmup_ns: int, elapsed_ns: int) -> Observation:
    """Return what drivers saw of requests that were *due* from the load's beginning, at 0."""
    due, done = due - warmup_ns, done - warmup_ns
    counted = (due >= 0) & (due < elapsed_ns)
    came = (done >= 0) & (done <= elapsed_ns)
    count = int(counted.sum())
    samples = {
        "intended_ns": due,
        "sent_ns": due,
        "first_ns": done,
        "done_ns": done,
        "latency_ns": done - due,
        "client": np.arange(len(due)) % 8,
        "outcome": np.zeros(len(due), np.int64),
        "waited": np.zeros(len(due), np.int64),
    }
    return make_observation(
        elapsed_ns=elapsed_ns,
        outcomes=Outcomes(ok=count),
        responses=int(came.sum()),
        carried_ns=tuple(done[came & (due < 0)].tolist()),
        offered_per_s=1e9 / (due[1] - due[0]),
        samples={name: column[counted] for name, column in samples.items()},
    )


def assessed(seen: Observation) -> Assessment:
    return assess(seen, ServerWatch([], (), Life(0, 0, 0)), make_condition(), Pinning(), None)


def rate_of(seen: Observation) -> float:
    return seen.right_responses * 1e9 / seen.elapsed_ns


@pytest.mark.parametrize("rate", [20, 200, 5_000])
@pytest.mark.parametrize("takes_ms", [200, 700, 1_000])
def test_shows_the_rate_of_a_server_with_a_constant_delay(rate: int, takes_ms: int) -> None:
    due = np.arange(4 * rate) * (S // rate)
    seen = seen_of(due, due + takes_ms * MS, warmup_ns=300 * MS, elapsed_ns=2 * S)
    result = assessed(seen)

    assert rate_of(result.observation) == pytest.approx(rate, rel=0.06)  # one more or less
    assert rate_of(result.observation) == pytest.approx(rate, abs=1.1)
    a_bin = max(2 * S // 60, 25 * S // rate)
    assert result.cut_ns == pytest.approx(max(takes_ms - 300, 0) * MS, abs=a_bin)
    assert "full rate" in result.evidence.settled_why or not result.cut_ns


def test_shows_the_rate_of_a_server_with_delays_of_a_known_distribution() -> None:
    due = np.arange(8_000) * MS
    delays = np.random.default_rng(1).exponential(200 * MS, len(due)).astype(np.int64)
    seen = seen_of(due, due + delays, warmup_ns=10 * MS, elapsed_ns=4 * S)
    result = assessed(seen)

    assert rate_of(seen) < 960
    assert rate_of(result.observation) == pytest.approx(1_000, rel=0.025)
    assert 300 * MS < result.cut_ns < 1_500 * MS


@pytest.mark.parametrize("offered", [1_500, 20_000])
def test_takes_the_rate_of_a_full_server_as_it_is(offered: int) -> None:
    """It answers 1,000 a second from the first on, and all that is due in the end."""
    due = np.arange(4 * offered) * (S // offered)
    done = np.maximum(due, np.arange(len(due)) * MS) + MS
    seen = seen_of(due, done, warmup_ns=300 * MS, elapsed_ns=1 * S)
    found = assessed(seen).observation

    assert found.elapsed_ns >= seen.elapsed_ns / 2
    assert rate_of(found) == pytest.approx(1_000, rel=0.02)


def test_cuts_nothing_off_behind_a_freeze() -> None:
    """Who waited for its end is answered in the window, so no response is missing."""
    due = np.arange(3_000) * MS
    frozen = (due > 300 * MS) & (due < 700 * MS)
    done = np.where(frozen, 700 * MS, due) + MS
    result = assessed(seen_of(due, done, warmup_ns=300 * MS, elapsed_ns=2 * S))

    assert result.cut_ns == 0
    assert result.observation.samples["latency_ns"].max() == 400 * MS


@pytest.mark.parametrize("takes_ms", [900, 2_000])
def test_says_that_the_warm_up_was_too_short_where_nothing_is_left(takes_ms: int) -> None:
    due = np.arange(4_000) * MS
    seen = seen_of(due, due + takes_ms * MS, warmup_ns=300 * MS, elapsed_ns=1 * S)
    result = assessed(seen)

    assert result.judgement.name == UNSTEADY
    assert TOO_SHORT in result.judgement.why
    assert result.observation.outcomes.ok == 1_000


def test_counts_what_the_warm_up_asked_for_behind_a_cut_too() -> None:
    due = np.arange(3_000) * MS
    seen = seen_of(due, due + 250 * MS, warmup_ns=300 * MS, elapsed_ns=1 * S)
    rest = without_warmup(seen, 100 * MS, [])

    assert rest.responses == 901  # both ends of the window included
    assert min(rest.carried_ns) == 0
    twice, at_once = without_warmup(rest, 100 * MS, []), without_warmup(seen, 200 * MS, [])
    assert (twice.responses, sorted(twice.carried_ns)) == (
        at_once.responses,
        sorted(at_once.carried_ns),
    )


def test_says_that_it_warmed_up_for_longer() -> None:
    plan = Plan(("fork", "selectors"), connections=(8,), rate=100.0)
    usual, longer = make_condition("fork"), make_condition("selectors")
    seen = [
        make_measurement(usual, offered_per_s=100.0, warmup_ns=310 * MS),
        make_measurement(longer, offered_per_s=100.0, warmup_ns=1_005 * MS),
        make_measurement(longer, 2, offered_per_s=100.0, warmup_ns=900 * MS),
        make_measurement(usual, warmup_ns=2 * S),  # of a closed loop
    ]
    [remark] = warmup_remarks(seen, plan)

    assert remark.startswith("selectors at 8 warmed up for 1.00 s in place of 300 ms")


@pytest.mark.slow
def test_opens_no_window_before_the_first_response() -> None:
    """A server that sleeps for 300 ms answers nobody sooner, whatever this machine does."""

    def behave(conn: socket.socket) -> None:
        for number in requests(conn):
            time.sleep(0.3)  # the delay that is to be measured
            conn.sendall(response_to(number))

    with truth(behave) as port:
        observation = drive(port, rate=50, connections=50, warmup_s=0.02, duration_s=0.2)

    assert observation.warmup_ns >= 300 * MS
    assert observation.carried_ns


@pytest.mark.slow
def test_opens_its_window_though_nothing_is_answered() -> None:
    def never(conn: socket.socket) -> None:
        for _ in requests(conn):
            pass

    with truth(never) as port:
        silent = drive(port, rate=50, warmup_s=0.02, duration_s=0.2, timeout_s=0.1)
    with truth(always(response_to)) as port:
        rare = drive(
            port, rate=0.01, arrivals="poisson", warmup_s=0, timeout_s=0.1, enough=lambda _: True
        )

    assert silent.outcomes.timed_out == silent.outcomes.total
    assert rare.warmup_ns >= 100 * MS


@pytest.mark.parametrize("in_slices", [True, False])
def test_asks_the_others_about_a_drift_of_one_in_slices_only(in_slices: bool) -> None:
    """A window lies behind the slices of the others, in another time."""
    due = (np.sqrt(np.linspace(0.05, 1, 4_000)) * S).astype(np.int64)  # more and more of them
    turns = tuple((n * S, n * S, n * S + 100 * MS, n * S + 100 * MS) for n in range(10))
    seen = dataclasses.replace(
        seen_of(due, due + MS, warmup_ns=0, elapsed_ns=S),
        offered_per_s=0.0,  # a closed loop
        slices=Slices(turns, 10 * S) if in_slices else None,
    )
    like_it = common_movement([steadiness_of(seen).series])
    alone, beside = (
        assess(seen, watch, make_condition(), Pinning(), None).evidence
        for watch in (
            ServerWatch([], (), Life(0, 0, 0)),
            ServerWatch([], (), Life(0, 0, 0), common=like_it),
        )
    )

    assert alone.settled is False
    assert beside.settled is in_slices
    assert alone.series == beside.series
    assert len(beside.common_movement) == len(beside.series) * in_slices
    assert series_of(seen) == beside.series * in_slices


@pytest.mark.parametrize(
    ("failed", "in_flight", "waited"),
    [
        ([], (), 0),
        ([(0, 100)], (), 100),
        ([(0, 100), (50, 200), (20, 30)], (), 200),
        ([(300, 400), (0, 100)], (250, 50), 100 + 100 + 250),
        ([(-50, 100)], (1_500,), 1_000),
    ],
)
def test_adds_up_for_how_long_somebody_waited_in_vain(
    failed: list[tuple[int, int]], in_flight: tuple[int, ...], waited: int
) -> None:
    pairs = np.array([*failed, (0, 900)], np.int64)
    samples = {
        "sent_ns": pairs[:, 0],
        "done_ns": pairs[:, 1],
        "outcome": np.array([*[TIMED_OUT] * len(failed), OK]),
    }
    seen = make_observation(elapsed_ns=1_000, samples=samples, in_flight_ns=in_flight)

    assert time_unanswered(seen) == waited
