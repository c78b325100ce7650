"""One thread and one event loop: whoever is ready is served, and nobody is waited for.

Thousands of idle or slow clients cost next to nothing, and a response that needs I/O sets a timer.
But all is on one core: a handler that computes or blocks stalls every other client.
"""

from selectors import EVENT_READ, DefaultSelector
from socket import socket

from calcbench.core.http.connection import NOTHING
from calcbench.core.serving.acceptor import Acceptor
from calcbench.core.serving.event_loop import Later, drain, expire, resume, serve_ready
from calcbench.core.serving.service import Service
from calcbench.core.serving.sockets import Client
from calcbench.core.serving.stop import Stop


def serve(listener: socket, service: Service, options: None, stop: Stop) -> None:
    """Run an event loop over *listener* and its clients."""
    with DefaultSelector() as selector:
        loop = Loop(selector, listener, service, stop)
        while not loop.turn():
            pass
        loop.finish()


class Loop:
    """The clients that a selector watches, and what is to be done for them later."""

    def __init__(
        self, selector: DefaultSelector, listener: socket, service: Service, stop: Stop
    ) -> None:
        self.selector, self.listener, self.stop = selector, listener, stop
        self.acceptor = Acceptor(selector, listener, service, stop)
        self.handle, self.clients, self.later = service.handle, set[Client](), Later()
        selector.register(stop, EVENT_READ)

    def turn(self) -> bool:
        """Wait until somebody is ready, serve all who are, and tell whether to stop."""
        self.acceptor.watch(len(self.clients))
        ready = self.selector.select(self.later.until_next())
        others = [key.fileobj for key, _ in ready if not key.data]  # listener and stop have no data
        if self.stop in others:
            return True
        if self.later.begin_turn():
            self.serve_clients(resume(self.handle, self.later))
        self.serve_clients([key.data for key, _ in ready if key.data])
        if self.listener in others:
            for client in self.acceptor.accept_batch(len(self.clients)):
                self.clients.add(client)
                self.serve_clients([client])  # often the first request is here already
        if self.later.sweep_is_due():
            expire(self.clients, self.serve_clients)
        return False

    def finish(self) -> None:
        """Accept nobody any more, and serve those who are here until the last one leaves."""
        self.acceptor.close()
        self.selector.unregister(self.stop)  # it stays readable: no wait would last
        drain(self.clients, self.stop.deadline)
        self.serve_clients(list(self.clients))
        while self.clients:
            self.turn()

    def serve_clients(self, clients: list[Client]) -> None:
        """Serve *clients* as far as it goes, then have each watched for what it waits for."""
        serve_ready(clients, self.handle, self.later)
        for client in clients:
            interest = client.connection.interest
            if interest != client.watched:
                if client.watched != NOTHING:  # modified to NOTHING, epoll still reports hang-ups
                    self.selector.unregister(client.sock)
                if interest != NOTHING:  # from READ to WRITE that is two calls, but seldom needed
                    self.selector.register(client.sock, interest, client)
                client.watched = interest
            if interest == NOTHING and client.connection.finished:
                self.clients.discard(client)  # a delayed response may find it gone already
                client.sock.close()
