"""What the driver says of servers about which the truth is known.

One stamps every request itself. The driver's service time of a request has to hold the server's
own, at both ends; what it has beyond that is the way there and back through the kernel, two
awakenings, and whatever the driver adds. Less would be a wrong clock or a wrong request. That is
promised for every request, for no noise can break it. Noise only adds to the rest, so the median
is promised for the quietest of a few rounds: 50 µs, about twice what two processes on two cores
take for a message to and fro.

The other one is stopped for T of the D seconds of an open loop at a constant rate. Of the
requests, the share T/D then waits for what is left of T, evenly from T to nothing, so the
q-quantile of the response time is T − (1 − q)·D. What a closed loop says beside it is shown, to
be warned by. 5 % allow for the gap between two requests and for working off the queue.
"""

import dataclasses
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from calcbench.bench.cpus import Pinning, choose_cores
from calcbench.bench.drive import Drivers
from calcbench.bench.driven import Driven
from calcbench.bench.load import Drive
from calcbench.bench.statistics import quantile
from calcbench.bench.units import format_ns, format_ratio
from calcbench.bench.validation.promise import Promise
from calcbench.core.errors import CalcbenchError
from calcbench.core.launcher import ServerSpec, launch
from calcbench.core.sockets import listen

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ROUNDS = 3  # with a freeze
STAMPED = 8  # rounds with stamps
STAMPED_S = 0.4
BIAS_NS = 50_000
DELAY_NS, DELAYED = 1_000_000, 10  # how late every tenth answer is
ARRAYS = 2_000  # whose quantiles are compared
FROZEN_S, FREEZE_S, RATE = 0.5, 2.5, 400  # T, D, and requests a second
QUANTILES = (0.9, 0.95, 0.99)
FREEZE_ERROR = 0.05


def promises() -> Iterator[Promise]:
    """Yield each promise, as it is measured."""
    pinning = choose_cores()
    yield quantiles()
    yield of_stamps([stamped(pinning) for _ in range(STAMPED)])
    yield freeze(pinning)


def quantiles() -> Promise:
    """Compare our quantiles with numpy's, of arrays of all sizes, with ties and without."""
    import numpy as np

    random = np.random.default_rng(1)
    differ = 0
    for _ in range(ARRAYS):
        size, most = random.integers(1, 2_000), random.choice((5, 10**9))
        values = np.sort(random.integers(0, most, size))
        for q in (0.5, 0.9, 0.99, 0.999, float(random.random())):
            differ += quantile(values, q) != np.quantile(values, q, method="inverted_cdf")
    return Promise(
        "quantiles are numpy's inverted_cdf",
        "exactly",
        f"{differ} of {ARRAYS * 5:,} differ",
        differ == 0,
    )


@dataclasses.dataclass(frozen=True)
class Beyond:
    """How much earlier than the server the driver began, and how much later it ended, in ns.

    *short* counts the delayed answers whose service time was shorter than the delay.
    """

    before: "NDArray[np.int64]"
    after: "NDArray[np.int64]"
    short: int = 0

    @property
    def bias(self) -> "NDArray[np.int64]":
        """Return service time less the server's own, ascending."""
        import numpy as np

        return np.sort(self.before + self.after)


def stamped(pinning: Pinning) -> Beyond:
    """Drive the server that stamps over one connection, and compare request by request."""
    import numpy as np

    drive = Drive("127.0.0.1", 0, 1, True, STAMPED_S, 0.1, cpus=pinning.driver)
    with listen("127.0.0.1", 0) as listener, Drivers() as drivers:
        here = dataclasses.replace(drive, port=listener.getsockname()[1])
        numbers = [str(number) for number in (listener.fileno(), DELAY_NS, DELAYED)]
        command = [sys.executable, "-P", "-m", "calcbench.bench.validation.stamping", *numbers]
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=(listener.fileno(),),
            process_group=0,
        ) as server:
            try:
                if pinning.server:
                    os.sched_setaffinity(server.pid, pinning.server)
                driven = drivers.drive(here)
                told, _ = server.communicate(timeout=30)
            finally:
                server.kill()
    return beyond(driven, np.frombuffer(told, np.int64).reshape(-1, 2))


def beyond(driven: Driven, stamps: "NDArray[np.int64]") -> Beyond:
    """Compare what was *driven* over one connection with the server's *stamps*, by their order.

    The samples are of the last requests that ended, but for one that may be in flight: the order
    alone says which stamps are theirs. Raises CalcbenchError where that cannot be said.
    """
    count = len(driven.samples["sent_ns"])
    extra = len(stamps) - driven.ended
    if driven.outcomes.failed or not count or not 0 <= extra <= driven.unfinished:
        raise CalcbenchError(
            "the server that stamps and the driver do not tell of one conversation"
        )
    received, sending = stamps[driven.ended - count : driven.ended].T - driven.opened_ns
    sent, done = driven.samples["sent_ns"], driven.samples["done_ns"]
    delayed = slice(-(driven.ended - count) % DELAYED, None, DELAYED)
    short = int(((done - sent)[delayed] < DELAY_NS).sum())
    return Beyond(received - sent, done - sending, short)


def of_stamps(rounds: list[Beyond]) -> Promise:
    """Say what *rounds* against the server that stamps have shown."""
    quietest = min((one.bias for one in rounds), key=lambda bias: quantile(bias, 0.5))
    least = min(int(min(one.before.min(), one.after.min())) for one in rounds)
    median = quantile(quietest, 0.5)
    count = sum(len(one.before) for one in rounds)
    return Promise(
        "service time beyond the server's own stamps",
        f"≥ 0, p50 ≤ {BIAS_NS // 1_000} µs",
        f"least {format_ns(least)} an end, p50 {format_ns(median)},"
        f" p99 {format_ns(quantile(quietest, 0.99))}; {count:,} requests",
        least >= 0 and median <= BIAS_NS and not any(one.short for one in rounds),
    )


def freeze(pinning: Pinning) -> Promise:
    """Stop a server in the middle of open loops and of a closed one."""
    import numpy as np

    with launch(ServerSpec("selectors", cpus=pinning.server)) as server:
        load = Drive(
            server.host, server.port, 64, True, FREEZE_S, 0.3, 60, cpus=pinning.driver, rate=RATE
        )
        runs = [freeze_during(server.pid, load) for _ in range(ROUNDS)]
        closed, _ = freeze_during(server.pid, dataclasses.replace(load, rate=0))
    seen, frozen_ns = sorted(runs, key=lambda run: freeze_error(*run))[len(runs) // 2]
    error = freeze_error(seen, frozen_ns)
    seen_ns = quantile(np.sort(seen.samples["latency_ns"]), 0.99)
    missed_ns = quantile(np.sort(closed.samples["latency_ns"]), 0.99)
    return Promise(
        f"open loop, server stopped {FROZEN_S:g} of {FREEZE_S:g} s: p90, p95, p99",
        f"within {FREEZE_ERROR:.0%}",
        f"{error:.1%} off; p99 {format_ns(seen_ns)}; a closed loop says {format_ns(missed_ns)},"
        f" {format_ratio(seen_ns / missed_ns)} less",
        error <= FREEZE_ERROR,
    )


def freeze_during(pid: int, load: Drive) -> tuple[Driven, int]:
    """Drive, and stop the group *pid* in the middle; return what was seen, and for how long, in ns.

    Raises CalcbenchError where the freeze was not within the window: the machine is too busy.
    """
    times: list[int] = []

    def stop() -> None:
        time.sleep(load.warmup_s + load.duration_s / 3)  # some way into the window
        os.killpg(pid, signal.SIGSTOP)
        times.append(time.perf_counter_ns())
        time.sleep(FROZEN_S)
        os.killpg(pid, signal.SIGCONT)
        times.append(time.perf_counter_ns())

    thread = threading.Thread(target=stop)
    with Drivers() as drivers:
        thread.start()
        try:
            seen = drivers.drive(load)
        finally:
            thread.join()
    if not seen.opened_ns < times[0] < times[1] < seen.opened_ns + seen.elapsed_ns:
        raise CalcbenchError("the server was stopped outside of the window")
    return seen, times[1] - times[0]


def frozen_quantile(q: float, frozen_ns: float, elapsed_ns: float) -> float:
    """Return the response time that a share *q* of all meets, of *frozen_ns* in *elapsed_ns*."""
    return max(frozen_ns - (1 - q) * elapsed_ns, 0)


def freeze_error(seen: Driven, frozen_ns: int) -> float:
    """Return how far the worst of `QUANTILES` lies from what arithmetic says, as a ratio."""
    import numpy as np

    response = np.sort(seen.samples["latency_ns"])
    return max(
        abs(quantile(response, q) / frozen_quantile(q, frozen_ns, seen.elapsed_ns) - 1)
        for q in QUANTILES
    )
