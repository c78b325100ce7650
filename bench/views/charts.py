"""Draw a summary: how much every strategy answers, and how fast, against the connections.

One figure for each metric, with one panel for each workload and way of connecting. Lengths are
inches, sixteen to the width of a figure, so that every word can be read from a projector. The
same summary always gives the same bytes.
"""

import functools
import textwrap
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextToPath

from calcbench.bench.analysis.metrics import METRICS, THROUGHPUT, Metric
from calcbench.bench.analysis.ranking import without_controls
from calcbench.bench.analysis.summary import Row, Summary
from calcbench.bench.schema.result import Run
from calcbench.bench.system.files import whole_file
from calcbench.bench.system.terminal import printable_record
from calcbench.bench.views.captions import footer, headline, notes
from calcbench.bench.views.palette import Style, styles
from calcbench.bench.views.panel import (
    AXIS_ROOM,
    LABEL_GAP,
    LABEL_LEAD,
    Label,
    draw_bars,
    draw_lines,
    served_at_last,
)
from calcbench.bench.views.scaling import FITTED, PREDICTED, curves
from calcbench.bench.views.theme import DPI, FONT, PAPER, themed
from calcbench.bench.views.wording import panel_heading, panels, shorten_names

MODELS = {
    PREDICTED: "Dotted: what the time of a single request predicts (queueing theory).",
    FITTED: "Dots and dashes: the Universal Scalability Law, fitted to the medians.",
}
WIDTH = 16.0
MARGIN = 0.4
HEADER = 1.0  # the figure's title
HEADING_ROOM = 0.5  # a panel's heading
TITLE_ROOM = 0.4  # the title above a vertical axis
AXIS_FOOT = 0.85  # numbers and title of a horizontal one
VALUE_ROOM = 1.1  # the number behind a bar
MIDDLE_LINE, SMALL_LINE = 0.27, 0.235  # a line of a finding; of notes and footer
LONGEST_PIECE = 45  # characters of one word in a line, for whatever an option may hold
LONGEST_LINE = 32  # characters of a name, so that there is always room for the axes
LEAST_TALL = {1: 5.4, 2: 4.2}  # height of the axes, by the rows of panels

METADATA = {"svg": {"Date": None}, "png": {"Software": None}}  # by format: nothing that changes
TITLE, HEADING, MIDDLE, SMALL = PAPER.title, PAPER.heading, PAPER.text, PAPER.small
FAINT = PAPER.faint


def draw_charts(
    summary: Summary, run: Run, folder: Path, *, models: bool = False, replace: bool = True
) -> list[Path]:
    """Write every chart of *summary* into *folder* as SVG and PNG; return their paths.

    With *models*, that of throughput shows what was predicted beside what was measured. Draws
    nothing when nothing was measured, and what is there already only to *replace* it. Raises
    CalcbenchError when they cannot be written.
    """
    paths: list[Path] = []
    summary, run = printable_record(without_controls(summary)), printable_record(run)
    with themed(PAPER.name), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a box stands for it
        for metric in METRICS if summary.rows else ():
            files = {folder / f"{metric.file}.{suffix}": suffix for suffix in METADATA}
            paths += files
            wanted = [path for path in files if replace or not path.exists()]
            if not wanted:
                continue
            figure = draw(summary, run, metric, models=models and metric is THROUGHPUT)
            for path in wanted:
                with whole_file(path, folder.parent) as file:
                    suffix = files[path]
                    figure.savefig(file, format=suffix, dpi=DPI, metadata=METADATA[suffix])
    return paths


def draw(summary: Summary, run: Run, metric: Metric, *, models: bool = False) -> Figure:
    """Return the figure of one *metric*, which is throughput where *models* are beside it."""
    shown = list(panels(summary.rows).values())
    beside = [curves(rows, run) if models else {} for rows in shown]
    dashes = {curve.dash for one in beside for drawn in one.values() for curve in drawn}
    words = " ".join([footer(run), *(what for dash, what in MODELS.items() if dash in dashes)])
    known = styles(row.condition.strategy for row in summary.rows)
    labels = [measure_labels(known, served_at_last(rows, metric)) for rows in shown]
    below = [notes(rows, metric) for rows in shown]
    page = lay_out(shown, labels, [headline(metric, rows) for rows in shown], below, words)
    figure = Figure(figsize=(WIDTH, page.height), dpi=DPI)
    FigureCanvasAgg(figure)

    def write(x: float, y: float, text: str, size: float, **style: Any) -> None:
        figure.text(x / WIDTH, y / page.height, text, size=size, va="top", **style)

    title = metric.title + (" (partial run)" if run.partial else "")
    write(MARGIN, page.height - 0.35, title, TITLE, weight="bold")
    write(MARGIN, page.footer_top, page.footer, SMALL, color=FAINT)
    for rows, place, drawn, named in zip(shown, page.places, beside, labels, strict=True):
        write(place.x, place.top, panel_heading(rows[0].condition, run.plan), HEADING)
        write(place.x, place.top - 0.34, place.headline, MIDDLE, color=FAINT)
        write(place.x, place.axes_bottom - AXIS_FOOT, place.notes, SMALL, color=FAINT)
        left, bottom = (place.x + page.left) / WIDTH, place.axes_bottom / page.height
        ax = figure.add_axes((left, bottom, page.wide / WIDTH, page.tall / page.height))
        ax.set_axisbelow(True)
        if len(page.levels) > 1:
            draw_lines(ax, rows, metric, named, page.levels, (page.wide, page.tall), drawn)
        else:
            draw_bars(ax, rows, metric, named)
    return figure


def measure_labels(
    styles: Mapping[str, Style], notes: Mapping[str, str], longest: int = LONGEST_LINE
) -> dict[str, Label]:
    """Return each of the names that have *styles* as a label, long ones in several lines.

    Below some of them stand *notes*. No line has more than the *longest* number of characters.
    """
    figure = Figure(dpi=DPI)
    FigureCanvasAgg(figure)
    labels = {}
    for name, text in shorten_names(styles, longest).items():
        note = notes.get(name, "")
        whole = "\n".join(filter(None, (text, note)))
        box = figure.text(0, 0, whole).get_window_extent()
        labels[name] = Label(text, box.width / DPI, box.height / DPI, styles[name], note)
    return labels


@dataclass(frozen=True)
class Place:
    """Where a panel goes: inches from the lower left corner of the figure; and its words."""

    x: float
    top: float
    axes_bottom: float
    headline: str
    notes: str


@dataclass(frozen=True)
class Page:
    """Where everything goes; all axes are *wide* and *tall* and begin *left* of their place.

    They hold lines over *levels*, or bars where there is only one.
    """

    levels: list[int]
    height: float
    left: float
    wide: float
    tall: float
    places: list[Place]
    footer: str
    footer_top: float


def lay_out(
    panels: list[list[Row]],
    labels: list[dict[str, Label]],
    headlines: list[str],
    below: list[list[str]],
    footer: str,
) -> Page:
    """Return a page with room for all *panels*, the *labels* of each, and all words."""
    across = min(len(panels), 2)
    down = -(-len(panels) // across)
    cell = (WIDTH - 2 * MARGIN) / across
    widest = max(label.width for named in labels for label in named.values())
    levels = sorted({row.condition.connections for rows in panels for row in rows})
    if len(levels) > 1:
        left, right, above = AXIS_ROOM, LABEL_GAP + widest + 0.25, HEADING_ROOM + TITLE_ROOM
        stacked = [sum(label.height for label in named.values()) for named in labels]
        tall = max(LEAST_TALL[min(down, 2)], max(stacked) * LABEL_LEAD)
    else:
        noted = [length(label.note, MIDDLE) + 0.3 for named in labels for label in named.values()]
        left, right, above = widest + 0.2, max(VALUE_ROOM, *noted), HEADING_ROOM
        tall = 0.4 + max(
            sum(max(label.height * 1.3, 0.62) for label in named.values()) for named in labels
        )

    # From the top down: first how far below the upper edge everything ends.
    found = [wrap_to_width([text], cell - 0.3, MIDDLE) for text in headlines]
    said = [wrap_to_width(one, cell - 0.3, SMALL) for one in below]
    depth, tops, bottoms = HEADER, [], []
    for first in range(0, len(panels), across):
        row = slice(first, first + across)
        tops += [depth] * len(panels[row])
        depth += above + MIDDLE_LINE * max(map(count_lines, found[row])) + tall
        bottoms += [depth] * len(panels[row])
        depth += AXIS_FOOT + SMALL_LINE * (1 + max(map(count_lines, said[row])))
    small_print = wrap_to_width([footer], WIDTH - 2 * MARGIN, SMALL)
    height = depth + SMALL_LINE * count_lines(small_print) + 0.25
    places = [
        Place(MARGIN + index % across * cell, height - top, height - bottom, *words)
        for index, (top, bottom, *words) in enumerate(zip(tops, bottoms, found, said, strict=True))
    ]
    wide = cell - left - right
    return Page(levels, height, left, wide, tall, places, small_print, height - depth)


def wrap_to_width(
    sentences: Iterable[str], width: float, size: float, *, bold: bool = False
) -> str:
    """Return *sentences*, each on lines of its own that are no longer than *width*."""
    lines = []
    for sentence in sentences:
        line, room = "", width
        for word in sentence.split(" "):
            for piece in textwrap.wrap(word, LONGEST_PIECE):
                need = length(piece + " ", size, bold=bold)
                if line and need > room:
                    lines.append(line)
                    line, room = "", width
                line, room = f"{line} {piece}".strip(" "), room - need
        lines.append(line)
    return "\n".join(lines)


@functools.cache
def length(text: str, size: float, *, bold: bool = False) -> float:
    """Return how long *text* is when it is drawn at *size* points."""
    font = FontProperties(family=FONT, size=size, weight="bold" if bold else "normal")
    points: float = TextToPath().get_text_width_height_descent(text, font, False)[0]
    return points / 72


def count_lines(text: str) -> int:
    """Return how many lines *text* takes; none when it is empty."""
    return len(text.splitlines())
