"""Serve the page until a signal: uvicorn, and beside it the stage, on one event loop."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Coroutine, Iterator
from typing import TYPE_CHECKING, Any

import uvicorn

if TYPE_CHECKING:
    from starlette.types import ASGIApp

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
MOST_CONNECTIONS = 300  # of browsers, each of which has a few


class Uvicorn(uvicorn.Server):
    """An uvicorn that leaves the signals to us."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture nothing."""
        yield


async def serve(
    page: "ASGIApp",
    listener: socket.socket,
    beside: Coroutine[Any, Any, None],
    when_stopping: contextlib.AbstractContextManager[object],
) -> None:
    """Serve *page* on *listener*, and run *beside*, until a signal; whatever that raises is raised.

    *when_stopping* is entered at the beginning and left as soon as it is time to stop, so that
    streams end by themselves.
    """
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup
            loop.add_signal_handler(number, stopping.set)
    server = Uvicorn(
        uvicorn.Config(
            page,
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_graceful_shutdown=1,
        )
    )
    serving = asyncio.create_task(server.serve([listener]))
    running = asyncio.create_task(beside)
    waiting = asyncio.create_task(stopping.wait())
    tasks: list[asyncio.Task[Any]] = [serving, running, waiting]
    try:
        with when_stopping:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        server.should_exit = True
        running.cancel()
        waiting.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
            raise result
