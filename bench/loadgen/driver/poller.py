"""What a driver's loop waits in: the epoll of Linux, the kqueue of BSD and macOS.

Both tell in one call which of many sockets are ready, wait for less than a millisecond, and can
themselves be waited for.
"""

import errno
import select
from contextlib import suppress
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector
from socket import socket
from typing import Protocol

if hasattr(select, "epoll"):
    READABLE, WRITABLE = 1, 4  # EPOLLIN and EPOLLOUT, epoll_ctl(2)
    FORGETS_CLOSED = True  # a socket that is closed is not to be unregistered before
else:  # or where gevent took it away, and Locust's worker imports us behind that
    READABLE, WRITABLE = EVENT_READ, EVENT_WRITE
    FORGETS_CLOSED = False


class Poller(Protocol):
    """The methods of `select.epoll` that are used here; *events* are READABLE, WRITABLE or both."""

    def register(self, fd: int | socket, events: int, /) -> None:
        """Watch *fd* for *events*."""
        ...

    def modify(self, fd: int | socket, events: int, /) -> None:
        """Watch *fd*, which is watched, for *events* from now on."""
        ...

    def unregister(self, fd: int | socket, /) -> None:
        """Watch *fd* no longer."""
        ...

    def poll(self, timeout: float | None = None, maxevents: int = -1) -> list[tuple[int, int]]:
        """Return descriptors that are ready, each with its events; wait *timeout* seconds."""
        ...

    def fileno(self) -> int:
        """Return a descriptor that is readable while one of those that are watched is ready."""
        ...


class SelectorPoller:
    """The same by the selector of the system, which for BSD and macOS is a kqueue.

    Raises OSError where it cannot itself be waited for.
    """

    def __init__(self) -> None:
        self.selector = DefaultSelector()
        if not hasattr(self.selector, "fileno"):
            raise OSError(errno.ENOSYS, "the driver needs epoll or kqueue, which are missing here")
        self.fileno = self.selector.fileno

    def register(self, fd: int | socket, events: int, /) -> None:
        """Watch *fd* for *events*; for none of them, an epoll would still tell of errors."""
        if events:
            self.selector.register(fd, events)

    def modify(self, fd: int | socket, events: int, /) -> None:
        """Watch *fd*, which is watched, for *events* from now on."""
        self.selector.modify(fd, events)

    def unregister(self, fd: int | socket, /) -> None:
        """Watch *fd* no longer, if it is watched."""
        with suppress(KeyError):
            self.selector.unregister(fd)

    def poll(self, timeout: float | None = None, maxevents: int = -1) -> list[tuple[int, int]]:
        """Return descriptors that are ready, each with its events; wait *timeout* seconds."""
        del maxevents  # all that are ready: the loop never asks for fewer
        return [(key.fd, events) for key, events in self.selector.select(timeout)]


def make_poller() -> Poller:
    """Return what this system has; raises OSError where it has neither."""
    return select.epoll() if hasattr(select, "epoll") else SelectorPoller()
