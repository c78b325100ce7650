"""`calcbench serve`: one server in the foreground, until a signal.

Where the host is a name with several addresses, it is one server for each: a strategy has one
listener, and one that had to watch several would teach something else.
"""

import contextlib
import signal
import socket
from dataclasses import replace
from functools import partial
from ipaddress import ip_address

import click

from calcbench.bench.cli.base import Command, policy_of, policy_options
from calcbench.bench.cli.combinations import is_given
from calcbench.bench.cli.foreground import (
    have_ended,
    stop,
    wait_for_signal,
    wait_for_stop,
    watched_signals,
)
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
from calcbench.core.errors import UsageError
from calcbench.core.http.patient import DEADLINES
from calcbench.core.options import Bounds
from calcbench.core.serving.board import notice_board
from calcbench.core.serving.catalogue import parse_variant
from calcbench.core.serving.launcher import Server, ServerSpec, check, launch_on
from calcbench.core.serving.listeners import ALL_IPV6, addresses, listen_on_all, listen_on_path


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
        "calcbench serve --strategy threadpool --watch": "and show who holds a thread, who waits",
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
    help=f"What a response costs: {', '.join(WORKLOADS)}; asked: what its request asks for, as in"
    " GET /add/2/3?wait=1s.",
)
@click.option(
    "--patient",
    is_flag=True,
    help="For requests typed by hand: Enter alone ends a line, and nobody is sent away for a day."
    " On this machine alone.",
)
@click.option(
    "--watch",
    is_flag=True,
    help="Show what the server is doing, here and on its page: who holds a worker, who waits.",
)
@policy_options
def serve_command(
    strategy: str,
    host: str,
    port: int,
    unix: str,
    options: tuple[str, ...],
    workload: str,
    patient: bool,
    watch: bool,
    **policy: str | None,
) -> int:
    """Serve the calculator until Ctrl-C or SIGTERM.

    Both let open requests finish, for as long as --drain-timeout and the workload allow. A second
    Ctrl-C ends at once. What the strategy prints goes to standard error, as it comes.
    """
    variant = parse_variant(strategy)
    given = {name: text for name, text in policy.items() if text is not None}
    spec = ServerSpec(
        variant.strategy,
        (*variant.options, *options),
        workload,
        policy=policy_of({**DEADLINES, **given} if patient else given),
        patient=patient,
    )
    if patient and not unix:
        check_is_here(host)
    if unix:
        refuse_beside_unix("--host", "--port")
    check(spec)
    # Blocked signals wait until they are fetched, so none is lost between looking and waiting.
    # Already now: as soon as a server is up, somebody may want it to stop.
    watched = watched_signals()
    signal.pthread_sigmask(signal.SIG_BLOCK, {*watched, signal.SIGALRM})
    # Blocked or not, a signal that would be ignored may never come (sigaction(2) of BSD and macOS).
    signal.signal(signal.SIGCHLD, lambda *_: None)
    with contextlib.ExitStack() as running:
        servers = launch_all(spec, host, port, unix, running, watch=watch)
        for server in servers:
            both = ", for IPv4 as well" if server.host == ALL_IPV6 else ""
            echo(f"calcbench: {variant.strategy} on {server.url}{both}")
        if patient:
            echo("calcbench: PATIENT: for typing by hand, not for a network or a measurement")
        if watch:
            from calcbench.bench.cli.watch_screen import watch_until  # it takes rich, and time

            watch_until(servers, partial(have_ended, servers), partial(wait_for_signal, watched))
        else:
            wait_for_stop(servers, watched)
        return stop(servers, watched)


def check_is_here(host: str) -> None:
    """Raise UsageError where somebody from another machine could reach *host*."""
    for address in addresses(host, 0):
        if not ip_address(address.sockaddr[0].partition("%")[0]).is_loopback:
            raise UsageError(
                "--patient waits a day for whoever is silent, so it serves this machine alone:"
                f" leave out --host {host}"
            )


def refuse_beside_unix(*names: str) -> None:
    """Raise UsageError where an option of *names* is given, which --unix makes meaningless."""
    ctx = click.get_current_context()
    for name in names:
        if is_given(ctx, name):
            raise UsageError(f"--unix and {name} exclude one another: leave one out")


def launch_all(
    spec: ServerSpec, host: str, port: int, unix: str, running: contextlib.ExitStack, *, watch: bool
) -> list[Server]:
    """Return a server for each address of *host*, or one on the path *unix*.

    They end with *running*. With *watch*, each is traced and has a notice board. Raises
    CalcbenchError when one of them cannot start.
    """
    listeners: list[socket.socket]
    if unix:
        listeners = [running.enter_context(listen_on_path(unix))]
    else:
        listeners = listen_on_all(host, port)
    for listener in listeners:
        running.enter_context(listener)
    servers = []
    for listener in listeners:
        if watch:
            spec = replace(spec, traced=True, board=running.enter_context(notice_board()).fd)
        servers.append(running.enter_context(launch_on(listener, spec, show)))
    return servers


def show(line: str) -> None:
    """Pass on a *line* that a server has printed."""
    echo(line, err=True)
