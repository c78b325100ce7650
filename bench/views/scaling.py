"""What the scaling models say: as curves for a chart, and in words."""

import contextlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from calcbench.bench.analysis.scaling import Family, Scaling, family, fit_line, lines_of
from calcbench.bench.analysis.summary import Row
from calcbench.bench.schema.result import Run
from calcbench.bench.units import (
    format_alike,
    format_figures,
    format_ns,
    format_number,
    format_rate,
    last_place,
    plural,
)
from calcbench.core.errors import CalcbenchError

PREDICTED, FITTED = ":", "-."  # dashes of matplotlib; "--" are strategies that are not ours


@dataclass(frozen=True)
class Curve:
    """A line to draw beside what was measured: a rate for each level; *dash* is matplotlib's."""

    points: Mapping[int, float]
    dash: str


def curves(rows: Iterable[Row], run: Run) -> dict[str, list[Curve]]:
    """Return what can be drawn beside the lines of *rows*, `PREDICTED` and `FITTED`."""
    found: dict[str, list[Curve]] = {}
    rows = [row for row in rows if not row.serves_nobody]
    if any(row.offered_per_s or row.think_s for row in rows):
        return found  # the models are of a closed loop of clients who never think
    for strategy, line in lines_of(rows).items():
        drawn = found.setdefault(strategy, [])
        # What is missing for either, the text below the table says.
        with contextlib.suppress(CalcbenchError):
            served = family(line, run)
            drawn.append(Curve({level: served.many(level) for level in line}, PREDICTED))
        with contextlib.suppress(CalcbenchError):
            scaling = fit_line(line)
            drawn.append(Curve({level: scaling.predict(level) for level in line}, FITTED))
    return found


def scaling_lines(heading: str, rows: Sequence[Row], run: Run) -> Iterator[str]:
    """Yield lines that show measured and predicted rates of *rows*, and the law fitted."""
    if any(row.offered_per_s for row in rows):
        yield f"Models, {heading}: none: they describe a closed loop, and this one is open"
        return
    if any(row.think_s for row in rows):
        yield f"Models, {heading}: none: they describe clients who never think"
        return
    yield f"Models, {heading}"
    for strategy, line in lines_of(row for row in rows if not row.serves_nobody).items():
        try:
            served = family(line, run)
        except CalcbenchError as error:
            yield f"  {strategy}: no prediction: it {error}"
        else:
            alone = format_ns(served.service_s * 1e9)
            yield f"  {strategy}: a request alone takes {alone}; {describe_servers(served)}"
            yield "    clients    measured  one server  all servers"
            for level, row in sorted(line.items()):
                rates = row.throughput.median, served.one(level), served.many(level)
                measured, one, many = map(format_rate, rates)
                yield f"    {level:>7,}  {measured:>10}  {one:>10}  {many:>11}"
        try:
            yield f"    scalability law: {describe_scaling(fit_line(line), max(line))}"
        except CalcbenchError as error:
            yield f"    scalability law: not fitted: it {error}"


def describe_servers(served: Family) -> str:
    """Say how many *served* serves at once."""
    if math.isinf(served.servers):
        return "as many servers as clients"
    return f"{served.servers:,.0f} {plural(served.servers, 'server')}"


def describe_scaling(scaling: Scaling, most: int) -> str:
    """Say what *scaling* holds, with its intervals; it was fitted to levels up to *most*."""
    rate, sigma, kappa = scaling.rate, scaling.contention, scaling.coherency
    peak = "no peak near these numbers of clients"
    if scaling.peak <= 2 * most:
        peak = f"most at {format_number(max(scaling.peak, 1.0))} clients"
    alone, *around = format_figures(*rate)
    return (
        f"{alone}/s [{' to '.join(around)}] for one client, contention {percents(sigma)}, coherency"
        f" {percents(kappa)}, {peak}"
    )


def percents(values: tuple[float, float, float]) -> str:
    """Return a share and its interval in percent, rounded alike: ``3.10% [2.90% to 3.30%]``."""
    place = min(last_place(100 * max(values), 2), -2)
    share, low, high = format_alike([100 * value for value in values], place)
    return f"{share}% [{low}% to {high}%]"
