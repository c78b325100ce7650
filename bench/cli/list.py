"""`calcbench list`: which strategies there are."""

from typing import Any

import click

from calcbench.bench.cli.base import Command, json_option
from calcbench.bench.cli.display import exports
from calcbench.bench.system.terminal import Styled, echo, echo_json
from calcbench.core.options import describe
from calcbench.core.serving import catalogue

NO_SUMMARY = "(no docstring: its first line would be shown here)"


@click.command(
    "list",
    cls=Command,
    examples={
        "calcbench list": "for people",
        "calcbench list --json": "for programs",
    },
)
@json_option()
@exports
def list_command(as_json: bool) -> None:
    """Show every strategy and its options.

    A broken file gets one line that says what is wrong with it.
    """
    strategies = [catalogue.load(name) for name in catalogue.names()]
    if as_json:
        echo_json([strategy_as_json(strategy) for strategy in strategies])
        return
    for strategy in strategies:
        name = Styled(strategy.name, "bold")
        if strategy.broken:
            echo(name, ": ", Styled(f"broken: {strategy.broken}", "red"))
            continue
        echo(name, f": {strategy.summary or NO_SUMMARY}")
        for field in describe(strategy.options_type):
            words = f" ({', '.join(field.choices)})" if field.choices else ""
            echo(f"    -o {field.name}={field.default}".ljust(28) + field.help + words)
        if strategy.unavailable:
            echo(Styled(f"    cannot run here: {strategy.unavailable}", "yellow"))
    fit = sum(not strategy.unavailable for strategy in strategies)
    echo(f"\n{fit} of {len(strategies)} can run here.")
    if any("backlog" in strategy.summary for strategy in strategies):
        echo("backlog: the kernel's queue of connections that the server has not accepted yet")


def strategy_as_json(strategy: catalogue.Strategy) -> dict[str, Any]:
    """Return all that `list --json` tells of one strategy."""
    return {
        "name": strategy.name,
        "summary": strategy.summary,
        "description": strategy.description,
        "available": not strategy.unavailable,
        "reason": strategy.unavailable,
        "options": [
            {
                "name": field.name,
                "default": field.default,
                "help": field.help,
                "type": field.type_name,
                "least": field.least,
                "most": field.most,
                "choices": list(field.choices),
            }
            for field in describe(strategy.options_type)
        ],
    }
