"""What drivers have seen together, and whether they have driven as they should."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from calcbench.bench.loadgen.protocol import TurnsReport
from calcbench.bench.loadgen.slices import Slices
from calcbench.bench.schema.evidence import WrkFigures
from calcbench.bench.schema.failures import Failure
from calcbench.bench.schema.outcomes import Outcomes
from calcbench.bench.schema.samples import IN_FLIGHT, compact
from calcbench.bench.units import format_rate

if TYPE_CHECKING:
    from calcbench.bench.schema.histogram import Histograms
    from calcbench.bench.schema.samples import Samples

# A request of an open loop is late when it is sent so long after it was due although a connection
# was free: only the driver can have been slow. It is a little more than what a busy machine takes
# to wake a process. With more than one in a hundred late, the driver is in the 99th percentile of a
# server that answers at once; what it does to a figure, `calcbench.bench.diagnosis.lateness` says.
LATE_NS = 1_000_000
LATE_SHARE = 0.01
BUSY_SHARE = 0.9  # of a core: a driver that needs more may be what a request has waited for
DELAYED_SHARE = 0.25  # of the time: and so may one that waits longer for a core
KEPT_SHARE = 0.99  # of the requests that were due; less is answered only by a server that is full


def count_late(samples: "Samples", late_ns: int = LATE_NS) -> tuple[int, int, int]:
    """Return how many of *samples*, of an open loop, were sent late, the worst, and who waited.

    Late is what was sent more than *late_ns* after it was due though a connection was free, the
    worst is in nanoseconds, and who waited found none free.
    """
    import numpy as np

    free = samples["waited"] == 0
    delays = samples["sent_ns"][free] - samples["intended_ns"][free]
    late = int(np.count_nonzero(delays > late_ns))
    return late, int(delays.max(initial=0)), len(free) - len(delays)


@dataclass(frozen=True)
class Observation:
    """What drivers have seen in their window; most names are those of `Measurement`.

    *opened_ns* is when the window opened, of the monotonic clock. *responses* counts the right
    responses that came within the window, and *in_flight_ns* says for how long each request had
    waited that had not ended when it closed. In an open loop *outcomes* are those of the requests
    that were due within it, and in flight are those that had been due before. Of the first *late*
    were sent more than `LATE_NS` after they were due though a connection was free, the worst by
    *lateness_ns*, and *waited* found none free. *driver_delay_ns* is for how long the drivers
    waited for a core of theirs. *background* is what the others have met, by behaviour. *begun*
    requests, of which *ended* have an outcome and *unfinished* have not, are all since the drivers
    started. *histograms* take the place of *samples* when there are too many. *wrk* is what it saw,
    where it was asked. Of an open loop's connections *connections_used* had a request in the
    window, and *unopened* could not be opened before the load began. In a closed loop its clients
    paused or thought for *away_ns* in the window, added up. They are users who think for *think_s*
    before they ask, where that is above 0, and for *busy_ns* their requests were out, None where
    nobody knows. *responses_seen* counts every response since the drivers started, -1 where nobody
    does, and *lost* says which of them died and what is lost with it. *failures* are why requests
    failed: the ``cause`` of a sample is a place among them, from 1. *carried_ns* is when right
    responses came to what was due before the window, and *warmup_ns* how long the load had lasted
    by its opening, 0 where nobody says.

    A server that took turns with others has *turns*, and *slices* where they were more than one:
    what was measured is those, and all moments are of that time, but for those of *failures*, which
    count from the opening with all that is between the slices. It used *idle_cpu_ratio* of a core
    in the turns of others, and of what it did from the opening to the end, *counted_share* was for
    the requests that are counted.
    """

    elapsed_ns: int
    outcomes: Outcomes
    clients_served: int
    in_flight_ns: tuple[int, ...]
    server_cpu_ns: int
    driver_cpu_ns: int
    samples: "Samples"
    opened_ns: int = 0
    responses: int = 0
    offered_per_s: float = 0.0
    late: int = 0
    lateness_ns: int = 0
    waited: int = 0
    drivers: int = 1
    driver_delay_ns: int = 0
    background: dict[str, dict[str, int]] = field(default_factory=dict)
    histograms: "Histograms | None" = None
    wrk: WrkFigures | None = None
    begun: int = -1
    ended: int = -1
    unfinished: int = 0
    responses_seen: int = -1
    lost: str = ""
    connections_used: int = 0
    unopened: int = 0
    think_s: float = 0.0
    away_ns: int = 0
    busy_ns: int | None = None
    failures: tuple[Failure, ...] = ()
    carried_ns: "tuple[int, ...]" = ()
    warmup_ns: int = 0
    turns: TurnsReport | None = None
    slices: Slices | None = None
    idle_cpu_ratio: float = 0.0
    counted_share: float = 1.0

    @property
    def right_responses(self) -> int:
        """How many right responses came within the window."""
        return self.responses if self.offered_per_s else self.outcomes.ok

    @property
    def columns(self) -> "Samples":
        """What a file of samples holds of it."""
        import numpy as np

        columns = self.histograms.columns() if self.histograms else compact(self.samples)
        return columns | {IN_FLIGHT: np.array(self.in_flight_ns, np.int64)}

    @property
    def in_flight(self) -> int:
        """How many requests of a closed loop had not ended when the window closed."""
        return len(self.in_flight_ns)

    @property
    def closed_ns(self) -> int:
        """When the window closed, or the last of all turns ended."""
        return self.opened_ns + (self.slices.span_ns if self.slices else self.elapsed_ns)

    @property
    def in_time(self) -> bool:
        """Whether the drivers sent nearly everything when it was due."""
        return self.late <= LATE_SHARE * self.outcomes.total

    @property
    def driver_fault(self) -> str:
        """Why this is not what was asked for, because a driver could not keep its schedule."""
        whole = self.elapsed_ns * self.drivers
        busy = self.driver_cpu_ns + self.driver_delay_ns > BUSY_SHARE * whole
        busy = busy or self.driver_delay_ns > DELAYED_SHARE * whole
        due = self.outcomes.total  # of independent users not quite as many as the rate says
        if self.offered_per_s and busy and self.responses < KEPT_SHARE * due:
            due_per_s, kept_per_s = (n * 1e9 / self.elapsed_ns for n in (due, self.responses))
            return (
                "the driver could not keep its schedule: it was busy or waited for a core, and of"
                f" {format_rate(due_per_s)} only {format_rate(kept_per_s)} got right responses"
            )
        return ""
