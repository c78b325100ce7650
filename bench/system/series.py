"""What was sampled of a server, and what it used from one moment to another.

Nearly every figure is a counter of the kernel. At the opening of the window it is read off the
straight line between the samples around it, at its end off the line through the last sample inside,
because behind the window the server has nothing to do. So it matters little when a sample is taken,
as long as it says when that was: who takes it (`calcbench.bench.system.watch`) rests between its
steps, and what is read of every thread has a moment of its own.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

OF_THREADS = ("voluntary", "involuntary", "run_queue_ns")


@dataclass(frozen=True)
class Counters:
    """What has been counted until *at_ns*, by `time.perf_counter_ns`; all of it only grows.

    What is read `OF_THREADS` has been counted until *threads_at_ns*, if that is not 0.
    """

    at_ns: int = 0
    threads_at_ns: int = 0
    cpu_ns: int = 0
    others_ns: int = 0  # CPU time of the other servers that are watched at the same time
    user_ns: int = 0
    system_ns: int = 0
    instructions: int = 0  # that its processors have executed, if they are counted
    voluntary: int = 0
    involuntary: int = 0
    run_queue_ns: int = 0
    overflows: int = 0  # of all listening sockets in this network namespace
    drops: int = 0  # of our own
    busy_ns: tuple[int, ...] = ()  # of each core in turn, whoever used it
    steal_ns: tuple[int, ...] = ()


@dataclass(frozen=True)
class Levels:
    """What was there at one moment."""

    processes: int = 0
    threads: int = 0
    peak_bytes: int = 0  # the most that any one process has ever held, by the kernel's account
    pss_bytes: int = 0  # shared pages divided among those who share them; 0: not asked for
    accept_queue: int = 0
    time_wait: int = 0


@dataclass
class Sample:
    """What was seen of a server at one moment."""

    counters: Counters
    levels: Levels


def between(samples: Sequence[Sample], opened_ns: int, closed_ns: int) -> Counters:
    """Return what was counted from *opened_ns* to *closed_ns*; ``at_ns`` is how long that is.

    *samples* are in order, two at least.
    """
    inside = [s.counters.at_ns for s in samples if opened_ns < s.counters.at_ns <= closed_ns]
    until_ns = inside[-1] if inside else closed_ns
    start, end = at(samples, opened_ns), at(samples, until_ns)
    scale = (closed_ns - opened_ns) / max(until_ns - opened_ns, 1)
    figures: dict[str, Any] = {}
    for name, last in end.items():
        if isinstance(last, tuple):
            pairs = zip(start[name], last, strict=True)
            figures[name] = tuple(max(round((b - a) * scale), 0) for a, b in pairs)
        else:
            figures[name] = max(round((last - start[name]) * scale), 0)
    return Counters(**figures)


def at(samples: Sequence[Sample], when_ns: int) -> dict[str, Any]:
    """Return every counter as it was at *when_ns*, on the line between the samples around it."""
    at_ns = [sample.counters.at_ns for sample in samples]
    threads_at_ns = [sample.counters.threads_at_ns or sample.counters.at_ns for sample in samples]
    values: dict[str, Any] = {}
    for name in vars(samples[0].counters):
        times = threads_at_ns if name in OF_THREADS else at_ns
        after = min(max(bisect_right(times, when_ns), 1), len(samples) - 1)
        share = (when_ns - times[after - 1]) / max(times[after] - times[after - 1], 1)
        one, other = (getattr(samples[i].counters, name) for i in (after - 1, after))
        if isinstance(one, tuple):
            values[name] = tuple(a + (b - a) * share for a, b in zip(one, other, strict=True))
        else:
            values[name] = one + (other - one) * share
    return values
