"""What a scenario is: words that a teacher reads aloud, a run, and what its figures say.

A scenario is one file in `calcbench.bench.classroom.scenarios`, and nothing else. It has

- ``SCENARIO``, a `Scenario`: all of its words, complete, for the screen and for paper alike;
- ``run(stage)``, which plays it on real servers and returns figures, such as JSON can hold;
- ``conclude(figures)``, a pure function of those figures: whether the claim held, and what to show.

It names no machine and no speed: a claim is an ordering or a ratio that holds on slow laptops too.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from calcbench.bench.classroom.demo.stage import Stage

Figures = dict[str, Any]  # what was measured, as JSON holds it


class Place(NamedTuple):
    """A *function* (or ``Class.method``) in a *file* of the repository, and *what* to see there."""

    file: str
    function: str
    what: str


@dataclass(frozen=True)
class Scenario:
    """The words of a scenario, each a whole sentence.

    *happens* says in one sentence what will be done, *question* asks the room for a bet on one of
    *bets*, of which the one with the index *answer* is right where the *claim* holds, as *because*
    explains. *why* names three places in the code. *strategy* is the label of the one that it is
    about, in whose place another may be put, or nothing. It runs for about *seconds*.
    """

    number: int
    name: str
    title: str
    happens: str
    question: str
    bets: tuple[str, ...]
    answer: int
    because: str
    claim: str
    why: tuple[Place, ...]
    seconds: float
    strategy: str = ""


@dataclass(frozen=True)
class Bar:
    """One of the things compared: its *label*, its *value*, and how that reads, as *text*.

    *note* stands beside it, such as ``1 of 8 served``. *style* is the strategy whose colour it
    has, by default that which the label begins with.
    """

    label: str
    value: float
    text: str
    note: str = ""
    style: str = ""


@dataclass(frozen=True)
class Curve:
    """How something grew: at *seconds* it had the *values*; the rest is as of a bar.

    With *dots*, each value stands for itself, and no line joins it to the next. Its label stands at
    its end, or right of the point *at*, seconds and a value.
    """

    label: str
    seconds: tuple[float, ...]
    values: tuple[float, ...]
    text: str
    style: str = ""
    dots: bool = False
    at: tuple[float, float] | None = None


@dataclass(frozen=True)
class Picture:
    """What is drawn: a *title* that states the finding, *bars* on an axis that is called *axis*.

    The axis is linear and begins at 0. Where there are *curves*, the file shows them instead, over
    time, with a line at each of the *moments*, in seconds, that has a text.
    """

    title: str
    axis: str
    bars: tuple[Bar, ...]
    curves: tuple[Curve, ...] = ()
    moments: tuple[tuple[float, str], ...] = ()


@dataclass(frozen=True)
class Finding:
    """What figures say: whether the claim *held*, one *sentence* with the figures, a *picture*."""

    held: bool
    sentence: str
    picture: Picture


class ScenarioModule(Protocol):
    """A file of `calcbench.bench.classroom.scenarios`."""

    SCENARIO: Scenario

    def run(self, stage: "Stage") -> Figures:
        """Play it; return what was measured."""
        ...

    def conclude(self, figures: Figures) -> Finding:
        """Return what *figures* say."""
        ...
