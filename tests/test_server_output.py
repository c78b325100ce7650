"""What servers print during a race, as the terminal of whoever runs it shows it."""

import dataclasses
from pathlib import Path

import pytest
from builders import make_condition, make_measurement

from calcbench.bench.cli.server_output import LINES, TRACEBACK_LINES, ServerOutput
from calcbench.bench.runner.launched import among_strategies
from calcbench.bench.runner.race import race
from calcbench.bench.schema.plan import Plan
from calcbench.bench.views.remarks import printed_remarks
from calcbench.core.serving.launcher import ServerSpec

TRACEBACK = ["Traceback (most recent call last):", "  File 'x', line 1", "    x", "KeyError: 1"]


def test_names_the_server_of_each_line(capsys: pytest.CaptureFixture[str]) -> None:
    output = ServerOutput()
    output.show("threadpool:workers=4", "client from 127.0.0.1")
    output.show("fork", "")

    assert capsys.readouterr().err == "threadpool:workers=4: client from 127.0.0.1\nfork: \n"


def test_shows_so_many_lines_of_each_and_then_says_that_there_are_more(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = ServerOutput()
    for number in range(3 * LINES):
        output.show("fork", f"line {number}")
    output.show("selectors", "one")
    lines = capsys.readouterr().err.splitlines()

    assert lines[LINES - 1 : LINES + 2] == [
        f"fork: line {LINES - 1}",
        "fork: [more output follows, not shown during the race]",
        "selectors: one",
    ]


def test_shows_a_traceback_behind_any_number_of_lines(capsys: pytest.CaptureFixture[str]) -> None:
    output = ServerOutput()
    logged = "calcbench: GET /add/2/3 failed: KeyError: 1; responded with 500"
    for number in range(3 * LINES):
        output.show("fork", f"line {number}")
    for line in (logged, *TRACEBACK, "line behind it"):
        output.show("fork", line)
    for line in TRACEBACK * TRACEBACK_LINES:
        output.show("fork", line)
    lines = capsys.readouterr().err.splitlines()

    assert lines[LINES + 1 : LINES + 6] == [f"fork: {line}" for line in (logged, *TRACEBACK)]
    assert "fork: line behind it" not in lines
    assert len(lines) == LINES + 1 + TRACEBACK_LINES


@pytest.mark.parametrize(("term", "clears"), [("xterm", True), ("dumb", False)])
def test_takes_the_place_of_a_progress_bar(
    term: str, clears: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    ServerOutput().show("fork", "hello")

    assert capsys.readouterr().err.startswith("\r\x1b[K") == clears


@pytest.mark.slow
def test_a_strategy_may_print(
    strategies_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (Path(__file__).parent.parent / "strategies" / "selectors.py").read_text()
    at_first = "    with DefaultSelector() as selector:\n"
    assert at_first in text
    chatty = text.replace(at_first, f"    print('serving')\n{at_first}")
    (strategies_folder / "chatty.py").write_text(chatty)
    plan = Plan(("chatty",), connections=(2,), duration_s=0.1, warmup_s=0, rounds=1)
    subject = among_strategies(plan, ServerOutput().launch)
    [measurement] = race(plan, subject, tmp_path / "run").measurements

    assert measurement.printed == "serving"
    assert "printed" not in measurement.reason
    assert capsys.readouterr().err == "chatty: serving\n"


def test_says_once_what_a_server_printed() -> None:
    measurement = make_measurement(make_condition("fork"), 1)
    printed = dataclasses.replace(measurement, printed="client from x\nclient from y")

    assert printed_remarks([measurement, printed, printed]) == ["fork printed: client from x"]


def test_launches_at_the_host_that_is_asked_for() -> None:
    with ServerOutput().launch(ServerSpec("blocking"), "127.0.0.1") as server:
        assert server.host == "127.0.0.1"
