"""Sequential: the next client is accepted when the last one has left."""

from calcbench.core.serving.blocking import clients, serve_connection


def serve(listener, service, options, stop):
    for client in clients(listener, service, stop):
        serve_connection(client, service, stop)
