"""Servers under many clients, under faults, and over time; bounded, and on loopback alone.

The exit status is 1 when a requirement is broken, and the last lines name each that is.
"""

import argparse
import os
import resource
from collections.abc import Callable, Sequence
from time import monotonic

from calcbench.bench.names import parse_names
from calcbench.bench.system.machine import describe_machine, python_name
from calcbench.bench.system.program import run_program
from calcbench.core.errors import CalcbenchError
from calcbench.core.serving.catalogue import names
from calcbench.core.serving.launcher import ServerSpec, launch
from soak import aftermath, faults, growth, neighbours, stopping
from soak.outcome import Table, print_broken, print_tables

SPARE = 200  # descriptors that a server or a crowd needs beside those of its clients
KIB_EACH = 64  # of memory for one client, both ends and what the kernel keeps for them
ABOUT = {
    "stop": "time to stop with 1 to 10,000 idle, busy and slow clients",
    "faults": "survivors of handlers that raise, resets, exhaustion, a stall",
    "growth": "descriptors, threads and memory after 20,000 mixed connections",
    "neighbours": "the others' median beside clients who pipeline costly requests",
}


def tables(part: str, strategies: Sequence[str], quick: bool) -> Table:
    """Return the table of *part*, to be measured for *strategies*; a smaller one if *quick*."""
    makers: dict[str, Callable[[], Table]] = {
        "stop": lambda: stopping.table(
            strategies, counts(quick), stopping.QUICK_KINDS if quick else stopping.KINDS
        ),
        "faults": lambda: aftermath.table(strategies, faults.FAULTS[:: 3 if quick else 1]),
        "growth": lambda: growth.table(strategies, 1_000 if quick else growth.CONNECTIONS),
        "neighbours": lambda: neighbours.table(strategies, 0.5 if quick else neighbours.MEASURE_S),
    }
    return makers[part]()


def counts(quick: bool) -> list[int]:
    """Return how many clients there are to be at stops, as far as this machine has room."""
    wanted = stopping.COUNTS[1:2] if quick else stopping.COUNTS
    room = room_for(descriptors(), memory_kib())
    for count in wanted:
        if count > room:
            print(f"left out: {count:,} clients; there is room here for {room:,}")
    return [count for count in wanted if count <= room]


def room_for(descriptors: int, memory_kib: int) -> int:
    """Return how many clients a process can have that may open so many *descriptors*."""
    return min(descriptors - SPARE, memory_kib // KIB_EACH)


def descriptors() -> int:
    """Return how many descriptors a process may have here, now that it may have the most."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def memory_kib() -> int:
    """Return how much memory is free."""
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 1024


def can_run(strategy: str) -> bool:
    """Tell whether *strategy* can be started here; say so if not."""
    try:
        with launch(ServerSpec(strategy)) as server:
            server.stop()
    except CalcbenchError as error:
        print(f"left out: {error}")
        return False
    return True


def run(arguments: Sequence[str] | None = None) -> int:
    """Measure what the command line asks for, print it, and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="soak",
        description=__doc__,
        epilog="parts: " + "; ".join(f"{part}: {about}" for part, about in ABOUT.items()),
    )
    parser.add_argument("--strategy", default="", help="some of them, such as fork,selectors")
    parser.add_argument("--part", default="", help=f"some of {','.join(ABOUT)}")
    parser.add_argument(
        "--quick", action="store_true", help="fewer of everything: a few minutes, not 10 to 20"
    )
    given = parser.parse_args(arguments)
    strategies = parse_names(given.strategy, names(), "strategy") or names()
    parts = parse_names(given.part, ABOUT, "part") or list(ABOUT)
    runnable = [name for name in strategies if can_run(name)]
    machine, began = describe_machine(), monotonic()
    print(
        f"{machine['cpu']}, {machine['usable_cores']} cores, {python_name()};"
        f" {descriptors():,} descriptors for each process; load now: {os.getloadavg()[0]:.1f}"
    )
    broken = print_tables(tables(part, runnable, given.quick) for part in parts)
    print_broken(broken)
    print(f"\nit took {monotonic() - began:.0f} s")
    return 1 if broken else 0


def main() -> None:
    """Run; what goes wrong is one line."""
    run_program("soak", run)


if __name__ == "__main__":
    main()
