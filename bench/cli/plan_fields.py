"""What the options that commands have in common say, as fields of a plan.

Each group of `calcbench.bench.cli.run_options` has its reader, which takes its options out of what
click has read.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from calcbench.bench.cli.param_types import choose_control, distinct
from calcbench.bench.cli.run_options import OPEN_CONNECTIONS
from calcbench.bench.cli.worker import LOCUST_PORT
from calcbench.bench.schema.arrivals import CONSTANT
from calcbench.bench.system.cpus import usable_cores
from calcbench.core.errors import UsageError

if TYPE_CHECKING:
    from calcbench.bench.analysis.thresholds import Threshold

LOAD_OPTIONS = ("rate", "arrivals", "reuse_first", "drivers", "engine", "join", "master_port")
PRECISION_OPTIONS = ("precision", "most_rounds", "control", "find_knee", "slo")


@dataclass(frozen=True)
class Output:
    """Where a result goes: into a folder in *out*, and to the terminal as the user wants it.

    *charts* are drawn into that folder unless the user wants none. What is shown has a *theme*, all
    of it where it is to *explain*, and a browser *opens* it. The exit status says what comes of the
    *thresholds*.
    """

    out: Path
    as_json: bool
    quiet: bool
    charts: bool = True
    theme: str = "paper"
    explain: bool = False
    opens: bool = False
    thresholds: "tuple[Threshold, ...]" = ()


@dataclass(frozen=True)
class RunOptions:
    """What a command line asks for: *fields* of a plan, and where the *output* goes.

    *slo* is the objective of a search for the highest rates, and empty for a race.
    """

    fields: dict[str, Any]
    slo: str
    output: Output


def read_options(
    ctx: click.Context,
    params: dict[str, Any],
    labels: Sequence[str],
    label_of: Callable[[str], str] | None = None,
) -> RunOptions:
    """Take the options of all groups out of *params*; return what they ask for.

    *labels* are what is raced; *label_of* is what `choose_control` reads one by. Raises UsageError.
    """
    fields, output = measuring_fields(params)
    rounds, seed = fields["rounds"], fields["seed"]
    precision, slo = precision_fields(
        ctx, params, lambda text: choose_control(text, labels, rounds, seed, label_of)
    )
    load, duration_s = load_fields(ctx, params), fields["duration_s"]
    if load["think_s"] and min(load["connections"]) * duration_s < load["think_s"]:
        raise UsageError(
            f"less than one request of --users {min(load['connections']):,} is due in --duration"
            f" {duration_s:,.10g}: each thinks for {load['think_s']:,.10g} s before it"
        )
    if load["rate"] and load["rate"] * duration_s < 1:
        raise UsageError(
            f"at --rate {load['rate']:,.10g} less than one request is due in --duration"
            f" {duration_s:,.10g}"
        )
    return RunOptions(fields | load | precision, slo, output)


def measuring_fields(params: dict[str, Any]) -> tuple[dict[str, Any], Output]:
    """Take those options out of *params*; return fields of a `Plan`, and where the result goes."""
    fields = {
        "connections": distinct(params.pop("connections")),
        "reuses": distinct(params.pop("reuses")),
        "duration_s": params.pop("duration"),
        "warmup_s": params.pop("warmup"),
        "rounds": params.pop("rounds"),
        "seed": params.pop("seed"),
    }
    shown = {name: params.pop(name) for name in ("as_json", "quiet", "theme", "explain", "opens")}
    out, no_charts, thresholds = (params.pop(name) for name in ("out", "no_charts", "thresholds"))
    output = Output(out, charts=not no_charts, thresholds=limits(thresholds), **shown)
    return fields, output


def limits(texts: Sequence[str]) -> "tuple[Threshold, ...]":
    """Return the thresholds that *texts* state; raises UsageError."""
    if not texts:
        return ()
    from calcbench.bench.analysis.thresholds import parse_limits  # it takes numpy's time to load

    return parse_limits(texts)


def load_fields(ctx: click.Context, params: dict[str, Any]) -> dict[str, Any]:
    """Take those options out of *params*; return them as fields of a `Plan`.

    The connections of users, and those of an open loop for which nobody has asked, are among them.
    """
    fields: dict[str, Any] = {name: params.pop(name) for name in LOAD_OPTIONS}
    fields["timeout_s"] = params.pop("timeout")
    fields["most_failures"] = params.pop("most_failures")
    default = click.core.ParameterSource.DEFAULT
    if fields["join"]:
        fields["drivers"] = fields["join"]
        fields["master_port"] = fields["master_port"] or LOCUST_PORT
    else:
        check_drivers(fields["drivers"])
    fields |= {name: fields[name] or 0 for name in ("join", "master_port")}
    fields["behaviours"] = distinct(params.pop("behaviours"))
    if fields["rate"] is not None and ctx.get_parameter_source("connections") == default:
        fields["connections"] = (OPEN_CONNECTIONS,)
    users, think = params.pop("users"), params.pop("think")
    fields["think_s"], fields["thinking"] = think or (0, CONSTANT)
    if users:
        fields["connections"] = distinct(users)
    return fields


def precision_fields(
    ctx: click.Context, params: dict[str, Any], choose: Callable[[str], str]
) -> tuple[dict[str, Any], str]:
    """Take those options out of *params*; return them as fields of a `Plan`, and the objective.

    The objective is empty where no knee is sought. *choose* returns the label that a text makes the
    control.
    """
    precision, most_rounds, control, find_knee, slo = (
        params.pop(name) for name in PRECISION_OPTIONS
    )
    if not find_knee:
        fields = {"precision": precision or 0, "most_rounds": most_rounds if precision else 0}
        return {**fields, "control": choose(control)}, ""
    default = click.core.ParameterSource.DEFAULT
    asked = ctx.get_parameter_source("connections") is not default
    most = max(distinct(ctx.params["connections"])) if asked else OPEN_CONNECTIONS
    return {"connections": (most,)}, slo or ""


def check_drivers(drivers: int) -> None:
    """Raise UsageError where there are more *drivers* than cores for them, beyond two."""
    cores = len(usable_cores())
    most = max(cores, 2)
    if drivers > most:
        have = "1 is" if cores == 1 else f"{cores:,} are"
        raise UsageError(
            f"--drivers {drivers} should be from 1 to {most:,} here: each fills a core, and"
            f" {have} available"
        )
