"""Slices of time that belong together: what was measured in them, as if it were one window.

While several servers take turns (`calcbench.bench.loadgen.driver.turns`), the time that is measured
of one of them is its slices, one behind the other, without the gaps. A request lies in that time
where it was begun, and is as long as it was: its response may have come in a gap.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from calcbench.bench.loadgen.protocol import Turn, TurnsReport

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from calcbench.bench.schema.samples import Samples

MOMENTS = ("intended_ns", "sent_ns", "first_ns", "done_ns")  # columns that count from the opening


@dataclass(frozen=True)
class Slices:
    """The *turns* of one server, in nanoseconds from the opening of what was measured.

    *span_ns* is from there to the end of all turns, those of other servers included.
    """

    turns: tuple[Turn, ...]
    span_ns: int

    @property
    def ends(self) -> list[int]:
        """Where each slice ends, in the time that was measured."""
        return list(accumulate(closed - opened for _, opened, closed, _ in self.turns))

    @property
    def elapsed_ns(self) -> int:
        """How long all slices are."""
        return self.ends[-1]

    @property
    def own_ns(self) -> int:
        """How long all turns are, with what was not counted of them."""
        return own_ns(self.turns)

    def moment(self, measured_ns: int) -> int:
        """Return when, from the opening, *measured_ns* had been measured."""
        for (_, _, closed, _), end in zip(self.turns, self.ends, strict=True):
            if measured_ns <= end:
                return closed - (end - measured_ns)
        return self.span_ns

    def later(self, cut_ns: int) -> "Slices":
        """Return the slices that are left, from the new opening, without the first *cut_ns*."""
        begin = self.moment(cut_ns)
        left = [turn for turn in self.turns if turn[2] > begin]
        began, opened, closed, rested = left[0]
        left[0] = (began, max(opened, begin), closed, rested)
        turns = ((a - begin, b - begin, c - begin, d - begin) for a, b, c, d in left)
        return Slices(tuple(turns), self.span_ns - begin)

    def place(self, samples: "Samples") -> "Samples":
        """Return those of *samples* that are counted, in the time that was measured.

        The time of the server's own turns alone tells what a request was intended for: one that had
        to wait for a connection may be of an earlier turn than the one in which it was sent.
        """
        began, opened, closed, rested = columns_of(self.turns)
        own = before(rested - began)
        _, sent_in = place_among(began, samples["sent_ns"])
        intended = samples["intended_ns"] - began[sent_in] + own[sent_in]
        found, number = place_among(opened - began + own, intended)
        into = intended - (opened - began + own)[number]
        counted = found & (into < (closed - opened)[number])
        moved = before(closed - opened)[number] + into - samples["intended_ns"]
        return {
            name: (column + moved if name in MOMENTS else column)[counted]
            for name, column in samples.items()
        }


def own_ns(turns: Sequence[Turn]) -> int:
    """Return how long *turns* of one server are, with what is not counted of them."""
    return sum(rested - began for began, _, _, rested in turns)


def slices_of(report: TurnsReport, opened_ns: int) -> Slices:
    """Return the slices of a *report* on what was opened at *opened_ns* of the same clock."""
    start = opened_ns
    turns = ((a - start, b - start, c - start, d - start) for a, b, c, d in report.turns)
    return Slices(tuple(turns), report.closed_ns - start)


def columns_of(turns: Sequence[Turn]) -> "NDArray[np.int64]":
    """Return each of the four moments of *turns* as an array."""
    import numpy as np

    return np.array(turns, np.int64).T


def before(lengths: "NDArray[np.int64]") -> "NDArray[np.int64]":
    """Return how much lies before each of *lengths* that follow one another."""
    import numpy as np

    return np.cumsum(lengths) - lengths


def place_among(
    starts: "NDArray[np.int64]", moments: "NDArray[np.int64]"
) -> "tuple[NDArray[np.bool_], NDArray[np.intp]]":
    """Return whether each of *moments* lies behind one of *starts*, and behind which last."""
    import numpy as np

    number = np.searchsorted(starts, moments, "right") - 1
    return number >= 0, np.maximum(number, 0)
