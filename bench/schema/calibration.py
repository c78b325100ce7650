"""What the driver can do on a machine: for each way of connecting its cost and its ceiling."""

from dataclasses import dataclass
from datetime import UTC, datetime

from calcbench.bench.schema.plan import KEEP_ALIVE

CONTENDED = 0.1  # of the time in which the driver was measured, had by others


@dataclass(frozen=True)
class WayCalibration:
    """What a request costs the driver in one way of connecting, with so many *clients*.

    *cost_ns* of CPU time, the middle one of a few rounds, beside the lowest and the highest of
    them. *ceiling_per_s* is what one core has room for at that cost, and *reached_per_s* the most
    that was reached. For *delay_ratio* of the time, 0–1, others had the driver's core in the worst
    round, and for *contended_ratio* in the middle one, the host of a virtual machine included; None
    where the system does not tell.
    """

    clients: int
    cost_ns: int
    cost_lowest_ns: int
    cost_highest_ns: int
    ceiling_per_s: int
    reached_per_s: int
    delay_ratio: float | None
    contended_ratio: float | None = 0.0


@dataclass(frozen=True)
class Lateness:
    """How long after they were due requests left, of an open loop with *rate_per_s*.

    Half of them within *p50_ns*, 99 % within *p99_ns*, all within *max_ns*. *kept* says whether the
    driver kept its schedule.
    """

    rate_per_s: int
    p50_ns: int
    p99_ns: int
    max_ns: int
    kept: bool


@dataclass(frozen=True)
class Calibration:
    """What the driver can do, where and when that was measured.

    The processor *cpu*, its usable *cores*, the *kernel*, the *python* and whether it has a *gil*,
    the version of *calcbench* and a digest of the *driver*'s sources make it good for two runs. It
    was *measured* at a time as ISO 8601 has it. *ways* are by the way of connecting,
    ``keep-alive`` or ``close``.
    """

    cpu: str
    cores: int
    kernel: str
    python: str
    gil: bool
    calcbench: str
    driver: str
    measured: str
    ways: dict[str, WayCalibration]
    lateness: Lateness

    @property
    def contended_ratio(self) -> float:
        """For which share of the time, 0–1, others had the driver's core, in the worse way."""
        return max((way.contended_ratio or 0.0 for way in self.ways.values()), default=0.0)

    @property
    def contended(self) -> bool:
        """Whether that was so much that the ceiling may well be too low."""
        return self.contended_ratio > CONTENDED

    def better_of(self, other: "Calibration | None") -> "Calibration":
        """Return this one or the *other*, if that says more about what the driver can do.

        An undisturbed one does, and the later of two; of two that were disturbed, the one with the
        higher ceiling, since others only ever lower it.
        """
        if other is None or (other.contended and not self.contended):
            return self
        if self.contended and not other.contended:
            return other
        if not self.contended:
            return self if parse_time(self.measured) >= parse_time(other.measured) else other
        ceiling, others = (one.ceiling_per_s(KEEP_ALIVE) or 0 for one in (self, other))
        return self if ceiling >= others else other

    def ceiling_per_s(self, way: str) -> int | None:
        """Return the most requests each second in that *way* of connecting, None if unknown."""
        known = self.ways.get(way)
        return known.ceiling_per_s if known else None


def parse_time(text: str) -> datetime:
    """Return the moment that *text* names in ISO 8601, or one long ago if it names none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
