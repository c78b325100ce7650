"""A clock that rings to the microsecond in gevent's loop, which sleeps whole milliseconds."""

import ctypes
import os
import struct
from collections.abc import Callable

import gevent

# timerfd_create(2); Python has it from 3.13 on.
MONOTONIC, ABSOLUTE = 1, 1
LIBC = ctypes.CDLL(None, use_errno=True)
TIME = struct.Struct("=qqqq")  # an interval, for which there is none, and a moment: s, ns, s, ns
READABLE = 1  # of gevent's watchers


class Alarm:
    """Calls *ring*, in gevent's hub, at the moment that was `set` last."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self.fd = LIBC.timerfd_create(MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self.fd < 0:
            raise OSError(ctypes.get_errno(), "no timer")
        self.ring = ring
        self.watcher = gevent.get_hub().loop.io(self.fd, READABLE)
        self.watcher.start(self.on_readable)

    def set(self, moment_ns: int) -> None:
        """Ring at *moment_ns* of `time.perf_counter_ns`, the same clock; at once if it is past."""
        moment = TIME.pack(0, 0, *divmod(max(moment_ns, 1), 1_000_000_000))  # 0 would disarm it
        LIBC.timerfd_settime(self.fd, ABSOLUTE, moment, None)

    def on_readable(self) -> None:
        """Take note that the time has come."""
        try:
            os.read(self.fd, 8)
        except BlockingIOError:  # it has been set anew meanwhile
            return
        self.ring()

    def close(self) -> None:
        """Ring no more."""
        self.watcher.stop()
        self.watcher.close()
        os.close(self.fd)
