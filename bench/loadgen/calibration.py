"""What the driver can do on this machine: its cost for each request, its ceiling, its lateness.

It drives the null server, which does as little as a server can. The cost is the driver's CPU
time for each request, and the ceiling what one core has room for at that cost: it does not matter
then how fast that server is, or whether somebody else used the cores meanwhile. The lateness is
how long after it was due a request left, in an open loop at a quarter of that.

A calibration is kept in a cache for each machine, Python and driver, and every run refers to it.
Others who compute at the same time make each request cost the driver more, by what they leave of
the caches. So it is measured how much of its core they had: a calibration that was disturbed is
good until there is a better one, which is tried for again after a while. One that a point of a run
has gone beyond is wrong, and not kept.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import calcbench
from calcbench.bench.loadgen.spec import LoadSpec, ring
from calcbench.bench.schema.calibration import Calibration, Lateness, WayCalibration, parse_time
from calcbench.bench.schema.plan import LOOPBACK
from calcbench.bench.system.cpus import Pinning, choose_cores, pin
from calcbench.bench.system.files import read_below, whole_file
from calcbench.bench.system.machine import describe_machine, python_name, timestamp
from calcbench.bench.system.procfs import PROC, TELLS_DELAYS, core_times, read_text
from calcbench.core.errors import CalcbenchError
from calcbench.core.serving.listeners import listen

if TYPE_CHECKING:
    from calcbench.bench.loadgen.observation import Observation

Drive = Callable[[LoadSpec, Pinning], "Observation"]

FOLDER = "calcbench"
MOST_BYTES = 100_000  # of what is kept, about 1,000
WAYS = {"keep-alive": 32, "close": 8}  # way of connecting → clients that keep the driver busy
ROUNDS = 3
DURATION_S, WARMUP_S = 0.3, 0.1
TRY_AGAIN_S = 600  # after a calibration that was disturbed
TAKES_S = 4.0  # all of it, about
LATENESS_SHARE = 0.25  # of the ceiling
# The driver is what these say.
SOURCES = (
    *(f"driver/{name}.py" for name in ("process", "loop", "open_loop", "client", "poller")),
    *(f"driver/{name}.py" for name in ("recorder", "response", "ledger")),
    "protocol.py",
    "spec.py",
    "../schema/arrivals.py",
    "../schema/outcomes.py",
    "../system/procfs.py",
)


def machine_key() -> dict[str, Any]:
    """Return all that makes one calibration good for two runs."""
    machine = describe_machine()
    folder = Path(__file__).parent
    sources = b"".join((folder / name).read_bytes() for name in SOURCES)
    return {
        "cpu": machine["cpu"],
        "cores": machine["usable_cores"],
        "kernel": machine["kernel"],
        "python": python_name(),
        "gil": getattr(sys, "_is_gil_enabled", lambda: True)(),
        "calcbench": calcbench.__version__,
        "driver": hashlib.sha256(sources).hexdigest()[:12],
    }


def cache_file() -> Path:
    """Return where the calibration of this machine, Python and driver is kept."""
    text = json.dumps(machine_key(), sort_keys=True)
    name = hashlib.sha256(text.encode()).hexdigest()[:16]
    root = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(root) / FOLDER / f"calibration-{name}.json"


def load_calibration() -> Calibration | None:
    """Return the calibration that is to be used here and now, None if one is to be made first.

    That is where none is kept, or only one that was disturbed, some time ago.
    """
    known = kept_calibration()
    if known and known.contended and age_s(known) > TRY_AGAIN_S:
        return None
    return known


def age_s(calibration: Calibration) -> float:
    """Return how long ago *calibration* was measured, in seconds."""
    return (datetime.now(UTC) - parse_time(calibration.measured)).total_seconds()


def kept_calibration() -> Calibration | None:
    """Return the calibration that is kept, None if there is no whole one."""
    import msgspec

    try:
        path = cache_file()
        content = read_below(path.parent, path.name, MOST_BYTES)
        known = msgspec.json.decode(content, type=Calibration)
    except (OSError, ValueError, RuntimeError):  # no file, no calibration, or no home at all
        return None
    return known if known.ways.keys() >= WAYS.keys() else None


def save_calibration(calibration: Calibration) -> bool:
    """Keep *calibration* for later runs; tell whether that could be done."""
    try:
        path = cache_file()
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as file:
            file.write(json.dumps(dataclasses.asdict(calibration), indent=1).encode())
    except (OSError, CalcbenchError, RuntimeError):
        # A home that cannot be written: the next run calibrates again.
        return False
    return True


def forget_calibration() -> None:
    """Keep no calibration any more."""
    with contextlib.suppress(OSError, RuntimeError):  # there is none, or not even a home
        cache_file().unlink()


def drive_null(spec: LoadSpec, pinning: Pinning) -> "Observation":
    """Return what a driver sees that drives the null server as *spec* says, but for where."""
    from calcbench.bench.loadgen.pool import DriverProcess

    with DriverProcess() as driver, null_server(spec, pinning) as port:
        here = dataclasses.replace(spec, host=LOOPBACK, port=port, cpus=pinning.driver)
        return driver.drive(here)


def calibrate_driver(
    duration_s: float = DURATION_S, rounds: int = ROUNDS, drive: Drive = drive_null
) -> Calibration:
    """Measure the driver, which takes a few seconds; raises CalcbenchError when it cannot drive.

    *drive* says what a driver sees of a load; a test may make that up.
    """
    pinning = choose_cores()
    ways = {
        way: measure_way(pinning, way == "keep-alive", clients, duration_s, rounds, drive)
        for way, clients in WAYS.items()
    }
    rate = ways["keep-alive"].ceiling_per_s * LATENESS_SHARE
    return Calibration(
        **machine_key(),
        measured=timestamp(),
        ways=ways,
        lateness=measure_lateness(pinning, rate, duration_s, drive),
    )


def measure_way(
    pinning: Pinning,
    keep_alive: bool,
    clients: int,
    duration_s: float,
    rounds: int,
    drive: Drive = drive_null,
) -> WayCalibration:
    """Return the driver's cost and ceiling with *clients*, the median of *rounds*."""
    costs, rates, delays, contended = [], [], [], []
    for _ in range(rounds):
        spec = LoadSpec("", 0, clients, keep_alive, duration_s, WARMUP_S, variety=1)
        stolen = stolen_ns(pinning.driver)
        observation = drive(spec, pinning)
        stolen = stolen_ns(pinning.driver) - stolen
        requests = max(observation.outcomes.ok, 1)
        costs.append(observation.driver_cpu_ns / requests)
        rates.append(requests * 1e9 / observation.elapsed_ns)
        delays.append(observation.driver_delay_ns / observation.elapsed_ns)
        around_ns = observation.elapsed_ns + WARMUP_S * 1e9
        contended.append(delays[-1] + stolen / around_ns)
    cost_ns, middle = (sorted(values)[rounds // 2] for values in (costs, contended))
    return WayCalibration(
        clients=clients,
        cost_ns=round(cost_ns),
        cost_lowest_ns=round(min(costs)),
        cost_highest_ns=round(max(costs)),
        ceiling_per_s=round(1e9 / cost_ns),
        reached_per_s=round(max(rates)),
        delay_ratio=round(max(delays), 4) if TELLS_DELAYS else None,
        contended_ratio=round(min(middle, 1.0), 4) if TELLS_DELAYS else None,
    )


def stolen_ns(cores: Sequence[int]) -> int:
    """Return how long the host has had *cores*, the most of them, while we could have run there."""
    return max(core_times(read_text(PROC / "stat"), cores)[1], default=0)


def measure_lateness(
    pinning: Pinning, rate: float, duration_s: float, drive: Drive = drive_null
) -> Lateness:
    """Return how late requests leave when *rate* are due each second."""
    import numpy as np

    clients = WAYS["keep-alive"]
    spec = LoadSpec("", 0, clients, True, duration_s, WARMUP_S, variety=1, rate=rate)
    observation = drive(spec, pinning)
    late = observation.samples["sent_ns"] - observation.samples["intended_ns"]
    p50, p99, most = (
        int(np.quantile(late, q, method="inverted_cdf")) if len(late) else 0 for q in (0.5, 0.99, 1)
    )
    return Lateness(
        rate_per_s=round(rate),
        p50_ns=p50,
        p99_ns=p99,
        max_ns=most,
        kept=observation.in_time and not observation.driver_fault,
    )


@contextlib.contextmanager
def null_server(spec: LoadSpec, pinning: Pinning) -> Iterator[int]:
    """Yield the port of a null server that answers *spec* rightly: it asks one thing only."""
    body = (ring(spec)[0][1] or b"").decode()
    connection = "" if spec.keep_alive else "Connection: close\r\n"
    response = f"HTTP/1.1 200 OK\r\n{connection}Content-Length: {len(body)}\r\n\r\n{body}"
    config = json.dumps({"response": response, "close": not spec.keep_alive})
    with listen(LOOPBACK, 0) as listener:
        module = "calcbench.bench.loadgen.null_server"
        command = [sys.executable, "-P", "-m", module, str(listener.fileno())]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, pass_fds=(listener.fileno(),), process_group=0
        ) as process:
            try:
                assert process.stdin
                pin(pinning.server, process.pid)
                process.stdin.write(config.encode() + b"\n")
                process.stdin.flush()
                yield listener.getsockname()[1]
            finally:
                process.kill()  # it has nothing to tidy up
