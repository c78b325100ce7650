"""The bare loop: the least that a Python event loop can do, and so the limit for all of them.

It receives and sends a constant. It parses nothing, checks nothing, remembers nothing, and serves
until it is killed. ``python -m calcbench.bench.corebench.bare_loop CONFIG`` takes its config as
JSON.
"""

import json
import os
import select
import sys
from email.utils import formatdate
from socket import IPPROTO_TCP, TCP_NODELAY, create_server, socket

from calcbench.bench.schema.plan import CLOSE, KEEP_ALIVE

READ_SIZE = 4096  # bytes


def keep_alive(listener: socket, response: bytes) -> None:
    """Answer every request on connections that stay: receive, send."""
    epoll = select.epoll()
    epoll.register(listener, select.EPOLLIN)
    clients: dict[int, socket] = {}
    while True:
        for fd, _ in epoll.poll():
            client = clients.get(fd)
            if client is None:
                client, _ = listener.accept()
                clients[client.fileno()] = client
                epoll.register(client, select.EPOLLIN)
                continue
            try:
                if client.recv(READ_SIZE):
                    client.send(response)
                    continue
            except OSError:
                pass  # reset
            del clients[fd]
            client.close()


def close(listener: socket, response: bytes) -> None:
    """Answer one request on each connection: accept, receive, send, close."""
    epoll = select.epoll()
    epoll.register(listener, select.EPOLLIN)
    clients: dict[int, socket] = {}
    while True:
        for fd, _ in epoll.poll():
            client = clients.pop(fd, None)
            if client is None:
                client, _ = listener.accept()
                clients[client.fileno()] = client
                epoll.register(client, select.EPOLLIN)
                continue
            try:
                if client.recv(READ_SIZE):
                    client.send(response)
            except OSError:
                pass  # reset
            client.close()


LOOPS = {KEEP_ALIVE: keep_alive, CLOSE: close}


def main() -> None:
    """Serve as the config says: on which port and cores, what, to connections of which kind."""
    config = json.loads(sys.argv[1])
    if config["cpus"]:
        os.sched_setaffinity(0, config["cpus"])
    body = config["response"].encode()
    ending = b"" if config["reuse"] == KEEP_ALIVE else b"Connection: close\r\n"
    # As many octets as the calculator sends; the date stands still.
    response = (
        b"HTTP/1.1 200 OK\r\nDate: %b\r\nContent-Type: text/plain; charset=utf-8\r\n"
        b"Content-Length: %d\r\n%b\r\n%b"
    ) % (formatdate(usegmt=True).encode(), len(body), ending, body)
    with create_server(("127.0.0.1", config["port"]), backlog=4096) as listener:
        listener.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        LOOPS[config["reuse"]](listener, response)


if __name__ == "__main__":
    main()
