"""A child process for every connection, as in the first servers of the Internet.

Children share nothing, so they use every core, and one that dies takes only its client along.
But each connection costs a fork, and at the cap new clients wait in the backlog until a child
ends.
"""

import os
import traceback
from contextlib import suppress
from dataclasses import dataclass
from selectors import EVENT_READ, DefaultSelector
from socket import socket

from calcbench.core.options import option
from calcbench.core.serving.blocking import serve_connection
from calcbench.core.serving.catalogue import has
from calcbench.core.serving.service import Service
from calcbench.core.serving.sockets import Client, accept
from calcbench.core.serving.stop import Stop, die_with_parent

REQUIRES = (has("os", "fork"), has("os", "pidfd_open"))


@dataclass(frozen=True)
class Options:
    """What can be set with ``-o``."""

    children: int = option(256, "children that may live at once", least=1)


def serve(listener: socket, service: Service, options: Options, stop: Stop) -> None:
    """Fork for each client of *listener*, and reap each child as it ends."""
    children: dict[int, int] = {}  # a descriptor that is readable when the child ends → its pid
    listener.setblocking(False)
    with DefaultSelector() as selector:
        selector.register(stop, EVENT_READ)
        selector.register(listener, EVENT_READ)
        while not stop.is_set():
            for key, _ in selector.select():
                if key.fileobj is listener:
                    client = accept(listener, service, stop)
                    if client is None or (child := start_child(client, service, stop)) is None:
                        continue
                    selector.register(child_end := os.pidfd_open(child), EVENT_READ)
                    children[child_end] = child
                    if len(children) == options.children:
                        selector.unregister(listener)
                elif key.fd in children:
                    if len(children) == options.children:
                        selector.register(listener, EVENT_READ)
                    selector.unregister(key.fd)
                    reap(children.pop(key.fd), key.fd)
    for child_end, child in children.items():
        reap(child, child_end)


def start_child(client: Client, service: Service, stop: Stop) -> int | None:
    """Return the pid of a child that serves *client*; None where there is no room."""
    parent, child = os.getpid(), None
    with suppress(OSError):  # no process left: the client is turned away
        child = os.fork()
    if child == 0:
        status = 1
        try:
            die_with_parent(parent)
            serve_connection(client, service, stop)
            status = 0
        except BaseException:  # noqa: BLE001 - whatever it was, the parent must not see it
            traceback.print_exc()
        finally:
            os._exit(status)  # nothing of the parent's stack is the child's to unwind
    client.sock.close()
    return child


def reap(child: int, child_end: int) -> None:
    """Take note that *child* has ended, so that it is no zombie."""
    os.waitpid(child, 0)
    os.close(child_end)
