"""A fixed pool of threads, fed by a bounded queue of clients.

Cheaper than a thread for each client, until every thread is held by someone slow or silent: a
client keeps its thread for as long as it keeps its connection. Then the queue fills, after it
the backlog, and new clients wait until somebody hangs up or a deadline runs out.
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
    queue: int = option(64, "accepted clients that may wait for a thread", least=1)


def serve(listener: socket, service: Service, options: Options, stop: Stop) -> None:
    """Queue the clients of *listener* for the pool."""
    queue: Queue[Client | None] = Queue(options.queue)
    pool = [
        Thread(target=work, args=(queue, service, stop), name=f"worker-{number}", daemon=True)
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


def work(queue: "Queue[Client | None]", service: Service, stop: Stop) -> None:
    """Serve one connection after the other, until there is None."""
    while (client := queue.get()) is not None:
        if stop.is_set():
            client.sock.close()  # it was still waiting for its turn
        else:
            serve_connection(client, service, stop)
