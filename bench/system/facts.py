"""What this machine is like that matters for a race: facts, without an opinion."""

import os
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from calcbench.bench.system.cpus import CAN_PIN, siblings, usable_cores
from calcbench.bench.system.missing import missing
from calcbench.bench.system.perf import WITH_KERNEL, countable
from calcbench.bench.system.procfs import TELLS_PROCESSES, cpu_times, read_text, time_wait

WATCH_S = 0.3  # for how long the cores are watched


@dataclass(frozen=True)
class Facts:
    """What was seen; None and empty stand for what this machine does not tell."""

    cores: int
    apart: bool = True  # whether two of them do not share one physical core
    quota_cores: float | None = None  # what the control group may use
    governors: frozenset[str] = frozenset()
    load: float = 0.0
    busy_ratio: float | None = 0.0
    steal_ratio: float | None = 0.0
    files: int = 1_048_576
    files_most: int = 1_048_576
    ports: int | None = None
    reuses_ports: bool = True  # on loopback, of connections in TIME_WAIT
    time_wait: int = 0
    somaxconn: int | None = None
    clock: str = ""
    clock_ns: float = 0.0
    gil: bool = True
    delays_seen: bool = True  # whether the kernel tells how long a thread waits for a core
    counted_of: str = WITH_KERNEL  # of what code instructions can be counted, if of any
    count_error: int = 0  # why not, by errno(3)
    paranoid: int | None = None  # kernel.perf_event_paranoid
    pins: bool = True  # whether a process can be given cores of its own
    processes_seen: bool = True  # whether the kernel tells what a process uses
    missing: tuple[str, ...] = ()  # what results leave out on this system


def read_facts(root: Path = Path("/"), watch_s: float = WATCH_S) -> Facts:
    """Return the facts of this machine, of which *root* is the file system."""
    usable = usable_cores()
    before = cpu_times(read_text(root / "proc/stat"))
    time.sleep(watch_s)
    after = cpu_times(read_text(root / "proc/stat"))
    used = {name: after[name] - before.get(name, 0) for name in after}
    total = sum(used.values())
    idle = used.get("idle", 0) + used.get("iowait", 0)
    steal = used.get("steal", 0)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    low, high = numbers(root, "proc/sys/net/ipv4/ip_local_port_range", 2) or (None, None)
    reuse = numbers(root, "proc/sys/net/ipv4/tcp_tw_reuse", 1)
    backlog = numbers(root, "proc/sys/net/core/somaxconn", 1)
    paranoid = numbers(root, "proc/sys/kernel/perf_event_paranoid", 1)
    counted_of, count_error = countable()
    return Facts(
        cores=len(usable),
        apart=len(usable) < 2 or any(core not in siblings(usable[-1]) for core in usable[:-1]),
        quota_cores=quota(root),
        governors=governors(root, usable),
        load=os.getloadavg()[0],
        busy_ratio=max(total - idle - steal, 0) / total if total else None,
        steal_ratio=steal / total if total else None,
        files=sys.maxsize if soft == resource.RLIM_INFINITY else soft,
        files_most=sys.maxsize if hard == resource.RLIM_INFINITY else hard,
        ports=high - low + 1 if low is not None and high is not None else None,
        reuses_ports=not reuse or reuse[0] > 0,
        time_wait=time_wait(read_text(root / "proc/net/sockstat")),
        somaxconn=backlog[0] if backlog else None,
        clock=read_text(root / "sys/devices/system/clocksource/clocksource0/current_clocksource"),
        clock_ns=clock_cost_ns(),
        gil=getattr(sys, "_is_gil_enabled", lambda: True)(),
        delays_seen=bool(read_text(root / "proc/self/schedstat")),
        counted_of=counted_of,
        count_error=count_error,
        paranoid=paranoid[0] if paranoid else None,
        pins=CAN_PIN,
        processes_seen=TELLS_PROCESSES,
        missing=tuple(missing()),
    )


def numbers(root: Path, path: str, count: int) -> tuple[int, ...]:
    """Return the *count* integers in the file *path*, or none where it holds anything else."""
    words = read_text(root / path).split()
    right = len(words) == count and all(word.lstrip("-").isdecimal() for word in words)
    return tuple(map(int, words)) if right else ()


def quota(root: Path) -> float | None:
    """Return how many cores the control group may use, or None for as many as there are."""
    words = read_text(root / "sys/fs/cgroup/cpu.max").split()  # version 2: quota and period
    if len(words) == 2 and words[0].isdecimal():
        return int(words[0]) / int(words[1])
    allowed = numbers(root, "sys/fs/cgroup/cpu/cpu.cfs_quota_us", 1)  # version 1
    period = numbers(root, "sys/fs/cgroup/cpu/cpu.cfs_period_us", 1)
    return allowed[0] / period[0] if allowed and period and allowed[0] > 0 else None


def governors(root: Path, cores: Sequence[int]) -> frozenset[str]:
    """Return what decides on the frequency of each of *cores*; nothing where nobody tells."""
    paths = [f"sys/devices/system/cpu/cpu{core}/cpufreq/scaling_governor" for core in cores]
    return frozenset(name for path in paths if (name := read_text(root / path)))


def clock_cost_ns(readings: int = 2000) -> float:
    """Return what a reading of the clock costs; the cheapest of some trials."""
    clock = time.perf_counter_ns
    trials = []
    for _ in range(5):
        begin = clock()
        for _ in range(readings):
            clock()
        trials.append((clock() - begin) / readings)
    return round(min(trials), 1)
