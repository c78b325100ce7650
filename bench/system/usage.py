"""What a server used of the machine while it was measured, from samples of it and its workers."""

import resource
from collections.abc import Sequence
from dataclasses import dataclass

from calcbench.bench.system.procfs import TICK_NS
from calcbench.bench.system.series import Sample, between
from calcbench.core.serving.counters import Worker

LISTED_WORKERS = 64  # that a result names; the others are in the figures
LEAST_TICKS = 10  # that tell user from system time
SEEN_RATIO, SEEN_SLACK = 0.9, 100  # of all switches: beyond this, threads came and went unseen


@dataclass(frozen=True)
class WorkerUsage:
    """A thread of a process and the responses that it gave since its start, warm-up included."""

    pid: int
    thread: int
    responses: int


@dataclass(frozen=True)
class ResourceUsage:
    """What a server used, from *samples* of it; None is what could not be seen.

    The CPU time is exact, its parts come in ticks of the kernel. Instructions are those
    *instructions_of* ``user and kernel`` or ``user`` code, or of nothing where they could not be
    counted. Switches are counted over
    *switches_from*, ``every thread`` or ``the whole life`` of the server, where threads came and
    went unseen; then the run-queue delay is not *complete* either, but a lower bound.
    *pss_bytes* is the most memory of all processes, shared pages divided, *peak_bytes* the most
    that one process ever held. *threads*, *processes* and *accept_queue* are the most that was
    seen. *listen_overflows* are of all listening sockets here, *listen_drops* of the server's.
    *time_wait* connections were there in the end, *time_wait_grown* more than at the start, of
    everybody here. *workers* lists those that gave most responses, of *workers_counted*, and
    *workers_jain* is Jain's index of how evenly all of them did.
    """

    samples: int
    cpu_ns: int
    cpu_user_ns: int | None
    cpu_system_ns: int | None
    cpu_us_per_request: float | None
    voluntary_switches: int
    involuntary_switches: int
    switches_from: str
    run_queue_ns: int
    run_queue_complete: bool
    pss_bytes: int | None
    peak_bytes: int
    threads: int
    processes: int
    listen_overflows: int
    listen_drops: int
    accept_queue: int
    time_wait: int
    time_wait_grown: int
    workers: tuple[WorkerUsage, ...]
    workers_counted: int
    workers_jain: float | None
    instructions_per_request: float | None = None
    instructions_of: str = ""


def children_switches() -> tuple[int, int]:
    """Return the switches, voluntary and not, of all our children that have ended.

    The kernel adds up there what it keeps nowhere else: every thread that ever was. The
    difference around a server's end is the server's, and that of the children it has reaped.
    """
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_nvcsw, usage.ru_nivcsw


def jain(values: Sequence[float]) -> float | None:
    """Return Jain's fairness index of *values*: 1 when all are equal, 1/n when one has everything.

    Jain, Chiu & Hawe 1984. None where nobody has anything, for then there is nothing to share.
    """
    squares = sum(value * value for value in values)
    return sum(values) ** 2 / (len(values) * squares) if squares else None


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
    instructions_of: str = "",
    *,
    counted_share: float = 1.0,
) -> ResourceUsage | None:
    """Return what the server used from *opened_ns* to *closed_ns*, while it gave *responses*.

    *cpu_ns* is its CPU time where that is known more exactly than by *samples*, whose instructions
    are *instructions_of* what `ResourceUsage` says. None for fewer than two samples. What each of
    *workers* gave is counted from its start, warm-up included. Where the server also did what is
    not counted, *counted_share* is the part of its work that is.
    """
    if len(samples) < 2:
        return None
    total = between(samples, opened_ns, closed_ns)
    inside = [s for s in samples if opened_ns <= s.counters.at_ns <= closed_ns] or list(samples)
    cpu_ns = cpu_ns or total.cpu_ns
    instructions = None
    if responses and total.instructions and total.cpu_ns:
        # Both were read at the same moments, so their ratio needs no other account of the window.
        instructions = round(total.instructions / total.cpu_ns * cpu_ns / responses, 1)
    ticks_ns = total.user_ns + total.system_ns
    user_ns = system_ns = None
    if ticks_ns >= max(LEAST_TICKS * TICK_NS, cpu_ns / 2):
        user_ns = round(cpu_ns * total.user_ns / ticks_ns)
        system_ns = cpu_ns - user_ns
    voluntary, involuntary = (
        round(total.voluntary * counted_share),
        round(total.involuntary * counted_share),
    )
    complete = True
    if life:
        last = samples[-1].counters
        seen = last.voluntary + last.involuntary + SEEN_SLACK
        complete = seen >= SEEN_RATIO * (life.voluntary + life.involuntary)
        if not complete and life.responses:
            first = samples[0].counters  # before that it was starting
            share = responses / life.responses
            voluntary = round(max(life.voluntary - first.voluntary, 0) * share)
            involuntary = round(max(life.involuntary - first.involuntary, 0) * share)
    counted = sorted(workers, key=lambda worker: -worker.responses)
    fairness = jain([worker.responses for worker in counted])
    return ResourceUsage(
        samples=len(inside),
        cpu_ns=cpu_ns,
        cpu_user_ns=user_ns,
        cpu_system_ns=system_ns,
        cpu_us_per_request=round(cpu_ns / 1000 / responses, 3) if responses else None,
        instructions_per_request=instructions,
        instructions_of=instructions_of if instructions is not None else "",
        voluntary_switches=voluntary,
        involuntary_switches=involuntary,
        switches_from="every thread" if complete else "the whole life",
        run_queue_ns=round(total.run_queue_ns * counted_share),
        run_queue_complete=complete,
        pss_bytes=max(sample.levels.pss_bytes for sample in samples) or None,
        peak_bytes=max(sample.levels.peak_bytes for sample in samples),
        threads=max(sample.levels.threads for sample in inside),
        processes=max(sample.levels.processes for sample in inside),
        listen_overflows=total.overflows,
        listen_drops=total.drops,
        accept_queue=max(sample.levels.accept_queue for sample in inside),
        time_wait=samples[-1].levels.time_wait,
        time_wait_grown=samples[-1].levels.time_wait - samples[0].levels.time_wait,
        workers=tuple(
            WorkerUsage(worker.pid, worker.thread, worker.responses)
            for worker in counted[:LISTED_WORKERS]
        ),
        workers_counted=len(counted),
        workers_jain=None if fairness is None else round(fairness, 4),
    )
