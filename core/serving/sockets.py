"""The few socket calls that every strategy shares, and which of their errors matter.

No strategy sets a socket option itself. Sockets of clients stay in blocking mode. Where a call must
not block it says so (MSG_DONTWAIT), which spares a system call for every client; where one must
wait, it waits in `poll` beside the stop signal, and for as long as the client has time left.
"""

import errno
import socket

from calcbench.core.errors import CalcbenchError
from calcbench.core.http.connection import (
    CLOSING,
    HANDLING,
    NOTHING,
    READ_SIZE,
    Connection,
)
from calcbench.core.serving.service import Service
from calcbench.core.serving.stop import Stop

DONTWAIT = int(socket.MSG_DONTWAIT)  # the enumeration's member costs more to pass
BACKLOG = 4096  # clients that may wait to be accepted; the kernel cuts it to somaxconn
OUT_OF_DESCRIPTORS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
# accept(2) passes on the error of one client that is waiting: the next one may fare better.
TRANSIENT_ERRORS = (
    errno.ENETDOWN,
    errno.EPROTO,
    errno.ENOPROTOOPT,
    errno.EHOSTDOWN,
    errno.ENONET,
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


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on *host* and *port*; port 0 takes a free one.

    Raises CalcbenchError when the host is unknown or the port is taken.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError):
        raise CalcbenchError(f"unknown host {host!r}; try 127.0.0.1") from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted sockets inherit it: a small response must not wait for the ACK of the last one.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        hint = "; port 0 takes a free one" if error.errno == errno.EADDRINUSE else ""
        reason = (error.strerror or str(error)).lower()
        raise CalcbenchError(f"cannot listen on {host} port {port}: {reason}{hint}") from None
    return listener


def accept(listener: socket.socket, service: Service, stop: Stop) -> Client | None:
    """Return the next client of *listener*; None when there is none, or it could not be accepted.

    Where *listener* is in blocking mode, waits for one. An event loop must not: the client for
    which its selector has woken it may be gone by now.
    """
    try:
        sock, _ = listener.accept()
    except BlockingIOError:
        return None
    except OSError as error:
        if not stop.is_set():
            pause_if_exhausted(error, stop)
        return None
    return Client(sock, service.connect())


def pause_if_exhausted(error: OSError, stop: Stop) -> None:
    """Wait a moment when accept failed because descriptors have run out; else raise *error*.

    Ignored is an error of one client, which has left before it was accepted.
    """
    if error.errno in OUT_OF_DESCRIPTORS:
        stop.wait(0.001)  # seconds; others must get to close theirs, and to be served
    elif error.errno not in TRANSIENT_ERRORS and not isinstance(error, ConnectionError):
        raise error


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
    except OSError:
        connection.abort()  # reset: nobody is left to be told
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
    except OSError:
        connection.abort()  # reset: nobody is left to be told
