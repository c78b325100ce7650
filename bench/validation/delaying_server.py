"""A server whose response times are known: they follow a law.

``python -m calcbench.bench.validation.delaying_server FD LAW`` serves the listening socket FD until
its standard input ends. The laws are those of `LAWS`:

- ``constant``: each response comes `MEAN_NS` after its request;
- ``exponential``: so does the average one; each `BLOCK` responses have the quantiles of that
  distribution, in random order, so that chance does not move them much;
- ``freeze``: it comes at once, but before every `EVERY`-th the server stands still for `FROZEN_NS`,
  and all its clients wait.
"""

import heapq
import itertools
import math
import random
import select
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from socket import socket

from calcbench.bench.loadgen.driver.poller import READABLE, make_poller
from calcbench.bench.loadgen.null_server import READ_SIZE, end_with_standard_input
from calcbench.bench.validation.stamping_server import response_to

MEAN_NS, BLOCK = 10_000_000, 100
EVERY, FROZEN_NS = 1_000, 10_000_000
CONSTANT, EXPONENTIAL, FREEZE = "constant", "exponential", "freeze"
clock = time.perf_counter_ns


def constant() -> Iterator[int]:
    """Yield how long each response waits, in nanoseconds: the same for all."""
    return itertools.repeat(MEAN_NS)


def exponential() -> Iterator[int]:
    """Yield how long each response waits, in nanoseconds, by an exponential distribution."""
    draw = random.Random(1)
    block = [round(-math.log1p(-(place + 0.5) / BLOCK) * MEAN_NS) for place in range(BLOCK)]
    while True:
        yield from draw.sample(block, BLOCK)


def freeze() -> Iterator[int]:
    """Yield that a response does not wait; now and then stand still before."""
    for number in itertools.count(1):
        if number % EVERY == 0:
            time.sleep(FROZEN_NS / 1e9)  # what is to be measured
        yield 0


LAWS: dict[str, Callable[[], Iterator[int]]] = {
    CONSTANT: constant,
    EXPONENTIAL: exponential,
    FREEZE: freeze,
}


def serve(listener: socket, delays: Iterator[int]) -> None:
    """Answer whoever comes, each request after the next of *delays*."""
    poller = make_poller()
    poller.register(listener.fileno(), READABLE)
    clients: dict[int, socket] = {}
    order = itertools.count()
    waiting: list[tuple[int, int, socket, bytes]] = []  # a heap: when, which, to whom, what
    while True:
        left_s = max(waiting[0][0] - clock(), 0) / 1e9 if waiting else None
        select.select([poller.fileno()], (), (), left_s)  # epoll waits for whole milliseconds
        for fd, _ in poller.poll(0):
            if fd == listener.fileno():
                client, _ = listener.accept()
                clients[client.fileno()] = client
                poller.register(client.fileno(), READABLE)
                continue
            client, data = clients[fd], b""
            with suppress(OSError):  # reset
                data = client.recv(READ_SIZE)
            if not data:
                del clients[fd]
                client.close()
                continue
            due = clock() + next(delays)
            heapq.heappush(waiting, (due, next(order), client, response_to(data)))
        while waiting and waiting[0][0] <= clock():
            _, _, client, response = heapq.heappop(waiting)
            with suppress(OSError):  # it has gone, and its descriptor with it
                client.send(response)


def main() -> None:
    """Serve as the command line says."""
    end_with_standard_input()
    with socket(fileno=int(sys.argv[1])) as listener:
        serve(listener, LAWS[sys.argv[2]]())


if __name__ == "__main__":
    main()
