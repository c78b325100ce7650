"""`calcbench live`: two servers side by side on a page, for a projector and a class's browsers."""

import asyncio
import contextlib
import secrets
import socket
from pathlib import Path

import click

from calcbench.bench.cli.base import Command
from calcbench.bench.cli.combinations import is_given
from calcbench.bench.cli.param_types import complete_strategies, parse_strategies, whole_number
from calcbench.bench.cli.serve import host_name
from calcbench.bench.schema.bounds import PORT
from calcbench.bench.schema.plan import LOOPBACK
from calcbench.bench.system.browser import open_address
from calcbench.bench.system.terminal import echo
from calcbench.core.errors import UsageError
from calcbench.core.options import Bounds
from calcbench.core.serving.catalogue import load, names
from calcbench.core.serving.listeners import PortTakenError, listen
from calcbench.core.serving.sockets import in_url

INSTALL = "pip install 'calcbench[live]'"
SHOWN = "blocking,selectors"  # one silent client stops the first, and not the second
TOKEN_BYTES = 16


@click.command(
    "live",
    cls=Command,
    examples={
        "calcbench live": "blocking beside selectors, at http://127.0.0.1:8000/",
        "calcbench live --open": "and a browser opens it",
        "calcbench live --strategy threadpool,fork": "another pair to begin with",
        "calcbench live --host 192.0.2.7": "for all browsers of a class: its address has a token",
        "calcbench live --record results/live.jsonl": "keep what is seen",
        "calcbench live --replay results/live.jsonl": "see it again, without any server",
        "calcbench live --cost": "measure what watching costs a server",
    },
)
@click.option(
    "--strategy",
    "strategies",
    metavar="NAME,NAME",
    default=SHOWN,
    show_default=True,
    shell_complete=complete_strategies,
    help="The two to begin with. The page can swap them.",
)
@click.option(
    "--host",
    metavar="HOST",
    type=host_name,
    default=LOOPBACK,
    help="Address at which others may see the page, too: with the token in the address that is"
    " printed.  [default: this machine alone]",
)
@click.option(
    "--port",
    type=whole_number("8000", Bounds(0, PORT.most)),
    metavar="PORT",
    default="8000",
    show_default=True,
    help="Port of the page; 0 takes a free one.",
)
@click.option("--open", "open_browser", is_flag=True, help="Open the page in a browser.")
@click.option(
    "--record", metavar="FILE", type=click.Path(path_type=Path), help="Keep what is seen in FILE."
)
@click.option(
    "--replay", metavar="FILE", type=click.Path(path_type=Path), help="Show what FILE has kept."
)
@click.option("--cost", is_flag=True, help="Measure what watching costs a server, and end.")
def live_command(
    strategies: str,
    host: str,
    port: int,
    open_browser: bool,
    record: Path | None,
    replay: Path | None,
    cost: bool,
) -> int:
    """Show two servers at work, side by side on a page.

    Every request is a bar, from its first byte to its last. The buttons of the page send silent
    clients, slow readers and a crowd, kill workers, and swap the strategies.
    """
    refuse_combinations(cost=cost, replay=replay is not None)
    shown = parse_strategies([strategies])
    if cost:
        return measure_cost(shown if is_given(click.get_current_context(), "--strategy") else ())
    if len(shown) != 2:
        raise UsageError(f"--strategy {strategies!r} should name two, as in --strategy {SHOWN}")
    require_page_server()
    from calcbench.bench.classroom.live.page import live_page, replay_page
    from calcbench.bench.classroom.live.recording import Recorder, read_recording
    from calcbench.bench.classroom.live.running import serve
    from calcbench.bench.classroom.live.stage import Stage

    given = is_given(click.get_current_context(), "--host")
    token = secrets.token_urlsafe(TOKEN_BYTES) if given else ""
    recording = read_recording(replay) if replay else b""
    with contextlib.ExitStack() as running:
        listener = running.enter_context(listen_for_page(host, port))
        if replay:
            page = replay_page(recording, token)
            tell_address(listener, token, open_browser, "the recording")
            asyncio.run(serve(page, listener, nothing(), contextlib.nullcontext()))
            return 0
        recorder = running.enter_context(Recorder(record)) if record else None
        stage = Stage(shown, offered(shown), recorder.write if recorder else None)
        running.callback(stage.stop)
        stage.start()
        page = live_page(stage, token)
        tell_address(listener, token, open_browser, " beside ".join(shown))
        asyncio.run(serve(page, listener, stage.run(), contextlib.closing(stage.viewers)))
    return 0


async def nothing() -> None:
    """Do nothing, for ever."""
    await asyncio.Event().wait()


def refuse_combinations(*, cost: bool, replay: bool) -> None:
    """Raise UsageError for options beside --cost or --replay that would do nothing."""
    ctx = click.get_current_context()
    idle: tuple[str, ...] = ()
    if replay:
        idle = ("--record", "--strategy")
    if cost:
        idle = ("--replay", "--record", "--open", "--host", "--port")
    for name in idle:
        if is_given(ctx, name):
            first = "--cost" if cost else "--replay"
            raise UsageError(f"{first} and {name} exclude one another: leave one out")


def require_page_server() -> None:
    """Raise UsageError, with what to install, where the page cannot be served."""
    try:
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError:
        raise UsageError(f"calcbench live needs Starlette and uvicorn: {INSTALL}") from None


def offered(shown: tuple[str, ...]) -> tuple[str, ...]:
    """Return what the page offers: the strategies *shown* first, and all that can run here."""
    able = [name for name in names() if not (load(name).broken or load(name).unavailable)]
    return tuple(dict.fromkeys([*shown, *able]))


def listen_for_page(host: str, port: int) -> socket.socket:
    """Return where the page is served; raises CalcbenchError for a port that is taken."""
    try:
        return listen(host, port)
    except PortTakenError:
        raise PortTakenError(
            f"port {port} is taken, perhaps by another calcbench live; try --port {port + 1}"
        ) from None


def tell_address(listener: socket.socket, token: str, open_browser: bool, what: str) -> None:
    """Print where *what* is seen, and have a browser show it where that is wanted."""
    host, port = listener.getsockname()[:2]
    url = f"http://{in_url(host)}:{port}/{token and token + '/'}"
    echo(f"calcbench: {what} at {url}")
    if token:
        echo("calcbench: whoever has this address can press the buttons")
    echo("calcbench: Ctrl-C ends it")
    if open_browser and (why := open_address(url)):
        echo(f"calcbench: {why}: open {url} yourself", err=True)


def measure_cost(strategies: tuple[str, ...]) -> int:
    """Measure what watching costs each of *strategies*, and print it."""
    from calcbench.bench.classroom.live.cost import RATE, measure, tell

    echo(
        f"calcbench: two servers of each strategy, one of them watched, {RATE:,} requests a second"
    )
    for strategy in strategies or offered(()):
        echo(tell(strategy, measure(strategy)))
    return 0
