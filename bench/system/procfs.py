"""Read /proc, and what a listening socket tells."""

import itertools
import os
import socket
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

SO_MEMINFO, DROPS = 55, 8  # socket(7), and the place of SK_MEMINFO_DROPS in what it returns
UNACKED = 24  # bytes into tcp_info: for a listener, how many wait to be accepted
PROC = Path("/proc")
TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")  # in which the kernel tells times there
# Fields of /proc/<pid>/stat, counted from the state behind the name (proc(5) counts from 1, with
# the state as 3): the name may hold spaces and brackets, so we count from the last bracket.
PGRP, UTIME, STIME, CUTIME, CSTIME, THREADS, STARTED = 2, 11, 12, 13, 14, 17, 19


def stat_fields(stat: bytes) -> list[bytes]:
    """Return the fields of ``/proc/<pid>/stat`` behind the name, which may hold anything."""
    return stat[stat.rindex(b")") + 2 :].split()


def value_of(status: str, name: str) -> int:
    """Return the number behind *name* in a text like ``/proc/<pid>/status``, or 0."""
    _, found, rest = f"\n{status}".partition(f"\n{name}:")
    return int(rest.split(None, 1)[0]) if found else 0


def switches(status: str) -> tuple[int, int]:
    """Return the voluntary and involuntary context switches in a thread's ``status``."""
    return value_of(status, "voluntary_ctxt_switches"), value_of(
        status, "nonvoluntary_ctxt_switches"
    )


def run_queue_ns(schedstat: str) -> int:
    """Return how long a thread was ready to run and did not, from its ``schedstat``."""
    fields = schedstat.split()
    return int(fields[1]) if len(fields) == 3 else 0


def own_run_delay_ns() -> int:
    """Return for how long this process has been ready to run while another one had the core."""
    return run_queue_ns(read_text(PROC / "self/schedstat"))


def net_counter(netstat: str, group: str, name: str) -> int:
    """Return one counter of ``/proc/net/netstat``: a line of names, then one of numbers."""
    lines = [line.split() for line in netstat.splitlines() if line.startswith(f"{group}:")]
    for names, numbers in zip(lines[::2], lines[1::2], strict=False):
        if name in names:
            return int(numbers[names.index(name)])
    return 0


def time_wait(sockstat: str) -> int:
    """Return the connections in TIME_WAIT, from ``/proc/net/sockstat``."""
    for line in sockstat.splitlines():
        words = line.split()
        if words[:1] == ["TCP:"] and "tw" in words:
            return int(words[words.index("tw") + 1])
    return 0


def core_times(stat: str, cores: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the busy and the stolen nanoseconds of each of *cores*, from ``/proc/stat``.

    Busy is user, nice and system. Interrupts are left out: on loopback they are the network, and
    whether the kernel charges their time to a process too depends on how it was built.
    """
    cpus = itertools.takewhile(lambda line: line.startswith("cpu"), stat.splitlines())
    ticks = {name: [int(word) for word in words] for name, *words in map(str.split, cpus)}
    rows = [ticks.get(f"cpu{core}", [0] * 8) for core in cores]
    busy = tuple((row[0] + row[1] + row[2]) * TICK_NS for row in rows)
    return busy, tuple((row[7] if len(row) > 7 else 0) * TICK_NS for row in rows)


def read_text(path: Path | str) -> str:
    """Return the text of *path* without space around it, or nothing if it cannot be read.

    Not every kernel or container has every file, and a process may just have ended.
    """
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123  # a third of what a Path takes
            return file.read().decode(errors="replace").strip()
    except OSError:
        return ""


# Looked up once. On FreeBSD there may be a /proc, but with other files.
TELLS_PROCESSES = bool(read_text(PROC / "self/stat"))
TELLS_DELAYS = bool(read_text(PROC / "self/schedstat"))  # how long threads wait for a core


def cpu_times(stat: str) -> dict[str, int]:
    """Return the ticks of all cores together, by what they went to, from ``/proc/stat``."""
    words = stat.partition("\n")[0].split()[1:]
    names = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
    return dict(zip(names, map(int, words), strict=False))


def listener_state(listener: socket.socket | None) -> tuple[int, int]:
    """Return how many clients *listener* has turned away, and how many wait to be accepted."""
    if listener is None or not hasattr(socket, "TCP_INFO"):
        return 0, 0
    try:
        memory = listener.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 9 * 4)
        info = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    except OSError:  # a kernel without them, or a socket of another family
        return 0, 0
    drops = struct.unpack_from("=I", memory, DROPS * 4)[0] if len(memory) >= 36 else 0
    return drops, struct.unpack_from("=I", info, UNACKED)[0]


def stat_of(pid: int, proc: Path = PROC) -> list[bytes] | None:
    """Return the fields of the ``stat`` of *pid*, None if it has ended."""
    try:
        with open(f"{proc}/{pid}/stat", "rb", buffering=0) as file:  # noqa: PTH123  # as above
            return stat_fields(file.read())
    except OSError:
        return None


def go_on() -> None:
    """Do nothing between two steps; who is at work beside others may rest there."""


def processes(
    proc: Path = PROC, step: Callable[[], None] = go_on
) -> Iterator[tuple[int, list[bytes]]]:
    """Yield each process of the machine, as its id and the fields of its ``stat``.

    Calls *step* after each. One that has just ended is in its parent's account by now.
    """
    for name in os.listdir(proc):
        if name.isdecimal():
            fields = stat_of(int(name), proc)
            if fields:
                yield int(name), fields
            step()


def group_members(
    group: int, proc: Path = PROC, step: Callable[[], None] = go_on
) -> Iterator[tuple[int, list[bytes]]]:
    """Yield those of the `processes` that are in the process group *group*."""
    for pid, fields in processes(proc, step):
        if int(fields[PGRP]) == group:
            yield pid, fields


def children(pid: int, threads: int, proc: Path = PROC) -> list[int]:
    """Return the processes that the *threads* of *pid* have started and that have not ended."""
    folder = f"{proc}/{pid}/task"
    try:
        tasks = [str(pid)] if threads == 1 else os.listdir(folder)
    except OSError:  # it has just ended
        return []
    return [
        int(child) for task in tasks for child in read_text(f"{folder}/{task}/children").split()
    ]


class Family:
    """The processes of a server: the group *group*, and all that its members have started.

    Going down the tree from the first process costs what these processes are, not what the
    machine has. An orphan, whose parent has ended, hangs elsewhere in the tree: it is found because
    it was known before, or else by `search` among all processes, as a member of the group. Where
    the kernel tells no children (it needs CONFIG_PROC_CHILDREN), every look is such a search.
    """

    def __init__(self, group: int, proc: Path = PROC) -> None:
        self.group, self.proc = group, proc
        self.known: dict[int, bytes] = {}  # id → when it started: an id may be used again
        self.has_tree = (proc / f"{group}/task/{group}/children").exists()

    def members(self, step: Callable[[], None] = go_on) -> Iterator[tuple[int, list[bytes]]]:
        """Yield each process that is there, as its id and the fields of its ``stat``.

        Calls *step* after each process that was looked at.
        """
        if not self.has_tree:
            yield from group_members(self.group, self.proc, step)
            return
        seen: dict[int, bytes] = {}
        waiting = [(self.group, self.known.get(self.group)), *self.known.items()]
        for pid, started in waiting:  # which grows
            fields = None if pid in seen else stat_of(pid, self.proc)
            if fields and started in (None, fields[STARTED]):
                seen[pid] = fields[STARTED]
                yield pid, fields
                found = children(pid, int(fields[THREADS]), self.proc)
                waiting += [(child, None) for child in found]
                step()
        self.known = seen


def search(families: Sequence[Family], step: Callable[[], None] = go_on) -> None:
    """Look at every process of the machine for members of *families*, which then know them.

    It calls *step* after each process.
    """
    by_group = {family.group: family for family in families}
    for family in families[:1]:
        for pid, fields in processes(family.proc, step):
            if owner := by_group.get(int(fields[PGRP])):
                owner.known[pid] = fields[STARTED]
