"""What was wrong with requests, in words: a line for each cause below a table, or all of it."""

import dataclasses
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from calcbench.bench.schema.condition import group_by
from calcbench.bench.schema.failures import Failure
from calcbench.bench.schema.result import Measurement, Run
from calcbench.bench.units import format_count, format_ns, plural
from calcbench.bench.views.wording import panel_heading

INDENT = "    "
MOST_REMARKS = 8  # below one table; more are a list of their own, which `calcbench report` prints


@dataclass(frozen=True)
class Seen:
    """The *count* failures of one cause in all rounds; *first* is the first, in *round*."""

    strategy: str
    levels: tuple[int, ...]
    count: int
    first: Failure
    round: int

    @property
    def what(self) -> str:
        """Whose failures they are, and of which cause, and how many."""
        at = ", ".join(f"{level:,}" for level in self.levels)
        times = format_count(self.count, "time")
        return f"{self.strategy} at {at}: {self.first.cause}, {times}"

    @property
    def when(self) -> str:
        """When the first of them came."""
        ns = self.first.first_ns
        when = f"{format_ns(ns)} into" if ns >= 0 else "in the warm-up of"
        return f"first {when} round {self.round:,}"


def failures_seen(measurements: Iterable[Measurement]) -> list[Seen]:
    """Return what failed in *measurements*, all of one panel, by strategy and cause."""
    found: dict[tuple[str, str, str], Seen] = {}
    order = sorted(measurements, key=lambda one: (one.round, one.condition.connections))
    for measurement in order:
        at = measurement.condition
        for failure in measurement.failures:
            key = at.strategy, failure.outcome, failure.cause
            new = Seen(at.strategy, (), 0, failure, measurement.round)
            known = found.get(key, new)
            levels = tuple(sorted({*known.levels, at.connections}))
            count = known.count + failure.count
            found[key] = dataclasses.replace(known, levels=levels, count=count)
    return sorted(found.values(), key=lambda seen: (seen.strategy, -seen.count))


def failure_remarks(measurements: Iterable[Measurement]) -> list[str]:
    """Say in a line for each cause what was wrong, and how the first response of it began.

    Whoever prints them on a terminal cuts them to its width; a file or a pipe has all of it.
    """
    seen = failures_seen(measurements)
    most = sorted(seen, key=lambda one: -one.count)[:MOST_REMARKS]
    lines = [
        ": ".join(filter(None, (one.what, "; ".join(shown(one.first)))))
        for one in seen
        if one in most
    ]
    if more := len(seen) - len(most):
        lines.append(f"{more:,} more {plural(more, 'kind')} of failure: see calcbench report")
    return lines


def shown(failure: Failure) -> list[str]:
    """Return what shows a *failure*: what is said of it, and how the response began."""
    quoted = failure.excerpt and failure.excerpt in failure.detail
    return list(filter(None, ("" if quoted else failure.detail, failure.excerpt)))


def failure_lines(run: Run, width: int) -> Iterator[str]:
    """Yield all that was wrong in *run*, with the whole beginning of each first response.

    Lines are of at most *width* characters, or as long as need be where that is 0.
    """
    failed = [one for one in run.measurements if one.failures]
    panels = group_by(failed, lambda one: one.condition, "strategy", "connections")
    for measurements in panels.values():
        yield ""
        yield f"What was wrong, {panel_heading(measurements[0].condition, run.plan)}"
        for seen in failures_seen(measurements):
            yield f"{seen.what}, {seen.when}"
            for text in shown(seen.first):
                lines = textwrap.wrap(text, width - len(INDENT)) if width else [text]
                yield from (f"{INDENT}{line}" for line in lines)
