"""`calcbench doctor` and `calcbench calibrate`: is this machine fit, and what can the driver do."""

import dataclasses
from typing import TYPE_CHECKING

import click

from calcbench.bench.cli.base import Command, json_option
from calcbench.bench.schema.plan import KEEP_ALIVE, LOCUST, OURS
from calcbench.bench.system.terminal import Styled, echo, echo_json
from calcbench.bench.units import format_ns, format_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from calcbench.bench.schema.calibration import Calibration
    from calcbench.bench.schema.result import Measurement

DOCTOR_STATUS = """\b
Exit status:
  0    nothing to fix
  1    at least one finding is a warning
  2    the command line cannot be understood
"""


@click.command(
    "doctor",
    cls=Command,
    epilog=DOCTOR_STATUS,
    examples={
        "calcbench doctor": "what distorts results here, and how to fix it",
        "calcbench doctor --json": "for programs",
        "calcbench doctor && calcbench run": "race only if there is nothing to fix",
    },
)
@json_option()
def doctor_command(as_json: bool) -> int:
    """Say whether this machine is fit for a race.

    Looks at the cores, their governor and load, the clock, the limits of files, ports and
    backlog (the queue of connections not yet accepted), and Python's lock. Changes nothing.
    """
    from calcbench.bench.system.doctor import WARN, examine
    from calcbench.bench.system.facts import read_facts

    findings = examine(read_facts())
    if as_json:
        echo_json([dataclasses.asdict(finding) for finding in findings])
    else:
        for finding in findings:
            mark = Styled("warn", "yellow") if finding.status == WARN else "ok  "
            echo(mark, f"  {finding.name}: {finding.value}")
            echo(f"      {finding.meaning}")
            if finding.remedy:
                echo("      ", Styled(finding.remedy, "bold"))
    return int(any(finding.status == WARN for finding in findings))


@click.command(
    "calibrate",
    cls=Command,
    examples={
        "calcbench calibrate": "measure the driver, for all runs to come",
        "calcbench calibrate --json": "for programs",
    },
)
@json_option()
def calibrate_command(as_json: bool) -> int:
    """Measure what the driver can do here.

    Its CPU time for each request, the rate at which that fills one core, and how late requests
    leave in an open loop, all against a server that does nothing. A race that comes near that
    ceiling measures the driver, and says so. Kept for each machine, Python and driver, unless a
    better one is: others who use the cores meanwhile lower the ceiling. The first race does it by
    itself.
    """
    from calcbench.bench.loadgen.calibration import (
        calibrate_driver,
        kept_calibration,
        save_calibration,
    )

    calibration = calibrate_driver()
    best = calibration.better_of(kept_calibration())
    kept = save_calibration(best)
    if as_json:
        echo_json(dataclasses.asdict(calibration))
    else:
        for line in calibration_lines(calibration):
            echo(line)
    if best is not calibration:
        echo(f"calcbench: kept is the one of {best.measured}, which was disturbed less", err=True)
    if not kept:
        echo("calcbench: the calibration could not be kept, as $XDG_CACHE_HOME", err=True)
    return 0


def calibration_lines(calibration: "Calibration") -> list[str]:
    """Return what people read of *calibration*."""
    from calcbench.bench.schema.calibration import CONTENDED

    lines = []
    for way, known in calibration.ways.items():
        low, high = known.cost_lowest_ns / 1e3, known.cost_highest_ns / 1e3
        lines.append(
            f"{way}: {format_number(known.cost_ns / 1e3)} µs of CPU for each request"
            f" ({format_number(low)} to {format_number(high)}), so at most"
            f" {format_number(known.ceiling_per_s)}/s on one core;"
            f" reached {format_number(known.reached_per_s)}/s"
        )
        if (known.contended_ratio or 0) > CONTENDED:
            lines.append(
                f"    other programs had the driver's core for {known.contended_ratio:.0%} of that"
                " time: on a quiet machine it may reach more"
            )
    late = calibration.lateness
    lines.append(
        f"lateness at {format_number(late.rate_per_s)}/s: half of the requests left within"
        f" {format_ns(late.p50_ns)}, 99% within {format_ns(late.p99_ns)}, all within"
        f" {format_ns(late.max_ns)}"
    )
    if not late.kept:
        lines.append("    too late: this machine is too busy for open loops now")
    return lines


def seconds_to_calibrate(engine: str = OURS) -> float:
    """Return how long `prepare_race` will calibrate the driver, 0 where it need not."""
    from calcbench.bench.loadgen.calibration import TAKES_S, load_calibration

    return 0 if engine == LOCUST or load_calibration() else TAKES_S


def prepare_race(engine: str = OURS, *, quiet: bool) -> "Calibration | None":
    """Warn in one line of what stands against a race, and return the driver's calibration.

    The first time on a machine this measures it, and again where other programs disturbed that; the
    best is kept. Without one, None, a race is judged by the rest, and so it is where another
    *engine* drives, whose ceiling is not our driver's.
    """
    from calcbench.bench.loadgen.calibration import (
        calibrate_driver,
        kept_calibration,
        load_calibration,
        save_calibration,
    )
    from calcbench.bench.system.doctor import examine, warning
    from calcbench.bench.system.facts import read_facts
    from calcbench.core.errors import CalcbenchError

    if not quiet and (words := warning(examine(read_facts()))):
        echo(f"calcbench: doctor: {words}", err=True)
    if engine == LOCUST:
        return None
    if known := load_calibration():
        return known
    known = kept_calibration()
    if not quiet:
        why = "once for this machine"
        if known:
            why = "again, because other programs disturbed it the last time"
        echo(f"calcbench: calibrating the driver, {why}", err=True)
    try:
        calibration = calibrate_driver().better_of(known)
    except CalcbenchError as error:
        echo(f"calcbench: no calibration: {error}", err=True)
        return known
    save_calibration(calibration)
    if calibration.contended and not quiet:
        echo(f"calcbench: {disturbed(calibration)}", err=True)
    return calibration


def recalibrate(
    known: "Calibration", points: "Sequence[Measurement]", *, quiet: bool
) -> "Calibration | None":
    """Measure the driver anew, because *points* went beyond the ceiling of the *known* calibration.

    Return the one with the higher ceiling, which is kept if they do not go beyond that too; None
    where the driver cannot be measured.
    """
    from calcbench.bench.loadgen.calibration import (
        calibrate_driver,
        forget_calibration,
        save_calibration,
    )
    from calcbench.core.errors import CalcbenchError

    most = points[-1]
    if not quiet:
        echo(
            f"calcbench: {most.condition.variant} went to {most.evidence.ceiling_ratio:.0%} of what"
            " was taken for the driver's ceiling, so the driver is calibrated anew",
            err=True,
        )
    forget_calibration()
    try:
        pair = known, calibrate_driver()
    except CalcbenchError as error:
        echo(f"calcbench: no calibration: {error}", err=True)
        return None
    anew = max(pair, key=lambda one: one.ceiling_per_s(KEEP_ALIVE) or 0)
    reached = {
        one.condition.reuse: (one.evidence.ceiling_ratio or 0)
        * (known.ceiling_per_s(one.condition.reuse) or 0)
        for one in points
    }
    if all(rate <= (anew.ceiling_per_s(way) or 0) for way, rate in reached.items()):
        save_calibration(anew)
    elif not quiet:
        echo(
            "calcbench: it is beyond the new ceiling too, so the driver's ceiling is unknown, and"
            " such points are judged by how busy the driver was",
            err=True,
        )
    return anew


def disturbed(calibration: "Calibration") -> str:
    """Say that other programs disturbed *calibration*, and what that means."""
    return (
        f"other programs had the driver's core for {calibration.contended_ratio:.0%} of the time in"
        " which it was calibrated, so its ceiling may be too low; a run that begins ten minutes"
        " later or more calibrates it again"
    )
