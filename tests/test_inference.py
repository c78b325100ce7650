"""Inference on data whose answer is known: from tables, by hand, or from another program."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from calcbench.bench.analysis.inference import (
    ALPHA,
    Comparison,
    adjust,
    compare_apart,
    compare_paired,
    enough_rounds,
    median_interval,
    student_p,
)
from calcbench.bench.analysis.intervals import apart_estimate, median_estimate, paired_estimate
from calcbench.bench.analysis.rank_tests import (
    cliffs_delta,
    critical_value,
    rank_sum_p,
    signed_rank_counts,
    signed_rank_p,
)

DARWIN = (49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48)  # his plants, Fisher 1935


def test_ranks_darwins_plants_as_the_books_do() -> None:
    assert signed_rank_p(np.array(DARWIN, float)) == pytest.approx(0.0413, abs=5e-5)


@pytest.mark.parametrize("rounds", [2, 5, 6, 10])
def test_finds_the_least_p_where_every_round_agrees(rounds: int) -> None:
    assert signed_rank_p(np.arange(1.0, rounds + 1)) == 2 / 2**rounds


def test_leaves_out_rounds_without_a_difference() -> None:
    assert signed_rank_p(np.array([0.0, 0, 1, 2, 3])) == 2 / 2**3
    assert signed_rank_p(np.zeros(4)) == 1


@given(st.lists(st.floats(-9, 9, allow_subnormal=False), min_size=1, max_size=9, unique_by=abs))
@settings(deadline=None)
def test_agrees_with_scipy_on_signed_ranks(values: list[float]) -> None:
    differences = np.array([value for value in values if value])
    if not len(differences):
        return

    right: Any = stats.wilcoxon(differences, method="exact")
    assert signed_rank_p(differences) == pytest.approx(right.pvalue)


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=8))
@settings(deadline=None)
def test_counts_ties_as_trying_every_sign_does(values: list[int]) -> None:
    differences = np.array([value for value in values if value], float)
    ranks = stats.rankdata(np.abs(differences))
    observed = ranks[differences > 0].sum()
    sums = [
        sum(rank for rank, sign in zip(ranks, signs, strict=True) if sign)
        for signs in itertools.product((0, 1), repeat=len(ranks))
    ]
    tails = np.mean([s >= observed for s in sums]), np.mean([s <= observed for s in sums])

    assert signed_rank_p(differences) == pytest.approx(min(1, 2 * min(tails)))


@pytest.mark.parametrize(
    ("ours", "others"),
    [([1, 2, 3], [4, 5, 6]), ([1, 5, 9, 11], [2, 3, 4, 10, 12]), ([1, 2], [3]), ([5, 7, 6], [1])],
)
def test_agrees_with_scipy_on_rank_sums(ours: list[float], others: list[float]) -> None:
    right = stats.mannwhitneyu(ours, others, method="exact").pvalue

    assert rank_sum_p(np.array(ours), np.array(others)) == pytest.approx(right)


def test_adjusts_as_holm_did() -> None:
    family = [Comparison(p=p) for p in (0.01, 0.04, 0.03, 0.005)]

    assert [round(comparison.adjusted, 9) for comparison in adjust(family)] == [
        0.03,
        0.06,
        0.06,
        0.02,
    ]
    assert adjust([]) == []


def test_knows_how_many_rounds_the_exact_test_needs() -> None:
    assert enough_rounds(1) == 6  # 2/2**6 = 0.031
    assert enough_rounds(10) == 9
    for family in (1, 2, 3, 10, 45):
        rounds = enough_rounds(family)
        assert 2 / 2**rounds * family <= ALPHA < 2 / 2 ** (rounds - 1) * family


@pytest.mark.parametrize(
    ("rounds", "critical"), [(4, None), (5, 0), (6, 0), (7, 2), (8, 3), (9, 5), (10, 8), (15, 25)]
)
def test_knows_wilcoxons_table(rounds: int, critical: int | None) -> None:
    assert critical_value(signed_rank_counts(tuple(range(2, 2 * rounds + 1, 2)))) == critical


def test_compares_rounds_by_the_middle_of_their_ratios() -> None:
    others = [100.0, 110, 90, 105, 95, 102]
    ours = [2 * value for value in others]
    comparison = compare_paired(ours, others)

    assert comparison.ratio == pytest.approx(2)
    assert [comparison.low, comparison.high] == pytest.approx([2, 2])
    assert comparison.test == "exact signed-rank"
    assert comparison.p == 2 / 2**6
    assert comparison.effect == 1
    assert comparison.rounds == 6
    assert comparison.ahead
    assert not comparison.behind


@pytest.mark.parametrize("rounds", [6, 9, 12, 15])
def test_gives_the_interval_of_all_that_the_test_does_not_reject(rounds: int) -> None:
    logs = np.array(DARWIN[:rounds]) / 100
    comparison = compare_paired(np.exp(logs).tolist(), [1.0] * rounds)
    low, high = math.log(comparison.low), math.log(comparison.high)

    assert signed_rank_p(logs - low - 1e-9) > ALPHA
    assert signed_rank_p(logs - low + 1e-9) <= ALPHA
    assert signed_rank_p(logs - high + 1e-9) > ALPHA
    assert signed_rank_p(logs - high - 1e-9) <= ALPHA
    assert low < math.log(comparison.ratio) < high


def test_speaks_by_students_t_where_rounds_are_too_few_to_rank() -> None:
    logs = [0.10, 0.12, 0.14]
    comparison = compare_paired([math.exp(value) for value in logs], [1.0] * 3)
    right: Any = stats.ttest_1samp(logs, 0)
    interval = right.confidence_interval(0.95)

    assert comparison.test == "paired t"
    assert comparison.p == pytest.approx(right.pvalue)
    assert math.log(comparison.low) == pytest.approx(interval.low)
    assert math.log(comparison.high) == pytest.approx(interval.high)
    assert math.log(comparison.ratio) == pytest.approx(0.12)


def test_takes_the_exact_test_as_soon_as_it_can_speak_for_the_whole_family() -> None:
    ones, tens = [1.0] * 8, [10 + number / 10 for number in range(8)]

    assert compare_paired(tens, ones, family=1).test == "exact signed-rank"
    assert compare_paired(tens, ones, family=10).test == "paired t"


def test_compares_what_was_measured_at_different_times() -> None:
    few = compare_apart([10.0, 11, 12], [1.0, 1.1, 1.3])
    right: Any = stats.ttest_ind(np.log([10, 11, 12]), np.log([1, 1.1, 1.3]), equal_var=False)
    interval = right.confidence_interval(0.95)
    many = compare_apart([11.0, 12, 13, 14, 15], [6.0, 7, 8, 9, 10])

    assert few.test == "Welch's t"
    assert few.p == pytest.approx(right.pvalue)
    logs = np.log([one / other for one in (10, 11, 12) for other in (1, 1.1, 1.3)])
    middle, reach = float(np.median(logs)), (interval.high - interval.low) / 2
    assert math.log(few.ratio) == pytest.approx(middle)
    assert np.log([few.low, few.high]) == pytest.approx([middle - reach, middle + reach])
    assert many.test == "exact rank-sum"
    assert many.p == 2 / math.comb(10, 5)
    # Critical value 2 for 5 and 5: the third lowest of the 25 ratios, and the third highest.
    sorted_ratios = sorted(one / other for one in range(11, 16) for other in range(6, 11))
    assert [many.low, many.high] == pytest.approx([sorted_ratios[2], sorted_ratios[-3]])
    assert many.ratio == pytest.approx(sorted_ratios[12])


@pytest.mark.parametrize(
    ("ours", "others"), [([], []), ([1.0], [2.0]), ([1.0, 0, 3], [1.0, 2, 3]), ([1, 2], [-1, 2])]
)
def test_tells_nothing_from_nothing(ours: list[float], others: list[float]) -> None:
    for found in (compare_paired(ours, others), compare_apart(ours, others)):
        assert not found.known
        assert not found.clear
        assert found.rounds == len(ours)


def test_knows_the_p_of_no_noise() -> None:
    assert student_p(0, 0, 2) == 1
    assert student_p(0.1, 0, 2) == 0
    assert not compare_paired([5.0, 5, 5], [5.0, 5, 5]).clear


def test_counts_how_often_one_is_above_the_other() -> None:
    assert cliffs_delta([1, 2], [3, 4]) == -1
    assert cliffs_delta([1, 4], [2, 3]) == 0
    assert cliffs_delta([3, 3], [3, 2]) == 0.5


def test_says_what_would_have_been_detected() -> None:
    """Of differences of just that size about four of five are detected."""
    random = np.random.default_rng(7)
    noise = random.normal(0, 0.05, (2, 400, 10))
    detectable = [compare_paired(*np.exp(pair)).detectable for pair in zip(*noise, strict=True)]
    shift = math.log(float(np.median(detectable)))
    found = [
        compare_paired(np.exp(one + shift), np.exp(other)).clear
        for one, other in zip(*random.normal(0, 0.05, (2, 400, 10)), strict=True)
    ]

    assert 0.7 < np.mean(found) < 0.9


def test_has_no_interval_for_fewer_than_three_rounds() -> None:
    assert median_interval([]) is None
    assert median_interval([5.0, 6.0]) is None
    assert median_interval([5.0, 6.0, 0.0]) is None
    assert median_interval([5.0, 5.0, 5.0]) == (5, 5)


def test_has_a_median_s_interval_by_students_t_where_rounds_are_few() -> None:
    interval = median_interval([math.exp(-1), 1.0, math.exp(1)])
    assert interval
    reach = stats.t.ppf(0.975, 2) / math.sqrt(3)

    assert np.log(interval) == pytest.approx([-reach, reach])


@pytest.mark.parametrize(
    ("rounds", "low"),
    [
        (5, 1),  # the range, which covers 93.75 %
        # By the formula of Hettmansperger and Sheather with pencil and paper: the second value of
        # ten covers 97.85 %, the third one 89.06 %, so 0.658 of the way from one to the other.
        (10, 2.658),
        (20, 6.2352),
    ],
)
def test_interpolates_the_interval_of_a_median_between_two_rounds(rounds: int, low: float) -> None:
    logs = np.arange(1.0, rounds + 1)
    estimate = median_estimate(logs / 100)
    interval = median_interval(np.exp(logs[::-1] / 100).tolist())

    assert interval
    assert float(estimate.low) * 100 == pytest.approx(low, abs=5e-4)
    assert float(estimate.high) * 100 == pytest.approx(rounds + 1 - low, abs=5e-4)
    assert np.log(interval) == pytest.approx([float(estimate.low), float(estimate.high)])


def test_estimates_many_races_at_once_as_it_does_one() -> None:
    races = np.random.default_rng(1).normal(0, 1, (4, 8))
    for of in (median_estimate, paired_estimate):
        alone, together = [of(race) for race in races], of(races)
        for part in ("middle", "low", "high"):
            assert getattr(together, part).tolist() == [float(getattr(one, part)) for one in alone]
    together = apart_estimate(races, races[::-1])
    assert together.middle[0] == apart_estimate(races[0], races[3]).middle


@pytest.mark.parametrize("rounds", [2, 3, 4, 5, 6, 10])
def test_estimates_a_ratio_in_one_way_however_many_rounds(rounds: int) -> None:
    """Once it was the geometric mean of few rounds, and Hodges and Lehmann's middle of more."""
    ours = [1.0] * (rounds - 1) + [3.0]
    one = compare_paired(ours, [1.0] * rounds)
    means = [math.sqrt(a * b) for at, a in enumerate(ours) for b in ours[at:]]
    apart = compare_apart(ours, [1.0] * rounds)

    assert one.ratio == pytest.approx(math.exp(np.median(np.log(means))))
    assert apart.ratio == pytest.approx(
        math.exp(np.median(np.log([a for a in ours for _ in ours])))
    )
    assert one.low <= one.ratio <= one.high


def test_claims_no_difference_that_its_own_interval_denies() -> None:
    """In a large family Student's t speaks for few rounds; the interval is still of ranks."""
    logs = [1.0, 1, 1, 1, 1, -0.01]
    comparison = compare_paired(np.exp(logs).tolist(), [1.0] * 6, family=10)

    assert comparison.test == "paired t"
    assert comparison.adjusted <= ALPHA
    assert comparison.low < 1 < comparison.high
    assert not comparison.clear
