"""A driver's loop that rests between its turns: nobody begins a request, nobody is forgotten."""

import select
import sys

from calcbench.bench.loadgen.driver.client import IDLE, SENDING, Client
from calcbench.bench.loadgen.driver.loop import NEVER, Loop, clock
from calcbench.bench.loadgen.driver.open_loop import due_times
from calcbench.bench.loadgen.driver.poller import READABLE
from calcbench.bench.loadgen.driver.recorder import Recorder
from calcbench.bench.loadgen.protocol import WAITED
from calcbench.bench.loadgen.spec import LoadSpec
from calcbench.bench.schema.outcomes import TIMED_OUT


class Neighbour:
    """Another loop in whose turn responses of *loop* may come: it reads them at once."""

    state = -1  # none of a client's: the loop calls `ready`

    def __init__(self, loop: "TurnLoop") -> None:
        self.loop = loop

    def ready(self) -> None:
        """Read what has come."""
        self.loop.catch_up()


class TurnLoop(Loop):
    """A loop that rests between its turns; meanwhile its clients are *free*."""

    def __init__(self, spec: LoadSpec, recorder: Recorder) -> None:
        super().__init__(spec, recorder)
        self.asks_next = self.after_response
        # Who waits on between turns: for which request, and for how long that was not our turn.
        self.absences: dict[Client, tuple[int, int]] = {}
        self.rested = self.left = clock()  # since when nobody begins a request; the end of a turn
        self.free.clear()
        self.free.extend(self.everyone)
        self.shift = 0  # by how much an open loop's schedule is behind
        self.due_later = 0
        if self.open_loop:
            self.due = (due + self.shift for due in due_times(spec, self.left))
            self.due_later = next(self.due)
        self.resting = False
        self.rest()

    def prepare(self) -> None:
        """Watch for the end of the standard input, and open the connections that clients keep."""
        self.poller.register(sys.stdin.fileno(), READABLE)
        self.connect_all()

    def rest(self) -> None:
        """Have nobody begin a request any more."""
        self.resting, self.after_response, self.rested = True, self.park, clock()
        if self.next_due != NEVER:
            self.due_later, self.next_due = self.next_due, NEVER

    def park(self, client: Client) -> None:
        """Keep *client*, which has a connection and no request, for the next turn."""
        client.state = IDLE
        self.put_back(client)

    def begin_now(self, client: Client) -> None:
        """Begin a request of a closed loop on a new connection, or in the next turn."""
        if self.resting:
            self.free.append(client)
        else:
            super().begin_now(client)

    def send_what_is_due(self, now: int) -> None:
        """Send every request of an open loop that is due at *now*, in a turn."""
        if not self.resting:  # a timer of the turn before may ask for it
            super().send_what_is_due(now)

    def vacate(self, client: Client) -> None:
        """Have *client* without a connection ready for a request of an open loop."""
        if self.resting:
            self.free.append(client)
        else:
            super().vacate(client)

    def resume(self) -> None:
        """Begin a turn."""
        self.catch_up()  # a server may have closed a connection meanwhile
        now = clock()
        for client in self.busy():
            self.absences[client] = client.intended, self.absent_ns(client) + now - self.left
        self.resting, self.after_response = False, self.asks_next
        if self.open_loop:
            pause = now - self.rested
            self.shift += pause
            self.shifted_ns += pause
            self.next_due = self.due_later + pause
            self.waiting.extend([self.waiting.popleft() + pause for _ in range(len(self.waiting))])
            self.send_what_is_due(now)
            return
        rested = list(self.free)
        self.free.clear()
        for client in rested:
            if client.state == IDLE:
                client.state = SENDING
                self.ask_again(client)
            else:
                self.begin_now(client)

    def drain(self, since: int, until: int) -> None:
        """Ask no more; wait until what was begun *since* has ended, or *until* then."""
        self.rest()
        while (now := clock()) < until and not self.stopped and self.waits_since(since):
            wait_ns = max(min(until, self.next_check) - now, 0)
            select.select([self.poller.fileno()], (), (), wait_ns / 1e9)  # epoll: whole ms
            self.catch_up()
            if now >= self.next_check:
                self.check_times(now)
        self.left = clock()

    def waits_since(self, since: int) -> bool:
        """Tell whether a request that was begun *since* is still out."""
        return any(client.sent >= since for client in self.busy())

    def catch_up(self) -> None:
        """Read what came while another one has the turn."""
        for fd, _ in self.poller.poll(0):
            client = self.clients.get(fd)
            if client is not None:
                self.advance(client)
            elif fd == 0:
                self.stopped = True

    def absent_ns(self, client: Client) -> int:
        """Return for how long of the present request of *client* it was not our turn."""
        intended, away_ns = self.absences.get(client, (0, 0))
        return away_ns if intended == client.intended else 0

    def record(self, client: Client, outcome: int, now: int) -> None:
        """Record how the request of *client* ended; one that timed out has waited in our turns."""
        if outcome & (WAITED - 1) == TIMED_OUT:
            now -= self.absent_ns(client)
        super().record(client, outcome, now)

    def waited_ns(self, client: Client, now: int) -> int:
        """Return for how long the request of *client* has waited at *now* in its own turns."""
        return now - client.intended - self.absent_ns(client)
