"""Both sides of the page: what the buttons do to them, and what every viewer is told of them."""

import asyncio
from collections.abc import Callable, Sequence
from time import monotonic_ns
from typing import Any

from calcbench.bench.classroom.live.clients import COMPUTE_S, FEW, MANY
from calcbench.bench.classroom.live.commands import (
    REQUESTS,
    Ask,
    Command,
    Compute,
    Crowd,
    Keep,
    Kill,
    Leave,
    Silent,
    SlowReader,
    Swap,
)
from calcbench.bench.classroom.live.side import Side
from calcbench.bench.classroom.live.viewers import Viewers

TICK_S = 0.1  # between two messages about what has happened
AGAIN_S = 1.5  # a server that was killed is gone for so long, for all to see
FIRST_COST = "wait=30ms"

Message = dict[str, Any]


class Stage:
    """Two sides and who watches them. All but the starting and stopping is done on one loop."""

    def __init__(
        self,
        shown: Sequence[str],
        strategies: tuple[str, ...],
        record: Callable[[Message], None] | None = None,
    ) -> None:
        self.sides = tuple(map(Side, shown))
        self.strategies = strategies
        self.record = record
        self.viewers = Viewers()
        self.origin_ns = monotonic_ns()
        self.many = self.keep = False
        self.cost = FIRST_COST
        self.restarts: set[asyncio.Task[None]] = set()
        self.changing = asyncio.Lock()  # one server is started or stopped at a time

    # Begin, go on, end

    def start(self) -> None:
        """Start both servers; raises CalcbenchError. Then `stop` has to be called."""
        for side in self.sides:
            side.start()

    def stop(self) -> None:
        """Stop both servers, whatever the one or the other does."""
        try:
            self.sides[0].stop()
        finally:
            self.sides[1].stop()

    async def run(self) -> None:
        """Drive both sides and tell the viewers, until we are cancelled."""
        self.set_clients()
        self.tell_state()
        try:
            while True:
                await asyncio.sleep(TICK_S)
                self.tick()
        finally:
            for side in self.sides:
                side.clients.stop()
            for task in self.restarts:
                task.cancel()

    def tick(self) -> None:
        """Tell what has happened, and see to a server that has died."""
        self.tell("tick", sides=[side.tick(self.origin_ns) for side in self.sides])
        for side in self.sides:
            if not self.changing.locked() and side.has_died():
                self.note(f"{side.strategy}: {side.problem}", "✕", side)
                self.tell_state()

    # What the viewers are told

    def tell(self, kind: str, **more: Any) -> None:
        """Send a message of *kind* to every viewer, and record it."""
        at = round((monotonic_ns() - self.origin_ns) / 1_000_000, 3)
        message = {"kind": kind, "at": at, **more}
        if self.record:
            self.record(message)
        self.viewers.send(message)

    def note(self, text: str, mark: str = "", side: Side | None = None) -> None:
        """Tell what somebody has just done, on one *side* or on both; *mark* says it in short."""
        where = {} if side is None else {"side": self.sides.index(side)}
        self.tell("note", text=text, mark=mark, **where)

    def tell_state(self) -> None:
        """Tell what changes seldom."""
        self.tell(
            "state",
            sides=[side.as_json() for side in self.sides],
            clients=MANY if self.many else FEW,
            many=self.many,
            keep=self.keep,
            cost=self.cost,
        )

    def offers(self) -> Message:
        """Return what can be chosen on the page."""
        return {"kind": "offers", "strategies": self.strategies, "costs": REQUESTS}

    # What the buttons do

    async def do(self, command: Command) -> None:
        """Do what *command* says, and tell all viewers."""
        clients = [side.clients for side in self.sides]
        match command:
            case Silent():
                came = [one.add_silent() for one in clients]
                self.note_coming(came, "a silent client comes", "+1 silent")
            case SlowReader():
                came = [one.add_slow_reader() for one in clients]
                self.note_coming(came, "a slow reader comes", "+1 slow")
            case Compute():
                came = [one.compute() for one in clients]
                self.note_coming(came, f"a request computes for {COMPUTE_S} s", "compute")
            case Leave():
                for one in clients:
                    one.dismiss()
                self.note("silent clients and slow readers leave", "leave")
            case Crowd(on=on):
                self.many = on
                text = "ten times the clients" if on else "as many clients as at first"
                self.note(text, "10 ×" if on else "1 ×")
            case Keep(on=on):
                self.keep = on
                text = "clients keep their connections" if on else "a connection per request"
                self.note(text, "keep" if on else "close")
            case Ask(cost=cost):
                self.cost = cost
                self.note(f"each request {REQUESTS[cost]}", cost)
            case Kill() if self.changing.locked():
                self.note("a server is just being started")
            case Kill():
                for side in self.sides:
                    self.kill(side)
            case Swap(side=number, strategy=strategy):
                async with self.changing:
                    side = self.sides[number]
                    await asyncio.to_thread(side.replace, side.release(), strategy)
                self.note(f"{strategy} takes over", strategy, side)
        self.set_clients()
        self.tell_state()

    def note_coming(self, came: list[bool], text: str, mark: str) -> None:
        """Tell that somebody has come, or that there was no room on either side."""
        if any(came):
            self.note(text, mark)
        else:
            self.note("enough of these are here already", "enough")

    def set_clients(self) -> None:
        """Have as many clients of the kind that is wanted."""
        for side in self.sides:
            side.clients.cost, side.clients.keep = self.cost, self.keep
            side.clients.set_number(MANY if self.many else FEW)

    def kill(self, side: Side) -> None:
        """Kill a worker of *side*; a server that dies of it comes back after a while."""
        pid, text = side.kill_worker()
        self.note(text, "✕", side)
        if pid:
            self.tell("killed", side=self.sides.index(side), pid=pid)
            task = asyncio.create_task(self.bring_back(side))
            self.restarts.add(task)
            task.add_done_callback(self.restarts.discard)

    async def bring_back(self, side: Side) -> None:
        """Start the server of *side* again, if it is gone by then."""
        await asyncio.sleep(AGAIN_S)
        async with self.changing:
            if side.server is None:
                await asyncio.to_thread(side.replace, None, side.strategy)
        if side.server and not side.problem:
            self.tell_state()
