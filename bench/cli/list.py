"""`calcbench list`: which strategies there are."""

import json
from typing import Any

import click

from calcbench.bench.cli.base import Command, json_option
from calcbench.core.options import describe
from calcbench.core.serving import catalogue


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
    """Show every strategy and its options."""
    strategies = [catalogue.load(name) for name in catalogue.names()]
    if as_json:
        click.echo(json.dumps([strategy_as_json(strategy) for strategy in strategies], indent=1))
        return
    for strategy in strategies:
        click.echo(f"{click.style(strategy.name, bold=True)}: {strategy.summary}")
        for field in describe(strategy.options_type):
            click.echo(f"    -o {field.name}={field.default}".ljust(28) + field.help)
        if strategy.unavailable:
            click.secho(f"    cannot run here: {strategy.unavailable}", fg="yellow")
    fit = sum(not strategy.unavailable for strategy in strategies)
    click.echo(f"\n{fit} of {len(strategies)} can run here.")
    click.echo("backlog: the kernel's queue of connections that the server has not accepted yet")


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
