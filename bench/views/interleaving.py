"""Say how servers were measured: by turns in slices, or each in one window, and then why."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from calcbench.bench.analysis.summary import Row
from calcbench.bench.schema.condition import Condition
from calcbench.bench.schema.plan import (
    MOST_BY_TURNS,
    SLICES,
    TOO_MANY_FOR_TURNS,
    Plan,
    why_no_slices,
)
from calcbench.bench.schema.result import Measurement, Run
from calcbench.bench.schema.turns import (
    LEAST_LATENCIES,
    LONGEST_SHARE,
    RESTLESS,
    SLICE_S,
    restless,
)
from calcbench.bench.units import format_ns, format_seconds, plural
from calcbench.bench.views.wording import ABOUT

STRANGERS = "only servers that calcbench starts take turns"
ASKED = "as --interleave windows asks"
NO_WARMUP = "without a warm-up nobody knows how long a slice must be"
SHORT = f"four slices of {format_seconds(SLICE_S)} are longer than --duration"
SLOW = "ten of its responses take more than a quarter of --duration"
UNSEEN = "in the warm-up too few responses came to see how long one takes"
LOUD = f"it used more than {RESTLESS:.0%} of a core while it was not its turn"
ALONE = "no other server was there to take turns with"
TURNS_SINCE = 5  # the first version of the schema in which servers could take turns
NEARLY = 0.5  # of the longest slice: the driver went by the warm-up, which is not what is shown
WINDOWS_LEGEND = "windows: each server was measured in one piece, one server after the other"
SLICES_LEGEND = (
    "slices: the servers of one workload and number of clients were up together and took turns, in"
    " an order drawn anew each time, {} of each turn counted; what disturbs the machine disturbs"
    " all of them alike"
)


def interleaving_legend(run: Run, rows: Sequence[Row] = ()) -> str:
    """Return how the servers of *run* were measured, in a sentence; nothing for a single one.

    Where all were in windows it says why; *rows* are those that are shown.
    """
    lengths = sorted(
        measurement.evidence.slice_ns
        for measurement in run.measurements
        if measurement.in_slices and measurement.evidence.slice_ns
    )
    if lengths:
        shortest, longest = format_ns(lengths[0]), format_ns(lengths[-1])
        return SLICES_LEGEND.format(shortest if shortest == longest else f"{shortest} to {longest}")
    if len({measurement.condition.strategy for measurement in run.measurements}) < 2:
        return ""
    reasons = dict.fromkeys(reasons_of_all(run, rows))
    return WINDOWS_LEGEND + (f" ({'; '.join(reasons)})" if reasons else "")


def reasons_of_all(run: Run, rows: Sequence[Row]) -> list[str]:
    """Say why all servers of *run* were measured in windows; nothing of one without turns."""
    if why := why_windows(run.plan):
        return [why]
    if run.plan.interleave == SLICES:
        return [why for why, _ in reasons_for_windows(run, rows)]
    return [ASKED] if run.schema_version >= TURNS_SINCE else []


def why_windows(plan: Plan) -> str:
    """Say why no servers of *plan* take turns, or nothing where they could."""
    if is_of_strangers(plan):
        return STRANGERS
    hindrance = why_no_slices(plan.engine, plan.drivers, plan.behaviours, plan.think_s)
    if not hindrance and min(plan.connections) > MOST_BY_TURNS:
        return TOO_MANY_FOR_TURNS
    return hindrance


def is_of_strangers(plan: Plan) -> bool:
    """Tell whether *plan* is about somebody else's servers, which are asked what a user says."""
    return any(workload.partition("=")[0] not in ABOUT for workload in plan.workloads)


def window_remarks(rows: Sequence[Row], run: Run) -> list[str]:
    """Say which of *rows*, of one table of *run*, were measured in windows, and why.

    There is nothing to say where all of the run were: its legend does.
    """
    if not any(measurement.in_slices for measurement in run.measurements):
        return []
    found: dict[str, list[str]] = {}
    shown = {row.condition for row in rows}
    rounds = Counter(m.condition for m in run.measurements if m.elapsed_ns)
    for (why, condition), count in reasons_for_windows(run, rows).items():
        if condition in shown:
            some = "" if count == rounds[condition] else f" ({count} {plural(count, 'round')})"
            who = f"{condition.strategy} at {condition.connections:,}{some}"
            found.setdefault(why, []).append(who)
    return [
        f"in one window and not in slices ({why}): {', '.join(sorted(who))}"
        for why, who in found.items()
    ]


def reasons_for_windows(run: Run, rows: Sequence[Row]) -> Mapping[tuple[str, Condition], int]:
    """Return why measurements of *run* are of windows, each for a condition, and for how many."""
    p50_ns = {row.condition: row.p50_ns.median for row in rows}
    loud = restless(run.measurements)
    return Counter(
        (why_window(one, run.plan, loud, p50_ns.get(one.condition, 0)), one.condition)
        for one in run.measurements
        if one.elapsed_ns and not one.in_slices
    )


def why_window(measurement: Measurement, plan: Plan, loud: Collection[str], p50_ns: float) -> str:
    """Say why a *measurement* is of one window, though servers of its *plan* could take turns.

    The variants that are *loud* computed in the turns of others. *p50_ns* is 0 where its usual
    response time is not known.
    """
    condition = measurement.condition
    if condition.connections > MOST_BY_TURNS:
        return TOO_MANY_FOR_TURNS
    if measurement.evidence.slices is None:  # it was up alone
        return LOUD if condition.variant in loud else ALONE
    if not plan.warmup_s:
        return NO_WARMUP
    longest_ns = LONGEST_SHARE * plan.duration_s * 1e9
    if longest_ns < SLICE_S * 1e9:
        return SHORT
    if not p50_ns and not plan.rate:  # of few responses; each client had one at a time
        p50_ns = measurement.elapsed_ns * condition.connections / max(measurement.outcomes.ok, 1)
    slow = LEAST_LATENCIES * p50_ns > NEARLY * longest_ns
    return SLOW if slow and measurement.outcomes.ok else UNSEEN
