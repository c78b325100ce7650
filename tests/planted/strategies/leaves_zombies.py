"""A child for each client."""

import os

from calcbench.core.serving.blocking import clients, serve_connection


def serve(listener, service, options, stop):
    children = []
    for client in clients(listener, service, stop):
        child = os.fork()
        if child == 0:
            serve_connection(client, service, stop)
            os._exit(0)
        children.append(child)
        client.sock.close()
    for child in children:
        os.waitpid(child, 0)
