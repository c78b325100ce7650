"""An open loop's response time: its two parts, and what it is without the driver's lateness."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from calcbench.bench.analysis.lateness import least_quantiles
from calcbench.bench.analysis.quantiles import Waits
from calcbench.bench.analysis.spread import NOTHING, Spread, quantile_spread, spread
from calcbench.bench.schema.histogram import counted_times

if TYPE_CHECKING:
    from calcbench.bench.schema.samples import Samples


def waits_of(samples: "Samples", name: str = "response") -> Waits:
    """Return one of the times of all requests in *samples*, with those that are censored."""
    return Waits(*counted_times(samples, name))


def parts(
    rounds: Sequence["Samples"], response: Sequence[Waits], *, few: bool = False
) -> dict[str, Spread]:
    """Return the parts of the *response* time in the samples of *rounds*, and what it is at least.

    The names are those of a row. *few* is as for `quantile_spread`; what has no quantile of the
    response time has none of what it is without the driver's lateness.
    """
    found: dict[str, Spread] = {}
    for part in ("service", "dispatch"):
        times = [waits_of(one, part) for one in rounds]
        found[f"{part}_p50_ns"] = quantile_spread(times, 0.5, few=few)
        found[f"{part}_p99_ns"] = quantile_spread(times, 0.99, few=few)
    if not all(waits.total for waits in response):
        return found
    levels = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}
    least = [least_quantiles(one, *levels.values()) for one in rounds]
    for (name, q), values in zip(levels.items(), zip(*least, strict=True), strict=True):
        known = quantile_spread(response, q, few=few or q == 1)
        found[f"prompt_{name}_ns"] = spread(values) if known.rounds else NOTHING
    return found
