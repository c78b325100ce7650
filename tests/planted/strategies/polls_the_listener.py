"""A thread for each client, and a listener that is asked often."""

from threading import Thread
from time import sleep

from calcbench.core.serving.blocking import serve_connection
from calcbench.core.serving.sockets import accept


def serve(listener, service, options, stop):
    listener.setblocking(False)
    threads = []
    while not stop.is_set():
        client = accept(listener, service, stop)
        if client is None:
            sleep(0.0001)
            continue
        threads = [thread for thread in threads if thread.is_alive()]
        threads.append(Thread(target=serve_connection, args=(client, service, stop)))
        threads[-1].start()
    for thread in threads:
        thread.join()
