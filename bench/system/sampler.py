"""What a server uses while it is measured: samples of /proc, over all its processes.

Sampling costs CPU that somebody else does not get, so it is done at most ten times a second, takes
no more than a twentieth of one core, and runs beside the driver and not beside the server.
Nearly every figure is a counter of the kernel. At the opening of the window it is read off the
straight line between the samples around it, at its end off the line through the last sample inside,
because behind the window the server has nothing to do.

What the kernel forgets, and what is done about it:

- The switches and the run-queue delay of a thread are gone with the thread (and
  ``/proc/<pid>/status`` has those of the first thread only, whatever it looks like). We add up
  those of every thread that was seen. The kernel's own sum, told when the server has ended, says
  whether those were all: where threads came and went unseen, the switches are that sum, shared
  among all responses, and the delay is marked as a lower bound.
- User and system time come in whole ticks (mostly 10 ms) for each process, so they only divide the
  exact sum of both, and where most of it fell between the ticks nobody knows how.
"""

import os
import socket
import threading
import time
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from calcbench.bench.system.cpu_time import process_cpu_time
from calcbench.bench.system.procfs import (
    PROC,
    THREADS,
    core_times,
    group_members,
    listener_state,
    net_counter,
    read_text,
    run_queue_ns,
    switches,
    time_wait,
    value_of,
)

INTERVAL_S = 0.1  # between two samples, at least
COST_RATIO = 0.05  # of one core that sampling may take, at most
MEMORY_EVERY = 5  # samples; the kernel walks all the pages of a process to tell its PSS
MOST_PSS = 64  # processes whose PSS is asked for; those beyond count as their average
LISTED_WORKERS = 64  # that a result names; the others are in the figures
LEAST_TICKS = 10  # that tell user from system time
SEEN_RATIO, SEEN_SLACK = 0.9, 100  # of all switches: beyond this, threads came and went unseen


@dataclass(frozen=True)
class Counters:
    """What has been counted until *at_ns*, by `time.perf_counter_ns`; all of it only grows."""

    at_ns: int = 0
    cpu_ns: int = 0
    user_ns: int = 0
    system_ns: int = 0
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


@dataclass
class CounterSum:
    """The sum of counters that vanish with their owners, and may come back under one name."""

    last: dict[int, tuple[int, ...]] = field(default_factory=dict)
    gone: list[int] = field(default_factory=lambda: [0, 0, 0])

    def add(self, seen: dict[int, tuple[int, ...]]) -> tuple[int, ...]:
        """Take note of the counters in *seen*, and return the sum of all that ever were."""
        for name, values in self.last.items():
            now = seen.get(name)
            if now is None or any(new < old for new, old in zip(now, values, strict=True)):
                self.gone = [a + b for a, b in zip(self.gone, values, strict=True)]
        self.last = seen
        return tuple(map(sum, zip(self.gone, *seen.values(), strict=True)))


class Sampler:
    """Takes samples of the server in process group *group*, of its *listener*, and of *cores*.

    *proc* may be somewhere else in a test.
    """

    def __init__(
        self,
        group: int,
        cores: Sequence[int] = (),
        listener: socket.socket | None = None,
        proc: Path = PROC,
    ) -> None:
        self.group = group
        self.cores = cores
        self.listener = listener
        self.proc = proc
        self.threads = CounterSum()
        self.taken = 0

    def sample(self, *, memory: bool = False) -> Sample:
        """Return what is to be seen now; the PSS every few samples, or if *memory* is asked for."""
        at_ns = time.perf_counter_ns()
        memory = memory or self.taken % MEMORY_EVERY == 2  # not in the first moments
        cpu = user = system = threads = peak = 0
        seen: dict[int, tuple[int, ...]] = {}
        members = list(group_members(self.group, self.proc))
        for pid, fields in members:
            used = process_cpu_time(pid, fields)
            cpu, user, system = cpu + used.ns, user + used.user_ns, system + used.system_ns
            threads += int(fields[THREADS])
            peak = max(peak, value_of(read_text(self.proc / str(pid) / "status"), "VmHWM") * 1024)
            seen |= self.thread_counters(pid)
        voluntary, involuntary, delay = self.threads.add(seen)
        busy, steal = core_times(read_text(self.proc / "stat"), self.cores)
        netstat = read_text(self.proc / "net/netstat")
        drops, queue = listener_state(self.listener)
        counters = Counters(
            at_ns=at_ns,
            cpu_ns=cpu,
            user_ns=user,
            system_ns=system,
            voluntary=voluntary,
            involuntary=involuntary,
            run_queue_ns=delay,
            overflows=net_counter(netstat, "TcpExt", "ListenOverflows"),
            drops=drops,
            busy_ns=busy,
            steal_ns=steal,
        )
        levels = Levels(
            processes=len(members),
            threads=threads,
            peak_bytes=peak,
            pss_bytes=self.pss([pid for pid, _ in members]) if memory else 0,
            accept_queue=queue,
            time_wait=time_wait(read_text(self.proc / "net/sockstat")),
        )
        self.taken += 1
        return Sample(counters, levels)

    def thread_counters(self, pid: int) -> dict[int, tuple[int, ...]]:
        """Return switches and run-queue delay of each thread of *pid* that is there."""
        folder = self.proc / str(pid) / "task"
        found: dict[int, tuple[int, ...]] = {}
        try:
            names = os.listdir(folder)
        except OSError:  # it has just ended
            return {}
        for name in names:
            status = read_text(folder / name / "status")
            if status:
                delay = run_queue_ns(read_text(folder / name / "schedstat"))
                found[int(name)] = (*switches(status), delay)
        return found

    def pss(self, pids: list[int]) -> int:
        """Return the PSS of all *pids* together."""
        asked = pids[:MOST_PSS]
        texts = [read_text(self.proc / str(pid) / "smaps_rollup") for pid in asked]
        each = [value_of(text, "Pss") * 1024 for text in texts]
        return round(sum(each) / max(len(asked), 1) * len(pids))


class Sampling:
    """Samples in a thread of ours, on *cores*, for as long as the ``with`` block lasts."""

    def __init__(
        self, sampler: Sampler, interval_s: float = INTERVAL_S, cores: Sequence[int] = ()
    ) -> None:
        self.sampler = sampler
        self.interval_s = max(interval_s, INTERVAL_S)
        self.cores = cores
        self.samples: list[Sample] = []
        self.over = threading.Event()
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self.run, name="sampler", daemon=True)

    def run(self) -> None:
        """Take samples now and then, until it is over."""
        try:
            if self.cores:
                os.sched_setaffinity(0, self.cores)  # of this thread alone
            while True:
                begin = time.thread_time()
                self.samples.append(self.sampler.sample())
                cost_s = time.thread_time() - begin
                if self.over.wait(max(self.interval_s, cost_s / COST_RATIO)):
                    return
        except OSError as error:  # such as no descriptor left: told when it is over
            self.error = error

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.over.set()
        self.thread.join()
        if kind is None and not self.error:
            seen = any(sample.levels.pss_bytes for sample in self.samples)
            self.samples.append(self.sampler.sample(memory=not seen))


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
    times = [sample.counters.at_ns for sample in samples]
    after = min(max(bisect_right(times, when_ns), 1), len(samples) - 1)
    one, other = samples[after - 1].counters, samples[after].counters
    share = (when_ns - one.at_ns) / max(other.at_ns - one.at_ns, 1)
    values: dict[str, Any] = {}
    for name, first in vars(one).items():
        last = getattr(other, name)
        if isinstance(first, tuple):
            values[name] = tuple(a + (b - a) * share for a, b in zip(first, last, strict=True))
        else:
            values[name] = first + (last - first) * share
    return values
