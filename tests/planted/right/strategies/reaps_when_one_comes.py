"""A child for each client; the dead are looked for when the next client comes."""

import os

from calcbench.core.serving.blocking import clients, serve_connection


def serve(listener, service, options, stop):
    children = set()
    for client in clients(listener, service, stop):
        for child in list(children):
            if os.waitpid(child, os.WNOHANG)[0]:
                children.remove(child)
        child = os.fork()
        if child == 0:
            serve_connection(client, service, stop)
            os._exit(0)
        children.add(child)
        client.sock.close()
    for child in children:
        os.waitpid(child, 0)
