"""TODO core/serving/event_loop.py."""

import socket
from collections.abc import Callable, Iterable, Iterator
from heapq import heappop, heappush
from itertools import count
from time import monotonic
from typing import Generic, TypeVar

from calcbench.core.http.message import Request, Response
from calcbench.core.serving.service import Service
from calcbench.core.serving.sockets import Client, accept, receive, send
from calcbench.core.serving.stop import Stop

BATCH = 32  # clients that an event loop accepts, or receives from, before it turns to others
SWEEP_S = 0.25  # how often an event loop looks for clients whose time is up


Item = TypeVar("Item")


def newcomers(listener: socket.socket, service: Service, stop: Stop) -> Iterator[Client]:
    """Yield the clients that are waiting to be accepted, each as `accept` returns it.

    At most a batch of them: where they never end, those who are here would never be served.
    """
    for _ in range(BATCH):
        client = accept(listener, service, stop)
        if client is None:
            return
        yield client


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
                request = connection.next_request() if data is None else connection.feed(data)
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


def time_out(clients: Iterable[Client]) -> list[Client]:
    """Give up on those of *clients* that are without time left, and return them."""
    now = monotonic()
    late = [client for client in clients if client.connection.time_left(now) <= 0]
    for client in late:
        client.connection.on_timeout()
    return late


class Timers(Generic[Item]):
    """Items, each with the moment at which it is due."""

    def __init__(self) -> None:
        self.heap: list[tuple[float, int, Item]] = []
        self.number = count()  # keeps items of the same moment in order, and uncompared

    def add(self, seconds: float, item: Item) -> None:
        """Have *item* due in *seconds* from now."""
        heappush(self.heap, (monotonic() + seconds, next(self.number), item))

    def pause(self, longest: float) -> float:
        """Return for how many seconds nothing is due, at most *longest*."""
        if not self.heap:
            return longest
        return min(longest, max(0.0, self.heap[0][0] - monotonic()))

    def due(self) -> Iterator[Item]:
        """Yield, and remove, the items that are due by now."""
        if self.heap:
            now = monotonic()
            while self.heap and self.heap[0][0] <= now:
                yield heappop(self.heap)[2]
