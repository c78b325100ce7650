"""The clients of the page: some that ask again and again, and those that its buttons send.

They are coroutines of the page's own process, outside the servers: a few hundred requests a second
at most, so that a class can follow each of them.
"""

import asyncio
import contextlib
import random
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from time import monotonic_ns
from typing import Any

from calcbench.bench.classroom.live.figures import Figures

FEW = 8  # clients at first …
MANY = 10 * FEW  # … and when there are ten times as many
THINK_S = 0.5  # between a response and the next request, on average
PAUSE_S = 0.5  # after a failure
PATIENCE_S = 60.0  # for one response
COMPUTE_S = 2  # that the computing request takes
MOST_BESIDE = 32  # silent clients and slow readers of each kind
MOST_AT_ONCE = 8  # computing requests
PLAIN = "nothing"

SMALL_BUFFER = 2048  # bytes, of a slow reader's socket; the least that Linux allows is near that
LONG = b"GET /pow/9/4000 HTTP/1.1\r\nHost: live\r\n\r\n"  # its response has 3,817 digits
LONG_MOST = 1_000  # requests of a slow reader; some 300 responses fill the buffers between the two
LONG_EACH_S = 0.015  # between two of them: not so many a second that only some are traced

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
FAILURES = (OSError, EOFError, ValueError, TimeoutError, asyncio.LimitOverrunError)


class Clients:
    """The clients of one server, whose address is asked for at each connection."""

    def __init__(self, address: Callable[[], tuple[str, int]]) -> None:
        self.address = address
        self.figures = Figures()
        self.cost = PLAIN
        self.keep = False
        self.askers: list[asyncio.Task[None]] = []
        self.beside: dict[str, list[asyncio.Task[None]]] = {"silent": [], "slow": []}
        self.once: set[asyncio.Task[None]] = set()
        self.connected = 0  # connections that are there, accepted or not

    def set_number(self, number: int) -> None:
        """Have *number* clients that ask again and again."""
        while len(self.askers) < number:
            self.askers.append(asyncio.create_task(self.ask_for_ever()))
        while len(self.askers) > number:
            self.askers.pop().cancel()

    def add_silent(self) -> bool:
        """Have one more silent client; tell whether there is room for one."""
        return self.add("silent", self.be_silent())

    def add_slow_reader(self) -> bool:
        """Have one more slow reader; tell whether there is room for one."""
        return self.add("slow", self.read_slowly())

    def add(self, kind: str, behave: Coroutine[Any, Any, None]) -> bool:
        """Have a client that does *behave*, unless MOST_BESIDE of its *kind* are there."""
        here = [task for task in self.beside[kind] if not task.done()]
        self.beside[kind] = here
        if len(here) >= MOST_BESIDE:
            behave.close()
            return False
        here.append(asyncio.create_task(behave))
        return True

    def count(self, kind: str) -> int:
        """Return how many clients of *kind* are there."""
        return sum(not task.done() for task in self.beside[kind])

    def compute(self) -> bool:
        """Send the one request that computes for seconds, unless MOST_AT_ONCE are under way."""
        if len(self.once) >= MOST_AT_ONCE:
            return False
        task = asyncio.create_task(self.ask_once(f"cpu={COMPUTE_S}s"))
        self.once.add(task)
        task.add_done_callback(self.once.discard)
        return True

    def dismiss(self) -> None:
        """Have the silent clients and the slow readers go."""
        for tasks in self.beside.values():
            for task in tasks:
                task.cancel()
            tasks.clear()

    def stop(self) -> None:
        """Have everybody go."""
        self.set_number(0)
        self.dismiss()
        for task in self.once:
            task.cancel()

    # What they do

    async def ask_for_ever(self) -> None:
        """Ask, think and ask again, over one connection or over a new one each time."""
        await asyncio.sleep(random.random() * THINK_S)  # not all at once
        while True:
            try:
                async with self.connection() as (reader, writer):
                    while await self.ask(reader, writer, self.cost, self.keep):
                        await self.think()
            except FAILURES:
                await asyncio.sleep(PAUSE_S)
            await self.think()

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[Streams]:
        """Be connected; raises OSError where the server takes no connection."""
        try:
            reader, writer = await asyncio.open_connection(*self.address())
        except OSError:
            self.figures.failed += 1
            raise
        self.connected += 1
        try:
            yield reader, writer
        finally:
            self.connected -= 1
            writer.close()

    async def think(self) -> None:
        """Pause as a person does between two requests."""
        await asyncio.sleep(THINK_S * (0.5 + random.random()))

    async def ask_once(self, cost: str) -> None:
        """Send one request that asks for *cost*, on a connection of its own."""
        with contextlib.suppress(*FAILURES):
            async with self.connection() as (reader, writer):
                await self.ask(reader, writer, cost, keep=False)

    async def ask(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, cost: str, keep: bool
    ) -> bool:
        """Ask once and read the response; tell whether the connection can be kept.

        Raises one of FAILURES where there is no right one.
        """
        query = "" if cost == PLAIN else f"?{cost}"
        close = "" if keep else "Connection: close\r\n"
        number = self.figures.send(monotonic_ns())
        try:
            writer.write(f"GET /add/2/3{query} HTTP/1.1\r\nHost: live\r\n{close}\r\n".encode())
            async with asyncio.timeout(PATIENCE_S):
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
                body = await reader.readexactly(length)
            if body != b"5":
                raise ValueError("a wrong response")
        except asyncio.CancelledError:  # it was we who broke off
            self.figures.forget(number)
            raise
        except FAILURES:
            self.figures.fail(number)
            raise
        self.figures.receive(number, monotonic_ns())
        return keep and b"connection: close" not in head

    async def be_silent(self) -> None:
        """Connect, and say nothing until the server hangs up."""
        with contextlib.suppress(*FAILURES):
            async with self.connection() as (reader, _):
                await reader.read()

    async def read_slowly(self) -> None:
        """Ask for many long responses and read none of them, until the server gives up."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(*FAILURES), socket.socket() as sock:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
            await loop.sock_connect(sock, self.address())
            self.connected += 1
            try:
                for _ in range(LONG_MOST):
                    await loop.sock_sendall(sock, LONG)
                    await asyncio.sleep(LONG_EACH_S)
                await asyncio.sleep(PATIENCE_S)
            finally:
                self.connected -= 1
