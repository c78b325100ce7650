"""What we compute ourselves, since SciPy would be the largest part of an install, as SciPy does."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import optimize, special, stats

from calcbench.bench.analysis.inference import median_interval
from calcbench.bench.analysis.rank_tests import rank_sum_p_of_many, theil_slope
from calcbench.bench.analysis.scaling import fit, law
from calcbench.bench.analysis.student import quantile, tail
from calcbench.bench.views.panel import nearest_rising

# Tabulated by stats.t.ppf of SciPy 1.17.
QUANTILES = [
    (1, 0.975, 12.706204736174694),
    (1, 0.9995, 636.6192487687897),
    (2, 0.975, 4.302652729749462),
    (2.5, 0.995, 7.163728138948783),
    (4, 0.8, 0.9409645772351816),
    (9, 0.975, 2.262157162798205),
    (29, 0.9999, 4.253894118432321),
    (1000, 0.975, 1.9623390808264083),
]


@pytest.mark.parametrize(("freedom", "q", "value"), QUANTILES)
def test_knows_student_s_quantiles(freedom: float, q: float, value: float) -> None:
    assert quantile(freedom, q) == pytest.approx(value, rel=1e-11)
    assert quantile(freedom, 1 - q) == pytest.approx(-value, rel=1e-10)
    assert tail(freedom, value) == pytest.approx(1 - q, rel=1e-10)
    assert quantile(freedom, 0.5) == 0


freedoms = st.floats(1, 5_000)


@given(freedoms, st.floats(-1e6, 1e6))
def test_agrees_on_student_s_tail(freedom: float, t: float) -> None:
    least = 1e-8 if abs(t) < 1e-6 else 1e-290  # scipy loses digits of a small t beside 1
    assert tail(freedom, t) == pytest.approx(special.stdtr(freedom, -t), rel=1e-9, abs=least)


@given(freedoms, st.floats(1e-7, 1 - 1e-7))
def test_agrees_on_student_s_quantiles(freedom: float, q: float) -> None:
    assert quantile(freedom, q) == pytest.approx(special.stdtrit(freedom, q), rel=1e-7, abs=1e-12)


@pytest.mark.parametrize("t", [6e-8, 1e-6, 1e-5])
def test_keeps_its_digits_where_the_tail_is_nearly_half(t: float) -> None:
    density = 8 / (3 * math.pi * math.sqrt(5))  # at 0, for 5 degrees of freedom

    assert 0.5 - tail(5, t) == pytest.approx(density * t, rel=1e-8)


@pytest.mark.parametrize("t", [0.0, 1e-300, 1e200, math.inf])
def test_tells_a_tail_at_the_ends(t: float) -> None:
    assert tail(3, t) == pytest.approx(0.5 if t < 1 else 0, abs=1e-300)


values = st.floats(-1e6, 1e6) | st.integers(0, 9).map(float)
series = st.lists(values, min_size=1, max_size=40)


@given(series, series)
def test_agrees_on_rank_sums_of_many(ours: list[float], others: list[float]) -> None:
    one, other = np.array(ours), np.array(others)
    expected = stats.mannwhitneyu(one, other).pvalue

    found = rank_sum_p_of_many(one, other)
    assert found == pytest.approx(1.0 if math.isnan(expected) else expected, rel=1e-9)


@given(st.lists(values, min_size=3, max_size=60), st.sampled_from([0.001, 0.05, 0.4]))
def test_agrees_on_theil_s_slope(measured: list[float], chance: float) -> None:
    expected: Any = stats.theilslopes(measured, alpha=1 - chance)  # its type says less

    found = theil_slope(np.array(measured), chance)
    assert found == pytest.approx((expected.slope, expected.low_slope, expected.high_slope))


@given(st.lists(st.floats(1, 1e6), min_size=6, max_size=40))
def test_keeps_the_interval_of_a_median_within_that_without_interpolation(
    measured: list[float],
) -> None:
    """Order statistics alone cover at least 95 %; between two of them lie 95 % more nearly."""
    interval = median_interval(measured)
    assert interval
    outer = stats.quantile_test(measured, p=0.5).confidence_interval(0.95)

    assert outer.low * (1 - 1e-9) <= interval[0] <= interval[1] <= outer.high * (1 + 1e-9)


@given(st.lists(values, max_size=30))
def test_agrees_on_the_nearest_numbers_that_rise(wanted: list[float]) -> None:
    expected = optimize.isotonic_regression(wanted).x if wanted else []

    assert nearest_rising(wanted) == pytest.approx(list(expected), rel=1e-9, abs=1e-9)


LEVELS = [1, 2, 4, 8, 16, 32, 64, 128]
ROUNDING = 1e-12  # of a sum of squares of logarithms: what is smaller fits exactly
NO_NOISE = [0.0] * 16


@given(
    st.floats(10, 1e5),
    st.floats(0, 1),
    st.floats(0, 0.01),
    st.lists(st.floats(-0.1, 0.1), min_size=16, max_size=16),
)
# Points that lie on the curve, of which all that is left is rounding.
@example(10, 0.9190886196338225, 0.008855202667099467, NO_NOISE)
@example(100, 1.5552455453101195e-12, 2.969610034866691e-12, NO_NOISE)
@example(1e4, 0.5, 5e-324, [-0.07353872880978347] * 16)
@example(100, 0.6146279491511568, 0, [*NO_NOISE[:9], 8.177832865172125e-08, *NO_NOISE[:6]])
@example(10, 1e-5, 0.005145473025498358, NO_NOISE)  # SciPy stops short, near its bound
@example(10, 6.5e-8, 0.009569764516967606, [*NO_NOISE[:5], 1.9e-4, *NO_NOISE[:9], 1.7e-5])
@example(1e4, 1, 0.01, [0.1] * 8 + [-0.1] * 8)
def test_fits_a_law_no_worse_than_scipy(
    rate: float, contention: float, coherency: float, noise: list[float]
) -> None:
    levels = np.array(LEVELS * 2, float)
    logs = np.log(law(levels, rate, contention, coherency)) + noise

    def of(clients: object, *law_s: float) -> Any:
        return law_s[0] + np.log(law(levels, 1, law_s[1], law_s[2]))

    def cost(law_s: Sequence[float]) -> float:
        missed = logs - of(levels, *law_s)
        return float(missed @ missed)

    bounds = ((-np.inf, 0, 0), (np.inf, 1, np.inf))
    start, close = (logs[0], 0.01, 1e-4), 1e-14
    theirs, covariance = optimize.curve_fit(
        of,
        levels,
        logs,
        start,
        bounds=bounds,
        x_scale=(1, 0.01, 1e-4),
        ftol=close,
        xtol=close,
        gtol=close,
        max_nfev=1_000,
    )
    ours = fit(levels.tolist(), np.exp(logs).tolist())
    found = (math.log(ours.rate[0]), ours.contention[0], ours.coherency[0])

    assert cost(found) <= cost(theirs) * (1 + 1e-6) + ROUNDING
    # At a bound they stop short, and of an exact fit the interval is rounding.
    if all(value > 1e-5 for value in theirs[1:]) and theirs[1] < 0.999 and cost(found) > ROUNDING:
        assert of(levels, *found) == pytest.approx(of(levels, *theirs), abs=1e-4)
        reach = special.stdtrit(len(logs) - 3, 0.975) * np.sqrt(covariance[0, 0])
        assert math.log(ours.rate[2]) - found[0] == pytest.approx(reach, rel=5e-2)
