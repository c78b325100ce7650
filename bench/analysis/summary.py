"""From raw samples to a summary: pure functions of a run's files.

The round is the unit: each figure is made within one measurement, and a row gives the median of
its rounds with the lowest and the highest. Percentiles are never averaged, and of an even number
of rounds the median is the lower middle one, so every figure shown is one that was measured.
What the rounds allow one to say of two rows, `calcbench.bench.analysis.ranking` finds.

The history of `SUMMARY_VERSION`:

1. The first.
2. Each figure has its rounds' values and the 95 % interval of its median, each row the numbers of
   its rounds, its judgement and how fairly its clients and workers were served.
3. A condition names its interpreter, application and target too. (Since then a quantile for which a
   round has too few responses is null.)
"""

import collections
import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from calcbench.bench.analysis.inference import median_interval
from calcbench.bench.analysis.quantiles import are_enough, quantile
from calcbench.bench.schema.condition import Condition, group_by
from calcbench.bench.schema.histogram import sorted_times
from calcbench.bench.schema.judgements import DRIVER_BOUND, UNRANKED
from calcbench.bench.schema.outcomes import OK, Outcomes
from calcbench.bench.schema.result import Measurement, Run
from calcbench.bench.schema.samples import read_samples
from calcbench.bench.system.usage import jain

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SUMMARY_VERSION = 3


@dataclass(frozen=True)
class Spread:
    """One figure over the rounds: the median, the lowest and the highest; all 0 for no rounds.

    *interval* is where the median lies with 95 % confidence, None for fewer than three rounds.
    *values* are the figure of each round, in the order of the rounds.
    """

    median: float = 0
    low: float = 0
    high: float = 0
    rounds: int = 0
    interval: tuple[float, float] | None = None
    values: tuple[float, ...] = ()


NOTHING = Spread()


@dataclass(frozen=True)
class Row:
    """What is known about one condition.

    *status* is ``ok`` when at least one round counts; *rounds* is how many do, *failed_rounds*
    how many do not, and *reason* says why the gravest of those does not. *requests* are right
    responses, *throughput* is those for each second. *clients_served* is the fewest of any round.
    *counted* are the numbers of the rounds that count. *judgement* is what most of them were
    judged to be, empty where nobody judged. *client_fairness* and *worker_fairness* are Jain's
    index of the right responses that each client got, and that each worker gave, where that is
    known. *driver_share* is the share of its core, 0–1, that the driver used in its busiest
    round: near 1, the driver was measured and not the server.

    In an open loop, where *offered_per_s* is above 0, *p50_ns* and its like are response times,
    from the moment when a request was due. They are the sum of the dispatch delay, until it was
    sent, and of the service time, from there.
    """

    condition: Condition
    status: str
    reason: str = ""
    rounds: int = 0
    failed_rounds: int = 0
    requests: int = 0
    throughput: Spread = NOTHING
    p50_ns: Spread = NOTHING
    p90_ns: Spread = NOTHING
    p99_ns: Spread = NOTHING
    max_ns: Spread = NOTHING
    cpu_us_per_request: Spread = NOTHING
    outcomes: Outcomes = dataclasses.field(default_factory=Outcomes)
    clients_served: int = 0
    in_flight: int = 0
    driver_share: float = 0
    counted: tuple[int, ...] = ()
    judgement: str = ""
    client_fairness: Spread = NOTHING
    worker_fairness: Spread = NOTHING
    offered_per_s: float = 0
    service_p50_ns: Spread = NOTHING
    service_p99_ns: Spread = NOTHING
    dispatch_p50_ns: Spread = NOTHING
    dispatch_p99_ns: Spread = NOTHING

    @property
    def starves(self) -> bool:
        """Tell whether some client never got a response within a window."""
        return self.status == "ok" and self.clients_served < self.condition.connections


@dataclass(frozen=True)
class Summary:
    """Every row of a run, in the order of its plan; *partial* says that the run was stopped."""

    schema_version: int
    run: str
    partial: bool
    rows: tuple[Row, ...]

    def row(self, condition: Condition) -> Row | None:
        """Return the row of *condition*, or None when it was not measured."""
        return next((row for row in self.rows if row.condition == condition), None)


def spread(values: Iterable[float]) -> Spread:
    """Return the lower median, the lowest and the highest of *values*, one for each round."""
    values = tuple(values)
    ordered = sorted(values)
    if not ordered:
        return NOTHING
    median = ordered[(len(ordered) - 1) // 2]
    return Spread(median, ordered[0], ordered[-1], len(ordered), median_interval(values), values)


def summarise(run: Run, folder: Path) -> Summary:
    """Return the summary of *run*, whose samples lie in *folder*.

    Raises CalcbenchError when a file of samples is missing or broken.
    """
    measured = group_by(run.measurements, lambda measurement: measurement.condition)
    rows = [
        summarise_condition(condition, measured[condition], folder)
        for condition in run.plan.conditions()
        if condition in measured
    ]
    return Summary(SUMMARY_VERSION, run.name, run.partial, tuple(rows))


def quantile_spread(
    rounds: "Sequence[Sequence[int] | NDArray[np.int64]]", q: float, *, few: bool = False
) -> Spread:
    """Return the *q*-quantile of the ascending latencies of each of *rounds*.

    Unless it is known of all of them, it is of none: a round that has too few latencies for it may
    not be like the others. *few* are taken as well where only those count that there are.
    """
    if not few and not all(are_enough(len(sorted_ns), q) for sorted_ns in rounds):
        return NOTHING
    return spread(quantile(sorted_ns, q) for sorted_ns in rounds)


def summarise_condition(
    condition: Condition, rounds: list[Measurement], folder: Path, *, few: bool = False
) -> Row:
    """Return the row for *rounds*, all measured under *condition*; the failed do not count.

    It has quantiles of *few* latencies only where that is said.
    """
    good = counted(rounds)
    bad = [measurement for measurement in rounds if measurement not in good]
    bad.sort(key=lambda m: (m.judgement == DRIVER_BOUND, m.round))  # a failure is the graver reason
    reason = why_not(bad[0]) if bad else ""
    if not good:
        return Row(condition, bad[0].status, reason, failed_rounds=len(bad))
    samples = [right_latencies(measurement, folder) for measurement in good]
    latencies = [latency_ns for latency_ns, _ in samples]
    return Row(
        condition,
        "ok",
        reason,
        rounds=len(good),
        failed_rounds=len(bad),
        requests=sum(m.outcomes.ok for m in good),
        throughput=spread(m.right_responses * 1e9 / m.elapsed_ns for m in good),
        p50_ns=quantile_spread(latencies, 0.5, few=few),
        p90_ns=quantile_spread(latencies, 0.9, few=few),
        p99_ns=quantile_spread(latencies, 0.99, few=few),
        max_ns=spread(quantile(ns, 1) for ns in latencies),
        cpu_us_per_request=spread(
            m.server_cpu_ns / 1000 / m.right_responses
            for m in good
            if m.server_cpu_ns and m.right_responses
        ),
        outcomes=added(m.outcomes for m in good),
        clients_served=min(m.clients_served for m in good),
        in_flight=sum(m.in_flight for m in good),
        driver_share=max(m.driver_cpu_ns / m.elapsed_ns for m in good),
        counted=tuple(m.round for m in good),
        judgement=most_frequent(m.judgement for m in good),
        client_fairness=spread(
            index
            for m, (_, clients) in zip(good, samples, strict=True)
            # An open loop takes as many connections as it needs, so their shares say nothing.
            if not m.offered_per_s
            and (index := jain(count(clients, condition.connections))) is not None
        ),
        worker_fairness=spread(
            index
            for m in good
            if m.resource_usage and (index := m.resource_usage.workers_jain) is not None
        ),
        offered_per_s=max(m.offered_per_s for m in good) or 0,  # 0 and not 0.0: there is no rate
        **parts(good, folder),
    )


def counted(rounds: Iterable[Measurement]) -> list[Measurement]:
    """Return those of *rounds*, all of one condition, that count, in their order.

    A round in which the driver was the limit, or in half of which or more nothing was answered,
    does not say how fast the server is, and is not averaged in; where all are such rounds, they
    are shown, and not ranked.
    """
    good = sorted((m for m in rounds if m.status == "ok"), key=lambda m: m.round)
    return [m for m in good if m.judgement not in UNRANKED] or good


def why_not(measurement: Measurement) -> str:
    """Return why *measurement* does not count."""
    return measurement.reason or "; ".join(
        [measurement.judgement, *measurement.evidence.reasons[:1]]
    )


def parts(rounds: list[Measurement], folder: Path) -> dict[str, Spread]:
    """Return the parts of the response time over *rounds* of an open loop; none of a closed one."""
    if not all(measurement.offered_per_s for measurement in rounds):
        return {}
    samples = [read_samples(folder, measurement) for measurement in rounds]
    found: dict[str, Spread] = {}
    for part in ("service", "dispatch"):
        times = [sorted_times(one, part) for one in samples]
        found[f"{part}_p50_ns"] = quantile_spread(times, 0.5)
        found[f"{part}_p99_ns"] = quantile_spread(times, 0.99)
    return found


def right_latencies(
    measurement: Measurement, folder: Path
) -> "tuple[Sequence[int], NDArray[np.int64]]":
    """Return the latencies of the right responses, ascending, and the client that got each one."""
    samples = read_samples(folder, measurement)
    right = samples["outcome"] == OK
    return sorted_times(samples, "response"), samples["client"][right]


def count(clients: "NDArray[np.int64]", connections: int) -> list[int]:
    """Return how often each of the clients 0 to *connections* is among *clients*."""
    import numpy as np

    found: list[int] = np.bincount(clients, minlength=connections).tolist()
    return found


def most_frequent(judgements: Iterable[str]) -> str:
    """Return what most rounds were judged to be; of several the one that was found first."""
    return collections.Counter(judgements).most_common(1)[0][0]


def added(outcomes: Iterable[Outcomes]) -> Outcomes:
    """Return the sum of *outcomes*, each way apart; at least one must be given."""
    return Outcomes(*map(sum, zip(*map(dataclasses.astuple, outcomes), strict=True)))
