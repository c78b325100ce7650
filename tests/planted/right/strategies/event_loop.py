"""An event loop, put together from parts of the core."""

from selectors import EVENT_READ, DefaultSelector

from calcbench.core.serving.acceptor import Acceptor
from calcbench.core.serving.event_loop import Later, drain, expire, resume, serve_ready


def serve(listener, service, options, stop):
    clients, selector, later = set(), DefaultSelector(), Later()
    acceptor = Acceptor(selector, listener, service, stop)
    selector.register(stop, EVENT_READ)

    def serve_clients(several):
        serve_ready(several, service.handle, later)
        for client in several:
            interest, finished = client.connection.interest, client.connection.finished
            if interest != client.watched:
                if client.watched:
                    selector.unregister(client.sock)
                if interest:
                    selector.register(client.sock, interest, client)
                client.watched = interest
            if finished and not interest:
                clients.discard(client)
                client.sock.close()

    while True:
        acceptor.watch(len(clients))
        ready = selector.select(later.until_next())
        if later.begin_turn():
            serve_clients(resume(service.handle, later))
        serve_clients([key.data for key, _ in ready if key.data])
        woken = [key.fileobj for key, _ in ready]
        if listener in woken:
            for client in acceptor.accept_batch(len(clients)):
                clients.add(client)
                serve_clients([client])
        if stop in woken:
            acceptor.close()
            selector.unregister(stop)
            drain(clients, stop.deadline)
            serve_clients(list(clients))
        if later.sweep_is_due():
            expire(clients, serve_clients)
        if acceptor.closed and not clients:
            return
