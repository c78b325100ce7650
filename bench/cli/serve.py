"""`calcbench serve`: one server in the foreground, until a signal.

Where the host is a name with several addresses, it is one server for each: a strategy has one
listener, and one that had to watch several would teach something else.
"""

import contextlib
import signal
import socket
import sys
import time
from collections.abc import Sequence

import click

from calcbench.bench.cli.base import Command, policy_of, policy_options
from calcbench.bench.cli.combinations import is_given
from calcbench.bench.cli.param_types import (
    WORKLOADS,
    complete_options,
    complete_strategies,
    complete_words,
    whole_number,
)
from calcbench.bench.schema.bounds import PORT
from calcbench.bench.schema.plan import LOOPBACK
from calcbench.bench.system.terminal import echo
from calcbench.core.errors import CalcbenchError, UsageError
from calcbench.core.options import Bounds
from calcbench.core.serving.catalogue import parse_variant
from calcbench.core.serving.ending import Stopped, status_in_words
from calcbench.core.serving.launcher import Server, ServerSpec, check, launch_on
from calcbench.core.serving.listeners import ALL_IPV6, listen_on_all, listen_on_path

# `timeout`, `uv run` and a closing terminal send a signal to us and then to our group, we among it.
# A person who presses Ctrl-C again takes longer.
ECHO_S = 0.3  # a signal that comes so soon after the first is the same once more


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
        "calcbench serve --strategy fork --unix /tmp/calc": "on a Unix socket",
        "calcbench serve --strategy fork --workload cpu=2ms": "every response computes 2 ms",
    },
)
@click.option(
    "--strategy",
    metavar="NAME",
    required=True,
    shell_complete=complete_strategies,
    help="One of those shown by calcbench list.",
)
@click.option(
    "--host",
    metavar="HOST",
    type=host_name,
    default=LOOPBACK,
    show_default=True,
    help="Address to listen on, or a name: each address of it gets a server of its own. :: takes"
    " IPv4 as well.",
)
@click.option(
    "--port",
    type=whole_number("8080", Bounds(0, PORT.most)),
    metavar="PORT",
    default="8080",
    show_default=True,
    help="Port to listen on; 0 takes a free one.",
)
@click.option(
    "--unix",
    metavar="PATH",
    default="",
    help="Listen on the Unix socket PATH instead; it is removed at the end.",
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
    unix: str,
    options: tuple[str, ...],
    workload: str,
    **policy: str | None,
) -> int:
    """Serve the calculator until Ctrl-C or SIGTERM.

    Both let open requests finish, for as long as --drain-timeout and the workload allow. A second
    Ctrl-C ends at once. What the strategy prints goes to standard error, as it comes.
    """
    variant = parse_variant(strategy)
    spec = ServerSpec(
        variant.strategy, (*variant.options, *options), workload, policy=policy_of(policy)
    )
    if unix:
        refuse_beside_unix("--host", "--port")
    check(spec)
    # Blocked signals wait until they are fetched, so none is lost between looking and waiting.
    # Already now: as soon as a server is up, somebody may want it to stop.
    watched = watched_signals()
    signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    with contextlib.ExitStack() as running:
        servers = launch_all(spec, host, port, unix, running)
        for server in servers:
            both = ", for IPv4 as well" if server.host == ALL_IPV6 else ""
            echo(f"calcbench: {variant.strategy} on {server.url}{both}")
        wait_for_stop(servers, watched)
        return stop(servers, watched)


def refuse_beside_unix(*names: str) -> None:
    """Raise UsageError where an option of *names* is given, which --unix makes meaningless."""
    ctx = click.get_current_context()
    for name in names:
        if is_given(ctx, name):
            raise UsageError(f"--unix and {name} exclude one another: leave one out")


def launch_all(
    spec: ServerSpec, host: str, port: int, unix: str, running: contextlib.ExitStack
) -> list[Server]:
    """Return a server for each address of *host*, or one on the path *unix*.

    They end with *running*. Raises CalcbenchError when one of them cannot start.
    """
    listeners: list[socket.socket]
    if unix:
        listeners = [running.enter_context(listen_on_path(unix))]
    else:
        listeners = listen_on_all(host, port)
    for listener in listeners:
        running.enter_context(listener)
    return [running.enter_context(launch_on(one, spec, show)) for one in listeners]


def show(line: str) -> None:
    """Pass on a *line* that a server has printed."""
    echo(line, err=True)


def watched_signals() -> set[signal.Signals]:
    """Return the signals that stop us, and the one that tells of a server's end.

    Not SIGHUP where it is ignored: `nohup` wants us to outlive the terminal.
    """
    watched = {signal.SIGINT, signal.SIGTERM, signal.SIGCHLD}
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        watched.add(signal.SIGHUP)
    return watched


def wait_for_stop(servers: Sequence[Server], watched: set[signal.Signals]) -> None:
    """Return when we, or a server itself, are asked to stop.

    Raises CalcbenchError when a server ends without that.
    """
    while True:
        for server in servers:
            if server.died():
                if server.was_signalled():
                    return
                raise CalcbenchError(how_it_died(server))
        if signal.sigwait(watched) != signal.SIGCHLD:
            return


def how_it_died(server: Server) -> str:
    """Return what has become of a *server* that nobody has asked to stop."""
    stopped = server.stop(0)
    why = f": {stopped.failure}" if stopped.failure else ""
    return f"the {server.spec.strategy} server {status_in_words(stopped.status)}{why}"


def stop(servers: Sequence[Server], watched: set[signal.Signals]) -> int:
    """Let *servers* finish, but not after another signal (`ECHO_S`); return our exit status.

    Raises CalcbenchError when one does not end as it should.
    """
    begun = time.monotonic()  # before we say so: who reads it and presses again means it
    if sys.stderr.isatty():
        echo("calcbench: finishing open requests; Ctrl-C again ends at once", err=True)
    for server in servers:
        server.ask_to_stop()
    end = begun + max(server.patience_s for server in servers)
    while any(server.process.poll() is None for server in servers):
        left = end - time.monotonic()
        caught = signal.sigtimedwait(watched, left) if left > 0 else None
        if caught is None:
            break
        if caught.si_signo != signal.SIGCHLD and time.monotonic() - begun > ECHO_S:
            for server in servers:
                server.kill()
            return 128 + caught.si_signo
    all_stopped = [server.stop(0) for server in servers]
    for stopped in all_stopped:
        if not stopped.clean:
            raise stop_error(stopped, f"the {servers[0].spec.strategy} server")
    return 0


def stop_error(stopped: Stopped, what: str) -> CalcbenchError:
    """Return as an error how *what*, a server that was asked to stop, has *stopped* instead.

    What it has printed has been passed on by now.
    """
    if stopped.killed:
        return CalcbenchError(f"{what} did not stop in time, and was killed")
    if stopped.status:
        why = f": {stopped.failure}" if stopped.failure else ""
        return CalcbenchError(f"{what} {status_in_words(stopped.status)} when it stopped{why}")
    return CalcbenchError(f"{what} stopped, but printed a traceback: {stopped.failure}")
