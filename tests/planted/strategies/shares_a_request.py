"""A thread for each client, and one place for the request."""

from threading import Thread

from calcbench.core.serving.blocking import clients, serve_connection
from calcbench.core.serving.service import Service


def serve(listener, service, options, stop):
    now = {}

    def handle(request):
        now["request"] = request
        return answer()

    def answer():
        return service.handle(now["request"])

    shared = Service(service.connect, handle, service.max_connections)
    threads = []
    for client in clients(listener, service, stop):
        threads = [thread for thread in threads if thread.is_alive()]
        threads.append(Thread(target=serve_connection, args=(client, shared, stop)))
        threads[-1].start()
    for thread in threads:
        thread.join()
