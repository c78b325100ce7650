"""What each thread of a server is doing, by the place in the kernel where it waits (Linux).

``/proc/<pid>/task/<thread>/wchan`` names the kernel's function in which a thread sleeps. That tells
a thread that waits for one client from one that waits for whoever speaks first.
"""

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from calcbench.bench.system.procfs import PROC, read_text, stat_fields

MOST = 2_000  # threads that are looked at; of more, nothing is told
RUNNING = b"R"


class Doing(Enum):
    """What a thread is doing, as far as the kernel knows."""

    ACCEPTS = "waits for a new client"
    WAITS_FOR_ONE = "waits for one client"
    WAITS_FOR_ANY = "waits for whoever speaks first"
    WAITS_FOR_WORK = "waits for work, or for a lock"
    SLEEPS = "sleeps"
    RUNS = "runs"
    UNKNOWN = "waits"


# Parts of the names of functions, of kernels from 4.x on; the first that fits counts.
PLACES = (
    ("accept", Doing.ACCEPTS),
    ("epoll", Doing.WAITS_FOR_ANY),
    ("ep_poll", Doing.WAITS_FOR_ANY),
    ("select", Doing.WAITS_FOR_ANY),
    ("poll", Doing.WAITS_FOR_ONE),
    ("wait_woken", Doing.WAITS_FOR_ONE),  # recv or send of TCP that blocks
    ("sk_wait", Doing.WAITS_FOR_ONE),
    ("sk_stream_wait", Doing.WAITS_FOR_ONE),
    ("futex", Doing.WAITS_FOR_WORK),
    ("nanosleep", Doing.SLEEPS),
)


@dataclass(frozen=True)
class ThreadState:
    """A thread of a process by the kernel's numbers, and what it is *doing*."""

    pid: int
    number: int
    doing: Doing


def threads_of(pids: Iterable[int], proc: Path = PROC) -> list[ThreadState] | None:
    """Return the threads of the processes *pids*, in the order of their numbers.

    None where the kernel does not tell, or where there are too many to look at each.
    """
    if sys.platform != "linux":
        return None
    found: list[ThreadState] = []
    for pid in pids:
        folder = proc / str(pid) / "task"
        try:
            numbers = sorted(int(name) for name in os.listdir(folder))
        except OSError:  # it has just ended
            continue
        if len(found) + len(numbers) > MOST:
            return None
        found += [ThreadState(pid, number, doing(folder / str(number))) for number in numbers]
    return found


def doing(folder: Path) -> Doing:
    """Return what the thread in *folder* of /proc is doing."""
    place = read_text(folder / "wchan")
    for part, what in PLACES:
        if part in place:
            return what
    if place in ("", "0"):  # it does not sleep, or we may not know where
        stat = read_text(folder / "stat").encode()
        return Doing.RUNS if stat and stat_fields(stat)[0] == RUNNING else Doing.UNKNOWN
    return Doing.UNKNOWN
