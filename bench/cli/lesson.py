"""`calcbench lesson`: thirteen steps from two terminals to a strategy of one's own."""

import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import click

from calcbench.bench.classroom.lessons.catalogue import lesson_of, lessons
from calcbench.bench.classroom.lessons.folder import AS_GIVEN, MISSING, Folder
from calcbench.bench.classroom.lessons.judge import judge
from calcbench.bench.classroom.lessons.lesson import Lesson
from calcbench.bench.classroom.lessons.progress import (
    NAME,
    Progress,
    read_progress,
    write_progress,
)
from calcbench.bench.classroom.lessons.wording import LETTERS, choices, filled, shortfall
from calcbench.bench.cli.base import Command
from calcbench.bench.cli.param_types import complete_words
from calcbench.bench.cli.session import interrupted_by_signals
from calcbench.bench.system.program import RULE_BROKEN
from calcbench.bench.system.terminal import Styled, echo
from calcbench.bench.units import format_count
from calcbench.core.errors import UsageError
from calcbench.core.options import nearest, parse_whole

ACTIONS = ("list", "start", "next", "hint", "check", "reset")


@click.command(
    "lesson",
    cls=Command,
    examples={
        "calcbench lesson": "where you are, and what to type next",
        "calcbench lesson start 1": "begin; the program is put into this folder",
        "calcbench lesson check": "try your program from outside, as a client does",
        "calcbench lesson hint": "one hint at a time",
        "calcbench lesson next": "go on to the next step",
        "calcbench lesson reset 3": "begin step 3 afresh; your program is kept beside it",
    },
)
@click.argument(
    "action",
    metavar="[list|start|next|hint|check|reset]",
    required=False,
    shell_complete=complete_words(*ACTIONS),
)
@click.argument("step", metavar="[N]", required=False)
def lesson_command(action: str | None, step: str | None) -> int:
    """Write a server of your own, in 13 steps.

    Each has a program that you finish.

    It all happens in the folder in which you are: the programs, and calcbench-lesson.json, which
    keeps how far you are. Use any editor. The exit status of check is 3 when a rule is broken.
    """
    if action is not None and action not in ACTIONS:
        raise UsageError(f"no lesson action {action!r}{nearest(action, ACTIONS)}")
    number = number_of(step) if step is not None else 0
    if number and action in ("list", "next"):
        raise UsageError(f"lesson {action} takes no number")
    folder = Folder(Path.cwd())
    if action == "reset" and not number:
        return forget(folder)
    progress = read_progress(folder.path, len(lessons()))
    if action == "start":
        return begin(lesson_of(number or progress.step or 1), folder, progress)
    if action == "next":
        return go_on(folder, progress)
    if action == "list":
        return show_list(progress)
    if not (number or progress.step):
        return welcome()
    lesson = lesson_of(number or progress.step)
    if action == "hint":
        return show_hint(lesson, folder, progress)
    if action == "check":
        with interrupted_by_signals() as caught:
            try:
                return check(lesson, folder, progress)
            except KeyboardInterrupt:  # her program has been ended by now
                return 128 + caught[0]
    if action == "reset":
        return put_afresh(lesson, folder, progress)
    return show_place(lesson, folder, progress)


def number_of(text: str) -> int:
    """Return the number of a lesson in *text*; raises UsageError where there is none."""
    try:
        return lesson_of(parse_whole(text)).number
    except ValueError:
        example = "as in calcbench lesson start 3"
        raise UsageError(f"lesson {text!r} should be a number from 1 on, {example}") from None


def welcome() -> int:
    """Say how to begin."""
    echo(
        filled(
            """
You are at the beginning. There are 13 steps; each has a program of 15 to 90 lines, and
two or three of these lines are yours to write. Go to an empty folder, and type

    calcbench lesson start 1

See all steps with calcbench lesson list.
"""
        )
    )
    return 0


def show_list(progress: Progress) -> int:
    """Print every step, which have passed, and which one is the present."""
    for lesson in lessons():
        mark = "done" if lesson.number in progress.passed else ""
        mark = "here" if lesson.number == progress.step and not mark else mark
        echo(f"{lesson.number:3}  {mark:4}  {lesson.title}")
    return 0


def show_place(lesson: Lesson, folder: Folder, progress: Progress) -> int:
    """Say where she is, and what to type next."""
    echo(Styled(heading(lesson), "bold"))
    echo(f"{lesson.program} is {folder.state(lesson)}.")
    if lesson.number in progress.passed:
        last = lesson.number == len(lessons())
        echo("It has passed. " + ("All steps are done." if last else "Type: calcbench lesson next"))
        return 0
    if lesson.number in progress.revealed:
        echo(filled(f"\nWhat to do: {lesson.task}"))
    echo()
    echo("calcbench lesson check    tries it from outside")
    echo("calcbench lesson hint     helps")
    echo(f"calcbench lesson start {lesson.number:<2} shows the step once more")
    return 0


def heading(lesson: Lesson) -> str:
    """Return the heading of *lesson*."""
    return f"Step {lesson.number} of {len(lessons())}: {lesson.title}"


def begin(lesson: Lesson, folder: Folder, progress: Progress) -> int:
    """Put the program here, unless it is, and show the step up to the run."""
    new = folder.put(lesson)
    progress.step = lesson.number
    write_progress(progress, folder.path)
    echo(Styled(heading(lesson), "bold"))
    there = "" if new else f" was here already, {folder.state(lesson)}, and stays as it is"
    echo(f"{lesson.program}{there or ' is in this folder now'}.")
    echo()
    echo(filled(lesson.idea))
    echo()
    say("Predict.", lesson.prediction.question)
    echo(choices(lesson))
    predict(lesson, folder, progress)
    echo()
    say("Run.", lesson.run)
    echo()
    for number, change in enumerate(lesson.changes, start=1):  # as it stands, to be copied
        echo(Styled(f"Change {number}", "bold"))
        echo()
        echo(change)
    echo("And then: calcbench lesson check")
    return 0


def say(word: str, text: str) -> None:
    """Print *text* behind a *word* that says what it is."""
    echo(Styled(word, "bold"), filled(f"{word} {text}").removeprefix(word))


def predict(lesson: Lesson, folder: Folder, progress: Progress) -> None:
    """Ask for a prediction, where somebody can give one and has given none."""
    if lesson.number in progress.predicted or not somebody_types():
        return
    letters = LETTERS[: len(lesson.prediction.choices)]
    with suppress(click.Abort):  # Ctrl-C and Ctrl-D: later
        while given := prompt(letters):
            if given in tuple(letters):
                progress.predicted[lesson.number] = letters.index(given)
                write_progress(progress, folder.path)
                return
        return
    echo()


def somebody_types() -> bool:
    """Tell whether a person is at both ends."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def prompt(letters: Sequence[str]) -> str:
    """Return what is typed as one of *letters*, or nothing for later."""
    offered = f"Yours ({', '.join(letters[:-1])} or {letters[-1]}; Enter: later)"
    typed: str = click.prompt(offered, default="", show_default=False)
    return typed.strip().lower()


def go_on(folder: Folder, progress: Progress) -> int:
    """Begin the step behind the present one."""
    if progress.step == len(lessons()):
        echo("That was the last step. Begin a strategy with: calcbench new mine.py")
        return 0
    if progress.step and progress.step not in progress.passed:
        back = f"calcbench lesson start {progress.step}"
        echo(f"Step {progress.step} has not passed its check yet; {back} goes back to it.")
        echo()
    return begin(lesson_of(progress.step + 1), folder, progress)


def show_hint(lesson: Lesson, folder: Folder, progress: Progress) -> int:
    """Show one more hint, or say that all have been shown."""
    of = len(lesson.hints)
    number = progress.hinted.get(lesson.number, 0) + 1
    if number > of:
        afresh = f"calcbench lesson reset {lesson.number} begins the step anew"
        echo(filled(f"You have seen all {format_count(of, 'hint')} of this step. {afresh}."))
        return 0
    progress.hinted[lesson.number] = number
    write_progress(progress, folder.path)
    echo(filled(f"Hint {number} of {of}: {lesson.hints[number - 1]}"))
    return 0


def check(lesson: Lesson, folder: Folder, progress: Progress) -> int:
    """Try the program from outside, and say what came of it; return the exit status."""
    state = folder.state(lesson)
    if state == MISSING:
        again = f"calcbench lesson start {lesson.number} puts it here"
        raise UsageError(f"there is no {lesson.program} in this folder; {again}")
    reveal(lesson, folder, progress)
    echo(Styled(lesson.program, "bold"))
    for verdict in judge(lesson, folder.file(lesson)):
        if not verdict.missed:
            echo(f"  ok  {verdict.rule.does}")
            continue
        echo(Styled("  NO  ", "red"), verdict.rule.does)
        echo(shortfall(verdict.missed))
        echo()
        if state == AS_GIVEN:
            echo(filled(f"It is as it was given. Your turn: {lesson.task}"))
        echo("One hint at a time: calcbench lesson hint")
        return RULE_BROKEN
    progress.passes(lesson.number)
    write_progress(progress, folder.path)
    echo()
    say("Passed.", lesson.breaks)
    if lesson.number < len(lessons()):
        echo()
        echo("Type: calcbench lesson next")
    return 0


def reveal(lesson: Lesson, folder: Folder, progress: Progress) -> None:
    """Print once what the run has shown, and how the prediction was."""
    if lesson.number in progress.revealed:
        return
    right = lesson.prediction.right
    answer = f"It is {LETTERS[right]}, {lesson.prediction.choices[right]}."
    if (told := progress.predicted.get(lesson.number)) is not None:
        verdict = ", and so it is." if told == right else f". {answer}"
        answer = f"You predicted {LETTERS[told]}{verdict}"
    echo(filled(f"{answer}\n\n{lesson.reveal}"))
    echo()
    progress.reveals(lesson.number)
    write_progress(progress, folder.path)


def put_afresh(lesson: Lesson, folder: Folder, progress: Progress) -> int:
    """Put the program of *lesson* here as it was given, and keep the changed one beside it."""
    kept = folder.put_afresh(lesson)
    progress.passed = [number for number in progress.passed if number != lesson.number]
    progress.revealed = [number for number in progress.revealed if number != lesson.number]
    for told in (progress.predicted, progress.hinted):
        told.pop(lesson.number, None)
    write_progress(progress, folder.path)
    beside = f" Yours is {kept.name} now." if kept else ""
    echo(f"{lesson.program} is as it was given.{beside}")
    return 0


def forget(folder: Folder) -> int:
    """Forget how far she is; her programs stay."""
    (folder.path / NAME).unlink(missing_ok=True)
    echo("You are at the beginning again; your programs are as they were.")
    echo("Type: calcbench lesson start 1")
    return 0
