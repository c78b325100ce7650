"""Clients between two requests, watched by one thread while others serve the rest."""

from selectors import EVENT_READ, BaseSelector
from time import monotonic

from calcbench.core.serving.event_loop import Sweep, look_once, overdue
from calcbench.core.serving.sockets import Client


class IdleClients:
    """Clients between two requests, which a selector watches until they speak.

    For strategies whose main thread has the idle connections, and others serve the rest.
    """

    def __init__(self, selector: BaseSelector) -> None:
        self.selector = selector
        self.clients = set[Client]()
        self.sweep = Sweep()

    def __len__(self) -> int:
        return len(self.clients)

    def add(self, client: Client) -> None:
        """Watch *client*, which becomes the `data` of the selector's key."""
        self.clients.add(client)
        self.selector.register(client.sock, EVENT_READ, client)

    def take(self, clients: list[Client]) -> list[Client]:
        """Return *clients*, which are watched no longer."""
        for client in clients:
            self.clients.remove(client)
            self.selector.unregister(client.sock)
        return clients

    def expire(self) -> list[Client]:
        """Give up on those who have no time left, now and then, and return them.

        Not on one that has spoken by now: it is returned with what it has sent in its buffer.
        """
        if not self.sweep.is_due(monotonic()):
            return []
        late = self.take(overdue(self.clients))
        for client in late:
            if not look_once(client):
                client.connection.on_timeout()
        return late

    def take_all(self) -> list[Client]:
        """Return all clients, which are watched no longer."""
        return self.take(list(self.clients))
