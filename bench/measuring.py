"""The options that say how is measured and where the result goes, for every command that races."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from calcbench.bench.arguments import (
    complete_words,
    flatten,
    listed,
    reuse,
    seconds,
    whole_number,
)
from calcbench.bench.command import Function, options
from calcbench.bench.schema.plan import KEEP_ALIVE, REUSES


@dataclass(frozen=True)
class Output:
    """Where a result goes: into a folder in *out*, and to the terminal as the user wants it."""

    out: Path
    as_json: bool
    quiet: bool


def measuring_options(
    connections: str, duration: str, warmup: str, seed: str
) -> Callable[[Function], Function]:
    """Return what gives a command these options, with defaults of its own and what a *seed* is."""
    return options(
        click.option(
            "--connections",
            type=listed(whole_number("--connections 1,8,32")),
            metavar="N,…",
            multiple=True,
            default=[connections],
            show_default=True,
            help="How many clients at once. Repeats.",
        ),
        click.option(
            "--reuse",
            "reuses",
            type=listed(reuse),
            metavar="HOW,…",
            multiple=True,
            default=[KEEP_ALIVE],
            show_default=True,
            shell_complete=complete_words(*REUSES),
            help="keep-alive, or close for a new connection for each request. Repeats.",
        ),
        click.option(
            "--duration",
            type=seconds("--duration 2.5"),
            metavar="SECONDS",
            default=duration,
            show_default=True,
            help="Length of each measurement.",
        ),
        click.option(
            "--warmup",
            type=seconds("--warmup 0.5"),
            metavar="SECONDS",
            default=warmup,
            show_default=True,
            help="What goes before each measurement and is thrown away.",
        ),
        click.option(
            "--rounds",
            type=whole_number("--rounds 3"),
            metavar="N",
            default="3",
            show_default=True,
            help="How often all is measured, each time in a fresh order.",
        ),
        click.option(
            "--seed",
            type=whole_number("--seed 7"),
            metavar="N",
            default="1",
            show_default=True,
            help=seed,
        ),
        click.option(
            "--out",
            type=click.Path(path_type=Path, file_okay=False),
            metavar="DIR",
            default="results",
            show_default=True,
            help="Folder in which the run gets a folder of its own.",
        ),
        click.option(
            "--json", "as_json", is_flag=True, help="The whole result on standard output."
        ),
        click.option("-q", "--quiet", is_flag=True, help="Print nothing but where the result is."),
    )


def measured(params: dict[str, Any]) -> tuple[dict[str, Any], Output]:
    """Take those options out of *params*; return fields of a `Plan`, and where the result goes."""
    fields = {
        "connections": flatten(params.pop("connections")),
        "reuses": flatten(params.pop("reuses")),
        "duration_s": params.pop("duration"),
        "warmup_s": params.pop("warmup"),
        "rounds": params.pop("rounds"),
        "seed": params.pop("seed"),
    }
    return fields, Output(params.pop("out"), params.pop("as_json"), params.pop("quiet"))
