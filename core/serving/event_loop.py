"""What event loops use: accept, serve and time out many clients, and wait for none of them.

An event loop asks its selector who is ready, passes those to `serve_ready`, and keeps the delayed
responses in `Timers` until they are due. Now and then it gives up on clients with `expire`.
"""

import socket
from collections.abc import Callable, Iterable, Iterator
from heapq import heappop, heappush
from itertools import count
from time import monotonic

from calcbench.core.http.message import Request, Response
from calcbench.core.serving.service import Service
from calcbench.core.serving.sockets import Client, accept, receive, send
from calcbench.core.serving.stop import Stop

BATCH = 32  # clients that an event loop accepts, or receives from, before it turns to others
SWEEP_S = 0.25  # how often an event loop looks for clients that have no time left

Delayed = tuple[Client, Response]  # a response whose wait is not over yet, and whose it is


def accept_batch(listener: socket.socket, service: Service, stop: Stop) -> Iterator[Client]:
    """Yield the clients that are waiting to be accepted, at most a batch of them.

    Without that limit, new ones that never end would keep those who are here from being served.
    """
    for _ in range(BATCH):
        client = accept(listener, service, stop)
        if client is None:
            return
        yield client


def serve_ready(
    clients: list[Client], handle: Callable[[Request], Response], delayed: "Timers"
) -> None:
    """Carry conversations as far as they go without waiting: the step of an event loop.

    Responses that have a wait are added to *delayed*; once due, they must be given to
    `connection.respond`. Afterwards `connection.interest` says what to wait for.

    This is done in passes over a batch, not client by client. A call into the kernel pushes the
    interpreter out of the processor's caches, and one between every two responses takes a fifth of
    the throughput. A pass over everybody would have the first client wait until the last one's
    handler is done.
    """
    for start in range(0, len(clients), BATCH):
        batch = clients[start : start + BATCH]
        received = [receive(client) for client in batch]
        respond_to_all(batch, received, handle, delayed)
        while batch := send_to_all(batch):
            respond_to_all(batch, [None] * len(batch), handle, delayed)  # to what is buffered


def respond_to_all(
    batch: list[Client],
    received: list[bytes | None],
    handle: Callable[[Request], Response],
    delayed: "Timers",
) -> None:
    """Respond to all that each client of *batch* has asked for, or add it to *delayed*.

    *received* is what each has sent just now, None for nothing.
    """
    for client, data in zip(batch, received, strict=True):
        connection = client.connection
        request = connection.next_request() if data is None else connection.feed(data)
        while request is not None:
            response = handle(request)
            if response.wait:
                delayed.add(response.wait, (client, response))
                break
            connection.respond(response)
            request = connection.next_request()


def send_to_all(batch: list[Client]) -> list[Client]:
    """Send what each client takes of its output; return those who may have another request.

    While too much output is unsent, `next_request` leaves what is buffered where it is.
    """
    more = []
    for client in batch:
        connection = client.connection
        if connection.output:
            send(client)
            if connection.buffer and not connection.output:  # has_buffered costs a call
                more.append(client)
    return more


def expire(clients: Iterable[Client]) -> list[Client]:
    """Give up on those of *clients* that have no time left, and return them."""
    now = monotonic()
    late = [client for client in clients if client.connection.time_left(now) <= 0]
    for client in late:
        client.connection.on_timeout()
    return late


class Timers:
    """Delayed responses, each with the moment at which it is due."""

    def __init__(self) -> None:
        self.heap: list[tuple[float, int, Delayed]] = []
        self.number = count()  # decides between equal moments; clients cannot be compared

    def add(self, seconds: float, delayed: Delayed) -> None:
        """Have *delayed* due in *seconds* from now."""
        heappush(self.heap, (monotonic() + seconds, next(self.number), delayed))

    def until_next(self, longest: float) -> float:
        """Return the seconds until the next is due, at most *longest*."""
        if not self.heap:
            return longest
        return min(longest, max(0.0, self.heap[0][0] - monotonic()))

    def due(self) -> Iterator[Delayed]:
        """Yield, and remove, those that are due by now."""
        if self.heap:
            now = monotonic()
            while self.heap and self.heap[0][0] <= now:
                yield heappop(self.heap)[2]
