"""A fresh thread for every request; a connection that is idle holds none.

The main thread watches the idle connections. When one speaks, a new thread reads the request,
responds, hands the connection back and ends. Slow clients cost a thread, every request a start.
"""

from dataclasses import dataclass
from queue import SimpleQueue
from selectors import EVENT_READ, DefaultSelector
from socket import socket, socketpair
from threading import BoundedSemaphore
from time import monotonic

from calcbench.core.options import option
from calcbench.core.serving.blocking import serve_request, spawn
from calcbench.core.serving.event_loop import SWEEP_S, accept_batch, expire
from calcbench.core.serving.service import Service
from calcbench.core.serving.sockets import Client
from calcbench.core.serving.stop import Stop


@dataclass(frozen=True)
class Options:
    """What can be set with ``-o``."""

    threads: int = option(1024, "threads that may run at once", least=1, most=30_000)


def serve(listener: socket, service: Service, options: Options, stop: Stop) -> None:
    """Watch *listener* and the idle clients, and start a thread for each request."""
    busy, done = set[Client](), SimpleQueue[Client]()
    wake_reader, wake_writer = socketpair()  # the self-pipe trick: a byte for each that is done
    free_threads = BoundedSemaphore(options.threads)
    listener.setblocking(False)

    def work(client: Client) -> None:
        serve_request(client, service, stop)
        free_threads.release()
        done.put(client)
        wake_writer.send(b"!")  # wakes the main thread, which waits in select

    def start_thread(client: Client) -> None:
        free_threads.acquire()  # at the cap, everything waits until a thread ends
        busy.add(client)
        spawn(work, client)

    def dispatch(client: Client) -> None:
        busy.discard(client)
        if client.connection.finished:
            client.sock.close()
        elif client.connection.has_buffered:  # the next request is here already
            start_thread(client)
        else:
            selector.register(client.sock, EVENT_READ, client)

    with DefaultSelector() as selector, wake_reader, wake_writer:
        for source in (listener, stop, wake_reader):
            selector.register(source, EVENT_READ, source)
        stopping, next_sweep = False, monotonic() + SWEEP_S
        while busy or not stopping:
            for data in [key.data for key, _ in selector.select(SWEEP_S)]:
                if type(data) is Client:
                    selector.unregister(data.sock)
                    start_thread(data)
                elif data is wake_reader:
                    for _ in wake_reader.recv(4096):
                        dispatch(done.get())
                elif data is listener:
                    for new in accept_batch(listener, service, stop):
                        dispatch(new)
                else:
                    stopping = True
                    selector.unregister(listener)
                    selector.unregister(stop)
            if stopping or monotonic() >= next_sweep:
                next_sweep = monotonic() + SWEEP_S
                idle = [k.data for k in selector.get_map().values() if type(k.data) is Client]
                for client in idle if stopping else expire(idle):
                    selector.unregister(client.sock)
                    start_thread(client)  # it responds to what has come after all, or hangs up
