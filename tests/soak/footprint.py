"""What a server holds, by /proc: processes, threads, descriptors, memory; and who waits for it."""

from dataclasses import dataclass
from pathlib import Path

from calcbench.bench.system.procfs import PROC, THREADS, group_members, read_text, value_of

ESTABLISHED = "01"  # the states of /proc/net/tcp


@dataclass(frozen=True)
class Footprint:
    """What all processes of a server hold together; memory in KiB, shared pages in parts."""

    processes: int
    threads: int
    descriptors: int
    rss_kib: int
    pss_kib: int


def footprint(group: int) -> Footprint:
    """Return what the processes of the process group *group* hold now."""
    processes = threads = descriptors = rss = pss = 0
    for pid, fields in group_members(group):
        if fields[0] in b"ZX":
            continue  # it has ended, and waits to be reaped
        folder = PROC / str(pid)
        processes += 1
        threads += int(fields[THREADS])
        descriptors += count(folder / "fd")
        memory = read_text(folder / "smaps_rollup")
        rss += value_of(memory, "Rss")
        pss += value_of(memory, "Pss")
    return Footprint(processes, threads, descriptors, rss, pss)


def count(folder: Path) -> int:
    """Return how many entries *folder* has; none where it has just gone."""
    try:
        return sum(1 for _ in folder.iterdir())
    except OSError:
        return 0


def accepted_ports(port: int) -> set[int]:
    """Return the ports of the clients whom the server on *port* of IPv4 has accepted.

    The kernel has connections of its backlog in the same table: they have no inode yet.
    """
    ours, accepted = f":{port:04X}", set()
    for line in read_text(PROC / "net" / "tcp").splitlines()[1:]:
        _, local, remote, state, *_, inode = line.split(maxsplit=10)[:10]
        if state == ESTABLISHED and local.endswith(ours) and inode != "0":
            accepted.add(int(remote.rpartition(":")[2], 16))
    return accepted
