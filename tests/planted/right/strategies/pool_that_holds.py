"""Sixteen threads that accept by themselves, and keep their clients for as long as they stay."""

from threading import Thread

from calcbench.core.serving.blocking import clients, serve_connection


def serve(listener, service, options, stop):
    def work():
        for client in clients(listener, service, stop):
            serve_connection(client, service, stop)

    threads = [Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
