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
from calcbench.core.serving.service import Service
from calcbench.core.serving.sockets import Client, accept, receive, send
from calcbench.core.serving.stop import Stop


def clients(listener: socket.socket, service: Service, stop: Stop) -> Iterator[Client]:
    """Yield one client after the other, waiting in accept, until *stop* is set."""
    while True:
        client = accept(listener, service, stop)
        if client is not None:
            yield client
        elif stop.is_set():
            return  # the launcher shut the listener down, which woke us


def serve_connection(
    client: Client, service: Service, stop: Stop, clock: Callable[[], float] = monotonic
) -> None:
    """Hold a whole conversation with *client* in blocking calls, then close its socket.

    *clock* tells seconds and never goes back; a test may bring its own.
    """
    with client.sock:
        while not client.connection.finished:
            serve_request(client, service, stop, clock)


def serve_request(
    client: Client, service: Service, stop: Stop, clock: Callable[[], float] = monotonic
) -> None:
    """Read one request, respond to it, and return when the response is sent.

    Returns too when the connection is finished. Waits for as long as the client has time left;
    once *stop* is set, only for a request that has begun.
    """
    connection = client.connection
    poll = select.poll()
    if not connection.draining:
        poll.register(stop, select.POLLIN)
    responded = False
    request = connection.next_request()
    while not connection.finished:
        if request is not None:
            response = service.handle(request)
            if response.wait:
                sleep(response.wait)
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


def wait(
    client: Client, poll: "select.poll", stop: Stop, clock: Callable[[], float]
) -> Request | None:
    """Wait until *client* may be ready, has no time left, or *stop* is set; see to each of them.

    Returns the request that this has completed, if any.
    """
    connection = client.connection
    left = connection.time_left(clock())
    if left <= 0:  # even if octets are ready: they always are, with a client that never stops
        connection.on_timeout()
        return None
    poll.register(client.sock, select.POLLIN if connection.interest == READ else select.POLLOUT)
    ready = poll.poll(None if left == inf else left * 1000)
    request = None
    if not ready:
        connection.on_timeout()
    elif connection.interest == READ and (data := receive(client)) is not None:
        request = connection.feed(data)
    if not connection.draining and any(fd == stop.fileno() for fd, _ in ready):
        poll.unregister(stop)  # it stays readable; from now on only the drain counts
        connection.drain()  # after the receive: a request that has come by now gets a response
    return request


def spawn(work: Callable[[Client], None], client: Client) -> None:
    """Do *work* for *client* in a new thread; where none can be started, give the client up."""
    try:
        Thread(target=work, args=(client,)).start()
    except RuntimeError:
        client.connection.abort()
        work(client)  # which finds nothing to serve, and puts away what it was given
