"""Draw the picture of a finding for a projector: few words, large, on a linear axis from 0.

Lengths are inches, sizes are points.
"""

import re
import textwrap
import warnings
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from calcbench.bench.classroom.demo.scenario import Bar, Curve, Picture
from calcbench.bench.system.files import whole_file
from calcbench.bench.system.terminal import printable, with_texts
from calcbench.bench.views.charts import count_lines, length, wrap_to_width
from calcbench.bench.views.palette import styles
from calcbench.bench.views.theme import DPI, PROJECTOR, themed

WIDTH, HEIGHT, MARGIN = 12.8, 7.2, 0.45
LEAD = 1.2 / 72  # of a line of one point
BOLD = 1.15  # times as wide as letters that are not
VALUE = 28  # size of the figure beside a bar
DOT = 9  # size of a value that stands for itself
BAR_THICK = 0.66  # of the distance from one bar to the next
LABEL_COLUMNS = 18  # characters of a label in one line
FOOT = 1.85  # below the axes: their numbers, their name, the small print
GAP = 0.16  # between a bar and its value, a label and the axis


def draw_picture(picture: Picture, path: Path, footer: str) -> None:
    """Write *picture* to *path*, a PNG, with the small words *footer* below.

    Raises CalcbenchError when it cannot be written.
    """
    picture = with_texts(picture, printable)
    with themed(PROJECTOR.name), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a box stands for it
        figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI)
        FigureCanvasAgg(figure)
        title = wrap_to_width([picture.title], (WIDTH - 2 * MARGIN) / BOLD, PROJECTOR.title)
        top = HEIGHT - 0.3 - count_lines(title) * PROJECTOR.title * LEAD - 0.3
        figure.text(
            MARGIN / WIDTH, 1 - 0.3 / HEIGHT, title, size=PROJECTOR.title, weight="bold", va="top"
        )
        figure.text(
            MARGIN / WIDTH, 0.2 / HEIGHT, footer, size=PROJECTOR.small, color=PROJECTOR.faint
        )
        if picture.curves:
            draw_curves(figure, picture, top)
        else:
            draw_bars(figure, picture, top)
        with whole_file(path) as file:
            figure.savefig(file, format="png", dpi=DPI, metadata={"Software": None})


def add_axes(figure: Figure, left: float, right: float, top: float) -> Axes:
    """Return axes that leave so much room at the *left* and the *right*, and end at *top*."""
    place = (left / WIDTH, FOOT / HEIGHT, (WIDTH - left - right) / WIDTH, (top - FOOT) / HEIGHT)
    return figure.add_axes(place)


def widest(texts: list[str], size: float) -> float:
    """Return how wide the widest line of *texts* is in bold letters."""
    return max(BOLD * length(line, size) for text in texts for line in text.split("\n"))


def draw_bars(figure: Figure, picture: Picture, top: float) -> None:
    """Draw the bars of *picture*, the first on top, each with its value and its note beside it."""
    theme, bars = PROJECTOR, picture.bars
    colours = colours_of(bars)
    labels = ["\n".join(wrap_label(bar.label)) for bar in bars]
    beside = max(
        widest([bar.text for bar in bars], VALUE), widest([bar.note for bar in bars], theme.text)
    )
    left, right = MARGIN + widest(labels, theme.text) + GAP, MARGIN + GAP + beside
    ax = add_axes(figure, left, right, top)
    most = max(*(bar.value for bar in bars), 0) or 1
    gap = most * GAP / (WIDTH - left - right)
    for place, bar in enumerate(bars):
        ax.barh(place, bar.value, BAR_THICK, color=colours[bar.label])
        align = "bottom" if bar.note else "center"
        ax.text(bar.value + gap, place, bar.text, size=VALUE, weight="bold", va=align)
        ax.text(bar.value + gap, place + 0.06, bar.note, size=theme.text, va="top")
    ax.set_xlim(0, most)
    ax.set_ylim(len(bars) - 0.5, -0.5)
    ax.set_yticks(range(len(labels)), labels)
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel(picture.axis)
    ax.xaxis.set_major_formatter(FuncFormatter(plain_number))
    ax.locator_params(axis="x", nbins=theme.ticks)


def draw_curves(figure: Figure, picture: Picture, top: float) -> None:
    """Draw the curves of *picture* over time, each with its label at its end."""
    theme, curves = PROJECTOR, picture.curves
    colours = colours_of(curves)
    labels = [f"{curve.label}\n{curve.text}" for curve in curves]
    most = max(max(curve.values) for curve in curves) or 1
    last = max(curve.seconds[-1] for curve in curves)
    top -= theme.text * LEAD  # what is written above the axes
    numbers = length(plain_number(most), theme.text)
    left, right = MARGIN + numbers + 0.75, MARGIN + GAP + widest(labels, theme.text)
    ax = add_axes(figure, left, right, top)
    for curve in curves:
        shape, colour = "o" if curve.dots else "-", colours[curve.label]
        ax.plot(curve.seconds, curve.values, shape, color=colour, markersize=DOT, clip_on=False)
    spread = max(map(count_lines, labels)) * 1.35 * theme.text * LEAD / (top - FOOT) * most
    beside = last * GAP / (WIDTH - left - right)
    for text, curve, height in zip(labels, curves, heights_of(curves, spread), strict=True):
        at, up = curve.at or (last, height)
        ax.text(
            at + beside,
            up,
            text,
            size=theme.text,
            weight="bold",
            va="center",
            color=colours[curve.label],
            linespacing=1.3,
        )
    for at, words in picture.moments:
        ax.axvline(at, color=theme.faint, linestyle="--", linewidth=2)
        ax.text(at, most * 1.03, words, size=theme.text, ha="center", va="bottom")
    ax.set_xlim(0, last)
    ax.set_ylim(0, most)
    ax.set_xlabel("seconds")
    ax.set_ylabel(picture.axis)
    ax.yaxis.set_major_formatter(FuncFormatter(plain_number))


def heights_of(curves: tuple[Curve, ...], spread: float) -> list[float]:
    """Return where the labels of *curves* go, each *spread* above the one below at least.

    None reaches below the axis. One that has a place of its own is in nobody's way.
    """
    heights = [curve.values[-1] for curve in curves]
    lowest = spread / 2
    for place in sorted(range(len(heights)), key=heights.__getitem__):
        if curves[place].at:
            continue
        heights[place] = max(heights[place], lowest)
        lowest = heights[place] + spread
    return heights


def colours_of(drawn: "tuple[Bar, ...] | tuple[Curve, ...]") -> dict[str, str]:
    """Return the colour of each of *drawn*, by its label."""
    names = {one.label: one.style or re.split("[ ,:]", one.label)[0] for one in drawn}
    known = styles(names.values())
    return {label: known[name].colour for label, name in names.items()}


def wrap_label(label: str) -> list[str]:
    """Return *label* in short lines; what stands behind a comma has a line of its own."""
    parts = label.replace(", ", ",\n").split("\n")
    return [line for part in parts for line in textwrap.wrap(part, LABEL_COLUMNS)]


def plain_number(value: float, _: object = None) -> str:
    """Return *value* of an axis as people write it."""
    return f"{value:,.0f}" if value == int(value) else f"{value:,.4f}".rstrip("0")
