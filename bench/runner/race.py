"""The race: every condition in every round.

The order within a round is drawn anew from the seed, so that strategies are interleaved and a
disturbance of the machine does not always hit the same one. Those that differ in the strategy alone
may be measured together, by turns. Whatever goes wrong with a server makes a failed measurement
with a reason; only a result that cannot be written ends the race. Each measurement is safe on disk
as soon as it has been judged, those that took turns one after the other, so whatever ends a race
takes none of them.
"""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from calcbench.bench.analysis.rounds import Rounds
from calcbench.bench.analysis.stopping import enough
from calcbench.bench.diagnosis.ceiling import Recalibrate, reconsider
from calcbench.bench.runner.forecast import seconds_of_measurement
from calcbench.bench.runner.subject import Setup, Subject
from calcbench.bench.schema.calibration import Calibration
from calcbench.bench.schema.condition import Condition
from calcbench.bench.schema.plan import Plan
from calcbench.bench.schema.result import Measurement, Run
from calcbench.bench.schema.store import Journal, prepare_folder, write_run
from calcbench.bench.schema.turns import restless
from calcbench.bench.schema.upgrade import SCHEMA_VERSION
from calcbench.bench.system.cpus import Pinning, choose_cores
from calcbench.bench.system.machine import (
    describe_machine,
    describe_versions,
    timestamp,
    without_paths,
)
from calcbench.bench.units import as_text
from calcbench.core.errors import CalcbenchError

if TYPE_CHECKING:
    from calcbench.bench.loadgen.locust.cluster import Cluster


@dataclass(frozen=True)
class Progress:
    """Where a race is: *done* of *total* measurements, and which are next, none at the end."""

    done: int
    total: int
    conditions: tuple[Condition, ...]
    round: int
    seconds_left: float


class Interrupted(CalcbenchError):  # noqa: N818  # the user asked for it
    """The user stopped the race; *run* is what had been measured, and it has been written."""

    exit_status = 130

    def __init__(self, run: Run, folder: Path) -> None:
        super().__init__(f"stopped; what was measured is in {folder}")
        self.run = run


def race(
    plan: Plan,
    subject: Subject,
    out: Path,
    progress: Callable[[Progress], None] = lambda _: None,
    command: str = "",
    prepare: Callable[[], Calibration | None] = lambda: None,
    cluster: "Cluster | None" = None,
    recalibrate: Recalibrate = lambda *_: None,
) -> Run:
    """Race the *subject* as *plan* says, write the result to the folder *out*, and return it.

    *progress* is called before each measurement, or all that take turns, and once at the end;
    *command* is recorded.
    *prepare* is called when nothing can stand against the race any more; it returns the driver's
    calibration, by which it is seen how near it comes to its ceiling, or None. Where a point goes
    beyond that, *recalibrate* is called at the end, and all are judged by what it returns. A
    *cluster* drives instead of drivers of each measurement's own.
    Raises UsageError for a plan that names what does not exist, CalcbenchError when *out*
    cannot be written (before the race, if that can be known), and Interrupted for a Ctrl-C.
    Whatever else ends it leaves a result of what was measured, too.
    """
    prepare_folder(out)
    pinning = pinning_of(plan, subject)
    started = timestamp()
    cpu_units: dict[str, int] = {}
    calibration: Calibration | None = None
    measurements: list[Measurement] = []
    whole = False

    def so_far() -> Run:
        return Run(
            schema_version=SCHEMA_VERSION,
            name=as_text(out.resolve().name),
            command=without_paths(as_text(command)),
            started=started,
            finished=timestamp(),
            partial=not whole,
            plan=plan,
            machine=describe_machine(),
            versions=describe_versions() | (cluster.versions if cluster else {}),
            measurements=tuple(measurements),
            options=dict(subject.options),
            policy=dict(subject.policy),
            cpu_units=cpu_units,
            pinning=pinning,
            calibration=calibration,
        )

    with Journal(out) as journal:
        try:
            calibration = prepare()
            cpu_units |= subject.calibrate(plan, pinning)
            journal.begin(so_far())
            setup = Setup(plan, out, pinning, cpu_units, calibration, cluster)
            for conditions, number in announced(plan, progress, measurements, Rounds(out)):
                step = len(measurements)
                for measurement in measure_group(subject, setup, conditions, number, step):
                    measurements.append(measurement)
                    journal.keep(measurement)
            measurements[:], calibration = reconsider(measurements, calibration, recalibrate)
            whole = True
            run = so_far()
            write_run(run, out)
        except KeyboardInterrupt:
            run = so_far()
            write_run(run, out)
            raise Interrupted(run, out) from None
        except BaseException:
            del measurements[journal.kept :]  # one that cannot be written
            # The first error is the one to tell; and the journal has every measurement.
            with contextlib.suppress(CalcbenchError):
                if measurements:
                    write_run(so_far(), out)
            raise
    return run


def pinning_of(plan: Plan, subject: Subject) -> Pinning:
    """Return the cores for those who race; a driver on another machine has none of ours."""
    pinning = choose_cores() if subject.pinned else Pinning()
    return dataclasses.replace(pinning, driver=()) if plan.join else pinning


def measure_group(
    subject: Subject, setup: Setup, conditions: Sequence[Condition], number: int, step: int
) -> Iterator[Measurement]:
    """Yield the measurements of *conditions* in round *number* as they end; several take turns."""
    if len(conditions) > 1 and subject.measure_together:
        yield from subject.measure_together(setup, conditions, number, step)
        return
    for place, condition in enumerate(conditions):
        yield subject.measure(setup, condition, number, step + place)


def announced(
    plan: Plan,
    progress: Callable[[Progress], None],
    measurements: Sequence[Measurement],
    figures: Rounds,
) -> Iterator[tuple[list[Condition], int]]:
    """Yield what to measure next, the conditions that take turns and the round; tell *progress*.

    *measurements* are those that have been made by then, and *figures* what their samples say: a
    plan with a precision goes on, round after round, until they are enough. A strategy that
    computes while it is not its turn has disturbed the others, and takes no more turns from the
    next round on.
    """
    begin = time.monotonic()
    each_s = seconds_of_measurement(plan)
    done = number = 0
    while number < plan.rounds or not enough(plan, measurements, figures):
        number += 1
        total = max(plan.total, len(plan.conditions()) * number)
        for conditions in plan.groups(number, alone=restless(measurements)):
            if done:
                each_s = (time.monotonic() - begin) / done
            progress(Progress(done, total, tuple(conditions), number, (total - done) * each_s))
            yield conditions, number
            done += len(conditions)
    progress(Progress(done, done, (), number, 0))
