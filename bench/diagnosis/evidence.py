"""Assess one measurement: cut off its warm-up, gather evidence, classify it, add up its cost."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from calcbench.bench.diagnosis import littles_law
from calcbench.bench.diagnosis.classify import Judgement, classify
from calcbench.bench.diagnosis.closed_loop import of_a_closed_loop
from calcbench.bench.diagnosis.failures import unserved_reason
from calcbench.bench.diagnosis.lateness import of_the_lateness
from calcbench.bench.diagnosis.steady_state import Steadiness
from calcbench.bench.diagnosis.warmup import steadiness_of, without_warmup
from calcbench.bench.loadgen.observation import Observation
from calcbench.bench.schema.calibration import Calibration
from calcbench.bench.schema.condition import Condition
from calcbench.bench.schema.evidence import Evidence
from calcbench.bench.system.cpus import Pinning
from calcbench.bench.system.procfs import TELLS_DELAYS
from calcbench.bench.system.series import Sample, between
from calcbench.bench.system.usage import Life, ResourceUsage, resource_usage
from calcbench.core.serving.counters import Worker

UNANSWERED = "no request that was due in the second part of the window got a right response"


@dataclass(frozen=True)
class ServerWatch:
    """What was seen of the server from outside while drivers loaded it.

    *neighbours* are the servers that were up at the same time, each with the part of a core that it
    used while it was not its turn, and *common* how they moved together. *instructions_of* is
    ``user and kernel`` or ``user``, and empty where none were counted.
    """

    usage_samples: Sequence[Sample]
    workers: Sequence[Worker]
    life: Life
    instructions_of: str = ""
    neighbours: Mapping[str, float] = field(default_factory=dict)
    common: Sequence[float] = ()


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
    steadiness = steadiness_of(observation, watch.common)
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
    evidence = of_the_turns(evidence, observation, watch.neighbours)
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
        watch.instructions_of,
        counted_share=observation.counted_share,
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
        common_movement=steadiness.common,
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
    waited = observation.driver_delay_ns / elapsed_ns / drivers if TELLS_DELAYS else None
    rate = observation.responses * 1e9 / elapsed_ns
    ceiling = (ceiling_per_s or 0) * at_once
    return dataclasses.replace(
        evidence,
        driver_cpu_ratio=round(used, 4),
        driver_delay_ratio=None if waited is None else round(waited, 4),
        driver_busy_ratio=round(min(used + (waited or 0), 1.0), 4),
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
    pinned, of all cores once, and both are ours there; so are other servers that are watched at the
    same time. A server of many threads waits for its cores because of itself, so only that of a
    single one says anything.
    """
    if len(usage_samples) < 2:
        return evidence
    total = between(usage_samples, observation.opened_ns, observation.closed_ns)
    elapsed_ns, slices = observation.elapsed_ns, observation.slices
    span_ns = own_ns = elapsed_ns
    server_cpu_ns, driver_cpu_ns = observation.server_cpu_ns, observation.driver_cpu_ns
    if slices and observation.turns:  # what was used with all that was not counted
        span_ns, own_ns = slices.span_ns, slices.own_ns
        server_cpu_ns, driver_cpu_ns = total.cpu_ns, observation.turns.driver_cpu_ns
    servers_cpu_ns = server_cpu_ns + total.others_ns
    servers = len(pinning.server)
    busy = total.busy_ns
    if pinning.driver:
        drivers = busy[servers:]
        other = max(
            (sum(busy[:servers]) - servers_cpu_ns) / max(servers, 1),
            (sum(drivers) - driver_cpu_ns) / len(drivers),
        )
    else:
        # A server with a core of its own and drivers with none: they are on other machines.
        drivers_here = 0 if pinning.server else driver_cpu_ns
        other = (sum(busy) - servers_cpu_ns - drivers_here) / max(len(busy), 1)
    levels = [sample.levels for sample in usage_samples]
    alone = all(level.threads == level.processes == 1 for level in levels)
    used = observation.server_cpu_ns / elapsed_ns / max(servers, 1)
    return dataclasses.replace(
        evidence,
        server_busy_ratio=round(used, 4),
        server_delay_ratio=round(total.run_queue_ns / own_ns, 4) if alone else None,
        steal_ratio=round(max(total.steal_ns, default=0) / span_ns, 4),
        other_load_ratio=round(max(other / span_ns, 0.0), 4) if busy else None,
    )


def of_the_turns(
    evidence: Evidence, observation: Observation, neighbours: Mapping[str, float]
) -> Evidence:
    """Return *evidence* with how it took turns with its *neighbours*, if it did."""
    if not observation.turns:
        return evidence
    slices = observation.slices
    loudest = max(neighbours, key=lambda label: neighbours[label], default="")
    return dataclasses.replace(
        evidence,
        slices=len(slices.turns) if slices else 1,
        slice_ns=observation.elapsed_ns // (len(slices.turns) if slices else 1),
        idle_cpu_ratio=round(observation.idle_cpu_ratio, 4),
        neighbour=loudest,
        neighbour_cpu_ratio=round(neighbours[loudest], 4) if loudest else None,
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
        return of_a_closed_loop(evidence, observation, condition)
    due = max(observation.outcomes.total, 1)
    evidence = of_the_lateness(evidence, observation)
    return dataclasses.replace(
        evidence,
        driver_fault=observation.driver_fault or evidence.driver_fault,
        sent_ratio=littles_law.sent_ratio(observation.samples, elapsed_ns),
        achieved_ratio=round(observation.responses * 1e9 / elapsed_ns / rate, 4),
        late_ratio=round(observation.late / due, 4),
        waited_ratio=round(observation.waited / due, 4),
        lateness_ns=observation.lateness_ns,
        connections_used=observation.connections_used,
        connections_unopened=observation.unopened,
    )
