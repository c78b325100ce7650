"""What strategies use that wait in blocking calls: on one thread, on many, or in children.

`clients` waits for the next client, `serve_connection` serves one until it leaves, and
`serve_request` only until it has its next response. Whatever waits, waits for the stop signal too.
"""

import select
import socket
from collections.abc import Callable, Iterator
from math import inf
from threading import Thread
from time import monotonic, sleep

from calcbench.core.http.connection import READ, WRITE
from calcbench.core.http.message import Request
from calcbench.core.serving.failure import FAILURES, log_failure
from calcbench.core.serving.service import Service
from calcbench.core.serving.sockets import LINUX, Client, NoRoomError, accept, receive, send
from calcbench.core.serving.stop import Stop

NO_ROOM_S = 0.05  # between two tries to accept where descriptors have run out


def clients(listener: socket.socket, service: Service, stop: Stop) -> Iterator[Client]:
    """Yield one client after the other, waiting in accept, until *stop* is set.

    The launcher shuts the listener down, which on Linux wakes us. POSIX does not say so, and on
    macOS it wakes nobody: there we wait for *stop* too.
    """
    poll = None
    if not LINUX:
        listener.setblocking(False)  # somebody else may take the client for which we are woken
        poll = select.poll()
        poll.register(listener, select.POLLIN)
        poll.register(stop, select.POLLIN)
    while True:
        if poll and any(fd == stop.fileno() for fd, _ in poll.poll()):
            return
        try:
            client = accept(listener, service, stop)
        except NoRoomError:
            stop.wait(NO_ROOM_S)
            continue
        if client is not None:
            yield client
        elif stop.is_set():
            return


def serve_connection(
    client: Client,
    service: Service,
    stop: Stop,
    somebody_waits: Callable[[], bool] | None = None,
    clock: Callable[[], float] = monotonic,
) -> None:
    """Hold a whole conversation with *client* in blocking calls, then close its socket.

    While *somebody_waits*, a response says that it is the last, so that the client makes room.
    *clock* tells seconds and never goes back; a test may bring its own.
    """
    with client.sock:
        while not client.connection.finished:
            serve_request(client, service, stop, somebody_waits, clock)


def serve_request(
    client: Client,
    service: Service,
    stop: Stop,
    somebody_waits: Callable[[], bool] | None = None,
    clock: Callable[[], float] = monotonic,
) -> None:
    """Read one request, respond to it, and return when the response is sent.

    Returns too when the connection is finished. Waits for as long as the client has time left;
    once *stop* is set, only for a request that has begun. Raises nothing: a client with whom
    something fails is let go.
    """
    connection = client.connection
    try:
        poll = select.poll()
        if connection.deadline == inf:
            poll.register(stop, select.POLLIN)
        responded = False
        request = connection.next_request()
        if request is not None and stop.is_set():  # it was here already: nothing has looked since
            connection.drain(stop.deadline)
        while not connection.finished:
            if request is not None:
                if connection.draining and clock() > connection.deadline:
                    connection.abort()
                    return
                response = service.handle(request)
                if response.wait:
                    sleep(response.wait)
                if somebody_waits is not None and somebody_waits():
                    connection.give_way(clock())
                connection.respond(response)
                responded, request = True, None
            if connection.interest == WRITE:
                send(client)
                if connection.interest == WRITE:
                    wait(client, poll, stop, clock)
            elif responded and not connection.lingering:  # if it lingers, it reads on below
                return
            elif connection.interest == READ:
                request = wait(client, poll, stop, clock)
    except FAILURES as error:
        connection.abort()
        log_failure("a connection", error, "closed it")


def wait(
    client: Client, poll: "select.poll", stop: Stop, clock: Callable[[], float]
) -> Request | None:
    """Wait until *client* may be ready, has no time left, or *stop* is set; see to each of them.

    Returns the request that this has completed, if any.
    """
    connection = client.connection
    left = connection.time_left(clock())
    poll.register(client.sock, select.POLLIN if connection.interest == READ else select.POLLOUT)
    ready = poll.poll(None if left == inf else left * 1000 if left > 0 else 0)
    request = None
    if connection.interest == READ:
        if (data := receive(client)) is not None:
            request = connection.feed(data)
    elif left <= 0:
        send(client)
    # Only now: a client that has done its part in time is not late because the server was. One
    # that drips octets is still where it was, though it always has some ready.
    if request is None and (not ready or (left <= 0 and connection.time_left(clock()) <= 0)):
        connection.on_timeout()
    if connection.deadline == inf and any(fd == stop.fileno() for fd, _ in ready):
        poll.unregister(stop)  # it stays readable; from now on only the deadline counts
        connection.drain(stop.deadline)  # after the receive: who has spoken gets a response
    return request


def spawn(work: Callable[[Client], None], client: Client) -> bool:
    """Do *work* for *client* in a new thread; tell whether one could be started."""
    try:
        Thread(target=work, args=(client,)).start()
    except (RuntimeError, MemoryError):
        return False
    return True
