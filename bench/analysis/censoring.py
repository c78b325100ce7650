"""Compare figures of which only a lower bound is known, as where requests got no answer."""

import dataclasses
import math

from calcbench.bench.analysis.inference import Comparison


def one_sided(comparison: Comparison, *, ours: bool, others: bool) -> Comparison:
    """Return what is left of a *comparison* of lower bounds: of *ours*, of the *others*, of both.

    Where ours are larger than they say, the ratio has no upper end, and that ours are the smaller
    is no longer sure; and the other way round.
    """
    unsure = others if comparison.ratio > 1 else ours
    return dataclasses.replace(
        comparison,
        low=0.0 if others else comparison.low,
        high=math.inf if ours else comparison.high,
        p=1.0 if unsure else comparison.p,
        adjusted=1.0 if unsure else comparison.adjusted,
        detectable=math.inf if ours or others else comparison.detectable,
    )
