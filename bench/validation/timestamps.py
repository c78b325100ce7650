"""The driver's times beside those of a server that stamps every request itself.

The driver's service time of a request has to hold the server's own, at both ends: less would be a
wrong clock or a wrong request. That is required for every request, for no noise can break it.
What it has beyond that is the way there and back through the kernel, two awakenings, and what
the driver adds. The first two are anybody's: a bare client, which does nothing but send and
receive, has them too, in the same minute and on the same core. So the median is required by what
it lies above the bare client's, in the quietest of a few rounds of each, because noise only adds:
20 µs, for an epoll, the checks of a turn of the loop, and caches that have cooled meanwhile.
"""

import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from calcbench.bench.analysis.quantiles import quantile
from calcbench.bench.loadgen.observation import Observation
from calcbench.bench.loadgen.pool import Drivers
from calcbench.bench.loadgen.spec import LoadSpec, ring
from calcbench.bench.schema.plan import LOOPBACK
from calcbench.bench.system.cpus import Pinning, on_cores, pin
from calcbench.bench.units import format_count, format_ns
from calcbench.bench.validation.requirement import Requirement
from calcbench.core.errors import CalcbenchError
from calcbench.core.serving.listeners import listen

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Seen = TypeVar("Seen")

ROUNDS, DURATION_S = 6, 0.4
DELAY_NS, DELAYED = 1_000_000, 10  # how late every tenth response is
BARE = 2_000  # requests of a bare client in a round
ADDED_NS = 20_000  # what the driver may add
TIMEOUT_S = 30.0  # for the stamps, which are there


@dataclass(frozen=True)
class Beyond:
    """How much earlier than the server a client began, and how much later it ended, in ns.

    *short* counts the delayed responses whose service time was shorter than the delay.
    """

    before: "NDArray[np.int64]"
    after: "NDArray[np.int64]"
    short: int = 0

    @property
    def median_ns(self) -> int:
        """The middle of what service time is beyond the server's own."""
        return self.quantile(0.5)

    def quantile(self, q: float) -> int:
        """Return a quantile of what service time is beyond the server's own."""
        import numpy as np

        return quantile(np.sort(self.before + self.after), q)


def requirement(pinning: Pinning) -> Requirement:  # by make validate
    """Measure, and say what there is."""
    rounds = [(by_driver(pinning), by_bare_client(pinning)) for _ in range(ROUNDS)]
    return requirement_of([driver for driver, _ in rounds], [bare for _, bare in rounds])


def requirement_of(driver: list[Beyond], bare: list[Beyond]) -> Requirement:
    """Return the requirement, from the rounds of the driver and of a bare client."""
    quietest = min(driver, key=lambda one: one.median_ns)
    bare_ns = min(one.median_ns for one in bare)
    least = min(int(min(one.before.min(), one.after.min())) for one in driver)
    count = sum(len(one.before) for one in driver)
    added_ns = quietest.median_ns - bare_ns
    return Requirement(
        f"service time less what the server's own stamps say, {count:,} requests",
        f"always ≥ 0; p50 ≤ a bare client's + {ADDED_NS // 1_000} µs, in the best of {len(driver)}"
        " rounds",
        f"≥ {format_ns(least)} at each end; p50 {format_ns(quietest.median_ns)}"
        f" (bare client {format_ns(bare_ns)}), p99 {format_ns(quietest.quantile(0.99))}",
        least >= 0 and added_ns <= ADDED_NS and not any(one.short for one in driver),
    )


def by_driver(pinning: Pinning) -> Beyond:  # by make validate
    """Let the driver ask over one connection, and compare request by request."""
    return beyond(*drive_stamped(pinning, DURATION_S))


def drive_stamped(pinning: Pinning, duration_s: float) -> "tuple[Observation, NDArray[np.int64]]":
    """Let the driver ask over one connection; return what it saw, and the server's stamps."""

    def ask(port: int) -> Observation:
        with Drivers() as drivers:
            return drivers.drive(
                LoadSpec(LOOPBACK, port, 1, True, duration_s, 0.1, cpus=pinning.driver)
            )

    return with_stamps(pinning, ask)


def beyond(observation: Observation, stamps: "NDArray[np.int64]") -> Beyond:
    """Compare an *observation* of one connection with the server's *stamps*, by their order.

    The samples are of the last requests that ended, but for one that may be in flight: the order
    alone says which stamps are theirs. Raises CalcbenchError where that cannot be said.
    """
    count = len(observation.samples["sent_ns"])
    extra = len(stamps) - observation.ended
    if observation.outcomes.failed or not count or not 0 <= extra <= observation.unfinished:
        raise CalcbenchError(
            f"server and driver do not agree on the requests: {format_count(len(stamps), 'stamp')},"
            f" {format_count(observation.ended, 'request')}, {count:,} of them in the window,"
            f" {observation.outcomes.failed:,} failed"
        )
    received, sending = (
        stamps[observation.ended - count : observation.ended].T - observation.opened_ns
    )
    sent, done = observation.samples["sent_ns"], observation.samples["done_ns"]
    delayed = slice(-(observation.ended - count) % DELAYED, None, DELAYED)
    short = int(((done - sent)[delayed] < DELAY_NS).sum())
    return Beyond(received - sent, done - sending, short)


def by_bare_client(pinning: Pinning, count: int = BARE) -> Beyond:
    """Ask *count* times as a client that does nothing else, and compare request by request."""
    import numpy as np

    clock = time.perf_counter_ns

    def ask(port: int) -> list[tuple[int, int]]:
        requests = ring(LoadSpec(LOOPBACK, port, 1, True, 0, variety=count))
        with socket.create_connection((LOOPBACK, port)) as sock, on_cores(pinning.driver):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            times = []
            for request, _ in requests:
                sent = clock()
                sock.send(request)
                sock.recv(4096)
                times.append((sent, clock()))
        return times

    times, stamps = with_stamps(pinning, ask)
    sent, done = np.array(times).T
    received, sending = stamps.T
    return Beyond(received - sent, done - sending)


def with_stamps(pinning: Pinning, ask: Callable[[int], Seen]) -> "tuple[Seen, NDArray[np.int64]]":
    """Start the server that stamps, *ask* it at its port; return what was seen, and its stamps."""
    import numpy as np

    with listen(LOOPBACK, 0) as listener:
        numbers = [str(number) for number in (listener.fileno(), DELAY_NS, DELAYED)]
        command = [
            sys.executable,
            "-P",
            "-m",
            "calcbench.bench.validation.stamping_server",
            *numbers,
        ]
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=(listener.fileno(),),
            process_group=0,
        ) as server:
            try:
                pin(pinning.server, server.pid)
                seen = ask(listener.getsockname()[1])
                stamps, _ = server.communicate(timeout=TIMEOUT_S)
            finally:
                server.kill()
    return seen, np.frombuffer(stamps, np.int64).reshape(-1, 2)
