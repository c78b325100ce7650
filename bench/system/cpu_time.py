"""The CPU time that processes have used: exact where their clocks can be read, else in ticks."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from calcbench.bench.system.procfs import (
    CSTIME,
    CUTIME,
    STIME,
    TELLS_PROCESSES,
    TICK_NS,
    UTIME,
    Family,
    search,
)


@dataclass(frozen=True)
class CpuTime:
    """Nanoseconds of CPU; *user_ns* and *system_ns* come in ticks and need not add up to *ns*."""

    ns: int
    user_ns: int
    system_ns: int


def process_cpu_time(pid: int, stat: Sequence[bytes]) -> CpuTime:
    """Return what the process *pid* has used, with the children that it has reaped.

    *stat* are the fields of its `calcbench.bench.system.procfs.stat_fields`. Exact for the process
    itself; what the reaped used comes in ticks of the kernel (mostly 10 ms).
    """
    user, system, reaped_user, reaped_system = (
        int(stat[place]) * TICK_NS for place in (UTIME, STIME, CUTIME, CSTIME)
    )
    reaped = reaped_user + reaped_system
    return CpuTime(
        cpu_clock_ns(pid, user + system) + reaped, user + reaped_user, system + reaped_system
    )


def cpu_clock_ns(pid: int, otherwise: int) -> int:
    """Return the CPU time of all threads of *pid*, or *otherwise* where its clock is gone."""
    try:
        return time.clock_gettime_ns((~pid << 3) | 2)  # clock_getcpuclockid(3), as Linux does it
    except OSError:
        return otherwise


class ServerClock:
    """Tells the CPU time of a server, and of all the processes that it has started.

    A reading looks at these alone, and not at all that the machine has.
    """

    def __init__(self, group: int) -> None:
        self.family = Family(group) if group and TELLS_PROCESSES else None
        self.look_around()

    def look_around(self) -> None:
        """Look for processes of the server whose parents have ended, among all there are.

        That takes milliseconds where there are many, so nothing should be measured meanwhile.
        """
        if self.family:
            search([self.family])

    def read(self) -> int:
        """Return the nanoseconds of CPU that the server has used; 0 where nobody tells."""
        members = self.family.members() if self.family else ()
        return sum(process_cpu_time(pid, stat).ns for pid, stat in members)
