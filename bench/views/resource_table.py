"""Show what the servers of a race used: two lines for each point, as plain aligned text.

One table is of the time that they took, the other of what they held meanwhile. Counts are for each
request, so that fast and slow servers compare; every figure is the lower median of the rounds that
count, so it is one that was measured.
"""

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence

from calcbench.bench.analysis.summary import Row, counted
from calcbench.bench.schema.condition import Condition, group_by
from calcbench.bench.schema.result import Measurement, Run
from calcbench.bench.system.usage import ResourceUsage
from calcbench.bench.units import format_number
from calcbench.bench.views.text_table import aligned, places_of
from calcbench.bench.views.wording import REUSE

POINT = ("clients", "strategy")
TIME = (*POINT, "CPU µs", "user", "system", "waits", "preempted", "delay")
THINGS = (*POINT, "PSS MB", "peak", "procs", "threads", "drops", "TIME_WAIT", "workers", "Jain")
TIME_LEGEND = (
    "CPU µs, waits (voluntary context switches) and preemptions (involuntary) are for each request;"
    " user, system: shares of the CPU time; delay: time that threads were ready to run and waited"
    " for a core, as a share of the window (≥: short-lived threads may be missing)"
)
INSTRUCTIONS = "instructions"
INSTRUCTIONS_LEGEND = (
    "instructions: how many the processor executed for each request, which depends less on the"
    " machine's other load than the CPU time does"
)
THINGS_LEGEND = (
    "PSS: memory, shared pages divided among their users; peak: the most of one process, in MB;"
    " drops: connections refused because the backlog, the queue of those that wait to be accepted,"
    " was full; TIME_WAIT: closed connections that the kernel of this machine still held at the"
    " end; workers: threads and processes that responded, and Jain's index of how evenly, 1 at best"
)


def resource_lines(run: Run) -> Iterator[str]:
    """Yield the lines of text that show what the servers of *run* used."""
    sampled = (
        one
        for rounds in group_by(run.measurements, lambda one: one.condition).values()
        for one in counted(rounds)
        if one.resource_usage and one.right_responses
    )
    points = group_by(sampled, lambda one: one.condition)
    time, legend = time_columns(points)
    if not points:
        yield "What the servers used was not recorded."
        return
    shown = [condition for condition in run.plan.conditions() if condition in points]
    sections = group_by(shown, lambda condition: condition, "strategy", "connections")
    for at, conditions in sections.items():
        yield f"{at.workload}, {REUSE[at.reuse]}"
        for headings, cells_of in ((time, times_of), (THINGS, things_of)):
            rows = [
                [f"{at.connections:,}", at.strategy, *cells_of(points[at])][: len(headings)]
                for at in conditions
            ]
            yield from aligned([headings, *rows], places_of(headings, "strategy"))
            yield ""
    yield from (legend, THINGS_LEGEND)


def time_columns(points: Mapping[Condition, Sequence[Measurement]]) -> tuple[tuple[str, ...], str]:
    """Return the headings of the table of time, and its legend.

    There is a column of instructions where they could be counted.
    """
    used = [usage for rounds in points.values() for _, usage in usages(rounds)]
    counted_of = sorted({usage.instructions_of for usage in used if usage.instructions_of})
    if not counted_of:
        return TIME, TIME_LEGEND
    legend = f"{TIME_LEGEND}; {INSTRUCTIONS_LEGEND} ({' or '.join(counted_of)} code)"
    return (*TIME, INSTRUCTIONS), legend


def usages(rounds: Sequence[Measurement]) -> list[tuple[Measurement, ResourceUsage]]:
    """Return those of *rounds* whose server was sampled, each with what it used."""
    return [(one, one.resource_usage) for one in rounds if one.resource_usage]


def middle(values: Iterable[float | None], scale: float = 1) -> str:
    """Return the lower median of the *values* that are known; nothing where none is."""
    known = [value / scale for value in values if value is not None]
    return format_number(statistics.median_low(known)) if known else ""


def times_of(rounds: Sequence[Measurement]) -> list[str]:
    """Return the cells that say which time a server took in *rounds*."""
    used = usages(rounds)
    delays = [usage.run_queue_ns / one.elapsed_ns for one, usage in used]
    system = [
        usage.cpu_system_ns / usage.cpu_ns
        for _, usage in used
        if usage.cpu_system_ns is not None and usage.cpu_ns
    ]
    share = statistics.median_low(system) if system else None
    at_least = "" if all(usage.run_queue_complete for _, usage in used) else "≥"
    return [
        middle((usage.cpu_ns / 1e3 / one.right_responses for one, usage in used)),
        "" if share is None else f"{1 - share:.0%}",
        "" if share is None else f"{share:.0%}",
        middle(usage.voluntary_switches / one.right_responses for one, usage in used),
        middle(usage.involuntary_switches / one.right_responses for one, usage in used),
        f"{at_least}{statistics.median_low(delays):.0%}",
        middle(usage.instructions_per_request for _, usage in used),
    ]


def things_of(rounds: Sequence[Measurement]) -> list[str]:
    """Return the cells that say what a server held in *rounds*."""
    used = [usage for _, usage in usages(rounds)]
    counts = (
        [usage.processes for usage in used],
        [usage.threads for usage in used],
        [usage.listen_drops for usage in used],
        [usage.time_wait for usage in used],
        [usage.workers_counted for usage in used],
    )
    return [
        middle((usage.pss_bytes for usage in used), 1e6),
        middle((usage.peak_bytes for usage in used), 1e6),
        *(f"{statistics.median_low(values):,}" for values in counts),
        middle(usage.workers_jain for usage in used),
    ]


def instructions(rows: Sequence[Row]) -> list[str]:
    """Say what a request costs the processor by each of *rows*, where that could be counted."""
    each: dict[tuple[int, str], list[str]] = {}
    for row in rows:
        if row.instructions_per_request.rounds:
            figure = format_number(float(row.instructions_per_request.median))
            shown = each.setdefault((row.condition.connections, row.instructions_of), [])
            shown.append(f"{row.condition.strategy} {figure}")
    return [
        f"instructions per request at {at:,} ({of} code): {', '.join(shown)}"
        for (at, of), shown in each.items()
    ]
