"""A fixed pool of threads, fed by a bounded queue of clients.

Cheaper than a thread for each client, until every thread is held by someone slow or silent. Then
the queue fills, after it the backlog, where the kernel keeps clients that are not accepted yet.
While somebody is queued, clients give way after their next response, and pay with a new connection
for each. With ``keepalive=hold`` they keep their threads, and those in the queue are never served.
"""

from dataclasses import dataclass
from queue import Queue
from socket import socket
from threading import Thread

from calcbench.core.options import option
from calcbench.core.serving.blocking import clients, serve_connection
from calcbench.core.serving.service import Service
from calcbench.core.serving.sockets import Client
from calcbench.core.serving.stop import Stop


@dataclass(frozen=True)
class Options:
    """What can be set with ``-o``."""

    workers: int = option(8, "threads in the pool", least=1, most=10_000)
    queue: int = option(64, "accepted clients that may wait for a thread", least=1, most=100_000)
    keepalive: str = option(
        "yield", "when others wait, clients give way or hold on", choices=("yield", "hold")
    )


def serve(listener: socket, service: Service, options: Options, stop: Stop) -> None:
    """Queue the clients of *listener* for the pool."""
    queue: Queue[Client | None] = Queue(options.queue)

    def somebody_waits() -> bool:
        # Unfinished are the clients in the queue and those that the workers are serving.
        return options.keepalive == "yield" and queue.unfinished_tasks > options.workers

    def work() -> None:
        while (client := queue.get()) is not None:
            serve_connection(client, service, stop, somebody_waits)
            queue.task_done()

    pool = [
        Thread(target=work, name=f"worker-{number}", daemon=True)
        for number in range(options.workers)
    ]
    for thread in pool:
        thread.start()
    for client in clients(listener, service, stop):
        queue.put(client)  # a full queue holds back the accepting, and the backlog grows
    for _ in pool:
        queue.put(None)
    for thread in pool:
        thread.join()
