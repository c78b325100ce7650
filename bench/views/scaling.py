"""What the scaling models say: as curves for a chart, and in words."""

import contextlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from calcbench.bench.analysis.scaling import Family, Scaling, family, fit_line, lines_of
from calcbench.bench.analysis.summary import Row
from calcbench.bench.schema.result import Run
from calcbench.bench.units import format_ns, format_number, format_rate
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
    rows = list(rows)
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
    for strategy, line in lines_of(rows).items():
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
    return f"{served.servers:,.0f} {'server' if served.servers == 1 else 'servers'}"


def describe_scaling(scaling: Scaling, most: int) -> str:
    """Say what *scaling* holds, with its intervals; it was fitted to levels up to *most*."""
    rate, sigma, kappa = scaling.rate, scaling.contention, scaling.coherency
    peak = "no peak near these numbers of clients"
    if scaling.peak <= 2 * most:
        peak = f"most at {format_number(max(scaling.peak, 1.0))} clients"
    return (
        f"{format_rate(rate[0])} [{format_number(rate[1])} to {format_number(rate[2])}] for one"
        f" client, contention {sigma[0]:.2%} [{sigma[1]:.2%} to {sigma[2]:.2%}], coherency"
        f" {kappa[0]:.3%} [{kappa[1]:.3%} to {kappa[2]:.3%}], {peak}"
    )
