"""Count samples: how requests ended, who was served, what was late."""

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from calcbench.bench.loadgen.observation import count_late
from calcbench.bench.loadgen.spec import LoadSpec
from calcbench.bench.schema.outcomes import OK, OUTCOMES, Outcomes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from calcbench.bench.schema.samples import Samples


@dataclass
class Tally:
    """What is counted of samples, piece by piece.

    A request was late that was sent more than *late_ns* after it was due though a connection was
    free.
    """

    late_ns: int
    ways: "list[int]" = field(default_factory=lambda: [0] * len(OUTCOMES))
    causes: Counter[int] = field(default_factory=Counter)
    served: set[int] = field(default_factory=set)
    asked: set[int] = field(default_factory=set)
    responses: int = 0
    late: int = 0
    lateness_ns: int = 0
    waited: int = 0
    busy_ns: int = 0
    carried_ns: list[int] = field(default_factory=list)

    def add(
        self, columns: "Samples", spec: LoadSpec, elapsed_ns: int, *, in_slices: bool
    ) -> "Samples":
        """Count what is in *columns*; return those that are samples of a window of *elapsed_ns*.

        They are of a load like *spec*. What was begun in it counts in an open loop and *in_slices*,
        elsewhere what ended in it.
        """
        import numpy as np

        ended = (columns["done_ns"] >= 0) & (columns["done_ns"] <= elapsed_ns)
        counted = ended
        if spec.rate or in_slices:
            counted = (columns["intended_ns"] >= 0) & (columns["intended_ns"] < elapsed_ns)
        came = (columns["outcome"] == OK) & (counted if in_slices else ended)
        self.responses += int(np.count_nonzero(came))
        inside = {name: column[counted] for name, column in columns.items()}
        ways = np.bincount(inside["outcome"], minlength=len(OUTCOMES))
        self.ways = [have + int(new) for have, new in zip(self.ways, ways, strict=True)]
        failed = inside["outcome"] != OK
        causes, counts = np.unique(inside["cause"][failed], return_counts=True)
        self.causes.update(dict(zip(causes.tolist(), counts.tolist(), strict=True)))
        client, outcome = inside["client"], inside["outcome"]
        if (
            spec.keeps_schedule
        ):  # all that were out at any time in the window: we wait for their ends
            begun, done = columns["intended_ns"], columns["done_ns"]
            out = (done >= 0) & (begun < elapsed_ns)
            client, outcome = columns["client"][out], columns["outcome"][out]
            spans = np.minimum(done[out], elapsed_ns) - np.maximum(begun[out], 0)
            self.busy_ns += int(spans.sum())
        self.meet(client, outcome)
        if spec.keeps_schedule:
            late, lateness_ns, waited = count_late(inside, self.late_ns)
            self.late, self.waited = self.late + late, self.waited + waited
            self.lateness_ns = max(self.lateness_ns, lateness_ns)
            carried = came & (columns["intended_ns"] < 0)
            self.carried_ns += columns["done_ns"][carried].tolist()
        return inside

    def meet(self, client: "NDArray[np.int64]", outcome: "NDArray[np.int64]") -> None:
        """Take note of who asked and who was served: each *client* with the *outcome* it met."""
        import numpy as np

        self.served |= set(np.unique(client[outcome == OK]).tolist())
        self.asked |= set(np.unique(client[client >= 0]).tolist())

    def outcomes(self) -> Outcomes:
        """Return how many requests ended in each way."""
        return Outcomes(*self.ways)
