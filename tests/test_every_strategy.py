"""What holds for every strategy, found by listing the folder: a new one is tested as it is.

The rules are those of `calcbench check`. Those that want no special server, and do not stop it,
share one for each strategy, and leave it as they found it; behind every other one, its server
must stop cleanly.
"""

import select
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from client import Client, ClosedError
from servers import GRACE_S, make_spec, stop_cleanly
from soak.faulty import interpreter

from calcbench.bench.classroom.conformance.catalogue import RULES
from calcbench.bench.classroom.conformance.finding import OURS, PROCESS
from calcbench.bench.classroom.conformance.rule import Rule, Start
from calcbench.bench.classroom.conformance.strategy import StrategySubject
from calcbench.bench.classroom.conformance.target import Target
from calcbench.bench.system.procfs import TELLS_PROCESSES
from calcbench.core.serving.catalogue import Variant, names
from calcbench.core.serving.launcher import launch

pytestmark = [pytest.mark.slow, pytest.mark.waits]

LIMIT_S = 20.0  # for a laden machine; nothing is measured by it
COMMON = [rule for rule in RULES if set(rule.starts) <= {Start()} and OURS not in rule.needs]
APART = [(rule, start) for rule in RULES if rule not in COMMON for start in rule.starts]


def demand(target: Target, rule: Rule) -> None:
    """Skip a rule that cannot be judged where nothing tells of other processes; else, it must."""
    if PROCESS in rule.needs and not TELLS_PROCESSES:
        pytest.skip("this rule looks into /proc")
    target.demand(rule.needs)


def name_of(value: Rule | Start) -> str:
    """Return what a rule, or how its server is started, is called in the name of a test."""
    return value.name if isinstance(value, Rule) else value.workload


def subject_of(strategy: str) -> StrategySubject:
    """Return what is checked; where *strategy* cannot run, the test is skipped."""
    return StrategySubject(Variant(make_spec(strategy).strategy, ()), limit_s=LIMIT_S)


@pytest.fixture(scope="module", params=names())
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    """A server with all defaults; it must stop cleanly behind all that the rules did to it."""
    with subject_of(request.param).start() as running:
        yield running
        stop_cleanly(running.launched)


@pytest.mark.parametrize("rule", COMMON, ids=name_of)
def test_keeps_to(target: Target, rule: Rule) -> None:
    demand(target, rule)
    rule.test(target)

    assert target.notes == []


@pytest.mark.parametrize(("rule", "start"), APART, ids=name_of)
def test_keeps_with_a_server_of_its_own_to(strategy: str, rule: Rule, start: Start) -> None:
    with subject_of(strategy).start(start) as target:
        demand(target, rule)
        rule.test(target)
        stop_cleanly(target.launched)

    one_at_a_time = strategy == "blocking" and rule.name == "silent-client"
    assert bool(target.notes) == one_at_a_time


@pytest.mark.parametrize(
    ("holding", "options"),
    [
        ("blocking", ()),
        ("threadpool", ("workers=1",)),
        ("fork", ("children=1",)),
    ],
)
def test_lets_a_client_hold_on_where_it_is_told_to(holding: str, options: tuple[str, ...]) -> None:
    with launch(make_spec(holding, options=(*options, "keepalive=hold"))) as server:
        with Client(server) as first, Client(server) as second:
            assert first.get("/add/1/1").body == b"2"
            second.send(b"GET /add/2/2 HTTP/1.1\r\nHost: test\r\n\r\n")
            for _ in range(20):
                assert b"connection" not in first.get("/add/1/1").headers
            assert not select.select([second.sock], [], [], 0)[0]
            first.close()
            assert second.response().body == b"4"
        stop_cleanly(server)


@pytest.mark.parametrize("fault", ["ValueError", "MemoryError", "SystemExit", "KeyboardInterrupt"])
def test_serves_on_where_a_handler_raises(strategy: str, fault: str, tmp_path: Path) -> None:
    """More often than there are threads or children, and without a trace of it but the log."""
    python, _ = interpreter(tmp_path)
    few = {"threadpool": ("workers=2",), "thread-per-request": ("threads=2",)}
    spec = make_spec(strategy, options=few.get(strategy, ()), python=str(python))
    with launch(spec) as server:
        for _ in range(5):
            with Client(server) as client:
                failed = client.get("/add/1/1", f"Fault: {fault}")

                assert (failed.status, failed.headers[b"connection"]) == (500, b"close")
        with Client(server) as client:
            assert client.get("/add/2/3").body == b"5"
        stopped = server.stop(GRACE_S)

    assert (stopped.status, stopped.killed) == (0, False)
    assert stopped.failure.startswith(f"GET /add/1/1 failed: {fault}")
    assert stopped.printed.count("Traceback") == 5


def test_serves_on_where_nothing_can_be_started_for_a_while(strategy: str, tmp_path: Path) -> None:
    """No thread and no process: who needs one is turned away, and nobody waits for ever."""
    python, switch = interpreter(tmp_path)
    with launch(make_spec(strategy, python=str(python))) as server:
        with Client(server) as client:
            assert client.get("/add/2/3", "Connection: close").body == b"5"
        switch.touch()
        for _ in range(5):
            with Client(server) as client, suppress(ClosedError, ConnectionError):
                assert client.get("/add/2/3", "Connection: close").body == b"5"
        switch.unlink()
        with Client(server) as client:
            assert client.get("/add/2/3").body == b"5"
        stop_cleanly(server)


def test_runs_with_warnings_as_errors(strategy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    monkeypatch.setenv("PYTHONDEVMODE", "1")
    with launch(make_spec(strategy)) as server:
        with Client(server) as client:
            assert client.get("/add/1/1").body == b"2"
            client.send(b"nonsense\r\n\r\n")
            assert client.response().status == 400
        stop_cleanly(server)
