"""How every command looks: help with examples first, and errors in one line.

Click's own words are replaced where they take more than a line or do not name what is right.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

from calcbench.bench.system.terminal import echo
from calcbench.core.http.limits import Policy
from calcbench.core.options import convert, describe, nearest

COMPLETION = "_CALCBENCH_COMPLETE"  # the variable in which a shell asks, as click names it

Function = TypeVar("Function", bound=Callable[..., Any])


class PrintsHelp(click.Command):
    """A command whose help is printed as all else is.

    Click would print it in UTF-8 where a stream is of ASCII.
    """

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """Return click's option, with a callback of ours."""
        option = super().get_help_option(ctx)
        if option:
            option.callback = print_help
        return option


def print_help(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    """Print the help of the command of *ctx* and leave, where that is *asked*."""
    if asked and not ctx.resilient_parsing:
        echo(ctx.get_help())
        ctx.exit()


class Command(PrintsHelp):
    """A command whose help begins with *examples*: what to type and what it does."""

    def __init__(self, *args: Any, examples: Mapping[str, str] | None = None, **more: Any) -> None:
        super().__init__(*args, **more)
        self.examples = examples or {}

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help: examples, usage, text, options."""
        write_examples(self.examples, formatter)
        super().format_help(ctx, formatter)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, those of the policy apart and last."""
        ordinary: list[tuple[str, str]] = []
        policy: list[tuple[str, str]] = []
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None and isinstance(param, click.Option):
                (policy if param.name in POLICY else ordinary).append(record)
        with formatter.section("Options"):
            formatter.write_dl(ordinary)
        if policy:
            with formatter.section("Limits and deadlines of a connection"):
                formatter.write_dl(policy)


class Commands(PrintsHelp, click.Group):
    """A group of commands that are imported when they are called; *examples* as for `Command`.

    *lazy* has for each command, in the order in which a newcomer needs them, the place where it
    is defined, ``module:attribute``, and the first line of its help.
    """

    def __init__(
        self,
        *args: Any,
        lazy: Mapping[str, tuple[str, str]],
        examples: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(*args, **more)
        self.lazy = lazy
        self.examples = examples or {}

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help: examples, usage, text, options, commands."""
        write_examples(self.examples, formatter)
        super().format_help(ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the names of the commands and what they do, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self.lazy.items()])

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands in the order in which a newcomer needs them."""
        return list(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command *cmd_name*, imported now; None where there is none."""
        if cmd_name not in self.lazy:
            return None
        module, _, attribute = self.lazy[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that *args* begin with; name the nearest when there is none."""
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            raise click.UsageError(f"no command {args[0]!r}{nearest(args[0], self.lazy)}", ctx)
        return super().resolve_command(ctx, args)


def write_examples(examples: Mapping[str, str], formatter: click.HelpFormatter) -> None:
    """Write *examples*, if there are any."""
    if examples:
        with formatter.section("Examples"):
            formatter.write_dl(list(examples.items()), col_max=50)
        formatter.write_paragraph()


def json_option(help: str = "Print JSON, for programs.") -> Callable[[Function], Function]:
    """Return the option for programs that read what a command prints."""
    return click.option("--json", "as_json", is_flag=True, help=help)


no_charts_option = click.option(
    "--no-charts",
    is_flag=True,
    help="Draw no charts now; calcbench report DIR draws them at any time.",
)


def options(*several: Callable[[Any], Any]) -> Callable[[Function], Function]:
    """Return what gives a command *several* options, in their order."""

    def give(function: Function) -> Function:
        for option in reversed(several):
            function = option(function)
        return function

    return give


POLICY = {field.name: field for field in describe(Policy)}

# For each field of the policy an option, such as ``--idle-timeout 15``.
policy_options = options(
    *(
        click.option(
            f"--{name.replace('_', '-')}",
            metavar="SECONDS" if field.seconds else "N",
            help=f"{field.help}  [default: {field.default:.10g}]",
        )
        for name, field in POLICY.items()
    )
)


def policy_of(params: Mapping[str, str | None]) -> tuple[str, ...]:
    """Return the policy that *params* of a command line set, as ``idle_timeout=15``.

    Raises UsageError for a value that cannot be one.
    """
    policy = []
    for name, field in POLICY.items():
        if (text := params.get(name)) is not None:
            value = convert(field, text, f"--{name.replace('_', '-')}")
            policy.append(f"{name}={value:.10g}")
    return tuple(policy)


def tell_problems(problems: Sequence[str]) -> int:
    """Tell which files of a result are damaged, a line each; return the exit status."""
    for problem in problems:
        echo(f"calcbench: {problem}; the rest is shown", err=True)
    return int(bool(problems))


def usage_message(error: click.UsageError) -> str:
    """Return what is wrong with a command line, in one line."""
    if isinstance(error, click.NoSuchOption) and error.ctx:
        params = error.ctx.command.get_params(error.ctx)
        flags = [flag for param in params for flag in param.opts if flag.startswith("-")]
        return f"no option {error.option_name!r}{nearest(error.option_name, flags)}"
    if isinstance(error, click.MissingParameter) and error.param and error.ctx:
        is_option = error.param.param_type_name == "option"
        name = error.param.opts[0] if is_option else error.param.human_readable_name
        return f"{error.ctx.info_name} needs {name}; see calcbench {error.ctx.info_name} --help"
    message = " ".join(error.format_message().split()).rstrip(".")
    return message[:1].lower() + message[1:]
