"""What validates slices, on figures whose answer is known, and servers that answer by a law."""

import dataclasses
import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
from builders import make_condition, make_measurement
from truth import until

from calcbench.bench.loadgen.observation import Observation
from calcbench.bench.runner.subject import Setup
from calcbench.bench.schema.condition import Condition
from calcbench.bench.schema.outcomes import Outcomes
from calcbench.bench.schema.result import Measurement
from calcbench.bench.schema.turns import SLICE_S
from calcbench.bench.system.cpus import Pinning
from calcbench.bench.validation import known_delays, slices
from calcbench.bench.validation.delaying_server import (
    BLOCK,
    CONSTANT,
    EXPONENTIAL,
    FREEZE,
    FROZEN_NS,
    LAWS,
    MEAN_NS,
)
from calcbench.bench.validation.known_delays import Reading, known_quantile
from calcbench.bench.validation.slices import LENGTHS_S, WINDOW, Figures, Round
from calcbench.core.errors import CalcbenchError

ONE, OTHER = make_condition("selectors"), make_condition("fork")


def figures(per_s: float, cpu_ns: float) -> Round:
    return {ONE: Figures(per_s, cpu_ns), OTHER: Figures(per_s / 2, cpu_ns * 3)}


def test_compares_the_rounds_that_were_measured_both_ways() -> None:
    # The machine is slower from round to round: only the same rounds can be compared.
    windows = {n: figures(10_000 / n, 20.0 * n) for n in (1, 2, 3, 4, 5, 6)}
    by_slices = {n: figures(10_000 / n, 22.0 * n) for n in (2, 3, 4, 5, 6)}

    assert slices.extra_cpu(slices.paired(by_slices, windows, "")) == pytest.approx(0.1)
    seen = slices.unbiased(by_slices, windows, "add")
    assert seen.held
    assert "req/s 1.00x to 1.00x" in seen.measured
    assert "CPU +10.0%" in seen.measured
    with pytest.raises(CalcbenchError, match="only 3 rounds"):
        slices.paired({n: by_slices[n] for n in (2, 3, 4)}, windows, "")


@pytest.mark.parametrize(("dearer", "held"), [(1.04, True), (1.3, False)])
def test_says_what_slices_of_each_length_cost(dearer: float, held: bool) -> None:
    every = {WINDOW: {n: figures(10_000, 20.0) for n in range(6)}} | {
        length_s: {n: figures(10_000, 20.0 * dearer ** (SLICE_S / length_s)) for n in range(6)}
        for length_s in LENGTHS_S
    }
    pair = {
        length_s: {
            n: {ONE: Figures(1, 1), OTHER: Figures(math.exp(length_s * (n % 2)), 1)}
            for n in range(20)
        }
        for length_s in LENGTHS_S
    }
    seen = slices.price(every, pair)

    assert seen.held == held
    assert f"20.0 ms {dearer - 1:+.1%} (noise 1.0%, 0.0%)" in seen.measured
    assert f"5.00 ms {dearer**4 - 1:+.1%} (noise 0.3%, 0.0%)" in seen.measured


def test_begins_each_round_with_another_way(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[float] = []

    def of(condition: Condition, number: int) -> Measurement:
        outcomes = Outcomes(ok=10) if number != 2 else Outcomes(wrong=10)
        return make_measurement(condition, number, outcomes=outcomes, server_cpu_ns=200)

    def alone(_: Setup, condition: Condition, number: int, __: int) -> Measurement:
        if condition == ONE:
            order.append(WINDOW)
        return of(condition, number)

    def together(
        _: Setup, conditions: Sequence[Condition], number: int, __: int, slice_s: float
    ) -> list[Measurement]:
        order.append(slice_s)
        return [of(condition, number) for condition in conditions]

    monkeypatch.setattr(slices, "measure", alone)
    monkeypatch.setattr(slices, "measure_together", together)
    found = slices.in_ways([ONE, OTHER], 4, (WINDOW, SLICE_S))

    assert order == [SLICE_S, WINDOW, WINDOW, SLICE_S] * 2
    assert all(list(rounds) == [1, 3, 4] for rounds in found.values())
    assert found[WINDOW][1][ONE] == Figures(10, 20)


def test_follows_the_law() -> None:
    delays = list(itertools.islice(LAWS[EXPONENTIAL](), 3 * BLOCK))

    assert sorted(delays[:BLOCK]) == sorted(delays[BLOCK : 2 * BLOCK])
    assert delays[:BLOCK] != delays[BLOCK : 2 * BLOCK]
    assert np.mean(delays) == pytest.approx(MEAN_NS, rel=0.01)
    for q in known_delays.QUANTILES[EXPONENTIAL]:
        assert np.quantile(delays, q) == pytest.approx(known_quantile(EXPONENTIAL, q), rel=0.03)
    assert set(itertools.islice(LAWS[CONSTANT](), 9)) == {MEAN_NS}
    assert known_quantile(FREEZE, known_delays.HALF_FROZEN) == FROZEN_NS


@pytest.mark.parametrize(
    ("worst", "too_short", "held"), [(0.02, 0, True), (0.3, 0, False), (0.02, 1, False)]
)
def test_requires_known_delays_of_the_quietest_round(
    worst: float, too_short: int, held: bool
) -> None:
    quiet = dict.fromkeys(LAWS, Reading(0.01, 0))
    disturbed = dict.fromkeys(LAWS, Reading(0.7, 0))
    rounds = [disturbed, quiet | {FREEZE: Reading(worst, too_short)}]
    seen = known_delays.requirement_of([quiet], rounds)

    assert seen.held == held
    assert f"by windows 1.0%, 1.0%, {worst:.1%}" in seen.measured


@pytest.mark.slow
@pytest.mark.parametrize("law", LAWS)
def test_sees_no_response_before_a_server_of_that_law_gives_it(law: str) -> None:
    def seen(duration_s: float) -> list[Observation]:
        load = known_delays.load_for(port, Pinning())
        load = dataclasses.replace(load, duration_s=duration_s)
        return [*known_delays.by_slices([load, load]), *known_delays.by_windows([load])]

    with known_delays.serving(law, Pinning()) as port:
        found = until(lambda seen: all(one.outcomes.total for one in seen), seen, 0.2)

    for one in found:
        assert one.outcomes.total == one.outcomes.ok > 0
        assert one.samples["latency_ns"].min() >= known_delays.SHORTEST_NS[law]
