"""The null server: responds to every request with the same bytes, whatever it asked.

It parses nothing and checks nothing, so that of any pair with it the driver is the slower one. Its
loop is the least that a Python event loop can do, and `calcbench.bench.corebench` takes it for its
limit. ``python -m calcbench.bench.loadgen.null_server FD`` serves the listening socket
FD until its standard input ends. The first line of that is its config, JSON: the ``response``, and
whether to ``close`` the connection behind it.
"""

import json
import os
import signal
import sys
import threading
from socket import socket

from calcbench.bench.loadgen.driver.poller import FORGETS_CLOSED, READABLE, make_poller

READ_SIZE = 4096  # bytes asked of each recv; a request of the driver's comes whole


def respond(listener: socket, response: bytes, *, close: bool) -> None:
    """Respond to every request: receive, send; with *close*, close the connection behind each."""
    poller = make_poller()
    poller.register(listener, READABLE)
    clients: dict[int, socket] = {}
    while True:
        for fd, _ in poller.poll():
            client = clients.get(fd)
            if client is None:
                client, _ = listener.accept()
                clients[client.fileno()] = client
                poller.register(client, READABLE)
                continue
            try:
                if client.recv(READ_SIZE):
                    client.send(response)
                    if not close:
                        continue
            except OSError:
                pass  # reset
            del clients[fd]
            if not FORGETS_CLOSED:
                poller.unregister(client)
            client.close()


def end_with_standard_input() -> None:
    """End this process as soon as its standard input does: whoever started it is gone."""

    def wait() -> None:
        sys.stdin.buffer.read()
        os._exit(0)  # the loop has nothing to tidy up

    threading.Thread(target=wait, daemon=True).start()


def main() -> None:
    """Serve as the command line and the first line of standard input say."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is the harness's to handle
    config = json.loads(sys.stdin.buffer.readline() or b"null")
    if config is None:
        return
    end_with_standard_input()
    with socket(fileno=int(sys.argv[1])) as listener:
        respond(listener, config["response"].encode(), close=config["close"])


if __name__ == "__main__":
    main()
