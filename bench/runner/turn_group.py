"""Our own servers of one condition by turns: up together, with one driver that serves each in turn.

They are started and stopped at the same time. What goes wrong with one of them is its own failure.
"""

import contextlib
import functools
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from calcbench.bench.diagnosis.common_movement import common_movement
from calcbench.bench.diagnosis.evidence import ServerWatch
from calcbench.bench.diagnosis.warmup import series_of
from calcbench.bench.loadgen.observation import Observation
from calcbench.bench.loadgen.pool import DriverProcess
from calcbench.bench.runner.own_server import (
    End,
    Start,
    ask_to_stop,
    conclude_launched,
    end_of,
    instructions_of,
    load_for,
    spare_cores,
    spec_of,
    unavailable,
    watched_cores,
)
from calcbench.bench.runner.subject import Setup, failed, load_errors
from calcbench.bench.schema.condition import Condition
from calcbench.bench.schema.result import Measurement
from calcbench.bench.schema.turns import SLICE_S
from calcbench.bench.system.perf import counted
from calcbench.bench.system.sampler import Sampler
from calcbench.bench.system.watch import Sampling
from calcbench.core.errors import CalcbenchError
from calcbench.core.serving.launcher import Server, launch


def measure_together(
    setup: Setup,
    conditions: Sequence[Condition],
    number: int,
    step: int,
    start: Start = launch,
    slice_s: float = SLICE_S,
) -> Iterator[Measurement]:
    """Yield the measurements of *conditions*, whose servers are up together and take turns.

    As `measure`, for each of them: a server that fails is no failure of the others. Slices take
    *slice_s* at least. All end together; then they are judged and written one by one, and what
    goes wrong with one takes none from before.
    """
    missing = {one: found for one in conditions if (found := unavailable(one, number))}
    able = [condition for condition in conditions if condition not in missing]
    seen: dict[Condition, Seen | Exception] = {}
    if able:
        seed = f"{setup.plan.seed}/{number}/{step}"
        try:
            seen = see_together(setup, able, start, slice_s, seed)
        except (CalcbenchError, OSError) as error:
            seen = dict.fromkeys(able, error)
    for place, condition in enumerate(conditions):
        one = seen.get(condition)
        if one is None:
            yield missing[condition]
        elif isinstance(one, Exception):
            yield failed(condition, number, one)
        else:
            yield conclude_launched(
                setup, condition, number, step + place, one.observation, one.watch, one.end
            )


@dataclass(frozen=True)
class Seen:
    """What was seen of a server that took turns, from outside and to its end."""

    observation: Observation
    watch: ServerWatch
    end: End


def see_together(
    setup: Setup,
    conditions: Sequence[Condition],
    start: Start,
    slice_s: float,
    seed: str,
) -> dict[Condition, Seen | Exception]:
    """Return what is seen of the servers of *conditions*, or what goes wrong with one of them.

    Raises CalcbenchError or OSError for what goes wrong with all of them.
    """
    pinning = setup.pinning
    with contextlib.ExitStack() as up:
        with load_errors():
            driver = up.enter_context(DriverProcess(len(conditions)))  # starts while they do
        started = start_together(up, setup, conditions, start)
        errors = {one: found for one, found in started.items() if isinstance(found, Exception)}
        servers = {one: found for one, found in started.items() if isinstance(found, Watched)}
        if not servers:
            return {**errors}
        loads = [
            load_for(setup.plan, condition, one.server, pinning)
            for condition, one in servers.items()
        ]
        samplers = [one.sampler for one in servers.values()]
        with Sampling(samplers, watched_cores(pinning), on=spare_cores(pinning)), load_errors():
            observations = driver.drive_by_turns(loads, slice_s, seed)
        ends = stop_together({one: found.server for one, found in servers.items()})
    observed = dict(zip(servers, observations, strict=True))
    series = {condition: series_of(observation) for condition, observation in observed.items()}
    seen: dict[Condition, Seen | Exception] = {**errors}
    for condition, end in ends.items():
        if isinstance(end, Exception):
            seen[condition] = end
            continue
        sampler, neighbours = servers[condition].sampler, idle_ratios(observed, condition)
        common = common_movement([series[other] for other in observed if other != condition])
        watch = ServerWatch(
            sampler.samples, end.workers, end.life, instructions_of(sampler), neighbours, common
        )
        seen[condition] = Seen(observed[condition], watch, end)
    return seen


@dataclass(frozen=True)
class Watched:
    """A server that is up, and who samples it."""

    server: Server
    sampler: Sampler


def start_together(
    up: contextlib.ExitStack,
    setup: Setup,
    conditions: Sequence[Condition],
    start: Start,
) -> dict[Condition, Watched | Exception]:
    """Start the servers of *conditions* at the same time, and return them, or why one does not.

    Leaving *up* ends them.
    """

    def start_one(condition: Condition) -> Watched:
        starting = functools.partial(start, spec_of(setup, condition), setup.plan.host)
        server, counter = up.enter_context(counted(starting))  # one append: threads may share it
        return Watched(server, Sampler(server.pid, server.listener, counter))

    servers: dict[Condition, Watched | Exception] = {}
    with ThreadPoolExecutor(len(conditions), "start") as executor:  # a Ctrl-C waits for them, too
        started = {one: executor.submit(start_one, one) for one in conditions}
        for condition, future in started.items():
            try:
                servers[condition] = future.result()
            except (CalcbenchError, OSError) as error:
                servers[condition] = error
    return servers


def stop_together(servers: Mapping[Condition, Server]) -> dict[Condition, End | Exception]:
    """Stop *servers* at the same time, and return how each of them ended, or why it does not."""
    lives = {condition: ask_to_stop(server) for condition, server in servers.items()}
    ends: dict[Condition, End | Exception] = {}
    for condition, server in servers.items():
        try:
            ends[condition] = end_of(server, *lives[condition])
        except (CalcbenchError, OSError) as error:
            ends[condition] = error
    return ends


def idle_ratios(seen: Mapping[Condition, Observation], condition: Condition) -> dict[str, float]:
    """Return what each but *condition* used of a core while it was not its turn."""
    return {
        other.strategy: observation.idle_cpu_ratio
        for other, observation in seen.items()
        if other != condition
    }
