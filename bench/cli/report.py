"""`calcbench report`: an earlier race drawn again."""

import dataclasses
import sys
from pathlib import Path

import click

from calcbench.bench.cli.base import Command, tell_problems
from calcbench.bench.cli.param_types import share
from calcbench.bench.schema.bounds import FAILURES
from calcbench.bench.system.terminal import echo


@click.command(
    "report",
    cls=Command,
    examples={
        "calcbench report results/20261122-181500": "its table, its charts, its verdict",
        "calcbench report --models results/20261122-181500": "with what theory predicts",
        "calcbench report --resources results/20261122-181500": "and what the servers used",
    },
)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--models",
    is_flag=True,
    help="Queueing predictions and the Universal Scalability Law, next to the measurements.",
)
@click.option(
    "--resources",
    is_flag=True,
    help="What the servers used: CPU, context switches, memory, threads, workers.",
)
@click.option("--spent", is_flag=True, hidden=True)  # what --resources was called at first
@click.option(
    "--most-failures",
    type=share("1%", FAILURES),
    metavar="SHARE",
    help="Who fails more of the requests than this comes behind all others.  [default: as in the"
    " race]",
)
@click.option("--hgrm", is_flag=True, help="Write files for HdrHistogram's plotter, in hgrm/.")
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where to write all of it, replacing what is there.  [default: what is missing, into DIR]",
)
def report_command(
    folder: Path,
    models: bool,
    resources: bool,
    spent: bool,
    most_failures: float | None,
    hgrm: bool,
    out: Path | None,
) -> int:
    """Draw an earlier race again.

    Prints its table, and writes into DIR the summary and the charts that are missing there; with
    --out DIR it writes all of them there, from the raw data. A race that was stopped is drawn as
    far as it got. So is a damaged result, but then the exit status is 1.
    """
    from calcbench.bench.analysis.summary import summarise
    from calcbench.bench.schema.reader import read_sound
    from calcbench.bench.system.files import os_errors_as
    from calcbench.bench.views.report import print_report, write_views
    from calcbench.bench.views.resource_table import resource_lines
    from calcbench.bench.views.scaling import scaling_lines
    from calcbench.bench.views.wording import panel_heading, panels

    found = read_sound(folder)
    run, target = found.run, out or folder
    if most_failures is not None:
        plan = dataclasses.replace(run.plan, most_failures=most_failures)
        run = dataclasses.replace(run, plan=plan)
    summary = summarise(run, folder)
    try:
        if out:
            with os_errors_as(f"cannot write to {out}"):
                out.mkdir(parents=True, exist_ok=True)
        write_views(summary, run, target, models=models, replace=out is not None)
    finally:  # a folder that cannot be written can be read
        print_report(summary, run, folder, sys.stdout, target)
        for rows in panels(summary.rows).values() if models else ():
            echo(
                "\n".join(
                    ["", *scaling_lines(panel_heading(rows[0].condition, run.plan), rows, run)]
                )
            )
        if models and not out:
            echo("\nFor a chart of these with the measurements, add --out DIR.")
        if hgrm:
            from calcbench.bench.views.hdr_export import FOLDER, export

            echo(f"Histograms: {len(export(run, folder, target))} in {target / FOLDER}")
        if resources or spent:
            echo("\n".join(["", *resource_lines(run)]))
    return tell_problems(found.problems)
