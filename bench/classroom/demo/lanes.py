"""Bars that grow while a scenario runs: drawn again and again on a terminal, lines elsewhere."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from calcbench.bench.system.terminal import console, echo, painted, shows_colours
from calcbench.bench.units import format_number

if TYPE_CHECKING:
    from rich.text import Text

WIDTH = 78  # columns of a terminal that are used
LABEL = 24  # columns of a lane's label, at most
VALUE = 21  # columns of a value and its unit
LEAST_CELL = VALUE  # columns of a value in a line
FRAME_S = 0.1  # between two pictures on a terminal
LINE_S = 1.0  # between two lines elsewhere
BLOCK, PLAIN_BLOCK = "█", "#"


@dataclass(frozen=True)
class Lane:
    """A bar that grows: its *label*, what *read* returns of it now, and the *unit* of that.

    Where *show* is given, it says how a value reads, in place of a number and the unit. *read* is
    called on another thread.
    """

    label: str
    read: Callable[[], float]
    unit: str = ""
    show: Callable[[float], str] | None = None

    def text(self, value: float) -> str:
        """Return how *value* reads."""
        return self.show(value) if self.show else f"{format_number(value)} {self.unit}".rstrip()


def bar_line(
    label: str,
    share: float,
    text: str,
    block: str = BLOCK,
    room: int = LABEL,
    behind: int = VALUE,
) -> str:
    """Return a line with a *label*, a bar that is a *share*, 0–1, of the longest, and a *text*.

    What is more than nothing has a bar that can be seen.
    """
    width = WIDTH - room - behind - 4
    length = min(max(round(share * width), 1 if share > 0 else 0), width)
    return f"  {label:<{room}}{block * length:<{width}}  {text}".rstrip()


def block_for(stream: TextIO) -> str:
    """Return what bars are made of on *stream*."""
    try:
        BLOCK.encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return PLAIN_BLOCK
    return BLOCK


class Show:
    """Shows *lanes* on *screen* from a thread of its own, for about *seconds*.

    The longest bar is as long as the share of the time that has gone by, and the others in
    proportion, so that all of them grow.
    """

    def __init__(self, screen: TextIO, lanes: Sequence[Lane], seconds: float) -> None:
        self.screen, self.lanes, self.seconds = screen, lanes, seconds
        self.began = time.monotonic()
        self.over = threading.Event()
        self.room = min(max(len(lane.label) for lane in lanes) + 2, LABEL)
        self.block = block_for(screen)

    def frame(self) -> list[str]:
        """Return the lines of this moment."""
        values = [lane.read() for lane in self.lanes]
        gone = min((time.monotonic() - self.began) / self.seconds, 1.0)
        longest = max(*values, 0) or 1
        return [
            bar_line(lane.label, gone * value / longest, lane.text(value), self.block, self.room)
            for lane, value in zip(self.lanes, values, strict=True)
        ]

    def line(self, cells: Sequence[str], head: str = "") -> str:
        """Return *cells*, one for each lane, in columns, behind the time or a *head*."""
        widths = [max(len(lane.label), LEAST_CELL) + 2 for lane in self.lanes]
        when = head or f"{time.monotonic() - self.began:.0f} s"
        columns = (f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True))
        return f"{when:>6}   {''.join(columns)}".rstrip()

    def draw(self) -> None:
        """Draw the bars again and again on a terminal; they are gone at the end."""
        from rich.live import Live

        with Live(
            self.picture(),
            console=console(self.screen),
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        ) as live:
            while not self.over.wait(FRAME_S):
                live.update(self.picture(), refresh=True)

    def picture(self) -> "Text":
        """Return the lines of this moment as rich draws them."""
        return painted("\n".join(self.frame()))

    def print_lines(self) -> None:
        """Print what the lanes are, a line every second, and one at the end."""
        echo(self.line([lane.label for lane in self.lanes], head="time"), file=self.screen)
        due = self.began + LINE_S
        while not self.over.wait(FRAME_S):
            cells = (
                self.cells()
            )  # as often as on a terminal: a lane may keep the most of what it saw
            if time.monotonic() >= due:
                echo(self.line(cells), file=self.screen)
                due += LINE_S
        echo(self.line(self.cells()), file=self.screen)
        echo("", file=self.screen)

    def cells(self) -> list[str]:
        """Return how each lane reads at this moment."""
        return [lane.text(lane.read()) for lane in self.lanes]


@contextlib.contextmanager
def shown(screen: TextIO | None, lanes: Sequence[Lane], seconds: float) -> Iterator[None]:
    """Show *lanes* on *screen*, if there is one, while the ``with`` block lasts."""
    if screen is None:
        yield
        return
    show = Show(screen, lanes, seconds)
    errors: list[Exception] = []

    def work() -> None:
        try:
            show.draw() if shows_colours(screen) else show.print_lines()
        except Exception as error:  # noqa: BLE001 - raised below, where it belongs
            errors.append(error)

    thread = threading.Thread(target=work, name="lanes", daemon=True)
    thread.start()
    try:
        yield
    finally:
        show.over.set()
        thread.join()
    if errors:
        raise errors[0]
