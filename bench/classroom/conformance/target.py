"""The server that a rule is held against: where it is, what it offers, what is known of it."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from calcbench.bench.classroom.conformance.finding import (
    CALC,
    CORE,
    KEEPS,
    NO_CALC,
    OURS,
    PROCESS,
    BrokenError,
    CannotJudgeError,
    NotOfferedError,
)
from calcbench.bench.classroom.conformance.processes import Processes
from calcbench.bench.classroom.raw_client import OutOfTimeError, RawClient, Response, connect
from calcbench.core.serving.launcher import Server

MANY, ONE, UNKNOWN = "many", "one", "unknown"
GRACE_S = 6.0  # for a stop: no policy of a check takes as long
POLL_S = 0.01
NEVER_JUDGED = {
    PROCESS: "its process is not ours to look into, or this system has no /proc",
    OURS: "it would have to be started and stopped by calcbench",
}
NOT_OFFERED = {
    KEEPS: "it closes after each response, as it says",
    CALC: NO_CALC,
    CORE: "asked only of strategies over calcbench's core",
}


@dataclass
class Target:
    """A running server at *host* and *port*; *offers* is what rules may need.

    *limit_s* is for what should happen at once. *clients* says how many it claims to serve at
    once, and *says* where that is known from. *ends* and *until* are moments of the
    monotonic clock: when the whole check has to be over, and the rule of now.
    """

    name: str
    host: str
    port: int
    offers: frozenset[str]
    limit_s: float
    clients: str = MANY
    says: str = ""
    processes: Processes | None = None
    server: Server | None = None
    notes: list[str] = field(default_factory=list)
    ends: float = math.inf
    until: float = math.inf

    def client(self, *, slow: bool = False, limit_s: float = 0) -> RawClient:
        """Return a new client; *limit_s* is for what it waits for, by default the usual."""
        return RawClient(self.host, self.port, limit_s or self.limit_s, slow=slow, until=self.until)

    def ask(self, path: str = "/add/2/3", *fields: str) -> Response:
        """Return the response to a GET of a fresh client, who leaves then."""
        with self.client() as client:
            return client.get(path, *fields)

    def demand(self, needs: tuple[str, ...]) -> None:
        """Raise CannotJudgeError or NotOfferedError where one of a rule's *needs* is not met."""
        for need in needs:
            if need not in self.offers:
                if need in NEVER_JUDGED:
                    raise CannotJudgeError(NEVER_JUDGED[need])
                raise NotOfferedError(NOT_OFFERED[need])

    def has_ended(self) -> bool:
        """Tell whether nobody listens any more; of a server of ours, whether it has ended."""
        if self.server is not None:  # its listener is ours as well
            return self.server.died()
        try:
            connect(self.host, self.port, self.limit_s).close()
        except ConnectionRefusedError:
            return True
        except OSError:
            pass
        return False

    @property
    def is_quick(self) -> bool:
        """Whether each of its answers costs next to nothing."""
        return self.server is None or self.server.spec.workload == "add"

    @property
    def family(self) -> Processes:
        """The processes of the server; raises CannotJudgeError where they are not known."""
        if self.processes is None or not self.processes.there():
            raise CannotJudgeError(NEVER_JUDGED[PROCESS])
        return self.processes

    @property
    def launched(self) -> Server:
        """The server, where it is ours to stop; raises CannotJudgeError otherwise."""
        if self.server is None:
            raise CannotJudgeError(NEVER_JUDGED[OURS])
        return self.server

    def stop(self, what: str = "") -> None:
        """Stop the server; raise BrokenError unless it ends in time, well, and by itself.

        *what* is how it was used before.
        """
        if self.launched.died():
            raise BrokenError(f"the server had ended before it was asked to{what}")
        stopped = self.launched.stop(GRACE_S)
        if stopped.killed:
            raise BrokenError(f"{GRACE_S:g} s after it was asked to, it still ran{what}")
        if stopped.status:
            raise BrokenError(f"it stopped with status {stopped.status}{what}")

    def wait_until(self, is_so: Callable[[], bool], limit_s: float = 0) -> bool:
        """Wait until *is_so*, and tell whether it is, within *limit_s*, by default the usual."""
        until = min(time.monotonic() + (limit_s or self.limit_s), self.until)
        while not (it_is := is_so()) and time.monotonic() < until:
            time.sleep(POLL_S)
        if not it_is and time.monotonic() > self.until:
            raise OutOfTimeError
        return it_is
