"""What slices are worth: how much less they vary than windows, and whether they say the same.

Where both ways are compared, the same servers are measured by slices and then by windows in every
round, so that neither has the quieter hour.

- The noise: one strategy against itself, as the standard deviation of the logarithm of the ratio.
- A difference that is known: a server that computes 200 µs for each request, and one that computes
  so much longer that a whole request costs 5 % more.
- The bias: each strategy against itself, by slices and by windows. Slices begin on caches that hold
  another server, and what that costs is what is left in CPU per request.
"""

import math
import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from calcbench.bench.analysis.inference import compare_paired
from calcbench.bench.runner.launched import among_strategies, measure
from calcbench.bench.runner.race import pinning_of
from calcbench.bench.runner.subject import Setup
from calcbench.bench.runner.turn_group import measure_together
from calcbench.bench.schema.condition import AGAIN, Condition
from calcbench.bench.schema.plan import CLOSE, KEEP_ALIVE, Plan
from calcbench.bench.schema.result import Measurement
from calcbench.bench.schema.store import prepare_folder
from calcbench.bench.system.cpus import on_cores
from calcbench.bench.validation.requirement import Requirement
from calcbench.core.app.workload import calibrate_workload, parse_workload
from calcbench.core.errors import CalcbenchError

STRATEGY = "selectors"
ROUNDS = 20  # of two equal servers
LEAST_SHARE = 0.75  # of the rounds that must have been measured
QUIET = 0.04  # the deviation by slices, at most
DURATION_S, WARMUP_S = 0.5, 0.2
EVERY = ("blocking", "fork", "selectors", "thread-per-request", "threadpool")
TENS = 5  # times ten rounds, in which a known difference is looked for
FOUND = 4  # of them, in which it must be found
COMPUTING, LONGER = "cpu=200us", "cpu=211us"  # with the rest of a request 220 µs, and 5 % more
KNOWN = 0.055  # of the computing
KNOWN_S = 0.3
BIAS_ROUNDS = 6
BIAS = 0.05  # beyond the interval, of slices against windows, at most
PANELS = (("add", KEEP_ALIVE), ("add", CLOSE), ("wait=2ms", KEEP_ALIVE))


@dataclass(frozen=True)
class Figures:
    """What one round showed of a server."""

    per_s: float
    cpu_ns: float  # for each right response


Rounds = Mapping[Condition, Sequence[Figures]]


def requirements() -> Iterator[Requirement]:
    """Yield each requirement, as it is measured."""
    conditions = [Condition(name, "add", KEEP_ALIVE, 8) for name in (STRATEGY, STRATEGY + AGAIN)]
    yield quieter(*both_ways(conditions, ROUNDS))
    yield from found(known_difference())
    for workload, reuse in PANELS:
        conditions = [Condition(name, workload, reuse, 8) for name in EVERY]
        yield unbiased(*both_ways(conditions, BIAS_ROUNDS), f"{workload}, {reuse}")


def known_difference() -> Rounds:
    """Measure a server and one whose requests cost 5 % more, by slices.

    Raises CalcbenchError where they cannot be measured.
    """
    conditions = [Condition(STRATEGY, workload, KEEP_ALIVE, 2) for workload in (COMPUTING, LONGER)]
    rounds: dict[Condition, list[Figures]] = {condition: [] for condition in conditions}
    with preparing(conditions, KNOWN_S) as setup:
        with on_cores(setup.pinning.server):
            units = calibrate_workload(parse_workload(COMPUTING).seconds)
        setup.cpu_units.update({COMPUTING: units, LONGER: round(units * (1 + KNOWN))})
        for number in range(1, 10 * TENS + 1):
            take(list(measure_together(setup, conditions, number, 0)), rounds)
    return rounds


def found(rounds: Rounds) -> Iterator[Requirement]:
    """Look for the difference that is known in each ten of *rounds*."""
    one, other = rounds.values()
    tens = len(one) // 10
    if tens < FOUND:
        raise CalcbenchError(f"only {len(one)} of {10 * TENS} rounds could be measured")
    for name, (ours, others) in (
        ("req/s", [[figures.per_s for figures in of] for of in (one, other)]),
        ("CPU per request", [[figures.cpu_ns for figures in of] for of in (other, one)]),
    ):
        comparisons = [
            compare_paired(ours[at : at + 10], others[at : at + 10])
            for at in range(0, 10 * tens, 10)
        ]
        clear = [one.clear and one.ratio > 1 for one in comparisons]
        ratios = ", ".join(f"{one.ratio:.3f}x" for one in comparisons)
        yield Requirement(
            f"a true 5% of {name} is found by 10 rounds in slices",
            f"{FOUND} times in {TENS}",
            f"{sum(clear)} of {tens} times: {ratios}",
            sum(clear) >= FOUND * tens / TENS,
        )


def both_ways(conditions: Sequence[Condition], rounds: int) -> tuple[Rounds, Rounds]:
    """Measure *conditions* by slices and by windows, in each of so many *rounds*; return both.

    Raises CalcbenchError where they cannot be measured.
    """
    slices: dict[Condition, list[Figures]] = {condition: [] for condition in conditions}
    windows: dict[Condition, list[Figures]] = {condition: [] for condition in conditions}
    with preparing(conditions, DURATION_S) as setup:
        for number in range(1, rounds + 1):
            by_turns = list(measure_together(setup, conditions, number, 0))
            alone = [measure(setup, condition, number, 0) for condition in conditions]
            take(by_turns, slices)
            take(alone, windows)
    return slices, windows


@contextmanager
def preparing(conditions: Sequence[Condition], duration_s: float) -> Iterator[Setup]:
    """Give a setup in which *conditions* can be measured for *duration_s* each."""
    plan = Plan(
        tuple(dict.fromkeys(condition.variant for condition in conditions)),
        workloads=tuple(dict.fromkeys(condition.workload for condition in conditions)),
        reuses=(conditions[0].reuse,),
        connections=(conditions[0].connections,),
        duration_s=duration_s,
        warmup_s=WARMUP_S,
    )
    with tempfile.TemporaryDirectory() as folder:
        prepare_folder(Path(folder))
        yield Setup(plan, Path(folder), pinning_of(plan, among_strategies(plan)), {})


def take(measurements: Sequence[Measurement], into: Mapping[Condition, list[Figures]]) -> None:
    """Put the figures of a round *into* those of its conditions, where none is missing."""
    if all(one.status == "ok" and one.right_responses for one in measurements):
        for one in measurements:
            per_s = one.right_responses * 1e9 / one.elapsed_ns
            into[one.condition].append(Figures(per_s, one.server_cpu_ns / one.right_responses))


def quieter(slices: Rounds, windows: Rounds) -> Requirement:
    """Compare how much the ratio of two equal servers varies by *slices* and by *windows*."""
    by_slices, by_windows = deviations(slices), deviations(windows)
    return Requirement(
        f"noise of a ratio of two equal servers, {ROUNDS} rounds: req/s, CPU",
        f"by slices at most {QUIET:.0%}",
        f"by slices {by_slices[0]:.1%}, {by_slices[1]:.1%};"
        f" by windows {by_windows[0]:.1%}, {by_windows[1]:.1%}",
        max(by_slices) <= QUIET,
    )


def deviations(rounds: Rounds) -> tuple[float, float]:
    """Return the standard deviations of the logarithms of the ratios of rates and of CPU times."""
    one, other = rounds.values()
    if len(one) < ROUNDS * LEAST_SHARE:
        raise CalcbenchError(f"only {len(one)} of {ROUNDS} rounds could be measured")
    pairs = list(zip(one, other, strict=True))
    rates = [math.log(a.per_s / b.per_s) for a, b in pairs]
    costs = [math.log(a.cpu_ns / b.cpu_ns) for a, b in pairs]
    return statistics.stdev(rates), statistics.stdev(costs)


def unbiased(slices: Rounds, windows: Rounds, what: str) -> Requirement:
    """Compare what *slices* and *windows* say of the same servers."""
    beyond, ratios, costs = [], [], []
    for condition, by_slices in slices.items():
        by_windows = windows[condition]
        count = min(len(by_slices), len(by_windows))
        if count < BIAS_ROUNDS * LEAST_SHARE:
            raise CalcbenchError(f"{condition.strategy} could not be measured under {what}")
        compared = compare_paired(
            [figures.per_s for figures in by_slices[:count]],
            [figures.per_s for figures in by_windows[:count]],
        )
        low, high = compared.low, compared.high
        beyond.append(max(math.log(low), -math.log(high), 0))
        ratios.append(compared.ratio)
        costs.append(
            math.log(
                statistics.median(figures.cpu_ns for figures in by_slices)
                / statistics.median(figures.cpu_ns for figures in by_windows)
            )
        )
    cold = math.exp(statistics.mean(costs)) - 1
    return Requirement(
        f"slices say what windows say, {len(ratios)} strategies: {what}",
        f"req/s at most {BIAS:.0%} beyond the interval",
        f"req/s {min(ratios):.2f}x to {max(ratios):.2f}x, at most {max(beyond):.1%} beyond;"
        f" CPU {cold:+.1%}",
        max(beyond) <= BIAS,
    )
