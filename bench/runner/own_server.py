"""One of our own servers in a measurement: how it is started, loaded and stopped."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from calcbench.bench.diagnosis.evidence import ServerWatch
from calcbench.bench.diagnosis.failures import contradiction_of_totals, failure_reason
from calcbench.bench.loadgen.observation import Observation
from calcbench.bench.loadgen.spec import LoadSpec, load_spec_of
from calcbench.bench.runner.subject import Setup, conclude
from calcbench.bench.schema.condition import Condition
from calcbench.bench.schema.plan import Plan
from calcbench.bench.schema.result import Measurement
from calcbench.bench.system.cpus import Pinning, usable_cores
from calcbench.bench.system.machine import without_paths
from calcbench.bench.system.sampler import Sampler
from calcbench.bench.system.usage import Life, children_switches
from calcbench.core.serving.catalogue import load, parse_variant
from calcbench.core.serving.counters import Worker
from calcbench.core.serving.ending import Stopped
from calcbench.core.serving.launcher import Server, ServerSpec

MOST_PRINTED = 1_000  # characters of what a server printed that a result keeps
Start = Callable[[ServerSpec, str], Server]


def unavailable(condition: Condition, number: int) -> Measurement | None:
    """Return the measurement of a strategy that cannot run here, None for one that can."""
    reason = load(parse_variant(condition.variant).strategy).unavailable
    if not reason:
        return None
    return Measurement(condition, number, "unavailable", without_paths(reason))


def spec_of(setup: Setup, condition: Condition) -> ServerSpec:
    """Return what is to be started for *condition*."""
    variant = parse_variant(condition.variant)
    return ServerSpec(
        variant.strategy,
        variant.options,
        workload=condition.workload,
        cpu_units=setup.cpu_units.get(condition.workload, 0),
        policy=setup.plan.policy,
        cpus=setup.pinning.server,
        watched=True,
    )


@dataclass(frozen=True)
class End:
    """How a server ended, what its *workers* did, and what its whole life cost."""

    died: bool
    stopped: Stopped
    workers: list[Worker]
    life: Life


def stop(server: Server) -> End:
    """Stop *server*, and return how it ended; raises CalcbenchError or OSError."""
    return end_of(server, *ask_to_stop(server))


def ask_to_stop(server: Server) -> tuple[list[Worker], bool]:
    """Tell *server* to stop; return what its workers did, and whether it had died before."""
    workers = server.watch.workers() if server.watch else []
    died = server.died()
    server.ask_to_stop()
    return workers, died


def end_of(server: Server, workers: list[Worker], died: bool) -> End:
    """Wait until *server* has stopped, which has been told to; raises CalcbenchError or OSError."""
    before = children_switches()
    stopped = server.stop()
    after = children_switches()
    responses = sum(worker.responses for worker in workers)
    return End(died, stopped, workers, Life(after[0] - before[0], after[1] - before[1], responses))


def conclude_launched(
    setup: Setup,
    condition: Condition,
    number: int,
    step: int,
    observation: Observation,
    watch: ServerWatch,
    end: End,
) -> Measurement:
    """Return the measurement of *condition*, whose server has come to its *end*."""
    reason = failure_reason(observation, end.died, end.stopped) or contradiction_of_totals(
        observation, end.life.responses
    )
    reason = without_paths(reason)
    measurement = conclude(setup, condition, number, step, observation, watch, reason)
    printed = without_paths(end.stopped.printed)[:MOST_PRINTED]
    return dataclasses.replace(measurement, printed=printed)


def load_for(plan: Plan, condition: Condition, server: Server, pinning: Pinning) -> LoadSpec:
    """Return the load for *server* under *condition*."""
    return load_spec_of(
        plan,
        condition,
        host=server.host,
        port=server.port,
        cpus=pinning.driver,
        server_group=server.pid,
    )


def watched_cores(pinning: Pinning) -> Sequence[int]:
    """Return the cores that are watched, in the order that `evidence` expects."""
    return (*pinning.server, *pinning.driver) or usable_cores()


def spare_cores(pinning: Pinning) -> tuple[int, ...]:
    """Return where to sample from: cores that nobody is pinned to, or else the driver's."""
    spare = {*usable_cores()} - {*pinning.server, *pinning.driver}
    return tuple(sorted(spare)) if spare and pinning.server else pinning.driver


def instructions_of(sampler: Sampler) -> str:
    """Return whose instructions a *sampler* counts, nothing where none are counted."""
    return sampler.counter.of if sampler.counter else ""
