"""What the clients of a server see of it: how many they are served a second, and how late."""

import math
from collections import deque
from time import monotonic_ns

RATE_NS = 1_000_000_000  # over which the throughput is counted
LATE_NS = 5_000_000_000  # over which the 99th percentile is taken
NS_PER_MS = 1_000_000


class Figures:
    """The responses of the last seconds, and the requests that still wait for theirs."""

    def __init__(self) -> None:
        self.done: deque[tuple[int, int]] = deque()  # when a response came, and after how long
        self.pending: dict[int, int] = {}  # a request's number → when it was sent
        self.sent = 0
        self.failed = 0
        self.last_ns = monotonic_ns()  # when the last response came

    def send(self, now_ns: int) -> int:
        """Note that a request is being sent; return its number."""
        self.sent += 1
        self.pending[self.sent] = now_ns
        return self.sent

    def receive(self, number: int, now_ns: int) -> None:
        """Note that request *number* has its response."""
        sent_ns = self.pending.pop(number)
        self.done.append((now_ns, now_ns - sent_ns))
        self.last_ns = now_ns

    def forget(self, number: int) -> None:
        """Note that nobody waits for the response to request *number* any more."""
        del self.pending[number]

    def fail(self, number: int) -> None:
        """Note that request *number* will have no response."""
        self.forget(number)
        self.failed += 1

    def as_json(self, now_ns: int) -> dict[str, float | None]:
        """Return the figures at *now_ns*; times in milliseconds.

        The 99th percentile counts those that still wait with what they have waited until now: of
        a server that has stopped there would be none else. *at_least* says that it is one of them.
        """
        while self.done and self.done[0][0] <= now_ns - LATE_NS:
            self.done.popleft()
        waited = [now_ns - sent for sent in self.pending.values()]
        lasted = [(took, 0) for _, took in self.done] + [(took, 1) for took in waited]
        lasted.sort()
        # The smallest that 99 % do not pass (Hyndman & Fan 1996, definition 1).
        late, at_least = lasted[math.ceil(0.99 * len(lasted)) - 1] if lasted else (None, 0)
        return {
            "rate": sum(when > now_ns - RATE_NS for when, _ in self.done),
            "p99": None if late is None else round(late / NS_PER_MS, 1),
            "at_least": at_least,
            "since": round((now_ns - self.last_ns) / NS_PER_MS),
            "waiting": len(waited),
            "oldest": round(max(waited, default=0) / NS_PER_MS),
            "failed": self.failed,
        }
