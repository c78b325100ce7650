"""Cores: which there are, and who runs on which."""

import contextlib
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from calcbench.bench.system.procfs import read_text

CAN_PIN = hasattr(os, "sched_setaffinity")


@dataclass(frozen=True)
class Pinning:
    """The cores of the server and of the driver; both empty where nobody is pinned.

    *note* says what a reader of the result must know about it, and may be empty.
    """

    server: tuple[int, ...] = ()
    driver: tuple[int, ...] = ()
    note: str = ""


def usable_cores() -> list[int]:
    """Return the numbers of the cores that we may use; where no system tells, of all there are."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def pin(cores: Collection[int], pid: int = 0) -> None:
    """Have the thread *pid*, 0: the calling one, run on *cores* alone; () changes nothing.

    Raises OSError where a core is not ours to use.
    """
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(pid, cores)


def choose_cores() -> Pinning:
    """Return one core for the server and another for the driver, out of those we may use."""
    cores = usable_cores()
    if not CAN_PIN:
        return Pinning(note="server and driver are not pinned: this system does not offer it")
    if len(cores) < 2:
        return Pinning(note="one core only: server and driver share it and are not pinned")
    server = cores[-1]  # the first core is where most machines handle their interrupts
    apart = [core for core in cores[:-1] if core not in siblings(server)]
    if apart:
        return Pinning((server,), (apart[0],))
    note = "server and driver are pinned to two hardware threads of one core"
    return Pinning((server,), (cores[0],), note)


def shared_cores(drivers: int, pinning: Pinning, cores: int) -> str:
    """Say what *drivers* on this machine share with one another or with a server; or nothing.

    *cores* are those that we may use, of which *pinning* has taken some or none.
    """
    found = [pinning.note] if pinning.note else []
    if len(pinning.driver) < drivers and pinning.driver:
        found.append(
            f"{drivers:,} drivers share core {pinning.driver[0]}: together they make no more load"
            " than one"
        )
    elif not pinning.driver and drivers >= cores and not found:
        taken = "the only core is the driver's too" if cores == 1 else f"{drivers:,} drivers fill"
        taken += "" if cores == 1 else f" the {cores:,} cores"
        found.append(f"{taken}: a server on this machine has none to itself")
    return "; ".join(found)


def siblings(core: int) -> set[int]:
    """Return the hardware threads that share a physical core with *core*, itself included."""
    path = Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list")
    found = {core}
    for part in filter(None, read_text(path).split(",")):  # not every kernel tells
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


@contextlib.contextmanager
def on_cores(cores: tuple[int, ...]) -> Iterator[None]:
    """Run what is in the ``with`` block on *cores*; () changes nothing."""
    before = usable_cores()
    pin(cores)
    try:
        yield
    finally:
        pin(before)
