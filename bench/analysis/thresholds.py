"""Thresholds beyond which a comparison fails: ``p99>50ms``, ``throughput<-10%``.

A threshold with a percent sign is about the change from the first result to the second, one
without about the second alone; one of failed requests or of clients that nobody served, such as
``errors>1%``, ``timed_out>0`` or ``unserved>0``, is about the second in either case. It is broken
when the whole interval of the figure lies where it must not, held when none of it does, and else
the data cannot tell. Of a figure that is only known to be at least so much, the interval has no
upper end.
"""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from calcbench.bench.analysis.intervals import LEAST_ROUNDS
from calcbench.bench.analysis.metrics import FAILURES, FIGURES, Metric
from calcbench.bench.units import SAME
from calcbench.core.errors import UsageError
from calcbench.core.options import nearest

HELD, CANNOT_TELL, BROKEN = 0, 98, 99  # what the command exits with
WORDS = {HELD: "held", CANNOT_TELL: "cannot tell", BROKEN: "broken"}
THRESHOLD = re.compile(
    r"\s*(?P<metric>[^<>=\s]+)\s*(?P<sign>[<>])\s*(?P<number>[-+−]?[0-9]+(\.[0-9]+)?)\s*"
    r"(?P<unit>%|/s|ns|us|µs|ms|s|)\s*"
)
TIMES = {"ns": 1e-6, "us": 1e-3, "µs": 1e-3, "ms": 1.0, "s": 1e3}  # in ms
MOST_LIMIT = 1_000_000_000  # of any unit: beyond it nothing is measured
EXAMPLES_OF_LIMITS = "as in 'p99>50ms' or 'errors>1%'"
EXAMPLES = "as in 'p99>50ms' or 'throughput<-10%'"


@dataclass(frozen=True)
class Threshold:
    """What *text* says: a comparison fails where *metric* is on the *sign* side of *limit*.

    *limit* is a ratio of the two results when *relative*, and otherwise in the metric's own unit.
    """

    text: str
    metric: Metric
    sign: Literal["<", ">"]
    limit: float
    relative: bool

    def judged(self, where: str, value: float, interval: tuple[float, float]) -> "Judged":
        """Return what comes of this where the figure is *value*, and lies in *interval*."""
        return Judged(self, where, self.status_for(interval), "", value, interval)

    def status_for(self, interval: tuple[float, float] | None) -> int:
        """Return the exit status for a figure that lies in *interval*, None if nobody knows."""
        if interval is None:
            return CANNOT_TELL
        least, most = (self.side(end) for end in interval)
        if self.sign == "<":
            least, most = -most, -least
        return BROKEN if least > 0 else HELD if most <= 0 else CANNOT_TELL

    def side(self, value: float) -> int:
        """Return 0 where *value* is the limit, 1 where it is above it, and -1 where below."""
        if math.isclose(value, self.limit, rel_tol=SAME):
            return 0
        return 1 if value > self.limit else -1


@dataclass(frozen=True)
class Judged:
    """What came of a *threshold* under the condition that *where* names.

    *value* and the *interval* around it are in the unit of the threshold's limit; without an
    interval *reason* says why there is none.
    """

    threshold: Threshold
    where: str
    status: int
    reason: str = ""
    value: float = 0.0
    interval: tuple[float, float] | None = None


def parse_threshold(text: str, flag: str = "--fail-if", examples: str = EXAMPLES) -> Threshold:
    """Return the threshold that *text* states; raises UsageError where it states none.

    *flag* is the option that it stands behind, and *examples* are what would be right there.
    """
    found = THRESHOLD.fullmatch(text)
    if not found:
        raise UsageError(f"{flag} {text!r} should be a metric, < or > and a limit, {examples}")
    number, unit = float(found["number"].replace("−", "-")), found["unit"]
    if number > MOST_LIMIT:
        raise UsageError(f"{flag} {text!r}: the limit should be at most {MOST_LIMIT:,}")
    sign: Literal["<", ">"] = "<" if found["sign"] == "<" else ">"
    if found["metric"] in FAILURES:
        counted, share = FAILURES[found["metric"]]
        if unit not in ("", "%") or not 0 <= number <= (100 if unit else MOST_LIMIT):
            raise UsageError(
                f"{flag} {text!r}: {counted.name} should be a number of {counted.axis}, or a share"
                " of them from 0% to 100%"
            )
        return Threshold(text, share if unit else counted, sign, number, relative=False)
    metric = metric_named(found["metric"])
    if unit == "%":
        if number <= -100:
            raise UsageError(f"{flag} {text!r}: nothing falls by 100% or more")
        return Threshold(text, metric, sign, 1 + number / 100, relative=True)
    if number < 0:
        raise UsageError(f"{flag} {text!r}: {metric.name} is never below 0; a change is in %")
    if metric.unit == "/s":
        if unit not in ("", "/s"):
            raise UsageError(f"{flag} {text!r}: {metric.name} should be in /s, or in %")
        return Threshold(text, metric, sign, number, relative=False)
    if unit not in TIMES:
        raise UsageError(f"{flag} {text!r}: {metric.name} should be in ms, us or s, or in %")
    in_unit = number * TIMES[unit] * (1 if metric.unit == " ms" else 1e3)
    return Threshold(text, metric, sign, in_unit, relative=False)


def metric_named(name: str) -> Metric:
    """Return the metric *name*; raises UsageError with the nearest one there is."""
    for metric in FIGURES:
        if metric.name == name:
            return metric
    known = [*(metric.name for metric in FIGURES), *FAILURES]
    raise UsageError(f"no metric {name!r}{nearest(name, known)}")


def exit_status(judged: Iterable[Judged]) -> int:
    """Return `BROKEN` if any of *judged* is, else `CANNOT_TELL` if any is, else `HELD`."""
    return max((one.status for one in judged), default=HELD)


def parse_limits(texts: Iterable[str]) -> tuple[Threshold, ...]:
    """Return the thresholds that *texts* state for one result; raises UsageError.

    Where there is no other result, nothing changes: none can be about that.
    """
    thresholds = tuple(parse_threshold(text, examples=EXAMPLES_OF_LIMITS) for text in texts)
    for one in thresholds:
        if one.relative:
            raise UsageError(
                f"--fail-if {one.text!r} is about a change, and a run is one result: give a limit"
                " without %, or see calcbench compare"
            )
    return thresholds


def too_few(rounds: int) -> str:
    """Say why there is no interval."""
    if rounds < LEAST_ROUNDS:
        return f"an interval needs {LEAST_ROUNDS} rounds that count, not {rounds}"
    return "in some round no response came"
