"""What is left of a server after a fault: who is still served, what still runs, does it stop.

Beside each fault there are bystanders, clients who were served before and want to be again, as
many as the strategy has room for without holding up the others.
"""

import signal
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from os import killpg
from pathlib import Path
from time import monotonic, sleep

from calcbench.core.options import describe
from calcbench.core.serving.catalogue import load
from calcbench.core.serving.launcher import ServerSpec, launch
from soak.crowd import GET, GET_ONCE, Client, Crowd
from soak.faults import BRIEFLY_S, CAP, FAULTS, TIMES, Fault, Scene
from soak.faulty import interpreter
from soak.footprint import Footprint, footprint
from soak.outcome import Column, Row, Table, change, wrong_end

FRESH = 32  # clients who come afterwards
BYSTANDERS = 4
COLUMNS = (
    Column("strategy", 18, words=True),
    Column("fault", 34, words=True),
    Column("those hit got", 24, words=True),
    Column("bystanders", 10),
    Column("fresh", 8),
    Column("processes", 9),
    Column("threads", 8),
    Column("stops in", 9),
    Column("ended", 12, words=True),
)
TITLE = f"""\
Survivors of a fault that happens {TIMES} times, where strategies have {CAP} workers at most.
Those hit are the clients whom it befell. Then bystanders, who had been served before, ask again,
and {FRESH} fresh clients come. Processes and threads: with no client, and after all this."""


@dataclass(frozen=True)
class Aftermath:
    """What was seen after a fault."""

    strategy: str
    fault: str
    required: tuple[int, ...]  # statuses; () accepts a close as well
    statuses: tuple[int, ...]  # of those hit: 0 for a close, -1 for nothing at all
    bystanders: tuple[int, int]  # served, of how many
    fresh: tuple[int, int]
    before: Footprint
    after: Footprint
    died: bool
    seconds: float
    status: int
    killed: bool

    @property
    def broken(self) -> tuple[str, ...]:
        """A line for each requirement that this breaks."""
        found = []
        accepted = self.required or (*range(200, 600), 0)
        wrong = [status for status in self.statuses if status not in accepted]
        if wrong:
            found.append(f"of those hit {count_statuses(wrong)}")
        if self.died:
            found.append(f"the server died, with status {self.status}")
        else:
            for who, (served, of) in (("bystanders", self.bystanders), ("fresh", self.fresh)):
                if served < of:
                    found.append(f"{served} of {of} {who} were served")
            if self.after.threads < self.before.threads:
                found.append(f"{self.after.threads} of {self.before.threads} threads are left")
            # Whatever a handler raises is to be printed, so here it is nothing to complain of.
            found += wrong_end(self.status, self.killed, True, self.seconds)
        return tuple(f"{self.strategy}, {self.fault}: {what}" for what in found)

    @property
    def row(self) -> Row:
        """This as a line of the table."""
        ended = "killed" if self.killed else f"status {self.status}"
        cells = (
            self.strategy,
            self.fault,
            count_statuses(self.statuses) if self.statuses else "-",
            of(*self.bystanders),
            of(*self.fresh),
            change(self.before.processes, self.after.processes),
            change(self.before.threads, self.after.threads),
            "died" if self.died else f"{self.seconds:.2f} s",
            ended,
        )
        return Row(cells, self.broken)


def count_statuses(statuses: Sequence[int]) -> str:
    """Return how often each of *statuses* came: ``3x closed, 1x nothing``."""
    names = {0: "closed", -1: "nothing"}
    counted = sorted((statuses.count(status), status) for status in set(statuses))
    return ", ".join(f"{times}x {names.get(status, status)}" for times, status in counted[::-1])


def of(some: int, all_of_them: int) -> str:
    """Return ``3 of 4``, or that there was nobody."""
    return f"{some} of {all_of_them}" if all_of_them else "-"


def table(strategies: Sequence[str], faults: Sequence[Fault] = FAULTS) -> Table:
    """Return the table of each of *faults* in each of *strategies*."""
    return Table(TITLE, COLUMNS, rows(strategies, faults))


def rows(strategies: Sequence[str], faults: Sequence[Fault]) -> Iterator[Row]:
    """Have each of *faults* happen to each of *strategies*."""
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        python, switch = interpreter(Path(folder))
        for strategy in strategies:
            for fault in faults:
                yield observe(strategy, fault, str(python), switch).row


def small_options(strategy: str) -> tuple[str, ...]:
    """Return the options of *strategy* that are numbers, none larger than CAP if it may be less."""
    return tuple(
        f"{field.name}={max(min(CAP, field.default), int(field.least or 0))}"
        for field in describe(load(strategy).options_type)
        if field.type_name == "int"
    )


def observe(strategy: str, fault: Fault, python: str, switch: Path) -> Aftermath:
    """Have *fault* happen to a server of *strategy*, and look at what is left of it."""
    spec = ServerSpec(
        strategy,
        options=small_options(strategy),
        workload=fault.workload,
        policy=fault.policy,
        python=python,
    )
    with launch(spec) as server, Crowd(server.host, server.port) as crowd:
        scene = Scene(server, crowd, switch)
        try:
            return look(scene, fault)
        finally:
            switch.unlink(missing_ok=True)
            with suppress(ProcessLookupError):
                killpg(server.pid, signal.SIGCONT)


def look(scene: Scene, fault: Fault) -> Aftermath:
    """Have *fault* happen in *scene*, then see who is served, what runs, and how it stops."""
    server, crowd = scene.server, scene.crowd
    scene.await_responses(scene.come(1, GET_ONCE))  # whatever is made for the first, is there
    before = steady(server.pid)
    bystanders = scene.come(BYSTANDERS, GET) if fault.bystanders and has_room(scene) else []
    scene.await_responses(bystanders)
    hit = fault.happen(scene)
    statuses = tuple(outcome(client) for client in hit)
    for client in hit:
        crowd.leave(client)
    for client in bystanders:
        crowd.say(client, GET, 1)
    survivors = scene.await_responses(bystanders)
    fresh = scene.await_responses(scene.come(FRESH, GET_ONCE))
    after = steady(server.pid)
    died = server.died()
    began = monotonic()
    stopped = server.stop()
    return Aftermath(
        strategy=server.spec.strategy,
        fault=fault.name,
        required=fault.statuses,
        statuses=statuses,
        bystanders=(survivors, len(bystanders)),
        fresh=(fresh, FRESH),
        before=before,
        after=after,
        died=died,
        seconds=monotonic() - began,
        status=stopped.status,
        killed=stopped.killed and not died,
    )


def has_room(scene: Scene) -> bool:
    """Tell whether a second client is served while the first stays."""
    first, second = scene.come(1, GET), scene.come(1, GET)
    scene.await_responses(first)
    served = scene.await_responses(second, BRIEFLY_S) == 1 and not first[0].dismissed
    for client in (*first, *second):
        scene.crowd.leave(client)
    return served


def steady(group: int) -> Footprint:
    """Return the footprint of *group* when its threads have ended that will, within a second."""
    end, seen = monotonic() + 1.0, footprint(group)
    while monotonic() < end:
        sleep(0.1)
        last, seen = seen, footprint(group)
        if (last.threads, last.processes) == (seen.threads, seen.processes):
            break
    return seen


def outcome(client: Client) -> int:
    """Return the status of the last response of *client*, 0 for a close, -1 for nothing."""
    if not client.waiting:
        return client.statuses[-1]
    return 0 if client.closed_at is not None else -1
