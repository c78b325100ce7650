"""The few socket calls that every strategy shares; no strategy sets a socket option itself.

Sockets stay in blocking mode. Where a call must not block it says so (MSG_DONTWAIT), which
spares a system call for every client; where one must wait, it waits in `poll` beside the stop
signal and with the client's patience as the limit.
"""

import errno
import select
import socket
from collections.abc import Callable, Iterable, Iterator
from math import inf
from threading import Thread
from time import monotonic, sleep

from calcbench.core.connection import (
    CLOSING,
    HANDLING,
    NOTHING,
    READ,
    READ_SIZE,
    WRITE,
    Connection,
)
from calcbench.core.errors import CalcbenchError
from calcbench.core.http import Request, Response
from calcbench.core.service import Service
from calcbench.core.stop import Stop

BATCH = 32  # clients that an event loop accepts, or receives from, before it turns to others
DONTWAIT = int(socket.MSG_DONTWAIT)  # the enumeration's member costs more to pass
SWEEP_S = 0.25  # how often an event loop looks for clients whose time is up
BACKLOG = 4096  # clients that may wait to be accepted; the kernel cuts it to somaxconn
OUT_OF_DESCRIPTORS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
# accept(2) passes on what has befallen a client that is waiting: the next one may fare better.
BEFALLEN = (
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
    """A client: its socket, its conversation, and what an event loop watches it for."""

    __slots__ = ("connection", "sock", "watched")

    def __init__(self, sock: socket.socket, connection: Connection) -> None:
        self.sock = sock
        self.connection = connection
        self.watched = NOTHING


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
        # Accepted sockets inherit it: a small answer must not wait for the ACK of the last one.
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


def clients(listener: socket.socket, service: Service, stop: Stop) -> Iterator[Client]:
    """Yield one client after the other, waiting in accept, until *stop* is set."""
    while True:
        try:
            sock, _ = listener.accept()
        except OSError as error:
            if stop.is_set():
                return  # the launcher shut the listener down, which woke us
            pause_if_exhausted(error, stop)
        else:
            yield Client(sock, service.connect())


def accept(listener: socket.socket, service: Service, stop: Stop) -> Client | None:
    """Return a client that is waiting to be accepted; None when there is none (any more).

    For those who were told that *listener* is readable; it must be in non-blocking mode,
    because the client may be gone by now.
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


def newcomers(listener: socket.socket, service: Service, stop: Stop) -> Iterator[Client]:
    """Yield the clients that are waiting to be accepted, each as `accept` returns it.

    At most a batch of them: where they never end, those who are here would never be served.
    """
    for _ in range(BATCH):
        client = accept(listener, service, stop)
        if client is None:
            return
        yield client


def pause_if_exhausted(error: OSError, stop: Stop) -> None:
    """Wait a moment when accept failed for want of descriptors; raise what is no such matter.

    That a client has left before it was accepted, or never quite came, is not.
    """
    if error.errno in OUT_OF_DESCRIPTORS:
        stop.wait(0.001)  # seconds; others must get to close theirs, and to be served
    elif error.errno not in BEFALLEN and not isinstance(error, ConnectionError):
        raise error


def receive(client: Client) -> bytes | None:
    """Return what *client* has sent by now, without waiting; None for nothing.

    So it is too when it must wait for its answer first, and when it is gone.
    """
    connection = client.connection
    if connection.output or connection.state == HANDLING:
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
        if connection.state == CLOSING and connection.lingering:
            client.sock.shutdown(socket.SHUT_WR)
    except BlockingIOError:
        pass
    except OSError:
        connection.abort()  # reset: nobody is left to be told


def proceed(
    clients: list[Client], handle: Callable[[Request], Response]
) -> list[tuple[Client, Response]]:
    """Carry conversations as far as they go without waiting: the step of an event loop.

    Returns the responses whose wait has yet to be spent, each with its client; they must then
    be given to `connection.respond`. Afterwards `connection.interest` says what to wait for.

    All of a batch are received from, then all are answered, then all are sent to. To call the
    kernel between one answer and the next empties the processor's caches of the interpreter
    each time, which takes a fifth of the throughput; a whole crowd at once would have the first
    wait for a slow answer to the last.
    """
    waiting: list[tuple[Client, Response]] = []
    for begin in range(0, len(clients), BATCH):
        batch = clients[begin : begin + BATCH]
        heard = [receive(client) for client in batch]
        while batch:
            for client, data in zip(batch, heard, strict=False):
                connection = client.connection
                request = connection.next_request() if data is None else connection.hear(data)
                while request is not None:
                    response = handle(request)
                    if response.wait:
                        waiting.append((client, response))
                        break
                    connection.respond(response)
                    request = connection.next_request() if connection.buffer else None
            said_more = []
            for client in batch:
                connection = client.connection
                if connection.output:
                    send(client)
                    if not connection.output and (connection.buffer or connection.ended):
                        said_more.append(client)
            batch, heard = said_more, [None] * len(said_more)
    return waiting


def spawn(work: Callable[[Client], None], client: Client) -> None:
    """Do *work* for *client* in a new thread; where there is none left, give the client up."""
    try:
        Thread(target=work, args=(client,)).start()
    except RuntimeError:
        client.connection.abort()
        work(client)


def time_out(clients: Iterable[Client]) -> list[Client]:
    """Give up on those of *clients* that are out of patience, and return them."""
    now = monotonic()
    late = [client for client in clients if client.connection.patience(now) <= 0]
    for client in late:
        client.connection.time_is_up()
    return late


def converse(client: Client, service: Service, stop: Stop) -> None:
    """Hold a whole conversation with *client* in blocking calls, then close its socket."""
    with client.sock:
        while not client.connection.finished:
            exchange(client, service, stop)


def exchange(client: Client, service: Service, stop: Stop) -> None:
    """Read one request, answer it, and return when the answer is sent.

    Returns too when the connection is finished. Waits for as long as the client's patience
    allows; once *stop* is set, only for a request that has begun.
    """
    connection = client.connection
    poll = select.poll()
    if not connection.draining:
        poll.register(stop, select.POLLIN)
    answered = False
    request = connection.next_request()
    while not connection.finished:
        if request is not None:
            response = service.handle(request)
            if response.wait:
                sleep(response.wait)
            connection.respond(response)
            answered, request = True, None
        if connection.interest == WRITE:
            send(client)
            if connection.interest == WRITE:
                wait(client, poll, stop)
        elif answered and not connection.lingering:
            return
        elif connection.interest == READ:
            request = wait(client, poll, stop)


def wait(client: Client, poll: "select.poll", stop: Stop) -> Request | None:
    """Wait until *client* may be ready, its time is up, or *stop* is set; see to each of them.

    Returns the request that this has completed, if any.
    """
    connection = client.connection
    left = connection.patience(monotonic())
    if left <= 0:  # even if octets are ready: they always are, with a client that never stops
        connection.time_is_up()
        return None
    poll.register(client.sock, select.POLLIN if connection.interest == READ else select.POLLOUT)
    ready = poll.poll(None if left == inf else left * 1000)
    request = None
    if not ready:
        connection.time_is_up()
    elif connection.interest == READ and (data := receive(client)) is not None:
        request = connection.hear(data)
    if not connection.draining and any(fd == stop.fileno() for fd, _ in ready):
        poll.unregister(stop)  # it stays readable; from now on only the drain counts
        connection.drain()  # after the receive: a request that has come by now is answered
    return request
