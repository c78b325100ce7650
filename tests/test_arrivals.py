"""When the requests of an open loop are due, by arithmetic."""

import itertools
import math
import statistics

import pytest

from calcbench.bench.schema.arrivals import (
    ARRIVALS,
    CONSTANT,
    EXPONENTIAL,
    POISSON,
    THINKS,
    VARIETY,
    every_nth,
    schedule,
    thinks,
)


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


def first_thinks(users: int, count: int, distribution: str, seed: int = 1) -> list[list[int]]:
    """Return the first *count* thinks of each of so many *users* who think 2 s."""
    some = itertools.islice(thinks(2.0, distribution, seed), users)
    return [list(itertools.islice(times, count)) for times in some]


def test_spreads_users_over_their_first_think() -> None:
    users = first_thinks(1_000, 3, CONSTANT)
    first = sorted(times[0] for times in users)

    assert all(times[1:] == [2_000_000_000] * 2 for times in users)
    assert 0 <= first[0] < first[-1] <= 2_000_000_000
    assert statistics.mean(first) == pytest.approx(1e9, rel=0.1)  # any part of one is left


def test_draws_thinks_of_an_exponential_distribution() -> None:
    [user] = first_thinks(1, VARIETY + 1, EXPONENTIAL)

    assert statistics.mean(user[1:]) == pytest.approx(2e9, rel=1e-6)
    assert statistics.stdev(user[1:]) == pytest.approx(2e9, rel=0.05)
    assert statistics.median(user[1:]) == pytest.approx(2e9 * math.log(2), rel=0.05)


@pytest.mark.parametrize("distribution", THINKS)
def test_has_the_same_thinks_for_the_same_seed_and_others_for_each_user(distribution: str) -> None:
    users = first_thinks(50, 9, distribution)

    assert users == first_thinks(50, 9, distribution)
    assert users != first_thinks(50, 9, distribution, seed=2)
    assert len({tuple(times) for times in users}) == 50


@pytest.mark.parametrize("distribution", THINKS)
def test_deals_users_out_so_that_each_thinks_as_without_other_drivers(distribution: str) -> None:
    parts = [
        [list(itertools.islice(times, 4)) for times in itertools.islice(mine, 10)]
        for number in range(3)
        for mine in [every_nth(thinks(2.0, distribution, 1), number, 3)]
    ]
    dealt = [users[place] for place in range(10) for users in parts]

    assert dealt == first_thinks(30, 4, distribution)
