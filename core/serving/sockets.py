"""The few socket calls that every strategy shares, and which of their errors matter.

No strategy sets a socket option itself. Sockets of clients stay in blocking mode. Where a call must
not block it says so (MSG_DONTWAIT), which spares a system call for every client; where one must
wait, it waits in `poll` beside the stop signal, and for as long as the client has time left.
"""

import errno
import select
import socket
import sys

from calcbench.core.http.connection import (
    CLOSING,
    HANDLING,
    NOTHING,
    READ_SIZE,
    Connection,
)
from calcbench.core.serving.service import Service
from calcbench.core.serving.stop import Stop

LINUX = sys.platform == "linux"
DONTWAIT = int(socket.MSG_DONTWAIT)  # the enumeration's member costs more to pass
NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
# accept(2) passes on the error of one client that is waiting: the next one may fare better.
TRANSIENT_ERRORS = (
    errno.ENETDOWN,
    errno.EPROTO,
    errno.ENOPROTOOPT,
    errno.EHOSTDOWN,
    *([errno.ENONET] if hasattr(errno, "ENONET") else []),  # Linux alone has it
    errno.EHOSTUNREACH,
    errno.EOPNOTSUPP,
    errno.ENETUNREACH,
    errno.EPERM,  # a firewall has refused it
)


class Client:
    """A client: its socket and its conversation.

    `watched` is for an event loop: READ, WRITE or NOTHING, as its selector has the socket now.
    """

    __slots__ = ("connection", "sock", "watched")

    def __init__(self, sock: socket.socket, connection: Connection) -> None:
        self.sock = sock
        self.connection = connection
        self.watched = NOTHING


def in_url(host: str) -> str:
    """Return *host* as a URL has it: an IPv6 address in brackets (RFC 3986 §3.2.2).

    The zone of one, as in ``fe80::1%eth0``, stands behind ``%25`` there (RFC 6874).
    """
    if ":" not in host or host.startswith("["):
        return host
    return f"[{host.replace('%', '%25', 1)}]"


class NoRoomError(Exception):
    """Descriptors or memory have run out: no client can be accepted before another one leaves."""


def accept(listener: socket.socket, service: Service, stop: Stop) -> Client | None:
    """Return the next client of *listener*; None when there is none, or it could not be accepted.

    Where *listener* is in blocking mode, waits for one. An event loop must not: the client for
    which its selector has woken it may be gone by now. Raises NoRoomError, and whoever gets it
    stops listening for a while: the clients that wait keep the listener readable.
    """
    try:
        sock, _ = listener.accept()
        if not LINUX:
            sock.setblocking(True)  # on BSD and macOS it is as the listener is
        return Client(sock, service.connect())
    except BlockingIOError:
        return None
    except MemoryError:
        raise NoRoomError from None
    except OSError as error:
        if stop.is_set():
            return None
        if error.errno in NO_ROOM:
            raise NoRoomError from None
        if error.errno in TRANSIENT_ERRORS or isinstance(error, ConnectionError):
            return None
        raise


def is_readable(sock: socket.socket) -> bool:
    """Tell whether a read of *sock*, or an accept, would return at once."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


def receive(client: Client) -> bytes | None:
    """Return what *client* has sent by now, without waiting; None for nothing.

    So it is too when it must wait for its response first, and when it is gone.
    """
    connection = client.connection
    # `interest` would say more, at 2 % of a request's cost: that the client has ended, or that the
    # connection is CLOSED. Neither needs a test: then nothing comes, or what comes is dropped.
    if connection.output or connection.state is HANDLING:
        return None
    try:
        return client.sock.recv(READ_SIZE, DONTWAIT)
    except BlockingIOError:
        return None
    except (OSError, MemoryError):
        connection.abort()  # reset: nobody is left to be told; or there is no room to read into
        return None


def send(client: Client) -> None:
    """Send what *client* takes of the output, without waiting."""
    connection = client.connection
    try:
        connection.sent(client.sock.send(connection.output, DONTWAIT))
        if connection.state is CLOSING and connection.lingering:  # the cheap test first
            client.sock.shutdown(socket.SHUT_WR)
    except BlockingIOError:
        pass
    except (OSError, MemoryError):
        connection.abort()  # reset: nobody is left to be told
