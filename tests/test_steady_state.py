"""Series whose truth is known: settled, warming up, changing, drifting, too short."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from calcbench.bench.diagnosis.common_movement import common_movement
from calcbench.bench.diagnosis.steady_state import (
    MATTERS,
    SURE,
    assess_series,
    assess_steadiness,
    medians,
    mser,
)
from calcbench.bench.schema.arrivals import ARRIVALS, schedule
from calcbench.bench.schema.judgements import NO_RESPONSES

Series = NDArray[np.float64]
S = 1_000_000_000


def noise(seed: int, bins: int = 60, level: float = 500.0) -> Series:
    """Counts of responses in each bin as chance has them, with a disturbance that lasts a while."""
    draw = np.random.default_rng(seed)
    slow = np.zeros(bins)
    for place in range(1, bins):
        slow[place] = 0.5 * slow[place - 1] + draw.normal(0, 0.02 * level)
    return np.clip(draw.poisson(level, bins) + slow, 0, None)


def test_calls_settled_what_only_varies_by_chance() -> None:
    verdicts = [assess_series(noise(seed)) for seed in range(200)]

    assert sum(not settled for settled, _, _ in verdicts) <= 200 * 5 * SURE
    assert sum(cut > 0 for _, _, cut in verdicts) <= 200 * 5 * SURE


@pytest.mark.parametrize("seed", range(5))
def test_finds_the_end_of_a_warm_up(seed: int) -> None:
    series = noise(seed)
    series[:12] *= np.linspace(0.2, 0.8, 12)
    settled, why, cut = assess_series(series)

    assert settled
    assert 9 <= cut <= 24  # never less than most of it; later only where chance looks like more
    assert "settled after" in why


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda x: x * np.where(np.arange(60) < 40, 0.5, 1), "still changing"),
        (lambda x: x * np.where(np.arange(60) < 50, 1, 0.5), "changed|still changing"),
        (lambda x: x * np.linspace(1, 1.6, 60), "changing|changed|drifted"),
        (lambda x: x * np.linspace(1.3, 0.7, 60), "changing|changed|drifted"),
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_calls_unsteady_what_never_settles(
    change: Callable[[Series], Series], word: str, seed: int
) -> None:
    settled, why, cut = assess_series(change(noise(seed)))

    assert not settled
    assert any(part in why for part in word.split("|"))
    assert cut == 0


def test_overlooks_what_does_not_matter() -> None:
    series = np.full(60, 100.0)
    series[:20] -= 100 * MATTERS * 0.9

    assert assess_series(series)[0]
    assert assess_series(np.full(60, 7.0)) == (True, "it was settled", 0)


def test_minimises_the_marginal_standard_error() -> None:
    series = np.array([0.0, 0.0, *[5.0, 6.0] * 10])

    def error(cut: int) -> float:
        rest = series[cut:]
        return float(rest.var() / len(rest))

    assert mser(series) == min(range(len(series) - 4), key=error) == 2


def test_counts_responses_by_when_they_came() -> None:
    done = np.arange(0, S, S // 2_000)
    slow = done[(done > S // 5) | (np.arange(len(done)) % 4 == 0)]  # a quarter at first
    result = assess_steadiness(slow, np.full(len(slow), 100_000), S)

    assert result.settled
    assert 0.15 * S < result.warmup_ns < 0.3 * S
    assert result.warmup_ns % result.bin_ns == 0
    assert sum(result.series) == len(slow)


@pytest.mark.parametrize("offered_per_s", [0, 20_000])
@pytest.mark.parametrize("answered", [0.02, 0.2, 0.45])
def test_takes_no_silence_for_a_steady_state(answered: float, offered_per_s: float) -> None:
    """A server that answers and then hangs has not been warming up."""
    done = np.append(np.arange(0, answered * S, S // 20_000), S - 1).astype(np.int64)
    result = assess_steadiness(done, np.full(len(done), 100_000), S, offered_per_s=offered_per_s)

    assert (result.settled, result.why, result.warmup_ns) == (False, NO_RESPONSES, 0)


def test_goes_by_latency_where_the_rate_is_prescribed() -> None:
    done = np.arange(0, S, S // 2_000)
    latency = np.where(done < S * 7 // 10, 100_000, 300_000)

    assert assess_steadiness(done, latency, S).settled
    assert assess_steadiness(done, latency, S, offered_per_s=2_000).settled is False


def test_carries_the_latency_over_a_bin_without_responses() -> None:
    place, latency = np.array([1, 1, 3]), np.array([10, 20, 40])

    assert medians(place, latency, np.array([0.0, 2, 0, 1])).tolist() == [15, 15, 15, 40]


@pytest.mark.parametrize("arrivals", ARRIVALS)
@pytest.mark.parametrize("rate", [0.5, 1, 2, 4, 20])
def test_takes_no_slow_open_loop_for_a_silent_server(rate: float, arrivals: str) -> None:
    for seed in range(100):
        due = itertools.takewhile(lambda at: at < 2 * S, schedule(rate, arrivals, seed))
        done = np.array([at + 5_000_000 for at in due], np.int64)
        told = assess_steadiness(done, np.full(len(done), 5_000_000), 2 * S, offered_per_s=rate)

        assert told.why != NO_RESPONSES


@pytest.mark.parametrize(("responses", "latency_ns"), [(30, 5_000_000), (2, 90_000_000)])
def test_knows_a_server_that_hangs_by_few_responses(responses: int, latency_ns: int) -> None:
    done = np.linspace(0, 0.4 * S, responses).astype(np.int64)
    told = assess_steadiness(done, np.full(responses, latency_ns), S)

    assert (told.settled, told.why) == (False, NO_RESPONSES)
    assert assess_steadiness(done, np.full(responses, 200_000_000), S).settled is None


@pytest.mark.parametrize("waited_s", [0, 0.3, 1.9])
@pytest.mark.parametrize("window_s", [2, 10])
def test_takes_no_users_who_think_for_a_silent_server(waited_s: float, window_s: int) -> None:
    """A stop has gathered 300 users, who all think for a second: they ask in bursts since."""
    bursts = np.arange(0.1 * S, window_s * S, S)
    done = np.concatenate([burst + 200_000 * np.arange(300) for burst in bursts]).astype(np.int64)
    latency, waited_ns = np.full(len(done), 200_000), waited_s * S
    told = assess_steadiness(done, latency, window_s * S, unanswered_ns=waited_ns)
    hung = assess_steadiness(done[:300], latency[:300], window_s * S, unanswered_ns=1.9 * S)

    assert (told.why == NO_RESPONSES) == (waited_s == 1.9 and window_s == 2)
    assert (hung.why == NO_RESPONSES) == (window_s == 2)


@pytest.mark.parametrize("responses", [0, 1, 30, 200])
def test_says_nothing_about_too_few_responses(responses: int) -> None:
    done = np.linspace(0, S - 1, responses).astype(np.int64)

    each = S // max(responses, 1)  # so long each takes where one asks after the other
    assert assess_steadiness(done, np.full(responses, each), S).settled is None


def test_makes_bins_that_hold_several_latencies() -> None:
    """Eight clients in lockstep: bursts every 50 ms must not look like a change."""
    done = np.repeat(np.arange(50_000_000, 10 * S, 50_000_000), 8)
    result = assess_steadiness(done, np.full(len(done), 50_000_000), 10 * S)

    assert result.bin_ns >= 200_000_000
    assert result.settled


RISING, STEP = np.linspace(0.85, 1.15, 60), np.where(np.arange(60) < 36, 1, 1.3)
COMES_LATE, DECAYS = np.where(np.arange(60) < 33, 0.7, 1), np.linspace(1, 0.7, 60)


def together_of(others: list[Series]) -> Series:
    return np.array(common_movement([series.tolist() for series in others]), np.float64)


def unsteady(
    members: int, machine: Series, own: Series | float = 1, level: float = 500
) -> tuple[int, int]:
    """Return how often of twenty the first of *members* is unsteady, alone and beside them.

    All move as the *machine* does, and the first has a movement of its *own* too.
    """
    alone = together = 0
    for seed in range(20):
        group = [noise(seed * members + place, level=level) * machine for place in range(members)]
        first = group[0] * own
        alone += not assess_series(first)[0]
        together += not assess_series(first, together_of(group[1:]))[0]
    return alone, together


@pytest.mark.parametrize("members", [2, 3, 4])
@pytest.mark.parametrize("machine", [RISING, RISING[::-1], STEP])
def test_takes_no_drift_of_the_machine_for_a_server_s(members: int, machine: Series) -> None:
    alone, together = unsteady(members, machine)

    assert alone >= 15
    assert together <= 1  # of one, chance makes as much


@pytest.mark.parametrize("members", [2, 3, 4])
@pytest.mark.parametrize("own", [COMES_LATE, DECAYS])
def test_finds_a_server_s_own_ramp_as_often_as_alone(members: int, own: Series) -> None:
    alone, together = unsteady(members, np.ones(60), own)

    assert alone >= 15
    assert alone - 1 <= together <= alone


def test_finds_who_warms_up_while_the_machine_drifts_too() -> None:
    assert unsteady(4, RISING, COMES_LATE)[1] == 20
    assert unsteady(2, RISING, COMES_LATE)[1] == 20


@pytest.mark.parametrize("members", [2, 4])
def test_blames_nobody_for_what_another_does(members: int) -> None:
    """Beside one that warms up, each that is steady seems to fade."""
    group = [noise(seed) for seed in range(members)]
    group[-1] *= COMES_LATE

    for place in range(members - 1):
        others = group[:place] + group[place + 1 :]
        assert assess_series(group[place], together_of(others))[0]


def test_says_that_the_others_changed_alike_and_keeps_what_they_did() -> None:
    """From what is kept, the same comes out again."""
    rate = np.interp(np.linspace(0, 1, 60), [0, 1], [200, 400])
    done = np.concatenate(
        [np.linspace(b * S // 60, (b + 1) * S // 60 - 1, round(n)) for b, n in enumerate(rate)]
    ).astype(np.int64)
    latency = np.full(len(done), 100_000)
    others = common_movement([tuple(rate), tuple(rate[::2]), ()])
    told = assess_steadiness(done, latency, S, common=others)

    assert assess_steadiness(done, latency, S).settled is False
    assert (told.settled, told.why) == (
        True,
        "it was settled beside the others, which changed alike",
    )
    assert len(told.common) == len(told.series)
    again = assess_series(np.array(list(told.series)), np.array(list(told.common)))
    assert again == (told.settled, told.why, told.warmup_ns)


def test_leaves_out_of_what_is_common_whoever_did_nothing() -> None:
    assert common_movement([]) == common_movement([(), (0.0,) * 12]) == ()
    assert common_movement([(1.0, 2.0, 3.0), (0.0,) * 12]) == (0.5, 1.0, 1.5)
    assert common_movement([(2.0, 4.0), (3.0, 3.0, 5.0, 5.0)]) == pytest.approx(
        (0.7083, 0.7083, 1.2917, 1.2917), abs=1e-4
    )


def test_goes_on_where_the_whole_machine_stood_still_for_a_moment() -> None:
    machine = RISING.copy()
    machine[30] = 0
    group = [noise(seed) * machine for seed in range(4)]

    assert not assess_series(group[0])[0]
    assert assess_series(group[0], together_of(group[1:]))[0]


def test_goes_by_what_most_of_the_others_did() -> None:
    settled = 0
    for seed in range(20):
        first, *others = (noise(4 * seed + place) * RISING for place in range(4))
        others[-1] = others[-1] * COMES_LATE
        settled += assess_series(first, together_of(others))[0]

    assert settled >= 18
