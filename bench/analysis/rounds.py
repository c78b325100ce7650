"""What the samples of each round say: the figures that need them, of every file read once.

A race with a precision looks at all of its rounds after each of them; to read all of their samples
again would take longer and longer.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from calcbench.bench.analysis.edges import edge_of
from calcbench.bench.analysis.lateness import least_quantiles
from calcbench.bench.analysis.quantiles import Quantiles, Reading, Waits
from calcbench.bench.analysis.rates import rate_of
from calcbench.bench.schema.histogram import counted_times
from calcbench.bench.schema.lateness import timed_out_unsent
from calcbench.bench.schema.outcomes import OK
from calcbench.bench.schema.result import Measurement
from calcbench.bench.schema.samples import read_samples
from calcbench.bench.system.usage import jain

if TYPE_CHECKING:
    from calcbench.bench.schema.samples import Samples

LEVELS = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}  # quantiles, by their names in a row


@dataclass(frozen=True)
class RoundFigures:
    """What the samples of one *measurement* say.

    *unsent* requests timed out because the driver sent them too late. *client_fairness* is Jain's
    index of what each client got, None where nobody got anything, or where shares depend on the
    draw and on turns. Where a schedule or thinking set the pace, the *parts* of the *response* time
    are the service time and the dispatch delay, and *least_ns* is what it is at least without the
    driver's lateness, at each of `LEVELS`.
    """

    measurement: Measurement
    rate: Reading
    edge_ratio: float
    response: Quantiles
    unsent: int
    client_fairness: float | None = None
    parts: tuple[Quantiles, Quantiles] | None = None
    least_ns: tuple[int, ...] = ()


class Rounds:
    """The figures of each round whose samples lie in *folder*; it reads no file twice."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.known: dict[tuple[object, int], RoundFigures] = {}

    def of(self, measurement: Measurement) -> RoundFigures:
        """Return the figures of *measurement*.

        Raises CalcbenchError when its file of samples is missing or broken.
        """
        key = measurement.condition, measurement.round
        known = self.known.get(key)
        if known is None or known.measurement is not measurement:  # it may have been judged anew
            known = figures_of(measurement, read_samples(self.folder, measurement))
            self.known[key] = known
        return known

    def unsent(self, measurement: Measurement) -> int:
        """Return how many requests of *measurement* timed out because the driver was too late.

        Of one that does not count that is known, too, if only it was measured. Raises
        CalcbenchError as `of` does.
        """
        if measurement.status != "ok" or not measurement.evidence.driver_fault:
            return 0
        return self.of(measurement).unsent


def figures_of(measurement: Measurement, samples: "Samples") -> RoundFigures:
    """Return what the *samples* of *measurement* say."""
    rate, edge_ratio = rate_of(measurement, samples), edge_of(measurement, samples)
    response = quantiles_of(samples)
    unsent = timed_out_unsent(samples) if measurement.evidence.driver_fault else 0
    if not (measurement.offered_per_s or measurement.think_s):
        fairness = fairness_of(samples, measurement.condition.connections)
        return RoundFigures(measurement, rate, edge_ratio, response, unsent, fairness)
    return RoundFigures(
        measurement,
        rate,
        edge_ratio,
        response,
        unsent,
        parts=(quantiles_of(samples, "service"), quantiles_of(samples, "dispatch")),
        least_ns=tuple(least_quantiles(samples, *LEVELS.values())) if response.total else (),
    )


def waits_of(samples: "Samples", name: str = "response") -> Waits:
    """Return one of the times of all requests in *samples*, with those that are censored."""
    return Waits(*counted_times(samples, name))


def quantiles_of(samples: "Samples", name: str = "response") -> Quantiles:
    """Return those of one of the times of all requests in *samples*."""
    waits = waits_of(samples, name)
    levels = LEVELS.values() if waits.total else ()
    return Quantiles(waits.total, {q: waits.quantile(q) for q in levels})


def fairness_of(samples: "Samples", connections: int) -> float | None:
    """Return how fairly the right responses in *samples* went to so many *connections*."""
    import numpy as np

    clients = samples["client"][samples["outcome"] == OK]
    shares: list[int] = np.bincount(clients, minlength=connections).tolist()
    return jain(shares)
