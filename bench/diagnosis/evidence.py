"""Gather what a measurement is judged by: one number for each thing that could be wrong with it."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from calcbench.bench.diagnosis import littles_law as selfcheck
from calcbench.bench.diagnosis.classify import Judgement, classify
from calcbench.bench.diagnosis.littles_law import times
from calcbench.bench.diagnosis.steady_state import Steadiness, settle
from calcbench.bench.schema.outcomes import OK, OUTCOMES, Outcomes
from calcbench.bench.schema.plan import KEEP_ALIVE, Condition
from calcbench.bench.system.cpus import Pinning
from calcbench.bench.system.sampler import Sample, between
from calcbench.bench.system.usage import Life, resource_usage
from calcbench.core.serving.counters import Worker

if TYPE_CHECKING:
    from calcbench.bench.loadgen.observation import Observation
    from calcbench.bench.schema.samples import Samples


MOMENTS = ("intended_ns", "sent_ns", "first_ns", "done_ns")  # columns that count from the opening


@dataclass(frozen=True)
class Window:
    """A measurement's window as its driver saw it.

    *opened_ns* is by `time.perf_counter_ns`. *offered_per_s* 0 is a closed loop; of the
    *due* requests of an open one, *late* left late by the driver's fault, *waited* for a free
    connection, and *driver_fault* says that the driver could not keep its schedule. *begun*,
    *ended* and *unfinished* count every request since the driver started, -1 where nobody counts
    them. *driver_delay_ns* is how long the drivers were ready to run and waited for a core. The
    cores are empty where nobody is pinned; there are *drivers*, each with one thread.
    """

    connections: int
    opened_ns: int
    elapsed_ns: int
    in_flight: int
    responses: int
    server_cpu_ns: int
    driver_cpu_ns: int
    offered_per_s: float = 0
    due: int = 0
    late: int = 0
    waited: int = 0
    driver_fault: str = ""
    driver_delay_ns: int = 0
    begun: int = -1
    ended: int = -1
    unfinished: int = 0
    keep_alive: bool = True
    drivers: int = 1
    server_cores: Sequence[int] = ()
    driver_cores: Sequence[int] = ()

    @property
    def closed_ns(self) -> int:
        """When it closed."""
        return self.opened_ns + self.elapsed_ns


def gather(
    window: Window,
    samples: "Samples",
    usage_samples: Sequence[Sample],
    steadiness: Steadiness,
    ceiling_per_s: float | None = None,
) -> dict[str, Any]:
    """Return the evidence on one measurement, as `calcbench.bench.diagnosis.classify` reads it."""
    evidence: dict[str, Any] = {
        **of_the_driver(window, ceiling_per_s),
        **of_the_cores(window, usage_samples),
        "settled": steadiness.settled,
        "settled_why": steadiness.why,
        "series_bin_ns": steadiness.bin_ns,
        "series": list(steadiness.series),
    }
    if window.offered_per_s:
        evidence |= of_the_schedule(window, samples)
    else:
        evidence["little_ratio"] = selfcheck.little_ratio(
            samples,
            window.elapsed_ns,
            window.connections,
            window.in_flight,
            keep_alive=window.keep_alive,
        )
    if window.begun >= 0:
        evidence["unaccounted"] = selfcheck.unaccounted(
            window.begun, window.ended, window.unfinished
        )
    return evidence


def of_the_driver(window: Window, ceiling_per_s: float | None) -> dict[str, Any]:
    """Return how busy the driver was: computing, or ready to and waiting for its core."""
    at_once = min(window.drivers, len(window.driver_cores) or window.drivers)
    used = min(window.driver_cpu_ns / window.elapsed_ns / at_once, 1)  # after a cut, estimated
    waited = window.driver_delay_ns / window.elapsed_ns / window.drivers
    rate = window.responses * 1e9 / window.elapsed_ns
    ceiling = (ceiling_per_s or 0) * at_once
    return {
        "driver_cpu_ratio": round(used, 4),
        "driver_delay_ratio": round(waited, 4),
        "driver_busy_ratio": round(min(used + waited, 1), 4),
        "ceiling_ratio": round(rate / ceiling, 4) if ceiling else None,
    }


def of_the_cores(window: Window, usage_samples: Sequence[Sample]) -> dict[str, Any]:
    """Return what was taken from the cores of server and driver by others; empty if unseen.

    *usage_samples* list the busy time of the server's cores, then of the driver's; where nobody is
    pinned, of all cores once, and both are ours there. A server of many threads waits for its
    cores because of itself, so only that of a single one says anything.
    """
    if len(usage_samples) < 2:
        return {}
    total = between(usage_samples, window.opened_ns, window.closed_ns)
    servers = len(window.server_cores)
    busy, elapsed = total.busy_ns, window.elapsed_ns
    if window.driver_cores:
        drivers = busy[servers:]
        other = max(
            (sum(busy[:servers]) - window.server_cpu_ns) / max(servers, 1),
            (sum(drivers) - window.driver_cpu_ns) / len(drivers),
        )
    else:
        # A server with a core of its own and drivers with none: they are on other machines.
        drivers_here = 0 if window.server_cores else window.driver_cpu_ns
        other = (sum(busy) - window.server_cpu_ns - drivers_here) / max(len(busy), 1)
    levels = [sample.levels for sample in usage_samples]
    alone = all(level.threads == level.processes == 1 for level in levels)
    return {
        "server_busy_ratio": round(window.server_cpu_ns / elapsed / max(servers, 1), 4),
        "server_delay_ratio": round(total.run_queue_ns / elapsed, 4) if alone else None,
        "steal_ratio": round(max(total.steal_ns, default=0) / elapsed, 4),
        "other_load_ratio": round(max(other / elapsed, 0), 4) if busy else None,
    }


def of_the_schedule(window: Window, samples: "Samples") -> dict[str, Any]:
    """Return how well the driver of an open loop kept its schedule.

    A request that found every connection taken waited for the server, and not for the driver.
    """
    due = max(window.due, 1)
    rate = window.responses * 1e9 / window.elapsed_ns
    return {
        "excuse": window.driver_fault,
        "sent_ratio": selfcheck.sent_ratio(samples, window.elapsed_ns),
        "achieved_ratio": round(rate / window.offered_per_s, 4),
        "late_ratio": round(window.late / due, 4),
        "waited_ratio": round(window.waited / due, 4),
    }


def steadiness_of(window: Window, samples: "Samples") -> Steadiness:
    """Return whether the right responses of a measurement settled."""
    right = samples["outcome"] == 0
    sent, done = (column[right] for column in selfcheck.times(samples))
    inside = done < window.elapsed_ns
    return settle(
        done[inside],
        (done - sent)[inside],
        window.elapsed_ns,
        by_latency=window.offered_per_s > 0,
    )


def begin_later(samples: "Samples", by_ns: int, *, open_loop: bool = False) -> "Samples":
    """Return *samples* as if the window had opened *by_ns* later.

    What had ended by then is gone; of an open loop, what had been due.
    """
    moments = samples["intended_ns"] if open_loop else selfcheck.times(samples)[1]
    left = moments >= by_ns
    return {
        name: column[left] - by_ns if name in MOMENTS else column[left]
        for name, column in samples.items()
    }


@dataclass(frozen=True)
class ServerUsage:
    """What was seen of the server from outside while a driver loaded it."""

    usage_samples: Sequence[Sample]
    workers: Sequence[Worker]
    life: Life


@dataclass(frozen=True)
class Assessed:
    """A measurement without its warm-up, of *cut_ns*, and what is to be thought of it."""

    observation: "Observation"
    judgement: Judgement
    evidence: dict[str, Any]
    resources: dict[str, Any]
    cut_ns: int


def assess(
    observation: "Observation",
    observed: ServerUsage,
    condition: Condition,
    pinning: Pinning,
    calibration: Mapping[str, Any],
    reason: str = "",
) -> Assessed:
    """Return what an *observation* is worth; *reason* says why it does not count, if it does not.

    *calibration* is `calcbench.bench.loadgen.calibration`'s, or empty.
    """
    window = window_of(observation, condition, pinning)
    steadiness = steadiness_of(window, observation.samples)
    if observation.histograms:
        steadiness = Steadiness(None, "histograms do not say what came when")
    cut_ns = steadiness.warmup_ns
    if cut_ns:
        observation = without_warmup(observation, cut_ns, observed.usage_samples)
        window = window_of(observation, condition, pinning)
    ways = calibration.get("ways", {})
    way = ways.get("keep-alive" if condition.reuse == KEEP_ALIVE else "close", {})
    evidence = gather(
        window, observation.samples, observed.usage_samples, steadiness, way.get("ceiling_per_s")
    )
    judgement = classify(evidence, reason)
    resources = resource_usage(
        observed.usage_samples,
        window.opened_ns,
        window.closed_ns,
        observation.outcomes.ok,
        observation.server_cpu_ns,
        observed.workers,
        observed.life,
    )
    whole = {"why": list(judgement.why), "all": list(judgement.all), **evidence}
    return Assessed(observation, judgement, whole, resources, cut_ns)


def window_of(observation: "Observation", condition: Condition, pinning: Pinning) -> Window:
    """Return the window of an *observation*."""
    return Window(
        connections=condition.connections,
        opened_ns=observation.opened_ns,
        elapsed_ns=observation.elapsed_ns,
        in_flight=observation.in_flight,
        responses=observation.responses,
        server_cpu_ns=observation.server_cpu_ns,
        driver_cpu_ns=observation.driver_cpu_ns,
        driver_delay_ns=observation.driver_delay_ns,
        offered_per_s=observation.offered_per_s,
        due=observation.outcomes.total,
        late=observation.late,
        waited=observation.waited,
        driver_fault=observation.driver_fault,
        begun=observation.begun,
        ended=observation.ended,
        unfinished=observation.unfinished,
        keep_alive=condition.reuse == KEEP_ALIVE,
        drivers=observation.drivers,
        server_cores=pinning.server,
        driver_cores=pinning.driver,
    )


def without_warmup(
    observation: "Observation", cut_ns: int, usage_samples: Sequence[Sample]
) -> "Observation":
    """Return *observation* as if its window had opened *cut_ns* later.

    The CPU time of the rest is shared out as the samples of the server have it, the driver's
    by the requests, each of which costs it about the same.
    """
    import numpy as np

    open_loop = observation.offered_per_s > 0
    samples = begin_later(observation.samples, cut_ns, open_loop=open_loop)
    ways = np.bincount(samples["outcome"], minlength=len(OUTCOMES))
    outcomes = Outcomes(*(int(count) for count in ways))
    opened_ns, closed_ns = observation.opened_ns, observation.opened_ns + observation.elapsed_ns
    left = (observation.elapsed_ns - cut_ns) / observation.elapsed_ns
    server = left
    if len(usage_samples) >= 2 and (whole := between(usage_samples, opened_ns, closed_ns).cpu_ns):
        server = min(between(usage_samples, opened_ns + cut_ns, closed_ns).cpu_ns / whole, 1)
    requests = outcomes.total / max(observation.outcomes.total, 1)
    right = samples["outcome"] == OK
    done = times(observation.samples)[1]
    responses = (
        (observation.samples["outcome"] == OK) & (done >= cut_ns) & (done <= observation.elapsed_ns)
    )
    served = observation.clients_served if open_loop else len(np.unique(samples["client"][right]))
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
