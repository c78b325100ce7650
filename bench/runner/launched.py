"""Our own strategies as the subject: each measurement has a fresh server and fresh drivers.

Those of one condition may have their servers up together and share a driver, which turns from one
to the other.
"""

import contextlib
import dataclasses
import functools
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

from calcbench.bench.diagnosis.common_movement import common_movement
from calcbench.bench.diagnosis.evidence import ServerWatch
from calcbench.bench.diagnosis.failures import contradiction_of_totals, failure_reason
from calcbench.bench.diagnosis.warmup import series_of
from calcbench.bench.loadgen.observation import Observation
from calcbench.bench.loadgen.pool import DriverProcess
from calcbench.bench.loadgen.spec import LoadSpec, load_spec_of
from calcbench.bench.runner.subject import Setup, Subject, conclude, drive, failed, load_errors
from calcbench.bench.schema.condition import Condition
from calcbench.bench.schema.plan import Plan
from calcbench.bench.schema.result import Measurement
from calcbench.bench.system.cpus import Pinning, on_cores
from calcbench.bench.system.machine import without_paths
from calcbench.bench.system.perf import counted
from calcbench.bench.system.sampler import Sampler
from calcbench.bench.system.usage import Life, children_switches
from calcbench.bench.system.watch import Sampling
from calcbench.core.app.workload import calibrate_workload, parse_workload
from calcbench.core.errors import CalcbenchError
from calcbench.core.http.limits import Policy
from calcbench.core.options import parse_options
from calcbench.core.serving.catalogue import load, options_of, parse_variant
from calcbench.core.serving.counters import Worker
from calcbench.core.serving.ending import Stopped
from calcbench.core.serving.launcher import Server, ServerSpec, launch

SLICE_S = 0.02  # of a turn that is counted, at least
MOST_PRINTED = 1_000  # characters of what a server printed that a result keeps
Start = Callable[[ServerSpec, str], Server]


def among_strategies(plan: Plan, start: Start = launch) -> Subject:
    """Return as a subject the strategies of *plan*; raises UsageError for unknown ones.

    *start* starts a server at an address; a test may give one with something wrong.
    """
    options = {label: options_of(parse_variant(label)) for label in plan.strategies}
    policy = asdict(parse_options(Policy, plan.policy))
    for workload in plan.workloads:
        parse_workload(workload)
    return Subject(
        functools.partial(measure, start=start),
        options,
        policy,
        calibrate_workloads,
        pinned=True,
        measure_together=functools.partial(measure_together, start=start),
    )


def measure(
    setup: Setup, condition: Condition, number: int, step: int, start: Start = launch
) -> Measurement:
    """Return the measurement of *condition* in round *number*, with its samples written.

    A server that cannot start, dies, prints a traceback, answers wrongly or will not stop cleanly
    makes it a failed one. Raises CalcbenchError only when the samples cannot be written.
    """
    plan, pinning = setup.plan, setup.pinning
    if missing := unavailable(condition, number):
        return missing
    try:
        # The drivers start while the server does.
        starting = functools.partial(start, spec_of(setup, condition), plan.host)
        with setup.drivers() as drivers, counted(starting) as (server, counter):
            sampler = Sampler(server.pid, server.listener, counter)
            with Sampling([sampler], watched_cores(pinning), on=spare_cores(pinning)):
                observation = drive(drivers, load_for(plan, condition, server, pinning))
            end = stop(server)
    except (CalcbenchError, OSError) as error:
        return failed(condition, number, error)
    watch = ServerWatch(sampler.samples, end.workers, end.life, instructions_of(sampler))
    return conclude_launched(setup, condition, number, step, observation, watch, end)


def measure_together(
    setup: Setup,
    conditions: Sequence[Condition],
    number: int,
    step: int,
    start: Start = launch,
) -> list[Measurement]:
    """Return the measurements of *conditions*, whose servers are up together and take turns.

    As `measure`, for each of them: a server that fails is no failure of the others.
    """
    plan, pinning = setup.plan, setup.pinning
    done: dict[Condition, Measurement] = {}
    ends: dict[Condition, End] = {}
    with contextlib.ExitStack() as up:
        servers: dict[Condition, Server] = {}
        samplers: dict[Condition, Sampler] = {}
        for condition in conditions:
            if missing := unavailable(condition, number):
                done[condition] = missing
                continue
            try:
                starting = functools.partial(start, spec_of(setup, condition), plan.host)
                server, counter = up.enter_context(counted(starting))
                servers[condition] = server
                samplers[condition] = Sampler(server.pid, server.listener, counter)
            except (CalcbenchError, OSError) as error:
                done[condition] = failed(condition, number, error)
        if not servers:
            return [done[condition] for condition in conditions]
        loads = [load_for(plan, one, server, pinning) for one, server in servers.items()]
        try:
            watching = tuple(samplers.values())
            with Sampling(watching, watched_cores(pinning), on=spare_cores(pinning)):
                observations = drive_by_turns(loads, f"{plan.seed}/{number}/{step}")
        except (CalcbenchError, OSError) as error:
            return [done.get(one) or failed(one, number, error) for one in conditions]
        for condition, server in servers.items():
            try:
                ends[condition] = stop(server)
            except (CalcbenchError, OSError) as error:
                done[condition] = failed(condition, number, error)
    seen = dict(zip(servers, observations, strict=True))
    series = {condition: series_of(observation) for condition, observation in seen.items()}
    for place, condition in enumerate(conditions):
        if condition in ends:
            end, neighbours = ends[condition], idle_ratios(seen, condition)
            sampler = samplers[condition]
            common = common_movement([series[other] for other in seen if other != condition])
            watch = ServerWatch(
                sampler.samples, end.workers, end.life, instructions_of(sampler), neighbours, common
            )
            done[condition] = conclude_launched(
                setup, condition, number, step + place, seen[condition], watch, end
            )
    return [done[condition] for condition in conditions]


def drive_by_turns(loads: Sequence[LoadSpec], seed: str) -> list[Observation]:
    """Return what a driver sees of servers that take turns; raises LoadError where it cannot."""
    with load_errors(), DriverProcess(len(loads)) as driver:
        return driver.drive_by_turns(loads, SLICE_S, seed)


def instructions_of(sampler: Sampler) -> str:
    """Return whose instructions a *sampler* counts, nothing where none are counted."""
    return sampler.counter.of if sampler.counter else ""


def idle_ratios(seen: Mapping[Condition, Observation], condition: Condition) -> dict[str, float]:
    """Return what each but *condition* used of a core while it was not its turn."""
    return {
        other.strategy: observation.idle_cpu_ratio
        for other, observation in seen.items()
        if other != condition
    }


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
    workers = server.watch.workers() if server.watch else []
    died = server.died()
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
    return (*pinning.server, *pinning.driver) or sorted(os.sched_getaffinity(0))


def spare_cores(pinning: Pinning) -> tuple[int, ...]:
    """Return where to sample from: cores that nobody is pinned to, or else the driver's."""
    spare = os.sched_getaffinity(0) - {*pinning.server, *pinning.driver}
    return tuple(sorted(spare)) if spare and pinning.server else pinning.driver


def calibrate_workloads(plan: Plan, pinning: Pinning) -> dict[str, int]:
    """Return the units of work for each ``cpu=`` workload of *plan*, timed on the server's core."""
    costs = {text: parse_workload(text) for text in plan.workloads}
    with on_cores(pinning.server):
        return {
            text: calibrate_workload(cost.seconds)
            for text, cost in costs.items()
            if cost.kind == "cpu"
        }
