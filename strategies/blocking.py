"""One client at a time; everybody else waits in the backlog.

The backlog is the kernel's queue of clients that have connected and are not accepted yet. This is
the simplest server there is, and the fastest for one client. But a client that is connected and
silent holds it until a deadline runs out. One that speaks gives way after its next response if
somebody waits; with ``keepalive=hold`` it stays, and the others wait until it leaves.
"""

from dataclasses import dataclass
from socket import socket

from calcbench.core.options import option
from calcbench.core.serving.blocking import clients, serve_connection
from calcbench.core.serving.service import Service
from calcbench.core.serving.sockets import is_readable
from calcbench.core.serving.stop import Stop


@dataclass(frozen=True)
class Options:
    """What can be set with ``-o``."""

    keepalive: str = option(
        "yield", "when others wait, clients give way or hold on", choices=("yield", "hold")
    )


def serve(listener: socket, service: Service, options: Options, stop: Stop) -> None:
    """Serve the clients of *listener*, each to its end before the next."""

    def somebody_waits() -> bool:
        return options.keepalive == "yield" and is_readable(listener)

    for client in clients(listener, service, stop):
        serve_connection(client, service, stop, somebody_waits)
