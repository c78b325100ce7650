"""How pictures look: `paper` for reading up close, `projector` for the last row of a classroom.

Names and sizes alone, so that a command line can offer them at once; matplotlib is imported when
something is drawn.
"""

import contextlib
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

FONT = "DejaVu Sans"  # comes with matplotlib: the same picture everywhere
DPI = 100
USUAL: Mapping[str, Any] = {  # of every theme
    "font.family": FONT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.parse_math": False,  # a dollar in a reason or an option is a dollar
    "svg.hashsalt": "calcbench",  # without it every SVG has fresh random ids
}


@dataclass(frozen=True)
class Theme:
    """Sizes in points: of a *title*, a *heading*, all other *text*, and the *small* print.

    And of what is drawn: a *marker*, a *line*, the *spread* behind a marker, a *bar*, and its
    *whisker*. A bar is so *solid*, 0–1; one that is wholly so needs no marker at its end. An axis
    has about so many *ticks*, and is *linear* from zero whatever it shows, or only where its values
    allow it. *ink* is the colour of words, *faint* that of those that matter less. *more* is what
    matplotlib has to know besides.
    """

    name: str
    title: float
    heading: float
    text: float
    small: float
    marker: float
    line: float
    spread: float
    bar: float
    whisker: float
    solid: float
    ticks: int
    linear: bool
    ink: str
    faint: str
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def scale(self) -> float:
        """How many times as large as on paper words are, and the room that they need."""
        return self.text / PAPER.text

    @property
    def style(self) -> dict[Any, Any]:
        """The theme as matplotlib's rc parameters."""
        return {
            **USUAL,
            "font.size": self.text,
            "text.color": self.ink,
            "axes.edgecolor": self.faint,
            "axes.labelcolor": self.ink,
            "xtick.color": self.faint,
            "ytick.color": self.faint,
            "xtick.labelcolor": self.ink,
            "ytick.labelcolor": self.ink,
            **self.more,
        }


PAPER = Theme(
    name="paper",
    title=23,
    heading=17,
    text=14,
    small=12,
    marker=10,
    line=2.2,
    spread=5,
    bar=11,
    whisker=2.6,
    solid=0.3,
    ticks=6,
    linear=False,
    ink="#222222",
    faint="#5c5c5c",
)
# A picture of 1280 by 720 pixels, as most projectors have it. From ten metres the smallest letters
# that can be read are about a thirtieth of the picture's height, which is 17 points here.
PROJECTOR = Theme(
    name="projector",
    title=30,
    heading=22,
    text=22,
    small=18,
    marker=18,
    line=5,
    spread=11,
    bar=34,
    whisker=5,
    solid=1,
    ticks=4,
    linear=True,
    ink="#000000",
    faint="#333333",
    more={
        "figure.figsize": (12.8, 7.2),
        "figure.dpi": DPI,
        "savefig.dpi": DPI,
        "axes.linewidth": 2,
        "axes.titlesize": 30,
        "axes.titleweight": "bold",
        "lines.linewidth": 5,
        "lines.markersize": 18,
        "xtick.major.width": 2,
        "ytick.major.width": 2,
        "xtick.major.size": 8,
        "ytick.major.size": 8,
    },
)
THEMES = {theme.name: theme for theme in (PAPER, PROJECTOR)}
CHOSEN: ContextVar[Theme] = ContextVar("theme", default=PAPER)


@contextlib.contextmanager
def themed(name: str) -> Iterator[Theme]:
    """Let matplotlib, and all that draws here, use the theme of this *name*; give that theme."""
    import matplotlib as mpl

    theme = THEMES[name]
    token = CHOSEN.set(theme)
    try:
        with mpl.rc_context(theme.style):
            yield theme
    finally:
        CHOSEN.reset(token)


def current() -> Theme:
    """Return the theme that is used now, `paper` where nobody chose one."""
    return CHOSEN.get()
