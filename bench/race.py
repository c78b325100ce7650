"""The race: every condition in every round, each with a fresh server and a fresh driver.

The order within a round is drawn anew from the seed, so that strategies are interleaved and a
disturbance of the machine does not always hit the same one. Whatever goes wrong with a server
makes a failed measurement with a reason; only a result that cannot be written ends the race.
"""

import contextlib
import dataclasses
import datetime
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calcbench.bench.analysis.stopping import enough
from calcbench.bench.diagnosis.evidence import Observed, assess
from calcbench.bench.diagnosis.failures import trouble, trouble_of_totals
from calcbench.bench.loadgen.observation import Driven
from calcbench.bench.loadgen.pool import Drivers
from calcbench.bench.loadgen.spec import Drive, load_of
from calcbench.bench.schema.judgements import INVALID
from calcbench.bench.schema.plan import Condition, Plan
from calcbench.bench.schema.result import (
    SCHEMA_VERSION,
    Measurement,
    Run,
    prepare_folder,
    write_run,
)
from calcbench.bench.schema.samples import write_samples
from calcbench.bench.system.cpus import Pinning, choose_cores, on_cores
from calcbench.bench.system.machine import describe_machine, describe_versions, without_paths
from calcbench.bench.system.sampler import Sampler, Sampling
from calcbench.bench.system.usage import Life, children_switches
from calcbench.core.app.workload import calibrate, parse_workload
from calcbench.core.errors import CalcbenchError
from calcbench.core.http.limits import Policy
from calcbench.core.options import parse_options
from calcbench.core.serving.catalogue import load, options_of, parse_variant
from calcbench.core.serving.launcher import Server, ServerSpec, launch

if TYPE_CHECKING:
    from calcbench.bench.loadgen.locust.cluster import Swarm

AROUND_S = 0.5  # to start and stop a server and its driver: a first guess, until it is known


@dataclass(frozen=True)
class Progress:
    """Where a race is: *done* of *total* measurements, and which one is next, None at the end."""

    done: int
    total: int
    condition: Condition | None
    round: int
    seconds_left: float


class Interrupted(CalcbenchError):  # noqa: N818  # the user asked for it
    """The user stopped the race; *run* is what had been measured, and it has been written."""

    exit_status = 130

    def __init__(self, run: Run, folder: Path) -> None:
        super().__init__(f"stopped; what there is lies in {folder}")
        self.run = run


@dataclass(frozen=True)
class Setup:
    """What all measurements of a race share; without a *swarm* each has drivers of its own."""

    plan: Plan
    folder: Path
    pinning: Pinning
    cpu_units: dict[str, int]
    calibration: Mapping[str, Any] = field(default_factory=dict)
    swarm: "Swarm | None" = None

    def drivers(self) -> "contextlib.AbstractContextManager[Drivers | Swarm]":
        """Return who drives one measurement."""
        if self.swarm:
            return contextlib.nullcontext(self.swarm)
        return Drivers(self.plan.drivers, self.plan.engine)


@dataclass(frozen=True)
class Contest:
    """Who races: how one of them is measured, and what is recorded of all, by their labels.

    *pinned* says whether servers and drivers are given cores of their own.
    """

    measure: Callable[[Setup, Condition, int, int], Measurement]
    options: Mapping[str, dict[str, Any]]
    policy: Mapping[str, Any] = field(default_factory=dict)
    calibrate: Callable[[Plan, Pinning], dict[str, int]] = lambda *_: {}
    pinned: bool = False


def among_strategies(plan: Plan) -> Contest:
    """Return the contest among the strategies of *plan*; raises UsageError for unknown ones."""
    options = {label: options_of(parse_variant(label)) for label in plan.strategies}
    policy = asdict(parse_options(Policy, plan.policy))
    for workload in plan.workloads:
        parse_workload(workload)
    return Contest(measure, options, policy, calibrate_workloads, pinned=True)


def race(
    plan: Plan,
    out: Path,
    progress: Callable[[Progress], None] = lambda _: None,
    command: str = "",
    prepare: Callable[[], Mapping[str, Any]] = dict,
    contest: "Contest | None" = None,
    swarm: "Swarm | None" = None,
) -> Run:
    """Race as *plan* says, write the result to the folder *out*, and return it.

    Without a *contest* it is among our strategies, each of which is started for it.

    *progress* is called before each measurement and once at the end; *command* is recorded.
    *prepare* is called when nothing can stand against the race any more; it returns the driver's
    calibration, by which it is seen how near it comes to its ceiling. A *swarm* drives instead of
    drivers of each measurement's own.
    Raises UsageError for a plan that names what does not exist, CalcbenchError when *out*
    cannot be written (before the race, if that can be known), and Interrupted for a Ctrl-C.
    """
    contest = contest or among_strategies(plan)
    prepare_folder(out)
    pinning = pinning_of(plan, contest)
    started = now()
    cpu_units: dict[str, int] = {}
    calibration: dict[str, Any] = {}
    measurements: list[Measurement] = []

    def so_far() -> Run:
        return Run(
            schema_version=SCHEMA_VERSION,
            name=out.resolve().name,
            command=without_paths(command),
            started=started,
            finished=now(),
            partial=len(measurements) < plan.total,
            plan=plan,
            machine=describe_machine(),
            versions=describe_versions() | (swarm.versions if swarm else {}),
            measurements=tuple(measurements),
            options=dict(contest.options),
            policy=dict(contest.policy),
            cpu_units=cpu_units,
            pinning=pinning,
            calibration=calibration,
        )

    try:
        calibration |= prepare()
        cpu_units |= contest.calibrate(plan, pinning)
        setup = Setup(plan, out, pinning, cpu_units, calibration, swarm)
        for step, condition, number in announced(plan, progress, measurements):
            measurements.append(contest.measure(setup, condition, number, step))
        run = so_far()
        write_run(run, out)
    except KeyboardInterrupt:
        run = so_far()
        write_run(run, out)
        raise Interrupted(run, out) from None
    return run


def pinning_of(plan: Plan, contest: Contest) -> Pinning:
    """Return the cores for those who race; a driver on another machine has none of ours."""
    pinning = choose_cores() if contest.pinned else Pinning()
    return dataclasses.replace(pinning, driver=()) if plan.join else pinning


def announced(
    plan: Plan, progress: Callable[[Progress], None], measurements: Sequence[Measurement]
) -> Iterator[tuple[int, Condition, int]]:
    """Yield each measurement to make, as its number, condition and round; tell *progress*.

    *measurements* are those that have been made by then: a plan with a precision goes on, round
    after round, until they are enough.
    """
    begin = time.monotonic()
    each_s = plan.warmup_s + plan.duration_s + AROUND_S
    done = number = 0
    while number < plan.rounds or not enough(plan, measurements):
        number += 1
        total = max(plan.total, len(plan.conditions()) * number)
        for condition in plan.order(number):
            if done:
                each_s = (time.monotonic() - begin) / done
            progress(Progress(done, total, condition, number, (total - done) * each_s))
            yield done, condition, number
            done += 1
    progress(Progress(done, done, None, number, 0))


def measure(setup: Setup, condition: Condition, number: int, step: int) -> Measurement:
    """Return the measurement of *condition* in round *number*, with its samples written.

    A server that cannot start, dies, complains, answers wrongly or will not stop cleanly makes
    it a failed one. Raises CalcbenchError only when the samples cannot be written.
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
        with (
            setup.drivers() as drivers,
            launch(spec, plan.host) as server,
        ):  # the drivers start meanwhile
            with Sampling(sampler_of(server, pinning), cores=spare_cores(pinning)) as sampling:
                driven = drivers.drive(drive_of(plan, condition, server, pinning))
            workers = server.watch.workers() if server.watch else []
            died = server.died()
            before = children_switches()
            stopped = server.stop()
            after = children_switches()
    except (CalcbenchError, OSError) as error:
        return Measurement(
            condition, number, "failed", without_paths(str(error)), judgement=INVALID
        )
    answers = sum(worker.answers for worker in workers)
    life = Life(after[0] - before[0], after[1] - before[1], answers)
    seen = Observed(sampling.samples, workers, life)
    reason = trouble(driven, died, stopped) or trouble_of_totals(driven, answers)
    reason = without_paths(reason)
    return conclude(setup, condition, number, step, driven, seen, reason)


def conclude(
    setup: Setup,
    condition: Condition,
    number: int,
    step: int,
    driven: Driven,
    seen: Observed,
    reason: str,
) -> Measurement:
    """Return the measurement of *condition*, judged, with its samples written.

    *reason* is why it does not count, if it does not. Raises CalcbenchError when the samples
    cannot be written.
    """
    plan, pinning = setup.plan, setup.pinning
    assessed = assess(driven, seen, condition, pinning, setup.calibration, reason)
    reason = reason or driven.excuse
    if assessed.judgement.name == INVALID:
        reason = reason or assessed.judgement.why[0]
    driven = assessed.driven
    evidence = assessed.evidence | driven.details
    if driven.seen_answers >= 0 and seen.workers:
        evidence["server_answers"] = seen.life.answers
    words = f"{condition.strategy} {condition.workload} {condition.reuse} {condition.connections}"
    name = f"samples/{step + 1:04d}-{re.sub(r'[^a-z0-9]+', '-', words.lower()).strip('-')}.npz"
    write_samples(setup.folder, name, driven.columns)
    return Measurement(
        condition,
        number,
        "failed" if reason else "ok",
        reason,
        elapsed_ns=driven.elapsed_ns,
        outcomes=driven.outcomes,
        clients_served=driven.clients_served,
        in_flight=driven.in_flight,
        samples=name,
        server_cpu_ns=driven.server_cpu_ns,
        driver_cpu_ns=driven.driver_cpu_ns,
        judgement=assessed.judgement.name,
        evidence=evidence,
        resources=assessed.resources,
        warmup_ns=round(plan.warmup_s * 1e9) + assessed.cut_ns,
        offered_per_s=driven.offered_per_s,
    )


def drive_of(plan: Plan, condition: Condition, server: Server, pinning: Pinning) -> Drive:
    """Return the load for *server* under *condition*."""
    return load_of(
        plan,
        condition,
        host=server.host,
        port=server.port,
        cpus=pinning.driver,
        server_group=server.pid,
    )


def sampler_of(server: Server, pinning: Pinning) -> Sampler:
    """Return what looks at *server*, and at the cores in the order that `evidence` expects."""
    cores = (*pinning.server, *pinning.driver) or sorted(os.sched_getaffinity(0))
    return Sampler(server.pid, cores, server.listener)


def spare_cores(pinning: Pinning) -> tuple[int, ...]:
    """Return where to look on from: cores that nobody is pinned to, or else the driver's."""
    spare = os.sched_getaffinity(0) - {*pinning.server, *pinning.driver}
    return tuple(sorted(spare)) if spare and pinning.server else pinning.driver


def calibrate_workloads(plan: Plan, pinning: Pinning) -> dict[str, int]:
    """Return the units of work for each ``cpu=`` workload of *plan*, timed on the server's core."""
    costs = {text: parse_workload(text) for text in plan.workloads}
    with on_cores(pinning.server):
        return {text: calibrate(cost.seconds) for text, cost in costs.items() if cost.kind == "cpu"}


def now() -> str:
    """Return this second with its offset from UTC, as ISO 8601 writes it."""
    return datetime.datetime.now().astimezone().isoformat(timespec="seconds")
