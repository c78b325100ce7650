"""Show what the servers of a race spent: one line for each point, as plain aligned text.

Counts are for each request, so that fast and slow servers compare; every figure is the lower
median of the rounds that count, so it is one that was measured.
"""

import statistics
from collections.abc import Iterator, Sequence
from typing import Any

from calcbench.bench.captions import REUSE
from calcbench.bench.plan import Condition
from calcbench.bench.result import Measurement, Run
from calcbench.bench.units import format_number

GAP = "  "
HEADINGS = (
    "clients",
    "strategy",
    "CPU µs",
    "system",
    "waits",
    "preempted",
    "delay",
    "PSS MB",
    "peak MB",
    "procs",
    "threads",
    "drops",
    "workers",
    "Jain",
)
LEGEND = (
    "CPU µs, waits (voluntary context switches) and preemptions (involuntary) are for each request;"
    " system: the kernel's share of the CPU; delay: ready to run and not running, as a share of the"
    " window, all threads together (≥: threads that came and went unseen are not in it); PSS:"
    " memory, shared pages divided; peak: the most of one process; drops: clients turned away by a"
    " full backlog; workers: threads and processes that gave answers, and Jain's index of how"
    " evenly, 1 at best"
)


def spending_lines(run: Run) -> Iterator[str]:
    """Yield the lines of text that show what the servers of *run* spent."""
    points: dict[Condition, list[Measurement]] = {}
    for measurement in run.measurements:
        if measurement.status == "ok" and measurement.resources and measurement.outcomes.ok:
            points.setdefault(measurement.condition, []).append(measurement)
    if not points:
        yield "Nobody looked at what the servers spent."
        return
    sections: dict[tuple[str, str], list[list[str]]] = {}
    for condition in run.plan.conditions():
        if condition in points:
            section = sections.setdefault((condition.reuse, condition.workload), [])
            section.append(cells_of(condition, points[condition]))
    for (reuse, workload), rows in sections.items():
        yield f"{workload}, {REUSE[reuse]}"
        yield from aligned([list(HEADINGS), *rows])
        yield ""
    yield LEGEND


def cells_of(condition: Condition, rounds: Sequence[Measurement]) -> list[str]:
    """Return the cells of one line, made from the *rounds* under *condition*."""

    def middle(name: str, *, each: bool = False, scale: float = 1) -> str:
        values = [
            measurement.resources[name] / scale / (measurement.outcomes.ok if each else 1)
            for measurement in rounds
            if measurement.resources.get(name) is not None
        ]
        return format_number(statistics.median_low(values)) if values else ""

    delays = [m.resources["run_queue_ns"] / m.elapsed_ns for m in rounds]
    system = [
        m.resources["cpu_system_ns"] / m.resources["cpu_ns"]
        for m in rounds
        if m.resources["cpu_system_ns"] is not None and m.resources["cpu_ns"]
    ]
    at_least = "" if all(m.resources["run_queue_complete"] for m in rounds) else "≥"
    whole: list[Any] = [
        statistics.median_low([m.resources[name] for m in rounds])
        for name in ("processes", "threads", "listen_drops", "workers_counted")
    ]
    processes, threads, drops, workers = (f"{value:,}" for value in whole)
    return [
        f"{condition.connections:,}",
        condition.strategy,
        middle("cpu_ns", each=True, scale=1e3),
        f"{statistics.median_low(system):.0%}" if system else "",
        middle("voluntary_switches", each=True),
        middle("involuntary_switches", each=True),
        f"{at_least}{statistics.median_low(delays):.0%}",
        middle("pss_bytes", scale=1e6),
        middle("peak_bytes", scale=1e6),
        processes,
        threads,
        drops,
        workers,
        middle("workers_jain"),
    ]


def aligned(table: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the rows of *table* as lines; names begin at the left, figures end at the right."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for cells in table:
        yield GAP.join(
            cell.ljust(width) if title == "strategy" else cell.rjust(width)
            for cell, width, title in zip(cells, widths, HEADINGS, strict=True)
        ).rstrip()
