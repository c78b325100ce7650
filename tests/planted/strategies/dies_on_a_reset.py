"""One client at a time, by hand."""

import select
from time import monotonic

from calcbench.core.serving.blocking import clients


def serve(listener, service, options, stop):
    for client in clients(listener, service, stop):
        with client.sock:
            exchange(client, service, stop)


def exchange(client, service, stop):
    """Serve *client* until it leaves."""
    sock, connection = client.sock, client.connection
    poll = select.poll()
    poll.register(stop, select.POLLIN)
    poll.register(sock, select.POLLIN)
    while not connection.finished:
        ready = [fd for fd, _ in poll.poll(max(0, connection.time_left(monotonic())) * 1000)]
        if stop.fileno() in ready:
            connection.drain(stop.deadline)
            poll.unregister(stop)
        if sock.fileno() not in ready:
            if not ready:
                connection.on_timeout()
            request = None
        else:
            request = connection.feed(sock.recv(65536))
        while request is not None:
            connection.respond(service.handle(request))
            while connection.output:
                connection.sent(sock.send(connection.output))
            request = connection.next_request()
        while connection.output:
            connection.sent(sock.send(connection.output))
