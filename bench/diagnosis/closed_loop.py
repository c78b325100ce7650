"""What only a closed loop shows: whether the time of its clients adds up, and how they paused."""

import dataclasses

from calcbench.bench.diagnosis import littles_law
from calcbench.bench.diagnosis.lateness import of_the_lateness
from calcbench.bench.loadgen.observation import Observation
from calcbench.bench.schema.condition import Condition
from calcbench.bench.schema.evidence import Evidence
from calcbench.bench.schema.plan import KEEP_ALIVE


def of_a_closed_loop(
    evidence: Evidence, observation: Observation, condition: Condition
) -> Evidence:
    """Return *evidence* with what an *observation* of a closed loop shows of its clients."""
    if observation.think_s:
        return of_the_users(evidence, observation, condition)
    little_ratio = littles_law.little_ratio(
        observation.samples,
        observation.elapsed_ns,
        condition.connections,
        observation.in_flight,
        keep_alive=condition.reuse == KEEP_ALIVE,
        slice_ends=observation.slices.ends if observation.slices else (),
    )
    paused = observation.away_ns / observation.elapsed_ns / condition.connections
    return dataclasses.replace(evidence, little_ratio=little_ratio, pause_ratio=round(paused, 4))


def of_the_users(evidence: Evidence, observation: Observation, condition: Condition) -> Evidence:
    """Return *evidence* with whether the time of users who think adds up, and what was late.

    Their response times count from the end of a think, so the driver's lateness is inside. Behind a
    cut nobody knows which part of the thinks is left.
    """
    little_ratio = None
    if observation.busy_ns is not None and observation.outcomes.total:
        little_ratio = littles_law.users_ratio(
            observation.busy_ns,
            observation.away_ns,
            observation.elapsed_ns,
            condition.connections,
        )
    return dataclasses.replace(
        of_the_lateness(evidence, observation),
        little_ratio=little_ratio,
        late_ratio=round(observation.late / max(observation.outcomes.total, 1), 4),
        lateness_ns=observation.lateness_ns,
        connections_unopened=observation.unopened,
    )
