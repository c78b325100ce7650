"""A fresh thread for every request; a connection that is idle holds none.

The main thread watches the idle connections. When one speaks, a new thread reads the request,
responds, hands the connection back and ends. Slow clients cost a thread, every request a start.
"""

from collections import deque
from dataclasses import dataclass
from selectors import EVENT_READ, DefaultSelector
from socket import socket
from time import monotonic

from calcbench.core.options import option
from calcbench.core.serving.acceptor import Acceptor
from calcbench.core.serving.blocking import serve_request, spawn
from calcbench.core.serving.event_loop import SWEEP_S, drain
from calcbench.core.serving.idle_clients import IdleClients
from calcbench.core.serving.service import Service
from calcbench.core.serving.sockets import Client
from calcbench.core.serving.stop import Stop
from calcbench.core.serving.wakeup import WakeUp


@dataclass(frozen=True)
class Options:
    """What can be set with ``-o``."""

    threads: int = option(1024, "threads that may run at once", least=1, most=30_000)


def serve(listener: socket, service: Service, options: Options, stop: Stop) -> None:
    """Watch *listener* and the idle clients, and start a thread for each request."""
    busy, waiting, done = set[Client](), deque[Client](), deque[Client]()

    def work(client: Client) -> None:
        serve_request(client, service, stop)
        done.append(client)
        wakeup.wake()

    def place(client: Client) -> None:
        if acceptor.closed:
            drain([client], stop.deadline)
        if client.connection.finished:
            client.sock.close()
        elif client.connection.has_buffered:  # its next request is here already
            waiting.append(client)
        else:
            idle.add(client)

    with DefaultSelector() as selector, WakeUp() as wakeup:
        acceptor, idle = Acceptor(selector, listener, service, stop), IdleClients(selector)
        selector.register(wakeup, EVENT_READ)
        selector.register(stop, EVENT_READ)
        while idle or waiting or busy or not acceptor.closed:
            acceptor.watch(len(idle) + len(waiting) + len(busy))
            ready = selector.select(SWEEP_S)
            waiting.extend(idle.take([key.data for key, _ in ready if key.data]))
            others = [key.fileobj for key, _ in ready if not key.data]
            if listener in others:
                for client in acceptor.accept_batch(len(idle) + len(waiting) + len(busy)):
                    place(client)
            if stop in others:
                acceptor.close()
                selector.unregister(stop)  # it stays readable: no wait would last
                for client in idle.take_all():
                    place(client)
            for client in idle.expire():
                place(client)
            if wakeup in others:
                wakeup.clear()
            while done:
                busy.remove(client := done.popleft())
                place(client)
            while waiting and len(busy) < options.threads:
                client = waiting.popleft()
                if (acceptor.closed and monotonic() > stop.deadline) or not spawn(work, client):
                    client.connection.abort()
                    place(client)
                else:
                    busy.add(client)
