"""What event loops use: serve and time out many clients, and wait for none of them.

An event loop goes in turns. It asks its selector who is ready, begins the time of the turn, and
passes those to `serve_ready`. What cannot be done yet is kept `Later`; `resume` does first what of
it is due. Now and then the loop gives up on clients with `expire`. New ones come by its `Acceptor`.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import heappop, heappush
from itertools import count
from time import monotonic

from calcbench.core.http.message import Request, Response
from calcbench.core.serving.failure import FAILURES, log_failure
from calcbench.core.serving.sockets import Client, receive, send

BATCH = 32  # clients that an event loop receives from before it responds to them
SWEEP_S = 0.25  # how often an event loop looks for clients that have no time left
TURN_S = 0.001  # for what clients pipeline, in each turn of an event loop; one request at least
READY_S = 0.01  # more, for the requests of all who are ready: some 1,000 cheap ones

Handle = Callable[[Request], Response]


class Sweep:
    """Tells when it is time to look for clients that have no time left."""

    def __init__(self) -> None:
        self.next = monotonic() + SWEEP_S

    def is_due(self, now: float) -> bool:
        """Tell whether it is time at *now*, and then set the time of the next."""
        if now < self.next:
            return False
        self.next = now + SWEEP_S
        return True


class Later:
    """What an event loop cannot do yet.

    Responses have a moment at which they are due. Requests that were put off, since a turn had
    taken its time, are due at the next; those of clients that the turn has served, behind the
    others. A sweep, to `expire` clients, is due now and then.
    """

    def __init__(self) -> None:
        self.until = monotonic() + TURN_S  # after that, what is pipelined is put off
        self.sweep = Sweep()
        self.heap: list[tuple[float, int, Client, Response]] = []
        self.number = count()  # decides between equal moments; clients cannot be compared
        self.requests = deque[tuple[Client, Request]]()
        self.pipelined: list[tuple[Client, Request]] = []  # of clients that have had their share

    def add_response(self, client: Client, response: Response) -> None:
        """Have *response* given to *client* when its wait is over."""
        heappush(self.heap, (monotonic() + response.wait, next(self.number), client, response))

    def add_request(self, client: Client, request: Request) -> None:
        """Have *request* of *client* handled at the next turn."""
        self.requests.append((client, request))

    def add_pipelined(self, client: Client, request: Request) -> None:
        """Have it handled behind all those of this turn, in which *client* has been served."""
        self.pipelined.append((client, request))

    def until_next(self) -> float:
        """Return the seconds until something is due."""
        if self.requests or self.pipelined:
            return 0.0
        if not self.heap:
            return SWEEP_S
        return min(SWEEP_S, max(0.0, self.heap[0][0] - monotonic()))

    def begin_turn(self) -> bool:
        """Begin the time of a turn; tell whether there is something to `resume` before all else."""
        now = monotonic()
        self.until = now + TURN_S
        if self.pipelined:
            self.requests += self.pipelined
            self.pipelined.clear()
        return bool(self.requests or (self.heap and self.heap[0][0] <= now))

    def sweep_is_due(self) -> bool:
        """Tell whether it is time for a sweep, and then set the time of the next."""
        return self.sweep.is_due(self.until)

    def due_responses(self) -> Iterator[tuple[Client, Response]]:
        """Yield, and remove, the responses that are due by now."""
        now = monotonic()
        while self.heap and self.heap[0][0] <= now:
            yield heappop(self.heap)[2:]

    def due_requests(self) -> Iterator[tuple[Client, Request]]:
        """Yield, and remove, the requests that have waited longest, as the turn's time allows."""
        while self.requests:
            yield self.requests.popleft()
            if monotonic() > self.until:
                return


def serve_ready(clients: list[Client], handle: Handle, later: Later) -> None:
    """Carry conversations as far as they go without waiting: the step of an event loop.

    What has to wait is added to *later*, for `resume`. Afterwards `connection.interest` says what
    to wait for.

    This is done in passes over a batch, not client by client. A call into the kernel pushes the
    interpreter out of the processor's caches, and one between every two responses takes a fifth of
    the throughput. A pass over everybody would have the first client wait until the last one's
    handler is done.
    """
    for start in range(0, len(clients), BATCH):
        batch = clients[start : start + BATCH]
        received = [receive(client) for client in batch]
        respond_to_all(batch, received, handle, later, monotonic() > later.until + READY_S)
        send_to_all(batch, later)


def resume(handle: Handle, later: Later) -> list[Client]:
    """Do what is due of *later*; return the clients that it was for, to be served on."""
    resumed = []
    for client, response in later.due_responses():
        try:
            client.connection.respond(response)
        except FAILURES as error:
            shed(client, error)
        resumed.append(client)
    for client, request in later.due_requests():
        respond_to_all([client], [request], handle, later, late=False)
        resumed.append(client)
    return resumed


def respond_to_all(
    batch: Sequence[Client],
    received: Sequence["bytes | Request | None"],
    handle: Handle,
    later: Later,
    late: bool,
) -> None:
    """Respond to what each client of *batch* has asked for.

    *received* is what each has sent just now, None for nothing, or a request that was put off.
    When it is *late*, at first or after a handler, the rest is put off as well. So at most one
    costly request of each client is handled in a turn, and the loop soon looks again who is ready,
    and whether to stop.
    """
    several, now = len(batch) > 1, 0.0
    for client, data in zip(batch, received, strict=True):
        connection = client.connection
        try:
            if data is None:
                request = connection.next_request()
            else:
                request = data if isinstance(data, Request) else connection.feed(data)
            if late and request is not None:
                later.add_request(client, request)
                continue
            while request is not None:
                if connection.draining and monotonic() > connection.deadline:
                    connection.abort()
                    break
                response = handle(request)
                if response.wait:
                    later.add_response(client, response)
                    break
                connection.respond(response)
                if several or connection.buffer:  # has_buffered costs a call
                    now = monotonic()
                    late = now > later.until + READY_S
                request = connection.next_request() if connection.buffer else None
                if request is not None and now > later.until:
                    later.add_pipelined(client, request)
                    break
        except FAILURES as error:
            shed(client, error)


def send_to_all(batch: list[Client], later: Later) -> None:
    """Send what each client takes of its output; have its next request, if any, served later.

    While too much output is unsent, `next_request` leaves what is buffered where it is.
    """
    for client in batch:
        connection = client.connection
        if connection.output:
            send(client)
            if connection.buffer and not connection.output:
                request = connection.next_request()
                if request is not None:
                    later.add_pipelined(client, request)


def shed(client: Client, error: BaseException) -> None:
    """Let go of *client*, with whom something has failed; the others are served on."""
    client.connection.abort()
    log_failure("a connection", error, "closed it")


def overdue(clients: Iterable[Client]) -> list[Client]:
    """Return those of *clients* that have no time left."""
    now = monotonic()
    return [client for client in clients if client.connection.time_left(now) <= 0]


def expire(clients: Iterable[Client], serve: Callable[[list[Client]], None]) -> None:
    """Give up on those of *clients* that have no time left.

    Before that, *serve* looks once whether they have done their part after all: a client that has
    spoken in time is not late because the server was.
    """
    late = overdue(clients)
    serve(late)
    late = overdue(late)
    for client in late:
        client.connection.on_timeout()
    serve(late)


def look_once(client: Client) -> bool:
    """Keep what *client* has sent by now for `next_request`; tell whether it has."""
    data = receive(client)
    if data is not None:
        try:
            client.connection.store(data)
        except FAILURES as error:
            shed(client, error)
    return data is not None


def drain(clients: Iterable[Client], deadline: float) -> None:
    """Begin to let go of *clients*: the server is stopping, and they have until *deadline*.

    Whoever has spoken by now is to be served. Who has nothing under way is finished.
    """
    for client in clients:
        look_once(client)
        client.connection.drain(deadline)
