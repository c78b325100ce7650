"""A thread for each client, for ever."""

from threading import Thread
from time import sleep

from calcbench.core.serving.blocking import clients, serve_connection


def serve(listener, service, options, stop):
    while True:
        for client in clients(listener, service, stop):
            Thread(target=serve_connection, args=(client, service, stop)).start()
        sleep(0.1)
