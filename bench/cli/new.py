"""`calcbench new`: a strategy of one's own, to start from, in any folder."""

import click

from calcbench.bench.classroom.template import write_template
from calcbench.bench.cli.base import Command
from calcbench.bench.system.terminal import echo


@click.command(
    "new",
    cls=Command,
    examples={
        "calcbench new mine.py": "write a strategy into ./mine.py",
        "calcbench check ./mine.py": "say what is wrong with it",
        "calcbench serve --strategy ./mine.py": "serve with it",
    },
)
@click.argument("file", metavar="FILE")
def new_command(file: str) -> None:
    """Write a strategy of your own to start from.

    It works as it is, and has comments on what to change.

    A file that is there already stays as it is.
    """
    path = str(write_template(file))
    shown = path if "/" in path else f"./{path}"
    echo(f"calcbench: wrote {shown}, a thread for each client; open it in your editor, then:")
    echo(f"  calcbench check {shown}")
    echo(f"  calcbench serve --strategy {shown}")
    echo(f"  calcbench run --strategy {shown},threadpool")
