"""`calcbench report`: an earlier race drawn again."""

import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from calcbench.bench.cli.afterwards import open_report
from calcbench.bench.cli.base import Command, no_charts_option, tell_problems
from calcbench.bench.cli.display import exports, shown_options
from calcbench.bench.cli.param_types import share
from calcbench.bench.schema.bounds import FAILURES
from calcbench.bench.system.terminal import echo, one_line, printable_record
from calcbench.bench.units import format_count
from calcbench.bench.views.theme import PAPER
from calcbench.core.errors import CalcbenchError, UsageError

FIGURES = "demo.json"  # of a demonstration, in place of a result
MOST_BYTES = 1 << 20  # of it


@click.command(
    "report",
    cls=Command,
    examples={
        "calcbench report results/20261122-181500": "its table, its charts, its verdict",
        "calcbench report results/latest --open": "the newest run, in the browser",
        "calcbench report results/latest --theme projector": "who wins, for the last row",
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
    "--slides", is_flag=True, help="Draw a picture of each finding for a projector, in slides/."
)
@no_charts_option
@shown_options
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where to write all of it, replacing what is there.  [default: what is missing, into DIR]",
)
@exports
def report_command(
    folder: Path,
    models: bool,
    resources: bool,
    spent: bool,
    most_failures: float | None,
    hgrm: bool,
    slides: bool,
    no_charts: bool,
    theme: str,
    explain: bool,
    opens: bool,
    out: Path | None,
) -> int:
    """Draw an earlier race again.

    Prints its table, and writes into DIR the summary and the charts that are missing there; with
    --out DIR it writes all of them there, from the raw data. A race that was stopped is drawn as
    far as it got. So is a damaged result, but then the exit status is 1. Of a search for the
    highest rates it prints what was found, and every try.
    """
    from calcbench.bench.analysis.summary import summarise
    from calcbench.bench.schema.reader import holds_search, read_sound
    from calcbench.bench.system.files import os_errors_as
    from calcbench.bench.views.failure_lines import failure_lines
    from calcbench.bench.views.report import page_of_run, print_report, width_of, write_views
    from calcbench.bench.views.resource_table import resource_lines
    from calcbench.bench.views.scaling import scaling_lines
    from calcbench.bench.views.wording import panel_heading, panels

    tables_of_races = {
        "--models": models,
        "--resources": resources or spent,
        "--hgrm": hgrm,
        "--slides": slides,
        "--open": opens,
        "--out": out is not None,
    }
    if is_of_demo(folder):
        return report_demo(folder, opens=opens)
    if holds_search(folder):
        return report_search(folder, tables_of_races)
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
        write_views(
            summary,
            run,
            target,
            models=models,
            replace=out is not None,
            charts=not no_charts,
            theme=theme,
        )
    finally:  # a folder that cannot be written can be read
        print_report(
            summary,
            run,
            folder,
            sys.stdout,
            target,
            charts=not no_charts,
            theme=theme,
            explain=explain,
        )
        for rows in panels(summary.rows).values() if models else ():
            echo(
                "\n".join(
                    ["", *scaling_lines(panel_heading(rows[0].condition, run.plan), rows, run)]
                )
            )
        whole = explain or theme == PAPER.name
        for line in failure_lines(printable_record(run), width_of(sys.stdout)) if whole else ():
            echo(line)
        if models and not out and not no_charts:
            echo("\nFor a chart of these with the measurements, add --out DIR.")
        if hgrm:
            from calcbench.bench.views.hdr_export import FOLDER, export

            echo(f"Histograms: {len(export(run, folder, target))} in {target / FOLDER}")
        if resources or spent:
            echo("\n".join(["", *resource_lines(run)]))
        if slides:
            from calcbench.bench.views.deck import SLIDES, write_deck

            pictures = write_deck(summary, run, target)
            echo(f"Slides: {format_count(len(pictures), 'picture')} in {target / SLIDES}")
    if opens:
        open_report(page_of_run(target, theme))
    return tell_problems(found.problems)


def is_of_demo(folder: Path) -> bool:
    """Tell whether *folder* is a demonstration's; what keeps us from looking is told later."""
    try:
        return (folder / FIGURES).exists()
    except OSError:
        return False


def report_demo(folder: Path, *, opens: bool) -> int:
    """Print what the demonstration in *folder* showed, and where its picture is."""
    from calcbench.bench.schema.reader import parse_json
    from calcbench.bench.system.files import os_errors_as, read_below
    from calcbench.bench.views.report import fill, width_of

    with os_errors_as(f"cannot read {folder / FIGURES}"):
        kept = parse_json(folder / FIGURES, read_below(folder, FIGURES, MOST_BYTES))
    sentence = kept.get("sentence") if isinstance(kept, dict) else None
    pictures = sorted(folder.glob("*.png"))
    if not isinstance(sentence, str) or not pictures:
        raise CalcbenchError(f"{folder} holds no whole demonstration")
    echo(fill(one_line(sentence), width_of(sys.stdout)))
    echo(f"Picture: {pictures[0]}")
    if opens:
        open_report(pictures[0])
    return 0


def report_search(folder: Path, of_races: Mapping[str, bool]) -> int:
    """Print the search in *folder*; raises UsageError for options that are *of_races* alone."""
    from calcbench.bench.runner.stored_search import search_lines

    for name, is_given in of_races.items():
        if is_given:
            raise UsageError(f"{name} is of a race, and {folder} holds a search for rates")
    for line in search_lines(folder):
        echo(one_line(line))
    echo(f"\nData:   {folder}")
    return 0
