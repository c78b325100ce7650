"""What is measured, and what all of its measurements share.

A race or a search is of any subject: our strategies (`calcbench.bench.runner.launched`), or
somebody else's servers (`calcbench.bench.runner.remote`). All that it must know is how to measure
one of them.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calcbench.bench.diagnosis.evidence import ServerWatch, assess
from calcbench.bench.loadgen.observation import Observation
from calcbench.bench.loadgen.pool import Drivers
from calcbench.bench.loadgen.spec import LoadSpec
from calcbench.bench.schema.calibration import Calibration
from calcbench.bench.schema.condition import Condition
from calcbench.bench.schema.evidence import NO_EVIDENCE, Evidence
from calcbench.bench.schema.judgements import INVALID
from calcbench.bench.schema.plan import Plan
from calcbench.bench.schema.result import Measurement
from calcbench.bench.schema.samples import write_samples
from calcbench.bench.system.cpus import Pinning
from calcbench.bench.system.machine import without_paths
from calcbench.bench.system.program import NO_ROOM
from calcbench.core.errors import CalcbenchError

if TYPE_CHECKING:
    from calcbench.bench.loadgen.locust.cluster import Cluster


class LoadError(CalcbenchError):
    """No load could be made, which says nothing about the server."""


@dataclass(frozen=True)
class Setup:
    """What all measurements of a race share; without a *cluster* each has drivers of its own."""

    plan: Plan
    folder: Path
    pinning: Pinning
    cpu_units: dict[str, int]
    calibration: Calibration | None = None
    cluster: "Cluster | None" = None

    def drivers(self) -> "contextlib.AbstractContextManager[Drivers | Cluster]":
        """Return who drives one measurement."""
        if self.cluster:
            return contextlib.nullcontext(self.cluster)
        return Drivers(self.plan.drivers, self.plan.engine)


@contextlib.contextmanager
def load_errors() -> Iterator[None]:
    """Raise as a LoadError whatever keeps drivers from making a load."""
    try:
        yield
    except (CalcbenchError, OSError) as error:
        raise LoadError(str(error)) from error


def drive(drivers: "Drivers | Cluster", spec: LoadSpec) -> Observation:
    """Return what *drivers* see of a load by *spec*; raises LoadError where they cannot."""
    with load_errors():
        return drivers.drive(spec)


# For a setup, the conditions, the number of the round, and that of the first of the measurements.
MeasureTogether = Callable[[Setup, Sequence[Condition], int, int], Iterable[Measurement]]


@dataclass(frozen=True)
class Subject:
    """What is raced: how one of them is measured, and what is recorded of all, by their labels.

    *pinned* says whether servers and drivers are given cores of their own. Where several can take
    turns, *measure_together* measures them.
    """

    measure: Callable[[Setup, Condition, int, int], Measurement]
    options: Mapping[str, dict[str, Any]]
    policy: Mapping[str, Any] = field(default_factory=dict)
    calibrate: Callable[[Plan, Pinning], dict[str, int]] = lambda *_: {}
    pinned: bool = False
    measure_together: MeasureTogether | None = None


def failed(condition: Condition, number: int, error: Exception) -> Measurement:
    """Return the measurement of *condition* in round *number* that an *error* has ended.

    Raises CalcbenchError where that is a limit of the machine on what may be written.
    """
    cause = error.__cause__ if isinstance(error, LoadError) else error
    if isinstance(cause, OSError) and cause.errno in NO_ROOM:
        raise CalcbenchError(
            f"cannot go on: {(cause.strerror or str(cause)).lower()}; that is no failure of a"
            " server: a disk is full, or a limit such as ulimit -f is too low"
        ) from None
    reason = without_paths(str(error))
    evidence = Evidence(lost=reason) if isinstance(error, LoadError) else NO_EVIDENCE
    return Measurement(condition, number, "failed", reason, judgement=INVALID, evidence=evidence)


def conclude(
    setup: Setup,
    condition: Condition,
    number: int,
    step: int,
    observation: Observation,
    watch: ServerWatch,
    reason: str,
) -> Measurement:
    """Return the measurement of *condition*, judged, with its samples written.

    *reason* is why it does not count, if it does not. Raises CalcbenchError when the samples
    cannot be written.
    """
    plan, pinning = setup.plan, setup.pinning
    assessed = assess(observation, watch, condition, pinning, setup.calibration, reason)
    if assessed.judgement.name == INVALID:
        reason = reason or assessed.judgement.why[0]
    observation = assessed.observation
    name = f"samples/{step + 1:04d}-{condition.slug}.npz"
    sha256 = write_samples(setup.folder, name, observation.columns)
    return Measurement(
        condition,
        number,
        "failed" if reason else "ok",
        reason,
        elapsed_ns=observation.elapsed_ns,
        outcomes=observation.outcomes,
        responses_in_window=observation.responses if observation.offered_per_s else None,
        clients_served=observation.clients_served,
        failures=observation.failures,
        in_flight=observation.in_flight,
        samples=name,
        server_cpu_ns=observation.server_cpu_ns,
        driver_cpu_ns=observation.driver_cpu_ns,
        judgement=assessed.judgement.name,
        evidence=assessed.evidence,
        resource_usage=assessed.resource_usage,
        warmup_ns=(observation.warmup_ns or round(plan.warmup_s * 1e9)) + assessed.cut_ns,
        offered_per_s=observation.offered_per_s,
        samples_sha256=sha256,
        think_s=observation.think_s,
    )
