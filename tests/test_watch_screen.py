"""Real servers that are watched: what their kernel and their trace say together."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from client import Client
from servers import make_spec

from calcbench.bench.classroom.watch_lines import client_lines, worker_lines
from calcbench.bench.cli.watch_screen import MOST_CHANGES, PlainLines, Watcher
from calcbench.core.serving.board import notice_board
from calcbench.core.serving.launcher import launch

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells nothing of threads"),
]
PATIENT = ("idle_timeout=600",)


@contextmanager
def watched(strategy: str, *options: str, **more: str) -> Iterator[Watcher]:
    """Yield who watches a server."""
    with notice_board() as board:
        spec = make_spec(
            strategy, options=options, policy=PATIENT, traced=True, board=board.fd, **more
        )
        with launch(spec) as server:
            yield Watcher(server)


def look_until(watcher: Watcher, *expected: str) -> list[str]:
    """Look until each of *expected* begins a line; a test that hangs here has failed."""
    while True:
        watcher.look()
        lines = [line.text for line in (*worker_lines(watcher.state), *client_lines(watcher.state))]
        if all(any(line.startswith(start) for line in lines) for start in expected):
            return lines


@pytest.mark.parametrize(
    ("strategy", "options", "expected"),
    [
        ("blocking", (), ["#1 holds main, ", "#2 waits in the backlog for "]),
        (
            "threadpool",
            ("workers=1",),
            ["#1 holds thread-1, ", "#2 is accepted and waits for a worker for ", "main waits in"],
        ),
        ("fork", (), ["#1 holds child ", "#2 holds child ", "main waits for whoever"]),
        ("selectors", (), ["#1 holds no thread, ", "#2 holds no thread, ", "main waits for who"]),
        ("thread-per-request", (), ["#1 holds no thread, ", "#2 holds no thread, "]),
    ],
)
def test_shows_what_a_silent_client_does_to_others(
    strategy: str, options: tuple[str, ...], expected: list[str]
) -> None:
    with watched(strategy, *options) as watcher, Client(watcher.server) as first:
        look_until(watcher, "#1 ")
        with Client(watcher.server):
            look_until(watcher, *expected)
        first.close()
        while watcher.state.connections or watcher.state.backlog:
            watcher.look()

    assert watcher.state.lost == {}


def test_tells_a_handler_that_blocks_a_loop_from_one_that_waits() -> None:
    request = b"GET /add/2/3?%b=10s HTTP/1.1\r\nHost: test\r\n\r\n"
    with watched("selectors", workload="asked") as watcher, ExitStack() as clients:
        clients.enter_context(Client(watcher.server)).send(request % b"wait")
        look_until(watcher, "#1 holds no thread, its response waits for I/O for ")
        clients.enter_context(Client(watcher.server)).send(request % b"block")
        look_until(watcher, "#2 holds main, its handler sleeps for ", "main is held by #2")


def test_puts_it_on_the_page() -> None:
    with watched("fork") as watcher, Client(watcher.server), Client(watcher.server) as browser:
        look_until(watcher, "#1 holds child ", "#2 holds child ")
        page = browser.get("/", "Accept: text/html").body.decode()

    assert "<li>2 connections; " in page
    assert "<li>#1 holds child " in page


def test_prints_no_more_changes_than_can_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    many = MOST_CHANGES + 5
    with watched("blocking") as watcher, ExitStack() as clients:
        for _ in range(many):
            clients.enter_context(Client(watcher.server))
        look_until(watcher, f"#{many} waits in the backlog")
        PlainLines().show([watcher])

    first, *lines, last = capsys.readouterr().out.splitlines()
    assert first == "calcbench: a line for each change; #1 is the first connection"
    assert len(lines) == MOST_CHANGES
    assert last.endswith("s  and 5 more changes")
