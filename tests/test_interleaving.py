"""Who takes turns with whom, what is said of it, and a whole race by turns."""

import dataclasses
import errno
import itertools
import os
import signal
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from builders import make_condition, make_measurement, make_observation, make_row, make_run
from truth import LONG_S

from calcbench.bench.analysis.spread import spread
from calcbench.bench.analysis.summary import Row
from calcbench.bench.diagnosis.classify import classify
from calcbench.bench.diagnosis.evidence import ServerWatch
from calcbench.bench.diagnosis.failures import is_servers_failure
from calcbench.bench.loadgen.pool import DriverProcess
from calcbench.bench.runner import turn_group
from calcbench.bench.runner.launched import among_strategies
from calcbench.bench.runner.own_server import End
from calcbench.bench.runner.race import Interrupted, race
from calcbench.bench.runner.subject import Setup, Subject
from calcbench.bench.runner.turn_group import Seen
from calcbench.bench.schema.condition import Condition
from calcbench.bench.schema.evidence import Evidence
from calcbench.bench.schema.judgements import CONTENDED, SERVER_BOUND
from calcbench.bench.schema.outcomes import Outcomes
from calcbench.bench.schema.plan import (
    CLOSE,
    KEEP_ALIVE,
    LOCUST,
    SLICES,
    TOO_MANY_FOR_TURNS,
    WINDOWS,
    WRK,
    Plan,
)
from calcbench.bench.schema.reader import read_run
from calcbench.bench.schema.result import Measurement, Run
from calcbench.bench.system.usage import Life
from calcbench.bench.views.interleaving import (
    ALONE,
    LOUD,
    NO_WARMUP,
    SHORT,
    SLOW,
    STRANGERS,
    UNSEEN,
    interleaving_legend,
    window_remarks,
)
from calcbench.core.errors import CalcbenchError, UsageError
from calcbench.core.serving.ending import Stopped
from calcbench.core.serving.launcher import Server, ServerSpec, launch

PLAN = Plan(
    ("fork", "selectors", "threadpool:workers=4"),
    ("add", "wait=10ms"),
    (KEEP_ALIVE, CLOSE),
    (8, 200),
    interleave=SLICES,
    control="fork",
)


def in_order(groups: Iterable[list[Condition]]) -> list[Condition]:
    return list(itertools.chain.from_iterable(groups))


def test_lets_those_take_turns_that_differ_in_the_strategy_alone() -> None:
    groups = PLAN.groups(1)

    assert sorted(in_order(groups), key=str) == sorted(PLAN.conditions(), key=str)
    for group in groups:
        assert len({(one.workload, one.reuse, one.connections) for one in group}) == 1
        few = group[0].connections == 8
        assert len(group) == (3 if few else 1)  # many connections cost a driver too much
    assert [len(group) for group in groups] != sorted(len(group) for group in groups)
    assert groups != PLAN.groups(2)


def test_leaves_those_out_that_would_disturb_the_others() -> None:
    plan = dataclasses.replace(PLAN, connections=(8,), workloads=("add",), reuses=(CLOSE,))
    groups = plan.groups(1, alone=["fork"])
    names = sorted(sorted(one.strategy for one in group) for group in groups)

    assert names == [["fork"], ["fork (again)"], ["selectors", "threadpool:workers=4"]]


def test_lets_nobody_take_turns_in_windows() -> None:
    plan = dataclasses.replace(PLAN, interleave="windows")

    assert [[one] for one in plan.order(3)] == plan.groups(3)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"engine": WRK}, "own driver"),
        ({"engine": LOCUST}, "own driver"),
        ({"drivers": 2}, "2 drivers"),
        ({"behaviours": ("idle=3",)}, "--behaviour"),
        ({"interleave": "slice"}, "did you mean 'slices'"),
    ],
)
def test_refuses_turns_where_they_would_mislead(changes: dict[str, object], word: str) -> None:
    with pytest.raises(UsageError, match=word):
        dataclasses.replace(PLAN, **changes)  # type: ignore[arg-type]


def race_of(folder: Path, idle: dict[str, float]) -> tuple[Run, list[list[str]]]:
    """Race where each computes *idle* of a core out of its turn; also return who took turns."""
    together: list[list[str]] = []

    def one(condition: Condition, number: int, ratio: float | None) -> Measurement:
        return make_measurement(condition, number, evidence=Evidence(idle_cpu_ratio=ratio))

    def alone(_: Setup, condition: Condition, number: int, __: int) -> Measurement:
        together.append([condition.strategy])
        return one(condition, number, None)

    def by_turns(
        _: Setup, conditions: Sequence[Condition], number: int, __: int
    ) -> list[Measurement]:
        together.append(sorted(condition.strategy for condition in conditions))
        return [one(condition, number, idle[condition.strategy]) for condition in conditions]

    plan = Plan(tuple(idle), connections=(8,), rounds=3, interleave=SLICES)
    subject = Subject(alone, {}, measure_together=by_turns)
    return race(plan, subject, folder / "run"), together


def test_measures_a_restless_server_alone_from_the_next_round_on(tmp_path: Path) -> None:
    idle = {"blocking": 0.001, "fork": 0.3, "selectors": 0.0}
    run, together = race_of(tmp_path, idle)

    assert together[0] == sorted(idle)
    assert sorted(together[1:3]) == sorted(together[3:]) == [["blocking", "selectors"], ["fork"]]
    assert len(run.measurements) == 9


def test_says_who_disturbed_whom() -> None:
    seen = Evidence(neighbour="busy", neighbour_cpu_ratio=0.31, settled=True)

    judgement = classify(seen)
    assert judgement.name == CONTENDED
    assert judgement.why == ("busy used 31% of a core while it was not its turn",)
    quiet = dataclasses.replace(seen, neighbour_cpu_ratio=0.01)
    assert classify(quiet).name == SERVER_BOUND


def measured(strategy: str, slices: int | None, number: int = 1) -> Measurement:
    seen = Evidence(slices=slices, slice_ns=600_000_000 // slices if slices else None)
    return make_measurement(make_condition(strategy), number, evidence=seen)


def test_says_how_it_was_measured() -> None:
    slices = make_run(PLAN, measured("fork", 60), measured("selectors", 6), measured("a", 1))
    windows = make_run(PLAN, measured("fork", None), measured("selectors", 1))

    assert "10.0 ms to 100 ms of each turn" in interleaving_legend(slices)
    assert interleaving_legend(windows).startswith("windows: ")
    assert interleaving_legend(make_run(PLAN, measured("fork", None))) == ""  # in place of what?


def rows_of(run: Run, p50_ms: float = 0.0) -> list[Row]:
    """Return a row for each condition of *run*, with a p50 where one is known."""
    known: dict[str, Any] = {"p50_ns": spread([1e6 * p50_ms])} if p50_ms else {}
    conditions = dict.fromkeys(one.condition for one in run.measurements)
    return [make_row(condition, [100.0], **known) for condition in conditions]


def in_windows(
    changes: Mapping[str, Any], slices: int | None, idle: float | None = None, **more: Any
) -> Run:
    """Return a race of two servers in windows; the first of them used *idle* of a core out of turn.

    With *slices* 1 they were up together, and with None each was up alone.
    """
    plan = dataclasses.replace(PLAN, **{"connections": (8,), **changes})
    seen = Evidence(slices=slices, slice_ns=600_000_000 if slices else None)
    loud = dataclasses.replace(seen, idle_cpu_ratio=idle)
    return make_run(
        plan,
        *(
            make_measurement(
                make_condition(strategy, min(plan.connections)),
                evidence=loud if strategy == "fork" else seen,
                **more,
            )
            for strategy in ("fork", "selectors")
        ),
    )


WINDOW = {"interleave": WINDOWS}


@pytest.mark.parametrize(
    ("run", "p50_ms", "why"),
    [
        (in_windows(WINDOW, None), 1, "as --interleave windows asks"),
        (in_windows(WINDOW | {"workloads": ("GET",)}, None), 1, STRANGERS),
        (in_windows(WINDOW | {"connections": (129, 200)}, None), 1, TOO_MANY_FOR_TURNS),
        (in_windows({"connections": (200,)}, None), 1, TOO_MANY_FOR_TURNS),
        (in_windows(WINDOW | {"drivers": 2}, None), 1, "2 drivers cannot turn"),
        (in_windows(WINDOW | {"behaviours": ("idle=3",)}, None), 1, "--behaviour would disturb"),
        (in_windows(WINDOW | {"engine": LOCUST}, None), 1, "only calcbench's own driver"),
        (in_windows(WINDOW | {"engine": WRK}, None), 1, "only calcbench's own driver"),
        (
            in_windows(WINDOW | {"engine": LOCUST, "join": 2, "host": "192.0.2.7"}, None),
            1,
            "only calcbench's own driver",
        ),
        (in_windows(WINDOW | {"think_s": 1.0}, None), 1, "users would think"),
        (in_windows({}, 1), 100, f"({SLOW})"),
        (in_windows({}, 1, outcomes=Outcomes(ok=4)), 0, SLOW),  # too few for a p50
        (in_windows({"duration_s": 20.0}, 1), 100, UNSEEN),
        (in_windows({}, 1, outcomes=Outcomes()), 600, UNSEEN),  # nobody was served
        (in_windows({"rate": 5.0}, 1, outcomes=Outcomes(ok=3)), 0, UNSEEN),
        (in_windows({"warmup_s": 0}, 1), 1, NO_WARMUP),
        (in_windows({"duration_s": 0.05}, 1), 1, SHORT),
        (in_windows({}, None, idle=0.3), 1, f"({LOUD}; {ALONE})"),
        (in_windows({}, None), 1, ALONE),
    ],
)
def test_says_why_nobody_took_turns(run: Run, p50_ms: float, why: str) -> None:
    legend = interleaving_legend(run, rows_of(run, p50_ms))

    assert legend.startswith("windows: ")
    assert why in legend
    assert window_remarks(rows_of(run, p50_ms), run) == []


def test_knows_no_reason_of_what_was_measured_before_there_were_turns() -> None:
    old = dataclasses.replace(in_windows(WINDOW, None), schema_version=4)

    assert interleaving_legend(old).endswith("one server after the other")


@pytest.mark.parametrize(
    ("seen", "connections", "why"),
    [
        (Evidence(), 200, TOO_MANY_FOR_TURNS),
        (Evidence(slices=1), 8, SLOW),
        (Evidence(idle_cpu_ratio=0.3), 8, LOUD),
        (Evidence(), 8, ALONE),
    ],
)
def test_says_why_some_took_no_turns(seen: Evidence, connections: int, why: str) -> None:
    one = make_measurement(make_condition("blocking", connections), evidence=seen)
    run = make_run(PLAN, measured("fork", 60), measured("selectors", 60), one)

    assert window_remarks(rows_of(run, 100), run) == [
        f"in one window and not in slices ({why}): blocking at {connections}"
    ]
    assert interleaving_legend(run).startswith("slices: ")


def test_says_in_how_many_rounds_and_of_each_table_who_took_no_turns() -> None:
    """Once a table in which nobody took turns said nothing, where those of another had."""
    elsewhere = [
        dataclasses.replace(measured(name, 1), condition=make_condition(name, 8, "wait=100ms"))
        for name in ("fork", "selectors")
    ]
    run = make_run(
        PLAN, measured("fork", 60), measured("blocking", 1), measured("blocking", 60, 2), *elsewhere
    )
    fast, slow = (
        [row for row in rows_of(run, 100) if row.condition.workload == workload]
        for workload in ("add", "wait=100ms")
    )

    told = f"in one window and not in slices ({SLOW}): "
    assert window_remarks(fast, run) == [f"{told}blocking at 8 (1 round)"]
    assert window_remarks(slow, run) == [f"{told}fork at 8, selectors at 8"]


@pytest.mark.slow
def test_races_by_turns_past_a_server_that_does_not_start(tmp_path: Path) -> None:
    def start(spec: ServerSpec, host: str) -> Server:
        if spec.strategy == "fork":
            raise CalcbenchError("no")
        return launch(spec, host)

    plan = Plan(
        ("selectors", "fork", "threadpool"),
        connections=(3,),
        duration_s=0.2,
        warmup_s=0.05,
        rounds=2,
        timeout_s=5.0,
        interleave=SLICES,
        control="selectors",
    )
    run = race(plan, among_strategies(plan, start), tmp_path / "run")

    assert read_run(tmp_path / "run") == run
    assert [one.condition for one in run.measurements] == in_order(plan.groups(1) + plan.groups(2))
    for one in run.measurements:
        if one.condition.strategy == "fork":
            assert is_servers_failure(one)
        else:
            assert one.status == "ok", one.reason
            assert one.evidence.slices is not None
            assert one.evidence.idle_cpu_ratio is not None
            assert one.evidence.unaccounted == 0
            assert one.server_cpu_ns > 0
            assert one.driver_cpu_ns > 0
            assert one.resource_usage is not None


def test_races_on_where_no_server_of_a_group_starts(tmp_path: Path) -> None:
    def start(_: ServerSpec, host: str) -> Server:
        raise CalcbenchError("no")

    plan = Plan(("selectors", "fork"), connections=(3,), rounds=1, interleave=SLICES)
    run = race(plan, among_strategies(plan, start), tmp_path / "run")

    assert [(one.status, one.reason) for one in run.measurements] == [("failed", "no")] * 2


@pytest.mark.parametrize(
    "number", [errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO, errno.EROFS]
)
@pytest.mark.parametrize("interleave", [SLICES, WINDOWS])
def test_blames_no_server_for_what_cannot_be_written(
    number: int, interleave: str, tmp_path: Path
) -> None:
    """Once: «selectors at 8 does not count: File too large», where ulimit -f was too low."""

    def start(_: ServerSpec, host: str) -> Server:
        raise OSError(number, os.strerror(number))

    plan = Plan(("selectors", "fork"), connections=(3,), rounds=1, interleave=interleave)
    with pytest.raises(CalcbenchError, match="that is no failure of a server"):
        race(plan, among_strategies(plan, start), tmp_path / "run")

    assert not list(tmp_path.rglob("result.json"))


WATCH = ServerWatch((), (), Life(0, 0, 0))
END = End(died=False, stopped=Stopped(0, False, "", ""), workers=[], life=WATCH.life)
GROUP = Plan(
    ("selectors", "fork"),
    connections=(3,),
    duration_s=0.2,
    warmup_s=0.05,
    rounds=1,
    timeout_s=5.0,
    interleave=SLICES,
)


@pytest.mark.parametrize("ending", [KeyboardInterrupt(), CalcbenchError("the disk is full")])
def test_keeps_those_of_a_group_that_were_ready(
    ending: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    concluded: list[Condition] = []

    def conclude(_: Setup, condition: Condition, number: int, *__: object) -> Measurement:
        if concluded:
            raise ending
        concluded.append(condition)
        return make_measurement(condition, number, samples="samples/0001.npz")

    def see(_: Setup, conditions: Sequence[Condition], *__: object) -> dict[Condition, Seen]:
        return {one: Seen(make_observation(), WATCH, END) for one in conditions}

    monkeypatch.setattr(turn_group, "see_together", see)
    monkeypatch.setattr(turn_group, "conclude_launched", conclude)
    with pytest.raises((Interrupted, CalcbenchError)):
        race(GROUP, among_strategies(GROUP), tmp_path / "run")
    run = read_run(tmp_path / "run")

    assert run.partial
    assert [one.condition for one in run.measurements] == concluded


def test_starts_the_servers_of_a_group_at_the_same_time(tmp_path: Path) -> None:
    both = threading.Barrier(2)

    def start(_: ServerSpec, host: str) -> Server:
        both.wait(LONG_S)
        raise CalcbenchError("both have been asked to start")

    run = race(GROUP, among_strategies(GROUP, start), tmp_path / "run")

    assert {one.reason for one in run.measurements} == {"both have been asked to start"}


def test_stops_the_servers_of_a_group_at_the_same_time() -> None:
    called: list[str] = []

    class Fake:
        watch = None

        def died(self) -> bool:
            return False

        def ask_to_stop(self) -> None:
            called.append("ask")

        def stop(self) -> Stopped:
            called.append("wait")
            return Stopped(0, False)

    servers = {one: cast("Server", Fake()) for one in GROUP.conditions()}
    ends = turn_group.stop_together(servers)

    assert called == ["ask", "ask", "wait", "wait"]
    assert list(ends) == list(servers)


def test_leaves_no_server_of_a_group_behind_after_a_ctrl_c(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers: list[Server] = []

    def start(spec: ServerSpec, host: str) -> Server:
        servers.append(launch(spec, host))
        return servers[-1]

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(DriverProcess, "drive_by_turns", interrupt)
    with pytest.raises(Interrupted):
        race(GROUP, among_strategies(GROUP, start), tmp_path / "run")

    assert len(servers) == 2
    assert all(server.process.returncode is not None for server in servers)


@pytest.mark.slow
def test_goes_on_with_the_others_when_a_server_dies_in_a_turn(tmp_path: Path) -> None:
    def start(spec: ServerSpec, host: str) -> Server:
        server = launch(spec, host)
        if spec.strategy == "fork":
            killers.append(threading.Thread(target=kill_when_it_answers, args=(server,)))
            killers[-1].start()
        return server

    def kill_when_it_answers(server: Server) -> None:
        assert server.watch
        for _ in range(10_000):
            if any(worker.responses for worker in server.watch.workers()):
                os.killpg(server.pid, signal.SIGKILL)
                return
            time.sleep(0.001)

    killers: list[threading.Thread] = []
    run = race(GROUP, among_strategies(GROUP, start), tmp_path / "run")
    for killer in killers:
        killer.join()
    found = {one.condition.strategy: one for one in run.measurements}

    assert read_run(tmp_path / "run") == run
    assert is_servers_failure(found["fork"])
    assert "SIGKILL" in found["fork"].reason or "signal 9" in found["fork"].reason
    assert found["selectors"].status == "ok", found["selectors"].reason
    assert found["selectors"].outcomes.failed == 0
