"""A child process for every connection, as in the first servers of the Internet.

Children share nothing, so they use every core, and one that dies takes only its client along.
But each connection costs a fork. When as many children live as may, new clients wait in the
backlog, and those who are served give way after their next response (``keepalive=yield``).
"""

from dataclasses import dataclass
from functools import partial
from mmap import mmap
from selectors import EVENT_READ, DefaultSelector
from signal import SIGCHLD
from socket import socket

from calcbench.core.options import option
from calcbench.core.serving.acceptor import RETRY_S, Acceptor
from calcbench.core.serving.blocking import serve_connection
from calcbench.core.serving.catalogue import has
from calcbench.core.serving.children import fork, reap_all
from calcbench.core.serving.service import Service
from calcbench.core.serving.sockets import is_readable
from calcbench.core.serving.stop import Stop
from calcbench.core.serving.wakeup import WakeUp

REQUIRES = (has("os", "fork"),)


@dataclass(frozen=True)
class Options:
    """What can be set with ``-o``."""

    children: int = option(256, "children that may live at once", least=1, most=30_000)
    keepalive: str = option(
        "yield", "when others wait, clients give way or hold on", choices=("yield", "hold")
    )


def serve(listener: socket, service: Service, options: Options, stop: Stop) -> None:
    """Fork for each client of *listener*, and reap each child as it ends."""
    children = set[int]()
    full = mmap(-1, 1)  # a byte that all processes share: whether new clients must wait

    def somebody_waits() -> bool:
        return options.keepalive == "yield" and bool(full[0]) and is_readable(listener)

    with DefaultSelector() as selector, WakeUp() as child_ended:
        child_ended.wake_on(SIGCHLD)
        acceptor = Acceptor(selector, listener, service, stop, options.children)
        selector.register(child_ended, EVENT_READ)
        selector.register(stop, EVENT_READ)
        while children or not acceptor.closed:
            full[0] = len(children) == options.children
            acceptor.watch(len(children))
            ready = [key.fileobj for key, _ in selector.select(RETRY_S)]
            if listener in ready:
                for client in acceptor.accept_batch(len(children)):
                    child = fork(partial(serve_connection, client, service, stop, somebody_waits))
                    if child is not None:  # else no process is left, and the client is turned away
                        children.add(child)
                    client.sock.close()  # it is the child's now
            if child_ended in ready:
                child_ended.clear()
                children.difference_update(reap_all())
            if stop in ready:
                selector.unregister(stop)
                acceptor.close()
