"""From raw samples to a summary: pure functions of a run's files.

The round is the unit: each figure is made within one measurement, and a row gives the median of
its rounds with the lowest and the highest. Percentiles are never averaged, and of an even number
of rounds the median is the lower middle one, so every figure shown is one that was measured.
What the rounds allow one to say of two rows, `calcbench.bench.analysis.ranking` finds.

The history of `SUMMARY_VERSION`:

1. The first.
2. Each figure has its rounds' values and the 95 % interval of its median, each row the numbers of
   its rounds, its judgement and how fairly its clients and workers were served.
3. A condition names its interpreter, application and target too.
4. A row has the instructions for each request, where they could be counted, and says how long its
   users think. Of an open loop, what the quantiles would be at least without the driver's lateness.
   A request without its right response counts in the quantiles with what it had waited, and a rate
   that the driver limited is a lower bound: each figure says so, of its median and of its rounds. A
   row names the rounds in which the driver was the limit and those in which nobody was served, says
   if it failed too many requests, how many timed out before the driver sent them, and whether an
   open loop offered more than it answered. A quantile for which a round has too few requests is
   null.
"""

import collections
import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from calcbench.bench.analysis.rates import falls_behind
from calcbench.bench.analysis.response_time import parts
from calcbench.bench.analysis.rounds import Rounds
from calcbench.bench.analysis.spread import NOTHING, Spread, quantile_spread, spread
from calcbench.bench.schema.condition import Condition, group_by
from calcbench.bench.schema.judgements import DRIVER_BOUND, INVALID, UNRANKED, UNSERVED
from calcbench.bench.schema.outcomes import Outcomes
from calcbench.bench.schema.plan import Plan
from calcbench.bench.schema.result import Measurement, Run

SUMMARY_VERSION = 4


@dataclass(frozen=True)
class Row:
    """What is known about one condition.

    *status* is ``ok`` when at least one round counts; *rounds* is how many do, *failed_rounds*
    how many do not, and *reason* says why the gravest of those does not, or what clients met where
    nobody was served. *requests* are right responses, *throughput* is those for each second.
    *clients_served* is the fewest of any round. *outcomes* are those of the rounds that count,
    *all_outcomes* of every round, for a failure is one even where the rest does not count.
    *counted* are the numbers of the rounds that count. *judgement* is what most of them were judged
    to be, empty where nobody judged; that the driver was the limit only where the median is a bound
    by that. *client_fairness* and *worker_fairness* are Jain's index of the right responses that
    each client got, and that each worker gave, where that is known. Instructions are those
    *instructions_of* ``user and kernel`` or ``user`` code, where they were counted. *driver_share*
    is the share of its core, 0–1, that the driver used in its busiest round: near 1, the driver was
    measured and not the server.

    *limited* are those of *counted* in which the driver was the limit: there the rate is a lower
    bound of the server's, unless all that an open loop offered was answered, and of its latency
    nothing is known. *unserved* are those in which nobody was served. *unsent* is how many of the
    requests that timed out did so because the driver sent them too late. *fails* says that there
    were rounds unserved, or that more of the other requests failed than the plan allows.
    *edge_ratio* is how far off a rate may be, as a standard deviation, because responses come in
    bursts and the ends of a window fall before or behind one. *overloaded* says that most rounds
    of an open loop offered more than was answered, so that a queue grew.

    In an open loop, where *offered_per_s* is above 0, *p50_ns* and its like are response times,
    from the moment when a request was due. They are the sum of the dispatch delay, until it was
    sent, and of the service time, from there. So they are where users think for *think_s* in
    between, from the end of a think. As the driver's lateness is inside them, they are upper ends;
    *prompt_p50_ns* and its like are the lower ones, had it sent everything in time.
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
    instructions_per_request: Spread = NOTHING
    instructions_of: str = ""
    outcomes: Outcomes = dataclasses.field(default_factory=Outcomes)
    all_outcomes: Outcomes = dataclasses.field(default_factory=Outcomes)
    clients_served: int = 0
    in_flight: int = 0
    driver_share: float = 0
    counted: tuple[int, ...] = ()
    judgement: str = ""
    client_fairness: Spread = NOTHING
    worker_fairness: Spread = NOTHING
    offered_per_s: float = 0
    think_s: float = 0
    service_p50_ns: Spread = NOTHING
    service_p99_ns: Spread = NOTHING
    dispatch_p50_ns: Spread = NOTHING
    dispatch_p99_ns: Spread = NOTHING
    prompt_p50_ns: Spread = NOTHING
    prompt_p90_ns: Spread = NOTHING
    prompt_p99_ns: Spread = NOTHING
    prompt_max_ns: Spread = NOTHING
    limited: tuple[int, ...] = ()
    unserved: tuple[int, ...] = ()
    unsent: int = 0
    fails: bool = False
    edge_ratio: float = 0
    overloaded: bool = False

    @property
    def starves(self) -> bool:
        """Tell whether some client got no right response within a window."""
        return self.status == "ok" and self.clients_served < self.condition.connections

    @property
    def serves_nobody(self) -> bool:
        """Tell whether no round had a right response, and not only because of the driver."""
        measured = self.status == "ok" and len(self.limited) < self.rounds
        return measured and not self.throughput.high

    @property
    def falls_short(self) -> bool:
        """Tell whether clients, or too many requests, were left without a right response."""
        return self.starves or self.fails or self.serves_nobody

    @property
    def own_outcomes(self) -> Outcomes:
        """What became of all requests but those that timed out unsent."""
        every = self.all_outcomes
        return dataclasses.replace(every, timed_out=every.timed_out - self.unsent)

    @property
    def answered_ratio(self) -> float:
        """The share of the requests that ended with a right response; 0 where none did."""
        every = self.all_outcomes
        return every.ok / every.total if every.total else 0.0


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


def summarise(run: Run, folder: Path) -> Summary:
    """Return the summary of *run*, whose samples lie in *folder*.

    Raises CalcbenchError when a file of samples is missing or broken.
    """
    rows = rows_of(run.plan, run.measurements, Rounds(folder))
    return Summary(SUMMARY_VERSION, run.name, run.partial, tuple(rows))


def rows_of(plan: Plan, measurements: Iterable[Measurement], figures: Rounds) -> list[Row]:
    """Return the row of each condition of *plan* that is among *measurements*, in its order.

    *figures* are those that the samples hold. Raises CalcbenchError as `summarise` does.
    """
    measured = group_by(measurements, lambda measurement: measurement.condition)
    return [
        row_of(condition, measured[condition], figures, plan.most_failures)
        for condition in plan.conditions()
        if condition in measured
    ]


def row_of(
    condition: Condition,
    rounds: list[Measurement],
    figures: Rounds,
    most_failures: float = Plan.most_failures,
    *,
    few: bool = False,
) -> Row:
    """Return the row for *rounds*, all of one *condition*; of requests *most_failures* may fail.

    It has quantiles of *few* requests only where that is said.
    """
    good = counted(rounds)
    bad = [measurement for measurement in rounds if measurement not in good]
    bad.sort(key=lambda m: (m.status == "ok", m.round))  # a failure is the graver reason
    unserved = [m for m in good if m.judgement == UNSERVED]
    reason = (
        why_not(bad[0]) if bad else "; ".join(unserved[0].evidence.reasons[:1]) if unserved else ""
    )
    every = Outcomes.sum_of(measurement.outcomes for measurement in rounds)
    if not good:
        return Row(condition, bad[0].status, reason, failed_rounds=len(bad), all_outcomes=every)
    seen = [figures.of(measurement) for measurement in good]
    unsent = sum(figures.unsent(measurement) for measurement in rounds)
    throughput = spread(one.rate for one in seen)
    judged = [m.judgement for m in good if m.judgement != DRIVER_BOUND]
    latencies = [one.response for one in seen]
    return Row(
        condition,
        "ok",
        reason,
        rounds=len(good),
        failed_rounds=len(bad),
        requests=sum(m.outcomes.ok for m in good),
        throughput=throughput,
        p50_ns=quantile_spread(latencies, 0.5, few=few),
        p90_ns=quantile_spread(latencies, 0.9, few=few),
        p99_ns=quantile_spread(latencies, 0.99, few=few),
        max_ns=quantile_spread(latencies, 1, few=True),
        cpu_us_per_request=spread(
            m.server_cpu_ns / 1000 / m.right_responses
            for m in good
            if m.server_cpu_ns and m.right_responses
        ),
        instructions_per_request=spread(
            m.resource_usage.instructions_per_request
            for m in good
            if m.resource_usage and m.resource_usage.instructions_per_request is not None
        ),
        instructions_of=max(
            (m.resource_usage.instructions_of for m in good if m.resource_usage), default=""
        ),
        outcomes=Outcomes.sum_of(m.outcomes for m in good),
        all_outcomes=every,
        clients_served=min(m.clients_served for m in good),
        in_flight=sum(m.in_flight for m in good),
        driver_share=max(m.driver_cpu_ns / m.elapsed_ns for m in good),
        counted=tuple(m.round for m in good),
        judgement=DRIVER_BOUND if throughput.at_least or not judged else most_frequent(judged),
        client_fairness=spread(
            one.client_fairness for one in seen if one.client_fairness is not None
        ),
        worker_fairness=spread(
            index
            for m in good
            if m.resource_usage and (index := m.resource_usage.workers_jain) is not None
        ),
        offered_per_s=max(m.offered_per_s for m in good) or 0,  # 0 and not 0.0: there is no rate
        think_s=max(m.think_s for m in good) or 0,
        limited=tuple(m.round for m in good if m.judgement == DRIVER_BOUND),
        unserved=tuple(m.round for m in unserved),
        unsent=unsent,
        fails=every.fail_more_than(most_failures, but=unsent)
        or bool(unserved and most_failures < 1),
        edge_ratio=max(one.edge_ratio for one in seen),
        overloaded=2 * sum(falls_behind(one.measurement, one.rate) for one in seen) > len(seen),
        **parts(seen, few=few),
    )


def counted(rounds: Iterable[Measurement]) -> list[Measurement]:
    """Return those of *rounds*, all of one condition, that count, in their order.

    A round in half of which or more nothing was answered does not say how fast the server is, and
    is not averaged in; where all are such rounds, they are shown, and not ranked: those that add
    up, if any do. One in which the driver was the limit counts: whoever left it out would keep the
    rounds in which the server was slow.
    """
    good = sorted((m for m in rounds if m.status == "ok"), key=lambda m: m.round)
    sound = [m for m in good if m.judgement != INVALID]
    return [m for m in sound if m.judgement not in UNRANKED] or sound or good


def why_not(measurement: Measurement) -> str:
    """Return why *measurement* does not count."""
    return measurement.reason or "; ".join(
        [measurement.judgement, *measurement.evidence.reasons[:1]]
    )


def most_frequent(judgements: Iterable[str]) -> str:
    """Return what most rounds were judged to be; of several the one that was found first."""
    return collections.Counter(judgements).most_common(1)[0][0]
