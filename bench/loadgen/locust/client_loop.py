"""What a client of Locust's worker needs of the loop to which it belongs."""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from gevent.event import Event

from calcbench.bench.loadgen.driver.ledger import Ledger
from calcbench.bench.loadgen.driver.response import Checker
from calcbench.bench.loadgen.locust.reporter import Reporter
from calcbench.bench.loadgen.spec import LoadSpec, Request


class ClientLoop(Protocol):
    """What the loop of a worker offers to its clients; `calcbench.bench.loadgen.locust.loop`.

    So much because clients are greenlets of one process that share the load: they read and change
    its state themselves, without a call for each request. Only `fail` and `leave` ask it to act.
    """

    spec: LoadSpec
    checker: Checker
    ledger: Ledger
    target: tuple[int, Any]
    reporter: Reporter
    begun: Event
    due: Iterator[int] | None
    away: int
    away_ns: int
    server_lingers: bool
    is_over: bool
    waiting: deque[int]
    free: deque[Any]

    @property
    def take(self) -> Callable[[], Request]:
        """Return the next request and its right response, when it is called."""
        ...

    def think(self, client: Any, now: int) -> None:
        """Have the user of *client* think from *now* on: its waiter gets the moment of the end."""
        ...

    def fail(self, error: Exception) -> None:
        """End all of it because of *error*, which is ours and not the server's."""
        ...

    def leave(self) -> None:
        """Take note that this client has ended."""
        ...
