"""What the statistics promise against what they do: ``make validate``.

The noise is this machine's: one strategy is raced against itself, and from how its rounds differ
many more races are drawn whose answer is known, because we put it there. Each line of the table
is a promise and what was measured; a share that was counted is allowed the error of counting.
"""

import math
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from calcbench.bench.inference import (
    ALPHA,
    POWER,
    Comparison,
    adjust,
    compare_paired,
    median_interval,
)
from calcbench.bench.metric import FIGURES, THROUGHPUT, Metric
from calcbench.bench.plan import Plan
from calcbench.bench.precision import FIRST_LOOK, is_known
from calcbench.bench.ranking import by_round
from calcbench.bench.statistics import Row, summarise
from calcbench.core.errors import CalcbenchError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CPU = next(metric for metric in FIGURES if metric.name == "cpu")
STRATEGY = "selectors"
ROUNDS = 24  # of the race that shows the noise
COMPARISONS = 200  # as they were promised
DRAWN = (
    2_000  # comparisons for each share; its standard error is at most 1.1 %, near 5 % half of it
)
TRUE = 0.05  # the difference that is to be found
MOST_ROUNDS = 30  # in which it is looked for
FEW = (3, 6, 10)  # rounds of a race

Draw = Callable[[int], "NDArray[np.float64]"]


@dataclass(frozen=True)
class Promise:
    """One line of the table: *what* was promised, and whether what was measured *held*."""

    what: str
    promised: str
    measured: str
    held: bool


def noise_race(rounds: int = ROUNDS, duration_s: float = 0.5) -> tuple[Row, Row]:
    """Race one strategy against itself, and return its two rows.

    Raises CalcbenchError when it cannot be raced.
    """
    from calcbench.bench.race import race

    plan = Plan(
        (STRATEGY,),
        connections=(8,),
        duration_s=duration_s,
        warmup_s=0.2,
        rounds=rounds,
        control=STRATEGY,
    )
    with tempfile.TemporaryDirectory() as folder:
        run = race(plan, Path(folder) / "run")
        first, again = summarise(run, Path(folder) / "run").rows
    if first.rounds < rounds / 2 or again.rounds < rounds / 2:
        raise CalcbenchError(f"{STRATEGY} could not be raced: {first.reason or again.reason}")
    return first, again


def residuals(rows: Sequence[Row], metric: Metric) -> "NDArray[np.float64]":
    """Return how far the logarithm of each round lies from its row's median, one line a row."""
    import numpy as np

    values = [by_round(row, metric) for row in rows]
    both = sorted(set.intersection(*(set(of) for of in values)))
    logs = np.log([[of[number] for number in both] for of in values])
    return np.asarray(logs - np.median(logs, axis=1, keepdims=True), np.float64)


def drawing(noise: "NDArray[np.float64]", seed: int = 1) -> Draw:
    """Return what draws rounds of one strategy with the *noise* that was seen, centred on 0.

    A smoothed bootstrap (Silverman & Young 1987): without a little of its own noise each value
    would come again and again, and ranks would tie as measurements never do. The sign is drawn as
    well, so that the middle of what is drawn is known.
    """
    import numpy as np

    random = np.random.default_rng(seed)
    seen = noise.ravel()
    width = 0.9 * float(seen.std(ddof=1)) * len(seen) ** -0.2

    def draw(rounds: int) -> "NDArray[np.float64]":
        values = random.choice(seen, rounds) * random.choice((-1, 1), rounds)
        return np.asarray(values + random.normal(0, width, rounds))

    return draw


def pair(draw: Draw, rounds: int, shift: float = 0.0, family: int = 1) -> Comparison:
    """Compare two strategies, one *shift* faster by logarithm, over so many *rounds*."""
    import numpy as np

    one, other = np.exp(draw(rounds) + shift), np.exp(draw(rounds))
    return compare_paired(one.tolist(), other.tolist(), family)


def share(flags: Sequence[bool]) -> tuple[float, float]:
    """Return how many of *flags* are true, as a ratio, and its standard error."""
    ratio = sum(flags) / len(flags)
    return ratio, math.sqrt(max(ratio * (1 - ratio), 1 / len(flags)) / len(flags))


def at_most(what: str, promised: float, flags: Sequence[bool]) -> Promise:
    """Return the promise that at most a share *promised* of *flags* is true."""
    ratio, error = share(flags)
    held = ratio - 2 * error <= promised
    return Promise(what, f"at most {promised:.0%}", f"{ratio:.1%} of {len(flags):,}", held)


def between(what: str, low: float, high: float, flags: Sequence[bool]) -> Promise:
    """Return the promise that a share *low* to *high* of *flags* is true."""
    ratio, error = share(flags)
    held = low - 2 * error <= ratio <= high + 2 * error
    measured = f"{ratio:.1%} of {len(flags):,}"
    return Promise(what, f"{low:.0%} to {high:.0%}", measured, held)


def false_positives(draw: Draw) -> Iterator[Promise]:
    """Count how often strategies that are alike are said to differ."""
    flags = [pair(draw, 10).clear for _ in range(COMPARISONS)]
    yield at_most("A/A: called different, 10 rounds", ALPHA, flags)
    for rounds in FEW:
        flags = [pair(draw, rounds).clear for _ in range(DRAWN)]
        yield at_most(f"the same, {rounds} rounds, counted longer", ALPHA, flags)
    flags = [any_of_five(draw, 10) for _ in range(COMPARISONS)]
    yield at_most("A/A of five: any of the ten pairs called different", ALPHA, flags)


def any_of_five(draw: Draw, rounds: int) -> bool:
    """Tell whether of five strategies that are alike any two are said to differ."""
    import itertools

    import numpy as np

    values = [np.exp(draw(rounds)).tolist() for _ in range(5)]
    pairs = list(itertools.combinations(values, 2))
    return any(told.clear for told in adjust([compare_paired(*two, len(pairs)) for two in pairs]))


def coverage(draw: Draw) -> Iterator[Promise]:
    """Count how often an interval holds the value that we put there."""
    import numpy as np

    shift = math.log(1 + TRUE)
    for rounds in FEW:
        told = [pair(draw, rounds, shift) for _ in range(DRAWN)]
        flags = [one.low <= 1 + TRUE <= one.high for one in told]
        yield between(f"95% interval of a ratio holds it, {rounds} rounds", 0.93, 0.97, flags)
    for rounds in FEW:
        found = [median_interval(np.exp(draw(rounds)).tolist()) for _ in range(DRAWN)]
        flags = [one is not None and one[0] <= 1 <= one[1] for one in found]
        yield between(f"95% interval of a median holds it, {rounds} rounds", 0.93, 0.97, flags)


def detection(draw: Draw, name: str) -> Iterator[Promise]:
    """Count how often a true difference is found, and in how many rounds."""
    shift = math.log(1 + TRUE)
    needed = next(
        (
            rounds
            for rounds in range(FIRST_LOOK, MOST_ROUNDS + 1)
            if share([pair(draw, rounds, shift).clear for _ in range(COMPARISONS)])[0] >= POWER
        ),
        None,
    )
    found = f"within {needed}" if needed else f"not within {MOST_ROUNDS}"
    ratio, _ = share([pair(draw, 10, shift).clear for _ in range(DRAWN)])
    yield Promise(
        f"a true {TRUE:.0%} difference of {name} is found (four times in five)",
        "within 10 rounds",
        f"{found}; by 10 rounds {ratio:.0%}",
        ratio >= POWER,
    )


def stopping(draw: Draw, precision: float = 0.05, most: int = 30) -> Iterator[Promise]:
    """Count what looking after each round, as ``--precision`` does, does to the promises."""
    import numpy as np

    told = []
    for _ in range(COMPARISONS):
        one, other = np.exp(draw(most)).tolist(), np.exp(draw(most)).tolist()
        rounds = FIRST_LOOK
        while rounds < most and not is_known(
            [dict(enumerate(of[:rounds])) for of in (one, other)], precision, most - FIRST_LOOK + 1
        ):
            rounds += 1
        told.append(compare_paired(one[:rounds], other[:rounds]))
    yield at_most("A/A with --precision 5%: called different", ALPHA, [one.clear for one in told])
    flags = [one.low <= 1 <= one.high for one in told]
    yield between("95% interval of a ratio, with --precision 5%", 0.93, 0.97, flags)


def promises(rows: Sequence[Row]) -> Iterator[Promise]:
    """Yield each promise, as it is measured, with the noise that *rows* show."""
    noise = residuals(rows, THROUGHPUT)
    draw = drawing(noise)
    yield from false_positives(draw)
    yield from coverage(draw)
    yield from stopping(draw)
    yield from detection(draw, "throughput")
    if all(by_round(row, CPU) for row in rows):
        yield from detection(drawing(residuals(rows, CPU)), "CPU per request")


def describe_noise(rows: Sequence[Row]) -> str:
    """Say how much the rounds of *rows* differ, for throughput and CPU per request."""
    parts = [
        f"{name} {float(residuals(rows, metric).std(ddof=1)):.1%}"
        for name, metric in (("throughput", THROUGHPUT), ("CPU per request", CPU))
        if all(by_round(row, metric) for row in rows)
    ]
    return (
        f"Noise from round to round, {rows[0].rounds} rounds of {STRATEGY} twice, standard"
        f" deviation: {', '.join(parts)}."
    )


def print_promises(found: Iterator[Promise]) -> bool:
    """Print each promise when it has been measured; tell whether all of them held."""
    held = True
    print(f"{'promise':<72}{'promised':<18}{'measured':<34}", flush=True)
    for one in found:
        held &= one.held
        verdict = "held" if one.held else "NOT HELD"
        print(f"{one.what:<72}{one.promised:<18}{one.measured:<34}{verdict}", flush=True)
    return held


def main() -> int:
    """Measure the noise, count, and print the table; return 1 when a promise was not held."""
    rows = noise_race()
    print(describe_noise(rows))
    return 0 if print_promises(promises(rows)) else 1


if __name__ == "__main__":
    sys.exit(main())
