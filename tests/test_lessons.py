"""The lessons: what they give, what their checks say, and that nobody's work is overwritten."""

import ast
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import click
import pytest
from click.testing import CliRunner, Result
from client import Client
from servers import stop_cleanly
from test_layout import imports, is_standard

from calcbench.bench.classroom.lessons import conversation, trial
from calcbench.bench.classroom.lessons.catalogue import lessons
from calcbench.bench.classroom.lessons.conversation import MissedError
from calcbench.bench.classroom.lessons.folder import Folder
from calcbench.bench.classroom.lessons.judge import judge
from calcbench.bench.classroom.lessons.lesson import Lesson
from calcbench.bench.classroom.lessons.progress import NAME, read_progress
from calcbench.bench.classroom.lessons.trial import Trial
from calcbench.bench.classroom.lessons.wording import filled
from calcbench.bench.classroom.steps import step10_fork, step12_measure
from calcbench.bench.cli import lesson as lesson_cli
from calcbench.bench.cli.main import COMMANDS, cli
from calcbench.core.serving import catalogue
from calcbench.core.serving.catalogue import parse_variant
from calcbench.core.serving.launcher import ServerSpec, launch

LESSONS = lessons()
PROGRAMS = [lesson for lesson in LESSONS if lesson.program.endswith(".py")]
NEEDS_CHECK = pytest.mark.skipif("check" not in COMMANDS, reason="calcbench has no check yet")
CHECKED = [pytest.param(one, marks=NEEDS_CHECK if one.origin else ()) for one in LESSONS]
ids = "{0.number}".format
PATIENCE_S = 30.0
SHORTER = ("--duration", "0.2", "--warmup", "0.05")
Run = Callable[..., Result]
LOOP = """\
    received = b""
    while b"\\n" not in received:
        data = sock.recv(100)
        if not data:
            return
        received += data
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, in which a student works; checks wait there as for a laden machine."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(conversation, "ANSWER_S", PATIENCE_S)
    monkeypatch.setattr(trial, "START_S", PATIENCE_S)
    monkeypatch.setattr(step10_fork, "GONE_S", PATIENCE_S)
    monkeypatch.setattr(step12_measure, "SHORT", (*step12_measure.SHORT, *SHORTER))
    return tmp_path


@pytest.fixture
def run(folder: Path) -> Run:
    """Return what runs `calcbench lesson` in the folder."""

    def lesson(*words: str) -> Result:
        return CliRunner().invoke(cli, ["lesson", *words], standalone_mode=False)

    return lesson


def put_all(folder: Path, solved: bool) -> None:
    for lesson in LESSONS:
        (folder / lesson.program).write_text(lesson.solved if solved else lesson.given)


def test_has_thirteen_steps_in_order() -> None:
    assert [lesson.number for lesson in LESSONS] == list(range(1, 14))


@pytest.mark.slow
@pytest.mark.parametrize("lesson", CHECKED, ids=ids)
def test_leaves_something_to_do(
    folder: Path, lesson: Lesson, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, "ANSWER_S", 0.3)  # what is missing comes never
    put_all(folder, solved=False)
    *_, last = judge(lesson, folder / lesson.program)

    assert last.missed


@pytest.mark.slow
@pytest.mark.parametrize("lesson", CHECKED, ids=ids)
def test_passes_what_is_solved(
    folder: Path, lesson: Lesson, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        step12_measure, "measure", lambda _: rates(8000, 900)
    )  # not of this machine
    put_all(folder, solved=True)
    verdicts = list(judge(lesson, folder / lesson.program))

    assert [vars(verdict.missed) for verdict in verdicts if verdict.missed] == []
    assert len(verdicts) == len(lesson.rules)


@pytest.mark.parametrize("lesson", PROGRAMS[:-1], ids=ids)
def test_programs_run_by_themselves_and_are_short(lesson: Lesson) -> None:
    for text in (lesson.given, lesson.solved):
        tree = ast.parse(text)
        assert all(is_standard(name) for _, name in imports(tree))
        assert len(text.splitlines()) <= (95 if lesson.number == 11 else 64)
        assert max(map(len, text.splitlines())) <= 100
    assert "TODO" in lesson.given
    assert "TODO" not in lesson.solved
    assert "# +" not in lesson.given + lesson.solved


def test_the_event_loop_becomes_a_strategy_by_its_three_changes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "given", {})
    loop, strategy = LESSONS[10], LESSONS[12]
    assert strategy.given == loop.solved
    assert len(strategy.changes) == 3
    (folder / "mine.py").write_text(strategy.solved)
    with launch(ServerSpec(parse_variant("./mine.py").strategy, workload="wait=1ms")) as server:
        with Client(server) as client:
            assert client.get("/add/2/3").body == b"5"
            assert client.get("/add/2/4").body == b"6"
        stop_cleanly(server)

    kept = [line for line in loop.solved.splitlines() if line in strategy.solved.splitlines()]
    assert "                    selector.register(client.sock, interest, client)" in kept


def test_shows_the_changes_to_be_copied(run: Run) -> None:
    begun = run("start", "13").output
    for change in LESSONS[12].changes:
        assert change in begun
        assert max(map(len, change.splitlines())) < 80


@pytest.mark.parametrize("lesson", LESSONS, ids=ids)
def test_texts_fit_a_terminal(lesson: Lesson) -> None:
    texts = [lesson.idea, lesson.run, lesson.reveal, lesson.task, lesson.breaks, *lesson.hints]
    assert all(texts)
    assert max(len(line) for text in texts for line in filled(text).splitlines()) <= 100
    assert 0 <= lesson.prediction.right < len(lesson.prediction.choices)
    assert lesson.program in lesson.run + lesson.task


def test_begins_in_an_empty_folder(run: Run, folder: Path) -> None:
    assert "calcbench lesson start 1" in run().output
    begun = run("start", "1")

    assert "Step 1 of 13: Two ends talk" in begun.output
    assert (folder / "step01_talk.py").read_text() == LESSONS[0].given
    assert "step01_talk.py is as it was given" in run().output
    assert "  1  here  Two ends talk" in run("list").output


def test_overwrites_nothing(run: Run, folder: Path) -> None:
    mine = folder / "step03_greet.py"
    mine.write_text("mine")
    assert "was here already, changed by you, and stays as it is" in run("start", "3").output
    assert mine.read_text() == "mine"
    assert "Yours is step03_greet.py.1 now" in run("reset", "3").output
    mine.write_text("mine again")
    run("reset", "3")

    assert mine.read_text() == LESSONS[2].given
    assert (folder / "step03_greet.py.1").read_text() == "mine"
    assert (folder / "step03_greet.py.2").read_text() == "mine again"


def test_gives_one_hint_at_a_time(run: Run) -> None:
    run("start", "2")
    seen = [run("hint").output for _ in range(4)]

    assert [text.partition(":")[0] for text in seen[:3]] == [f"Hint {n} of 3" for n in (1, 2, 3)]
    assert seen[3].startswith("You have seen all 3 hints of this step.")


@pytest.mark.slow
def test_checks_and_goes_on(run: Run, folder: Path) -> None:
    run("start", "3")
    failed = run("check")
    assert failed.return_value == 3
    assert "It is c, a name of 300 bytes, and one that comes in two pieces." in failed.output
    assert "  ok  greets Ada\n  NO  greets somebody with a name of 5,000 bytes\n" in failed.output
    assert "came back  b'Hello, NNN" in failed.output
    assert "It is as it was given. Your turn: In step03_greet.py" in failed.output
    assert "has not passed its check yet" in run("next").output
    (folder / "step03_greet.py").write_text(LESSONS[2].solved)
    passed = run("check", "3")
    assert passed.return_value == 0
    assert "It is c" not in passed.output  # once is enough
    assert "Passed. A line end was our own agreement." in passed.output

    assert "  3  done  Ask for a name" in run("list").output
    assert json.loads((folder / NAME).read_bytes())["passed"] == [3]


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"step": 14}', '{"passed": [0]}', '{"step": "x"}', "\0"]
)
def test_says_so_where_its_file_is_damaged(run: Run, folder: Path, text: str) -> None:
    (folder / NAME).write_text(text)
    refused = run("next").exception
    assert refused
    assert "calcbench-lesson.json is damaged" in str(refused)
    assert "calcbench lesson reset begins anew" in str(refused)
    run("reset")

    assert "You are at the beginning" in run().output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("hints", "no lesson action 'hints'; did you mean 'hint'?"),
        ("start 14", "no lesson 14; there are 1 to 13"),
        ("start x", "lesson 'x' should be a number from 1 on, as in calcbench lesson start 3"),
        ("next 3", "lesson next takes no number"),
        (
            "check 2",
            "there is no step02_listen.py in this folder; calcbench lesson start 2 puts it",
        ),
    ],
)
def test_names_what_would_be_right(run: Run, words: str, said: str) -> None:
    assert said in str(run(*words.split()).exception)


def missed_by(folder: Path, text: str, step: int = 2) -> str:
    """Return why the check of a step says no to a program *text*."""
    lesson = LESSONS[step - 1]
    file = folder / lesson.program
    file.write_text(text)
    *_, last = judge(lesson, file)
    assert last.missed
    return last.missed.why


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("import (", "it raised SyntaxError in step02_listen.py, line 1: invalid syntax"),
        (
            "x = 1\n1 / 0",
            "it raised ZeroDivisionError in step02_listen.py, line 2: division by zero",
        ),
        ("print('done')", "it ended before anybody could connect: step02_listen.py, with status 0"),
        ("raise SystemExit(4)", "before anybody could connect: step02_listen.py, with status 4"),
    ],
)
def test_says_why_nobody_could_connect(folder: Path, text: str, why: str) -> None:
    assert why in missed_by(folder, text)


@pytest.mark.slow
def test_says_where_it_was_to_listen(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "START_S", 0.1)

    why = missed_by(folder, "import time\ntime.sleep(60)")
    assert "step02_listen.py is running, but nothing listens on localhost port" in why


@pytest.mark.slow
def test_says_where_a_program_failed_in_the_middle(folder: Path) -> None:
    text = LESSONS[1].solved.replace('sock.sendall(b"hello\\n")', "sock.sendall('hello')")

    assert missed_by(folder, text) == (
        "it raised TypeError in step02_listen.py, line 15:"
        " a bytes-like object is required, not 'str'"
    )


@pytest.mark.slow
def test_says_in_which_thread_a_program_failed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, "ANSWER_S", 0.5)  # what is missing comes never
    text = LESSONS[7].solved.replace("args=(sock,)", "args=(sock, 1)")

    assert missed_by(folder, text, 8).startswith(
        "it raised TypeError in the thread that is made in step08_threads.py, line 47: serve()"
    )


def rates(threads: float, processes: float) -> dict[str, float]:
    return dict(zip(step12_measure.PROGRAMS, (threads, processes), strict=True))


@pytest.mark.parametrize(
    ("threads", "processes", "why"),
    [
        (500, 3000, "are the two numbers swapped"),
        (1000, 1000, "by much less"),
        (90, 10, "far from that"),
    ],
)
def test_holds_noted_numbers_to_what_is_seen(threads: int, processes: int, why: str) -> None:
    step12_measure.compare(rates(9000, 1000), rates(8000, 900))
    step12_measure.compare(rates(1000, 1100), rates(1100, 1000))  # as good as equal
    with pytest.raises(MissedError, match=why):
        step12_measure.compare(rates(threads, processes), rates(8000, 900))


@pytest.mark.slow
def test_measures_both_programs(folder: Path) -> None:
    put_all(folder, solved=True)

    assert all(step12_measure.measure(folder).values())


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        (["calcbench lesson check", "d", "B "], {1: 1}),
        (["ab", ""], {}),
        ([click.Abort()], {}),
    ],
)
def test_takes_one_of_the_letters_as_a_prediction(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, typed: list[object], kept: object
) -> None:
    monkeypatch.setattr(lesson_cli, "somebody_types", lambda: True)
    monkeypatch.setattr(click, "prompt", Mock(side_effect=typed))

    assert "calcbench nc -v localhost 1234" in run("start", "1").output
    assert read_progress(folder, 13).predicted == kept


MISTAKES = {
    "exits, 4": (
        4,
        "sendall(head + body)",
        "sendall(head + body); sys.exit()",
        "it ended after its",
    ),
    "exits, 5": (5, "text.encode())", "text.encode()); sys.exit()", "it ended after its first"),
    "exits, 7": (
        7,
        " " * 16 + "return\n\n",
        " " * 16 + 'sys.exit("bye")\n\n',
        "it ended after its",
    ),
    "sleeps, 3": (
        3,
        LOOP,
        "    import time\n    time.sleep(0.3)\n    received = sock.recv(1000)\n",
        "",
    ),
    "sleeps, 6": (
        6,
        "    while len(body) < length:\n",
        "    import time\n    time.sleep(0.3)\n    if len(body) < length:\n",
        "",
    ),
    "LF": (
        4,
        "close\\r\\n\\r\\n",
        "close\\n\\n",
        "the head never ends: its lines and the empty line",
    ),
    "too long": (4, "{len(body)}", "60", "Content-Length is wrong: 60 promised, 6 came"),
    "too short": (4, "{len(body)}", "3", "Content-Length is wrong: 3 promised, 6 came"),
    "closes": (4, "Connection: close\\r\\n", "", ""),
    "prints": (
        2,
        'sock.sendall(b"hello\\n")',
        'print(b"hello\\n")',
        "it printed b'hello\\n'; print goes to your terminal, sendall to the client",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize(("step", "right", "wrong", "why"), MISTAKES.values(), ids=MISTAKES)
def test_finds_a_mistake_and_says_which(
    folder: Path, step: int, right: str, wrong: str, why: str
) -> None:
    text = LESSONS[step - 1].solved
    assert right in text

    assert missed_by(folder, text.replace(right, wrong), step).startswith(why)


@pytest.mark.slow
def test_leaves_no_process_behind(folder: Path) -> None:
    file = folder / "forks.py"
    file.write_text("import os, time\nos.fork()\nprint(os.getpid())\ntime.sleep(600)\n")
    with Trial(file) as running:
        assert running.has_printed("\n", 30)
        group = running.pid

    with pytest.raises(ProcessLookupError):
        while True:  # what the killed child leaves is for whoever has taken it in
            os.killpg(group, 0)


def test_knows_what_has_become_of_a_program(folder: Path) -> None:
    place = Folder(folder)
    states = [place.state(LESSONS[0])]
    place.put(LESSONS[0])
    states.append(place.state(LESSONS[0]))
    place.file(LESSONS[0]).write_text("mine")

    assert [*states, place.state(LESSONS[0])] == ["missing", "as it was given", "changed by you"]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_takes_the_program_along_when_it_is_stopped(folder: Path, number: int) -> None:
    program = folder / "step02_listen.py"
    program.write_text(
        "import os, time\nprint(os.getpid(), file=open('pid', 'w'))\ntime.sleep(600)\n"
    )
    command = [sys.executable, "-m", "calcbench", "lesson", "check", "2"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True) as process:
        while not ((folder / "pid").exists() and (folder / "pid").read_text()):
            assert process.poll() is None
        pid = int((folder / "pid").read_text())
        process.send_signal(number)

        assert process.wait() == 128 + number
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
