"""A child for each client, which the parent forgets."""

import os
import signal

from calcbench.core.serving.blocking import clients, serve_connection


def serve(listener, service, options, stop):
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps
    kept = []
    for client in clients(listener, service, stop):
        kept.append(client)
        if os.fork() == 0:
            serve_connection(client, service, stop)
            os._exit(0)
    try:
        while True:
            os.wait()
    except ChildProcessError:
        pass
