"""A server that runs already, at a URL: what it offers is asked first."""

import time
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from calcbench.bench.classroom.conformance.finding import CALC, KEEPS, PROCESS
from calcbench.bench.classroom.conformance.processes import Processes, listener_on
from calcbench.bench.classroom.conformance.rules.answers import POST
from calcbench.bench.classroom.conformance.strategy import QUICK_S, limit_for
from calcbench.bench.classroom.conformance.target import UNKNOWN, Target
from calcbench.bench.classroom.raw_client import OutOfTimeError, SurpriseError, get
from calcbench.core.errors import CalcbenchError, UsageError

HTTP_PORT = 80
FIRST_S = 10.0  # for all first questions
NO_SUCH = (404, 405, 501)  # what is said of a path or a method that is not there
LOCAL = ("localhost", "::1")


@dataclass(frozen=True)
class Address:
    """Where a server is."""

    host: str
    port: int

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine, by a name that cannot mean another one."""
        return self.host in LOCAL or self.host.startswith("127.")


def parse_url(url: str) -> Address:
    """Return the address in *url*; raises UsageError."""
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme, parts.hostname, parts.port
    except ValueError:
        scheme, host, port = "", None, None
    if scheme != "http" or not host:
        raise UsageError(f"{url!r} should be a URL such as http://127.0.0.1:8080/")
    return Address(host, HTTP_PORT if port is None else port)


def visit(url: str, clients: str = "") -> Target:
    """Return the server at *url* as what is checked; *clients* is how many it claims at once.

    Raises UsageError for no URL, CalcbenchError where nothing listens. Whether it answers at all is
    not asked for here.
    """
    address = parse_url(url)
    pid = listener_on(address.port) if address.is_local else None
    processes = Processes(pid) if pid else None
    target = Target(
        url,
        address.host,
        address.port,
        frozenset(),
        QUICK_S,
        clients or UNKNOWN,
        f"--clients {clients}" if clients else "",
        processes,
    )
    if target.has_ended():
        raise CalcbenchError(f"nothing listens at {url}; is it running?")
    target.until = time.monotonic() + FIRST_S
    with suppress(SurpriseError, OutOfTimeError):
        target.limit_s = limit_for(target)
        target.offers = frozenset(offers(target))
    return target


def offers(target: Target) -> set[str]:
    """Return what *target* offers beside GET /add/2/3."""
    found = {PROCESS} if target.processes and target.processes.there() else set()
    with suppress(SurpriseError), target.client() as client:
        client.send(get("/add/2/3"))
        if not client.response().closes:
            found.add(KEEPS)
    with suppress(SurpriseError), target.client() as client:
        client.send(POST)
        if client.response().status not in NO_SUCH:
            found.add(CALC)
    return found
