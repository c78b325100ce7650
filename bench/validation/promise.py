"""One promise, what was measured of it, and whether it held: a line of the table.

The table is Markdown, so that what the terminal shows is what a README can quote.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

HEAD = ("what", "promised", "measured", "verdict")
WIDTHS = (66, 24, 66, 12)  # characters of each column; a longer cell only bends the table


@dataclass(frozen=True)
class Promise:
    """*what* was *promised*, and whether what was *measured* held it; None: it was not measured."""

    what: str
    promised: str
    measured: str
    held: bool | None

    @property
    def verdict(self) -> str:
        """What the last column says."""
        if self.held is None:
            return "not measured"
        return "held" if self.held else "NOT HELD"


def line(cells: Sequence[str], fill: str = " ") -> str:
    """Return one line of the table."""
    padded = (cell.ljust(width, fill) for cell, width in zip(cells, WIDTHS, strict=True))
    return f"| {' | '.join(padded)} |"


def print_promises(promises: Iterable[Promise]) -> bool:
    """Print each of *promises* when it has been measured; tell whether none was broken."""
    held = True
    print(line(HEAD))
    print(line([""] * len(HEAD), "-"), flush=True)
    for one in promises:
        held &= one.held is not False
        print(line((one.what, one.promised, one.measured, one.verdict)), flush=True)
    return held


def share(flags: Sequence[bool]) -> tuple[float, float]:
    """Return how many of *flags* are true, as a ratio, and its standard error."""
    ratio = sum(flags) / len(flags)
    return ratio, math.sqrt(max(ratio * (1 - ratio), 1 / len(flags)) / len(flags))


def at_most(promised: float, flags: Sequence[bool]) -> bool:
    """Tell whether at most a share *promised* is true, but for the error of counting *flags*."""
    ratio, error = share(flags)
    return ratio - 2 * error <= promised


def between(low: float, high: float, flags: Sequence[bool]) -> bool:
    """Tell whether a share of *low* to *high* is true, but for the error of counting *flags*."""
    ratio, error = share(flags)
    return low - 2 * error <= ratio <= high + 2 * error


def percentages(counted: Sequence[Sequence[bool]]) -> str:
    """Return which share of each is true: ``95.1%, 96.2% of 2,000``."""
    shares = ", ".join(f"{share(flags)[0]:.1%}" for flags in counted)
    return f"{shares} of {len(counted[0]):,}"
