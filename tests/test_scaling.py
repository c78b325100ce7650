"""Models of data that follows them, and of data that does not suffice."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from builders import make_condition, make_row, make_run

from calcbench.bench.analysis.scaling import bound, family, fit, law, lines_of
from calcbench.bench.analysis.spread import spread
from calcbench.bench.analysis.summary import Row
from calcbench.bench.schema.condition import AGAIN
from calcbench.bench.schema.plan import Plan
from calcbench.bench.system.cpus import Pinning
from calcbench.bench.views.scaling import FITTED, PREDICTED, curves, describe_scaling, scaling_lines
from calcbench.core.errors import CalcbenchError

LEVELS = (1, 2, 4, 8, 16, 32, 64)
RUN = make_run(Plan(("a",)), machine={"cores": 2})


def row(level: int, rate: float, strategy: str = "a", **more: Any) -> Row:
    condition = make_condition(strategy, level, "wait=1ms")
    cpu = {"cpu_us_per_request": spread([50, 50, 50])}
    return make_row(condition, [rate, rate * 0.99, rate * 1.01], **(cpu | more))


def test_finds_the_law_that_made_the_data() -> None:
    scaling = fit(LEVELS, [law(level, 1_000, 0.05, 0.002) for level in LEVELS])

    assert scaling.rate[0] == pytest.approx(1_000, rel=1e-3)
    assert scaling.contention[0] == pytest.approx(0.05, rel=1e-3)
    assert scaling.coherency[0] == pytest.approx(0.002, rel=1e-3)
    assert scaling.peak == pytest.approx(math.sqrt(0.95 / 0.002), rel=1e-3)
    assert scaling.predict(100) == pytest.approx(law(100, 1_000, 0.05, 0.002), rel=1e-3)


def test_has_intervals_that_cover() -> None:
    random = np.random.default_rng(1)
    hits = []
    for _ in range(100):
        levels = LEVELS * 3
        rates = [law(n, 1_000, 0.05, 0.002) * math.exp(random.normal(0, 0.05)) for n in levels]
        scaling = fit(levels, rates)
        hits.append(scaling.contention[1] <= 0.05 <= scaling.contention[2])
        assert scaling.rate[1] < scaling.rate[0] < scaling.rate[2]

    assert sum(hits) >= 88


def test_fits_what_scales_without_an_end() -> None:
    scaling = fit(LEVELS, [1_000.0 * level for level in LEVELS])

    assert scaling.contention[0] == pytest.approx(0, abs=1e-4)
    assert scaling.contention[1] == 0
    assert scaling.predict(64) == pytest.approx(64_000, rel=0.01)


def test_fits_and_describes_what_has_no_peak() -> None:
    """Noise has the cost of agreeing end at 0 in half of the cases, and the peak nowhere."""
    draw = np.random.default_rng(3)
    endless = 0
    for _ in range(40):
        scaling = fit(
            LEVELS, [law(n, 900, 0.1, 0) * math.exp(draw.normal(0, 0.05)) for n in LEVELS]
        )
        endless += math.isinf(scaling.peak)
        assert math.isinf(scaling.peak) <= ("no peak near" in describe_scaling(scaling, 64))

    assert endless >= 10


@pytest.mark.parametrize(
    ("levels", "rates"),
    [  # contention and coherency trade with the rate of one, along a curved valley
        (range(100, 106), [1_000, 1_020, 990, 1_004, 985, 1_001]),
        (range(10_000, 10_006), [1_000, 900, 1_100, 1_010, 980, 1_050]),
        (LEVELS[:6], [204, 523, 120_968, 99, 15, 234]),
    ],
)
def test_comes_to_an_end_whatever_the_points(levels: Sequence[int], rates: list[float]) -> None:
    with pytest.raises(CalcbenchError, match="too close together"):
        fit(levels, rates)


def test_refuses_fewer_than_six_levels() -> None:
    with pytest.raises(CalcbenchError, match="needs 6 numbers of connections, not 5"):
        fit(LEVELS[:5] * 4, [1.0] * 20)
    with pytest.raises(CalcbenchError, match="above 0"):
        fit(LEVELS, [0.0] * 7)


@pytest.mark.parametrize(
    ("clients", "servers", "cpu_s", "right"),
    [(1, 1, 0, 100), (9, 1, 0, 100), (9, 4, 0, 400), (3, 4, 0, 300), (99, math.inf, 1e-3, 2_000)],
)
def test_knows_what_servers_can_do(
    clients: int, servers: float, cpu_s: float, right: float
) -> None:
    assert bound(clients, 0.01, servers, cpu_s, cores=2) == pytest.approx(right)


def test_takes_the_number_of_servers_from_options_or_from_who_was_served() -> None:
    line = {level: row(level, 900 * min(level, 8)) for level in LEVELS}
    starving = {**line, 64: row(64, 900, clients_served=3)}
    pool = dataclasses.replace(RUN, options={"a": {"workers": 8, "queue": 99}})

    assert family(line, RUN).servers == math.inf
    assert family(line, pool).servers == 8
    assert family(starving, pool).servers == 8  # more were served elsewhere: its window was short
    assert family({1: line[1], 64: starving[64]}, pool).servers == 3
    assert family(line, RUN).service_s == pytest.approx(1 / 900)
    assert family(line, RUN).cores == 2
    assert family(line, dataclasses.replace(RUN, pinning=Pinning(server=(0,)))).cores == 1
    assert family(line, pool).one(64) == pytest.approx(900)
    assert family(line, pool).many(64) == pytest.approx(7_200)


def test_says_what_was_measured_and_what_predicted() -> None:
    rows = [row(level, law(level, 900, 0.1, 0)) for level in LEVELS]
    text = "\n".join(scaling_lines("here", [*rows, row(64, 5, "a" + AGAIN)], RUN))

    assert "a: a request alone takes 1.11 ms; as many servers as clients" in text
    assert "    clients    measured  one server  all servers" in text
    assert "          8     4,240/s       900/s      7,200/s" in text
    assert "scalability law: 900/s [" in text
    assert "contention 10.00% [" in text
    assert len(lines_of([*rows, row(64, 5, "a" + AGAIN)])) == 1


def test_says_what_is_missing() -> None:
    few = "\n".join(scaling_lines("here", [row(8, 900), row(32, 900)], RUN))
    open_loop = "\n".join(scaling_lines("here", [row(8, 900, offered_per_s=5.0)], RUN))

    assert "no prediction: it needs one connection alone" in few
    assert "not fitted: it needs 6 numbers of connections, not 2" in few
    assert "this one is open" in open_loop


def test_draws_what_it_can() -> None:
    rows = [row(level, law(level, 900, 0.1, 0)) for level in LEVELS]

    assert [curve.dash for curve in curves(rows, RUN)["a"]] == [PREDICTED, FITTED]
    assert [curve.dash for curve in curves(rows[:3], RUN)["a"]] == [PREDICTED]
    assert [curve.dash for curve in curves(rows[1:], RUN)["a"]] == [FITTED]
    assert curves(rows[1:6], RUN)["a"] == []
    assert curves([row(1, 900, offered_per_s=5.0)], RUN) == {}
    assert curves(rows, RUN)["a"][0].points[4] == pytest.approx(3_600)


def test_fits_nothing_to_levels_that_lie_close_together() -> None:
    """Then the ends of the intervals lie so far apart that no number holds them."""
    draw = np.random.default_rng(5)
    levels = [100, 101, 102, 103, 104, 105] * 3
    for _ in range(20):
        rates = [1_000 * math.exp(noise) for noise in draw.normal(0, 0.05, len(levels))]
        with pytest.raises(CalcbenchError, match="too close together"):
            fit(levels, rates)
