"""Race on until the result is clear: `calcbench run --precision 5%`.

A pair of strategies is settled when its ratio is known within the precision, whether or not they
differ, or when it differs by more than the precision for sure. To look after every round and stop
at the first p below 5 % would find differences that are not there in one race of five. So a look
may stop the race at a difference only where that would be clear if all looks together had a 20th
of the level (interim looks that spend it evenly: Lan & DeMets 1983, doi:10.1093/biomet/70.3.659);
stopping at a width is harmless, for it does not look on which side of 1 the interval lies
(`make validate` counts both).
"""

import itertools
import math
from collections.abc import Sequence

from calcbench.bench.analysis.bounded import Figures, compare_rounds
from calcbench.bench.analysis.inference import Comparison
from calcbench.bench.analysis.quantiles import Reading
from calcbench.bench.analysis.spread import interval_of
from calcbench.bench.schema.condition import Condition, group_by
from calcbench.bench.schema.judgements import DRIVER_BOUND, UNRANKED, UNSERVED
from calcbench.bench.schema.plan import Plan
from calcbench.bench.schema.result import Measurement

FIRST_LOOK = 6  # rounds: the first test that takes nothing for normal
SPENT = 20  # the share of the level that all looks together spend is one in so many


def enough(plan: Plan, measurements: Sequence[Measurement]) -> bool:
    """Tell whether *measurements*, of whole rounds, are all that *plan* asks for."""
    rounds = max((measurement.round for measurement in measurements), default=0)
    if rounds < plan.rounds:
        return False
    if not plan.precision or rounds >= plan.most_rounds:
        return True
    return rounds >= FIRST_LOOK and settled(plan, measurements)


def settled(plan: Plan, measurements: Sequence[Measurement]) -> bool:
    """Tell whether *measurements* say all that *plan* wants to know of the rates.

    Conditions that failed in some round are left out, and those in which the driver was the limit
    in half of the rounds or more, or nobody was served: no more rounds would mend them.
    """
    known = by_condition(measurements)
    raced = [condition for condition in known if not condition.is_control]
    looks = plan.most_rounds - FIRST_LOOK + 1
    return all(
        is_known([known[condition] for condition in contest], plan.precision, looks)
        for contest in group_by(raced, lambda condition: condition, "strategy").values()
    )


def by_condition(measurements: Sequence[Measurement]) -> dict[Condition, Figures]:
    """Return the right responses a second of each condition that never failed, by round.

    Rounds that are not ranked do not count, and one in which the driver was the limit is a lower
    bound.
    """
    found: dict[Condition, Figures] = {}
    for condition, rounds in group_by(measurements, lambda one: one.condition).items():
        good = [one for one in rounds if one.judgement not in UNRANKED]
        seen = {
            one.round: one.right_responses * 1e9 / one.elapsed_ns for one in good if one.elapsed_ns
        }
        limited = {one.round for one in good if one.judgement == DRIVER_BOUND}
        lost = any(one.status != "ok" or one.judgement == UNSERVED for one in rounds)
        if seen and not lost and 2 * len(limited) < len(seen):
            bounds = {number: (seen[number], math.inf) for number in limited & seen.keys()}
            found[condition] = Figures(seen, bounds)
    return found


def is_known(rates: Sequence[Figures], precision: float, looks: int) -> bool:
    """Tell whether *rates*, of all that are to be compared, by round, are known well enough.

    So many *looks* are taken at them at most.
    """
    if len(rates) == 1:
        seen, bounds = rates[0].seen, rates[0].bounds
        interval = interval_of([Reading(seen[number], number in bounds) for number in seen])
        return interval is not None and is_narrow(*interval, precision)
    pairs = list(itertools.combinations(rates, 2))
    return all(is_settled(pair, len(pairs) * looks * SPENT, precision) for pair in pairs)


def is_settled(pair: tuple[Figures, Figures], family: int, precision: float) -> bool:
    """Tell whether the two of *pair* are known to differ by more than *precision*, or by what."""
    comparison = compare_rounds(*pair, family)
    return is_narrow(comparison.low, comparison.high, precision) or is_beyond(comparison, precision)


def is_narrow(low: float, high: float, precision: float) -> bool:
    """Tell whether the middle of *low* to *high* is within a *precision* of both of its ends."""
    return 0 < high <= low * (1 + precision) ** 2


def is_beyond(comparison: Comparison, precision: float) -> bool:
    """Tell whether *comparison* is a difference of more than *precision*, for sure."""
    return comparison.clear and (
        comparison.low > 1 + precision or comparison.high * (1 + precision) < 1
    )
