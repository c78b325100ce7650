"""What may happen to a server: handlers that raise, resets, exhaustion, a stall."""

import resource
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from os import killpg
from pathlib import Path

from calcbench.bench.system.procfs import PROC
from calcbench.core.serving.launcher import Server
from soak.crowd import GET, GET_ONCE, Client, Crowd
from soak.footprint import count

RAISE = b"GET /add/1/1 HTTP/1.1\r\nHost: soak\r\nFault: %b\r\n\r\n"
# The strategies' own caps are lowered, so that whatever a fault costs of them is soon felt.
CAP = 8
TIMES = 3 * CAP  # that a fault happens
ROOM = 3  # descriptors that are left when they run out
MANY = 400  # clients at once: more than the wake-ups that a socket pair holds unread, 278
PATIENCE_S = 5.0  # that a client waits for a response
BRIEFLY_S = 0.5  # for whatever happens at once, or not at all
STALL_S = 2.5  # longer than the deadlines in SHORT
SHORT = ("head_timeout=1", "body_timeout=1", "idle_timeout=1")
# A silent client must not cost a pool its workers for the rest of the test.
LONG = ("head_timeout=2", "idle_timeout=60", "linger_timeout=0.5")


@dataclass
class Scene:
    """A server, its clients, and the switch with which nothing can be started."""

    server: Server
    crowd: Crowd
    switch: Path

    def come(self, count: int, data: bytes, asks: int = 1) -> list[Client]:
        """Return *count* new clients, connected, who have sent *data* with *asks* requests."""
        return self.crowd.gather(count, PATIENCE_S, data, asks)

    def await_responses(self, clients: Sequence[Client], seconds: float = PATIENCE_S) -> int:
        """Wait until each of *clients* has its responses or is closed; return how many have."""
        self.crowd.wait(lambda: not any(c.open and c.waiting for c in clients), seconds)
        return sum(not client.waiting for client in clients)


Hit = Callable[[Scene], list[Client]]


@dataclass(frozen=True)
class Fault:
    """A fault: *happen* makes it happen, and returns the clients who were hit.

    Those must each get *statuses* if there are any, and otherwise a response or a close; no
    demands are made for clients who have gone themselves.
    """

    name: str
    happen: Hit
    statuses: tuple[int, ...] = ()
    policy: tuple[str, ...] = LONG
    workload: str = "add"
    bystanders: bool = True


def raised(name: str) -> Hit:
    """Return what has a handler raise *name* for each of several clients."""

    def happen(scene: Scene) -> list[Client]:
        clients = scene.come(TIMES, RAISE % name.encode())
        scene.await_responses(clients)
        return clients

    return happen


def reset_in_request(scene: Scene) -> list[Client]:
    """Reset connections in the middle of a head, and while a response is due or half sent."""
    halves = scene.come(TIMES // 3, GET[:20], 0)
    wholes = scene.come(TIMES // 3, GET)
    many = scene.come(TIMES // 3, GET * 100, 100)
    scene.crowd.wait(lambda: False, 0.05)
    for client in (*halves, *wholes, *many):
        scene.crowd.reset(client)
    return []


def exhaust_descriptors(scene: Scene) -> list[Client]:
    """Have more clients than the server has descriptors, for a while."""
    pid = scene.server.pid
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (count(PROC / str(pid) / "fd") + ROOM, hard))
    clients = scene.come(MANY, GET)
    for half in (clients[::2], clients[1::2]):
        scene.await_responses(clients, BRIEFLY_S)
        for client in half:
            scene.crowd.leave(client)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
    return []


def start_nothing(scene: Scene) -> list[Client]:
    """Let no thread and no process be started for a while, in which many ask in one moment."""
    here = scene.come(MANY, b"", 0)
    scene.crowd.wait(lambda: False, BRIEFLY_S)
    scene.switch.touch()
    killpg(scene.server.pid, signal.SIGSTOP)
    for client in here:
        scene.crowd.say(client, GET, 1)
    new = scene.come(MANY, GET)
    killpg(scene.server.pid, signal.SIGCONT)
    scene.await_responses(here, BRIEFLY_S)
    for client in (*here, *new):
        scene.crowd.leave(client)
    scene.crowd.wait(lambda: False, BRIEFLY_S)  # else a process is started for each in the backlog
    scene.switch.unlink()
    return []


def stall(scene: Scene) -> list[Client]:
    """Stop the server's processes for longer than its deadlines, while clients ask in time."""
    kept = scene.come(CAP // 2, GET)
    scene.await_responses(kept, BRIEFLY_S / 2)
    held = [client for client in kept if client.open and client.whole and not client.dismissed]
    for client in set(kept).difference(held):
        scene.crowd.leave(client)  # there is no room for it
    begun = scene.come(CAP // 2, GET_ONCE[:20], 0)
    killpg(scene.server.pid, signal.SIGSTOP)
    for client in held:
        scene.crowd.say(client, GET_ONCE, 1)
    for client in begun:
        scene.crowd.say(client, GET_ONCE[20:], 1)
    scene.crowd.wait(lambda: False, STALL_S)
    killpg(scene.server.pid, signal.SIGCONT)
    scene.await_responses([*held, *begun])
    return [*held, *begun]


FAULTS = (
    Fault("a handler raises ValueError", raised("ValueError"), (500,)),
    Fault("a handler raises MemoryError", raised("MemoryError")),
    Fault("a handler raises SystemExit", raised("SystemExit")),
    Fault("a handler raises KeyboardInterrupt", raised("KeyboardInterrupt")),
    Fault("resets in mid-request", reset_in_request, workload="block=10ms"),
    Fault("no descriptors for 1 s", exhaust_descriptors),
    Fault("no threads, no processes", start_nothing),
    Fault(f"stalled for {STALL_S:g} s", stall, (200,), SHORT, bystanders=False),
)
