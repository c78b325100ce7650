"""A thread for each client; the last answer is the end."""

import select
from threading import Thread
from time import monotonic

from calcbench.core.serving.blocking import clients


def serve(listener, service, options, stop):
    threads = []
    for client in clients(listener, service, stop):
        threads = [thread for thread in threads if thread.is_alive()]
        threads.append(Thread(target=converse, args=(client, service, stop)))
        threads[-1].start()
    for thread in threads:
        thread.join()


def converse(client, service, stop):
    sock, connection = client.sock, client.connection
    poll = select.poll()
    poll.register(stop, select.POLLIN)
    poll.register(sock, select.POLLIN)
    with sock:
        try:
            while not connection.finished:
                left = max(0, min(connection.time_left(monotonic()), 3600))
                ready = [fd for fd, _ in poll.poll(left * 1000)]
                if stop.fileno() in ready:
                    poll.unregister(stop)
                    connection.drain(stop.deadline)
                request = None
                if sock.fileno() in ready:
                    request = connection.feed(sock.recv(16384))
                elif not ready:
                    connection.on_timeout()
                while request is not None:
                    connection.respond(service.handle(request))
                    sock.sendall(connection.output)
                    connection.sent(len(connection.output))
                    request = connection.next_request()
                if connection.output:
                    sock.sendall(connection.output)
                    connection.sent(len(connection.output))
                    if connection.lingering:
                        return
        except OSError:
            connection.abort()
