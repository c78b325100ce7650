"""Clients that go wrong, and a house that is full: everybody else is served on."""

import contextlib
import itertools
import resource
import time
from collections.abc import Iterator

from calcbench.bench.classroom.conformance.finding import (
    CORE,
    PROCESS,
    BrokenError,
    CannotJudgeError,
    kind_of,
)
from calcbench.bench.classroom.conformance.processes import descriptors_of
from calcbench.bench.classroom.conformance.rule import Start, expect, rule
from calcbench.bench.classroom.conformance.rules.answers import POST
from calcbench.bench.classroom.conformance.rules.upkeep import resting
from calcbench.bench.classroom.conformance.target import ONE, Target
from calcbench.bench.classroom.raw_client import GarbledError, SurpriseError, get

RESETS = 12  # of each kind: more than a pool has threads, all kinds together
ROOMS = 6, 7, 8, 9  # descriptors that are left to a server before it has none
TOO_MANY = 10  # clients who come for whom there is none
PRLIMIT = getattr(resource, "prlimit", None)  # Linux has it
SOON_S = 0.05
BRIEFLY_S = 0.5  # for each of them to connect


@rule(
    "reset",
    promise="survives clients that reset their connections",
    mistake="it dies on a reset",
    hint="recv and send raise when the client is gone: who catches that, and what goes on then?",
    starts=(Start(),),
)
def reset(target: Target) -> None:
    """Reset at once, within a request, within a body and instead of reading; then ask."""
    for beginning in (b"", b"GET /add", POST[:-3], get("/add/1/1") * 50):
        for _ in range(RESETS):
            with target.client() as client:
                client.send(beginning)
                client.reset()
    time.sleep(SOON_S)  # in which it takes note of them
    for _ in range(3):
        survives(target, f"{4 * RESETS} connections that the client reset")


def survives(target: Target, sent: str, when: str = "", limit_s: float = 0) -> None:
    """Raise BrokenError unless a fresh client of *target* gets an answer after *sent*.

    Whatever that says: a wrong answer is no death.
    """
    if target.has_ended():  # nobody need wait for it
        raise BrokenError(f"{when}the server had ended", "an answer, for a fresh client", sent)
    try:
        with contextlib.suppress(GarbledError), target.client(limit_s=limit_s) as client:
            client.get("/add/2/3")
    except SurpriseError as error:
        seen = f"{when}a fresh client saw: {error}"
        raise kind_of(error)(seen, "an answer, for a fresh client", sent) from None


@rule(
    "reset-while-waiting",
    promise="survives a client that resets while its answer waits",
    mistake="it dies on a reset",
    hint="the client may be gone when you come back to it with its answer",
    needs=(CORE,),
    starts=(Start(workload="wait=30ms"),),
    after=("reset", "pipelining"),
)
def reset_while_waiting(target: Target) -> None:
    """Reset with four answers under way, three times; then ask."""
    for _ in range(3):
        with target.client() as client:
            client.send(get("/add/1/1") * 4)
            client.reset()
    expect(target.ask(), body=b"5")


@rule(
    "no-descriptors",
    promise="survives a moment without free descriptors",
    mistake="it dies when descriptors run out",
    hint="accept, or whatever else you open, fails when too many files are open: what happens to"
    " the loop around it?",
    needs=(PROCESS,),
    starts=(Start(policy=("idle_timeout=1", "head_timeout=1")),),
    after=("reset", "silent-client"),
    dangerous=True,
)
def no_descriptors(target: Target) -> None:
    """Allow few descriptors more, let too many clients come and go, and ask then.

    Whatever a server opens for each client, with one of the rooms it is not accept that fails.
    """
    if target.server is None and target.clients == ONE:
        raise CannotJudgeError("it serves one client at a time, so it never has many open")
    target.ask()  # whatever is opened for the first, is open
    for room in ROOMS:
        resting(target)
        many = room + TOO_MANY
        with few_descriptors(target, room):
            with contextlib.ExitStack() as leaving:
                for _ in range(many):
                    with contextlib.suppress(SurpriseError):
                        client = leaving.enter_context(target.client(limit_s=BRIEFLY_S))
                        client.send(get("/add/1/1"))
                time.sleep(6 * SOON_S)  # so that accept has failed
            time.sleep(SOON_S)
        sent = f"{many} clients, while its limit of open files was lowered: room for {room} of them"
        survives(target, sent, "when they had gone, ", 2 * target.limit_s)


@contextlib.contextmanager
def few_descriptors(target: Target, room: int) -> Iterator[None]:
    """Leave the processes of *target* only *room* descriptors more for a while."""
    if PRLIMIT is None:
        raise CannotJudgeError("this system cannot limit the descriptors of a running server")
    before: dict[int, tuple[int, int]] = {}
    try:
        for pid in target.family.alive():
            if numbers := {int(name) for name in descriptors_of(pid)}:
                with contextlib.suppress(ProcessLookupError):  # a child that has just ended
                    before[pid] = PRLIMIT(pid, resource.RLIMIT_NOFILE)
                    free = (number for number in itertools.count() if number not in numbers)
                    few = list(itertools.islice(free, room))[-1] + 1
                    PRLIMIT(pid, resource.RLIMIT_NOFILE, (few, before[pid][1]))
        yield
    except PermissionError:
        raise CannotJudgeError("we may not limit its descriptors") from None
    finally:
        for pid, limits in before.items():
            with contextlib.suppress(OSError):
                PRLIMIT(pid, resource.RLIMIT_NOFILE, limits)


RULES = (reset, no_descriptors, reset_while_waiting)
