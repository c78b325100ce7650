"""One requirement, what was measured of it, and whether it held: a line of the table.

The table is Markdown, so that what the terminal shows is what a README can quote.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from calcbench.bench.system.terminal import echo

HEAD = ("what", "required", "measured", "verdict")
WIDTHS = (72, 48, 66, 12)  # characters of each column; a longer cell only bends the table
# Standard errors. Some shares lie at the edge of what is required, such as 1 - 2/2^6 = 96.9 % for
# six rounds; a dozen are counted, and with two errors one of them would be out in every fifth run.
ERRORS = 3


@dataclass(frozen=True)
class Requirement:
    """*what* was *required*, and whether what was *measured* held it; None: it was not measured."""

    what: str
    required: str
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


def print_requirements(requirements: Iterable[Requirement]) -> bool:
    """Print each of *requirements* when it has been measured; tell whether none was broken."""
    held = True
    echo(line(HEAD))
    echo(line([""] * len(HEAD), "-"))
    for one in requirements:
        held &= one.held is not False
        echo(line((one.what, one.required, one.measured, one.verdict)))
    return held


def share_true(flags: Sequence[bool]) -> float:
    """Return how many of *flags* are true, as a ratio."""
    return sum(flags) / len(flags)


def counting_error(ratio: float, count: int) -> float:
    """Return what chance does to the share of *count* that is *ratio* in truth."""
    return ERRORS * math.sqrt(ratio * (1 - ratio) / count)


def counted_at_most(required: float, *counts: int) -> str:
    """Say that a share is at most what is *required*, and what chance may make of it in *counts*.

    ``≤ 5%; by chance up to 9.6% of 200``.
    """
    limits = (f"{required + counting_error(required, count):.1%} of {count:,}" for count in counts)
    return f"≤ {required:.0%}; by chance up to {', '.join(limits)}"


def counted_between(low: float, high: float, count: int) -> str:
    """Say that a share is *low* to *high*, and what chance may make of it in *count*."""
    least, most = low - counting_error(low, count), min(high + counting_error(high, count), 1)
    return f"{low:.0%} to {high:.0%}; by chance {least:.1%} to {most:.1%} of {count:,}"


def at_most(required: float, flags: Sequence[bool]) -> bool:
    """Tell whether at most a share *required* is true, but for the error of counting *flags*."""
    return share_true(flags) <= required + counting_error(required, len(flags))


def share_between(low: float, high: float, flags: Sequence[bool]) -> bool:
    """Tell whether a share of *low* to *high* is true, but for the error of counting *flags*."""
    least = low - counting_error(low, len(flags))
    return least <= share_true(flags) <= high + counting_error(high, len(flags))


def percentages(counted: Sequence[Sequence[bool]]) -> str:
    """Return which share of each is true: ``95.1%, 96.2% of 2,000``."""
    shares = ", ".join(f"{share_true(flags):.1%}" for flags in counted)
    return f"{shares} of {len(counted[0]):,}"
