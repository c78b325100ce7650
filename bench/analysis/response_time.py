"""An open loop's response time: its two parts, and what it is without the driver's lateness."""

from collections.abc import Sequence

from calcbench.bench.analysis.rounds import LEVELS, RoundFigures
from calcbench.bench.analysis.spread import NOTHING, Spread, quantile_spread, spread


def parts(rounds: Sequence[RoundFigures], *, few: bool = False) -> dict[str, Spread]:
    """Return the parts of the response time in *rounds*, and what it is at least.

    The names are those of a row; there is none where clients of a closed loop did not think. *few*
    is as for `quantile_spread`; what has no quantile of the response time has none of what it is
    without the driver's lateness.
    """
    found: dict[str, Spread] = {}
    split = [one.parts for one in rounds if one.parts]
    if len(split) < len(rounds):
        return found
    for place, part in enumerate(("service", "dispatch")):
        times = [one[place] for one in split]
        found[f"{part}_p50_ns"] = quantile_spread(times, 0.5, few=few)
        found[f"{part}_p99_ns"] = quantile_spread(times, 0.99, few=few)
    least = [one.least_ns for one in rounds if one.least_ns]
    if len(least) < len(rounds):
        return found
    response = [one.response for one in rounds]
    for (name, q), values in zip(LEVELS.items(), zip(*least, strict=True), strict=True):
        known = quantile_spread(response, q, few=few or q == 1)
        found[f"prompt_{name}_ns"] = spread(values) if known.rounds else NOTHING
    return found
