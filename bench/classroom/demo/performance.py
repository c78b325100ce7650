"""Perform a scenario in front of a class: the words, the bet, the run, what it showed, and why."""

import json
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

from calcbench.bench.classroom.demo.drawing import draw_picture
from calcbench.bench.classroom.demo.lanes import LABEL, bar_line, block_for
from calcbench.bench.classroom.demo.scenario import (
    Figures,
    Finding,
    Picture,
    Scenario,
    ScenarioModule,
)
from calcbench.bench.classroom.demo.stage import Stage
from calcbench.bench.schema.store import claimed_folder
from calcbench.bench.system.files import whole_file
from calcbench.bench.system.machine import describe_machine, python_name
from calcbench.bench.system.terminal import Styled, echo
from calcbench.bench.system.transcript import not_exported
from calcbench.bench.views.wording import describe_processor
from calcbench.core.errors import UsageError
from calcbench.core.serving.catalogue import parse_variant
from calcbench.core.serving.launcher import ServerSpec, check

COLUMNS = 79  # of a line that a terminal of 80 does not break
FIGURES = "demo.json"  # beside the picture
Ask = Callable[[Scenario], int | None]  # the index of the bet that a room took, if it did


def perform(
    module: ScenarioModule,
    ask: Ask,
    out: Path,
    strategy: str = "",
    kept: Callable[[Path], None] = lambda _: None,
) -> int:
    """Perform the scenario *module* and return the exit status.

    Its result goes to a new folder below *out*, whole or not at all. *strategy* is put in the place
    of the one that it is about. When all is over, *kept* is called with the path of the picture.
    Raises UsageError where there is none to replace, and
    CalcbenchError where a server fails.
    """
    scenario = module.SCENARIO
    subject = subject_of(scenario, strategy)
    with claimed_folder(out) as folder:  # before all else: one that cannot be is told at once
        announce(scenario, subject)
        bet = ask(scenario)
        echo("")
        with not_exported(), Stage(subject, sys.stdout) as stage:  # what is drawn over and over
            figures = module.run(stage)
        finding = module.conclude(figures)
        picture = folder / f"{scenario.name}.png"
        try:
            keep(scenario, subject, figures, finding, folder)
            draw_picture(finding.picture, picture, footer())
        except BaseException:
            for path in (folder / FIGURES, picture):
                path.unlink(missing_ok=True)
            raise
    replaced = subject if subject != scenario.strategy else ""
    for line in ending(scenario, finding, bet, picture, replaced):
        echo(line)
    kept(picture)
    return 0 if finding.held or replaced else 1


def subject_of(scenario: Scenario, strategy: str) -> str:
    """Return the label of the strategy that is played, *strategy* if one was given.

    Raises UsageError for one that there is not, and where none can be replaced, and CalcbenchError
    for one that cannot run.
    """
    if strategy and not scenario.strategy:
        raise UsageError(
            f"demo {scenario.name} compares what it names, and takes no --strategy in its place"
        )
    if not strategy:
        return scenario.strategy
    variant = parse_variant(strategy)
    check(ServerSpec(variant.strategy, variant.options))
    return variant.label


def announce(scenario: Scenario, subject: str) -> None:
    """Say what will happen, and what may be bet on."""
    echo("")
    echo(Styled(f"{scenario.number}. {scenario.title}", "bold"))
    for line in wrapped(scenario.happens):
        echo(line)
    if subject != scenario.strategy:
        echo(f"In the place of {scenario.strategy}: {subject}")
    for line in wrapped(scenario.question):
        echo(Styled(line, "bold"))
    for letter, text in zip("abcdef", scenario.bets, strict=False):
        echo(f"  {letter}) {text}")


def ending(
    scenario: Scenario, finding: Finding, bet: int | None, path: Path, replaced: str
) -> list[str | Styled]:
    """Return the lines of the end: words first, then bars, the bet, why, and where the picture is.

    *replaced* is the strategy that was put in the place of the scenario's, if one was.
    """
    lines: list[str | Styled] = [Styled(line, "bold") for line in wrapped(finding.sentence)]
    if not finding.held:
        lines += not_shown(scenario, replaced)
    lines += ["", *bar_lines(finding.picture, block_for(sys.stdout)), ""]
    if finding.held and not replaced:
        lines += wrapped(reveal(scenario, bet))
    lines += why_lines(scenario)
    lines.append(f"Picture: {path}")
    return lines


def not_shown(scenario: Scenario, replaced: str) -> list[Styled]:
    """Say that the claim did not hold, on this machine, or for a strategy of one's own."""
    who = f"{replaced} does not do what {scenario.strategy} does" if replaced else ""
    text = f"{who or 'This machine did not show it'}. Expected: {scenario.claim}"
    return [Styled(line, "yellow") for line in wrapped(text)]


def reveal(scenario: Scenario, bet: int | None) -> str:
    """Say which bet was right, and whether the room took it."""
    right = f"{'abcdef'[scenario.answer]}) {scenario.bets[scenario.answer]}"
    if bet is None:
        return f"The answer: {right}. {scenario.because}"
    if bet == scenario.answer:
        return f"You were right: {right}. {scenario.because}"
    return f"You bet {'abcdef'[bet]}, the answer is {right}. {scenario.because}"


def bar_lines(picture: Picture, block: str) -> list[str]:
    """Return the bars of *picture* as lines."""
    most = max(*(bar.value for bar in picture.bars), 0) or 1
    room = min(max(len(bar.label) for bar in picture.bars) + 2, LABEL)
    texts = [f"{bar.text}  {bar.note}".rstrip() for bar in picture.bars]
    behind = max(map(len, texts))
    return [
        bar_line(bar.label, bar.value / most, text, block, room, behind)
        for bar, text in zip(picture.bars, texts, strict=True)
    ]


def why_lines(scenario: Scenario) -> list[str]:
    """Return the places in the code to open, a line each."""
    places = [f"{place.file}: {place.function}" for place in scenario.why]
    width = max(map(len, places))
    lines = [
        f"  {where:<{width}}  {place.what}"
        for where, place in zip(places, scenario.why, strict=True)
    ]
    return ["Why, in the code:", *lines]


def wrapped(text: str) -> list[str]:
    """Return *text* in lines that fit."""
    return textwrap.wrap(text, COLUMNS)


def keep(
    scenario: Scenario, subject: str, figures: Figures, finding: Finding, folder: Path
) -> None:
    """Write what was measured and what it says to `FIGURES` in *folder*; raises CalcbenchError."""
    record = {
        "scenario": scenario.name,
        "strategy": subject,
        "claim": scenario.claim,
        "held": finding.held,
        "sentence": finding.sentence,
        "figures": figures,
        "machine": describe_machine(),
    }
    with whole_file(folder / FIGURES) as file:
        file.write(json.dumps(record, indent=1, allow_nan=False).encode() + b"\n")


def footer() -> str:
    """Return where it was measured, in a few words."""
    return f"{describe_processor(describe_machine(), 'usable_cores')}, {python_name()}"
