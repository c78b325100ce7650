"""Lesson 12: measure it."""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from calcbench.bench.classroom.lessons.conversation import MissedError
from calcbench.bench.classroom.lessons.lesson import Lesson, Prediction, Rule
from calcbench.bench.classroom.lessons.trial import Trial
from calcbench.bench.units import format_rate

PROGRAMS = ("step08_threads.py", "step10_fork.py")
NOTED = re.compile(r"^(\S+\.py) *= *([\d,]+)", re.MULTILINE)
FAR = 20  # times as much or as little: no other load and no other day explains that
APART = 5  # times between two ratios, likewise; the load is the same for both programs
TIE = 1.5  # a ratio that may be the other way round on another day
SHORT = (
    "--reuse",
    "close",
    "--duration",
    "1",
    "--warmup",
    "0.2",
    "--rounds",
    "1",
    "--no-charts",
    "--json",
)


def noted(file: Path) -> dict[str, int]:
    """Return what the student has written down: right responses a second of each program."""
    found = NOTED.findall(file.read_text(encoding="utf-8", errors="replace"))
    return {name: int(number.replace(",", "") or 0) for name, number in found}


def is_noted(trial: Trial) -> None:
    """See that there is a number for each program."""
    there = noted(trial.file)
    for name in PROGRAMS:
        if not there.get(name):
            wanted = f"a line such as {name} = 12300, with what you have measured"
            raise MissedError("", f"a look into {trial.file.name}", f"no number for {name}", wanted)


def agrees(trial: Trial) -> None:
    """Measure both programs shortly, and compare; once more if need be."""
    told, folder = noted(trial.file), trial.file.parent
    try:
        compare(told, measure(folder))
    except MissedError:  # a second on a busy machine may be an odd one
        compare(told, measure(folder))


def compare(told: Mapping[str, float], seen: Mapping[str, float]) -> None:
    """Hold the rates *told* to those *seen*, and order and ratio too; raises MissedError."""
    sent = "8 clients to each, for a second, a new connection for each request"
    came = " and ".join(f"{format_rate(seen[name])} of {name}" for name in PROGRAMS)
    ours, hers = (rates[PROGRAMS[0]] / max(rates[PROGRAMS[1]], 1) for rates in (seen, told))
    expected = "something like the {} and {} that you have noted".format(
        *(format_rate(told[name]) for name in PROGRAMS)
    )
    why = ""
    if min(ours, hers) < 1 / TIE and max(ours, hers) > TIE:
        why = "the other program is ahead: are the two numbers swapped?"
    elif not ours / APART < hers < ours * APART:
        why = "one is ahead of the other by much more, or by much less: measure again"
    elif not all(seen[name] / FAR < told[name] < seen[name] * FAR for name in PROGRAMS):
        why = "it is far from that: measure again"
    if why:
        raise MissedError(why, sent, came, expected)


def measure(folder: Path) -> dict[str, float]:
    """Return right responses a second of both programs in *folder*, measured just now."""
    with ExitStack() as running, tempfile.TemporaryDirectory() as results:
        trials = []
        for name in PROGRAMS:
            if not (folder / name).exists():
                number = int(name[4:6])
                raise MissedError(
                    f"{name} is not here: calcbench lesson start {number} puts it here"
                )
            trial = running.enter_context(Trial(folder / name))
            trial.connect().sock.close()
            trials.append(trial)
        urls = [f"http://127.0.0.1:{trial.port}/add/2/3" for trial in trials]
        done = subprocess.run(
            [sys.executable, "-m", "calcbench", "load", *urls, *SHORT, "--out", results],
            capture_output=True,
            text=True,
            check=False,
        )
        try:
            rows = json.loads(done.stdout)["summary"]["rows"]
            rates = [row["throughput"]["median"] or 0.0 for row in rows]
        except (KeyError, TypeError, ValueError):
            last = (done.stderr.strip() or "it printed nothing").splitlines()[-1]
            raise MissedError(f"calcbench load has not measured: {last}") from None
    return dict(zip(PROGRAMS, rates, strict=True))


LESSON = Lesson(
    title="Measure it",
    program="step12_measure.txt",
    idea="""
    Which of your servers is the best one? That is a question for a measurement, and its
    answer depends on what costs time. Here each request comes on a connection of its own.
    """,
    prediction=Prediction(
        "8 clients ask again and again, each time on a new connection. Your threads (step 8)"
        " against your processes (step 10): how many responses a second do the threads give?",
        (
            "fewer: processes can use every core",
            "about as many: both start one thing for each client",
            "several times as many",
        ),
        right=2,
    ),
    run="""
    In two terminals, and then in a third:

        python3 step08_threads.py 8008
        python3 step10_fork.py 8010
        calcbench load --theme projector --reuse close \\
          http://localhost:8008/add/2/3 http://localhost:8010/add/2/3

    It takes about twenty seconds. Ctrl-C ends the two servers. It may say that it cannot
    tell which wins, since the driver was the limit: the clients had no time left, and ≥ in
    front of a number means at least so many. Write that number down, without the ≥: more
    than twice as many is an answer all the same.
    """,
    reveal="""
    A fork has to copy what the system knows of the memory of the program, and an exit to
    give it back. A thread shares all that. Where connections stay, both are paid once for
    each client: leave out --reuse close, and see. (And then measure step 11, which starts
    neither.)
    """,
    task="""
    In step12_measure.txt: write down what you have measured. The check measures
    both once more, for a second each, and compares which is ahead, and how far.
    """,
    hints=(
        "The figures are in the column of responses per second, a row for each URL.",
        "Write them without a unit: step10_fork.py = 1100.",
    ),
    breaks="""
    Your servers serve one calculator, for as long as nobody misbehaves. They have no
    deadlines and no limits, and nothing but Ctrl-C stops them. What is missing to race one?
    """,
    rules=(
        Rule("has a number for both programs", is_noted),
        Rule("agrees with a measurement made now", agrees),
    ),
)
