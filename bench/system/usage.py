"""What a server used of the machine while it was measured, from samples of it and its workers."""

import resource
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from calcbench.bench.system.procfs import TICK_NS
from calcbench.bench.system.sampler import (
    LEAST_TICKS,
    LISTED_WORKERS,
    SEEN_RATIO,
    SEEN_SLACK,
    Sample,
    between,
)
from calcbench.core.serving.counters import Worker


def children_switches() -> tuple[int, int]:
    """Return the switches, voluntary and not, of all our children that have ended.

    The kernel adds up there what it keeps nowhere else: every thread that ever was. The
    difference around a server's end is the server's, and that of the children it has reaped.
    """
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_nvcsw, usage.ru_nivcsw


def jain(values: Sequence[float]) -> float:
    """Return Jain's index of *values*: 1 when all are equal, 1/n when one has everything.

    Jain, Chiu & Hawe 1984. Returns 0 for no values, or none above 0.
    """
    squares = sum(value * value for value in values)
    return sum(values) ** 2 / (len(values) * squares) if squares else 0.0


@dataclass(frozen=True)
class Life:
    """What a server did from its start to its end: switches by the kernel's sum, and responses."""

    voluntary: int
    involuntary: int
    responses: int


def resource_usage(
    samples: Sequence[Sample],
    opened_ns: int,
    closed_ns: int,
    responses: int,
    cpu_ns: int = 0,
    workers: Sequence[Worker] = (),
    life: Life | None = None,
) -> dict[str, Any]:
    """Return what the server used from *opened_ns* to *closed_ns*, while it gave *responses*.

    *cpu_ns* is its CPU time where that is known more exactly than by *samples*. Empty for fewer
    than two samples. Names carry their units. ``peak_bytes``, ``threads``, ``processes`` and
    ``accept_queue`` are the most that was seen; None is what could not be. What each of *workers*
    answered is counted from its start, warm-up included, and exact.
    """
    if len(samples) < 2:
        return {}
    total = between(samples, opened_ns, closed_ns)
    inside = [s for s in samples if opened_ns <= s.counters.at_ns <= closed_ns] or list(samples)
    cpu_ns = cpu_ns or total.cpu_ns
    ticks_ns = total.user_ns + total.system_ns
    user_ns = system_ns = None
    if ticks_ns >= max(LEAST_TICKS * TICK_NS, cpu_ns / 2):
        user_ns = round(cpu_ns * total.user_ns / ticks_ns)
        system_ns = cpu_ns - user_ns
    voluntary, involuntary, complete = total.voluntary, total.involuntary, True
    if life:
        last = samples[-1].counters
        seen = last.voluntary + last.involuntary + SEEN_SLACK
        complete = seen >= SEEN_RATIO * (life.voluntary + life.involuntary)
        if not complete and life.responses:
            first = samples[0].counters  # before that it was starting
            share = responses / life.responses
            voluntary = round(max(life.voluntary - first.voluntary, 0) * share)
            involuntary = round(max(life.involuntary - first.involuntary, 0) * share)
    counted = sorted(workers, key=lambda worker: -worker.answers)
    return {
        "looks": len(inside),
        "cpu_ns": cpu_ns,
        "cpu_user_ns": user_ns,
        "cpu_system_ns": system_ns,
        "cpu_us_per_request": round(cpu_ns / 1000 / responses, 3) if responses else None,
        "voluntary_switches": voluntary,
        "involuntary_switches": involuntary,
        "switches_from": "every thread" if complete else "the whole life",
        "run_queue_ns": total.run_queue_ns,
        "run_queue_complete": complete,
        "pss_bytes": max((sample.levels.pss_bytes for sample in samples), default=0) or None,
        "peak_bytes": max(sample.levels.peak_bytes for sample in samples),
        "threads": max(sample.levels.threads for sample in inside),
        "processes": max(sample.levels.processes for sample in inside),
        "listen_overflows": total.overflows,
        "listen_drops": total.drops,
        "accept_queue": max(sample.levels.accept_queue for sample in inside),
        "time_wait": samples[-1].levels.time_wait,
        "time_wait_grown": samples[-1].levels.time_wait - samples[0].levels.time_wait,
        "workers": [
            {"pid": worker.pid, "thread": worker.thread, "requests": worker.answers}
            for worker in counted[:LISTED_WORKERS]
        ],
        "workers_counted": len(counted),
        "workers_jain": round(jain([worker.answers for worker in counted]), 4) or None,
    }
