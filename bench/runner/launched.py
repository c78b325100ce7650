"""Our own strategies as the subject: each measurement has a fresh server and fresh drivers."""

import dataclasses
import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict

from calcbench.bench.diagnosis.evidence import ServerWatch
from calcbench.bench.diagnosis.failures import contradiction_of_totals, failure_reason
from calcbench.bench.loadgen.spec import LoadSpec, load_spec_of
from calcbench.bench.runner.subject import Setup, Subject, conclude, drive, failed
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
from calcbench.core.serving.launcher import Server, ServerSpec, launch

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
    measuring = functools.partial(measure, start=start)
    return Subject(measuring, options, policy, calibrate_workloads, pinned=True)


def measure(
    setup: Setup, condition: Condition, number: int, step: int, start: Start = launch
) -> Measurement:
    """Return the measurement of *condition* in round *number*, with its samples written.

    A server that cannot start, dies, prints a traceback, answers wrongly or will not stop cleanly
    makes it a failed one. Raises CalcbenchError only when the samples cannot be written.
    """
    plan, pinning = setup.plan, setup.pinning
    variant = parse_variant(condition.variant)
    unavailable = load(variant.strategy).unavailable
    if unavailable:
        return Measurement(condition, number, "unavailable", without_paths(unavailable))
    spec = ServerSpec(
        variant.strategy,
        variant.options,
        workload=condition.workload,
        cpu_units=setup.cpu_units.get(condition.workload, 0),
        policy=plan.policy,
        cpus=pinning.server,
        watched=True,
    )
    try:
        # The drivers start while the server does.
        starting = functools.partial(start, spec, plan.host)
        with setup.drivers() as drivers, counted(starting) as (server, counter):
            sampler = Sampler(server.pid, server.listener, counter)
            with Sampling([sampler], watched_cores(pinning), on=spare_cores(pinning)):
                observation = drive(drivers, load_for(plan, condition, server, pinning))
            workers = server.watch.workers() if server.watch else []
            died = server.died()
            before = children_switches()
            stopped = server.stop()
            after = children_switches()
    except (CalcbenchError, OSError) as error:
        return failed(condition, number, error)
    responses = sum(worker.responses for worker in workers)
    life = Life(after[0] - before[0], after[1] - before[1], responses)
    watch = ServerWatch(sampler.samples, workers, life, counter.of if counter else "")
    reason = failure_reason(observation, died, stopped) or contradiction_of_totals(
        observation, responses
    )
    reason = without_paths(reason)
    measurement = conclude(setup, condition, number, step, observation, watch, reason)
    printed = without_paths(stopped.printed)[:MOST_PRINTED]
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
