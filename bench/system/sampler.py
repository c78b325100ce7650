"""What servers use while they are measured: samples of /proc, over all their processes.

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
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from calcbench.bench.system.cpu_time import process_cpu_time
from calcbench.bench.system.perf import EventCounter
from calcbench.bench.system.procfs import (
    PROC,
    THREADS,
    Family,
    core_times,
    go_on,
    listener_state,
    net_counter,
    read_text,
    run_queue_ns,
    search,
    switches,
    time_wait,
    value_of,
)
from calcbench.bench.system.series import Counters, Levels, Sample

MEMORY_EVERY = 5  # samples; the kernel walks all the pages of a process to tell its PSS
SEARCH_EVERY = 10  # samples, from the first; see calcbench.bench.system.procfs.Family
MOST_PSS = 64  # processes whose PSS is asked for; those beyond count as their average


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


@dataclass(frozen=True)
class Machine:
    """What the kernel tells of the machine as a whole at one moment."""

    busy_ns: tuple[int, ...]
    steal_ns: tuple[int, ...]
    overflows: int
    time_wait: int

    @classmethod
    def now(cls, cores: Sequence[int], proc: Path = PROC) -> "Machine":
        """Return what is to be seen of it, and of *cores*, in this moment."""
        busy, steal = core_times(read_text(proc / "stat"), cores)
        overflows = net_counter(read_text(proc / "net/netstat"), "TcpExt", "ListenOverflows")
        return cls(busy, steal, overflows, time_wait(read_text(proc / "net/sockstat")))


@dataclass
class Processes:
    """Which processes of a server were there around *at_ns*, and what they had used."""

    at_ns: int = 0
    pids: list[int] = field(default_factory=list)
    threads: int = 0
    cpu_ns: int = 0
    user_ns: int = 0
    system_ns: int = 0
    instructions: int = 0


class Sampler:
    """Takes *samples* of the server in process group *group*, and of its *listener*.

    *counter* counts its instructions, if anything does. *proc* may be somewhere else in a test.
    """

    def __init__(
        self,
        group: int,
        listener: socket.socket | None = None,
        counter: EventCounter | None = None,
        proc: Path = PROC,
    ) -> None:
        self.family = Family(group, proc)
        self.listener = listener
        self.counter = counter
        self.proc = proc
        self.threads = CounterSum()
        self.samples: list[Sample] = []

    def processes(self, step: Callable[[], None] = go_on) -> Processes:
        """Return which processes there are now; calls *step* after each."""
        begin_ns = time.perf_counter_ns()
        found = Processes()
        for pid, fields in self.family.members(step):
            used = process_cpu_time(pid, fields)
            found.pids.append(pid)
            found.threads += int(fields[THREADS])
            found.cpu_ns += used.ns
            found.user_ns += used.user_ns
            found.system_ns += used.system_ns
        if self.counter:
            found.instructions = self.counter.read()
        found.at_ns = (begin_ns + time.perf_counter_ns()) // 2
        return found

    def add(
        self,
        machine: Machine,
        processes: Processes,
        others_ns: int = 0,
        *,
        memory: bool = False,
        step: Callable[[], None] = go_on,
    ) -> None:
        """Add a sample of *processes* on *machine*, where other servers have used *others_ns*.

        The PSS is read every few samples, or if *memory* is asked for. Calls *step* after each
        process and each thread that was looked at.
        """
        memory = memory or len(self.samples) % MEMORY_EVERY == 2  # not in the first moments
        begin_ns = time.perf_counter_ns()
        peak = 0
        seen: dict[int, tuple[int, ...]] = {}
        for pid in processes.pids:
            peak = max(peak, value_of(read_text(f"{self.proc}/{pid}/status"), "VmHWM") * 1024)
            seen |= self.thread_counters(pid, step)
        voluntary, involuntary, delay = self.threads.add(seen)
        threads_at_ns = (begin_ns + time.perf_counter_ns()) // 2
        drops, queue = listener_state(self.listener)
        counters = Counters(
            at_ns=processes.at_ns,
            threads_at_ns=threads_at_ns,
            cpu_ns=processes.cpu_ns,
            others_ns=others_ns,
            user_ns=processes.user_ns,
            system_ns=processes.system_ns,
            instructions=processes.instructions,
            voluntary=voluntary,
            involuntary=involuntary,
            run_queue_ns=delay,
            overflows=machine.overflows,
            drops=drops,
            busy_ns=machine.busy_ns,
            steal_ns=machine.steal_ns,
        )
        levels = Levels(
            processes=len(processes.pids),
            threads=processes.threads,
            peak_bytes=peak,
            pss_bytes=self.pss(processes.pids, step) if memory else 0,
            accept_queue=queue,
            time_wait=machine.time_wait,
        )
        self.samples.append(Sample(counters, levels))

    def thread_counters(
        self, pid: int, step: Callable[[], None] = go_on
    ) -> dict[int, tuple[int, ...]]:
        """Return switches and run-queue delay of each thread of *pid* that is there."""
        folder = f"{self.proc}/{pid}/task"
        found: dict[int, tuple[int, ...]] = {}
        try:
            names = os.listdir(folder)
        except OSError:  # it has just ended
            return {}
        for name in names:
            status = read_text(f"{folder}/{name}/status")
            if status:
                delay = run_queue_ns(read_text(f"{folder}/{name}/schedstat"))
                found[int(name)] = (*switches(status), delay)
            step()
        return found

    def pss(self, pids: list[int], step: Callable[[], None] = go_on) -> int:
        """Return the PSS of all *pids* together."""
        asked = pids[:MOST_PSS]
        total = 0
        for pid in asked:
            total += value_of(read_text(f"{self.proc}/{pid}/smaps_rollup"), "Pss") * 1024
            step()
        return round(total / max(len(asked), 1) * len(pids))


def take_samples(
    samplers: Sequence[Sampler],
    cores: Sequence[int] = (),
    *,
    thorough: bool = False,
    step: Callable[[], None] = go_on,
) -> None:
    """Let each of *samplers* take a sample of its server, and of *cores*, which all of them share.

    Every few times, and if it is to be *thorough*, orphans are searched for and memory is looked
    at. What is done at once is short, and *step* is called between.
    """
    families = [sampler.family for sampler in samplers]
    if thorough or len(samplers[0].samples) % SEARCH_EVERY == 0:
        search(families, step)
    step()
    machine = Machine.now(cores, samplers[0].proc)
    step()
    found = [sampler.processes(step) for sampler in samplers]
    together_ns = sum(processes.cpu_ns for processes in found)
    for sampler, processes in zip(samplers, found, strict=True):
        others_ns = together_ns - processes.cpu_ns
        sampler.add(machine, processes, others_ns, memory=thorough, step=step)
