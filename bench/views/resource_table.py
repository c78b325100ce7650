"""Show What the servers of a race used: two lines for each point, as plain aligned text.

One table is of the time that they took, the other of what they held meanwhile. Counts are for each
request, so that fast and slow servers compare; every figure is the lower median of the rounds that
count, so it is one that was measured.
"""

import statistics
from collections.abc import Iterator, Sequence
from typing import Any

from calcbench.bench.schema.plan import Condition
from calcbench.bench.schema.result import Measurement, Run
from calcbench.bench.units import format_number
from calcbench.bench.views.wording import REUSE

GAP = "  "
POINT = ("clients", "strategy")
TIME = (*POINT, "CPU µs", "user", "system", "waits", "preempted", "delay")
THINGS = (*POINT, "PSS MB", "peak", "procs", "threads", "drops", "TIME_WAIT", "workers", "Jain")
TIME_LEGEND = (
    "CPU µs, waits (voluntary context switches) and preemptions (involuntary) are for each request;"
    " user, system: shares of the CPU; delay: ready to run and not running, as a share of the"
    " window, all threads together (≥: threads that came and went unseen are not in it)"
)
THINGS_LEGEND = (
    "PSS: memory, shared pages divided; peak: the most of one process, in MB; drops: clients turned"
    " away by a full backlog; TIME_WAIT: closed connections that the kernel still held in the end,"
    " of everybody here; workers: threads and processes that responded, and Jain's index of how"
    " evenly, 1 at best"
)


def resource_lines(run: Run) -> Iterator[str]:
    """Yield the lines of text that show what the servers of *run* used."""
    points: dict[Condition, list[Measurement]] = {}
    for measurement in run.measurements:
        if measurement.status == "ok" and measurement.resources and measurement.outcomes.ok:
            points.setdefault(measurement.condition, []).append(measurement)
    if not points:
        yield "Nobody sampled what the servers used."
        return
    sections: dict[tuple[str, str], list[Condition]] = {}
    for condition in run.plan.conditions():
        if condition in points:
            sections.setdefault((condition.reuse, condition.workload), []).append(condition)
    for (reuse, workload), conditions in sections.items():
        yield f"{workload}, {REUSE[reuse]}"
        for headings, cells_of in ((TIME, times_of), (THINGS, things_of)):
            rows = [
                [f"{at.connections:,}", at.strategy, *cells_of(points[at])] for at in conditions
            ]
            yield from aligned([list(headings), *rows])
            yield ""
    yield from (TIME_LEGEND, THINGS_LEGEND)


def middle(
    rounds: Sequence[Measurement], name: str, *, each: bool = False, scale: float = 1
) -> str:
    """Return the median of the figure *name* over *rounds*, *each* for one request, if known."""
    values = [
        measurement.resources[name] / scale / (measurement.outcomes.ok if each else 1)
        for measurement in rounds
        if measurement.resources.get(name) is not None
    ]
    return format_number(statistics.median_low(values)) if values else ""


def times_of(rounds: Sequence[Measurement]) -> list[str]:
    """Return the cells that say which time a server took in *rounds*."""
    delays = [m.resources["run_queue_ns"] / m.elapsed_ns for m in rounds]
    system = [
        m.resources["cpu_system_ns"] / m.resources["cpu_ns"]
        for m in rounds
        if m.resources["cpu_system_ns"] is not None and m.resources["cpu_ns"]
    ]
    share = statistics.median_low(system) if system else None
    at_least = "" if all(m.resources["run_queue_complete"] for m in rounds) else "≥"
    return [
        middle(rounds, "cpu_ns", each=True, scale=1e3),
        "" if share is None else f"{1 - share:.0%}",
        "" if share is None else f"{share:.0%}",
        middle(rounds, "voluntary_switches", each=True),
        middle(rounds, "involuntary_switches", each=True),
        f"{at_least}{statistics.median_low(delays):.0%}",
    ]


def things_of(rounds: Sequence[Measurement]) -> list[str]:
    """Return the cells that say what a server held in *rounds*."""
    whole: list[Any] = [
        statistics.median_low([m.resources[name] for m in rounds])
        for name in ("processes", "threads", "listen_drops", "time_wait", "workers_counted")
    ]
    return [
        middle(rounds, "pss_bytes", scale=1e6),
        middle(rounds, "peak_bytes", scale=1e6),
        *(f"{value:,}" for value in whole),
        middle(rounds, "workers_jain"),
    ]


def aligned(table: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the rows of *table* as lines; names begin at the left, figures end at the right."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for cells in table:
        yield GAP.join(
            cell.ljust(width) if title == "strategy" else cell.rjust(width)
            for cell, width, title in zip(cells, widths, table[0], strict=True)
        ).rstrip()
