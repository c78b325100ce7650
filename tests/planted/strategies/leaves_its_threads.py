"""A thread for each client, and nobody waits for them at the end."""

from threading import Thread

from calcbench.core.serving.blocking import clients, serve_connection


def serve(listener, service, options, stop):
    for client in clients(listener, service, stop):
        Thread(target=serve_connection, args=(client, service, stop), daemon=True).start()
