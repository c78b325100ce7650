"""Our own strategies as the subject: each measurement has a fresh server and fresh drivers.

Those of one condition may also take turns: `calcbench.bench.runner.turn_group`.
"""

import functools
from dataclasses import asdict

from calcbench.bench.diagnosis.evidence import ServerWatch
from calcbench.bench.runner.own_server import (
    Start,
    conclude_launched,
    instructions_of,
    load_for,
    spare_cores,
    spec_of,
    stop,
    unavailable,
    watched_cores,
)
from calcbench.bench.runner.subject import Setup, Subject, drive, failed
from calcbench.bench.runner.turn_group import measure_together
from calcbench.bench.schema.condition import Condition
from calcbench.bench.schema.plan import Plan
from calcbench.bench.schema.result import Measurement
from calcbench.bench.system.cpus import Pinning, on_cores
from calcbench.bench.system.perf import counted
from calcbench.bench.system.sampler import Sampler
from calcbench.bench.system.watch import Sampling
from calcbench.core.app.workload import calibrate_workload, parse_workload
from calcbench.core.errors import CalcbenchError
from calcbench.core.http.limits import Policy
from calcbench.core.options import parse_options
from calcbench.core.serving.catalogue import options_of, parse_variant
from calcbench.core.serving.launcher import launch


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


def calibrate_workloads(plan: Plan, pinning: Pinning) -> dict[str, int]:
    """Return the units of work for each ``cpu=`` workload of *plan*, timed on the server's core."""
    costs = {text: parse_workload(text) for text in plan.workloads}
    with on_cores(pinning.server):
        return {
            text: calibrate_workload(cost.seconds)
            for text, cost in costs.items()
            if cost.kind == "cpu"
        }
