"""Demonstrations: what they say, what their figures say, and what is left behind."""

import ast
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from calcbench.bench.classroom.demo import drawing, lanes, performance, playbill, repeat
from calcbench.bench.classroom.demo.behind import Behind
from calcbench.bench.classroom.demo.clients import whole_length
from calcbench.bench.classroom.demo.lanes import Lane, Show, bar_line, shown
from calcbench.bench.classroom.demo.performance import ending, perform, subject_of
from calcbench.bench.classroom.demo.scenario import (
    Bar,
    Curve,
    Figures,
    Finding,
    Picture,
    Place,
    Scenario,
    ScenarioModule,
)
from calcbench.bench.classroom.demo.stage import Stage
from calcbench.bench.classroom.scenarios import silent_client, slow_first
from calcbench.bench.cli.demo import ask_for_bet
from calcbench.bench.cli.main import cli
from calcbench.core.errors import CalcbenchError, UsageError
from calcbench.core.serving.launcher import Server

ROOT = Path(__file__).parent.parent
RECORDED = ROOT / "tests" / "recorded" / "demos"
COLUMNS, ROWS, LINES = 80, 24, 15  # of a terminal, and of the end of a demonstration
ALL = playbill.modules()
by_name = pytest.mark.parametrize("module", ALL, ids=lambda module: str(module.SCENARIO.name))


def recorded(name: str) -> Figures:
    """Return what was measured once by the scenario *name*."""
    figures: Figures = json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))
    return figures


def lines_of(module: ScenarioModule, finding: Finding, bet: int | None = None) -> list[str]:
    """Return the end of *module* as it is printed."""
    path = Path("results/20261127-164328-2") / f"{module.SCENARIO.name}.png"
    lines = ending(module.SCENARIO, finding, bet, path, "")
    return [line if isinstance(line, str) else line.text for line in lines]


def has_function(file: Path, name: str) -> bool:
    """Tell whether *file* defines the function, or the ``Class.method``, called *name*."""
    body: list[ast.stmt] = ast.parse(file.read_text(encoding="utf-8")).body
    *classes, function = name.split(".")
    for wanted in classes:
        body = [
            inner
            for node in body
            if isinstance(node, ast.ClassDef) and node.name == wanted
            for inner in node.body
        ]
    return any(
        isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == function for node in body
    )


def test_numbers_its_demonstrations_from_one() -> None:
    assert [one.SCENARIO.number for one in ALL] == list(range(1, len(ALL) + 1))
    assert playbill.find(playbill.BEST).SCENARIO.number == 1


@by_name
def test_has_all_the_words_of_a_demonstration(module: ScenarioModule) -> None:
    scenario = module.SCENARIO

    assert len(playbill.line_of(scenario)) < COLUMNS
    assert len(scenario.name) <= 18
    assert 2 <= len(scenario.bets) <= 6
    assert scenario.answer in range(len(scenario.bets))
    assert scenario.question.endswith("?")
    assert all(len(bet) < 70 for bet in scenario.bets)
    for sentence in (scenario.happens, scenario.because, scenario.claim):
        assert sentence.endswith(".")
    assert 0 < scenario.seconds <= 12


@by_name
def test_names_places_in_the_code_that_are_there(module: ScenarioModule) -> None:
    why = module.SCENARIO.why

    assert len(why) == 3
    assert [one for one in why if not has_function(ROOT / one.file, one.function)] == []


@by_name
def test_shows_what_it_found_in_few_lines(module: ScenarioModule) -> None:
    finding = module.conclude(recorded(module.SCENARIO.name))
    lines = lines_of(module, finding, bet=module.SCENARIO.answer)

    assert finding.held
    assert len(lines) <= LINES
    assert [line for line in lines if len(line) > COLUMNS] == []
    assert lines[0].startswith(finding.sentence[:20])


@by_name
def test_draws_what_it_found(module: ScenarioModule, tmp_path: Path) -> None:
    finding = module.conclude(recorded(module.SCENARIO.name))
    drawing.draw_picture(finding.picture, tmp_path / "picture.png", "one machine")

    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    assert all(bar.value >= 0 and bar.text for bar in finding.picture.bars)


def change_silent(figures: Figures) -> None:
    figures["servers"][0]["answers_while_silent"] = figures["servers"][1]["answers_while_silent"]


def change_silence(figures: Figures) -> None:
    figures["servers"][0]["silent_s"] = 0.1


def change_after(figures: Figures) -> None:
    figures["servers"][0]["answers_after"] = 0


def change_pool(figures: Figures) -> None:
    figures["servers"][1]["answers"] = figures["servers"][0]["answers"]


def change_loop(figures: Figures) -> None:
    figures["servers"][2]["answers"] = 0


def change_fast(figures: Figures) -> None:
    figures["servers"][1]["fast_waited_ns"] = figures["servers"][0]["fast_waited_ns"]


def change_processes(figures: Figures) -> None:
    figures["servers"][2]["fast_waited_ns"] = figures["servers"][0]["fast_waited_ns"]


def change_sleep(figures: Figures) -> None:
    figures["servers"][1]["per_second"] = figures["servers"][0]["per_second"]


def change_threads(figures: Figures) -> None:
    figures["servers"][0]["threads"] = 8


def change_served(figures: Figures) -> None:
    figures["servers"][0]["served"] = 8


def change_memory(figures: Figures) -> None:
    figures["servers"][0]["memory"] = figures["servers"][0]["memory_before"]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("silent-client", change_silent),
        ("silent-client", change_silence),
        ("silent-client", change_after),
        ("full-pool", change_pool),
        ("full-pool", change_loop),
        ("slow-first", change_fast),
        ("wait-or-block", change_sleep),
        ("computing", change_processes),
        ("idle-clients", change_threads),
        ("idle-clients", change_served),
        ("idle-clients", change_memory),
    ],
)
def test_does_not_claim_what_the_figures_do_not_show(
    name: str, change: Callable[[Figures], None]
) -> None:
    module, figures = playbill.find(name), recorded(name)
    assert module.conclude(figures).held
    change(figures)
    finding = module.conclude(figures)

    assert not finding.held
    assert any("This machine did not show it" in line for line in lines_of(module, finding))


def test_leaves_out_the_memory_that_a_system_does_not_tell() -> None:
    figures = recorded("idle-clients")
    for one in figures["servers"]:
        one["memory"] = 0
    finding = playbill.find("idle-clients").conclude(figures)

    assert finding.held
    assert "memory" not in finding.sentence


def test_says_that_fewer_clients_came_than_were_wanted() -> None:
    figures = recorded("idle-clients")
    figures["wanted"] += 1

    assert "this machine's limits" in playbill.find("idle-clients").conclude(figures).sentence


@pytest.mark.parametrize("text", ["slow-first", "3", " Slow_First "])
def test_finds_a_demonstration_by_name_and_number(text: str) -> None:
    assert playbill.find(text) is slow_first


@pytest.mark.parametrize(
    ("text", "message"),
    [("silent", "no scenario 'silent'; did you mean 'silent-client'?"), ("99", "there are 1 to")],
)
def test_names_the_nearest_demonstration(text: str, message: str) -> None:
    with pytest.raises(UsageError, match="no scenario") as raised:
        playbill.find(text)

    assert message in str(raised.value)


# A scenario without a server, for what is around it.
TRIVIAL = Scenario(
    number=1,
    name="trivial",
    title="Nothing",
    happens="Nothing happens.",
    question="How much?",
    bets=("none", "all"),
    answer=0,
    because="Nothing does.",
    claim="nothing happens.",
    why=(Place("strategies/blocking.py", "serve", "waits"),) * 3,
    seconds=1,
    strategy="blocking",
)


def trivial(run: Callable[[Stage], Figures], *, held: bool = True) -> ScenarioModule:
    """Return a scenario that runs *run*, and of which the claim is *held*."""
    picture = Picture("Nothing", "times", (Bar("blocking", 0, "0"), Bar("selectors", 0, "0")))

    def conclude(figures: Figures) -> Finding:
        return Finding(held, f"It was {figures['value']}.", picture)

    return cast(ScenarioModule, SimpleNamespace(SCENARIO=TRIVIAL, run=run, conclude=conclude))


def no_bet(_: Scenario) -> None:
    return None


def run_trivial(_: Stage) -> Figures:
    return {"value": 7}


def test_keeps_figures_and_picture_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert perform(trivial(run_trivial), no_bet, tmp_path) == 0

    [folder] = tmp_path.iterdir()
    assert {path.name for path in folder.iterdir()} == {"demo.json", "trivial.png"}
    kept = json.loads((folder / "demo.json").read_text(encoding="utf-8"))
    assert kept["figures"] == {"value": 7}
    assert kept["held"] is True
    assert str(folder / "trivial.png") in capsys.readouterr().out


def test_says_that_the_machine_did_not_show_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert perform(trivial(run_trivial, held=False), no_bet, tmp_path) == 1

    assert "This machine did not show it. Expected: nothing happens." in capsys.readouterr().out


def test_says_what_a_strategy_of_ones_own_does_not_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = []

    def run(stage: Stage) -> Figures:
        seen.append(stage.strategy)
        return {"value": 7}

    module = trivial(run, held=False)
    assert perform(module, no_bet, tmp_path, "threadpool:workers=2") == 0

    assert seen == ["threadpool:workers=2"]
    out = " ".join(capsys.readouterr().out.split())
    assert "In the place of blocking: threadpool:workers=2" in out
    assert "threadpool:workers=2 does not do what blocking does." in out


def test_replaces_no_strategy_where_a_demonstration_is_not_about_one() -> None:
    scenario = Scenario(**{**vars(TRIVIAL), "strategy": ""})

    assert subject_of(scenario, "") == ""
    with pytest.raises(UsageError, match="takes no --strategy in its place"):
        subject_of(scenario, "blocking")


@pytest.mark.parametrize("error", [KeyboardInterrupt, CalcbenchError])
def test_leaves_no_folder_of_a_run_that_was_ended(
    tmp_path: Path, error: type[BaseException]
) -> None:
    def run(_: Stage) -> Figures:
        raise error

    with pytest.raises(error):
        perform(trivial(run), no_bet, tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_leaves_no_figures_without_their_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(performance, "draw_picture", interrupt)
    with pytest.raises(KeyboardInterrupt):
        perform(trivial(run_trivial), no_bet, tmp_path)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("bet", "words"),
    [(None, "The answer: a) none."), (0, "You were right: a) none."), (1, "You bet b, the")],
)
def test_reveals_whether_the_room_was_right(bet: int | None, words: str) -> None:
    assert performance.reveal(TRIVIAL, bet).startswith(words)


@pytest.mark.parametrize(
    ("typed", "bet"), [(["b"], 1), (["x", "ab", " A "], 0), ([""], None), ([EOFError()], None)]
)
def test_asks_until_a_bet_is_one(
    typed: list[Any], bet: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter(typed)
    prompts = []

    def answer(prompt: str) -> str:
        prompts.append(prompt)
        given = next(answers)
        if isinstance(given, Exception):
            raise given
        return str(given)

    monkeypatch.setattr("builtins.input", answer)

    assert ask_for_bet(TRIVIAL) == bet
    assert list(answers) == []
    first, *more = prompts
    assert first == "Type a or b and press Enter (Enter alone: no bet): "
    assert all(prompt.startswith("a or b, please") for prompt in more)


def test_lists_its_demonstrations(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["demo", "--list"], standalone_mode=False)

    lines = capsys.readouterr().out.splitlines()
    assert lines == [playbill.line_of(one.SCENARIO) for one in ALL]


def test_runs_the_best_one_where_none_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    performed: list[tuple[str, int | None, Path, str]] = []

    def note(
        module: ScenarioModule,
        ask: performance.Ask,
        out: Path,
        strategy: str,
        kept: Callable[[Path], None],
    ) -> int:
        performed.append((module.SCENARIO.name, ask(module.SCENARIO), out, strategy))
        kept(out / "run" / "picture.png")
        return 0

    monkeypatch.setattr(performance, "perform", note)
    (tmp_path / "run").mkdir()
    status = cli.main(["demo", "--out", str(tmp_path)], standalone_mode=False)

    assert status == 0
    assert (tmp_path / "latest").resolve() == tmp_path / "run"
    # No bet: the standard input of a test is no terminal.
    assert performed == [(playbill.BEST, None, tmp_path, "")]

    above = capsys.readouterr().out.splitlines()
    assert all(one.SCENARIO.name in "\n".join(above) for one in ALL)
    performance.announce(playbill.find(playbill.BEST).SCENARIO, "blocking")
    block = [*capsys.readouterr().out.splitlines(), "the prompt"]
    assert len(["the command", *above, *block]) < ROWS
    assert max(map(len, above + block)) < COLUMNS


def test_draws_longer_bars_for_more() -> None:
    lengths = [bar_line("x", share, "", "#").count("#") for share in (0, 1e-9, 0.5, 1, 2)]

    assert lengths[0] == 0
    assert lengths[1] == 1  # little is not nothing
    assert lengths[1] < lengths[2] < lengths[3] == lengths[4]
    assert len(bar_line("x" * lanes.LABEL, 1, "y" * lanes.VALUE)) < COLUMNS


def test_writes_bars_that_the_encoding_of_a_stream_has() -> None:
    assert lanes.block_for(io.TextIOWrapper(io.BytesIO(), "ascii")) == "#"
    assert lanes.block_for(io.TextIOWrapper(io.BytesIO(), "utf-8")) == "█"


def test_lets_all_bars_grow_with_the_time() -> None:
    show = Show(io.StringIO(), [Lane("one", lambda: 10), Lane("two", lambda: 5)], 60)
    show.block = "#"
    show.began -= 30  # half of it has gone by
    half = [line.count("#") for line in show.frame()]
    show.began -= 300
    whole = [line.count("#") for line in show.frame()]

    assert half[0] == pytest.approx(2 * half[1], abs=2)
    assert whole[0] == pytest.approx(2 * half[0], abs=2)


def test_prints_lines_where_there_is_no_terminal() -> None:
    screen = io.StringIO()
    with shown(screen, [Lane("one", lambda: 10, "answers"), Lane("two", lambda: 0)], 60):
        pass

    head, *moments, last = screen.getvalue().splitlines()
    assert head.split() == ["time", "one", "two"]
    assert moments[-1].split()[2:] == ["10", "answers", "0"]
    assert last == ""


def test_raises_what_went_wrong_while_it_was_shown() -> None:
    def fail() -> float:
        raise CalcbenchError("no figure")

    with (
        pytest.raises(CalcbenchError, match="no figure"),
        shown(io.StringIO(), [Lane("one", fail)], 60),
    ):
        pass


def test_draws_curves_with_labels_that_do_not_overlap() -> None:
    curves = tuple(Curve(name, (0, 1), (0, value), "") for name, value in [("a", 5), ("b", 5.1)])
    low, high = drawing.heights_of(curves, 1.0)

    assert (low, high) == (5, 6)
    assert drawing.heights_of((Curve("at the axis", (0, 1), (0, 0), ""),), 1.0) == [0.5]


def test_leaves_room_for_the_label_of_a_curve_that_has_no_place_of_its_own() -> None:
    one, other = Curve("a", (0, 1), (0, 5), ""), Curve("b", (0, 1), (0, 5), "", at=(0.5, 2))

    assert drawing.heights_of((one, other), 1.0) == [5, 5]


def test_says_in_how_many_requests_a_client_has_waited() -> None:
    behind = Behind("blocking", cast(Server, None), slow_first.SLOW, 5)
    before = behind.in_words(0.0)
    behind.waited_ns = [953_000_000, 951_000_000]

    assert before == "not asked yet"
    assert behind.in_words(behind.waited_s()) == "1.90 s in 2 requests"
    assert len(behind.in_words(0.000953)) <= lanes.VALUE


@pytest.mark.parametrize(
    ("data", "length"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n", None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n", 39),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 27),
    ],
)
def test_knows_how_long_a_response_is(data: bytes, length: int | None) -> None:
    assert whole_length(data) == length


@pytest.mark.parametrize("held", [True, False])
def test_counts_how_often_a_claim_held(
    held: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(repeat, "modules", lambda: [trivial(run_trivial, held=held)])

    assert repeat.run(["--times", "2"]) == (0 if held else 1)
    out = capsys.readouterr().out
    assert f"trivial, as the machine is: held {2 if held else 0} of 2" in out
    assert "trivial, one core busy: held" in out


def test_counts_a_run_that_failed_as_not_held() -> None:
    def run(_: Stage) -> Figures:
        raise CalcbenchError("the server died")

    assert repeat.play(trivial(run)) == (False, "the server died")


@pytest.mark.slow
def test_plays_on_real_servers_and_leaves_none_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silent_client, "SILENT_S", 0.2)
    monkeypatch.setattr(silent_client, "AFTER_S", 0.3)
    screen = io.StringIO()
    with Stage("blocking", screen) as stage:
        figures = silent_client.run(stage)

    blocking, loop = figures["servers"]
    assert blocking["answers_while_silent"] == 0
    assert loop["answers_while_silent"] > 0
    assert json.loads(json.dumps(figures)) == figures
    assert "blocking" in screen.getvalue()
    with pytest.raises(ChildProcessError):  # there is none any more
        os.waitpid(-1, os.WNOHANG)


@pytest.mark.slow
def test_puts_a_fast_request_behind_a_slow_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow_first, "SLOW", "/add/2/3?wait=300ms")
    monkeypatch.setattr(slow_first, "ROUNDS", 1)
    with Stage("blocking", sys.stdout) as stage:
        figures = slow_first.run(stage)

    assert [one["label"] for one in figures["servers"]] == ["blocking", "threadpool", "selectors"]
    assert all(len(one["fast_waited_ns"]) == 1 for one in figures["servers"])


@pytest.mark.slow
def test_ends_at_ctrl_c_and_keeps_no_half_of_a_result(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "calcbench", "demo", "1", "--no-wait", "--out", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        while not process.stdout.readline().startswith("  time"):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        process.stdout.read()

    assert process.returncode == 128 + signal.SIGINT
    assert list(tmp_path.iterdir()) == []
