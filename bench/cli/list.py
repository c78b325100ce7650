"""`calcbench list`: which strategies there are."""

import json
from typing import Any

import click

from calcbench.bench.cli.base import Command, json_option
from calcbench.core.options import describe
from calcbench.core.serving import catalogue
from calcbench.core.serving.output import printable

NO_SUMMARY = "(its file has no docstring, whose first line would stand here)"


@click.command(
    "list",
    cls=Command,
    examples={
        "calcbench list": "for people",
        "calcbench list --json": "for programs",
    },
)
@json_option()
def list_command(as_json: bool) -> None:
    """Show every strategy and its options.

    A file that is no strategy has a line that says what is wrong with it.
    """
    strategies = [catalogue.load(name) for name in catalogue.names()]
    if as_json:
        click.echo(json.dumps([strategy_as_json(strategy) for strategy in strategies], indent=1))
        return
    for strategy in strategies:
        name = click.style(printable(strategy.name), bold=True)
        if strategy.broken:
            click.echo(f"{name}: {click.style(printable(f'broken: {strategy.broken}'), fg='red')}")
            continue
        click.echo(f"{name}: {strategy.summary or NO_SUMMARY}")
        for field in describe(strategy.options_type):
            click.echo(f"    -o {field.name}={field.default}".ljust(28) + field.help)
        if strategy.unavailable:
            click.secho(f"    cannot run here: {strategy.unavailable}", fg="yellow")
    fit = sum(not strategy.unavailable for strategy in strategies)
    click.echo(f"\n{fit} of {len(strategies)} can run here.")


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
            }
            for field in describe(strategy.options_type)
        ],
    }
