"""What slices and windows say of servers whose response times are known.

Three servers (`calcbench.bench.validation.delaying_server`) are measured in a closed loop, by turns
in slices and each in one window. What the driver and the kernel add is a tenth of a millisecond on
a quiet machine, and strangers on its cores only add to that: so the quietest of a few rounds
counts. No response may seem to come before it was sent, in none of them.
"""

import math
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from calcbench.bench.analysis.quantiles import quantile
from calcbench.bench.loadgen.observation import Observation
from calcbench.bench.loadgen.pool import DriverProcess, Drivers
from calcbench.bench.loadgen.spec import LoadSpec
from calcbench.bench.schema.plan import LOOPBACK
from calcbench.bench.schema.turns import SLICE_S
from calcbench.bench.system.cpus import Pinning, pin
from calcbench.bench.units import format_count
from calcbench.bench.validation.delaying_server import (
    CONSTANT,
    EVERY,
    EXPONENTIAL,
    FREEZE,
    FROZEN_NS,
    LAWS,
    MEAN_NS,
)
from calcbench.bench.validation.requirement import Requirement
from calcbench.core.errors import CalcbenchError
from calcbench.core.serving.listeners import listen

CLIENTS = 8
DURATION_S, WARMUP_S = 1.0, 0.1
ROUNDS = 3
ERROR = 0.1  # a busy machine adds half a millisecond to each, and its quietest round less
HALF_FROZEN = 1 - CLIENTS / EVERY / 2  # all clients wait for a freeze: half of their requests
QUANTILES = {CONSTANT: (0.5, 0.9), EXPONENTIAL: (0.5, 0.9), FREEZE: (HALF_FROZEN,)}
SHORTEST_NS = {CONSTANT: MEAN_NS, EXPONENTIAL: 0, FREEZE: 0}


@dataclass(frozen=True)
class Reading:
    """How far the worst quantile is from the known one, as a ratio, and how many were too short."""

    error: float
    too_short: int


Readings = Mapping[str, Reading]  # by law


def requirement(pinning: Pinning) -> Requirement:  # by make validate
    """Measure, and say what there is; raises CalcbenchError where nothing can be measured."""
    slices: list[Readings] = []
    windows: list[Readings] = []
    with ExitStack() as up:
        loads = {law: load_for(up.enter_context(serving(law, pinning)), pinning) for law in LAWS}
        for number in range(ROUNDS):
            ways = [(slices, by_slices), (windows, by_windows)]
            for found, measure in ways if number % 2 == 0 else reversed(ways):
                found.append(readings(dict(zip(loads, measure(list(loads.values())), strict=True))))
    return requirement_of(slices, windows)


def requirement_of(slices: Sequence[Readings], windows: Sequence[Readings]) -> Requirement:
    """Return the requirement, from the rounds by *slices* and by *windows*."""
    errors = [
        [min(found[law].error for found in rounds) for law in LAWS] for rounds in (slices, windows)
    ]
    short = sum(one.too_short for found in (*slices, *windows) for one in found.values())
    by_slices, by_windows = (", ".join(f"{error:.1%}" for error in of) for of in errors)
    return Requirement(
        f"known response times of three servers: {', '.join(LAWS)}",
        f"within {ERROR:.0%} in the best of {len(slices)} rounds, none too short",
        f"by slices {by_slices} off; by windows {by_windows}; too short: {short}",
        max(map(max, errors)) <= ERROR and not short,
    )


def by_slices(loads: Sequence[LoadSpec]) -> list[Observation]:
    """Return what a driver sees of *loads* by turns."""
    with DriverProcess(len(loads)) as driver:
        return driver.drive_by_turns(loads, SLICE_S, "known")


def by_windows(loads: Sequence[LoadSpec]) -> list[Observation]:
    """Return what drivers see of *loads*, one after the other."""
    found = []
    for load in loads:
        with Drivers() as drivers:
            found.append(drivers.drive(load))
    return found


def readings(observed: Mapping[str, Observation]) -> dict[str, Reading]:
    """Compare what was *observed* of each law; raises CalcbenchError where that is not enough."""
    import numpy as np

    found = {}
    for law, observation in observed.items():
        latencies = np.sort(observation.samples["latency_ns"])
        if observation.outcomes.failed or len(latencies) < EVERY / 2:
            ok, failed = observation.outcomes.ok, observation.outcomes.failed
            seen = format_count(ok, "right response")
            raise CalcbenchError(f"{law}: too little to go by: {seen} of {ok + failed:,}")
        errors = [abs(quantile(latencies, q) / known_quantile(law, q) - 1) for q in QUANTILES[law]]
        too_short = int(np.searchsorted(latencies, SHORTEST_NS[law]))
        found[law] = Reading(max(errors), too_short)
    return found


def known_quantile(law: str, q: float) -> float:
    """Return the response time that a share *q* of all requests meets by *law*, in nanoseconds."""
    if law == EXPONENTIAL:
        return -math.log1p(-q) * MEAN_NS
    return MEAN_NS if law == CONSTANT else FROZEN_NS


def load_for(port: int, pinning: Pinning) -> LoadSpec:
    """Return the load for the server at *port*."""
    return LoadSpec(
        LOOPBACK, port, CLIENTS, True, DURATION_S, WARMUP_S, timeout_s=60, cpus=pinning.driver
    )


@contextmanager
def serving(law: str, pinning: Pinning) -> Iterator[int]:
    """Have a server answer by *law*; give its port."""
    with listen(LOOPBACK, 0) as listener:
        fd = listener.fileno()
        command = (sys.executable, "-P", "-m", "calcbench.bench.validation.delaying_server")
        with subprocess.Popen(
            (*command, str(fd), law), stdin=subprocess.PIPE, pass_fds=(fd,), process_group=0
        ) as server:
            try:
                pin(pinning.server, server.pid)
                yield listener.getsockname()[1]
            finally:
                server.kill()
