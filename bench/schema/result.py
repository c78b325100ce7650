"""What a race leaves behind, as records: a `Run` of many a `Measurement`.

`calcbench.bench.schema.store` has the folder in which they are kept, and
`calcbench.bench.schema.reader` reads them back.
"""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from calcbench.bench.schema.calibration import Calibration
from calcbench.bench.schema.condition import Condition
from calcbench.bench.schema.evidence import NO_EVIDENCE, Evidence
from calcbench.bench.schema.failures import Failure
from calcbench.bench.schema.outcomes import Outcomes
from calcbench.bench.schema.plan import Plan
from calcbench.bench.system.cpus import Pinning
from calcbench.bench.system.usage import ResourceUsage

STATUSES = ("ok", "failed", "unavailable")


@dataclass(frozen=True)
class Measurement:
    """One strategy under one condition in one round, with a server process of its own.

    *status* is ``ok``, ``failed`` (*reason* says why; what was seen until then is kept, but it
    is never part of a statistic) or ``unavailable`` (the strategy cannot run here). *elapsed_ns*
    is the length of the window, in which *outcomes* were counted and both CPU times were spent;
    *in_flight* requests had not ended when it closed. *samples* names a file, or is empty, and
    *samples_sha256* is the digest of that file, empty where an older version has written it.

    *responses_in_window* are the right responses that came within the window of an open loop, whose
    *outcomes* are those of the requests that were due in it; None in a closed one, where both are
    the same. *judgement* says what the figures are figures of, one of
    `calcbench.bench.schema.judgements.JUDGEMENTS` or nothing where nobody judged, and *evidence*
    what that rests on. *resource_usage* is what the server used, None where nobody sampled it.
    *warmup_ns* went before the window; *offered_per_s* is the rate of an open loop, 0 for a closed
    one, and *think_s* for how long users think before they ask, 0 where clients do not. *printed*
    is the beginning of what the server printed. *failures* are why requests did not get the right
    response.
    """

    condition: Condition
    round: int
    status: str
    reason: str = ""
    elapsed_ns: int = 0
    outcomes: Outcomes = Outcomes()
    clients_served: int = 0
    in_flight: int = 0
    samples: str = ""
    server_cpu_ns: int = 0
    driver_cpu_ns: int = 0
    judgement: str = ""
    evidence: Evidence = NO_EVIDENCE
    resource_usage: ResourceUsage | None = None
    warmup_ns: int = 0
    offered_per_s: float = 0.0
    responses_in_window: int | None = None
    printed: str = ""
    samples_sha256: str = ""
    think_s: float = 0.0
    failures: tuple[Failure, ...] = ()

    @property
    def in_slices(self) -> bool:
        """Whether it is of several turns among those of other servers, and not of one piece."""
        return (self.evidence.slices or 1) > 1

    @property
    def right_responses(self) -> int:
        """How many right responses came within the window."""
        counted = self.responses_in_window
        return self.outcomes.ok if counted is None else counted


@dataclass(frozen=True)
class Run:
    """A race: what was asked for, where it ran, and every measurement that was made.

    *partial* says that it was stopped before its end. *options* holds every option of every
    variant, defaults included, and *policy* the limits that all servers shared. *cpu_units* is
    the work that stood for each ``cpu=`` workload, calibrated once for the whole run, and
    *calibration* what the driver can do here (`calcbench.bench.loadgen.calibration`), None where
    that is not known, or another engine drove.
    """

    schema_version: int
    name: str
    command: str
    started: str
    finished: str
    partial: bool
    plan: Plan
    machine: dict[str, Any]
    versions: dict[str, str]
    measurements: tuple[Measurement, ...]
    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    policy: dict[str, Any] = field(default_factory=dict)
    cpu_units: dict[str, int] = field(default_factory=dict)
    pinning: Pinning = field(default_factory=Pinning)
    calibration: Calibration | None = None


def run_as_json(run: Run) -> dict[str, Any]:
    """Return *run* as files have it: where no calibration is known, an empty object."""
    values = dataclasses.asdict(run)
    return values | {"calibration": values["calibration"] or {}}
