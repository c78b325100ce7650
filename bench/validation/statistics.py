"""What the statistics are required to do against what they do, with this machine's noise.

One strategy is raced against itself, and from how its rounds differ many more races are drawn
whose answer is known, because we put it there. A share that was counted is allowed the error of
counting. What is slow in one round is mostly slow for both, and comparing within rounds cancels
that: so the noise of a comparison is drawn from how the two differed in each round, and that of a
median from how the rounds of one differed.
"""

import itertools
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from calcbench.bench.analysis.inference import (
    ALPHA,
    POWER,
    Comparison,
    adjust,
    compare_paired,
    median_interval,
)
from calcbench.bench.analysis.metrics import CPU, THROUGHPUT, Metric
from calcbench.bench.analysis.ranking import by_round
from calcbench.bench.analysis.stopping import FIRST_LOOK, SPENT, is_settled, looks
from calcbench.bench.analysis.summary import Row, summarise
from calcbench.bench.schema.plan import SLICES, Plan
from calcbench.bench.units import format_number
from calcbench.bench.validation import noise
from calcbench.bench.validation.requirement import (
    Requirement,
    at_most,
    counted_at_most,
    counted_between,
    percentages,
    share_between,
    share_true,
)
from calcbench.core.errors import CalcbenchError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

STRATEGY = "selectors"
ROUNDS = 24  # of the race that shows the noise
COMPARISONS = 200  # as they are required
DRAWN = 3_000  # for each share; its standard error near 5 % is 0.4 %
TRUE = 0.05  # the difference that is to be found
MOST_ROUNDS = 30  # in which it is looked for
REQUIRED_ROUNDS = 10  # in which it is to be found
FEW = (3, 6, 10)  # rounds of a race
COVERED = (0.93, 0.97)  # what 95 % intervals are to cover
FEW_NAMES = f"{', '.join(map(str, FEW))} rounds"

Draw = Callable[[int], "NDArray[np.float64]"]


def requirements() -> Iterator[Requirement]:
    """Yield each requirement, as it is measured."""
    yield from noise.requirements()
    yield from requirements_of_races(noise_race())


def requirements_of_races(
    rows: Sequence[Row], comparisons: int = COMPARISONS, drawn: int = DRAWN
) -> Iterator[Requirement]:
    """Yield each requirement, as it is counted, with the noise that *rows* show."""
    draw = drawing(log_ratios(rows, THROUGHPUT))
    yield false_positives(draw, comparisons, drawn)
    yield false_positives_of_five(draw, comparisons)
    yield coverage_of_ratios(draw, drawn)
    yield coverage_of_medians(drawing(residuals(rows, THROUGHPUT)), drawn)
    yield stopping(draw, comparisons)
    for metric, name in ((THROUGHPUT, "req/s"), (CPU, "CPU per request")):
        if all(by_round(row, metric).seen for row in rows):
            yield detection(log_ratios(rows, metric), name, comparisons, drawn)


def noise_race(
    rounds: int = ROUNDS, duration_s: float = 0.5
) -> tuple[Row, Row]:  # by make validate
    """Race one strategy against itself in slices, and return its two rows.

    Raises CalcbenchError when it cannot be raced.
    """
    from calcbench.bench.runner.launched import among_strategies
    from calcbench.bench.runner.race import race

    plan = Plan(
        (STRATEGY,),
        connections=(8,),
        duration_s=duration_s,
        warmup_s=0.2,
        rounds=rounds,
        control=STRATEGY,
        interleave=SLICES,
    )
    with tempfile.TemporaryDirectory() as folder:
        run = race(plan, among_strategies(plan), Path(folder) / "run")
        first, again = summarise(run, Path(folder) / "run").rows
    if first.rounds < rounds / 2 or again.rounds < rounds / 2:
        raise CalcbenchError(f"{STRATEGY} could not be raced: {first.reason or again.reason}")
    return first, again


def logs_by_round(rows: Sequence[Row], metric: Metric) -> "NDArray[np.float64]":
    """Return the logarithms of *metric*, one line a row, in the rounds that count for all rows."""
    import numpy as np

    values = [by_round(row, metric).seen for row in rows]
    both = sorted(set.intersection(*(set(of) for of in values)))
    return np.log([[of[number] for number in both] for of in values])


def residuals(rows: Sequence[Row], metric: Metric) -> "NDArray[np.float64]":
    """Return how far the logarithm of each round lies from its row's median."""
    import numpy as np

    logs = logs_by_round(rows, metric)
    return np.asarray(logs - np.median(logs, axis=1, keepdims=True), np.float64)


def log_ratios(rows: Sequence[Row], metric: Metric) -> "NDArray[np.float64]":
    """Return how far the log-ratio of two rows, in each round, lies from its median."""
    import numpy as np

    one, other = logs_by_round(rows, metric)
    return np.asarray(one - other - np.median(one - other), np.float64)


def drawing(seen: "NDArray[np.float64]", seed: int = 1) -> Draw:
    """Return what draws rounds of one strategy with the noise that was *seen*, centred on 0.

    A smoothed bootstrap (Silverman & Young 1987): without a little of its own noise each value
    would come again and again, and ranks would tie as measurements never do. The sign is drawn as
    well, so that the middle of what is drawn is known.
    """
    import numpy as np

    random = np.random.default_rng(seed)
    seen = seen.ravel()
    width = 0.9 * float(seen.std(ddof=1)) * len(seen) ** -0.2

    def draw(rounds: int) -> "NDArray[np.float64]":
        values = random.choice(seen, rounds) * random.choice((-1, 1), rounds)
        return np.asarray(values + random.normal(0, width, rounds))

    return draw


def draw_pair(draw: Draw, rounds: int, shift: float = 0.0) -> Comparison:
    """Compare two strategies, one *shift* faster by logarithm, over so many *rounds*.

    *draw* gives the noise of their ratio, so one of them may as well have none.
    """
    import numpy as np

    return compare_paired(np.exp(draw(rounds) + shift).tolist(), [1.0] * rounds)


def false_positives(draw: Draw, comparisons: int, drawn: int) -> Requirement:
    """Count how often strategies that are alike are said to differ."""
    first = [draw_pair(draw, REQUIRED_ROUNDS).clear for _ in range(comparisons)]
    longer = [[draw_pair(draw, rounds).clear for _ in range(drawn)] for rounds in FEW]
    return Requirement(
        f"two equal strategies called different, {REQUIRED_ROUNDS} rounds; also {FEW_NAMES}",
        counted_at_most(ALPHA, comparisons, drawn),
        f"{percentages([first])}; {percentages(longer)}",
        all(at_most(ALPHA, flags) for flags in (first, *longer)),
    )


def false_positives_of_five(draw: Draw, comparisons: int) -> Requirement:
    """Count how often of five strategies that are alike any two are said to differ."""
    flags = [any_of_five(draw, REQUIRED_ROUNDS) for _ in range(comparisons)]
    return Requirement(
        "five equal strategies: any of the ten pairs called different",
        counted_at_most(ALPHA, comparisons),
        percentages([flags]),
        at_most(ALPHA, flags),
    )


def any_of_five(draw: Draw, rounds: int) -> bool:
    """Tell whether of five strategies that are alike any two are said to differ."""
    import numpy as np

    # The noise of a ratio is that of two strategies: each has its share of the variance.
    values = [np.exp(draw(rounds) / math.sqrt(2)).tolist() for _ in range(5)]
    pairs = list(itertools.combinations(values, 2))
    return any(
        comparison.clear
        for comparison in adjust([compare_paired(*two, len(pairs)) for two in pairs])
    )


def coverage_of_ratios(draw: Draw, drawn: int) -> Requirement:
    """Count how often the interval of a ratio holds the one that we put there."""
    shift = math.log(1 + TRUE)
    comparisons = [[draw_pair(draw, rounds, shift) for _ in range(drawn)] for rounds in FEW]
    return covered(
        "ratio", [[one.low <= 1 + TRUE <= one.high for one in some] for some in comparisons]
    )


def coverage_of_medians(draw: Draw, drawn: int) -> Requirement:
    """Count how often the interval of a median holds the one that we put there."""
    import numpy as np

    flags = []
    for rounds in FEW:
        found = [median_interval(np.exp(draw(rounds)).tolist()) for _ in range(drawn)]
        flags.append([one is not None and one[0] <= 1 <= one[1] for one in found])
    return covered("median", flags)


def covered(what: str, holds: Sequence[Sequence[bool]]) -> Requirement:
    """Require that 95 % intervals of *what* hold it as often as they should."""
    low, high = COVERED
    return Requirement(
        f"95% interval of a {what} holds it, {FEW_NAMES}",
        counted_between(low, high, len(holds[0])),
        percentages(holds),
        all(share_between(low, high, flags) for flags in holds),
    )


def stopping(
    draw: Draw, comparisons: int, precision: float = 0.05, most: int = MOST_ROUNDS
) -> Requirement:
    """Count what looking after each round, as ``--precision`` does, does to the requirements."""
    import numpy as np

    found, family = [], looks(most) * SPENT
    for _ in range(comparisons):
        one, other = np.exp(draw(most)).tolist(), [1.0] * most
        rounds = FIRST_LOOK
        while rounds < most and not is_settled(
            compare_paired(one[:rounds], other[:rounds], family), precision
        ):
            rounds += 1
        found.append(compare_paired(one[:rounds], other[:rounds]))
    clear = [comparison.clear for comparison in found]
    holds = [comparison.low <= 1 <= comparison.high for comparison in found]
    return Requirement(
        f"two equal strategies with --precision {precision:.0%} called different; 95% interval"
        " holds their ratio",
        f"{counted_at_most(ALPHA, comparisons)}; {counted_between(*COVERED, comparisons)}",
        f"{percentages([clear])}; {percentages([holds])}",
        at_most(ALPHA, clear) and share_between(*COVERED, holds),
    )


def detection(seen: "NDArray[np.float64]", name: str, comparisons: int, drawn: int) -> Requirement:
    """Count how often a true difference is found, and in how many rounds."""
    draw, shift = drawing(seen), math.log(1 + TRUE)
    needed = next(
        (
            rounds
            for rounds in range(FIRST_LOOK, MOST_ROUNDS + 1)
            if share_true([draw_pair(draw, rounds, shift).clear for _ in range(comparisons)])
            >= POWER
        ),
        None,
    )
    when = f"{needed} rounds" if needed else f"more than {MOST_ROUNDS} rounds"
    ratio = share_true([draw_pair(draw, REQUIRED_ROUNDS, shift).clear for _ in range(drawn)])
    return Requirement(
        f"a true difference of {TRUE:.0%} in {name} is found in {REQUIRED_ROUNDS} rounds",
        f"in ≥ {POWER:.0%} of {drawn:,} races",
        f"in {ratio:.1%}; {POWER:.0%} take {when};"
        f" rounds differ by {format_number(100 * float(seen.std(ddof=1)))}%",
        ratio >= POWER,
    )
