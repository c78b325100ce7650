"""Race on until the result is clear: `calcbench run --precision 5%`.

A pair of strategies is settled when its ratio is known within the precision, whether or not they
differ, or when it differs by more than the precision for sure. The ratio is that of the ranking: of
the same rows, by what they are ranked by, with all that may hide it. What rounds do not narrow ends
the race as well: the ends of windows that hold few responses, and a driver that was the limit.

To look after every round and stop at the first p below 5 % would find differences that are not
there in one race of five. So a look may stop the race at a difference only where that would be
clear if all looks together had a 20th of the level (interim looks that spend it evenly: Lan &
DeMets 1983, doi:10.1093/biomet/70.3.659); stopping at a width is harmless, for it does not look on
which side of 1 the interval lies (`make validate` counts both).
"""

import dataclasses
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from calcbench.bench.analysis.bounded import compare_rounds, slack_of
from calcbench.bench.analysis.inference import Comparison
from calcbench.bench.analysis.intervals import LEAST_ROUNDS
from calcbench.bench.analysis.metrics import Metric
from calcbench.bench.analysis.ranking import by_round, compare, groups, leading, ranked
from calcbench.bench.analysis.rounds import Rounds
from calcbench.bench.analysis.spread import reach_of
from calcbench.bench.analysis.summary import Row, rows_of
from calcbench.bench.schema.plan import Plan
from calcbench.bench.schema.result import Measurement

FIRST_LOOK = 6  # rounds: the first test that takes nothing for normal
SPENT = 20  # the share of the level that all looks together spend is one in so many


@dataclass(frozen=True)
class Known:
    """How well the ratio of two *rows* by *metric* is known, or the figure of one of them alone.

    That is their *comparison*; of one alone, that of the figure with its own median. The rounds do
    not narrow *edge*, a part of the way to each end of its interval, as a logarithm, nor *late*,
    another one: the driver's lateness.
    """

    rows: tuple[Row, ...]
    metric: Metric
    precision: float
    comparison: Comparison
    edge: float
    late: float = 0

    @property
    def bounded(self) -> bool:
        """Tell whether it has two ends."""
        return math.isfinite(reach(self.comparison))

    @property
    def narrow(self) -> bool:
        """Tell whether it is known within the precision."""
        return is_narrow(self.comparison.low, self.comparison.high, self.precision)

    @property
    def settled(self) -> bool:
        """Tell whether nothing more was to be known."""
        return is_settled(self.comparison, self.precision)

    @property
    def edges_matter(self) -> bool:
        """Tell whether what the ends of windows do is more than the precision allows."""
        return self.edge > math.log1p(self.precision)

    @property
    def lateness_matters(self) -> bool:
        """Tell whether the driver's lateness is more than the precision allows."""
        return self.late > math.log1p(self.precision)

    @property
    def hidden_by_edges(self) -> bool:
        """Tell whether more rounds would leave it open, because of what the ends of windows do.

        They would not where the two differ by so much that the ends do not matter, or may do so.
        """
        if self.settled or not self.edges_matter or not self.bounded:
            return False
        room = 2 * self.edge + math.log1p(self.precision)
        return max(-math.log(self.comparison.low), math.log(self.comparison.high)) <= room

    @property
    def hidden_by_driver(self) -> bool:
        """Tell whether more rounds would leave it open, because of the driver."""
        return not self.settled and bool(self.limited)

    @property
    def limited(self) -> list[Row]:
        """Those in half of whose rounds or more the driver was the limit."""
        return [row for row in self.rows if 2 * len(row.limited) >= row.rounds]

    @property
    def open(self) -> bool:
        """Tell whether more rounds may settle it."""
        return not (self.settled or self.hidden_by_edges or self.hidden_by_driver)

    @property
    def rounds_needed(self) -> float:
        """From about how many rounds on it is known, with this noise; infinite where never.

        That two are so far apart that it does not matter may be seen before.
        """
        room = math.log1p(self.precision) - self.edge - self.late
        if room <= 0 or not self.bounded:
            return math.inf
        noise = reach(self.comparison) - self.edge - self.late
        return self.comparison.rounds * (max(noise, 0) / room) ** 2


def enough(plan: Plan, measurements: Sequence[Measurement], figures: Rounds) -> bool:
    """Tell whether *measurements*, of whole rounds, are all that *plan* asks for.

    *figures* are those that their samples hold.
    """
    rounds = max((measurement.round for measurement in measurements), default=0)
    if rounds < plan.rounds:
        return False
    if not plan.precision or rounds >= plan.most_rounds:
        return True
    if rounds < FIRST_LOOK:
        return False
    return not any(one.open for one in known(plan, rows_of(plan, measurements, figures)))


def known(plan: Plan, rows: Iterable[Row]) -> Iterator[Known]:
    """Yield how well all that the *rows* of *plan* are ranked by is known, in each group.

    That is of each pair, and where only one of a group is ranked, of that one.
    """
    for group in groups(rows):
        metric, compared = leading(group), ranked(group)
        if len(compared) == 1:
            yield alone(compared[0], metric, plan.precision)
        pairs = list(itertools.combinations(compared, 2))
        family = len(pairs) * looks(plan.most_rounds) * SPENT
        for pair in pairs:
            yield between(pair, metric, plan.precision, family)


def looks(most_rounds: int) -> int:
    """Return how often a race of *most_rounds* is looked at, at most."""
    return max(most_rounds - FIRST_LOOK + 1, 1)


def alone(row: Row, metric: Metric, precision: float) -> Known:
    """Return how well the figure of a *row* is known with which none is compared."""
    spread, edge = metric.spread(row), slack_of(by_round(row, metric))
    furthest = reach_of(spread, metric.edge_ratio(row))
    endless = spread.interval is not None and math.isinf(spread.interval[1])
    high = math.inf if endless else 1 + furthest
    itself = Comparison(low=1 / (1 + furthest), high=high, rounds=row.rounds)
    return Known((row,), metric, precision, itself, edge)


def between(pair: tuple[Row, Row], metric: Metric, precision: float, family: int) -> Known:
    """Return how well the ratio of a *pair* is known, which is one of a *family*."""
    comparison = compare(*pair, metric, family)
    if comparison.rounds < LEAST_ROUNDS:  # nobody calls that no difference
        comparison = dataclasses.replace(comparison, low=0.0, high=math.inf)
    ours, others = (by_round(row, metric) for row in pair)
    late = 0.0
    if all(metric.prompt(row).rounds for row in pair):
        late = reach(comparison) - reach(compare_rounds(ours, others, family))
    late = late if math.isfinite(late) else 0.0
    return Known(pair, metric, precision, comparison, slack_of(ours, others), late)


def reach(comparison: Comparison) -> float:
    """Return how far the ends of the interval of *comparison* are from its middle, as logarithms.

    Infinite where it has not both.
    """
    low, high = comparison.low, comparison.high
    return math.log(high / low) / 2 if 0 < low <= high < math.inf else math.inf


def is_settled(comparison: Comparison, precision: float) -> bool:
    """Tell whether the two are known to differ by more than *precision*, or by what."""
    return is_narrow(comparison.low, comparison.high, precision) or is_beyond(comparison, precision)


def is_narrow(low: float, high: float, precision: float) -> bool:
    """Tell whether the middle of *low* to *high* is within a *precision* of both of its ends."""
    return 0 < high <= low * (1 + precision) ** 2


def is_beyond(comparison: Comparison, precision: float) -> bool:
    """Tell whether *comparison* is a difference of more than *precision*, for sure."""
    return comparison.clear and (
        comparison.low > 1 + precision or comparison.high * (1 + precision) < 1
    )
