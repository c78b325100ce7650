"""Whole races, short ones; and all that can go wrong in one."""

import dataclasses
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

import pytest
from builders import make_calibration, make_usage
from truth import LONG_S, until

from calcbench.bench.diagnosis.failures import failure_reason
from calcbench.bench.loadgen.observation import Observation
from calcbench.bench.runner.launched import among_strategies
from calcbench.bench.runner.own_server import Start
from calcbench.bench.runner.race import Progress, race
from calcbench.bench.runner.subject import Setup, Subject
from calcbench.bench.schema.condition import Condition
from calcbench.bench.schema.judgements import JUDGEMENTS
from calcbench.bench.schema.outcomes import Outcomes
from calcbench.bench.schema.plan import CLOSE, KEEP_ALIVE, SLICES, Plan
from calcbench.bench.schema.reader import read_run
from calcbench.bench.schema.result import Measurement, Run
from calcbench.bench.schema.samples import read_samples
from calcbench.bench.system.cpus import choose_cores
from calcbench.core.errors import CalcbenchError, UsageError
from calcbench.core.serving.ending import Stopped
from calcbench.core.serving.launcher import Server, ServerSpec, launch

pytestmark = pytest.mark.slow

SHORT = Plan(
    ("selectors",), connections=(3,), duration_s=0.1, warmup_s=0.02, rounds=1, timeout_s=5.0
)


def ignore(_: Progress) -> None:
    pass


def races(plan: Plan, folder: Path, start: Start = launch) -> Run:
    return race(plan, among_strategies(plan, start), folder, ignore, "calcbench run")


# What becomes of a window of 0.1 s in which a machine stands still.
STILL = re.compile("no response came within the window|Little's law: ")


def went_on(run: Run) -> bool:
    """Tell whether the machine stood still in no measurement of *run*."""
    return not any(
        STILL.match(reason)
        for measurement in run.measurements
        for reason in (measurement.reason, *measurement.evidence.reasons)
    )


def all_served(run: Run) -> bool:
    """Tell whether all clients were served in every measurement of *run* that counts."""
    return all(
        one.status != "ok" or one.clients_served == one.condition.connections
        for one in run.measurements
    )


def race_until(
    enough: Callable[[Run], bool], plan: Plan, folder: Path, racing: Callable[[Plan, Path], Run]
) -> Run:
    """Have *plan* raced, and again in windows of twice the length until it is *enough*."""

    def measure(duration_s: float) -> Run:
        shutil.rmtree(folder, ignore_errors=True)
        return racing(dataclasses.replace(plan, duration_s=duration_s), folder)

    return until(enough, measure, plan.duration_s)


def test_measures_every_condition_in_every_round(tmp_path: Path) -> None:
    plan = dataclasses.replace(
        SHORT,
        strategies=("selectors", "threadpool:workers=4"),
        reuses=(KEEP_ALIVE, CLOSE),
        rounds=2,
        duration_s=0.25,
    )
    steps: list[Progress] = []

    def racing(plan: Plan, folder: Path) -> Run:
        steps.clear()
        return race(plan, among_strategies(plan), folder, steps.append, "calcbench run")

    run = race_until(lambda run: went_on(run) and all_served(run), plan, tmp_path, racing)
    order = [condition for number in (1, 2) for condition in plan.order(number)]

    assert [m.condition for m in run.measurements] == order
    assert [(m.status, m.reason) for m in run.measurements] == [("ok", "")] * 8
    assert [step.conditions for step in steps] == [*((one,) for one in order), ()]
    assert [step.done for step in steps] == list(range(9))
    assert steps[-1].seconds_left == 0
    for measurement in run.measurements:
        samples = read_samples(tmp_path, measurement)
        assert len(samples["outcome"]) == measurement.outcomes.ok > 0
        assert measurement.clients_served == 3
        assert measurement.elapsed_ns + measurement.warmup_ns >= 120_000_000
        assert measurement.server_cpu_ns > 0
        assert measurement.driver_cpu_ns > 0


def test_writes_all_that_one_needs_to_judge_it(tmp_path: Path) -> None:
    plan = dataclasses.replace(SHORT, strategies=("threadpool:workers=4",), policy=("max_body=99",))
    run = race(
        plan,
        among_strategies(plan),
        tmp_path / "run",
        ignore,
        "calcbench run --out /tmp/somewhere/else",
    )
    text = (tmp_path / "run" / "result.json").read_text()

    assert read_run(tmp_path / "run") == run
    assert (run.name, run.partial, run.plan) == ("run", False, plan)
    assert run.command == "calcbench run --out …/else"
    assert run.options["threadpool:workers=4"]["workers"] == 4
    assert "queue" in run.options["threadpool:workers=4"]
    assert run.policy["max_body"] == 99
    assert "head_timeout" in run.policy
    assert str(tmp_path) not in text
    assert str(Path.home()) not in text


def test_judges_every_measurement_and_says_what_it_rests_on(tmp_path: Path) -> None:
    plan = dataclasses.replace(
        SHORT, strategies=("selectors", "threadpool", "thread-per-request", "fork"), duration_s=0.3
    )
    known = make_calibration()

    def racing(plan: Plan, folder: Path) -> Run:
        return race(plan, among_strategies(plan), folder, prepare=lambda: known)

    run = race_until(lambda run: went_on(run) and all_served(run), plan, tmp_path, racing)

    assert read_run(tmp_path) == run
    assert run.calibration == known
    for measurement in run.measurements:
        evidence, usage = measurement.evidence, measurement.resource_usage
        assert usage
        assert measurement.judgement in JUDGEMENTS
        assert measurement.judgement in evidence.judgements
        assert bool(evidence.reasons) == (measurement.judgement != "server-bound")
        assert evidence.unaccounted == 0
        assert 0 < (evidence.driver_cpu_ratio or 0) <= (evidence.driver_busy_ratio or 0)
        assert (evidence.ceiling_ratio or 0) > 0
        assert measurement.warmup_ns >= 20_000_000
        assert usage.cpu_ns == measurement.server_cpu_ns
        if usage.cpu_user_ns is not None:
            assert usage.cpu_user_ns + (usage.cpu_system_ns or 0) == usage.cpu_ns
        assert usage.peak_bytes > (usage.pss_bytes or 0) / 10 > 0
        assert usage.voluntary_switches + usage.involuntary_switches > 0
        responses = sum(worker.responses for worker in usage.workers)
        assert responses >= measurement.outcomes.ok  # the rest was warm-up
        assert 0 < (usage.workers_jain or 0) <= 1
    seen = {m.condition.strategy: m.resource_usage or make_usage() for m in run.measurements}
    assert seen["selectors"].workers_counted == seen["selectors"].threads == 1
    assert 1 <= seen["fork"].processes <= 4
    assert seen["fork"].workers_counted >= 3  # a client whose connection broke has one more
    assert seen["threadpool"].threads == 9


BURN = """
import os, sys
os.sched_setaffinity(0, {int(sys.argv[1])})
print("burning", flush=True)
while os.getppid() == int(sys.argv[2]):
    sum(range(10_000))
"""


def test_sees_a_stranger_on_the_server_s_core(tmp_path: Path) -> None:
    pinning = choose_cores()
    if not pinning.server:
        pytest.skip("one core only")
    words = [sys.executable, "-c", BURN, str(pinning.server[0]), str(os.getpid())]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as burner:
        assert line(burner) == "burning"
        run = race_until(went_on, dataclasses.replace(SHORT, duration_s=0.5), tmp_path, races)
        burner.kill()
    [measurement] = run.measurements

    assert measurement.status == "ok"
    assert "contended" in measurement.evidence.judgements
    assert (measurement.evidence.other_load_ratio or 0) > 0.1
    assert any("other programs used" in sentence for sentence in measurement.evidence.reasons)


def test_calls_invalid_what_could_not_be_measured(tmp_path: Path) -> None:
    def start(spec: ServerSpec, host: str) -> Server:
        server = launch(spec, host)
        os.write(server.output.fileno(), b"Traceback (most recent call last):\nKeyError: 1\n")
        return server

    [measurement] = races(SHORT, tmp_path, start).measurements

    assert (measurement.status, measurement.judgement) == ("failed", "invalid")
    assert measurement.evidence.reasons[0] == "the server printed a traceback: KeyError: 1"


def test_says_that_one_core_pins_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    run = race_until(went_on, SHORT, tmp_path, races)

    assert run.pinning.server == run.pinning.driver == ()
    assert "one core" in run.pinning.note
    assert run.measurements[0].status == "ok"


def test_calibrates_computing_once_for_a_run(tmp_path: Path) -> None:
    specs: list[ServerSpec] = []

    def start(spec: ServerSpec, host: str) -> Server:
        specs.append(spec)
        return launch(spec, host)

    before = os.sched_getaffinity(0)
    run = races(dataclasses.replace(SHORT, workloads=("cpu=1ms",), rounds=2), tmp_path, start)

    assert run.cpu_units["cpu=1ms"] > 0
    assert [spec.cpu_units for spec in specs] == [run.cpu_units["cpu=1ms"]] * 2
    assert [spec.cpus for spec in specs] == [run.pinning.server] * 2
    assert os.sched_getaffinity(0) == before


def test_reports_clients_that_are_never_served(tmp_path: Path) -> None:
    plan = dataclasses.replace(SHORT, strategies=("blocking:keepalive=hold",))
    run = race_until(went_on, plan, tmp_path, races)

    assert run.measurements[0].status == "ok"
    assert run.measurements[0].clients_served == 1
    assert run.measurements[0].in_flight == 3


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (dataclasses.replace(SHORT, strategies=("selector",)), "did you mean 'selectors'"),
        (dataclasses.replace(SHORT, strategies=("threadpool:worker=4",)), "did you mean 'workers'"),
        (dataclasses.replace(SHORT, workloads=("ad",)), "did you mean 'add'"),
        (dataclasses.replace(SHORT, policy=("max_boddy=1",)), "did you mean 'max_body'"),
    ],
)
def test_refuses_what_does_not_exist_before_it_writes(
    plan: Plan, message: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=message):
        races(plan, tmp_path / "run")

    assert not (tmp_path / "run").exists()


def never(*_: object) -> NoReturn:
    raise AssertionError("this was not to be called")


def test_finds_out_that_it_cannot_write_before_it_races(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CalcbenchError, match="cannot write to"):
        race(SHORT, Subject(never, {}), tmp_path / "file")


def test_stops_when_it_can_write_no_more(tmp_path: Path) -> None:
    real = among_strategies(SHORT)

    def measure(setup: Setup, condition: Condition, number: int, step: int) -> Measurement:
        (setup.folder / "samples").rmdir()
        return real.measure(setup, condition, number, step)

    subject = dataclasses.replace(real, measure=measure)
    with pytest.raises(CalcbenchError, match=r"cannot write .*/samples/0001.*: No such file"):
        race(SHORT, subject, tmp_path)

    assert list(tmp_path.iterdir()) == []
    assert offspring(os.getpid()) == []


def offspring(pid: int) -> list[int]:
    """Return the processes that descend from *pid*."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has just ended
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    family = [pid]
    for member in family:
        family += [child for child, parent in parents.items() if parent == member]
    return family[1:]


def wait_for_the_end_of(pidfds: list[int]) -> None:
    """Return when every process of *pidfds* has ended; the time-out of the test is the limit."""
    for pidfd in pidfds:
        select.select([pidfd], [], [])
        os.close(pidfd)


LAME = """
from calcbench.core.serving.catalogue import has
REQUIRES = (has("os", "spoon"),)
def serve(listener, service, options, stop): ...
"""


def test_records_a_strategy_that_is_unavailable(strategies_folder: Path, tmp_path: Path) -> None:
    (strategies_folder / "lame.py").write_text(LAME)
    run = races(dataclasses.replace(SHORT, strategies=("lame",)), tmp_path / "run", never)

    assert [(m.status, m.reason) for m in run.measurements] == [("unavailable", "needs os.spoon")]
    assert read_run(tmp_path / "run") == run


def test_records_a_server_that_does_not_start(tmp_path: Path) -> None:
    def start(_: ServerSpec, host: str) -> Server:
        raise CalcbenchError("it died at its start: no module in /usr/lib/somewhere/x.py")

    [measurement] = races(SHORT, tmp_path, start).measurements

    assert measurement.status == "failed"
    assert measurement.reason == "it died at its start: no module in …/x.py"
    assert measurement.samples == ""
    assert offspring(os.getpid()) == []


def test_records_a_server_that_dies(tmp_path: Path) -> None:
    def start(spec: ServerSpec, host: str) -> Server:
        server = launch(spec, host)
        os.kill(server.pid, signal.SIGKILL)
        return server

    [measurement] = races(SHORT, tmp_path, start).measurements

    assert measurement.status == "failed"
    assert measurement.reason == "the server was killed by SIGKILL while it was measured"
    assert measurement.outcomes.ok == 0
    assert read_samples(tmp_path, measurement)["outcome"].size == measurement.outcomes.total


GOOD = Outcomes(ok=9)
CLEAN = Stopped(0, False, "")


@pytest.mark.parametrize(
    ("outcomes", "died", "stopped", "reason"),
    [
        (GOOD, False, CLEAN, ""),
        (Outcomes(ok=1, http_error=1, refused=1, reset=1, timed_out=1), False, CLEAN, ""),
        (
            GOOD,
            True,
            Stopped(1, False, "x\nE: no"),
            "status 1 while it was measured: E: no",
        ),
        (GOOD, True, Stopped(1, False, "x\nbye", "E: no"), "while it was measured: E: no"),
        (GOOD, True, Stopped(-11, False), "the server was killed by SIGSEGV while it was measured"),
        (GOOD, False, Stopped(-9, True, ""), "the server did not stop when asked to"),
        (GOOD, False, Stopped(3, False, ""), "the server ended with status 3"),
        (GOOD, False, Stopped(0, False, "one\ntwo"), ""),
        (GOOD, False, Stopped(0, False, "x\ny", "E: no"), "the server printed a traceback: E: no"),
        (Outcomes(ok=9, wrong=1), False, CLEAN, "1 wrong response among 10"),
        (
            Outcomes(refused=1, reset=2),
            False,
            CLEAN,
            "within the window of 2.00 s: 1 refused and 2 reset",
        ),
        (Outcomes(), False, CLEAN, ""),  # whoever serves nobody has been measured all the same
        (Outcomes(reset=2, timed_out=1), False, CLEAN, ""),
    ],
)
def test_says_why_a_measurement_does_not_count(
    outcomes: Outcomes, died: bool, stopped: Stopped, reason: str
) -> None:
    found = failure_reason(
        Observation(2_000_000_000, outcomes, 1, (0,) * 3, 1, 1, {}), died, stopped
    )

    assert reason in found
    assert bool(found) == bool(reason)


HARNESS = """
import dataclasses
import sys
from pathlib import Path
from calcbench.bench.loadgen.pool import Drivers
from calcbench.bench.runner.launched import among_strategies
from calcbench.bench.runner.race import Interrupted, race
from calcbench.bench.schema.plan import Plan

drive = Drivers.drive
lengths = map(float, sys.argv[2:])

def announce(self, spec):
    print("driving", flush=True)
    return drive(self, dataclasses.replace(spec, duration_s=next(lengths)))

Drivers.drive = announce
plan = Plan(("selectors", "fork"), connections=(2,), warmup_s=0)
try:
    race(plan, among_strategies(plan), Path(sys.argv[1]), lambda step: None, "calcbench run")
except Interrupted as stopped:
    print(stopped.exit_status, len(stopped.run.measurements), stopped, flush=True)
"""


@contextmanager
def harness(folder: Path, *durations_s: float) -> Iterator["subprocess.Popen[bytes]"]:
    """Race in a process of its own, which says each time that a driver gets its load.

    The windows are of *durations_s*, one after the other.
    """
    command = [sys.executable, "-P", "-c", HARNESS, str(folder), *map(str, durations_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, process_group=0) as process:
        try:
            yield process
        finally:
            process.kill()


def line(process: "subprocess.Popen[bytes]") -> str:
    assert process.stdout
    return process.stdout.readline().decode().strip()


def test_writes_what_there_is_when_interrupted(tmp_path: Path) -> None:
    with harness(tmp_path, 1.0, LONG_S) as process:
        assert [line(process), line(process)] == ["driving", "driving"]
        left = [os.pidfd_open(pid) for pid in offspring(process.pid)]
        process.send_signal(signal.SIGINT)
        said = line(process)

        assert said == f"130 1 stopped; what was measured is in {tmp_path}"
        assert process.wait() == 0
    run = read_run(tmp_path)

    assert run.partial
    [first] = run.measurements
    assert first.status == "ok" or STILL.search(first.reason)
    assert len(left) >= 2
    wait_for_the_end_of(left)
    assert not list(tmp_path.rglob("*.part"))


def test_takes_server_and_driver_with_it_when_killed(tmp_path: Path) -> None:
    with harness(tmp_path, LONG_S) as process:
        assert line(process) == "driving"
        left = [os.pidfd_open(pid) for pid in offspring(process.pid)]
        process.kill()

    assert len(left) >= 2
    wait_for_the_end_of(left)
    assert not (tmp_path / "result.json").exists()


def test_replays_its_order_from_the_recorded_plan(tmp_path: Path) -> None:
    races(dataclasses.replace(SHORT, strategies=("selectors", "blocking"), seed=5), tmp_path)
    recorded: dict[str, Any] = json.loads((tmp_path / "result.json").read_text())
    plan = read_run(tmp_path).plan

    assert [Condition(**m["condition"]) for m in recorded["measurements"]] == plan.order(1)


def test_keeps_beside_each_what_the_others_did_in_their_slices(tmp_path: Path) -> None:
    plan = dataclasses.replace(
        SHORT, strategies=("selectors", "fork"), duration_s=0.4, interleave=SLICES
    )
    seen = [measurement.evidence for measurement in races(plan, tmp_path / "run").measurements]
    kept = [measurement.evidence for measurement in read_run(tmp_path / "run").measurements]

    assert kept == seen
    for one, other in (seen, seen[::-1]):
        in_slices = (one.slices or 0) > 1 and (other.slices or 0) > 1
        known = bool(one.series and other.series and in_slices)
        assert len(one.common_movement) == len(one.series) * known
