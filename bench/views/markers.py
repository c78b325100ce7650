"""The markers of a chart: full, open where clients were left out, with an arrow at lower bounds."""

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from calcbench.bench.analysis.metrics import Metric
from calcbench.bench.analysis.summary import Row
from calcbench.bench.views.palette import Style
from calcbench.bench.views.theme import current

if TYPE_CHECKING:
    from matplotlib.axes import Axes

THIN, THIN_RATIO = ("P", "X", "*"), 1.3  # they have little inside that can be open
HIDDEN_TAIL = 0.02  # of an axis: half a marker, which hides a tail that is no longer
LOG_FROM = 10  # values that lie further apart than this ratio are drawn on a log scale
ARROW = 30  # points, from a marker towards where the true one is
ARROW_ROOM = 1.4  # for it on an axis, as a ratio of the value


def with_figures(rows: Iterable[Row], metric: Metric) -> list[Row]:
    """Return those of *rows* that hold figures of *metric*.

    How long those waited whom nobody served would be the best marker of all where a server refuses
    at once.
    """
    return [
        row
        for row in rows
        if row.status == "ok"
        and metric.spread(row).rounds
        and not (row.serves_nobody and metric.hidden)
    ]


def values_of(rows: Iterable[Row], metric: Metric) -> list[float]:
    """Return what an axis must have room for that shows *metric* of *rows*."""
    known = with_figures(rows, metric)
    values = [value for row in known for value in (*metric.of(row), metric.least(row))]
    return values + [ARROW_ROOM * metric.median(row) for row in known if metric.is_bound(row)]


def with_tails(rows: Iterable[Row], metric: Metric) -> list[Row]:
    """Return those of *rows* whose tail reaches out of its marker, by the scale of their axis."""
    known = with_figures(rows, metric)
    values = values_of(known, metric)
    if not values or not max(values):
        return []
    least, most = min(values), max(values)
    lines = len({row.condition.connections for row in known}) > 1
    logs = lines and is_logarithmic(values)  # bars begin at zero

    def share(row: Row) -> float:
        low, median = metric.least(row), metric.median(row)
        return math.log(median / low) / math.log(most / least) if logs else (median - low) / most

    return [row for row in known if metric.lateness_shows(row) and share(row) > HIDDEN_TAIL]


def is_logarithmic(values: Sequence[float]) -> bool:
    """Tell whether *values* are drawn on a log scale: they lie far apart, and none is 0."""
    return bool(values) and max(values) > LOG_FROM * min(values) > 0


def draw_arrow(
    ax: "Axes", start: tuple[float, float], reach: tuple[float, float], style: Style
) -> None:
    """Draw an arrow from the point *start* that goes so many points across and up."""
    ax.annotate(
        "",
        start,
        xytext=reach,
        textcoords="offset points",
        arrowprops={"arrowstyle": "<|-", "color": style.colour, "linewidth": 2, "shrinkA": 0},
        annotation_clip=False,
        zorder=4,
    )


def write_beside(
    ax: "Axes", text: str, point: tuple[float, float], offset: tuple[float, float]
) -> None:
    """Write *text* so many points across and up from *point*."""
    ax.annotate(
        text,
        point,
        xytext=offset,
        textcoords="offset points",
        va="center",
        annotation_clip=False,
    )


def draw_tail(ax: "Axes", ends: tuple[Sequence[float], Sequence[float]], style: Style) -> None:
    """Draw, between two *ends*, what may be the driver's lateness."""
    ax.plot(*ends, color=style.ink, linewidth=2.2, linestyle=":", zorder=3.5)


def draw_marker(ax: "Axes", x: float, y: float, row: Row, style: Style) -> None:
    """Draw the marker of *row*: open when some clients never got a response."""
    ax.plot(
        [x],
        [y],
        marker=style.marker,
        markersize=current().marker * (THIN_RATIO if style.marker in THIN else 1),
        markeredgecolor=style.colour,
        markerfacecolor="white" if row.starves else style.colour,
        markeredgewidth=current().marker / 5,
        clip_on=False,
        zorder=4,
    )
