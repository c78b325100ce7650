"""Comparisons of figures that are known on one side only, on rounds whose truth is known."""

import math

import numpy as np
import pytest
from builders import make_condition, make_row

from calcbench.bench.analysis.bounded import Figures, compare_rounds
from calcbench.bench.analysis.inference import compare_paired
from calcbench.bench.analysis.metrics import P99, THROUGHPUT
from calcbench.bench.analysis.ranking import behind, by_round, contests, ranked, tier_numbers
from calcbench.bench.analysis.spread import spread
from calcbench.bench.analysis.summary import Row
from calcbench.bench.schema.outcomes import Outcomes

RACES = 400
MOST_FALSE = 0.05 + 3 * math.sqrt(0.05 * 0.95 / RACES)  # what chance makes of one in twenty


def figures(seen: list[float], *limited: int, edge: float = 0) -> Figures:
    """Return figures of rounds from 1 on; those of the *limited* rounds are lower bounds."""
    rounds = dict(enumerate(seen, 1))
    bounds = {number: (rounds[number], math.inf) for number in limited}
    return Figures(rounds, bounds, edge)


SLOW = [20.0, 20.3, 19.8, 20.1, 19.9, 20.2, 20.4]
FAST = [90.0, 91.0, 88.0, 90.5, 89.0, 92.0, 90.2]


def test_is_the_usual_comparison_where_all_is_known() -> None:
    assert compare_rounds(figures(FAST), figures(SLOW)) == compare_paired(FAST, SLOW)


@pytest.mark.parametrize("rounds", [3, 7])
def test_knows_that_a_limited_one_is_at_least_so_fast(rounds: int) -> None:
    fast = figures(FAST[:rounds], *range(1, rounds + 1))
    comparison = compare_rounds(fast, figures(SLOW[:rounds]))

    assert comparison.ahead
    assert 4.2 < comparison.low < 4.5
    assert comparison.high == math.inf
    assert compare_rounds(figures(SLOW[:rounds]), fast).behind


@pytest.mark.parametrize(
    ("ours", "others"),
    [
        (figures(SLOW, *range(1, 8)), figures(FAST)),  # the driver hid how fast it is
        (figures(FAST, *range(1, 8)), figures(SLOW, *range(1, 8))),  # of both
        (figures([95.0, 11.0, 94.0], 1, 3), figures([20.0, 20.3, 19.8])),  # fast but for one round
        (figures([10.0, 11.0, 10.0], 1, 3), figures([20.0, 20.3, 19.8])),
        (figures([0.0, 0.0, 0.0], 1, 2, 3), figures([20.0, 20.3, 19.8])),
    ],
)
def test_claims_nothing_that_the_hidden_part_could_refute(ours: Figures, others: Figures) -> None:
    assert not compare_rounds(ours, others).clear
    assert not compare_rounds(others, ours).clear


@pytest.mark.parametrize("every", [False, True])
@pytest.mark.parametrize(("rounds", "family"), [(3, 1), (5, 10)])
def test_keeps_the_pairs_where_rounds_were_limited(rounds: int, family: int, every: bool) -> None:
    """What disturbed both alike, as slices have it, does not hide that one is a third faster."""
    random = np.random.default_rng(3)
    clear = 0
    for _ in range(100):
        alike = random.normal(0, 0.15, rounds)
        one, other = np.exp(alike + random.normal(0, 0.02, (2, rounds)))
        fast = (1.3 * one).tolist()
        limited = range(1, rounds + 1) if every else [fast.index(max(fast)) + 1]
        ours = figures(fast, *limited)
        clear += compare_rounds(ours, figures(other.tolist()), family).clear

    assert clear > 90


@pytest.mark.parametrize("rounds", [3, 6, 10])
@pytest.mark.parametrize("share", [0.2, 0.6])
def test_makes_no_winner_among_equals_of_which_the_driver_limits_some(
    rounds: int, share: float
) -> None:
    """At random, and at a ceiling that is the same for all."""
    random = np.random.default_rng(7)
    false = {"at random": 0, "at a ceiling": 0}
    for _ in range(RACES):
        true = np.exp(random.normal(0, 0.1, (2, rounds)))
        hit = random.random((2, rounds)) < share
        seen = np.where(hit, true * random.uniform(0.5, 1, (2, rounds)), true)
        ceiling = np.exp(0.1 * random.normal())
        for name, values, limited in (
            ("at random", seen, hit),
            ("at a ceiling", np.minimum(true, ceiling), true >= ceiling),
        ):
            one, other = (
                figures(seen_of.tolist(), *(np.flatnonzero(where) + 1).tolist())
                for seen_of, where in zip(values, limited, strict=True)
            )
            false[name] += compare_rounds(one, other).clear

    assert all(count <= MOST_FALSE * RACES for count in false.values()), false


@pytest.mark.parametrize("rounds", [3, 6, 10])
def test_never_says_that_a_fast_one_at_its_limit_is_slower(rounds: int) -> None:
    random = np.random.default_rng(8)
    for _ in range(RACES):
        fast = np.exp(random.normal(0.5, 0.2, rounds))
        slow = np.exp(random.normal(0, 0.2, rounds)).tolist()
        limited = fast > np.exp(0.3)  # a driver that can do no more than that, or less by chance
        seen = np.where(limited, np.exp(0.3) * random.uniform(0.3, 1, rounds), fast).tolist()
        ours = figures(seen, *(np.flatnonzero(limited) + 1).tolist())

        assert not compare_rounds(ours, figures(slow)).behind


def test_makes_no_winner_of_three_responses_against_two() -> None:
    """Eight clients that stay together got 3 responses each in every round, or 2."""
    edges = [8 / count * math.sqrt(1 / 6) for count in (24, 16)]
    three, two = ([24.0] * 3, [16.0] * 3)

    assert compare_paired(three, two).clear
    found = compare_rounds(figures(three, edge=edges[0]), figures(two, edge=edges[1]))
    assert not found.clear
    assert found.low < 1 < found.high
    many = compare_rounds(figures(three, edge=0.001), figures(two, edge=0.001))
    assert many.ahead
    assert many.low == pytest.approx(1.5, rel=0.01)


def row(strategy: str, rates: list[float], **more: object) -> Row:
    return make_row(make_condition(strategy, 8), rates, **more)


def test_takes_rates_as_bounds_and_latencies_as_unknown() -> None:
    limited = row("a", FAST, limited=(2,), p99_ns=spread([1.0] * 7))

    assert by_round(limited, THROUGHPUT).bounds == {2: (91.0, math.inf)}
    assert by_round(limited, P99).bounds == {2: (0.0, math.inf)}


def test_takes_a_round_of_no_response_as_less_than_any_other() -> None:
    rates = [1_000 + 7.0 * place for place in range(10)]
    some = [0.0, *(5 * rate for rate in rates[1:])]
    rows = [row("a", [10 * rate for rate in rates]), row("b", some), row("c", rates[::-1])]
    found = contests(rows)

    assert by_round(rows[1], THROUGHPUT).bounds == {1: (0.0, 5_035.0)}
    assert found["a", "b"].ahead
    assert found["a", "b"].high == math.inf
    assert found["a", "c"].ahead
    assert found["b", "c"].rounds == 10
    assert found["b", "c"].known


def test_ranks_those_who_fall_short_behind_all_others() -> None:
    """Whatever their figures are: who lets half of its requests time out is never the fastest."""
    good, slow = row("a", FAST), row("b", SLOW)
    half = row("c", [900 + n for n in range(7)], fails=True, outcomes=Outcomes(ok=52, timed_out=48))
    most = row("d", [950 + n for n in range(7)], fails=True, outcomes=Outcomes(ok=9, timed_out=1))
    nobody = row("e", [0.0] * 7, clients_served=0)
    rows = [half, nobody, slow, good, most]

    assert ranked(rows) == [slow, good]
    assert behind(rows) == [[most, half], [nobody]]
    assert {at.strategy: number for at, number in tier_numbers(rows).items()} == {
        "a": 1,
        "b": 2,
        "c": 3,
        "d": 3,
        "e": 4,
    }
    assert tier_numbers([half, nobody]) == {}
    assert contests([good, row("f", FAST, limited=tuple(range(1, 8)))])["f", "a"].high == math.inf
