"""What slices are worth: how much less they vary than windows, and whether they say the same.

The same servers are measured in several ways in every round, each of which is first in its turn, so
that none has the quieter hour; rounds are compared by their numbers.

- The noise: one strategy against itself, as the standard deviation of the logarithm of the ratio.
- A difference that is known: a server that computes 200 µs for each request, and one that computes
  so much longer that a whole request costs 5 % more.
- The bias: each strategy against itself, by slices and by windows.
- The price: slices begin on caches that hold another server, and what that costs is in CPU per
  request. The shorter they are, the more of it, and the less the noise.
- Servers whose response times are known (`calcbench.bench.validation.known_delays`).
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
from calcbench.bench.runner.turn_group import SLICE_S, measure_together
from calcbench.bench.schema.condition import AGAIN, Condition
from calcbench.bench.schema.plan import CLOSE, KEEP_ALIVE, Plan
from calcbench.bench.schema.store import prepare_folder
from calcbench.bench.system.cpus import choose_cores, on_cores
from calcbench.bench.units import format_seconds
from calcbench.bench.validation import known_delays
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
KNOWN_S = 0.6  # as a default race
BIAS_ROUNDS = 6
BIAS = 0.05  # beyond the interval, of slices against windows, at most
WINDOW = 0.0  # the way to measure that is none of slices; the others are their lengths in seconds
LENGTHS_S = (0.005, 0.01, SLICE_S)
COLD = 0.1  # more CPU for each request by slices than by windows, at most
PANELS = (
    ("add", KEEP_ALIVE),
    ("add", CLOSE),
    ("wait=2ms", KEEP_ALIVE),
    ("cpu=1ms", KEEP_ALIVE),
    ("block=2ms", CLOSE),
)


@dataclass(frozen=True)
class Figures:
    """What one round showed of a server."""

    per_s: float
    cpu_ns: float  # for each right response


Round = Mapping[Condition, Figures]
Rounds = Mapping[int, Round]  # by number: those in which every condition could be measured


def requirements() -> Iterator[Requirement]:
    """Yield each requirement, as it is measured."""
    yield known_delays.requirement(choose_cores())
    conditions = [Condition(name, "add", KEEP_ALIVE, 8) for name in (STRATEGY, STRATEGY + AGAIN)]
    pair = in_ways(conditions, ROUNDS, (WINDOW, *LENGTHS_S))
    yield quieter(pair[SLICE_S], pair[WINDOW])
    yield from found(known_difference())
    for workload, reuse in PANELS:
        conditions = [Condition(name, workload, reuse, 8) for name in EVERY]
        lengths_s = LENGTHS_S if (workload, reuse) == PANELS[0] else (SLICE_S,)
        every = in_ways(conditions, BIAS_ROUNDS, (WINDOW, *lengths_s))
        if lengths_s == LENGTHS_S:
            yield price(every, pair)
        yield unbiased(every[SLICE_S], every[WINDOW], f"{workload}, {reuse}")


def known_difference() -> Rounds:
    """Measure a server and one whose requests cost 5 % more, by slices.

    Raises CalcbenchError where they cannot be measured.
    """
    conditions = [Condition(STRATEGY, workload, KEEP_ALIVE, 2) for workload in (COMPUTING, LONGER)]
    with preparing(conditions, KNOWN_S) as setup:
        with on_cores(setup.pinning.server):
            units = calibrate_workload(parse_workload(COMPUTING).seconds)
        setup.cpu_units.update({COMPUTING: units, LONGER: round(units * (1 + KNOWN))})
        numbers = range(1, 10 * TENS + 1)
        rounds = {number: measure_way(setup, conditions, number, SLICE_S) for number in numbers}
    return {number: figures for number, figures in rounds.items() if figures}


def found(rounds: Rounds) -> Iterator[Requirement]:
    """Look for the difference that is known in each ten of *rounds*."""
    one, other = columns_of(rounds)
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


def in_ways(
    conditions: Sequence[Condition], rounds: int, ways: Sequence[float]
) -> Mapping[float, Rounds]:
    """Measure *conditions* in each of *ways* in each of so many *rounds*; return them by way.

    Raises CalcbenchError where they cannot be measured.
    """
    found: dict[float, dict[int, Round]] = {way: {} for way in ways}
    with preparing(conditions, DURATION_S) as setup:
        for number in range(1, rounds + 1):
            first = number % len(ways)
            for way in (*ways[first:], *ways[:first]):
                if figures := measure_way(setup, conditions, number, way):
                    found[way][number] = figures
    return found


def measure_way(
    setup: Setup, conditions: Sequence[Condition], number: int, way: float
) -> Round | None:
    """Return the figures of *conditions* in round *number*, None where one of them has none."""
    if way == WINDOW:
        measured = [measure(setup, condition, number, 0) for condition in conditions]
    else:
        measured = list(measure_together(setup, conditions, number, 0, slice_s=way))
    if not all(one.status == "ok" and one.right_responses for one in measured):
        return None
    return {
        one.condition: Figures(
            one.right_responses * 1e9 / one.elapsed_ns, one.server_cpu_ns / one.right_responses
        )
        for one in measured
    }


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


def columns_of(rounds: Rounds) -> list[list[Figures]]:
    """Return the figures of each condition, round by round."""
    return [
        list(figures) for figures in zip(*(one.values() for one in rounds.values()), strict=True)
    ]


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
    if len(rounds) < ROUNDS * LEAST_SHARE:
        raise CalcbenchError(f"only {len(rounds)} of {ROUNDS} rounds could be measured")
    pairs = list(zip(*columns_of(rounds), strict=True))
    rates = [math.log(a.per_s / b.per_s) for a, b in pairs]
    costs = [math.log(a.cpu_ns / b.cpu_ns) for a, b in pairs]
    return statistics.stdev(rates), statistics.stdev(costs)


def paired(slices: Rounds, windows: Rounds, what: str) -> list[tuple[Round, Round]]:
    """Return the rounds that there are both by *slices* and by *windows*.

    Raises CalcbenchError where they are too few; *what* says of what they are.
    """
    pairs = [(slices[number], windows[number]) for number in sorted(slices.keys() & windows.keys())]
    if len(pairs) < BIAS_ROUNDS * LEAST_SHARE:
        raise CalcbenchError(f"only {len(pairs)} rounds could be measured both ways: {what}")
    return pairs


def extra_cpu(pairs: Sequence[tuple[Round, Round]]) -> float:
    """Return how much more CPU requests take by slices than by windows, the mean of all servers."""
    logs = [
        statistics.median(math.log(one[name].cpu_ns / other[name].cpu_ns) for one, other in pairs)
        for name in pairs[0][0]
    ]
    return math.exp(statistics.mean(logs)) - 1


def price(every: Mapping[float, Rounds], pair: Mapping[float, Rounds]) -> Requirement:
    """Say what slices of each length cost in CPU, of *every* strategy, and what noise a *pair* has.

    Of *pair*, two equal servers, it is that of their ratio.
    """
    costs = {
        length_s: extra_cpu(paired(every[length_s], every[WINDOW], PANELS[0][0]))
        for length_s in LENGTHS_S
    }
    shown = []
    for length_s, cost in costs.items():
        rate, cpu = deviations(pair[length_s])
        shown.append(f"{format_seconds(length_s)} {cost:+.1%} (noise {rate:.1%}, {cpu:.1%})")
    return Requirement(
        f"more CPU per request by slices than by windows, {len(EVERY)} strategies",
        f"of {format_seconds(SLICE_S)} at most {COLD:.0%}",
        ", ".join(shown),
        costs[SLICE_S] <= COLD,
    )


def unbiased(slices: Rounds, windows: Rounds, what: str) -> Requirement:
    """Compare what *slices* and *windows* say of the same servers."""
    pairs = paired(slices, windows, what)
    beyond, ratios = [], []
    for condition in pairs[0][0]:
        compared = compare_paired(
            [one[condition].per_s for one, _ in pairs],
            [other[condition].per_s for _, other in pairs],
        )
        beyond.append(max(math.log(compared.low), -math.log(compared.high), 0))
        ratios.append(compared.ratio)
    return Requirement(
        f"slices say what windows say, {len(ratios)} strategies: {what}",
        f"req/s at most {BIAS:.0%} beyond the interval",
        f"req/s {min(ratios):.2f}x to {max(ratios):.2f}x, at most {max(beyond):.1%} beyond;"
        f" CPU {extra_cpu(pairs):+.1%}",
        max(beyond) <= BIAS,
    )
