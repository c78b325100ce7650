"""Options for what a command shows: its theme, how much of it, and a file that keeps it."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from calcbench.bench.cli.base import options
from calcbench.bench.system.transcript import export_path, exported
from calcbench.bench.views.theme import PAPER, THEMES
from calcbench.core.errors import UsageError

Function = TypeVar("Function", bound=Callable[..., Any])


def exports(function: Function) -> Function:
    """Give a command the option that keeps what it printed, and do so when it ends."""

    @click.option(
        "--export",
        "export",
        type=export_path,
        metavar="FILE",
        help="Keep what is printed as a picture or a page: FILE.svg or FILE.html.",
    )
    @functools.wraps(function)
    def command(*args: Any, export: Path | None, **params: Any) -> Any:
        if export and params.get("as_json"):
            raise UsageError("--export and --json do not go together: JSON is for programs")
        with exported(export):
            return function(*args, **params)

    return cast("Function", command)


theme_option = click.option(
    "--theme",
    type=click.Choice(tuple(THEMES)),
    default=PAPER.name,
    show_default=True,
    help="projector: who wins and a few figures in large charts, for the last row of a classroom.",
)
explain_option = click.option(
    "--explain",
    is_flag=True,
    help="With --theme projector: print the whole table and all notes below.",
)
shown_options = options(
    theme_option,
    explain_option,
    click.option("--open", "opens", is_flag=True, help="Open the charts in the browser."),
)
