"""When the requests of an open loop are due, by arithmetic."""

import itertools
import math
import statistics

import pytest

from calcbench.bench.schema.arrivals import ARRIVALS, CONSTANT, POISSON, every_nth, schedule


def first(count: int, rate: float, arrivals: str, seed: int = 1) -> list[int]:
    return list(itertools.islice(schedule(rate, arrivals, seed), count))


def test_spaces_constant_arrivals_without_drift() -> None:
    due = first(3_001, 3_000, CONSTANT)

    assert due[:3] == [0, 333_333, 666_667]
    assert due[3_000] == 1_000_000_000


def test_draws_poisson_arrivals_from_the_seed() -> None:
    due = first(20_000, 1_000, POISSON)
    gaps = [later - sooner for sooner, later in itertools.pairwise(due)]

    assert due == sorted(due) == first(20_000, 1_000, POISSON)
    assert due != first(20_000, 1_000, POISSON, seed=2)
    # An exponential distribution's deviation is its mean, and its median that times ln 2.
    assert statistics.mean(gaps) == pytest.approx(1e6, rel=0.03)
    assert statistics.stdev(gaps) == pytest.approx(1e6, rel=0.03)
    assert statistics.median(gaps) == pytest.approx(1e6 * math.log(2), rel=0.03)


@pytest.mark.parametrize("arrivals", ARRIVALS)
def test_shares_a_schedule_so_that_the_parts_are_the_whole(arrivals: str) -> None:
    parts = [
        list(itertools.islice(every_nth(schedule(100, arrivals, 1), number, 3), 10))
        for number in range(3)
    ]

    assert sorted(itertools.chain(*parts)) == first(30, 100, arrivals)
