"""Make what tests need, with only what a test cares about spelt out."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from calcbench.bench.analysis.quantiles import Reading
from calcbench.bench.analysis.spread import spread
from calcbench.bench.analysis.summary import Row
from calcbench.bench.loadgen.observation import Observation
from calcbench.bench.schema.calibration import Calibration, Lateness, WayCalibration
from calcbench.bench.schema.condition import Condition
from calcbench.bench.schema.judgements import DRIVER_BOUND
from calcbench.bench.schema.outcomes import Outcomes
from calcbench.bench.schema.plan import CLOSE, KEEP_ALIVE, Plan
from calcbench.bench.schema.result import Measurement, Run
from calcbench.bench.schema.upgrade import SCHEMA_VERSION
from calcbench.bench.system.usage import ResourceUsage
from calcbench.core.http.limits import Policy
from calcbench.core.http.message import Request
from calcbench.core.http.parser import Parser, parse_request_line


def make_request(
    method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> Request:
    """Return the request that a client would have sent."""
    named = {"Host": "localhost", "Content-Length": str(len(body))} | dict(headers or {})
    lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    parser = Parser(Policy())
    fields = parser.fields_of(f"HTTP/1.1\r\n{lines}\r\n".encode("latin-1"))
    request = parse_request_line(method.encode("latin-1"), target.encode("latin-1"), fields)
    request.body = body
    return request


def make_condition(
    strategy: str = "selectors",
    connections: int = 8,
    workload: str = "add",
    reuse: str = KEEP_ALIVE,
    **more: str,
) -> Condition:
    return Condition(strategy, workload, reuse, connections, **more)


def make_run(plan: Plan, *measurements: Measurement, **more: Any) -> Run:
    """Return a whole run of *plan*."""
    usual: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "name": "20261122-181500",
        "command": "calcbench run",
        "started": "",
        "finished": "",
        "partial": False,
        "machine": {},
        "versions": {},
    }
    return Run(plan=plan, measurements=measurements, **(usual | more))


def make_measurement(condition: Condition, number: int = 1, **more: Any) -> Measurement:
    """Return round *number*: a second in which 1,000 responses were right."""
    usual: dict[str, Any] = {
        "status": "ok",
        "elapsed_ns": 1_000_000_000,
        "outcomes": Outcomes(ok=1_000),
    }
    return Measurement(condition, number, **(usual | more))


def noise_of(strategy: str, noise: Sequence[float]) -> list[float]:
    """Return *noise* from a place on that depends on the name of *strategy*.

    Two rows with their noise in one order would have a ratio without any.
    """
    turn = sum(map(ord, strategy)) % len(noise)
    return [*noise[turn:], *noise[:turn]]


def make_calibration(**more: Any) -> Calibration:
    """Return what a driver can do that needs 7.761 µs for a request, however it connects."""
    way = WayCalibration(32, 7_761, 7_066, 7_855, 128_841, 23_392, 0.5)
    usual: dict[str, Any] = {
        "cpu": "a processor",
        "cores": 2,
        "kernel": "6.18",
        "python": "CPython 3.11.7",
        "gil": True,
        "calcbench": "0.1.0",
        "driver": "21b33b43b6aa",
        "measured": "2026-11-22T08:00:00+01:00",
        "ways": {KEEP_ALIVE: way, CLOSE: way},
        "lateness": Lateness(32_210, 1_500, 20_000, 90_000, kept=True),
    }
    return Calibration(**(usual | more))


def make_row(condition: Condition, rates: Iterable[float], **more: Any) -> Row:
    """Return a row whose rounds had these *rates*, and in which every client was served."""
    rates = tuple(rates)
    counted = more.get("counted", tuple(range(1, len(rates) + 1)))
    limited = more.get("limited", counted if more.get("judgement") == DRIVER_BOUND else ())
    bounds = [Reading(rate, at in limited) for at, rate in zip(counted, rates, strict=False)]
    usual: dict[str, Any] = {
        "status": "ok",
        "rounds": len(rates),
        "counted": counted,
        "limited": limited,
        "throughput": spread(bounds),
        "clients_served": condition.connections,
        "all_outcomes": more.get("outcomes", Outcomes()),
    }
    return Row(condition, **(usual | more))


def make_observation(**more: Any) -> Observation:
    """Return what drivers saw of a second in which 8 clients were answered 7,000 times."""
    usual: dict[str, Any] = {
        "elapsed_ns": 1_000_000_000,
        "outcomes": Outcomes(ok=7_000),
        "clients_served": 8,
        "in_flight_ns": (100_000,) * 8,
        "server_cpu_ns": 900_000_000,
        "driver_cpu_ns": 400_000_000,
        "samples": {},
        "responses": 7_000,
        "begun": 8_000,
        "ended": 7_992,
        "unfinished": 8,
    }
    return Observation(**(usual | more))


def make_usage(**more: Any) -> ResourceUsage:
    """Return what a server used that is one process with one thread."""
    usual: dict[str, Any] = {
        "samples": 9,
        "cpu_ns": 16_000_000,
        "cpu_user_ns": 12_000_000,
        "cpu_system_ns": 4_000_000,
        "cpu_us_per_request": 16.0,
        "voluntary_switches": 500,
        "involuntary_switches": 20,
        "switches_from": "every thread",
        "run_queue_ns": 250_000_000,
        "run_queue_complete": True,
        "pss_bytes": 11_500_000,
        "peak_bytes": 17_000_000,
        "threads": 1,
        "processes": 1,
        "listen_overflows": 3,
        "listen_drops": 3,
        "accept_queue": 0,
        "time_wait": 1234,
        "time_wait_grown": 0,
        "workers": (),
        "workers_counted": 1,
        "workers_jain": 0.98,
    }
    return ResourceUsage(**(usual | more))


def only_run(parent: Path) -> Path:
    """Return the folder of the only run in *parent*, to which `latest` may lead."""
    [folder] = (path for path in parent.iterdir() if not path.is_symlink())
    return folder
