"""TODO core/serving/blocking.py."""

import select
import socket
from collections.abc import Callable, Iterator
from math import inf
from threading import Thread
from time import monotonic, sleep

from calcbench.core.http.connection import READ, WRITE
from calcbench.core.http.message import Request
from calcbench.core.serving.service import Service
from calcbench.core.serving.sockets import Client, pause_if_exhausted, receive, send
from calcbench.core.serving.stop import Stop


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


def spawn(work: Callable[[Client], None], client: Client) -> None:
    """Do *work* for *client* in a new thread; where there is none left, give the client up."""
    try:
        Thread(target=work, args=(client,)).start()
    except RuntimeError:
        client.connection.abort()
        work(client)


def converse(client: Client, service: Service, stop: Stop) -> None:
    """Hold a whole conversation with *client* in blocking calls, then close its socket."""
    with client.sock:
        while not client.connection.finished:
            exchange(client, service, stop)


def exchange(client: Client, service: Service, stop: Stop) -> None:
    """Read one request, answer it, and return when the answer is sent.

    Returns too when the connection is finished. Waits for as long as the client's time left
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
    left = connection.time_left(monotonic())
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
        connection.drain()  # after the receive: a request that has come by now is answered
    return request
