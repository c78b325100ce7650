"""The stop signal: a message that is never taken.

A flag would have to be looked at, and whoever sits in a blocking call does not look. A message
that stays in a socket pair is readable for ever and for everybody: each thread and each forked
child can wait for it beside whatever else it waits for. When the launcher dies without a
word, its end closes, and that makes this end readable too.

The message says when the stop was asked for. So everybody who peeks at it has the same deadline,
however late it comes to look. Where there is no message, since a signal has asked, the moment is
kept in memory that a server shares with its children.
"""

import os
import select
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from mmap import mmap
from socket import MSG_DONTWAIT, MSG_PEEK, SHUT_RD, socket
from time import monotonic

from calcbench.core.http.limits import Policy

STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)  # what asks a server itself to stop
MESSAGE_SIZE = 32  # bytes, at most: a number of seconds


class Stop:
    """The server's end of the pair; pass it to `select`, `poll` or a selector as it is.

    Clients have *drain_s* seconds from the stop for what they have begun.
    """

    def __init__(self, sock: socket, drain_s: float = Policy.drain_timeout) -> None:
        self.sock = sock
        self.drain_s = drain_s
        self.asked = memoryview(mmap(-1, 8)).cast("d")  # when, once that is known; 0 before

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

    @property
    def deadline(self) -> float:
        """The moment at which clients must have done their part, by `time.monotonic`.

        There is one only when the stop is set.
        """
        if not self.asked[0]:
            self.asked[0] = asked_at(self.sock)
        return self.asked[0] + self.drain_s

    def is_over(self) -> bool:
        """Tell whether that moment has passed; to be asked only when the stop is set."""
        return monotonic() > self.deadline

    def set(self) -> None:
        """Set it from within the server, now, unless the launcher has; a second time does nothing.

        Afterwards it is as if the launcher had: it is readable in every thread and child.
        """
        self.asked[0] = self.asked[0] or asked_at(self.sock)
        with suppress(OSError):
            self.sock.shutdown(SHUT_RD)


def ask(sock: socket) -> None:
    """Write the stop signal to *sock*, the launcher's end of the pair; only the first counts."""
    sock.send(f"{monotonic():.6f}\n".encode())


def asked_at(sock: socket) -> float:
    """Return when the stop was asked for; now, where nobody has said (the launcher is gone)."""
    with suppress(OSError, ValueError):
        return float(sock.recv(MESSAGE_SIZE, MSG_PEEK | MSG_DONTWAIT).partition(b"\n")[0])
    return monotonic()


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
