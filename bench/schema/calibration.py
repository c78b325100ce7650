"""What the driver can do on a machine: for each way of connecting its cost and its ceiling."""

from dataclasses import dataclass


@dataclass(frozen=True)
class WayCalibration:
    """What a request costs the driver in one way of connecting, with so many *clients*.

    *cost_ns* of CPU time, the middle one of a few rounds, beside the lowest and the highest of
    them. *ceiling_per_s* is what one core has room for at that cost, and *reached_per_s* the most
    that was reached. For *delay_ratio* of the time, 0–1, others had the driver's core in the worst
    round.
    """

    clients: int
    cost_ns: int
    cost_lowest_ns: int
    cost_highest_ns: int
    ceiling_per_s: int
    reached_per_s: int
    delay_ratio: float


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

    def ceiling_per_s(self, way: str) -> int | None:
        """Return the most requests each second in that *way* of connecting, None if unknown."""
        known = self.ways.get(way)
        return known.ceiling_per_s if known else None
