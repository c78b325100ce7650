"""What the driver says of servers about which the truth is known.

Quantiles are compared with numpy's, and with analytic ones where requests get no answer.

Of two servers one stamps every request itself (`calcbench.bench.validation.timestamps`). The other
one is stopped for T of the D seconds of an open loop at a constant rate. Of the requests, the share
T/D then waits for what is left of T, evenly from T to nothing, so the q-quantile of the response
time is T − (1 − q)·D. 5 % allow for the gap between two requests and for working off the queue.
Strangers on the server's core make that last longer, and nothing makes it shorter, so the quietest
of a few freezes counts. A closed loop beside it asks nothing while the server stands still: what
it says is shown, to be warned by.
"""

import dataclasses
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from calcbench.bench.analysis.quantiles import Reading, Waits, quantile
from calcbench.bench.loadgen.observation import Observation
from calcbench.bench.loadgen.pool import Drivers
from calcbench.bench.loadgen.spec import LoadSpec
from calcbench.bench.system.cpus import Pinning, choose_cores
from calcbench.bench.units import format_ns
from calcbench.bench.validation import timestamps
from calcbench.bench.validation.requirement import Requirement
from calcbench.core.errors import CalcbenchError
from calcbench.core.serving.launcher import ServerSpec, launch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ROUNDS = 3
ARRAYS = 2_000  # whose quantiles are compared
FROZEN_S, FREEZE_S, RATE = 0.5, 2.5, 400  # T, D, and requests a second
QUANTILES = (0.9, 0.95, 0.99)
FREEZE_ERROR = 0.05
MEAN_NS, TIME_OUT, REQUESTS, RUNS = 1_000_000, 5, 20_000, 100
CENSORED_QUANTILES, BEYOND = (0.5, 0.9, 0.99), 0.999  # p99 is at 4.6 means, p99.9 at 6.9
CENSORED_ERROR = 0.01


def requirements() -> Iterator[Requirement]:
    """Yield each requirement, as it is measured."""
    pinning = choose_cores()
    yield quantiles()
    yield censored_quantiles()
    yield timestamps.requirement(pinning)
    yield freeze(pinning)


def quantiles(
    arrays: int = ARRAYS, ours: "Callable[[NDArray[np.int64], float], int]" = quantile
) -> Requirement:
    """Compare *ours* with numpy's, of arrays of all sizes, with ties and without."""
    import numpy as np

    random = np.random.default_rng(1)
    differ = 0
    for _ in range(arrays):
        size, most = random.integers(1, 2_000), random.choice((5, 10**9))
        values = np.sort(random.integers(0, most, size))
        for q in (0.5, 0.9, 0.99, 0.999, float(random.random())):
            differ += ours(values, q) != np.quantile(values, q, method="inverted_cdf")
    return Requirement(
        "quantiles are those of numpy (inverted_cdf)",
        "exactly",
        f"{differ} of {arrays * 5:,} differ",
        differ == 0,
    )


def censored_quantiles(waits: "type[Waits]" = Waits) -> Requirement:
    """Compare *waits* with the analytic quantiles where requests stop waiting before their answer.

    Responses take an exponential time. Whoever has none after `TIME_OUT` of its mean gives up, and
    connections break as often as a tenth of the responses come, at whatever moment. The quantile q
    is −ln(1 − q) means as long as that is shorter than the time-out, and beyond it unknown.
    """
    import numpy as np

    random, once = np.random.default_rng(1), np.ones(REQUESTS, np.int64)
    errors, naive, unsaid = [], [], 0
    for _ in range(RUNS):
        took = random.exponential(MEAN_NS, REQUESTS)
        waited = np.minimum(random.exponential(10 * MEAN_NS, REQUESTS), TIME_OUT * MEAN_NS)
        ended = took <= waited
        times = np.minimum(took, waited).astype(np.int64)
        seen = waits((times[ended], once[ended]), (times[~ended], once[~ended]))
        answers = np.sort(times[ended])
        for q in CENSORED_QUANTILES:
            right = -np.log1p(-q) * MEAN_NS
            errors.append(seen.quantile(q).value / right - 1)
            naive.append(quantile(answers, q) / right - 1)
            unsaid += seen.quantile(q).at_least
        unsaid += seen.quantile(BEYOND) != Reading(TIME_OUT * MEAN_NS, at_least=True)
    by_quantile = np.reshape(errors, (RUNS, -1)).mean(axis=0)
    bias = np.reshape(naive, (RUNS, -1)).mean(axis=0)
    worst = float(np.abs(by_quantile).max())
    return Requirement(
        "censored quantiles against the analytic value: p50, p90, p99 of an exponential",
        f"within {CENSORED_ERROR:.0%} on average, and bounds said to be some",
        f"{worst:.2%} off; by answers alone {bias.min():.0%}; wrongly a bound or none: {unsaid}",
        worst <= CENSORED_ERROR and not unsaid,
    )


def freeze(pinning: Pinning) -> Requirement:  # by make validate
    """Stop a server in the middle of open loops and of a closed one.

    Raises CalcbenchError where a freeze was not within its window: the machine is too busy.
    """
    import numpy as np

    with launch(ServerSpec("selectors", cpus=pinning.server)) as server:
        load = LoadSpec(
            server.host, server.port, 64, True, FREEZE_S, 0.3, 60, cpus=pinning.driver, rate=RATE
        )
        when = FREEZE_S / 3, FROZEN_S  # some way into the window
        runs = [freeze_during(server.pid, load, *when) for _ in range(ROUNDS)]
        closed = freeze_during(server.pid, dataclasses.replace(load, rate=0), *when)
    if not all(run.is_within for run in (*runs, closed)):
        raise CalcbenchError("the server was stopped outside of the window")
    run = min(runs, key=lambda run: freeze_error(run.observation, run.frozen_ns))
    error = freeze_error(run.observation, run.frozen_ns)
    seen_ns = quantile(np.sort(run.observation.samples["latency_ns"]), 0.99)
    missed_ns = quantile(np.sort(closed.observation.samples["latency_ns"]), 0.99)
    return Requirement(
        f"open loop, server stopped {FROZEN_S:g} of {FREEZE_S:g} s: p90, p95, p99",
        f"within {FREEZE_ERROR:.0%}, in the best of {ROUNDS} freezes",
        f"{error:.1%} off; p99 {format_ns(seen_ns)}; a closed loop would say"
        f" {format_ns(missed_ns)} instead",
        error <= FREEZE_ERROR,
    )


@dataclass(frozen=True)
class Freeze:
    """What drivers saw of a server that stood still for a part of their window.

    Both moments count from the window's opening: it was stopped at *stopped_ns*, and let go on at
    *went_on_ns* or a few microseconds later, but never before.
    """

    observation: Observation
    stopped_ns: int
    went_on_ns: int

    @property
    def frozen_ns(self) -> int:
        """For how long it stood still."""
        return self.went_on_ns - self.stopped_ns

    @property
    def is_within(self) -> bool:
        """Whether the window was open all the while."""
        return 0 < self.stopped_ns < self.went_on_ns < self.observation.elapsed_ns


def freeze_during(pid: int, load: LoadSpec, after_s: float, frozen_s: float) -> Freeze:
    """Drive, and stop the group *pid* for *frozen_s*, about *after_s* after the window opens.

    *pid* is a child of ours, and alone in its group.
    """
    times: list[int] = []

    def stop() -> None:
        time.sleep(load.warmup_s + after_s)
        os.killpg(pid, signal.SIGSTOP)
        os.waitpid(pid, os.WUNTRACED)
        times.append(time.perf_counter_ns())
        time.sleep(frozen_s)
        times.append(time.perf_counter_ns())
        os.killpg(pid, signal.SIGCONT)

    thread = threading.Thread(target=stop)
    with Drivers() as drivers:
        thread.start()
        try:
            observation = drivers.drive(load)
        finally:
            thread.join()
    stopped_ns, went_on_ns = (moment - observation.opened_ns for moment in times)
    return Freeze(observation, stopped_ns, went_on_ns)


def frozen_quantile(q: float, frozen_ns: float, elapsed_ns: float) -> float:
    """Return the response time that a share *q* of all meets, of *frozen_ns* in *elapsed_ns*."""
    return max(frozen_ns - (1 - q) * elapsed_ns, 0)


def freeze_error(seen: Observation, frozen_ns: int) -> float:
    """Return how far the worst of `QUANTILES` lies from what arithmetic says, as a ratio."""
    import numpy as np

    response = np.sort(seen.samples["latency_ns"])
    return max(
        abs(quantile(response, q) / frozen_quantile(q, frozen_ns, seen.elapsed_ns) - 1)
        for q in QUANTILES
    )
