"""What a server holds and burns: no core for nothing, no descriptor, no zombie is left."""

import time
from contextlib import ExitStack

from calcbench.bench.classroom.conformance.finding import PROCESS, BrokenError
from calcbench.bench.classroom.conformance.processes import Activity
from calcbench.bench.classroom.conformance.rule import Start, rule
from calcbench.bench.classroom.conformance.target import Target
from calcbench.bench.classroom.raw_client import RawClient, get

WATCHED_S = 0.3  # for which an idle server is watched
BUSY = 0.30  # of that time on a core, or ready for one: no idle server is
AT_LEAST = 0.05  # of that time on a core, however many others want it
WAKE_UPS = 200  # a second: more than any clock of a server that waits
VISITS = 30
SPARE = 3  # descriptors that may come and go
IDLERS = 3


@rule(
    "busy-wait",
    promise="uses no core while nobody asks for anything",
    mistake="it busy-waits: it asks again and again whether there is something to do",
    hint="which call waits until there is something to do? a loop that never waits burns a core",
    needs=(PROCESS,),
    starts=(Start(policy=("idle_timeout=60", "head_timeout=60", "send_timeout=60")),),
)
def busy_wait(target: Target) -> None:
    """Watch it with nobody there, beside silent clients, and behind some that have left."""
    target.ask()
    watch(target, "with no client connected")
    with ExitStack() as connected:
        clients = [connected.enter_context(target.client()) for _ in range(IDLERS)]
        clients[0].send_pieces(get("/add/1/1"))
        clients[0].response()
        clients[1].send_pieces(get("/add/1/1")[:20])
        watch(target, f"beside {IDLERS} silent clients")
        clients[0].half_close()
        clients[1].half_close()
        clients[2].close()
        watch(target, "when clients had sent their last byte")


def watch(target: Target, when: str) -> None:
    """Raise BrokenError if the server is busy now, *when* it has nothing to do."""
    settle(target)
    before, began = target.family.activity(), time.monotonic()
    time.sleep(WATCHED_S)
    after, seconds = target.family.activity(), time.monotonic() - began
    if seen := busy(before, after, seconds):
        raise BrokenError(f"{seen}, {when}", "no CPU time while it waits", when)


def settle(target: Target) -> None:
    """Wait until what the server has begun is over, for a moment at most."""
    for _ in range(5):
        before = target.family.activity()
        time.sleep(0.02)
        if target.family.activity().cpu_ns == before.cpu_ns:
            return


def busy(before: Activity, after: Activity, seconds: float) -> str:
    """Return in what way a server was busy for some *seconds*, or nothing."""
    cpu = (after.cpu_ns - before.cpu_ns) / 1e9 / seconds
    wanted = cpu + (after.ready_ns - before.ready_ns) / 1e9 / seconds
    wake_ups = (after.wake_ups - before.wake_ups) / seconds
    if cpu > AT_LEAST and wanted > BUSY:
        return f"{cpu:.0%} of a core"
    if wake_ups > WAKE_UPS:
        return f"{wake_ups:,.0f} wake-ups a second"
    return ""


@rule(
    "descriptors",
    promise="gives back the descriptors of clients that have left",
    mistake="it leaks descriptors: connections stay open when the client has gone",
    hint="every accepted socket is closed once in each process that has it, whatever has happened",
    needs=(PROCESS,),
    starts=(Start(),),
    after=("reset",),
)
def descriptors(target: Target) -> None:
    """Come and go in several ways, and count what is open before and afterwards."""
    for _ in range(3):  # whatever is opened for the first ones, is open
        target.ask("/add/2/3", "Connection: close")
    resting(target)
    before = target.family.descriptors()
    for visit in range(VISITS):
        come_and_go(target, visit)
    most = before + SPARE
    if not target.wait_until(lambda: target.family.descriptors() <= most):
        raise BrokenError(
            f"{target.family.descriptors() - before} more descriptors open than before",
            "as many as before",
            f"{VISITS} clients, who have left",
        )


def come_and_go(target: Target, visit: int) -> None:
    """Be one more client, and leave in one of several ways."""
    with target.client() as client:
        kind = visit % 5
        if kind == 0:
            client.get("/add/2/3", "Connection: close")
        elif kind == 1:
            client.get("/add/2/3")
        elif kind == 2:
            leave_within(client)
        elif kind == 3:
            client.send(get("/add/2/3"))
            client.reset()
        else:
            client.send(b"nonsense\r\n\r\n")
            client.half_close()


def leave_within(client: RawClient) -> None:
    """Send half a request and leave, as a client does that is turned off."""
    client.send_pieces(get("/add/2/3")[:20])


def resting(target: Target) -> None:
    """Wait until the number of descriptors rests."""
    seen = -1
    while (now := target.family.descriptors()) != seen:
        seen = now
        time.sleep(0.03)


@rule(
    "zombies",
    promise="leaves no zombie behind",
    mistake="it leaves zombies: children that have ended and were never waited for",
    hint="a child that has ended stays in the process table until its parent asks how it ended",
    needs=(PROCESS,),
    starts=(Start(),),
)
def zombies(target: Target) -> None:
    """Be ten clients, and look for the dead."""
    for _ in range(10):
        target.ask("/add/1/1", "Connection: close")
    if target.wait_until(lambda: target.family.zombies() == 0):
        return
    target.ask("/add/1/1", "Connection: close")  # who reaps when one comes
    if not target.wait_until(lambda: target.family.zombies() <= 1):
        raise BrokenError(
            f"{target.family.zombies()} zombies", "none", "10 clients, one after the other"
        )
    target.notes.append("its last child stays a zombie until the next client comes")


RULES = (busy_wait, descriptors, zombies)
