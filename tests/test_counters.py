"""Who gave how many responses, seen from outside."""

import dataclasses
import os
import threading
from pathlib import Path

from client import Client
from servers import make_spec

from calcbench.core.app.workload import parse_workload
from calcbench.core.http.connection import Connection
from calcbench.core.http.limits import Policy
from calcbench.core.serving.counters import COLUMNS, ROWS, Watch, Worker, make_table
from calcbench.core.serving.launcher import Server, ServerSpec, launch
from calcbench.core.serving.service import make_service


def workers_of(strategy: str) -> tuple[Server, list[Worker]]:
    """Return a server that was asked five times by each of two clients, and who responded."""
    with launch(make_spec(strategy, watched=True)) as server:
        for _ in range(2):
            with Client(server) as client:
                for _ in range(5):
                    assert client.get("/add/2/3").status == 200
        stopped = server.stop()
        assert server.watch
        workers = server.watch.workers()

    assert stopped.clean
    return server, workers


def test_counts_every_response_of_every_strategy(strategy: str) -> None:
    _, workers = workers_of(strategy)

    assert sum(worker.responses for worker in workers) == 10
    assert all(worker.pid and worker.thread for worker in workers)


def test_counts_by_processes_and_threads() -> None:
    server, children = workers_of("fork")
    pids = {worker.pid for worker in children}
    assert len(pids) == 2
    assert server.pid not in pids

    server, threads = workers_of("thread-per-request")
    assert {worker.pid for worker in threads} == {server.pid}


def test_pays_nothing_when_nobody_watches() -> None:
    service = make_service(Policy(), parse_workload("add"))

    assert type(service.connect()) is Connection
    with launch(ServerSpec("blocking")) as server:
        assert server.watch is None


def test_leaves_no_descriptor_behind() -> None:
    before = sorted(Path("/proc/self/fd").iterdir())
    with launch(ServerSpec("blocking", watched=True)) as server:
        server.stop()
    with launch(dataclasses.replace(server.spec)) as server:
        pass

    # The table itself stays readable for as long as somebody holds it.
    del server
    assert len(list(Path("/proc/self/fd").iterdir())) <= len(before) + 1


def claim_in_threads(watch: Watch, count: int) -> None:
    barrier = threading.Barrier(count)  # all alive at once, so that no identifier comes twice

    def work() -> None:
        watch.cells[watch.claim()] += 1
        barrier.wait()

    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_gives_each_thread_and_each_process_a_row_of_its_own() -> None:
    fd = make_table()
    watch = Watch(fd)
    watch.connections()
    claim_in_threads(watch, 8)
    workers = watch.workers()
    child = os.fork()
    if child == 0:
        watch.cells[watch.claim()] += 7
        os._exit(len(watch.mine))
    _, status = os.waitpid(child, 0)
    os.close(fd)

    assert [worker.responses for worker in workers] == [1] * 8
    assert len({worker.thread for worker in workers}) == 8
    assert os.waitstatus_to_exitcode(status) == 1
    assert watch.workers()[8] == Worker(child, child, 7)


def test_counts_those_that_the_table_is_too_short_for_together() -> None:
    fd = make_table()
    watch = Watch(fd)
    watch.cells[0] = ROWS - 2
    watch.cells[watch.claim()] += 1
    watch.cells[watch.claim()] += 4
    os.close(fd)

    assert watch.cells[0] == ROWS - 1
    assert watch.cells[(ROWS - 1) * COLUMNS + 2] == 1
    assert watch.workers()[-1] == Worker(0, 0, 4)
