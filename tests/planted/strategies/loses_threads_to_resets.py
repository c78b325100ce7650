"""A pool of four threads."""

import select
from queue import Queue
from threading import Thread
from time import monotonic

from calcbench.core.serving.blocking import clients


def serve(listener, service, options, stop):
    queue = Queue()

    def work():
        while (client := queue.get()) is not None:
            with client.sock:
                exchange(client, service, stop)

    pool = [Thread(target=work, daemon=True) for _ in range(4)]
    for thread in pool:
        thread.start()
    for client in clients(listener, service, stop):
        queue.put(client)
    for _ in pool:
        queue.put(None)
    for thread in pool:
        thread.join(1)


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
