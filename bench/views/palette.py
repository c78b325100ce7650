"""How each strategy is drawn: the same colour, marker and dash in every chart, ever.

The colours of the five known strategies are Okabe and Ito's (jfly.uni-koeln.de/color, 2008), told
apart under every common colour blindness; the markers tell them apart without any colour.
"""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Style:
    """A colour as ``#rrggbb``, and matplotlib's names of a marker and a dash."""

    colour: str
    marker: str
    dash: str = "-"

    @property
    def ink(self) -> str:
        """A darker form of the colour, in which text on white is easy to read."""
        channels = (int(self.colour[start : start + 2], 16) for start in (1, 3, 5))
        return "#" + "".join(f"{int(channel * 0.68):02x}" for channel in channels)


KNOWN = {
    "blocking": Style("#000000", "s"),
    "fork": Style("#d55e00", "^"),
    "selectors": Style("#0072b2", "o"),
    "thread-per-request": Style("#e69f00", "D"),
    "threadpool": Style("#009e73", "v"),
}

# For everyone else: what Okabe and Ito have left (yellow is too light for a line on white), then
# dark ones of Paul Tol's muted scheme. Dashed, so that none of them is taken for one of the five.
COLOURS: tuple[str, ...] = (
    "#cc79a7",
    "#56b4e9",
    "#332288",
    "#882255",
    "#999933",
    "#777777",
    "#44aa99",
    "#8c510a",
)
MARKERS: tuple[str, ...] = ("P", "X", "h", "p", "<", ">", "d", "*")


def styles(labels: Iterable[str]) -> dict[str, Style]:
    """Return a style for each of *labels*, no two alike while there are styles left.

    A style follows from the name alone, so it stays the same from chart to chart, unless two
    names in one chart fall on the same colour or marker: then the later in the alphabet moves on.
    """
    chosen: dict[str, Style] = {}
    free_colours, free_markers = list(COLOURS), list(MARKERS)
    for label in sorted(set(labels)):
        if label in KNOWN:
            chosen[label] = KNOWN[label]
            continue
        number = zlib.crc32(label.encode())
        colour = first_free(COLOURS, free_colours, number)
        marker = first_free(MARKERS, free_markers, number >> 8)
        chosen[label] = Style(colour, marker, "--")
    return chosen


def first_free(all_of_them: tuple[str, ...], free: list[str], number: int) -> str:
    """Take from *free* the first at or after place *number*; when none is left, begin anew."""
    if not free:
        free.extend(all_of_them)
    start = number % len(all_of_them)
    for choice in all_of_them[start:] + all_of_them[:start]:
        if choice in free:
            free.remove(choice)
            return choice
    raise AssertionError("free holds some of all_of_them")
