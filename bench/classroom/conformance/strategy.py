"""A strategy as what is checked: each rule can have a fresh server of it."""

import math
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from calcbench.bench.classroom.conformance.crash import failure_of, place_of_failure
from calcbench.bench.classroom.conformance.eager import write_interpreter
from calcbench.bench.classroom.conformance.finding import CALC, CORE, KEEPS, OURS, PROCESS
from calcbench.bench.classroom.conformance.processes import Processes
from calcbench.bench.classroom.conformance.rule import Rule, Start
from calcbench.bench.classroom.conformance.target import MANY, ONE, Target
from calcbench.bench.system.procfs import TELLS_PROCESSES
from calcbench.core.errors import CalcbenchError
from calcbench.core.serving.catalogue import Variant, files, load
from calcbench.core.serving.launcher import Server, ServerSpec, launch

QUICK_S, SLOWEST_S = 2.0, 10.0  # the least and the most that we wait for what should come at once
SHOWN_S = 1.0  # for the last lines of a server that has died to be shown
TIMES = 200  # as long as an answer takes on this machine, now
# What the first line of a docstring says of a server that means to serve one client at a time,
# and what it says of any other.
CLAIMS_ONE = re.compile(
    r"one (client |connection )?(at a time|after (the other|another)|by one)|single client"
    r"|only one client|sequential|iterative",
    re.IGNORECASE,
)
CLAIMS_MANY = re.compile(
    r"\b(many|several|threads?|pool|forks?|child(ren)?|process(es)?|loop|concurrent\w*)\b",
    re.IGNORECASE,
)
COMMON = Start()


class DeadAtStartError(CalcbenchError):
    """The server did not come up; *where* is the line of the file that raised, if one did."""

    def __init__(self, message: str, where: str) -> None:
        super().__init__(message)
        self.where = where


@dataclass
class StrategySubject:
    """The strategy *name*, with options; *limit_s* grows with how slow this machine is now."""

    variant: Variant
    clients: str = ""
    limit_s: float = QUICK_S
    servers: list[Server] = field(default_factory=list)
    ends: float = math.inf  # when the check has to be over, of the monotonic clock

    @property
    def name(self) -> str:
        """What it is called."""
        return self.variant.label

    @property
    def path(self) -> Path:
        """Its file; of one of ours, the name of that."""
        given = load(self.variant.strategy).path
        return Path(given or f"strategies/{files()[self.variant.strategy]}")

    def claim(self) -> tuple[str, str]:
        """Return how many clients it claims to serve at once, and where it says so."""
        summary = load(self.variant.strategy).summary
        if self.clients:
            return self.clients, f"--clients {self.clients}"
        if CLAIMS_ONE.search(summary) and not CLAIMS_MANY.search(summary):
            return ONE, f"the first line of its docstring is {summary!r}"
        return MANY, ""

    @contextmanager
    def start(self, start: Start = COMMON) -> Iterator[Target]:
        """Start a server as *start* says; raises DeadAtStartError. Afterwards it is killed."""
        printed: list[str] = []
        with tempfile.TemporaryDirectory(prefix="calcbench-") as folder:
            python = str(write_interpreter(Path(folder))) if start.eager else sys.executable
            spec = ServerSpec(
                self.variant.strategy,
                self.variant.options,
                workload=start.workload,
                policy=start.policy,
                python=python,
            )
            try:
                server = launch(spec, show=printed.append)
            except CalcbenchError as error:
                where = place_when_shown(printed, self.path)
                raise DeadAtStartError(str(error), where) from None
            self.servers.append(server)
            with server:
                clients, says = self.claim()
                offers = {KEEPS, CALC, CORE, OURS, *([PROCESS] if TELLS_PROCESSES else [])}
                processes = Processes(server.pid) if TELLS_PROCESSES else None
                yield Target(
                    self.name,
                    server.host,
                    server.port,
                    frozenset(offers),
                    self.limit_s,
                    clients,
                    says,
                    processes,
                    server,
                    ends=self.ends,
                )

    def give_up(self) -> None:
        """Kill every server that runs, so that whoever holds one against a rule is soon done."""
        for server in self.servers:
            if server.stopped is None and server.process.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(server.pid, signal.SIGKILL)

    def where(self, target: Target) -> str:
        """Return where the strategy has failed, if it has."""
        return failure_of(target.launched, self.path)


def place_when_shown(printed: list[str], path: Path) -> str:
    """Return where *path* has failed; what it has *printed* is still coming, on another thread."""
    until = time.monotonic() + SHOWN_S
    while True:
        where = place_of_failure("\n".join(printed), path)
        if (where and not where.endswith(": ")) or time.monotonic() > until:
            return where
        time.sleep(0.01)


def limit_for(target: Target) -> float:
    """Return how long to wait for what should come at once, on this machine as busy as it is.

    Raises SurpriseError where nothing is answered.
    """
    slowest = 0.0
    for _ in range(5):
        began = time.monotonic()
        target.ask()
        slowest = max(slowest, time.monotonic() - began)
    return min(max(QUICK_S, TIMES * slowest), SLOWEST_S)


LOADS = Rule(
    "file",
    "is a strategy: a docstring that says what it does, and a function serve",
    "the file is no strategy yet",
    "calcbench new writes one that works",
    lambda _: None,
)
STARTS = Rule(
    "starts",
    "starts, and waits for clients",
    "it dies at its start",
    "calcbench serve --strategy FILE shows all that it prints",
    lambda _: None,
)
