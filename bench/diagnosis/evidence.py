"""Assess one measurement: cut off its warm-up, gather evidence, classify it, add up its cost."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from calcbench.bench.diagnosis import littles_law
from calcbench.bench.diagnosis.classify import Judgement, classify
from calcbench.bench.diagnosis.failures import unserved_reason
from calcbench.bench.diagnosis.steady_state import Steadiness, assess_steadiness
from calcbench.bench.loadgen.observation import Observation, count_late
from calcbench.bench.schema.calibration import Calibration
from calcbench.bench.schema.condition import Condition
from calcbench.bench.schema.evidence import Evidence
from calcbench.bench.schema.outcomes import OK, OUTCOMES, Outcomes
from calcbench.bench.schema.plan import KEEP_ALIVE
from calcbench.bench.system.cpus import Pinning
from calcbench.bench.system.sampler import Sample, between
from calcbench.bench.system.usage import Life, ResourceUsage, resource_usage
from calcbench.core.serving.counters import Worker

if TYPE_CHECKING:
    from calcbench.bench.schema.samples import Samples


UNANSWERED = "no request that was due in the second part of the window was answered"
MOMENTS = ("intended_ns", "sent_ns", "first_ns", "done_ns")  # columns that count from the opening


@dataclass(frozen=True)
class ServerWatch:
    """What was seen of the server from outside while drivers loaded it."""

    usage_samples: Sequence[Sample]
    workers: Sequence[Worker]
    life: Life


@dataclass(frozen=True)
class Assessment:
    """A measurement without its warm-up, of *cut_ns*, and what is to be thought of it."""

    observation: Observation
    judgement: Judgement
    evidence: Evidence
    resource_usage: ResourceUsage | None
    cut_ns: int


def assess(
    observation: Observation,
    watch: ServerWatch,
    condition: Condition,
    pinning: Pinning,
    calibration: Calibration | None,
    reason: str = "",
) -> Assessment:
    """Return what an *observation* is worth; *reason* says why it does not count, if it does not.

    *calibration* is None where what the driver can do is not known.
    """
    steadiness = steadiness_of(observation)
    if observation.histograms:
        steadiness = Steadiness(None, "only histograms were kept, which do not say what came when")
    if steadiness.warmup_ns:
        rest = without_warmup(observation, steadiness.warmup_ns, watch.usage_samples)
        if rest.outcomes.ok:
            observation = rest
        else:  # of what was due later nothing was answered, which only an open loop can see
            steadiness = dataclasses.replace(steadiness, settled=False, why=UNANSWERED, warmup_ns=0)
    ceiling_per_s = calibration.ceiling_per_s(condition.reuse) if calibration else None
    evidence = gather(
        observation, condition, pinning, watch.usage_samples, steadiness, ceiling_per_s
    )
    judgement = classify(evidence, reason, unserved_reason(observation))
    evidence = dataclasses.replace(evidence, judgements=judgement.all, reasons=judgement.why)
    if observation.responses_seen >= 0 and watch.workers:
        evidence = dataclasses.replace(evidence, server_responses=watch.life.responses)
    usage = resource_usage(
        watch.usage_samples,
        observation.opened_ns,
        observation.closed_ns,
        observation.right_responses,
        observation.server_cpu_ns,
        watch.workers,
        watch.life,
    )
    return Assessment(observation, judgement, evidence, usage, steadiness.warmup_ns)


def gather(
    observation: Observation,
    condition: Condition,
    pinning: Pinning,
    usage_samples: Sequence[Sample],
    steadiness: Steadiness,
    ceiling_per_s: float | None = None,
) -> Evidence:
    """Return the evidence on one measurement, as `calcbench.bench.diagnosis.classify` reads it."""
    counted = observation.responses_seen >= 0
    evidence = Evidence(
        settled=steadiness.settled,
        settled_why=steadiness.why,
        series_bin_ns=steadiness.bin_ns,
        series=steadiness.series,
        background_clients=observation.background,
        histograms=observation.histograms is not None,
        wrk=observation.wrk,
        lost=observation.lost,
        requests_begun=observation.begun if counted else None,
        responses_seen=observation.responses_seen if counted else None,
    )
    evidence = of_the_driver(evidence, observation, pinning, ceiling_per_s)
    evidence = of_the_cores(evidence, observation, pinning, usage_samples)
    return of_the_requests(evidence, observation, condition)


def of_the_driver(
    evidence: Evidence, observation: Observation, pinning: Pinning, ceiling_per_s: float | None
) -> Evidence:
    """Return *evidence* with how busy the driver was: computing, or waiting for its core."""
    elapsed_ns, drivers = observation.elapsed_ns, observation.drivers
    at_once = min(drivers, len(pinning.driver) or drivers)
    used = min(observation.driver_cpu_ns / elapsed_ns / at_once, 1.0)  # after a cut, estimated
    waited = observation.driver_delay_ns / elapsed_ns / drivers
    rate = observation.responses * 1e9 / elapsed_ns
    ceiling = (ceiling_per_s or 0) * at_once
    return dataclasses.replace(
        evidence,
        driver_cpu_ratio=round(used, 4),
        driver_delay_ratio=round(waited, 4),
        driver_busy_ratio=round(min(used + waited, 1.0), 4),
        ceiling_ratio=round(rate / ceiling, 4) if ceiling else None,
    )


def of_the_cores(
    evidence: Evidence,
    observation: Observation,
    pinning: Pinning,
    usage_samples: Sequence[Sample],
) -> Evidence:
    """Return *evidence* with what others took from the cores of server and driver, if it was seen.

    *usage_samples* list the busy time of the server's cores, then of the driver's; where nobody is
    pinned, of all cores once, and both are ours there. A server of many threads waits for its
    cores because of itself, so only that of a single one says anything.
    """
    if len(usage_samples) < 2:
        return evidence
    server_cpu_ns, driver_cpu_ns = observation.server_cpu_ns, observation.driver_cpu_ns
    total = between(usage_samples, observation.opened_ns, observation.closed_ns)
    servers = len(pinning.server)
    busy, elapsed_ns = total.busy_ns, observation.elapsed_ns
    if pinning.driver:
        drivers = busy[servers:]
        other = max(
            (sum(busy[:servers]) - server_cpu_ns) / max(servers, 1),
            (sum(drivers) - driver_cpu_ns) / len(drivers),
        )
    else:
        # A server with a core of its own and drivers with none: they are on other machines.
        drivers_here = 0 if pinning.server else driver_cpu_ns
        other = (sum(busy) - server_cpu_ns - drivers_here) / max(len(busy), 1)
    levels = [sample.levels for sample in usage_samples]
    alone = all(level.threads == level.processes == 1 for level in levels)
    return dataclasses.replace(
        evidence,
        server_busy_ratio=round(server_cpu_ns / elapsed_ns / max(servers, 1), 4),
        server_delay_ratio=round(total.run_queue_ns / elapsed_ns, 4) if alone else None,
        steal_ratio=round(max(total.steal_ns, default=0) / elapsed_ns, 4),
        other_load_ratio=round(max(other / elapsed_ns, 0.0), 4) if busy else None,
    )


def of_the_requests(evidence: Evidence, observation: Observation, condition: Condition) -> Evidence:
    """Return *evidence* with whether the requests add up, and how an open loop kept its schedule.

    A request that found every connection taken waited for the server, and not for the driver.
    """
    elapsed_ns, rate = observation.elapsed_ns, observation.offered_per_s
    if observation.begun >= 0:
        unaccounted = littles_law.unaccounted(
            observation.begun, observation.ended, observation.unfinished
        )
        evidence = dataclasses.replace(evidence, unaccounted=unaccounted)
    if not rate:
        little_ratio = littles_law.little_ratio(
            observation.samples,
            elapsed_ns,
            condition.connections,
            observation.in_flight,
            keep_alive=condition.reuse == KEEP_ALIVE,
        )
        return dataclasses.replace(evidence, little_ratio=little_ratio)
    due = max(observation.outcomes.total, 1)
    return dataclasses.replace(
        evidence,
        driver_fault=observation.driver_fault,
        sent_ratio=littles_law.sent_ratio(observation.samples, elapsed_ns),
        achieved_ratio=round(observation.responses * 1e9 / elapsed_ns / rate, 4),
        late_ratio=round(observation.late / due, 4),
        waited_ratio=round(observation.waited / due, 4),
        lateness_ns=observation.lateness_ns,
    )


def steadiness_of(observation: Observation) -> Steadiness:
    """Return whether the right responses of an *observation* settled."""
    samples, elapsed_ns = observation.samples, observation.elapsed_ns
    right = samples["outcome"] == OK
    sent, done = (column[right] for column in littles_law.sent_and_done(samples))
    inside = done < elapsed_ns
    return assess_steadiness(
        done[inside],
        (done - sent)[inside],
        elapsed_ns,
        offered_per_s=observation.offered_per_s,
    )


def without_warmup(
    observation: Observation, cut_ns: int, usage_samples: Sequence[Sample]
) -> Observation:
    """Return *observation* as if its window had opened *cut_ns* later.

    The CPU time of the rest is shared out as the samples of the server have it, the driver's
    by the requests, each of which costs it about the same.
    """
    import numpy as np

    open_loop = observation.offered_per_s > 0
    samples = begin_later(observation.samples, cut_ns, open_loop=open_loop)
    ways = np.bincount(samples["outcome"], minlength=len(OUTCOMES))
    outcomes = Outcomes(*(int(count) for count in ways))
    opened_ns, closed_ns = observation.opened_ns, observation.closed_ns
    left = (observation.elapsed_ns - cut_ns) / observation.elapsed_ns
    server = left
    if len(usage_samples) >= 2 and (whole := between(usage_samples, opened_ns, closed_ns).cpu_ns):
        server = min(between(usage_samples, opened_ns + cut_ns, closed_ns).cpu_ns / whole, 1)
    requests = outcomes.total / max(observation.outcomes.total, 1)
    right = samples["outcome"] == OK
    done = littles_law.sent_and_done(observation.samples)[1]
    responses = (
        (observation.samples["outcome"] == OK) & (done >= cut_ns) & (done <= observation.elapsed_ns)
    )
    served = len(np.unique(samples["client"][right]))
    if open_loop:
        served = observation.clients_served + in_vain(observation.samples) - in_vain(samples)
        late, lateness_ns, waited = count_late(samples)
        observation = dataclasses.replace(
            observation, late=late, lateness_ns=lateness_ns, waited=waited
        )
    return dataclasses.replace(
        observation,
        opened_ns=opened_ns + cut_ns,
        elapsed_ns=observation.elapsed_ns - cut_ns,
        outcomes=outcomes,
        responses=int(np.count_nonzero(responses)),
        clients_served=served,
        server_cpu_ns=round(observation.server_cpu_ns * server),
        driver_cpu_ns=round(observation.driver_cpu_ns * requests),
        driver_delay_ns=round(observation.driver_delay_ns * left),
        samples=samples,
    )


def in_vain(samples: "Samples") -> int:
    """Return how many clients asked in *samples* and never got a right response."""
    import numpy as np

    clients, right = samples["client"], samples["outcome"] == OK
    asked = np.unique(clients[clients >= 0])
    return len(np.setdiff1d(asked, clients[right]))


def begin_later(samples: "Samples", by_ns: int, *, open_loop: bool = False) -> "Samples":
    """Return *samples* as if the window had opened *by_ns* later.

    What had ended by then is gone; of an open loop, what had been due.
    """
    moments = samples["intended_ns"] if open_loop else littles_law.sent_and_done(samples)[1]
    left = moments >= by_ns
    return {
        name: column[left] - by_ns if name in MOMENTS else column[left]
        for name, column in samples.items()
    }
