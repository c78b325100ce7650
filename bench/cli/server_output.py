"""What servers print during a race: passed on as it comes, each line behind the server's name.

Not all of it, for a server may print for every request: the first lines of each strategy in the
whole race, and beside them the first of its tracebacks.
"""

import functools
from dataclasses import dataclass

from calcbench.bench.system.terminal import echo, overwrite
from calcbench.core.serving.catalogue import Variant
from calcbench.core.serving.launcher import Server, ServerSpec, launch
from calcbench.core.serving.output import FAILED, TRACEBACK

LINES = 20  # of each strategy
TRACEBACK_LINES = 60  # of each strategy, beside those


@dataclass
class Allowance:
    """How much of one strategy is still to be shown; *within* a traceback, *silent* afterwards."""

    lines: int = LINES
    traceback_lines: int = TRACEBACK_LINES
    within: bool = False
    silent: bool = False

    def admits(self, line: str) -> bool:
        """Tell whether *line*, the next one, is to be shown."""
        begins = TRACEBACK in line
        if begins or self.within or FAILED.match(line):
            self.within = begins or line[:1] in (" ", "\t", "")  # up to the exception itself
            self.traceback_lines -= 1
            return self.traceback_lines >= 0
        self.lines -= 1
        return self.lines >= 0


class ServerOutput:
    """Passes on what the servers of one race print."""

    def __init__(self) -> None:
        self.allowances: dict[str, Allowance] = {}

    def launch(self, spec: ServerSpec, host: str) -> Server:
        """Launch a server as *spec* says at *host*, and pass on what it prints."""
        name = Variant(spec.strategy, spec.options).label
        return launch(spec, host, show=functools.partial(self.show, name))

    def show(self, name: str, line: str) -> None:
        """Show *line* of the server called *name*, if not too much of it has been shown."""
        allowance = self.allowances.setdefault(name, Allowance())
        if allowance.admits(line):
            print_line(f"{name}: {line}")
        elif not allowance.silent:
            allowance.silent = True
            print_line(f"{name}: [more output follows, not shown during the race]")


def print_line(text: str) -> None:
    """Print *text* in a line of its own to standard error, in the place of a progress bar.

    The bar is drawn again with the next measurement.
    """
    overwrite("")
    echo(text, err=True)
