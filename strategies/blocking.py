"""One client at a time; everybody else waits in the backlog.

The simplest server there is, and the fastest for one client. But a client that is connected and
silent holds the server: with keep-alive, the second client is served when the first one hangs
up or its deadline runs out.
"""

from socket import socket

from calcbench.core.serving.blocking import clients, serve_connection
from calcbench.core.serving.service import Service
from calcbench.core.serving.stop import Stop


def serve(listener: socket, service: Service, options: None, stop: Stop) -> None:
    """Serve the clients of *listener*, each to its end before the next."""
    for client in clients(listener, service, stop):
        serve_connection(client, service, stop)
