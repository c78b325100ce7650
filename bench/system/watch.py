"""Watch servers while they are measured, from a thread that takes little and waits its turn.

Sampling costs CPU that somebody else does not get, so it is done at most ten times a second, takes
no more than a twentieth of one core, and runs beside the driver and not beside the servers. What it
takes, it takes in small pieces, with pauses in which whoever waits for the core has it: a request
that is due meanwhile leaves a fraction of a millisecond late, at the most. Its scheduling class and
its nice value say the same to the kernel. Where the core is full, it so gets about a tenth of it,
which is twice what it needs, and its samples come late; each has its own time stamp, so that no
figure depends on that. Less than that (SCHED_IDLE) would be too little: whoever holds a lock while
it waits for the core has others wait as well, and the kernel locks the memory of a server while it
adds up its pages.
"""

import os
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from calcbench.bench.system.cpus import pin
from calcbench.bench.system.procfs import TELLS_PROCESSES
from calcbench.bench.system.sampler import Sampler, take_samples

INTERVAL_S = 0.1  # between two samples, at least
COST_RATIO = 0.05  # of one core that sampling may take, at most
PIECE_NS = 200_000  # of CPU, after which there is a pause; one step more may be as much
PAUSE_S = 0.001
SCHED_BATCH = 3  # of Linux, which alone has it
NICE = 10  # a tenth of the weight of others; see sched(7)


class Pace:
    """Rests after each piece of work of this thread."""

    def __init__(self) -> None:
        self.began_ns = time.thread_time_ns()

    def step(self) -> None:
        """Rest, if enough has been done since the last time."""
        if time.thread_time_ns() - self.began_ns >= PIECE_NS:
            time.sleep(PAUSE_S)
            self.began_ns = time.thread_time_ns()


def step_back() -> None:
    """Have this thread run when nobody else wants to; where that is forbidden, as everybody."""
    with suppress(OSError):
        if hasattr(os, "sched_setscheduler"):
            os.sched_setscheduler(0, SCHED_BATCH, os.sched_param(0))
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)


class Sampling:
    """Has *samplers* take samples of their servers, for as long as the ``with`` block lasts.

    That is done in a thread of ours, on the cores *on*; *cores* are those that are watched.
    """

    def __init__(
        self,
        samplers: Sequence[Sampler],
        cores: Sequence[int] = (),
        interval_s: float = INTERVAL_S,
        on: Sequence[int] = (),
    ) -> None:
        self.samplers = samplers
        self.cores = cores
        self.interval_s = max(interval_s, INTERVAL_S)
        self.on = on
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run, name="sampler", daemon=True)

    def run(self) -> None:
        """Take samples now and then, until it is over."""
        if not TELLS_PROCESSES:
            return
        if self.on:
            with suppress(OSError):  # a core has just been taken from us
                pin(self.on)  # of this thread alone
        step_back()
        while not self.over.is_set():
            begin = time.thread_time()
            with suppress(OSError):  # no descriptor left: the next time there may be one
                take_samples(self.samplers, self.cores, step=Pace().step)
            cost_s = time.thread_time() - begin
            self.over.wait(max(self.interval_s, cost_s / COST_RATIO))

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.over.set()
        self.thread.join()
        if kind is None and TELLS_PROCESSES:
            with suppress(OSError):
                take_samples(self.samplers, self.cores, thorough=True)
