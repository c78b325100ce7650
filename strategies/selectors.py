"""One thread and one event loop: whoever is ready is served, and nobody is waited for.

Thousands of idle or slow clients cost next to nothing, and a response that needs I/O sets a timer.
But all is on one core: a handler that computes or blocks, and a client that pipelines, stall all.
"""

from selectors import EVENT_READ, DefaultSelector
from socket import socket
from time import monotonic

from calcbench.core.http.connection import NOTHING
from calcbench.core.serving.event_loop import SWEEP_S, Timers, accept_batch, expire, serve_ready
from calcbench.core.serving.service import Service
from calcbench.core.serving.sockets import Client
from calcbench.core.serving.stop import Stop


def serve(listener: socket, service: Service, options: None, stop: Stop) -> None:
    """Run an event loop over *listener* and its clients."""
    listener.setblocking(False)
    loop = Loop(listener, service, stop)
    with loop.selector:
        while not loop.turn():
            pass
        loop.finish()


class Loop:
    """The clients that a selector watches, and the responses whose time will come."""

    def __init__(self, listener: socket, service: Service, stop: Stop) -> None:
        self.listener, self.service, self.stop = listener, service, stop
        self.clients: set[Client] = set()
        self.delayed, self.next_sweep = Timers(), monotonic() + SWEEP_S
        self.selector = DefaultSelector()
        self.selector.register(listener, EVENT_READ)
        self.selector.register(stop, EVENT_READ)

    def turn(self) -> bool:
        """Wait until somebody is ready, serve all who are, and tell whether to stop."""
        ready = self.selector.select(self.delayed.until_next(SWEEP_S))
        self.serve_clients([key.data for key, _ in ready if key.data])
        others = [key.fileobj for key, _ in ready if not key.data]  # listener and stop have no data
        if self.listener in others:
            for client in accept_batch(self.listener, self.service, self.stop):
                self.clients.add(client)
                self.serve_clients([client])  # often the first request is here already
        for client, response in self.delayed.due():
            client.connection.respond(response)
            self.serve_clients([client])
        if (now := monotonic()) >= self.next_sweep:
            self.next_sweep = now + SWEEP_S
            self.serve_clients(expire(self.clients))
        return self.stop in others

    def finish(self) -> None:
        """Accept nobody any more, and serve those who are here until the last one leaves."""
        self.selector.unregister(self.listener)
        self.selector.unregister(self.stop)  # it stays readable: no wait would last
        self.serve_clients(list(self.clients))  # what has arrived by now still gets its response
        for client in self.clients:
            client.connection.drain()
        self.serve_clients(list(self.clients))  # lets go of those who had nothing under way
        while self.clients:
            self.turn()

    def serve_clients(self, clients: list[Client]) -> None:
        """Serve *clients* as far as it goes, then have each watched for what it waits for."""
        serve_ready(clients, self.service.handle, self.delayed)
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
