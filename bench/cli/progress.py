"""How long a race will take, in a line before it; and how far it has come, a bar on a terminal."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from calcbench.bench.schema.plan import Plan
from calcbench.bench.system.terminal import console, one_line, shows_colours
from calcbench.bench.units import format_count, format_seconds

if TYPE_CHECKING:
    from calcbench.bench.runner.race import Progress as RaceProgress


@contextlib.contextmanager
def progress_on_terminal(
    *, quiet: bool, behind_s: float = 0
) -> Iterator[Callable[["RaceProgress"], None]]:
    """Yield what a race tells its progress to: on a terminal a bar, elsewhere nothing.

    The bar is drawn between measurements only, for drawing takes time from what is measured.
    What comes *behind_s* later, behind the last of them, is in the time that it says is left.
    """
    if quiet or not shows_colours(sys.stderr):
        yield lambda _: None
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
            text = ""
            if progress.conditions:
                names = ", ".join(condition.strategy for condition in progress.conditions)
                first = progress.conditions[0]
                text = one_line(f"{names}, {first.workload}, {first.connections:,}")
            bar.update(
                task,
                completed=progress.done,
                total=progress.total,
                visible=True,
                description=text,
                left=f"{say_seconds(progress.seconds_left + behind_s)} left",
            )
            bar.refresh()

        yield show


def say_promise(plan: Plan, seconds: float) -> str:
    """Say what is measured, and that it takes about so many *seconds*: as a line before a race."""
    things = format_count(plan.total, "measurement")
    least = "at least " if plan.precision else ""
    # Whatever was due within a window is waited for at its end.
    waits = plan.rate is not None or plan.think_s
    longer = f", longer where requests wait for their --timeout of {format_seconds(plan.timeout_s)}"
    return f"{least}{things}, about {say_seconds(seconds)} in all{longer if waits else ''}"


def say_seconds(seconds: float) -> str:
    """Return how long there is to wait: ``1 min 20 s``."""
    minutes, rest = divmod(max(round(seconds), 1), 60)
    return f"{f'{minutes} min ' if minutes else ''}{rest} s"
