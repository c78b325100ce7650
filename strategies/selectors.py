"""One thread and one event loop: whoever is ready is served, and nobody is waited for.

Thousands of idle or slow clients cost next to nothing, and an answer that needs I/O sets a timer.
But all is on one core: a handler that computes or blocks, and a client that pipelines, stall all.
"""

from selectors import EVENT_READ, DefaultSelector
from socket import socket
from time import monotonic

from calcbench.core.http.connection import NOTHING
from calcbench.core.http.message import Response
from calcbench.core.serving.event_loop import SWEEP_S, Timers, newcomers, proceed, time_out
from calcbench.core.serving.service import Service
from calcbench.core.serving.sockets import Client
from calcbench.core.serving.stop import Stop


def serve(listener: socket, service: Service, options: None, stop: Stop) -> None:
    """Run an event loop over *listener* and its clients."""
    listener.setblocking(False)
    with DefaultSelector() as selector:
        selector.register(listener, EVENT_READ)
        selector.register(stop, EVENT_READ)
        loop = Loop(selector, service)
        while not loop.turn(listener, stop):
            pass
        selector.unregister(listener)
        selector.unregister(stop)
        loop.go_on(list(loop.clients))  # what has arrived by now is still answered
        for client in loop.clients:
            client.connection.drain()
        loop.go_on(list(loop.clients))
        while loop.clients:
            loop.turn(listener, stop)


class Loop:
    """The clients that a selector watches, and the answers whose time will come."""

    def __init__(self, selector: DefaultSelector, service: Service) -> None:
        self.selector = selector
        self.service = service
        self.clients: set[Client] = set()
        self.answers: Timers[tuple[Client, Response]] = Timers()
        self.next_sweep = monotonic() + SWEEP_S

    def turn(self, listener: socket, stop: Stop) -> bool:
        """Wait until somebody is ready, serve all who are, and tell whether to stop."""
        ready = self.selector.select(self.answers.pause(SWEEP_S))
        clients = [key.data for key, _ in ready if key.data]
        self.go_on(clients)
        others = () if len(clients) == len(ready) else {k.fileobj for k, _ in ready if not k.data}
        if listener in others:
            for client in newcomers(listener, self.service, stop):
                self.clients.add(client)
                self.go_on([client])  # often the first request is here already
        for client, response in self.answers.due():
            client.connection.respond(response)
            self.go_on([client])
        if (now := monotonic()) >= self.next_sweep:
            self.next_sweep = now + SWEEP_S
            self.go_on(time_out(self.clients))
        return stop in others

    def go_on(self, clients: list[Client]) -> None:
        """Proceed with *clients*, then have each watched for what it waits for."""
        for client, response in proceed(clients, self.service.handle):
            self.answers.add(response.wait, (client, response))
        for client in clients:
            interest = client.connection.interest
            if interest != client.watched:
                if client.watched != NOTHING:
                    self.selector.unregister(client.sock)
                if interest != NOTHING:
                    self.selector.register(client.sock, interest, client)
                client.watched = interest
            if interest == NOTHING and client.connection.finished:
                self.clients.discard(client)
                client.sock.close()
