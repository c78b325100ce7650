"""`calcbench serve`: one server in the foreground, until a signal."""

import signal
import sys
import time

import click

from calcbench.bench.cli.base import Command, policy_of, policy_options
from calcbench.bench.cli.param_types import (
    WORKLOADS,
    complete_options,
    complete_strategies,
    complete_words,
    whole_number,
)
from calcbench.bench.schema.plan import LOOPBACK
from calcbench.core.errors import CalcbenchError, UsageError
from calcbench.core.serving.catalogue import parse_variant
from calcbench.core.serving.launcher import GRACE_S, Server, ServerSpec, Stopped, launch


def host_name(text: str) -> str:
    """Return *text*, a name or an address; raises UsageError where it is empty.

    An unset variable of a script must not open the server to every network.
    """
    if not text:
        raise UsageError("--host '' should be a name or an address, as in --host 127.0.0.1")
    return text


@click.command(
    "serve",
    cls=Command,
    examples={
        "calcbench serve --strategy threadpool": "on http://127.0.0.1:8080",
        "calcbench serve --strategy threadpool -o workers=4": "with an option of the strategy",
        "calcbench serve --strategy fork --port 0": "on any free port",
        "calcbench serve --strategy fork --workload cpu=2ms": "every response computes 2 ms",
    },
)
@click.option(
    "--strategy",
    metavar="NAME",
    required=True,
    shell_complete=complete_strategies,
    help="One of those that calcbench list shows.",
)
@click.option(
    "--host",
    metavar="HOST",
    type=host_name,
    default=LOOPBACK,
    show_default=True,
    help="Address to listen on.",
)
@click.option(
    "--port",
    type=whole_number("8080", most=65535),
    metavar="PORT",
    default="8080",
    show_default=True,
    help="Port to listen on; 0 takes a free one.",
)
@click.option(
    "-o",
    "options",
    metavar="KEY=VALUE",
    multiple=True,
    shell_complete=complete_options,
    help="An option of the strategy. Repeats.",
)
@click.option(
    "--workload",
    metavar="WORKLOAD",
    default="add",
    show_default=True,
    shell_complete=complete_words(*WORKLOADS),
    help=f"What a response costs: {', '.join(WORKLOADS)}.",
)
@policy_options
def serve_command(
    strategy: str,
    host: str,
    port: int,
    options: tuple[str, ...],
    workload: str,
    **policy: str | None,
) -> int:
    """Serve the calculator until Ctrl-C or SIGTERM.

    Both let requests in progress finish. A second Ctrl-C ends at once.
    """
    variant = parse_variant(strategy)
    spec = ServerSpec(
        variant.strategy, (*variant.options, *options), workload, policy=policy_of(policy)
    )
    with launch(spec, host, port) as server:
        # Blocked signals wait until they are fetched, so none is lost between looking and
        # waiting. Not before the launch: the server would inherit the mask.
        watched = watched_signals()
        signal.pthread_sigmask(signal.SIG_BLOCK, watched)
        click.echo(f"calcbench: {variant.strategy} on {server.url}")
        wait_for_stop(server, watched)
        return stop(server, watched)


def watched_signals() -> set[signal.Signals]:
    """Return the signals that stop us, and the one that tells of a server's end.

    Not SIGHUP where it is ignored: `nohup` wants us to outlive the terminal.
    """
    watched = {signal.SIGINT, signal.SIGTERM, signal.SIGCHLD}
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        watched.add(signal.SIGHUP)
    return watched


def wait_for_stop(server: Server, watched: set[signal.Signals]) -> None:
    """Return when we are asked to stop; raises CalcbenchError when *server* dies before that."""
    while not server.died():
        if signal.sigwait(watched) != signal.SIGCHLD:
            return
    raise stop_error(server.stop(0), f"the {server.spec.strategy} server died")


def stop(server: Server, watched: set[signal.Signals]) -> int:
    """Let *server* finish, but not after another signal; return our exit status.

    Raises CalcbenchError when it does not end as it should.
    """
    if sys.stderr.isatty():
        click.echo("calcbench: finishing open requests; Ctrl-C again ends at once", err=True)
    server.ask_to_stop()
    end = time.monotonic() + GRACE_S
    while server.process.poll() is None:
        left = end - time.monotonic()
        caught = signal.sigtimedwait(watched, left) if left > 0 else None
        if caught is None:
            break
        if caught.si_signo != signal.SIGCHLD:
            server.kill()
            return 128 + caught.si_signo
    stopped = server.stop(0)
    if not stopped.clean:
        raise stop_error(stopped, f"the {server.spec.strategy} server did not stop cleanly")
    return 0


def stop_error(stopped: Stopped, what: str) -> CalcbenchError:
    """Return *what* happened as an error, after passing on what the server itself has said."""
    if stopped.stderr:  # a traceback, for whoever is writing a strategy
        click.echo(stopped.stderr, err=True)
    if stopped.killed:
        return CalcbenchError(f"{what}: it had to be killed")
    return CalcbenchError(f"{what}: status {stopped.status}")
