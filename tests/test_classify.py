"""Whose figures a measurement's are: evidence for each case, and samples with a known truth."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from builders import make_condition, make_observation
from numpy.typing import NDArray

from calcbench.bench.diagnosis import littles_law
from calcbench.bench.diagnosis.classify import classify
from calcbench.bench.diagnosis.evidence import (
    ServerWatch,
    assess,
    gather,
    of_the_cores,
    of_the_driver,
)
from calcbench.bench.diagnosis.warmup import begin_later, steadiness_of
from calcbench.bench.loadgen.observation import Observation
from calcbench.bench.schema.evidence import NO_EVIDENCE, Evidence
from calcbench.bench.schema.judgements import (
    CONTENDED,
    DRIVER_BOUND,
    INVALID,
    JUDGEMENTS,
    NO_RESPONSES,
    SERVER_BOUND,
    SILENT,
    UNSTEADY,
)
from calcbench.bench.schema.outcomes import Outcomes
from calcbench.bench.system.cpus import Pinning
from calcbench.bench.system.series import Counters, Levels, Sample
from calcbench.bench.system.usage import Life

Samples = dict[str, NDArray[np.int64]]

MS = 1_000_000
S = 1000 * MS

CALM = Evidence(
    driver_busy_ratio=0.5,
    driver_delay_ratio=0.0,
    ceiling_ratio=0.5,
    server_delay_ratio=0.0,
    steal_ratio=0.0,
    other_load_ratio=0.02,
    little_ratio=1.01,
    unaccounted=0,
    settled=True,
)


def calm(**changes: Any) -> Evidence:
    return dataclasses.replace(CALM, **changes)


@pytest.mark.parametrize(
    ("seen", "name", "word"),
    [
        ({}, SERVER_BOUND, ""),
        ({"ceiling_ratio": None, "steal_ratio": None, "settled": None}, SERVER_BOUND, ""),
        ({"driver_busy_ratio": 0.95}, DRIVER_BOUND, "busy 95% of the time"),
        ({"ceiling_ratio": 0.97}, DRIVER_BOUND, "97% of the driver's ceiling"),
        ({"driver_fault": "it could not keep up"}, DRIVER_BOUND, "could not keep up"),
        ({"sent_ratio": 0.9, "lateness_error_ratio": 0.9}, SERVER_BOUND, ""),  # an error bar
        ({"steal_ratio": 0.04}, CONTENDED, "the host took 4% of a core"),
        ({"other_load_ratio": 0.3}, CONTENDED, "other programs used 30% of a core"),
        ({"driver_delay_ratio": 0.1}, CONTENDED, "the driver waited for its core 10%"),
        ({"driver_delay_ratio": 0.5}, DRIVER_BOUND, "the driver waited for its core 50%"),
        ({"server_delay_ratio": 0.1}, CONTENDED, "the server waited for its core 10%"),
        ({"settled": False, "settled_why": "it drifted"}, UNSTEADY, "it drifted"),
        ({"settled": False, "settled_why": NO_RESPONSES}, SILENT, "no right response came"),
        ({"little_ratio": 0.9}, INVALID, "Little's law"),
        ({"little_ratio": 1.1}, INVALID, "account for 110% of the clients"),
        ({"unaccounted": 3}, INVALID, "+3 requests"),
        ({"unaccounted": -1}, INVALID, "-1 request started"),
    ],
)
def test_judges_by_what_was_seen(seen: dict[str, Any], name: str, word: str) -> None:
    judgement = classify(calm(**seen))

    assert judgement.name == name
    assert name in judgement.all
    assert word in " ".join(judgement.why)
    assert bool(judgement.why) == (name != SERVER_BOUND)


def test_judges_nothing_that_nobody_looked_at() -> None:
    assert classify(Evidence()).name == SERVER_BOUND


def test_names_the_gravest_and_keeps_all() -> None:
    seen = {"driver_busy_ratio": 1, "steal_ratio": 0.5, "settled": False}
    judgement = classify(calm(**seen))

    assert judgement.all == (DRIVER_BOUND, CONTENDED, UNSTEADY)
    assert classify(calm(**seen), "the server died").all == (INVALID, *judgement.all)
    assert classify(calm(**seen), "the server died").why[0] == "the server died"
    assert set(judgement.all) < set(JUDGEMENTS)


def test_says_that_a_driver_was_busy_waiting() -> None:
    [busy, *_] = classify(calm(driver_busy_ratio=0.97, driver_delay_ratio=0.4)).why

    assert busy == "the driver was busy 97% of the time, 40% of it waiting for its core"


def test_allows_little_what_the_driver_itself_has_lost() -> None:
    assert classify(calm(little_ratio=0.85, driver_delay_ratio=0.12)).name == CONTENDED
    assert classify(calm(little_ratio=0.75, driver_delay_ratio=0.12)).name == INVALID


def closed_loop(connections: int, latency: int, pause: int, elapsed: int, seed: int = 1) -> Samples:
    """Samples of clients that ask again and again, each from a moment of its own."""
    draw = np.random.default_rng(seed)
    rows = []
    for client in range(connections):
        sent = -int(draw.integers(latency + pause))
        while True:
            done = sent + int(latency * draw.uniform(0.5, 1.5))
            if done > elapsed:
                break
            if done >= 0:
                rows.append((sent, done, client))
            sent = done + int(pause * draw.uniform(0.8, 1.2))
    sents, dones, clients = np.array(sorted(rows, key=lambda row: row[1]), np.int64).T
    return {
        "sent_ns": sents,
        "latency_ns": dones - sents,
        "client": clients,
        "outcome": np.zeros(len(sents), np.int64),
    }


def without(samples: Samples, share: float) -> Samples:
    kept = np.random.default_rng(2).random(len(samples["client"])) >= share
    return {name: column[kept] for name, column in samples.items()}


@pytest.mark.parametrize("connections", [1, 7, 64])
@pytest.mark.parametrize(("latency", "pause"), [(MS, 5_000), (60_000, 6_000), (30 * MS, 5_000)])
def test_littles_law_holds_in_a_closed_loop(connections: int, latency: int, pause: int) -> None:
    elapsed = 40 * latency
    samples = closed_loop(connections, latency, pause, elapsed)
    ratio = littles_law.little_ratio(samples, elapsed, connections, connections, keep_alive=True)

    assert ratio == pytest.approx(1, abs=0.02)


def test_littles_law_finds_lost_and_doubled_and_wrong_samples() -> None:
    samples = closed_loop(8, MS, 5_000, S)

    def ratio(of: Samples) -> float:
        return littles_law.little_ratio(of, S, 8, 8, keep_alive=True) or 0

    twice = {name: np.concatenate([column, column]) for name, column in samples.items()}
    long = samples | {"latency_ns": samples["latency_ns"] + MS // 5}
    assert ratio(without(samples, 0.1)) < 0.95
    assert ratio(twice) > 1.5
    assert ratio(long) > 1.1
    assert ratio(samples) == pytest.approx(1, abs=0.01)


def test_littles_law_counts_clients_that_are_never_served() -> None:
    samples = closed_loop(2, MS, 5_000, S)

    assert littles_law.little_ratio(samples, S, 8, 8, keep_alive=True) == pytest.approx(1, abs=0.01)
    none = {name: column[:0] for name, column in samples.items()}
    assert littles_law.little_ratio(none, S, 8, 8, keep_alive=True) is None


def test_littles_law_takes_pauses_as_they_are_where_the_server_makes_them() -> None:
    samples = closed_loop(8, MS, MS, S)
    samples["outcome"][::10] = 4

    assert littles_law.little_ratio(samples, S, 8, 8, keep_alive=False) == pytest.approx(
        1, abs=0.01
    )


def test_littles_law_counts_the_pause_after_a_failure_to_its_end() -> None:
    """One client who pauses 50 ms after each reset: most windows end within such a pause."""
    cycle = np.array([[0, MS], [MS, 2 * MS]]) + np.arange(0, 600 * MS, 52 * MS)[:, None, None]
    sent, done = cycle.reshape(-1, 2).T
    inside = done < 600 * MS
    samples = {
        "sent_ns": sent[inside],
        "latency_ns": (done - sent)[inside],
        "client": np.zeros(inside.sum(), np.int64),
        "outcome": np.arange(inside.sum()) % 2 * 4,
    }

    assert littles_law.little_ratio(samples, 600 * MS, 1, 0, keep_alive=True) == pytest.approx(1)


def test_every_request_that_began_must_have_ended() -> None:
    assert littles_law.unaccounted(100, 92, 8) == 0
    assert littles_law.unaccounted(100, 90, 8) == 2


PINNING = Pinning(server=(1,), driver=(0,))


def usage_samples(
    busy: tuple[int, ...], steal: tuple[int, ...], delay: int, threads: int
) -> list[Sample]:
    levels = Levels(processes=1, threads=threads)
    none = tuple(0 for _ in busy)
    return [
        Sample(Counters(busy_ns=none, steal_ns=none), levels),
        Sample(Counters(at_ns=S, busy_ns=busy, steal_ns=steal, run_queue_ns=delay), levels),
    ]


def test_sees_what_others_took_from_each_core() -> None:
    seen = of_the_cores(
        NO_EVIDENCE,
        make_observation(),
        PINNING,
        usage_samples((920 * MS, 700 * MS), (0, 30 * MS), 50 * MS, 1),
    )

    assert seen == Evidence(
        server_busy_ratio=0.9, server_delay_ratio=0.05, steal_ratio=0.03, other_load_ratio=0.3
    )
    assert of_the_cores(CALM, make_observation(), PINNING, []) is CALM


def test_does_not_take_servers_that_are_watched_together_for_others() -> None:
    samples = usage_samples((920 * MS, 300 * MS), (0, 0), 50 * MS, 1)
    samples[1].counters = dataclasses.replace(samples[1].counters, others_ns=500 * MS)
    own = make_observation(server_cpu_ns=400 * MS, driver_cpu_ns=300 * MS)
    seen = of_the_cores(NO_EVIDENCE, own, PINNING, samples)

    assert (seen.server_busy_ratio, seen.other_load_ratio) == (0.4, 0.02)


def test_says_a_share_that_is_none_as_it_is_read_back() -> None:
    """JSON has 0 and 0.0, and a table that is drawn again is to be the same to the octet."""
    idle = usage_samples((800 * MS, 300 * MS), (0, 0), 0, 1)  # ticks: less than what we used
    full = make_observation(driver_cpu_ns=1_100 * MS)
    shares = of_the_cores(NO_EVIDENCE, make_observation(), PINNING, idle)
    shares = of_the_driver(shares, full, PINNING, None)

    assert repr(shares.other_load_ratio) == "0.0"
    assert repr(shares.driver_cpu_ratio) == repr(shares.driver_busy_ratio) == "1.0"


def test_does_not_blame_others_for_a_server_that_waits_for_itself() -> None:
    seen = of_the_cores(
        NO_EVIDENCE,
        make_observation(),
        PINNING,
        usage_samples((920 * MS, 400 * MS), (0, 0), 5 * S, 9),
    )

    assert seen.server_delay_ratio is None


def test_sees_others_where_nobody_is_pinned() -> None:
    seen = of_the_cores(
        NO_EVIDENCE,
        make_observation(),
        Pinning(),
        usage_samples((900 * MS, 900 * MS), (0, 0), 0, 1),
    )

    assert seen.other_load_ratio == pytest.approx((1800 - 1300) / 2 / 1000)


def test_sees_others_beside_a_server_whose_drivers_are_on_other_machines() -> None:
    far = dataclasses.replace(PINNING, driver=())
    seen = of_the_cores(
        NO_EVIDENCE, make_observation(), far, usage_samples((950 * MS,), (0,), 0, 1)
    )

    assert seen.other_load_ratio == 0.05


def test_gathers_the_evidence_of_a_closed_loop() -> None:
    samples = closed_loop(8, MS, 5_000, S)
    quiet = usage_samples((920 * MS, 420 * MS), (0, 0), 0, 1)
    seen = make_observation(samples=samples)
    evidence = gather(seen, make_condition(), PINNING, quiet, steadiness_of(seen), 10_000)

    assert evidence.driver_busy_ratio == 0.4
    assert evidence.ceiling_ratio == 0.7
    assert evidence.little_ratio == pytest.approx(1, abs=0.01)
    assert evidence.unaccounted == 0
    assert evidence.settled
    assert classify(evidence).name == SERVER_BOUND


def test_gathers_the_evidence_of_an_open_loop() -> None:
    intended = np.arange(0, S, MS)
    sent = intended + 100 * MS * (intended > S // 2)
    samples = {
        "intended_ns": intended,
        "sent_ns": sent,
        "done_ns": sent + MS,
        "latency_ns": sent + MS - intended,
        "client": intended % 8,
        "outcome": intended * 0,
        "waited": intended * 0,
    }
    seen = make_observation(
        samples=samples,
        offered_per_s=1000,
        responses=900,
        outcomes=Outcomes(ok=1000),
        late=499,
        connections_used=7,
        unopened=1,
    )
    evidence = gather(seen, make_condition(), PINNING, [], steadiness_of(seen))

    assert evidence.sent_ratio == 0.9
    assert evidence.achieved_ratio == 0.9
    assert evidence.late_ratio == 0.499
    assert (evidence.connections_used, evidence.connections_unopened) == (7, 1)
    assert evidence.little_ratio is None
    assert classify(evidence).name == SERVER_BOUND


def test_gathers_the_evidence_of_users_who_think() -> None:
    """N = X (R + Z): what is missing of the time of all, nobody has accounted for."""
    samples = closed_loop(8, MS, 9 * MS, S)
    sent = samples["sent_ns"]
    done = sent + samples["latency_ns"]
    samples |= {"intended_ns": sent, "done_ns": done, "waited": samples["client"] * 0}
    seen = make_observation(samples=samples, think_s=0.009, late=7, lateness_ns=MS)
    for thought_ns, ratio in ((7_200 * MS, 1.0), (6_400 * MS, 0.9)):
        users = dataclasses.replace(seen, busy_ns=800 * MS, away_ns=thought_ns)
        evidence = gather(users, make_condition(), PINNING, [], steadiness_of(users))

        assert evidence.little_ratio == ratio
        assert classify(evidence).name == (SERVER_BOUND if ratio == 1 else INVALID)
    assert evidence.late_ratio == 0.001
    assert evidence.pause_ratio is None


def test_says_which_share_of_their_time_clients_paused() -> None:
    seen = make_observation(samples=closed_loop(8, MS, 5_000, S), away_ns=2 * S)

    assert gather(seen, make_condition(), PINNING, [], steadiness_of(seen)).pause_ratio == 0.25


def test_a_window_can_begin_later() -> None:
    samples = closed_loop(8, MS, 5_000, S)
    rest = begin_later(samples, S // 4)
    done = rest["sent_ns"] + rest["latency_ns"]

    assert done.min() >= 0
    assert len(done) == np.count_nonzero(samples["sent_ns"] + samples["latency_ns"] >= S // 4)
    ratio = littles_law.little_ratio(rest, S - S // 4, 8, 8, keep_alive=True)
    assert ratio == pytest.approx(1, abs=0.02)
    due = begin_later(samples | {"intended_ns": samples["sent_ns"]}, S // 4, open_loop=True)
    assert due["intended_ns"].min() >= 0


def test_begins_a_window_after_the_warm_up_that_it_finds() -> None:
    samples = closed_loop(8, MS, 5_000, 2 * S)
    slow = (samples["sent_ns"] > S // 2) | (samples["client"] == 0)
    samples = {name: column[slow] for name, column in samples.items()}
    observation = Observation(
        elapsed_ns=2 * S,
        outcomes=Outcomes(ok=len(samples["client"])),
        clients_served=8,
        in_flight_ns=(0,) * 8,
        server_cpu_ns=S,
        driver_cpu_ns=S,
        samples=samples,
        opened_ns=5 * S,
        responses=len(samples["client"]),
    )
    seen = [
        Sample(Counters(at_ns=at * S, cpu_ns=cpu * MS), Levels())
        for at, cpu in ((5, 0), (6, 700), (7, 1000))
    ]
    condition = make_condition()
    result = assess(observation, ServerWatch(seen, (), Life(0, 0, 0)), condition, Pinning(), None)

    assert 0.4 * S < result.cut_ns < 0.7 * S
    assert result.observation.opened_ns == 5 * S + result.cut_ns
    assert result.observation.elapsed_ns == 2 * S - result.cut_ns
    assert (
        result.observation.outcomes.ok
        == len(result.observation.samples["client"])
        < len(samples["client"])
    )
    assert result.observation.responses == result.observation.outcomes.ok
    assert result.observation.server_cpu_ns == pytest.approx(S - 0.7 * result.cut_ns, rel=0.01)
    assert result.evidence.settled
    assert result.judgement.name == SERVER_BOUND


@pytest.mark.parametrize("open_loop", [False, True])
def test_keeps_the_responses_of_a_server_that_then_hangs(open_loop: bool) -> None:
    """What is left after a cut must hold a right response, or there was nothing to cut off."""
    count = 6_000
    due = np.arange(count) * (4 * S // 10 // count)
    # Every third response of the open loop comes half a window late, which looks like a level.
    latency = np.where((np.arange(count) % 3 == 0) & open_loop, S // 2, 50_000)
    samples = {
        "intended_ns": due if open_loop else np.full(count, -1),
        "sent_ns": due,
        "first_ns": due + latency,
        "done_ns": due + latency,
        "latency_ns": latency,
        "client": np.arange(count) % 8,
        "outcome": np.zeros(count, int),
        "waited": np.zeros(count, int),
    }
    seen = make_observation(
        elapsed_ns=S,
        outcomes=Outcomes(ok=count),
        responses=count,
        offered_per_s=15_000.0 if open_loop else 0.0,
        samples=samples,
    )
    result = assess(seen, ServerWatch([], (), Life(0, 0, 0)), make_condition(), Pinning(), None)

    assert result.observation.outcomes.ok == count
    assert result.evidence.settled is False
    assert result.cut_ns == 0


def test_counts_anew_what_was_late_behind_the_warm_up() -> None:
    """What was late or waited within it is no fault of what is left, and no excuse for it."""
    count = 10_000
    due = np.arange(count) * (S // count)
    cold = due < 3 * S // 10
    waited = cold & (np.arange(count) % 5 == 0)
    late = np.where(cold & (np.arange(count) % 7 == 0), 5 * MS, 0)
    late[-20:] = 2 * MS
    latency = np.where(cold, 10 * MS, 100_000)
    samples = {
        "intended_ns": due,
        "sent_ns": due + late,
        "first_ns": due + latency,
        "done_ns": due + latency,
        "latency_ns": latency,
        "client": np.where(np.arange(count) < 2_000, 0, np.arange(count) % 8),
        "outcome": np.where(np.arange(count) < 2_000, 5, 0),
        "waited": waited.astype(int),
    }
    seen = make_observation(
        elapsed_ns=S,
        outcomes=Outcomes(ok=8_000, timed_out=2_000),
        responses=8_000,
        offered_per_s=10_000.0,
        samples=samples,
        late=1_000,
        lateness_ns=5 * MS,
        waited=600,
    )
    result = assess(seen, ServerWatch([], (), Life(0, 0, 0)), make_condition(), Pinning(), None)
    rest = result.observation

    assert 0.25 * S < result.cut_ns < 0.35 * S
    assert (rest.late, rest.lateness_ns, rest.waited) == (20, 2 * MS, 0)
    assert not seen.in_time
    assert rest.in_time
    assert result.evidence.driver_fault == ""
    assert result.judgement.name == SERVER_BOUND
