"""The command `calcbench`: what it offers, and what it answers when something goes wrong.

Answers at once: a command is imported when it is called, and what it needs with it.
"""

import importlib
import os

import click

import calcbench
from calcbench.bench.cli.base import COMPLETION, Commands, usage_message
from calcbench.bench.system.program import run_program
from calcbench.bench.system.terminal import echo
from calcbench.core.errors import CalcbenchError, UsageError

EXIT_STATUS = """\b
Exit status:
  0    all went well
  1    something failed: a server, a measurement, a file, more requests than --most-failures
  2    the command line asks for something that does not exist or cannot be done
  3    check: a rule is broken
  98   --fail-if: the data cannot tell
  99   --fail-if: a threshold is broken
  130  stopped by Ctrl-C (143 by SIGTERM, 129 by SIGHUP)
"""
WING = "calcbench.bench.cli"
COMMANDS = {
    "list": (f"{WING}.list:list_command", "Show every strategy and its options."),
    "demo": (f"{WING}.demo:demo_command", "Show a class what happens, on real servers."),
    "live": (f"{WING}.live:live_command", "Show two servers at work, side by side on a page."),
    "serve": (f"{WING}.serve:serve_command", "Serve the calculator until Ctrl-C or SIGTERM."),
    "run": (f"{WING}.run:run_command", "Race strategies, print a table, draw charts."),
    "load": (f"{WING}.load:load_command", "Load any HTTP/1.1 server, print a table, draw charts."),
    "report": (f"{WING}.report:report_command", "Draw an earlier race again."),
    "compare": (
        f"{WING}.compare:compare_command",
        "Compare the result in folder B with that in A.",
    ),
    "lesson": (f"{WING}.lesson:lesson_command", "Write a server of your own, in 13 steps."),
    "new": (f"{WING}.new:new_command", "Write a strategy of your own to start from."),
    "check": (f"{WING}.check:check_command", "Say what is wrong with a strategy or a server."),
    "nc": (f"{WING}.nc:nc_command", "Talk to the other end of a connection, byte by byte."),
    "handout": (f"{WING}.handout:handout_command", "Write sheets for a class, to be printed."),
    "doctor": (f"{WING}.doctor:doctor_command", "Say whether this machine is fit for a race."),
    "calibrate": (f"{WING}.doctor:calibrate_command", "Measure what the driver can do here."),
    "worker": (f"{WING}.worker:worker_command", "Make load for a run on another machine."),
    "locustfile": (f"{WING}.worker:locustfile_command", "Print a file for plain Locust."),
    "completion": (
        f"{WING}.completion:completion_command",
        "Print what makes a shell complete this command.",
    ),
}


@click.group(
    cls=Commands,
    name="calcbench",
    lazy=COMMANDS,
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
    if ctx.invoked_subcommand is None:
        echo(ctx.get_help())


def main() -> None:
    """Run the command line and exit with its status."""
    run_program("calcbench", run)


def run() -> int:
    """Run the command line; return the exit status."""
    if COMPLETION in os.environ:  # a shell asks: click must know our scripts
        importlib.import_module(f"{WING}.completion")
    try:
        return cli.main(prog_name="calcbench", standalone_mode=False) or 0
    except click.UsageError as error:
        raise UsageError(usage_message(error)) from None
    except click.ClickException as error:
        raise CalcbenchError(error.format_message()) from None
    except click.Abort:
        raise KeyboardInterrupt from None
