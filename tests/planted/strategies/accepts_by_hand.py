"""A thread for each client, accepted by hand."""

from threading import Thread

from calcbench.core.serving.blocking import serve_connection
from calcbench.core.serving.sockets import Client


def serve(listener, service, options, stop):
    threads = []
    while not stop.is_set():
        try:
            sock, _ = listener.accept()
        except ConnectionError:
            continue
        except OSError:
            if stop.is_set():
                break
            raise
        threads = [thread for thread in threads if thread.is_alive()]
        client = Client(sock, service.connect())
        threads.append(Thread(target=serve_connection, args=(client, service, stop)))
        threads[-1].start()
    for thread in threads:
        thread.join()
