"""A server that tells the truth: when it had each request, and when it let the response go.

``python -m calcbench.bench.validation.stamping_server FD DELAY_NS EVERY`` serves the listening
socket FD, and answers each EVERY-th request DELAY_NS late. When its standard input ends it writes
its stamps to its standard output: native integers, for each request the time right behind `recv`
and the one right before `send`. They are of the driver's clock, which is one for all processes.

It sleeps where it stands when it delays a response, so it is meant for one client.
"""

import sys
import time
from array import array
from operator import add, mul, sub
from socket import socket

from calcbench.bench.loadgen.driver.poller import READABLE, make_poller
from calcbench.bench.loadgen.null_server import READ_SIZE

OPERATIONS = {b"add": add, b"sub": sub, b"mult": mul}
clock = time.perf_counter_ns


def response_to(request: bytes) -> bytes:
    """Return the right response to *request*, such as ``GET /add/2/3 HTTP/1.1``."""
    _, operation, one, other = request.partition(b" HTTP/")[0].split(b"/")
    body = b"%d" % OPERATIONS[operation](int(one), int(other))
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def serve(listener: socket, delay_ns: int, every: int) -> "array[int]":
    """Answer whoever comes until standard input ends; return the stamps."""
    poller = make_poller()
    poller.register(listener.fileno(), READABLE)
    poller.register(sys.stdin.fileno(), READABLE)
    clients: dict[int, socket] = {}
    stamps = array("q")
    while True:
        for fd, _ in poller.poll():
            client = clients.get(fd)
            if client is not None:
                try:
                    data = client.recv(READ_SIZE)
                    received = clock()
                    if data:
                        response = response_to(data)
                        if len(stamps) // 2 % every == 0:
                            time.sleep(delay_ns / 1e9)  # the delay that is to be measured
                        sending = clock()
                        client.send(response)
                        stamps.extend((received, sending))
                except OSError:  # the driver's window has closed, and it is gone
                    data = b""
                if not data:
                    del clients[fd]
                    client.close()
            elif fd == listener.fileno():
                client, _ = listener.accept()
                clients[client.fileno()] = client
                poller.register(client.fileno(), READABLE)
            else:
                return stamps


def main() -> None:
    """Serve as the command line says, then tell."""
    fd, delay_ns, every = map(int, sys.argv[1:])
    with socket(fileno=fd) as listener:
        stamps = serve(listener, delay_ns, every)
    sys.stdout.buffer.write(stamps.tobytes())


if __name__ == "__main__":
    main()
