"""Draw one panel of a chart: lines over the connections, or bars where there is one number."""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from calcbench.bench.analysis.metrics import Metric
from calcbench.bench.analysis.scaling import lines_of
from calcbench.bench.analysis.summary import Row
from calcbench.bench.views.axis import (
    EDGE,
    scale_levels,
    scale_linearly,
    scale_note,
    scale_values,
)
from calcbench.bench.views.markers import (
    ARROW,
    draw_arrow,
    draw_marker,
    draw_tail,
    values_of,
    with_figures,
    write_beside,
)
from calcbench.bench.views.palette import Style
from calcbench.bench.views.scaling import Curve
from calcbench.bench.views.theme import PAPER, current
from calcbench.bench.views.wording import DOUBTED, NO_BREAK, clients_noun, doubt_of_rate, served

if TYPE_CHECKING:
    from matplotlib.axes import Axes

AXIS_ROOM = 0.85  # inches for the numbers of a vertical axis
LABEL_GAP = 0.42  # inches between the end of a line and its name
LABEL_LEAD = 1.12  # height of a name with the space it needs, as a ratio
PALE = 0.3  # a bar of who leaves clients out, whatever others are
ASIDE = 0.07  # inches between strategies at the same number of connections


@dataclass(frozen=True)
class Label:
    """A strategy's name in lines of *text*, *width* by *height* inches, and its style.

    With a *note* below the name they are larger: how many were served, where not all were.
    """

    text: str
    width: float
    height: float
    style: Style
    note: str = ""


def draw_lines(
    ax: "Axes",
    rows: Sequence[Row],
    metric: Metric,
    labels: Mapping[str, Label],
    levels: Sequence[int],
    size: tuple[float, float],
    beside: Mapping[str, Sequence[Curve]] | None = None,
) -> None:
    """Draw a line over *levels* for each strategy of *rows* that was measured.

    *size* of *ax* is in inches. *beside* are thin lines for a strategy, of a model. Each strategy
    stands a little beside the next, so that none hides another with the same values.
    """
    width, height = size
    theme = current()
    lines = lines_of(with_figures(rows, metric))
    models = [(name, curve) for name, found in (beside or {}).items() for curve in found]
    modelled = [value for _, curve in models for value in curve.points.values()]
    shown = values_of(rows, metric)
    (scale_linearly if theme.linear else scale_values)(ax.yaxis, shown + modelled)
    at = scale_levels(ax, levels, width)
    ax.set_xlabel(f"{clients_noun(rows)}s at once")
    # The title of the vertical axis lies above it: nobody has to turn their head.
    title_at = (-AXIS_ROOM * theme.scale / width, 1 + 0.2 * theme.scale / height)
    ax.text(*title_at, metric.axis + scale_note(ax.yaxis), transform=ax.transAxes)
    nearest = min(right - left for left, right in itertools.pairwise(at.values()))
    step = min(theme.scale * ASIDE, nearest / 2 / len(labels), theme.scale * EDGE / len(labels))
    for name, curve in models:
        points = sorted(curve.points.items())
        xs, ys = [at[level] for level, _ in points], [value for _, value in points]
        style = labels[name].style
        ax.plot(xs, ys, color=style.colour, linestyle=curve.dash, linewidth=1.3, zorder=1)
    ends = {}
    for name, line in lines.items():
        aside = (list(labels).index(name) - (len(labels) - 1) / 2) * step
        # A level without a measurement is a gap in the line: nan draws nothing.
        medians = [metric.median(line[level]) if level in line else math.nan for level in levels]
        xs = [at[level] + aside for level in levels]
        style = labels[name].style
        ax.plot(
            xs, medians, color=style.colour, linestyle=style.dash, linewidth=theme.line, zorder=3
        )
        for level, row in line.items():
            x, (low, median, high) = at[level] + aside, metric.of(row)
            ax.plot(
                [x, x],
                [low, high],
                color=style.colour,
                linewidth=theme.spread,
                alpha=0.35,
                zorder=2,
            )
            if metric.lateness_shows(row):
                draw_tail(ax, ([x, x], [metric.least(row), median]), style)
            draw_marker(ax, x, median, row, style)
            if metric.is_bound(row):
                draw_arrow(ax, (x, median), (0, ARROW), style)
        last = max(line)
        ends[name] = label_end(ax, at[last] + aside, metric.median(line[last]))
    name_lines(ax, ends, labels, size)


def label_end(ax: "Axes", x: float, y: float) -> tuple[float, float]:
    """Return the point *x*, *y* in fractions of *ax*."""
    across, up = ax.transAxes.inverted().transform(ax.transData.transform((x, y)))
    return float(across), float(up)


def name_lines(
    ax: "Axes",
    ends: Mapping[str, tuple[float, float]],
    labels: Mapping[str, Label],
    size: tuple[float, float],
) -> None:
    """Write each line's name to the right of *ax*, level with its end or as near as can be."""
    width, height = size
    places = spread_apart(
        [y for _, y in ends.values()],
        [labels[name].height * LABEL_LEAD / height for name in ends],
        (0, 1),
    )
    gap, lead = LABEL_GAP * current().scale, 0.08 * current().scale
    left = 1 + gap / width
    for (name, (x, y)), place in zip(ends.items(), places, strict=True):
        label = labels[name]
        ax.plot(
            [x, left - lead / width],
            [y, place],
            transform=ax.transAxes,
            color=label.style.colour,
            linewidth=1.2 * current().scale,
            clip_on=False,
            zorder=1,
        )
        ax.text(
            left,
            place,
            label.text,
            transform=ax.transAxes,
            va="bottom" if label.note else "center",
            color=label.style.ink,
        )
        if label.note:
            ax.text(left, place, label.note, transform=ax.transAxes, va="top")


def spread_apart(
    wanted: Sequence[float], heights: Sequence[float], room: tuple[float, float]
) -> list[float]:
    """Return centres near those *wanted* at which boxes of these *heights* do not overlap.

    They keep their order, and stay within *room* if it is large enough for all of them. The sum
    of the squared moves is the least possible: with the height of the boxes below each one taken
    off, it is an isotonic regression.
    """
    if not wanted:
        return []
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    offsets, below = [], 0.0
    for index in order:
        offsets.append(below + heights[index] / 2)
        below += heights[index]
    starts = nearest_rising(
        [wanted[index] - offset for index, offset in zip(order, offsets, strict=True)]
    )
    least, most = room[0], max(room[0], room[1] - below)
    centres = [0.0] * len(order)
    for index, offset, start in zip(order, offsets, starts, strict=True):
        centres[index] = min(max(start, least), most) + offset
    return centres


def nearest_rising(values: Sequence[float]) -> list[float]:
    """Return the numbers nearest to *values*, by the sum of squares, of which none falls.

    Neighbours that fall are put together at their mean (Ayer et al. 1955).
    """
    blocks: list[tuple[float, int]] = []  # the mean of so many
    for value in values:
        mean, count = value, 1
        while blocks and blocks[-1][0] > mean:
            before, beside = blocks.pop()
            mean = (before * beside + mean * count) / (beside + count)
            count += beside
        blocks.append((mean, count))
    return [mean for mean, count in blocks for _ in range(count)]


def draw_bars(
    ax: "Axes",
    rows: Sequence[Row],
    metric: Metric,
    labels: Mapping[str, Label],
    unknown: Mapping[str, str] | None = None,
) -> None:
    """Draw a bar with its spread for each strategy of *rows* that was measured, best on top.

    Below all others are those who leave clients or requests without a right response, and below
    these the *unknown*, with what is said of them in place of a bar.
    """
    empty = dict(unknown or {})
    bars = from_below(with_figures(rows, metric), metric)
    theme = current()
    # From zero, so that 13 times as many looks like it. What is too small to see has its figure.
    scale_linearly(ax.xaxis, values_of(bars, metric))
    for place, text in enumerate(empty.values()):
        write_beside(ax, text, (0, place), (theme.marker, 0))
    for place, row in enumerate(bars, len(empty)):
        low, median, high = metric.of(row)
        style = labels[row.condition.strategy].style
        level = [place, place]
        ax.plot(
            [0, median],
            level,
            color=style.colour,
            linewidth=theme.bar,
            alpha=PALE if row.starves else theme.solid,
            solid_capstyle="butt",
            zorder=2,
        )
        ax.plot(
            [low, high],
            level,
            color=style.colour if theme.solid < 1 else style.ink,
            linewidth=theme.whisker,
            marker="|",
            markersize=1.4 * theme.marker,
            markeredgewidth=max(theme.whisker - 1.6, 1),
            zorder=3,
        )
        if metric.lateness_shows(row):
            draw_tail(ax, ([metric.least(row), median], level), style)
        if theme.solid < 1:
            draw_marker(ax, median, place, row, style)
        if metric.is_bound(row):
            draw_arrow(ax, (high, place), (ARROW, 0), style)
        gap = 1.4 * theme.marker + ARROW * metric.is_bound(row)
        write_beside(ax, value_text(row, metric), (high, place), (gap, 0))
    ax.set_xlabel(metric.axis)
    names = [*empty, *(row.condition.strategy for row in bars)]
    ax.set_ylim(-0.6, max(len(names), 1) - 0.4)
    ax.set_yticks(range(len(names)), [labels[name].text for name in names])
    for tick, name in zip(ax.get_yticklabels(), names, strict=True):
        tick.set_color(labels[name].style.ink)
    ax.tick_params(axis="y", length=0, pad=theme.marker)  # at 0 there is a marker on the axis


def served_note(row: Row) -> str:
    """Say how many clients of *row* got a right response, where not all did: ``1 of 8 served``."""
    return f"{served(row)} served".replace(" ", NO_BREAK) if row.starves else ""


def served_at_last(rows: Iterable[Row], metric: Metric) -> dict[str, str]:
    """Return for each line of *rows* how many were served at its end, where not all were."""
    lines = lines_of(with_figures(rows, metric))
    return {name: served_note(line[max(line)]) for name, line in lines.items()}


def value_text(row: Row, metric: Metric) -> str:
    """Return what stands beside the value of *row*: its figure, and who was served if not all."""
    if current() is not PAPER:
        return value_in_a_line(row, metric)
    return "\n".join(filter(None, (metric.text(row), served_note(row))))


def value_in_a_line(row: Row, metric: Metric) -> str:
    """Return the figure of *row*, who was served if not all, and in a word what is doubtful."""
    doubt = DOUBTED.get(doubt_of_rate(row), "")
    return f",{NO_BREAK}".join(filter(None, (metric.text(row), served_note(row), doubt)))


def from_below(rows: Sequence[Row], metric: Metric) -> list[Row]:
    """Return *rows* in the order of their bars, the lowest first."""
    best_first = sorted(rows, key=metric.median, reverse=metric.more_is_better)
    return sorted(best_first, key=lambda row: (row.serves_nobody, row.falls_short))[::-1]
