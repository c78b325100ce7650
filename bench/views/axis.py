"""The axes of a panel: their scale, their limits, and the few numbers at round places."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.axis import XAxis
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from calcbench.bench.views.markers import is_logarithmic
from calcbench.bench.views.theme import current

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

TICK_APART = 0.45  # inches that two numbers below the horizontal axis need
EDGE = 0.4  # inches from the ends of a horizontal axis to the first and the last number on it


def scale_values(axis: "Axis", values: Sequence[float]) -> None:
    """Choose the scale, the limits and the ticks of the vertical *axis* that shows *values*."""
    if not is_logarithmic(values):
        scale_linearly(axis, values)
        return
    ticks = round_numbers(min(values), max(values))
    axis.axes.set_yscale("log")
    axis.axes.set_ylim(ticks[0], ticks[-1])
    if len(ticks) > 10:  # more than three decades: the powers of ten are enough
        ticks = [tick for tick in ticks if f"{tick:e}".startswith("1")]
    axis.set_major_locator(FixedLocator(ticks))
    finish_axis(axis)


def scale_linearly(axis: "Axis", values: Sequence[float]) -> None:
    """Let the *axis* begin at zero and have room for *values*."""
    set_limits = axis.axes.set_xlim if isinstance(axis, XAxis) else axis.axes.set_ylim
    set_limits(0, max(values, default=0) * 1.08 or 1)
    axis.set_major_locator(MaxNLocator(current().ticks, steps=[1, 2, 2.5, 5, 10]))
    finish_axis(axis)


def finish_axis(axis: "Axis") -> None:
    """Give the *axis* its numbers, and a line across for each."""
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
    edge, apart = EDGE * current().scale, TICK_APART * current().scale
    decade = (width - 2 * edge) / math.log10(levels[-1] / levels[0])
    at = {level: edge + decade * math.log10(level / levels[0]) for level in levels}
    shown = [levels[0], levels[-1]]  # they always have their number, the others where there is room
    for level in levels[1:-1]:
        if min(abs(at[level] - at[other]) for other in shown) >= apart:
            shown.append(level)
    ax.set_xlim(0, width)
    ax.set_xticks(list(at.values()), [f"{level:,}" if level in shown else "" for level in levels])
    return at
