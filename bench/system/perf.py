"""Count events of the processor in all processes of a server, where the kernel lets us.

That is perf_event_open(2). A counter that a thread has opened is handed on to every process that it
starts, to theirs, and to all their threads: one descriptor counts them all, and costs a few
instructions at each switch of context. Instructions for each request do not depend on the clock
rate, on the caches or on who else uses the machine, so they differ less from round to round than
CPU time does.
"""

import ctypes
import errno
import functools
import os
import platform
import struct
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Self, TypeVar

T = TypeVar("T")

# The numbers of the call, by processor; syscalls(2) has no name for it in the C library.
CALLS = {"x86_64": 298, "aarch64": 241, "riscv64": 241, "ppc64le": 319, "i686": 336, "armv7l": 364}
HARDWARE, SOFTWARE = 0, 1  # types of events
# struct perf_event_attr in its first version: type, size, config, period, sample type, read
# format, flags, wake-up, breakpoint type, config1.
ATTRIBUTES = struct.Struct("=IIQQQQQIIQ")
TOTAL_TIMES = 1 | 2  # the read format: for how long it was enabled, and for how long it counted
READING = struct.Struct("=QQQ")  # the count, and these two
DISABLED, INHERIT, EXCLUDE_KERNEL, ENABLE_ON_EXEC = 1 << 0, 1 << 1, 1 << 5, 1 << 12
CLOSE_ON_EXEC = 8  # a flag of the call
THIS_THREAD, ANY_CORE, NO_GROUP = 0, -1, -1
FORBIDDEN = (errno.EACCES, errno.EPERM)
WITH_KERNEL, USER_ONLY = "user and kernel", "user"


@dataclass(frozen=True)
class Event:
    """What is counted, as the kernel has it."""

    kind: int
    number: int


INSTRUCTIONS = Event(HARDWARE, 1)
TASK_CLOCK = Event(SOFTWARE, 1)  # nanoseconds of CPU, which every machine can count


class EventCounter:
    """Counts one event *of* ``user and kernel`` or of ``user`` code alone.

    Leaving its ``with`` block ends it.
    """

    def __init__(self, fd: int, of: str) -> None:
        self.fd, self.of = fd, of

    def read(self) -> int:
        """Return how many there have been until now, in all processes together.

        Where a processor had to count other things too, this is what its share lets expect.
        """
        values = READING.unpack(os.read(self.fd, READING.size))
        count, enabled, counting = map(int, values)
        return count if counting in (0, enabled) else count * enabled // counting

    def close(self) -> None:
        """Count no longer."""
        os.close(self.fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_counter(event: Event = INSTRUCTIONS) -> EventCounter:
    """Return a counter of *event* in the processes that this thread starts from now on.

    It begins with the program that each of them executes. Without the kernel's part where that is
    forbidden. Raises OSError where nothing can be counted.
    """
    try:
        return EventCounter(open_event(event, 0), WITH_KERNEL)
    except OSError as error:
        if error.errno not in FORBIDDEN:
            raise
    return EventCounter(open_event(event, EXCLUDE_KERNEL), USER_ONLY)


def open_event(event: Event, flags: int) -> int:
    """Return a descriptor of a counter of *event* with some more *flags*; raises OSError."""
    number = CALLS.get(platform.machine()) if sys.platform == "linux" else None
    if number is None or sys.byteorder != "little":  # the flags are bit fields
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    flags |= DISABLED | INHERIT | ENABLE_ON_EXEC
    attributes = ATTRIBUTES.pack(
        event.kind, ATTRIBUTES.size, event.number, 0, 0, TOTAL_TIMES, flags, 0, 0, 0
    )
    flags_of_call = ctypes.c_ulong(CLOSE_ON_EXEC)
    fd: int = library().syscall(number, attributes, THIS_THREAD, ANY_CORE, NO_GROUP, flags_of_call)
    if fd < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return fd


@functools.cache
def library() -> ctypes.CDLL:
    """Return the C library."""
    return ctypes.CDLL(None, use_errno=True)


def countable(event: Event = INSTRUCTIONS) -> tuple[str, int]:
    """Return of what code *event* can be counted, and the error (errno(3)) where of none, or 0."""
    try:
        with open_counter(event) as counter:
            return counter.of, 0
    except OSError as error:
        return "", error.errno or errno.EIO


@contextmanager
def counted(
    start: Callable[[], AbstractContextManager[T]], event: Event = INSTRUCTIONS
) -> Iterator[tuple[T, EventCounter | None]]:
    """Enter what *start* returns, with a counter of *event* in all processes that *start* starts.

    None for the counter where nothing can be counted. Otherwise *start* is called in a thread that
    ends then: what we start later is somebody else's, and would be counted too.
    """
    if not countable(event)[0]:
        with start() as started:
            yield started, None
        return

    def in_thread() -> tuple[EventCounter, AbstractContextManager[T]]:
        counter = open_counter(event)
        try:
            return counter, start()
        except BaseException:
            counter.close()
            raise

    with ThreadPoolExecutor(1, "start") as executor:
        counter, starting = executor.submit(in_thread).result()
    with counter, starting as started:
        yield started, counter
