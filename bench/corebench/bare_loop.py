"""The bare loop: the least that a Python event loop can do, and so the limit for all of them.

It is the loop of the null server, and serves until it is killed or whoever started it dies.
``python -m calcbench.bench.corebench.bare_loop CONFIG`` takes its config as JSON.
"""

from email.utils import formatdate
from socket import IPPROTO_TCP, TCP_NODELAY, create_server

from calcbench.bench.corebench.process import configure
from calcbench.bench.loadgen.null_server import respond
from calcbench.bench.schema.plan import CLOSE, LOOPBACK


def main() -> None:
    """Serve as the config says: on which port and cores, what, to connections of which kind."""
    config = configure()
    body = config["response"].encode()
    close = config["reuse"] == CLOSE
    ending = b"Connection: close\r\n" if close else b""
    # As many octets as the calculator sends; the date stands still.
    response = (
        b"HTTP/1.1 200 OK\r\nDate: %b\r\nContent-Type: text/plain; charset=utf-8\r\n"
        b"Content-Length: %d\r\n%b\r\n%b"
    ) % (formatdate(usegmt=True).encode(), len(body), ending, body)
    with create_server((LOOPBACK, config["port"]), backlog=4096) as listener:
        listener.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        respond(listener, response, close=close)


if __name__ == "__main__":
    main()
