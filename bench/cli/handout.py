"""`calcbench handout`: sheets for a class, printed from the browser."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from calcbench.bench.cli.base import Command
from calcbench.bench.cli.param_types import complete_words
from calcbench.bench.system.terminal import echo
from calcbench.core.errors import UsageError
from calcbench.core.options import nearest, parse_whole

if TYPE_CHECKING:
    from calcbench.bench.classroom.handouts.sheet import Sheet

KINDS = ("all", "demo", "lesson")


@click.command(
    "handout",
    cls=Command,
    examples={
        "calcbench handout": "all sheets, into the folder handouts",
        "calcbench handout lesson 3": "those of one lesson",
        "calcbench handout demo silent-client": "those of one demo",
    },
)
@click.argument(
    "kind", metavar="[all|demo|lesson]", default="all", shell_complete=complete_words(*KINDS)
)
@click.argument("which", metavar="[NAME|N]", required=False)
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path),
    default="handouts",
    show_default=True,
    help="Folder in which the files are written.",
)
def handout_command(kind: str, which: str | None, out: Path) -> None:
    """Write sheets for a class, to be printed.

    For each demo and lesson there are two, each a page of HTML: one to predict on before
    anything runs, and one with the solution. Open it in a browser and print.
    """
    from calcbench.bench.classroom.handouts.bundle import all_sheets, write_bundles, write_sheets

    if kind not in KINDS:
        raise UsageError(f"no handout {kind!r}{nearest(kind, KINDS)}")
    if kind == "all":
        if which is not None:
            raise UsageError(f"handout all takes no name; leave out {which!r}")
        sheets = all_sheets()
        count = len(list(write_sheets(sheets, out)))
        echo(f"{count} sheets; open {write_bundles(sheets, out)}, and print from the browser")
        return
    if which is None:
        raise UsageError(f"handout {kind} needs a name, as in calcbench handout {EXAMPLES[kind]}")
    for path in write_sheets(sheets_of(kind, which), out):
        echo(str(path))


EXAMPLES = {"demo": "demo silent-client", "lesson": "lesson 3"}


def sheets_of(kind: str, which: str) -> "tuple[Sheet, Sheet]":
    """Return the sheets of the demo or lesson *which*; raises UsageError where there is none."""
    from calcbench.bench.classroom.demo.playbill import find
    from calcbench.bench.classroom.handouts.of_demos import sheets_of_demo
    from calcbench.bench.classroom.handouts.of_lessons import sheets_of_lesson
    from calcbench.bench.classroom.lessons.catalogue import lesson_of, lessons

    if kind == "demo":
        return sheets_of_demo(find(which).SCENARIO)
    try:
        number = parse_whole(which)
    except ValueError:
        raise UsageError(f"lesson {which!r} should be a number, as in lesson 3") from None
    return sheets_of_lesson(lesson_of(number), len(lessons()))
