"""How far a race has come: a bar with the time left on a terminal, a single line elsewhere."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from calcbench.bench.system.terminal import console, echo, one_line, shows_colours

if TYPE_CHECKING:
    from calcbench.bench.runner.race import Progress as RaceProgress


@contextlib.contextmanager
def progress_on_terminal(*, quiet: bool) -> Iterator[Callable[["RaceProgress"], None]]:
    """Yield what a race tells its progress to: on a terminal a bar, elsewhere one line at first.

    The bar is drawn between measurements only, for drawing takes time from what is measured.
    """
    if quiet or not shows_colours(sys.stderr):

        def announce(progress: "RaceProgress") -> None:
            if not quiet and not progress.done:
                left = say_left(progress.seconds_left)
                things = "measurement" if progress.total == 1 else "measurements"
                echo(f"calcbench: {progress.total:,} {things}, {left}", err=True)

        yield announce
        return
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.table import Column

    whole_line = Column(no_wrap=True, overflow="ellipsis")
    columns = (
        TextColumn("{task.completed:,.0f} of {task.total:,.0f}"),
        BarColumn(bar_width=30),
        TextColumn("{task.fields[left]}"),
        TextColumn("{task.description}", style="dim", markup=False, table_column=whole_line),
    )
    with Progress(
        *columns,
        console=console(sys.stderr),
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    ) as bar:
        task = bar.add_task("", left="", visible=False)

        def show(progress: "RaceProgress") -> None:
            what = progress.condition
            text = f"{what.strategy}, {what.workload}, {what.connections:,}" if what else ""
            text = one_line(text)
            bar.update(
                task,
                completed=progress.done,
                total=progress.total,
                visible=True,
                description=text,
                left=say_left(progress.seconds_left),
            )
            bar.refresh()

        yield show


def say_left(seconds: float) -> str:
    """Return how long there is to wait: ``1 min 20 s left``."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{f'{minutes} min ' if minutes else ''}{rest} s left"
