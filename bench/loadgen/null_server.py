"""The null responder: answers every request with the same octets, whatever it asked.

``python -m calcbench.bench.loadgen.null_server FD`` serves the listening socket FD until its
standard input ends. The first line of that is JSON: the ``response``, and whether to ``close``
behind it. It parses nothing and checks nothing, so that of any pair with it the driver is the
slower one.
"""

import json
import select
import signal
import sys
from socket import socket

READ_SIZE = 4096  # bytes asked of each recv; a request of the driver's comes whole


def respond(listener: socket, response: bytes, *, close: bool) -> None:
    """Answer whoever comes until standard input ends."""
    listener.setblocking(False)
    epoll = select.epoll()
    epoll.register(listener.fileno(), select.EPOLLIN)
    epoll.register(sys.stdin.fileno(), select.EPOLLIN)
    clients: dict[int, socket] = {}
    while True:
        for fd, _ in epoll.poll():
            client = clients.get(fd)
            if client is not None:
                try:
                    data = client.recv(READ_SIZE)
                    if data:
                        client.send(response)
                except OSError:  # it is gone: as good as closed
                    data = b""
                if close or not data:
                    del clients[fd]
                    client.close()
            elif fd == listener.fileno():
                try:
                    client, _ = listener.accept()
                except OSError:  # it has left before it was accepted
                    continue
                clients[client.fileno()] = client
                epoll.register(client.fileno(), select.EPOLLIN)
            else:
                return


def main() -> None:
    """Serve as the command line and the first line of standard input say."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is the harness's to handle
    config = json.loads(sys.stdin.buffer.readline() or b"null")
    if config is not None:
        with socket(fileno=int(sys.argv[1])) as listener:
            respond(listener, config["response"].encode(), close=config["close"])


if __name__ == "__main__":
    main()
