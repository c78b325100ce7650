"""Load a calculator with plain Locust: raw sockets, every response checked, exact quantiles.

    calcbench serve --strategy selectors
    locust -f locustfile.py --host http://127.0.0.1:8080

and then open http://localhost:8089; the exact quantiles are at http://localhost:8089/exact, and
are printed at the end. Without the page: --headless -u 5 -r 5 -t 10s. On several machines: one
with --master, the others with --worker --master-host and its address.

Locust rounds: 3.4 ms becomes 3 ms, and 147 ms becomes 150. So we count every latency ourselves, to
the nanosecond, and send our counts along in the reports that workers make to the master.
"""

import math
import random
import socket
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from locust import User, constant, events, task
from locust.env import Environment

TIMEOUT_S = 2.0  # for each wait on the socket
OPERATIONS = {"add": int.__add__, "sub": int.__sub__, "mult": int.__mul__}

seen: Counter[int] = Counter()  # nanoseconds of a right response → how often; the master has all
unsent: Counter[int] = Counter()  # what a worker has not reported yet


class Calculating(User):
    """One client with one connection, which asks again as soon as it has its response."""

    wait_time = constant(0)

    def on_start(self) -> None:
        """Have no connection yet."""
        self.sock: socket.socket | None = None

    def on_stop(self) -> None:
        """Close the connection."""
        if self.sock:
            self.sock.close()
            self.sock = None

    @task
    def calculate(self) -> None:
        """Ask for a number, wait for it, check it, and tell Locust."""
        name = random.choice(list(OPERATIONS))
        one, other = random.randrange(10_000), random.randrange(10_000)
        right = OPERATIONS[name](one, other)
        error: Exception | None = None
        body = b""
        began = time.perf_counter_ns()
        try:
            body = self.ask(f"/{name}/{one}/{other}")
            if body != str(right).encode():
                raise ValueError(f"a wrong response to {name}")
        except (OSError, ValueError) as problem:
            error = problem
            self.on_stop()
        latency_ns = time.perf_counter_ns() - began
        if error is None:
            seen[latency_ns] += 1
            unsent[latency_ns] += 1
        self.environment.events.request.fire(
            request_type="GET",
            name=f"/{name}",
            response_time=latency_ns / 1e6,
            response_length=len(body),
            exception=error,
            context={},
        )
        if error:
            time.sleep(0.05)  # Locust has made this one let the other users run

    def ask(self, path: str) -> bytes:
        """Return the body of a response; raises OSError, or ValueError for one that is not 200."""
        url = urlsplit(self.host or "http://127.0.0.1:8080")
        if self.sock is None:
            self.sock = socket.create_connection(
                (url.hostname or "", url.port or 80), timeout=TIMEOUT_S
            )
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.sendall(f"GET {path} HTTP/1.1\r\nHost: {url.netloc}\r\n\r\n".encode())
        data = b""
        while True:
            head, end, body = data.partition(b"\r\n\r\n")
            if end and len(body) >= (length := content_length(head)):
                break
            received = self.sock.recv(65_536)
            if not received:
                raise ConnectionError("closed before the end of the response")
            data += received
        if len(body) > length or not head.startswith(b"HTTP/1.1 200 "):
            raise ValueError(head.partition(b"\r\n")[0].decode("latin-1"))
        if b"\r\nconnection: close" in head.lower():
            self.on_stop()
        return body


def content_length(head: bytes) -> int:
    """Return how many octets follow *head*; raises ValueError when it does not say."""
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise ValueError("no Content-Length")


def quantile(q: float) -> int:
    """Return the smallest latency, in ns, that at least a fraction *q* of the responses met."""
    rank = max(math.ceil(q * seen.total()), 1)
    for latency_ns in sorted(seen):
        rank -= seen[latency_ns]
        if rank <= 0:
            return latency_ns
    raise ValueError("no responses")


def lines() -> Iterator[str]:
    """Yield what there is to say of all responses."""
    yield f"exactly, of all right responses ({seen.total():,}):"
    # A quantile that lies beyond the longest of so many, with a chance above 5 %, is not known.
    known = [q for q in (0.5, 0.9, 0.99, 0.999) if q ** seen.total() <= 0.05]
    for q in (*known, 1) if seen else ():
        yield f"  {100 * q:g}% within {quantile(q) / 1e6:.6f} ms"


@events.test_start.add_listener
def forget(**_: Any) -> None:
    """Begin a test with no responses."""
    seen.clear()
    unsent.clear()


@events.report_to_master.add_listener
def report(data: dict[str, Any], **_: Any) -> None:
    """Put our counts into a worker's report."""
    data["exact_ns"] = dict(unsent)
    unsent.clear()


@events.worker_report.add_listener
def take(data: dict[str, Any], **_: Any) -> None:
    """Add a worker's counts to the master's."""
    seen.update(data.get("exact_ns", {}))


@events.init.add_listener
def offer_page(environment: Environment, **_: Any) -> None:
    """Show the exact quantiles at /exact, where there is a web page."""
    if environment.web_ui and environment.web_ui.app:
        environment.web_ui.app.add_url_rule("/exact", "exact", lambda: "<br>".join(lines()))


@events.quit.add_listener
def print_exact_quantiles(**_: Any) -> None:
    """Print the exact quantiles at the end, when the last reports have come."""
    if seen:
        print("\n".join(lines()), flush=True)
