"""A child process for every connection, as in the first servers of the Internet.

Children share nothing, so they use every core, and one that dies takes only its client along.
But each connection costs a fork. When as many children live as may, new clients wait in the
backlog, and those who are served give way after their next response (``keepalive=yield``).
"""

import os
from dataclasses import dataclass
from mmap import mmap
from selectors import EVENT_READ, DefaultSelector
from socket import socket

from calcbench.core.options import option
from calcbench.core.serving.acceptor import RETRY_S, Acceptor
from calcbench.core.serving.blocking import serve_connection
from calcbench.core.serving.catalogue import has
from calcbench.core.serving.children import fork, reap
from calcbench.core.serving.service import Service
from calcbench.core.serving.sockets import Client, is_readable
from calcbench.core.serving.stop import Stop

REQUIRES = (has("os", "fork"), has("os", "pidfd_open"))


@dataclass(frozen=True)
class Options:
    """What can be set with ``-o``."""

    children: int = option(256, "children that may live at once", least=1, most=30_000)
    keepalive: str = option(
        "yield", "when others wait, clients give way or hold on", choices=("yield", "hold")
    )


def serve(listener: socket, service: Service, options: Options, stop: Stop) -> None:
    """Fork for each client of *listener*, and reap each child as it ends."""
    children: dict[int, int] = {}  # a descriptor that is readable when the child ends → its pid
    full = mmap(-1, 1)  # a byte that all processes share: whether new clients must wait

    def somebody_waits() -> bool:
        return options.keepalive == "yield" and bool(full[0]) and is_readable(listener)

    def start_child(client: Client) -> None:
        child = fork(lambda: serve_connection(client, service, stop, somebody_waits))
        if child is not None:  # else no process is left, and the client is turned away
            selector.register(child_end := os.pidfd_open(child), EVENT_READ)
            children[child_end] = child
        client.sock.close()  # it is the child's now

    with DefaultSelector() as selector:
        acceptor = Acceptor(selector, listener, service, stop, options.children)
        selector.register(stop, EVENT_READ)
        while not stop.is_set():
            acceptor.watch(len(children))
            full[0] = len(children) == options.children
            for key, _ in selector.select(RETRY_S):
                if key.fd in children:
                    selector.unregister(key.fd)
                    reap(children.pop(key.fd), key.fd)
                elif key.fileobj is listener:
                    for client in acceptor.accept_batch(len(children)):
                        start_child(client)
    for child_end, child in children.items():
        reap(child, child_end)
