"""A thread for each client, who is remembered."""

from threading import Thread

from calcbench.core.serving.blocking import clients, serve_request


def serve(listener, service, options, stop):
    threads, remembered = [], []

    def work(client):
        remembered.append(client)
        while not client.connection.finished:
            serve_request(client, service, stop)

    for client in clients(listener, service, stop):
        threads = [thread for thread in threads if thread.is_alive()]
        threads.append(Thread(target=work, args=(client,)))
        threads[-1].start()
    for thread in threads:
        thread.join()
