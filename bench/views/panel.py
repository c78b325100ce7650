"""Draw one panel of a chart: lines over the connections, or bars where there is one number."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from matplotlib.axis import XAxis
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from calcbench.bench.analysis.metrics import Metric
from calcbench.bench.analysis.scaling import lines_of
from calcbench.bench.analysis.summary import Row
from calcbench.bench.views.markers import (
    ARROW,
    MARKER,
    draw_arrow,
    draw_marker,
    draw_tail,
    is_logarithmic,
    values_of,
    with_figures,
    write_beside,
)
from calcbench.bench.views.palette import Style
from calcbench.bench.views.scaling import Curve
from calcbench.bench.views.wording import clients_noun

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

AXIS_ROOM = 0.85  # inches for the numbers of a vertical axis
LABEL_GAP = 0.42  # inches between the end of a line and its name
LABEL_LEAD = 1.12  # height of a name with the space it needs, as a ratio
TICK_APART = 0.45  # inches that two numbers below the horizontal axis need
EDGE = 0.4  # inches from the ends of a horizontal axis to the first and the last number on it
ASIDE = 0.07  # inches between strategies at the same number of connections


@dataclass(frozen=True)
class Label:
    """A strategy's name in lines of *text*, *width* by *height* inches, and its style."""

    text: str
    width: float
    height: float
    style: Style


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
    lines = lines_of(with_figures(rows, metric))
    models = [(name, curve) for name, found in (beside or {}).items() for curve in found]
    modelled = [value for _, curve in models for value in curve.points.values()]
    shown = values_of(rows, metric)
    scale_values(ax.yaxis, shown + modelled)
    at = scale_levels(ax, levels, width)
    ax.set_xlabel(f"{clients_noun(rows)}s at once")
    # The title of the vertical axis lies above it: nobody has to turn their head.
    title_at = (-AXIS_ROOM / width, 1 + 0.2 / height)
    ax.text(*title_at, metric.axis + scale_note(ax.yaxis), transform=ax.transAxes)
    nearest = min(right - left for left, right in itertools.pairwise(at.values()))
    step = min(ASIDE, nearest / 2 / len(labels), EDGE / len(labels))
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
        ax.plot(xs, medians, color=style.colour, linestyle=style.dash, linewidth=2.2, zorder=3)
        for level, row in line.items():
            x, (low, median, high) = at[level] + aside, metric.of(row)
            ax.plot([x, x], [low, high], color=style.colour, linewidth=5, alpha=0.35, zorder=2)
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
    left = 1 + LABEL_GAP / width
    for (name, (x, y)), place in zip(ends.items(), places, strict=True):
        label = labels[name]
        ax.plot(
            [x, left - 0.08 / width],
            [y, place],
            transform=ax.transAxes,
            color=label.style.colour,
            linewidth=1.2,
            clip_on=False,
            zorder=1,
        )
        ax.text(left, place, label.text, transform=ax.transAxes, va="center", color=label.style.ink)


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
) -> None:
    """Draw a bar with its spread for each strategy of *rows* that was measured, best on top.

    Below all others are those who leave clients or requests without a right response.
    """
    bars = from_below(with_figures(rows, metric), metric)
    scale_values(ax.xaxis, values_of(bars, metric))
    start = ax.get_xlim()[0]
    # In points. Without a zero, a bar's length means nothing.
    width = 2 if scale_note(ax.xaxis) else 11
    for place, row in enumerate(bars):
        low, median, high = metric.of(row)
        style = labels[row.condition.strategy].style
        level = [place, place]
        ax.plot(
            [start, median],
            level,
            color=style.colour,
            linewidth=width,
            alpha=0.3,
            solid_capstyle="butt",
            zorder=2,
        )
        ax.plot(
            [low, high],
            level,
            color=style.colour,
            linewidth=2.6,
            marker="|",
            markersize=14,
            zorder=3,
        )
        if metric.lateness_shows(row):
            draw_tail(ax, ([metric.least(row), median], level), style)
        draw_marker(ax, median, place, row, style)
        if metric.is_bound(row):
            draw_arrow(ax, (high, place), (ARROW, 0), style)
        gap = 14 + ARROW * metric.is_bound(row)
        write_beside(ax, metric.text(row), (high, place), (gap, 0))
    ax.set_xlabel(metric.axis + scale_note(ax.xaxis))
    ax.set_ylim(-0.6, max(len(bars), 1) - 0.4)
    names = [row.condition.strategy for row in bars]
    ax.set_yticks(range(len(names)), [labels[name].text for name in names])
    for tick, name in zip(ax.get_yticklabels(), names, strict=True):
        tick.set_color(labels[name].style.ink)
    ax.tick_params(axis="y", length=0, pad=MARKER)  # at 0 there is a marker on the axis


def from_below(rows: Sequence[Row], metric: Metric) -> list[Row]:
    """Return *rows* in the order of their bars, the lowest first."""
    best_first = sorted(rows, key=metric.median, reverse=metric.more_is_better)
    return sorted(best_first, key=lambda row: (row.serves_nobody, row.falls_short))[::-1]


def scale_values(axis: "Axis", values: Sequence[float]) -> None:
    """Choose the scale, the limits and the ticks of the *axis* that shows *values*."""
    ax, is_x = axis.axes, isinstance(axis, XAxis)
    set_scale, set_limits = (ax.set_xscale, ax.set_xlim) if is_x else (ax.set_yscale, ax.set_ylim)
    if is_logarithmic(values):
        ticks = round_numbers(min(values), max(values))
        set_scale("log")
        set_limits(ticks[0], ticks[-1])
        if len(ticks) > 10:  # more than three decades: the powers of ten are enough
            ticks = [tick for tick in ticks if f"{tick:e}".startswith("1")]
        axis.set_major_locator(FixedLocator(ticks))
    else:
        set_limits(0, max(values, default=0) * 1.08 or 1)
        axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.grid(visible=True, color="#dddddd", linewidth=1)


def scale_note(axis: "Axis") -> str:
    """Return what the title of *axis* must say about its scale."""
    return " (log scale)" if axis.get_scale() == "log" else ""


def round_numbers(low: float, high: float) -> list[float]:
    """Return the numbers 1, 2 and 5 times a power of ten that enclose *low* to *high*."""
    power = math.floor(math.log10(low)) - 1  # one more on both sides, since logarithms are inexact
    last = math.ceil(math.log10(high)) + 1
    powers = range(power, last + 1)
    steps = [float(f"{digit}e{power}") for power in powers for digit in (1, 2, 5)]
    first = max(index for index, step in enumerate(steps) if step <= low)
    final = min(index for index, step in enumerate(steps) if step >= high)
    return steps[first : final + 1]


def scale_levels(ax: "Axes", levels: Sequence[int], width: float) -> dict[int, float]:
    """Let the horizontal axis, *width* inches long, show *levels*, ascending, on a log scale.

    Its unit is the inch. Returns the place of each level.
    """
    decade = (width - 2 * EDGE) / math.log10(levels[-1] / levels[0])
    at = {level: EDGE + decade * math.log10(level / levels[0]) for level in levels}
    shown = [levels[0], levels[-1]]  # they always have their number, the others where there is room
    for level in levels[1:-1]:
        if min(abs(at[level] - at[other]) for other in shown) >= TICK_APART:
            shown.append(level)
    ax.set_xlim(0, width)
    ax.set_xticks(list(at.values()), [f"{level:,}" if level in shown else "" for level in levels])
    return at
