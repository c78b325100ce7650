"""What the processes of a server hold and do, as far as this system tells.

By /proc alone: elsewhere nothing is known, and the rules that need it cannot judge.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from calcbench.bench.system.procfs import (
    PROC,
    STIME,
    TICK_NS,
    UTIME,
    Family,
    read_text,
    run_queue_ns,
    search,
    switches,
)

LISTENING, ESTABLISHED = "0A", "01"  # in /proc/net/tcp
IN_USE = "/proc/net/tcp", "/proc/net/tcp6"


@dataclass(frozen=True)
class Activity:
    """What a server has done until now: nanoseconds of CPU, of waiting for a core, and wake-ups."""

    cpu_ns: int
    ready_ns: int
    wake_ups: int


@dataclass(frozen=True)
class Connection:
    """A line of /proc/net/tcp: ports, state, and the inode of the socket, 0 if nobody has it."""

    local: int
    remote: int
    state: str
    inode: int


class Processes:
    """The first process of a server and all that it has started."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.family = Family(pid)

    def there(self) -> bool:
        """Tell whether the server lives, and we may look at what it holds."""
        return os.access(PROC / str(self.pid) / "fd", os.R_OK)

    def members(self) -> dict[int, str]:
        """Return the state of each process by its id; ``Z`` is a zombie."""
        search([self.family])  # orphans of its process group, too
        return {pid: fields[0].decode() for pid, fields in self.family.members()}

    def alive(self) -> list[int]:
        """Return the processes that have not ended."""
        return [pid for pid, state in self.members().items() if state not in "ZX"]

    def zombies(self) -> int:
        """Return how many children have ended and were not waited for."""
        return sum(state == "Z" for state in self.members().values())

    def descriptors(self) -> int:
        """Return how many descriptors all of them have open."""
        return sum(len(descriptors_of(pid)) for pid in self.alive())

    def threads(self) -> int:
        """Return how many threads all of them have."""
        return sum(len(tasks_of(pid)) for pid in self.alive())

    def activity(self) -> Activity:
        """Return what they have done until now."""
        cpu, ready, wake_ups = 0, 0, 0
        for pid, fields in list(self.family.members()):
            cpu += (int(fields[UTIME]) + int(fields[STIME])) * TICK_NS
            for task in tasks_of(pid):
                folder = f"{PROC}/{pid}/task/{task}"
                ready += run_queue_ns(read_text(f"{folder}/schedstat"))
                wake_ups += switches(read_text(f"{folder}/status"))[0]
        return Activity(cpu, ready, wake_ups)


def descriptors_of(pid: int) -> list[str]:
    """Return the descriptors that *pid* has open; none if it has ended."""
    with suppress(OSError):
        return os.listdir(PROC / str(pid) / "fd")
    return []


def tasks_of(pid: int) -> list[str]:
    """Return the threads of *pid*; none if it has ended."""
    with suppress(OSError):
        return os.listdir(PROC / str(pid) / "task")
    return []


def connections() -> Iterator[Connection]:
    """Yield every TCP connection of this machine, and every listener."""
    for table in IN_USE:
        for line in read_text(table).splitlines()[1:]:
            words = line.split()
            yield Connection(
                int(words[1].rpartition(":")[2], 16),
                int(words[2].rpartition(":")[2], 16),
                words[3],
                int(words[9]),
            )


def is_accepted(client: socket.socket) -> bool:
    """Tell whether the server has accepted *client*: somebody has the other end."""
    here, there = client.getsockname()[1], client.getpeername()[1]
    return any(
        (one.local, one.remote, one.state) == (there, here, ESTABLISHED) and one.inode > 0
        for one in connections()
    )


def listener_on(port: int) -> int | None:
    """Return the process that listens on *port* of this machine, the first of its family.

    None where no process of ours does, or the system does not tell.
    """
    inodes = {one.inode for one in connections() if (one.state, one.local) == (LISTENING, port)}
    sockets = {f"socket:[{inode}]" for inode in inodes}
    found = [int(name.name) for name in PROC.glob("[0-9]*") if holds(name, sockets)]
    return min(found) if found else None


def holds(process: Path, sockets: set[str]) -> bool:
    """Tell whether *process*, a folder of /proc, has one of *sockets* open."""
    with suppress(OSError):
        for descriptor in (process / "fd").iterdir():
            with suppress(OSError):
                if str(descriptor.readlink()) in sockets:
                    return True
    return False
