"""Find the warm-up in what drivers have seen, and cut it off."""

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from calcbench.bench.diagnosis import littles_law
from calcbench.bench.diagnosis.steady_state import (
    TOO_SHORT,
    Steadiness,
    assess_steadiness,
    begin_of_flow,
)
from calcbench.bench.loadgen.causes import recount
from calcbench.bench.loadgen.observation import Observation, count_late
from calcbench.bench.loadgen.slices import MOMENTS
from calcbench.bench.schema.outcomes import OK, OUTCOMES, Outcomes
from calcbench.bench.system.series import Sample, between

if TYPE_CHECKING:
    from calcbench.bench.schema.samples import Samples

FLOWING = 0.98  # of what was due and answered; with fewer responses in the window some are missing


def steadiness_of(observation: Observation, common: Sequence[float] = ()) -> Steadiness:
    """Return whether the right responses of an *observation* settled.

    Where an open loop shows fewer than were due and answered later, their rate must have, too.
    *common* is how others moved that took turns with it.
    """
    import numpy as np

    samples, elapsed_ns = observation.samples, observation.elapsed_ns
    right = samples["outcome"] == OK
    sent, done = (column[right] for column in littles_law.sent_and_done(samples))
    inside = done < elapsed_ns
    found = assess_steadiness(
        done[inside],
        (done - sent)[inside],
        elapsed_ns,
        offered_per_s=observation.offered_per_s,
        common=common if observation.slices else (),  # a window lies behind all of their slices
        unanswered_ns=time_unanswered(observation) if observation.think_s else math.inf,
    )
    if not observation.offered_per_s or observation.responses >= FLOWING * np.count_nonzero(right):
        return found
    came = np.concatenate([done[inside], np.asarray(observation.carried_ns, np.int64)])
    begin_ns = begin_of_flow(came, elapsed_ns, observation.offered_per_s)
    if begin_ns > elapsed_ns / 2:
        return dataclasses.replace(found, settled=False, why=TOO_SHORT, warmup_ns=0)
    if begin_ns <= found.warmup_ns:
        return found
    why = f"responses came at their full rate after {begin_ns / elapsed_ns:.0%} of the window"
    return dataclasses.replace(found, why=why, warmup_ns=begin_ns)


def time_unanswered(observation: Observation) -> float:
    """Return for how long, in ns, somebody waited who got no right response, or none yet."""
    import numpy as np

    failed, elapsed_ns = observation.samples["outcome"] != OK, observation.elapsed_ns
    begin, end = (column[failed] for column in littles_law.sent_and_done(observation.samples))
    begin = np.concatenate([begin, elapsed_ns - np.asarray(observation.in_flight_ns, np.int64)])
    order = np.argsort(begin)
    begin, end = begin[order], np.append(end, np.full(len(begin) - len(end), elapsed_ns))[order]
    before = np.concatenate([[0], np.maximum.accumulate(end)[:-1]])
    return float((end - np.maximum(begin, before)).clip(0).sum())


def series_of(observation: Observation) -> tuple[float, ...]:
    """Return how a server that took turns did over its slices; nothing of one that had a window."""
    return steadiness_of(observation).series if observation.slices else ()


def without_warmup(
    observation: Observation, cut_ns: int, usage_samples: Sequence[Sample]
) -> Observation:
    """Return *observation* as if its window had opened *cut_ns* later.

    The CPU time of the rest is shared out as the samples of the server have it, the driver's
    by the requests, each of which costs it about the same.
    """
    import numpy as np

    open_loop, thinks = observation.offered_per_s > 0, observation.think_s > 0
    samples = begin_later(
        observation.samples, cut_ns, open_loop=open_loop or observation.slices is not None
    )
    ways = np.bincount(samples["outcome"], minlength=len(OUTCOMES))
    outcomes = Outcomes(*(int(count) for count in ways))
    opened_ns, closed_ns = observation.opened_ns, observation.closed_ns
    later_ns, slices, turns = cut_ns, observation.slices, observation.turns
    if slices and turns:
        later_ns, slices = slices.moment(cut_ns), slices.later(cut_ns)
        share = slices.span_ns / (slices.span_ns + later_ns)
        turns = dataclasses.replace(turns, driver_cpu_ns=round(turns.driver_cpu_ns * share))
    left = (observation.elapsed_ns - cut_ns) / observation.elapsed_ns
    server = left
    if len(usage_samples) >= 2 and (whole := between(usage_samples, opened_ns, closed_ns).cpu_ns):
        server = min(between(usage_samples, opened_ns + later_ns, closed_ns).cpu_ns / whole, 1)
    requests = outcomes.total / max(observation.outcomes.total, 1)
    right = samples["outcome"] == OK
    done = littles_law.sent_and_done(observation.samples)[1]
    inside = (done >= cut_ns) & (done <= observation.elapsed_ns)
    came = (observation.samples["outcome"] == OK) & inside
    carried_ns = [ns - cut_ns for ns in observation.carried_ns if ns >= cut_ns]
    responses = int(np.count_nonzero(came)) + len(carried_ns)
    served = len(np.unique(samples["client"][right]))
    in_flight_ns = observation.in_flight_ns
    if open_loop:
        before = observation.samples["intended_ns"] < cut_ns
        carried_ns += (done[came & before] - cut_ns).tolist()
        hanging = before & (done > observation.elapsed_ns)
        waited_ns = observation.elapsed_ns - observation.samples["intended_ns"][hanging]
        in_flight_ns += tuple(waited_ns.tolist())
    if open_loop or thinks:
        later = {name: column[done >= cut_ns] for name, column in observation.samples.items()}
        served = observation.clients_served + in_vain(observation.samples) - in_vain(later)
        late, lateness_ns, waited = count_late(samples)
        observation = dataclasses.replace(
            observation, late=late, lateness_ns=lateness_ns, waited=waited
        )
    return dataclasses.replace(
        observation,
        opened_ns=opened_ns + later_ns,
        elapsed_ns=observation.elapsed_ns - cut_ns,
        outcomes=outcomes,
        responses=responses,
        carried_ns=tuple(carried_ns),
        clients_served=served,
        in_flight_ns=in_flight_ns,
        failures=recount(observation.failures, samples, later_ns),
        server_cpu_ns=round(observation.server_cpu_ns * server),
        driver_cpu_ns=round(observation.driver_cpu_ns * requests),
        driver_delay_ns=round(observation.driver_delay_ns * left),
        connections_used=len(np.unique(samples["client"][samples["client"] >= 0])),
        away_ns=round(observation.away_ns * left),
        busy_ns=None,
        samples=samples,
        slices=slices,
        turns=turns,
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
