"""Say how servers were measured: by turns in slices, or each in one window."""

from collections.abc import Iterable

from calcbench.bench.schema.condition import Condition
from calcbench.bench.schema.plan import (
    MOST_BY_TURNS,
    SLICES,
    TOO_MANY_FOR_TURNS,
    Plan,
    why_no_slices,
)
from calcbench.bench.schema.result import Measurement, Run
from calcbench.bench.units import format_ns, plural
from calcbench.bench.views.wording import ABOUT

STRANGERS = "only servers that calcbench starts take turns"
WINDOWS_LEGEND = "windows: each server was measured in one piece, one server after the other"
SLICES_LEGEND = (
    "slices: the servers of one workload and number of clients were up together and took turns, in"
    " an order drawn anew each time, {} of each turn counted; what disturbs the machine disturbs"
    " all of them alike"
)


def interleaving_legend(run: Run) -> str:
    """Return how the servers of *run* were measured, in a sentence; nothing for a single one."""
    lengths = sorted(
        measurement.evidence.slice_ns
        for measurement in run.measurements
        if measurement.in_slices and measurement.evidence.slice_ns
    )
    if not lengths:
        servers = {measurement.condition.strategy for measurement in run.measurements}
        why = why_windows(run.plan)
        return WINDOWS_LEGEND + (f" ({why})" if why else "") if len(servers) > 1 else ""
    shortest, longest = format_ns(lengths[0]), format_ns(lengths[-1])
    return SLICES_LEGEND.format(shortest if shortest == longest else f"{shortest} to {longest}")


def why_windows(plan: Plan) -> str:
    """Say why no servers of *plan* can take turns, or nothing where they could."""
    if any(workload.partition("=")[0] not in ABOUT for workload in plan.workloads):
        return STRANGERS
    if min(plan.connections) > MOST_BY_TURNS:
        return TOO_MANY_FOR_TURNS
    return why_no_slices(plan.engine, plan.drivers, plan.behaviours, plan.think_s)


def window_remarks(measurements: Iterable[Measurement], run: Run) -> list[str]:
    """Say which of *measurements* were made in windows though the others took turns."""
    if run.plan.interleave != SLICES:
        return []
    made: dict[Condition, list[bool]] = {}
    for measurement in measurements:
        if measurement.elapsed_ns:
            made.setdefault(measurement.condition, []).append(measurement.in_slices)
    if not any(map(any, made.values())):
        return []
    found: dict[str, set[str]] = {}
    for condition, sliced in made.items():
        windows = sliced.count(False)
        if windows:
            why = f" ({TOO_MANY_FOR_TURNS})" if condition.connections > MOST_BY_TURNS else ""
            rounds = "" if windows == len(sliced) else f" ({windows} {plural(windows, 'round')})"
            who = f"{condition.strategy} at {condition.connections:,}{rounds}"
            found.setdefault(why, set()).add(who)
    return [
        f"in one window and not in slices{why}: {', '.join(sorted(who))}"
        for why, who in found.items()
    ]
