"""The stop signal: one byte that is never read.

A flag would have to be looked at, and whoever sits in a blocking call does not look. A byte
that stays in a socket pair is readable for ever and for everybody: each thread and each forked
child can wait for it beside whatever else it waits for. When the launcher dies without a
word, its end closes, and that makes this end readable too.
"""

import os
import select
import signal
import sys
from collections.abc import Callable
from functools import cache
from socket import socket


class Stop:
    """The server's end of the pair; pass it to `select`, `poll` or a selector as it is."""

    def __init__(self, sock: socket) -> None:
        self.sock = sock

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when it is time to stop."""
        return self.sock.fileno()

    def is_set(self) -> bool:
        """Tell whether it is time to stop, without waiting."""
        return self.wait(0)

    def wait(self, seconds: float) -> bool:
        """Wait at most *seconds* for the stop; tell whether it has come."""
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return bool(poll.poll(seconds * 1000))


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when *parent*, its launcher or server, dies.

    The stop socket tells every strategy that keeps to the rules; this is for one that does not.
    """
    if sys.platform == "linux":
        pr_set_pdeathsig = 1  # prctl(2)
        prctl()(pr_set_pdeathsig, signal.SIGKILL)
        if os.getppid() != parent:
            sys.exit("the parent is gone")  # it died before the kernel was asked


@cache
def prctl() -> Callable[[int, int], int]:
    """Return the system call; looked up once, lest each forked child need 0.2 ms for that."""
    import ctypes

    function: Callable[[int, int], int] = ctypes.CDLL(None).prctl
    return function
