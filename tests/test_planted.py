"""Classic mistakes, planted: each is called by its name. And servers without any, of many designs.

In full, each takes as long as `calcbench check` does; here, every mistake is held against its rule.
"""

import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from calcbench.bench.classroom.conformance import target as target_module
from calcbench.bench.classroom.conformance.catalogue import RULES
from calcbench.bench.classroom.conformance.rule import Rule, Start
from calcbench.bench.classroom.conformance.rules.accidents import few_descriptors
from calcbench.bench.classroom.conformance.site import visit
from calcbench.bench.classroom.conformance.strategy import StrategySubject
from calcbench.bench.classroom.conformance.suite import check_site, judge_starts
from calcbench.bench.classroom.conformance.target import Target
from calcbench.bench.classroom.conformance.verdict import (
    ADVICE,
    BROKEN,
    KEPT,
    NOT_JUDGED,
    judge,
)
from calcbench.bench.classroom.lessons.program import solution, source
from calcbench.bench.classroom.raw_client import OutOfTimeError, RawClient, SilenceError
from calcbench.core.serving import catalogue
from calcbench.core.serving.catalogue import parse_variant

pytestmark = [pytest.mark.slow, pytest.mark.waits]

PLANTED = Path(__file__).parent / "planted"
BY_NAME = {rule.name: rule for rule in RULES}
SOON_S = 0.5  # for what will not come at all

# The rule that each of them breaks, and a part of the mistake's name.
STRATEGIES = {
    "accepts_by_hand": ("no-descriptors", "dies when descriptors run out"),
    "closes_at_the_last_answer": ("body-after-refusal", "closes before the body is read"),
    "dies_on_a_reset": ("reset", "dies on a reset"),
    "forgets_what_is_buffered": ("pipelining", "breaks on pipelining"),
    "ignores_what_send_returns": ("large-output", "partial write"),
    "leaves_zombies": ("zombies", "zombies"),
    "leaves_its_threads": ("stops-within-a-request", "stopped too early"),
    "loses_threads_to_resets": ("reset", "dies on a reset"),
    "never_closes": ("descriptors", "leaks descriptors"),
    "never_looks_at_stop": ("stops", "cannot stop"),
    "one_request_each": ("keep-alive", "no keep-alive"),
    "parent_keeps_sockets": ("descriptors", "leaks descriptors"),
    "polls_the_listener": ("busy-wait", "busy-waits"),
    "shares_a_request": ("own-answers", "shared state without a lock"),
    "spins": ("busy-wait", "busy-waits"),
    "takes_one_recv_for_a_request": ("request-in-pieces", "one recv"),
    "waits_for_each_thread": ("silent-client", "blocks on a silent client"),
}
PROGRAMS = {
    "answers_from_the_head": ("body-in-pieces", "answers before the body is read"),
    "closes_each_time": ("keep-alive", "no keep-alive"),
    "closes_on_a_body": ("body-in-pieces", "closes before the body is read"),
    "dies_of_many": ("no-descriptors", "dies when descriptors run out"),
    "dies_on_a_reset": ("reset", "dies on a reset"),
    "drops_the_rest": ("pipelining", "breaks on pipelining"),
    "ignores_bodies": ("body-in-pieces", "before the body is read"),
    "keeps_sockets": ("descriptors", "leaks descriptors"),
    "one_recv": ("request-in-pieces", "one recv"),
    "out_of_order": ("order", "out of order"),
    "select_then_recv": ("silent-client", "it accepts several before"),
    "send_for_sendall": ("large-output", "send where sendall is meant"),
    "shares_a_name": ("own-answers", "shared state without a lock"),
    "spins": ("busy-wait", "busy-waits"),
    "zombies": ("zombies", "zombies"),
}
# What the design of one that is right has most to do with.
RIGHT = {
    "event_loop": ("busy-wait", "silent-client"),
    "in_turn": ("silent-client", "stops"),
    "pool_that_holds": ("own-answers", "reset"),
    "reaps_when_one_comes": ("zombies", "descriptors"),
    "threads_by_hand": ("large-output", "own-answers"),
}


def files(kind: str) -> list[Path]:
    return sorted((PLANTED / kind).glob("*.py"))


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "given", {})


def subject(path: Path, limit_s: float) -> StrategySubject:
    return StrategySubject(parse_variant(str(path)), limit_s=limit_s)


@contextmanager
def running(path: Path) -> Iterator[Target]:
    """Run the program *path* on a free port, and look at it as `check` does."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with subprocess.Popen(
        [sys.executable, str(path), str(port)], stderr=subprocess.DEVNULL
    ) as program:
        try:
            wait_for(port, program)
            yield visit(f"http://127.0.0.1:{port}/")
        finally:
            program.kill()


def wait_for(port: int, program: "subprocess.Popen[bytes]") -> None:
    """Return when somebody listens on *port*."""
    while program.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.01)
        else:
            return
    pytest.fail("it ended at once")


def test_has_a_rule_for_each_of_them() -> None:
    for kind, known in (("strategies", STRATEGIES), ("programs", PROGRAMS)):
        assert sorted(path.stem for path in (PLANTED / kind).glob("*.py")) == sorted(known)
    assert sorted(path.stem for path in (PLANTED / "right/strategies").glob("*.py")) == sorted(
        RIGHT
    )


@pytest.mark.parametrize("name", STRATEGIES)
def test_names_the_mistake_of_a_strategy(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rule, mistake = STRATEGIES[name]
    if rule == "stops":  # which never comes
        monkeypatch.setattr(target_module, "GRACE_S", SOON_S)
    verdict = judge_starts(subject(PLANTED / f"strategies/{name}.py", SOON_S), BY_NAME[rule])

    assert verdict.outcome == BROKEN
    assert mistake in verdict.mistake


@pytest.mark.parametrize("name", PROGRAMS)
def test_names_the_mistake_of_a_program(name: str) -> None:
    rule, mistake = PROGRAMS[name]
    with running(PLANTED / f"programs/{name}.py") as target:
        target.limit_s = SOON_S
        verdict = judge(BY_NAME[rule], target)

    assert verdict.outcome == BROKEN
    assert mistake in verdict.mistake


@pytest.mark.parametrize("name", RIGHT)
def test_finds_nothing_wrong_with_a_strategy(name: str) -> None:
    for rule in RIGHT[name]:
        path = PLANTED / f"right/strategies/{name}.py"
        # One zombie stays until somebody comes: that is waited for.
        limit_s = 2.0 if rule == "zombies" else 5.0
        verdict = judge_starts(subject(path, limit_s), BY_NAME[rule])

        assert verdict.outcome != BROKEN, verdict


@pytest.mark.parametrize("path", files("right/programs"), ids=lambda path: path.stem)
def test_finds_nothing_wrong_with_a_program(path: Path) -> None:
    quick: tuple[Rule, ...] = tuple(rule for rule in RULES if rule.name != "busy-wait")
    with running(path) as target:
        target.limit_s = 5.0
        verdicts = list(check_site(target, quick))
    advice = [one.rule.name for one in verdicts if one.outcome == ADVICE]

    assert [one for one in verdicts if one.outcome == BROKEN] == []
    assert advice == (["keep-alive"] if path.stem == "http_1_0" else [])


def test_holds_last_what_may_end_a_program_and_says_that_it_has() -> None:
    rules = (BY_NAME["no-descriptors"], BY_NAME["answers"])
    with running(PLANTED / "programs/dies_of_many.py") as target:
        target.limit_s = SOON_S
        first, last = check_site(target, rules)

    assert (first.rule.name, first.outcome) == ("answers", KEPT)
    assert (last.rule.name, last.outcome) == ("no-descriptors", BROKEN)
    assert last.notes == ("your program has ended: start it again before the next check",)
    assert "its limit of open files was lowered" in last.sent


def test_holds_nobody_who_serves_one_client_against_no_descriptors(tmp_path: Path) -> None:
    path = tmp_path / "step07_stay.py"
    path.write_text(solution(source(path.name)))
    rules = (BY_NAME["no-descriptors"], BY_NAME["silent-client"])
    with running(path) as target:
        target.limit_s = SOON_S
        verdicts = list(check_site(target, rules))

    assert [one.outcome for one in verdicts] == [NOT_JUDGED] * 2
    assert verdicts[1].why == "it serves one client at a time, so it never has many open"


def test_gives_its_descriptors_back_at_ctrl_c() -> None:
    with running(PLANTED / "right/programs/threads_by_hand.py") as target:
        pid = target.family.pid
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        with pytest.raises(KeyboardInterrupt), few_descriptors(target, 6):
            assert resource.prlimit(pid, resource.RLIMIT_NOFILE) != before
            raise KeyboardInterrupt

        assert resource.prlimit(pid, resource.RLIMIT_NOFILE) == before


@pytest.mark.parametrize(("until", "error"), [(0.05, OutOfTimeError), (60, SilenceError)])
def test_tells_a_silent_server_from_a_check_without_time(
    until: float, error: type[Exception]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host, port = silent.getsockname()
        ends = time.monotonic() + until
        with RawClient(host, port, 0.1, until=ends) as client, pytest.raises(error):
            client.get("/add/2/3")


def test_tells_the_line_that_raised() -> None:
    path = PLANTED / "strategies/dies_on_a_reset.py"
    verdict = judge_starts(subject(path, SOON_S), BY_NAME["reset"])
    line = int(verdict.where.partition(", line ")[2].partition(":")[0])

    assert "sock." in path.read_text().splitlines()[line - 1]
    assert verdict.where.endswith("Connection reset by peer")


def test_starts_a_server_as_a_rule_wants_it() -> None:
    path = PLANTED / "right/strategies/in_turn.py"
    with subject(path, 20).start(Start("wait=1ms", ("drain_timeout=0.2",), eager=True)) as target:
        assert target.ask().body == b"5"
        assert target.launched.spec.workload == "wait=1ms"
