"""One of the two servers on the page: started, traced, killed, and put in another's place."""

import os
import signal
import sys
from contextlib import suppress
from time import monotonic_ns
from typing import Any

from calcbench.bench.classroom.live.clients import Clients
from calcbench.bench.system.procfs import listener_state
from calcbench.core.errors import CalcbenchError
from calcbench.core.serving.catalogue import parse_variant
from calcbench.core.serving.ending import status_in_words
from calcbench.core.serving.launcher import Server, ServerSpec, launch
from calcbench.core.serving.lifecycle import Event, Kind

# Silence lasts longer here than by default, so that a class can talk while it lasts.
POLICY = ("idle_timeout=20", "head_timeout=20", "send_timeout=20", "drain_timeout=0.5")
STOP_S = 1.0  # before a server that is to be replaced is killed
MOST_EVENTS = 600  # of one side, told in one message; of more, some requests are left out
NOWHERE = ("127.0.0.1", 9)  # the port of `discard`, where nobody listens: there is no server now
KNOWS_QUEUE = sys.platform == "linux"


class Side:
    """A server and its clients. What takes long, `start` and `replace`, is for another thread."""

    def __init__(self, strategy: str) -> None:
        self.strategy = strategy
        self.server: Server | None = None
        self.problem = ""  # why there is no server
        self.clients = Clients(self.address)
        self.children: dict[int, None] = {}  # of the server, those heard of lately, the latest last

    def address(self) -> tuple[str, int]:
        """Return where the server listens."""
        server = self.server
        return (server.host, server.port) if server else NOWHERE

    def start(self) -> None:
        """Start a server of our strategy; raises CalcbenchError."""
        variant = parse_variant(self.strategy)
        spec = ServerSpec(variant.strategy, variant.options, "asked", policy=POLICY, traced=True)
        self.children.clear()
        self.server = launch(spec)
        self.problem = ""

    def release(self) -> Server | None:
        """Return the server, which is ours no longer: nobody looks at it while it is stopped."""
        server, self.server = self.server, None
        return server

    def stop(self) -> None:
        """Stop the server, if there is one, and leave none of its processes behind."""
        end(self.release())

    def replace(self, server: Server | None, strategy: str) -> None:
        """Put one of *strategy* into the place of *server*, which `release` gave.

        A *problem* says why there is none.
        """
        end(server)
        self.strategy = strategy
        try:
            self.start()
        except CalcbenchError as error:
            self.problem = str(error)

    def has_died(self) -> bool:
        """Tell whether the server has ended though nobody asked it to; then there is none."""
        server = self.server
        if server is None or not server.died():
            return False
        stopped = server.stop(0)
        why = f": {stopped.failure}" if stopped.failure else ""
        self.problem = f"the server {status_in_words(stopped.status)}{why}"
        self.stop()
        return True

    def kill_worker(self) -> tuple[int, str]:
        """Kill a process that serves, a child of the server if it has one; return it, and words.

        The process is 0 where there is none to kill.
        """
        server = self.server
        if server is None:
            return 0, f"{self.strategy}: no server to kill"
        for pid in reversed(self.children):
            with suppress(OSError):  # it has ended
                if os.getpgid(pid) == server.pid:
                    os.kill(pid, signal.SIGKILL)
                    return pid, f"{self.strategy}: a child was killed, with its client"
        with suppress(OSError):
            os.kill(server.pid, signal.SIGKILL)
        return server.pid, f"{self.strategy}: its only process was killed, with all its clients"

    def as_json(self) -> dict[str, Any]:
        """Return what does not change from moment to moment."""
        return {
            "strategy": self.strategy,
            "pid": self.server.pid if self.server else 0,
            "problem": self.problem,
            "silent": self.clients.count("silent"),
            "slow": self.clients.count("slow"),
        }

    def tick(self, origin_ns: int) -> dict[str, Any]:
        """Return what has happened since the last call, in times since *origin_ns*."""
        server = self.server
        events = server.trace.read() if server and server.trace else []
        for event in events:
            if server and event.kind != Kind.CLOSED and event.pid != server.pid:
                self.children.pop(event.pid, None)
                self.children[event.pid] = None
        while len(self.children) > MOST_EVENTS:
            del self.children[next(iter(self.children))]
        told = fewer(events)
        queue = listener_state(server.listener)[1] if server and KNOWS_QUEUE else None
        return {
            "events": [row(event, origin_ns) for event in told],
            "left_out": len(events) - len(told),
            "queue": queue,
            "connected": self.clients.connected,
            **self.clients.figures.as_json(monotonic_ns()),
        }


def end(server: Server | None) -> None:
    """Stop *server*, if there is one, and leave none of its processes behind."""
    if server:
        with server:
            server.stop(STOP_S)


def fewer(events: list[Event]) -> list[Event]:
    """Return *events*, or where there are too many those of some requests, and of no half ones."""
    if len(events) <= MOST_EVENTS:
        return events
    one_of = len(events) // MOST_EVENTS + 1
    return [
        event
        for event in events
        if not event.request or (event.connection + event.request) % one_of == 0
    ]


def row(event: Event, origin_ns: int) -> list[float]:
    """Return *event* as the page reads it; its moment in milliseconds."""
    return [
        round((event.moment_ns - origin_ns) / 1_000_000, 3),
        int(event.kind),
        event.connection,
        event.request,
        event.pid,
        event.thread,
        event.share,
    ]
