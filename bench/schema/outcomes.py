"""The ways in which a request can end: exactly one of the `OUTCOMES` for each.

Their places in that tuple are the codes that the driver records and the sample files hold.
"""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

from calcbench.bench.units import SAME

OUTCOMES = ("ok", "wrong", "http_error", "refused", "reset", "timed_out")
OK, WRONG, HTTP_ERROR, REFUSED, RESET, TIMED_OUT = range(len(OUTCOMES))


@dataclass(frozen=True)
class Outcomes:
    """How many requests ended in each way.

    The ways are defined at the head of `calcbench.bench.loadgen.driver.process`.
    """

    ok: int = 0
    wrong: int = 0
    http_error: int = 0
    refused: int = 0
    reset: int = 0
    timed_out: int = 0

    @classmethod
    def sum_of(cls, several: Iterable["Outcomes"]) -> "Outcomes":
        """Return the sum of *several*, each way apart; at least one must be given."""
        return cls(*map(sum, zip(*map(dataclasses.astuple, several), strict=True)))

    @property
    def total(self) -> int:
        """How many requests ended within the window, in whatever way."""
        return sum(dataclasses.astuple(self))

    @property
    def failed(self) -> int:
        """How many of them got anything but the right response."""
        return self.total - self.ok

    def fail_more_than(self, share: float, *, but: int = 0) -> bool:
        """Tell whether more than a *share*, 0–1, of all failed, *but* for so many of them.

        A share such as 0.29 is not quite that as a float, and 29 of 100 are no more than 29 %.
        """
        return self.failed - but > share * self.total * (1 + SAME)

    @property
    def unanswered(self) -> int:
        """How many of them got no response at all."""
        return self.refused + self.reset + self.timed_out

    @property
    def failed_ratio(self) -> float:
        """Which share of them failed; 0 where there was none."""
        return self.failed / self.total if self.total else 0.0
