"""`calcbench report`: an earlier race drawn again."""

import sys
from pathlib import Path

import click

from calcbench.bench.cli.base import Command
from calcbench.bench.system.terminal import echo


@click.command(
    "report",
    cls=Command,
    examples={
        "calcbench report results/20261122-181500": "its table, its charts, its verdict",
        "calcbench report --models results/20261122-181500": "and what theory would say",
        "calcbench report --resources results/20261122-181500": "and what the servers used",
    },
)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--models",
    is_flag=True,
    help="Queueing predictions and the Universal Scalability Law, beside what was measured.",
)
@click.option(
    "--resources",
    is_flag=True,
    help="What the servers used: CPU, context switches, memory, threads, workers.",
)
@click.option("--spent", is_flag=True, hidden=True)  # what --resources was called at first
@click.option("--hgrm", is_flag=True, help="Write files for HdrHistogram's plotter, in DIR/hgrm.")
def report_command(folder: Path, models: bool, resources: bool, spent: bool, hgrm: bool) -> None:
    """Draw an earlier race again.

    Prints its table, and writes its summary and charts anew from the raw data in DIR.
    """
    from calcbench.bench.analysis.summary import summarise
    from calcbench.bench.schema.result import read_run
    from calcbench.bench.views.report import print_report, write_views
    from calcbench.bench.views.resource_table import resource_lines
    from calcbench.bench.views.scaling import scaling_lines
    from calcbench.bench.views.wording import panel_heading, panels

    run = read_run(folder)
    summary = summarise(run, folder)
    try:
        write_views(summary, run, folder, models=models)
    finally:  # a folder that cannot be written can be read
        print_report(summary, run, folder, sys.stdout)
        for rows in panels(summary.rows).values() if models else ():
            echo(
                "\n".join(
                    ["", *scaling_lines(panel_heading(rows[0].condition, run.plan), rows, run)]
                )
            )
        if hgrm:
            from calcbench.bench.views.hdr_export import FOLDER, export

            echo(f"Histograms: {len(export(run, folder)):,} in {folder / FOLDER}")
        if resources or spent:
            echo("\n".join(["", *resource_lines(run)]))
