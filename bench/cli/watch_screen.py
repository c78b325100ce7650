"""`calcbench serve --watch`: what the servers are doing, a few times a second.

On a terminal the lines are drawn in place; anywhere else each change is a line of its own.
"""

import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence

from calcbench.bench.classroom.watch import Sample, Watched
from calcbench.bench.classroom.watch_lines import changes, client_lines, screen, shorten, summary
from calcbench.bench.system.backlog import queue_of
from calcbench.bench.system.procfs import Family
from calcbench.bench.system.terminal import console, echo, painted, shows_colours
from calcbench.bench.system.threads import threads_of
from calcbench.bench.units import format_count
from calcbench.core.serving.board import Board
from calcbench.core.serving.catalogue import Variant
from calcbench.core.serving.launcher import Server

INTERVAL_S = 0.25  # between two looks, at least
COST_RATIO = 0.1  # of one core that looking may take, at most
MOST_CHANGES = 20  # that are printed after one look
ON_PAGE = 40  # lines that the server's page shows

Show = Callable[[Sequence["Watcher"]], None]


class Watcher:
    """Looks at one *server*."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.family = Family(server.pid)
        self.state = Watched(server.pid)
        variant = Variant(server.spec.strategy, server.spec.options)
        workload = "" if server.spec.workload == "add" else f", workload {server.spec.workload}"
        self.title = f"{variant.label} on {server.url}{workload}"
        self.board = Board(server.spec.board)
        self.said: dict[str, str] = {}  # in plain lines, of each connection
        self.said_what_is_unknown = False

    def look(self) -> None:
        """See what has happened, and write it on the board of the server's page."""
        began_ns = time.monotonic_ns()
        queue = queue_of(self.server.listener)
        threads = threads_of(pid for pid, _ in self.family.members())
        events = self.server.trace.read() if self.server.trace else []
        self.state.update(Sample(time.monotonic_ns(), events, queue, began_ns, threads))
        clients = shorten(client_lines(self.state), ON_PAGE)
        self.board.write([*summary(self.state), *(line.text for line in clients)])


def watch_until(
    servers: Sequence[Server],
    over: Callable[[], bool],
    wait: Callable[[float], int | None],
) -> None:
    """Show what *servers* do until it is *over*, or a signal other than SIGCHLD comes.

    *wait* returns the signal that has come within so many seconds, or None.
    """
    watchers = [Watcher(server) for server in servers]
    with screen_on_terminal() as show:
        while not over():
            began = time.process_time()
            for watcher in watchers:
                watcher.look()
            show(watchers)
            cost_s = time.process_time() - began
            caught = wait(max(INTERVAL_S, cost_s / COST_RATIO))
            if caught not in (None, signal.SIGCHLD):
                return


@contextlib.contextmanager
def screen_on_terminal() -> Iterator[Show]:
    """Yield what shows what watchers have seen: in place on a terminal, else as plain lines."""
    if not shows_colours(sys.stdout):
        yield PlainLines().show
        return
    from rich.console import Group
    from rich.live import Live

    terminal = console(sys.stdout)
    with Live(console=terminal, auto_refresh=False, transient=True) as live:

        def show(watchers: Sequence[Watcher]) -> None:
            servers = [(watcher.title, watcher.state) for watcher in watchers]
            lines = screen(servers, terminal.height - 1, terminal.width - 1)
            live.update(Group(*(painted(line.text, line.style) for line in lines)), refresh=True)

        yield show


class PlainLines:
    """Prints a line for each change, and how many more there are where there are too many."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        echo("calcbench: a line for each change; #1 is the first connection")

    def show(self, watchers: Sequence[Watcher]) -> None:
        """Print what has changed since the last call."""
        for watcher in watchers:
            if not watcher.said_what_is_unknown:
                watcher.said_what_is_unknown = True
                for note in summary(watcher.state)[1:]:
                    echo(f"calcbench: {note}")
            watcher.said, changed = changes(watcher.said, client_lines(watcher.state))
            left = len(changed) - MOST_CHANGES
            more = [f"and {format_count(left, 'more change')}"] if left > 0 else []
            name = f"{watcher.server.url}: " if len(watchers) > 1 else ""
            for text in changed[:MOST_CHANGES] + more:
                echo(f"{time.monotonic() - self.began:7.1f} s  {name}{text}")
