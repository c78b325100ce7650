"""Cores: who runs on which, and how much time of theirs a server spent."""

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
# Fields of /proc/<pid>/stat, counted from the state behind the name (proc(5) counts from 1, with
# the state as 3): the name may hold spaces and brackets, so we count from the last bracket.
PGRP, UTIME, STIME, CUTIME, CSTIME = 2, 11, 12, 13, 14


@dataclass(frozen=True)
class Pinning:
    """The cores of the server and of the driver; both empty where nobody is pinned.

    *note* says what a reader of the result must know about it, and may be empty.
    """

    server: tuple[int, ...] = ()
    driver: tuple[int, ...] = ()
    note: str = ""


def choose_cores() -> Pinning:
    """Return one core for the server and another for the driver, out of those we may use."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        return Pinning(note="one core only: server and driver share it and are not pinned")
    server = cores[-1]  # the first core is where most machines handle their interrupts
    apart = [core for core in cores[:-1] if core not in siblings(server)]
    if apart:
        return Pinning((server,), (apart[0],))
    note = "server and driver are pinned to two hardware threads of one core"
    return Pinning((server,), (cores[0],), note)


def siblings(core: int) -> set[int]:
    """Return the hardware threads that share a physical core with *core*, itself included."""
    path = Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list")
    try:
        text = path.read_text()
    except OSError:  # a kernel or a container that does not tell
        return {core}
    found = {core}
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


def group_cpu_ns(group: int) -> int:
    """Return the nanoseconds of CPU that the process group *group* has used until now.

    Counts user and system time of all its processes and of the children that they have reaped.
    Exact for the living; what the reaped used comes in ticks of the kernel (mostly 10 ms).
    """
    total = 0
    for entry in PROC.iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            stat = (entry / "stat").read_bytes()
        except OSError:  # it has just ended: its parent's account has it now
            continue
        fields = stat[stat.rindex(b")") + 2 :].split()
        if int(fields[PGRP]) == group:
            own = int(fields[UTIME]) + int(fields[STIME])
            total += cpu_clock_ns(int(entry.name), own * TICK_NS)
            total += (int(fields[CUTIME]) + int(fields[CSTIME])) * TICK_NS
    return total


def cpu_clock_ns(pid: int, otherwise: int) -> int:
    """Return the CPU time of all threads of *pid*, or *otherwise* where its clock is gone."""
    try:
        return time.clock_gettime_ns((~pid << 3) | 2)  # clock_getcpuclockid(3), as Linux does it
    except OSError:
        return otherwise


@contextlib.contextmanager
def on_cores(cores: tuple[int, ...]) -> Iterator[None]:
    """Run what is in the ``with`` block on *cores*; () changes nothing."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
