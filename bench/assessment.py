"""Assess one measurement: cut its warm-up off, gather the evidence, judge it, add up its cost."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from calcbench.bench.evidence import Window, begin_later, gather, steadiness_of
from calcbench.bench.judging import Judgement, judge
from calcbench.bench.schema.outcomes import OK, OUTCOMES, Outcomes
from calcbench.bench.schema.plan import KEEP_ALIVE, Condition
from calcbench.bench.selfcheck import times
from calcbench.bench.steady import Steadiness
from calcbench.bench.system.cpus import Pinning
from calcbench.bench.system.sampler import Sample, between
from calcbench.bench.system.usage import Life, spent
from calcbench.core.serving.counters import Worker

if TYPE_CHECKING:
    from calcbench.bench.driven import Driven


@dataclass(frozen=True)
class Observed:
    """What was seen of the server from outside while a driver loaded it."""

    looks: Sequence[Sample]
    workers: Sequence[Worker]
    life: Life


@dataclass(frozen=True)
class Assessed:
    """A measurement without its warm-up, of *cut_ns*, and what is to be thought of it."""

    driven: "Driven"
    judgement: Judgement
    evidence: dict[str, Any]
    resources: dict[str, Any]
    cut_ns: int


def assess(
    driven: "Driven",
    observed: Observed,
    condition: Condition,
    pinning: Pinning,
    calibration: Mapping[str, Any],
    reason: str = "",
) -> Assessed:
    """Return what *driven* is worth; *reason* is why it does not count, if that is known already.

    *calibration* is `calcbench.bench.calibration`'s, or empty.
    """
    window = window_of(driven, condition, pinning)
    steadiness = steadiness_of(window, driven.samples)
    if driven.histograms:
        steadiness = Steadiness(None, "histograms do not say what came when")
    cut_ns = steadiness.warmup_ns
    if cut_ns:
        driven = without_warmup(driven, cut_ns, observed.looks)
        window = window_of(driven, condition, pinning)
    ways = calibration.get("ways", {})
    way = ways.get("keep-alive" if condition.reuse == KEEP_ALIVE else "close", {})
    evidence = gather(window, driven.samples, observed.looks, steadiness, way.get("ceiling_per_s"))
    judgement = judge(evidence, reason)
    resources = spent(
        observed.looks,
        window.opened_ns,
        window.closed_ns,
        driven.outcomes.ok,
        driven.server_cpu_ns,
        observed.workers,
        observed.life,
    )
    told = {"why": list(judgement.why), "all": list(judgement.all), **evidence}
    return Assessed(driven, judgement, told, resources, cut_ns)


def window_of(driven: "Driven", condition: Condition, pinning: Pinning) -> Window:
    """Return the window of *driven*."""
    return Window(
        connections=condition.connections,
        opened_ns=driven.opened_ns,
        elapsed_ns=driven.elapsed_ns,
        in_flight=driven.in_flight,
        answers=driven.answered,
        server_cpu_ns=driven.server_cpu_ns,
        driver_cpu_ns=driven.driver_cpu_ns,
        driver_delay_ns=driven.driver_delay_ns,
        offered_per_s=driven.offered_per_s,
        due=driven.outcomes.total,
        late=driven.late,
        waited=driven.waited,
        excuse=driven.excuse,
        begun=driven.begun,
        ended=driven.ended,
        unfinished=driven.unfinished,
        keep_alive=condition.reuse == KEEP_ALIVE,
        drivers=driven.drivers,
        server_cores=pinning.server,
        driver_cores=pinning.driver,
    )


def without_warmup(driven: "Driven", cut_ns: int, looks: Sequence[Sample]) -> "Driven":
    """Return *driven* as if its window had opened *cut_ns* later.

    The CPU time of the rest is shared out as the looks at the server have seen it, the driver's
    by the requests, each of which costs it about the same.
    """
    import numpy as np

    open_loop = driven.offered_per_s > 0
    samples = begin_later(driven.samples, cut_ns, open_loop=open_loop)
    ways = np.bincount(samples["outcome"], minlength=len(OUTCOMES))
    outcomes = Outcomes(*(int(count) for count in ways))
    opened_ns, closed_ns = driven.opened_ns, driven.opened_ns + driven.elapsed_ns
    left = (driven.elapsed_ns - cut_ns) / driven.elapsed_ns
    server = left
    if len(looks) >= 2 and (whole := between(looks, opened_ns, closed_ns).cpu_ns):
        server = min(between(looks, opened_ns + cut_ns, closed_ns).cpu_ns / whole, 1)
    requests = outcomes.total / max(driven.outcomes.total, 1)
    right = samples["outcome"] == OK
    done = times(driven.samples)[1]
    answered = (driven.samples["outcome"] == OK) & (done >= cut_ns) & (done <= driven.elapsed_ns)
    served = driven.clients_served if open_loop else len(np.unique(samples["client"][right]))
    return dataclasses.replace(
        driven,
        opened_ns=opened_ns + cut_ns,
        elapsed_ns=driven.elapsed_ns - cut_ns,
        outcomes=outcomes,
        answered=int(np.count_nonzero(answered)),
        clients_served=served,
        server_cpu_ns=round(driven.server_cpu_ns * server),
        driver_cpu_ns=round(driven.driver_cpu_ns * requests),
        driver_delay_ns=round(driven.driver_delay_ns * left),
        samples=samples,
    )
