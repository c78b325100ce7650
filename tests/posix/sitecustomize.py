"""Make of this process, and of all that it starts, one that has what POSIX has, and kqueue.

Python loads it at its start where this folder is on PYTHONPATH (`make test-posix`). What Linux
alone has is taken away: names, /proc and /sys. What BSD and macOS do differently is done as they do
it. A kqueue is played on top of an epoll, as far as `selectors` uses one.
"""

import errno
import fcntl
import importlib
import os
import resource
import select
import selectors
import signal
import socket
import sys
import sysconfig
from typing import Any

PREFIXES = {
    select: ("epoll", "EPOLL"),
    os: ("pidfd_", "P_PIDFD", "waitid", "sched_get", "sched_set", "SCHED_", "memfd_", "O_TMPFILE"),
    signal: ("sigtimedwait", "sigwaitinfo", "SIGRT"),
    socket: ("SOCK_NONBLOCK", "SOCK_CLOEXEC", "MSG_NOSIGNAL", "TCP_INFO", "SO_PEERCRED"),
    fcntl: ("F_SETSIG", "F_GETSIG", "F_SETPIPE_SZ", "F_GETPIPE_SZ", "F_ADD_SEALS"),
    errno: ("ENONET", "EREMOTEIO", "EUCLEAN", "ECOMM"),
    resource: ("prlimit",),
}
HIDDEN = ("/proc", "/sys/")

epoll, EPOLLIN, EPOLLOUT = select.epoll, select.EPOLLIN, select.EPOLLOUT
GONE = select.EPOLLHUP | select.EPOLLERR


class Kevent:
    """One filter of one descriptor."""

    def __init__(self, ident: Any, filter: int = -1, flags: int = 1) -> None:
        self.ident = ident if isinstance(ident, int) else ident.fileno()
        self.filter, self.flags = filter, flags


class Kqueue:
    """A kqueue(2) with the filters READ and WRITE."""

    def __init__(self) -> None:
        self.epoll, self.filters = epoll(), dict[int, set[int]]()
        self.fileno, self.close = self.epoll.fileno, self.epoll.close

    def control(self, changes: Any, most: int, timeout: float | None = None) -> list[Kevent]:
        for change in changes or ():
            before = self.filters.get(change.ident, set())
            now = before | {change.filter} if change.flags == 1 else before - {change.filter}
            mask = EPOLLIN * (-1 in now) | EPOLLOUT * (-2 in now)
            if not now:
                self.epoll.unregister(change.ident)
                del self.filters[change.ident]
                continue
            (self.epoll.modify if before else self.epoll.register)(change.ident, mask)
            self.filters[change.ident] = now
        if not most:
            return []
        select.select([self.epoll], (), (), timeout)  # an epoll would wait for whole milliseconds
        return [
            Kevent(fd, which)
            for fd, events in self.epoll.poll(0)
            for which, mask in ((-1, EPOLLIN), (-2, EPOLLOUT))
            if which in self.filters[fd] and events & (mask | GONE)
        ]


def accept(self: socket.socket) -> tuple[socket.socket, Any]:
    """Accept as BSD and macOS do: what is accepted is non-blocking where its listener is."""
    client, address = real_accept(self)
    os.set_blocking(client.fileno(), os.get_blocking(self.fileno()))
    return client, address


def shutdown(self: socket.socket, how: int) -> None:
    """Shut down as macOS does: a listener is not connected, and nobody who accepts is woken."""
    if self.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))
    real_shutdown(self, how)


def hide_files(event: str, arguments: tuple[Any, ...]) -> None:
    """Let nobody open a file or list a folder that Linux alone has."""
    if event in ("open", "os.listdir", "os.scandir"):
        path = arguments[0]
        if isinstance(path, str | os.PathLike) and os.fspath(path).startswith(HIDDEN):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)


sysconfig.get_config_vars()  # found by the platform's true name
for module, prefixes in PREFIXES.items():
    for name in [name for name in vars(module) if name.startswith(prefixes)]:
        delattr(module, name)
real_accept, real_shutdown = socket.socket.accept, socket.socket.shutdown
for owner, changed in (
    (socket.socket, {"accept": accept, "shutdown": shutdown}),
    (select, {"kqueue": Kqueue, "kevent": Kevent, "KQ_FILTER_READ": -1, "KQ_FILTER_WRITE": -2}),
    (select, {"KQ_EV_ADD": 1, "KQ_EV_DELETE": 2}),
):
    for name, value in changed.items():
        setattr(owner, name, value)
importlib.reload(selectors)  # which had been imported, and chooses what there is when it is
sys.addaudithook(hide_files)
sys.platform = "posix"
