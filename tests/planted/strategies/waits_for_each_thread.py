"""A thread for each client."""

from threading import Thread

from calcbench.core.serving.blocking import clients, serve_connection


def serve(listener, service, options, stop):
    for client in clients(listener, service, stop):
        thread = Thread(target=serve_connection, args=(client, service, stop))
        thread.start()
        thread.join()
