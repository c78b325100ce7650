"""`calcbench demo`: ten minutes in front of a class, one scenario at a time."""

import sys
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from calcbench.bench.classroom.demo.playbill import BEST, columns_of, find, line_of, modules
from calcbench.bench.classroom.demo.scenario import Scenario
from calcbench.bench.cli.base import Command
from calcbench.bench.cli.display import exports
from calcbench.bench.cli.param_types import complete_strategies
from calcbench.bench.system.terminal import echo

MORE = "What each shows: calcbench demo --list. The best one to begin with comes now."


def complete_scenarios(
    _: click.Context, __: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the name of a scenario."""
    found = [one.SCENARIO for one in modules()]
    return [
        CompletionItem(one.name, help=one.title) for one in found if one.name.startswith(incomplete)
    ]


@click.command(
    "demo",
    cls=Command,
    examples={
        "calcbench demo": "list the demonstrations, and run the best of them",
        "calcbench demo slow-first": "run one by its name, or by its number",
        "calcbench demo 1 --strategy ./mine.py": "with a strategy of your own in it",
        "calcbench demo 1 --no-wait": "ask for no bet",
    },
)
@click.argument("scenario", required=False, metavar="[SCENARIO]", shell_complete=complete_scenarios)
@click.option("--list", "only_list", is_flag=True, help="List the demonstrations, and run none.")
@click.option(
    "--no-wait", is_flag=True, help="Ask for no bet; nor is one asked for without a terminal."
)
@click.option(
    "--strategy",
    metavar="NAME",
    default="",
    shell_complete=complete_strategies,
    help="Put this strategy, or file, in the place of the one that the demonstration is about.",
)
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    default="results",
    show_default=True,
    help="Where the result goes, in a folder of its own.",
)
@click.option("--open", "opens", is_flag=True, help="Open the picture in the browser.")
@exports
def demo_command(
    scenario: str | None, only_list: bool, no_wait: bool, strategy: str, out: Path, opens: bool
) -> int:
    """Show a class what happens, on real servers.

    Each demonstration asks for a bet, runs for a few seconds, draws a picture, and names the
    functions to read. The exit status is 1 where this machine did not show what was expected.
    """
    if only_list:
        for one in modules():
            echo(line_of(one.SCENARIO))
        return 0
    if scenario is None:
        for line in columns_of([one.SCENARIO for one in modules()]):
            echo(line)
        echo(MORE)
        echo("-" * len(MORE))  # below it, the one that is played
    module = find(scenario or BEST)
    from calcbench.bench.classroom.demo.performance import perform
    from calcbench.bench.cli.afterwards import note_latest, open_report
    from calcbench.bench.cli.session import interrupted_by_signals

    def kept(picture: Path) -> None:
        note_latest(picture.parent)
        if opens:
            open_report(picture)

    asks = not no_wait and sys.stdin.isatty() and sys.stdout.isatty()
    with interrupted_by_signals() as caught:
        try:
            return perform(module, ask_for_bet if asks else lambda _: None, out, strategy, kept)
        except KeyboardInterrupt:
            return 128 + (caught or [2])[0]


def ask_for_bet(scenario: Scenario) -> int | None:
    """Ask the room for its bet until it is one, or until Enter alone, which is none."""
    letters = "abcdef"[: len(scenario.bets)]
    choice = f"{', '.join(letters[:-1])} or {letters[-1]}"
    prompt = f"Type {choice} and press Enter (Enter alone: no bet): "
    while True:
        try:
            answer = input(prompt).strip().lower()
        except EOFError:
            return None
        if not answer:
            return None
        if len(answer) == 1 and answer in letters:
            return letters.index(answer)
        prompt = f"{choice}, please (Enter alone: no bet): "
