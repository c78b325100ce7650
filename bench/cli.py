"""The command `calcbench`: what it offers, and what it answers when something goes wrong.

Answers at once: numpy, matplotlib and rich are imported only by the commands that need them.
"""

import errno
import json
import os
import sys
from pathlib import Path
from typing import Any

import click

import calcbench
from calcbench.bench.analysis.compare import compare_command
from calcbench.bench.checking import calibrate_command, doctor_command
from calcbench.bench.command import Commands, usage_message
from calcbench.bench.completion import SHELLS, completion_script
from calcbench.bench.joining import locustfile_command, worker_command
from calcbench.bench.loading import load_command
from calcbench.bench.racing import run_command
from calcbench.bench.serving import serve_command
from calcbench.core.errors import CalcbenchError
from calcbench.core.options import describe
from calcbench.core.serving import catalogue

INTERRUPTED = 130  # 128 + SIGINT, as shells have it
FULL = "cannot write the output: no space left on device"

EXIT_STATUS = """\b
Exit status:
  0    all went well
  1    something failed: a server, a measurement, a file
  2    the command line asks for what does not exist or cannot be
  98   compare --fail-if: the data cannot tell
  99   compare --fail-if: a condition is broken
  130  stopped by Ctrl-C (143 by SIGTERM, 129 by SIGHUP)
"""


@click.group(
    cls=Commands,
    name="calcbench",
    epilog=EXIT_STATUS,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    examples={
        "calcbench list": "which strategies there are",
        "calcbench serve --strategy threadpool": "serve the calculator until Ctrl-C",
        "calcbench run": "race all strategies, draw charts",
        "calcbench run --strategy fork,selectors": "race two of them",
        "calcbench load http://127.0.0.1:8080/": "load any HTTP server",
        "calcbench report results/20261122-181500": "draw an earlier race again",
    },
)
@click.version_option(calcbench.__version__, message="%(prog)s %(version)s")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Race hand-written HTTP servers that differ only in how they handle many clients at once."""
    if os.environ.get("NO_COLOR"):
        ctx.color = False
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@cli.command(
    "list",
    examples={
        "calcbench list": "for people",
        "calcbench list --json": "for programs",
    },
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
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


cli.add_command(serve_command)
cli.add_command(run_command)
cli.add_command(doctor_command)
cli.add_command(calibrate_command)
cli.add_command(load_command)
cli.add_command(compare_command)
cli.add_command(worker_command)
cli.add_command(locustfile_command)


@cli.command(
    "report",
    examples={
        "calcbench report results/20261122-181500": "its table, its charts, its verdict",
        "calcbench report --models results/20261122-181500": "and what theory would say",
        "calcbench report --spent results/20261122-181500": "and what the servers spent",
    },
)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--models",
    is_flag=True,
    help="Queueing predictions and the Universal Scalability Law, beside what was measured.",
)
@click.option(
    "--spent",
    is_flag=True,
    help="What the servers spent: CPU, context switches, memory, threads, workers.",
)
@click.option("--hgrm", is_flag=True, help="Write files for HdrHistogram's plotter, in DIR/hgrm.")
def report_command(folder: Path, models: bool, spent: bool, hgrm: bool) -> None:
    """Draw an earlier race again.

    Prints its table, and writes its summary and charts anew from the raw data in DIR.
    """
    from calcbench.bench.analysis.summary import summarise
    from calcbench.bench.schema.result import read_run
    from calcbench.bench.views.report import print_report, write_views
    from calcbench.bench.views.resource_table import spending_lines
    from calcbench.bench.views.scaling import describe as describe_models
    from calcbench.bench.views.wording import group, heading

    run = read_run(folder)
    summary = summarise(run, folder)
    try:
        write_views(summary, run, folder, models=models)
    finally:  # a folder that cannot be written can be read
        print_report(summary, run, folder, sys.stdout)
        for rows in group(summary.rows) if models else ():
            click.echo(
                "\n".join(["", *describe_models(heading(rows[0].condition, run.plan), rows, run)])
            )
        if hgrm:
            from calcbench.bench.views.hdr_export import FOLDER, export

            click.echo(f"Histograms: {len(export(run, folder))} in {folder / FOLDER}")
        if spent:
            click.echo("\n".join(["", *spending_lines(run)]))


@cli.command(
    "completion",
    examples={
        "calcbench completion bash >> ~/.bashrc": "for every new bash",
        "calcbench completion zsh >> ~/.zshrc": "for every new zsh",
        "calcbench completion fish | source": "for this fish",
    },
)
@click.argument("shell", metavar="SHELL", type=click.Choice(SHELLS))
def completion_command(shell: str) -> None:
    """Print what makes a shell complete this command.

    SHELL is bash, zsh or fish. It is what _CALCBENCH_COMPLETE=bash_source calcbench prints, and
    the same for zsh and fish.
    """
    click.echo(completion_script(cli, shell))


def main() -> None:
    """Run the command line and exit with its status."""
    status = answer()
    try:
        if sys.stdout:  # None where it was closed before we began, `>&-`
            sys.stdout.flush()
    except OSError as error:
        if error.errno == errno.ENOSPC and not status:
            complain(FULL)
        elif error.errno not in (errno.ENOSPC, errno.EPIPE):
            raise
        # The reader, `head` perhaps, has seen enough, or the disk is full: forget the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = status or 1
    sys.exit(status)


def answer() -> int:
    """Run the command line; print what went wrong in one line; return the exit status."""
    try:
        return cli.main(prog_name="calcbench", standalone_mode=False) or 0
    except CalcbenchError as error:
        complain(str(error))
        return error.exit_status
    except click.UsageError as error:
        complain(usage_message(error))
        return 2
    except click.ClickException as error:
        complain(error.format_message())
        return 1
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        complain(FULL)
        return 1


def complain(message: str) -> None:
    """Print *message* in one line to standard error."""
    click.echo(f"calcbench: {' '.join(message.split())}", err=True)
