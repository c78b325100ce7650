"""Accepting clients where a selector says when, and only while there is room for them."""

from collections.abc import Iterator
from selectors import EVENT_READ, BaseSelector
from socket import socket
from time import monotonic

from calcbench.core.serving.service import Service
from calcbench.core.serving.sockets import Client, NoRoomError, accept
from calcbench.core.serving.stop import Stop

BATCH = 32  # clients that are accepted before others are served again
RETRY_S = 0.25  # without accepting, once descriptors have run out


class Acceptor:
    """The listener of an event loop: it is watched only while there is room for another client.

    There is none while *most* are connected, by default as many as the service allows, nor for a
    moment after descriptors have run out. Then new clients wait in the backlog. A listener that is
    watched but not accepted from would wake the loop again at once, for ever.
    """

    def __init__(
        self,
        selector: BaseSelector,
        listener: socket,
        service: Service,
        stop: Stop,
        most: int | None = None,
    ) -> None:
        self.selector, self.listener, self.service, self.stop = selector, listener, service, stop
        self.most = most or service.max_connections
        self.watched = self.closed = False
        self.retry_at: float | None = None
        listener.setblocking(False)

    def watch(self, clients: int) -> None:
        """Watch the listener, or do not, now that this many *clients* are connected."""
        if self.retry_at is not None and monotonic() >= self.retry_at:
            self.retry_at = None
        watched = clients < self.most and self.retry_at is None
        if watched != self.watched:
            if watched:
                self.selector.register(self.listener, EVENT_READ)
            else:
                self.selector.unregister(self.listener)
            self.watched = watched

    def accept_batch(self, clients: int) -> Iterator[Client]:
        """Yield some of those who wait to be accepted, while this many *clients* are connected.

        At most a batch: new ones that never end would keep those who are here from being served.
        """
        for _ in range(min(BATCH, self.most - clients)):
            try:
                client = accept(self.listener, self.service, self.stop)
            except NoRoomError:
                self.retry_at = monotonic() + RETRY_S
                return
            if client is None:
                return
            yield client

    def close(self) -> None:
        """Accept nobody any more."""
        self.closed, self.most = True, 0
        self.watch(0)
