"""Whether a run settled, and when: the warm-up is found in the run and not in a constant.

The window is cut into bins of equal length. Where the warm-up ends is where the rest of the series
has the smallest marginal standard error (MSER; White 1997, doi:10.1177/003754979706900601): cutting
more would cost more precision than the beginning's bias is worth. What MSER proposes is believed
only where a rank test (Mann & Whitney) tells the two parts apart *and* they differ by more than
matters. The same is done from the other end, and a drift is looked for by Theil's and Sen's slope.

Of servers that take turns, a change is only a server's own where it is there beside the others too.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from calcbench.bench.analysis.rank_tests import rank_sum_p_of_many, theil_slope
from calcbench.bench.diagnosis.common_movement import beside, move_alike, resample
from calcbench.bench.schema.judgements import NO_RESPONSES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_BINS, FEWEST_BINS = 60, 12
RESPONSES_PER_BIN = 20  # so that chance alone moves a bin by a quarter, and not by half
LATENCIES_PER_BIN = 4  # clients in lockstep answer in bursts, one in each latency
GAPS = 10  # usual ones, after which chance alone has nobody ask: once in 20,000
MATTERS = 0.10  # a change of the rate by less than this is what machines do
TOO_SHORT = "responses take longer than the warm-up: the rate is too low, --warmup too short"
SURE = 0.001  # chance of seeing a change where none is: the split was chosen after looking


@dataclass(frozen=True)
class Steadiness:
    """What a series says: *settled* is None where it is too short to say anything.

    *warmup_ns* is what lies before the steady part; *bin_ns* and *series* are what was judged, with
    what the others did meanwhile, *common*.
    """

    settled: bool | None
    why: str
    warmup_ns: int = 0
    bin_ns: int = 0
    series: tuple[float, ...] = ()
    common: tuple[float, ...] = ()


def assess_steadiness(
    done_ns: "NDArray[np.int64]",
    latency_ns: "NDArray[np.int64]",
    elapsed_ns: int,
    *,
    offered_per_s: float = 0,
    common: Sequence[float] = (),
    unanswered_ns: float = math.inf,
) -> Steadiness:
    """Return whether responses that came at *done_ns* of a window of *elapsed_ns* settled.

    It goes by their rate; where that is prescribed, *offered_per_s*, by the median latency in each
    bin. *common* is how others that took turns with it moved (`common_movement`), if any did. Where
    clients do not ask all the time, for *unanswered_ns* one or more waited who got no right
    response: after a stop, users who all think for the same time ask all at once, and in between
    nobody asks.
    """
    import numpy as np

    responses = len(done_ns)
    bins = 0
    if responses and is_silent(done_ns, latency_ns, elapsed_ns, offered_per_s, unanswered_ns):
        return Steadiness(False, NO_RESPONSES)
    if responses:
        width = max(
            elapsed_ns / MOST_BINS,
            RESPONSES_PER_BIN * elapsed_ns / responses,
            LATENCIES_PER_BIN * float(np.median(latency_ns)),
        )
        bins = math.floor(elapsed_ns / width)
    if bins < FEWEST_BINS:
        return Steadiness(None, "too few responses to say whether it settled")
    place = np.clip(done_ns * bins // elapsed_ns, 0, bins - 1)
    counts = np.bincount(place, minlength=bins).astype(float)
    series = medians(place, latency_ns, counts) if offered_per_s else counts
    moved = resample(np.asarray(common), bins).round(4) if len(common) else None
    settled, why, cut = assess_series(series, moved)
    missed = np.count_nonzero(counts) <= bins / 2 and unanswered_ns >= elapsed_ns / 4
    if missed:  # what falls silent has not been warming up
        settled, why, cut = False, NO_RESPONSES, 0
    bin_ns = elapsed_ns // bins
    shown = tuple(round(float(value), 1) for value in series)
    return Steadiness(
        settled, why, cut * bin_ns, bin_ns, shown, () if moved is None else tuple(moved.tolist())
    )


def begin_of_flow(done_ns: "NDArray[np.int64]", elapsed_ns: int, offered_per_s: float) -> int:
    """Return from when on responses, at *done_ns* of an open loop's window, came at a steady rate.

    A response comes as long after its request as it takes, so in a load that has just begun fewer
    come than are asked for. The rate is too low where the first comes later than chance has it, or
    where what `mser` would cut off is surely below the rest.
    """
    import numpy as np

    first = int(done_ns.min()) if len(done_ns) else elapsed_ns
    by_chance_ns = -math.log(SURE) * 1e9 / offered_per_s  # nobody asks for longer than that
    begin = first if first > by_chance_ns else 0
    bins = min(MOST_BINS, len(done_ns) // RESPONSES_PER_BIN)
    if bins < FEWEST_BINS:
        return begin
    place = np.clip(done_ns * bins // elapsed_ns, 0, bins - 1)
    counts = np.bincount(place, minlength=bins).astype(float)
    cut = mser(counts)
    front, rest = counts[:cut], counts[cut:]
    low = differs(front, rest) and bool(np.median(front) < np.median(rest))
    return max(begin, cut * elapsed_ns // bins if low else 0)


def is_silent(
    done_ns: "NDArray[np.int64]",
    latency_ns: "NDArray[np.int64]",
    elapsed_ns: int,
    offered_per_s: float,
    unanswered_ns: float,
) -> bool:
    """Tell whether nothing came for half of the window, though it should have by then.

    So it should after a few latencies, and after many times as long as from one request to the next
    where *offered_per_s* are due; but only where somebody waits for it, for *unanswered_ns*. There
    must be some responses.
    """
    import numpy as np

    moments = np.concatenate([[0], np.sort(done_ns), [elapsed_ns]])
    longest = np.diff(moments).max()
    due_ns = GAPS * 1e9 / offered_per_s if offered_per_s else 0
    usual = max(LATENCIES_PER_BIN * latency_ns.max(), due_ns)
    return bool(longest >= elapsed_ns / 2 and longest > usual and unanswered_ns >= longest / 2)


def medians(
    place: "NDArray[np.int64]", latency_ns: "NDArray[np.int64]", counts: "NDArray[np.float64]"
) -> "NDArray[np.float64]":
    """Return the median latency in each bin; where nothing ended, that of the bin before."""
    import numpy as np

    order = np.argsort(place, kind="stable")
    parts = np.split(latency_ns[order], np.cumsum(counts).astype(int)[:-1])
    values = [float(np.median(part)) if len(part) else math.nan for part in parts]
    last = next(value for value in values if not math.isnan(value))
    filled = []
    for value in values:
        last = last if math.isnan(value) else value
        filled.append(last)
    return np.array(filled)


def assess_series(
    series: "NDArray[np.float64]", common: "NDArray[np.float64] | None" = None
) -> tuple[bool, str, int]:
    """Return whether *series* settled, in words why, and how many bins lie before that.

    A change that others show too, in *common*, is not its own: it settled if it moved with them and
    is settled beside them. Both, for noise alone may hide a change beside others who do not move.
    What is settled by itself stays so, whatever they do.
    """
    alone = assess_alone(series)
    if alone[0] or common is None or not move_alike(series, common):
        return alone
    settled, why, cut = assess_alone(beside(series, common))
    return (True, f"{why} beside the others, which changed alike", cut) if settled else alone


def assess_alone(series: "NDArray[np.float64]") -> tuple[bool, str, int]:
    """Return of *series* what `assess_series` does, as far as it tells by itself."""
    bins = len(series)
    cut = mser(series)
    if not differs(series[:cut], series[cut:]):
        cut = 0
    if cut > bins / 2:
        return False, f"it was still changing after {cut / bins:.0%} of the window", 0
    rest = series[cut:]
    end = mser(rest[::-1])
    if differs(rest[len(rest) - end :], rest[: len(rest) - end]):
        return False, f"it changed {1 - end / bins:.0%} through the window", 0
    drift = drift_of(rest)
    if abs(drift) > MATTERS:
        return False, f"it drifted by {drift:+.0%} over the window", 0
    return (
        True,
        f"it settled after {cut / bins:.0%} of the window" if cut else "it was settled",
        cut,
    )


def mser(series: "NDArray[np.float64]") -> int:
    """Return how many values to drop off the front for the least marginal standard error."""
    import numpy as np

    left = np.arange(len(series), 0, -1)
    sums, squares = np.cumsum(series[::-1])[::-1], np.cumsum(series[::-1] ** 2)[::-1]
    errors = (squares - sums**2 / left) / left**2
    return int(np.argmin(errors[: max(len(series) - 4, 1)]))  # of the last few it is mostly luck


def differs(one: "NDArray[np.float64]", other: "NDArray[np.float64]") -> bool:
    """Tell whether two parts differ by more than `MATTERS`, and surely not by chance."""
    import numpy as np

    if not len(one) or not len(other):
        return False
    level = float(np.median(other))
    if abs(float(np.median(one)) - level) <= MATTERS * level:
        return False
    return rank_sum_p_of_many(one, other) < SURE


def drift_of(series: "NDArray[np.float64]") -> float:
    """Return by how much, as a ratio, *series* rises from its first to its last; 0 if unsure."""
    import numpy as np

    slope, low, high = theil_slope(series, SURE)
    level = float(np.median(series))
    if low <= 0 <= high or level <= 0:
        return 0.0
    return slope * (len(series) - 1) / level
