"""`calcbench check`: hold a strategy, or any server, against the rules, one line for each."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import click

from calcbench.bench.classroom.conformance.catalogue import RULES, choose
from calcbench.bench.classroom.conformance.program import refuse_program
from calcbench.bench.classroom.conformance.report import (
    as_junit,
    lines_of,
    record_of,
    summary_of,
    unjudged_lines,
)
from calcbench.bench.classroom.conformance.rule import Rule
from calcbench.bench.classroom.conformance.site import visit
from calcbench.bench.classroom.conformance.strategy import StrategySubject
from calcbench.bench.classroom.conformance.suite import check_site, check_strategy
from calcbench.bench.classroom.conformance.target import MANY, ONE
from calcbench.bench.classroom.conformance.verdict import (
    ADVICE,
    BROKEN,
    KEPT,
    Verdict,
    insist,
)
from calcbench.bench.cli.base import Command, json_option
from calcbench.bench.cli.param_types import complete_strategies
from calcbench.bench.system.program import RULE_BROKEN
from calcbench.bench.system.terminal import Styled, echo, echo_json
from calcbench.core.errors import CalcbenchError, UsageError
from calcbench.core.serving.catalogue import parse_variant

ADDRESS = re.compile(r"[\w.-]+:\d+(/.*)?")  # an option of a strategy has a =
MARKS = {
    KEPT: Styled("ok      ", "bold"),
    BROKEN: Styled("BROKEN  ", "red"),
    ADVICE: Styled("advice  ", "yellow"),
}


@click.command(
    "check",
    cls=Command,
    examples={
        "calcbench check ./mine.py": "a strategy of your own",
        "calcbench check ./mine.py -x": "up to the first rule that it breaks",
        "calcbench check threadpool:workers=2": "one of ours, with an option",
        "calcbench check http://127.0.0.1:1234": "any server that runs already",
        "calcbench check ./mine.py --only reset": "one rule alone",
        "calcbench check --rules": "print the rules",
    },
)
@click.argument("what", metavar="FILE|NAME|URL", default="", shell_complete=complete_strategies)
@click.option("-x", "first_only", is_flag=True, help="Stop at the first rule that is broken.")
@click.option("--only", multiple=True, metavar="RULE", help="Judge by this rule. Repeats.")
@click.option("--skip", multiple=True, metavar="RULE", help="Leave this rule out. Repeats.")
@click.option(
    "--require",
    multiple=True,
    metavar="RULE",
    help="Let this rule count as broken where it is advice, or cannot be judged. Repeats.",
)
@click.option(
    "--clients",
    metavar="one|many",
    default="",
    help="How many clients it means to serve at once; by default, what it says or shows.",
)
@click.option("--junit", metavar="FILE", default="", help="Write JUnit XML as well, for a CI.")
@click.option("--rules", "list_rules", is_flag=True, help="Print the rules and stop.")
@json_option()
def check_command(
    what: str,
    first_only: bool,
    only: tuple[str, ...],
    skip: tuple[str, ...],
    require: tuple[str, ...],
    clients: str,
    junit: str,
    list_rules: bool,
    as_json: bool,
) -> int:
    """Say what is wrong with a strategy or a server.

    It is held against rules; the exit status is 3 if one is broken.

    The rules that matter most come first. A broken one says what was sent, what was seen, and
    which mistake that looks like. A server that runs already is judged by what it offers; what
    cannot be judged from outside is named.
    """
    if list_rules:
        for rule in RULES:
            echo(Styled(rule.name, "bold"), f": {rule.promise}")
        return 0
    if not what:
        raise UsageError("what is to be checked? as in: calcbench check ./mine.py")
    if clients not in ("", ONE, MANY):
        raise UsageError(f"--clients {clients!r} should be one or many")
    rules = choose(only, skip)
    required = choose(require) if require else ()
    for rule in required:
        if rule not in rules:
            raise UsageError(f"--require {rule.name}: --only or --skip leaves it out")
    began = time.monotonic()
    verdicts: list[Verdict] = []
    name, coming = begin(what, rules, clients, first_only=first_only)
    try:
        for judged in coming:
            verdict = insist(judged) if judged.rule in required else judged
            verdicts.append(verdict)
            if not as_json and verdict.outcome in MARKS:
                show(verdict)
            if first_only and verdict.outcome == BROKEN:
                break
    except KeyboardInterrupt:
        if not as_json:
            echo(f"{summary_of(name, verdicts, time.monotonic() - began)}; stopped by Ctrl-C")
        raise
    seconds = time.monotonic() - began
    if as_json:
        echo_json(record_of(name, verdicts, seconds))
    else:
        for line in unjudged_lines(verdicts):
            echo(line)
        echo(summary_of(name, verdicts, seconds))
    if junit:
        write(Path(junit), as_junit(name, verdicts, seconds))
    return RULE_BROKEN if any(verdict.outcome == BROKEN for verdict in verdicts) else 0


def begin(
    what: str, rules: tuple[Rule, ...], clients: str, *, first_only: bool
) -> tuple[str, Iterator[Verdict]]:
    """Return what is called how, and its verdicts as they come; raises UsageError."""
    if "://" in what:
        target = visit(what, clients)
        return target.name, check_site(target, rules, first_only=first_only)
    if ADDRESS.fullmatch(what):
        raise UsageError(f"{what!r} is no strategy; did you mean http://{what}?")
    refuse_program(what)
    subject = StrategySubject(parse_variant(what), clients)
    return subject.name, check_strategy(subject, rules, first_only=first_only)


def show(verdict: Verdict) -> None:
    """Print a *verdict*."""
    first, *more = lines_of(verdict)
    echo(MARKS[verdict.outcome], first)
    for line in more:
        echo(line)


def write(path: Path, text: str) -> None:
    """Write *text* into the file *path*; raises CalcbenchError."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CalcbenchError(f"cannot write {str(path)!r}: {error.strerror}") from None
