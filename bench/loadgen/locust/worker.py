"""Locust's worker: ``python -m calcbench.bench.loadgen.locust.worker HOST PORT SECONDS [PARENT]``.

It joins the master of a race at HOST:PORT, which may be up to SECONDS late and has the secret that
is in the environment, and carries out its part of every load until the race is over. With PARENT,
the process that started it on the same machine, it is silent, keeps to the cores that it is told,
and ends when that does.

A load goes like this. The master has the worker start its users and, when all are there, sends its
part of the load spec. The worker says when it is ready, begins when the master says so, and sends
what it has seen whenever Locust reports to the master.
"""

import dataclasses
import functools
import itertools
import logging
import os
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING, Any

import gevent
import gevent.event
import locust.runners
from locust.env import Environment

import calcbench
from calcbench.bench.loadgen.driver.process import prepare_process
from calcbench.bench.loadgen.locust.border import FRAME
from calcbench.bench.loadgen.locust.loop import Loop
from calcbench.bench.loadgen.locust.messages import (
    BEGIN,
    BYE,
    HELLO,
    LOAD_SPEC,
    PROTOCOL,
    REFUSE,
    REPORT,
    WELCOME,
    place,
)
from calcbench.bench.loadgen.locust.reporter import Reporter
from calcbench.bench.loadgen.locust.secret import VARIABLE
from calcbench.bench.loadgen.locust.transport import LOCUSTS, Client
from calcbench.bench.loadgen.locust.user import ConnectionUser
from calcbench.bench.loadgen.protocol import DriverError, Ready
from calcbench.bench.loadgen.spec import load_spec_from_json
from calcbench.bench.system.terminal import echo, fail, never_fail_for_a_letter
from calcbench.core.serving.stop import die_with_parent

if TYPE_CHECKING:
    from locust.runners import WorkerRunner

REPORT_S = 0.1  # Locust's own reports come every 3 s, and a load ends with one
HELLO_S = 10.0  # at most, for one reply of the master's; it has nothing else to do
SILENCE_S = 20.0  # a master that says nothing for so long has gone; it answers every second
RETRY_S = 0.2  # between two tries whether the master is there
EXIT_BYE_S = 0.2  # for a last word to leave
PATIENCE = 3  # handshakes that may fail; one may when the master is very busy


class JoinedWorker:
    """Our part of a race: the messages of the master, and our reports."""

    def __init__(self, runner: "WorkerRunner", *, local: bool) -> None:
        self.runner = runner
        self.local = local
        self.reporter = Reporter()
        self.loop: Loop | None = None
        self.performing: gevent.Greenlet | None = None
        self.welcomed = gevent.event.Event()
        self.refused = ""
        self.is_over = False
        for name, listener in (
            (WELCOME, self.welcome),
            (REFUSE, self.refuse),
            (LOAD_SPEC, self.get_ready),
            (BEGIN, self.begin),
            (BYE, self.take_leave),
        ):
            runner.register_message(name, listener)
        runner.environment.events.report_to_master.add_listener(self.report)
        runner.environment.events.test_stop.add_listener(self.abandon)

    def welcome(self, **_: Any) -> None:
        """Take note that the master knows us."""
        self.welcomed.set()

    def refuse(self, msg: Any, **_: Any) -> None:
        """Take note that the master does not want us."""
        self.refused = str(msg.data["why"])
        self.welcomed.set()

    def take_leave(self, **_: Any) -> None:
        """Take note that the race is over; Locust ends us next."""
        self.is_over = True

    def get_ready(self, msg: Any, **_: Any) -> None:
        """Prepare what a load spec says, offer clients to the users, and say that we are ready."""
        spec = load_spec_from_json(msg.data["spec"].encode())
        assert spec
        spec = dataclasses.replace(spec, unix="")  # what listens there is no server to load
        if not self.local:
            # Another machine's cores are not ours, and what a name means here is our resolver's.
            spec = dataclasses.replace(spec, cpus=(), address="")
        self.reporter = Reporter()
        try:
            prepare_process([spec])
            self.loop = Loop(spec)
            self.loop.connect_all()
        except OSError as error:
            self.reporter.send(DriverError(str(error)))
            return
        self.reporter = self.loop.reporter
        for client in self.loop.clients:
            ConnectionUser.clients.put(client)
        self.reporter.send(Ready())

    def begin(self, **_: Any) -> None:
        """Begin to drive."""
        if self.loop:
            self.performing = gevent.spawn(self.loop.perform)

    def abandon(self, **_: Any) -> None:
        """Forget the load: it is over, or nobody wants it any more."""
        if self.performing:
            self.performing.kill()
        while not ConnectionUser.clients.empty():
            ConnectionUser.clients.get().hang_up()
        self.loop = self.performing = None

    def report(self, **_: Any) -> None:
        """Send what is new to the master, in pieces that it takes."""
        taken = self.reporter.take()
        for start in range(0, len(taken), FRAME):
            self.runner.send_message(REPORT, {"octets": taken[start : start + FRAME]})

    def leave(self, number: int) -> None:
        """Tell the master that we go, and go: a signal has said so."""
        self.runner.send_message(BYE)
        self.runner.environment.events.quitting.fire(environment=self.runner.environment)
        gevent.sleep(EXIT_BYE_S)
        os._exit(128 + number)


def wait_for_master(host: str, port: int, wait_s: float) -> str:
    """Return the address of *host* at which something listens; exits when nothing does in time."""
    end = time.monotonic() + wait_s
    while True:
        try:
            timeout_s = min(max(wait_s, RETRY_S), HELLO_S)
            with socket.create_connection((host, port), timeout=timeout_s) as there:
                return str(there.getpeername()[0])
        except socket.gaierror as error:
            fail(f"calcbench: no host {host!r}: {error.strerror}")
        except OSError as error:
            if time.monotonic() >= end:
                why = error.strerror or str(error)
                fail(
                    f"calcbench: no master at {place(host, port)} within {wait_s:,.10g} s ({why});"
                    " is calcbench run --engine locust --join waiting there?"
                )
            time.sleep(RETRY_S)


def join(address: str, port: int, wait_s: float, at: str, *, local: bool) -> JoinedWorker:
    """Return a worker that the master at *address*, *port* knows; exits when it wants none.

    *at* is where that is in the user's words.
    """
    wait_s = min(max(wait_s, 1), HELLO_S)
    stranger = (
        f"calcbench: what listens at {at} is not a calcbench run that waits for workers, or its"
        " secret is different"
    )
    failures, is_known = itertools.count(1), False

    def refused() -> None:
        if not is_known and next(failures) >= PATIENCE:
            echo(stranger, err=True)
            os._exit(1)  # Locust would try for minutes

    # It has no hook for this.
    LOCUSTS.Client = functools.partial(Client, os.environ.pop(VARIABLE), refused)
    environment = Environment(user_classes=[ConnectionUser])
    try:
        with gevent.Timeout(wait_s):
            runner = environment.create_worker_runner(address, port)
    except gevent.Timeout:
        fail(stranger)
    is_known = True
    worker = JoinedWorker(runner, local=local)
    runner.send_message(
        HELLO,
        {
            "calcbench": calcbench.__version__,
            "protocol": PROTOCOL,
            "locust": locust.__version__,
            "host": socket.gethostname(),
            "pid": os.getpid(),
        },
    )
    if not worker.welcomed.wait(wait_s):
        fail(stranger)
    if worker.refused:
        fail(f"calcbench: the master at {at} refused this worker: {worker.refused}")
    return worker


def work_until_over(worker: JoinedWorker) -> bool:
    """Return when the master ends the race, or else when it has gone; return which."""
    runner = worker.runner
    while not runner.greenlet.join(timeout=1) and len(runner.greenlet):
        last_beat = runner.last_heartbeat_timestamp
        if last_beat and time.time() - last_beat > SILENCE_S:
            return False
    return worker.is_over


def main() -> None:
    """Join, and work until the race is over."""
    host, number, longest, *parent = sys.argv[1:]
    never_fail_for_a_letter()
    port, wait_s = int(number), float(longest)
    if parent:
        die_with_parent(int(parent[0]))
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is the harness's to handle
    else:  # until we have joined there is nobody to tell
        signal.signal(signal.SIGINT, lambda number, _: os._exit(128 + number))
    logging.disable(logging.WARNING)  # Locust's advice is for other ways to use it
    locust.runners.WORKER_REPORT_INTERVAL = REPORT_S
    address, at = wait_for_master(host, port, wait_s), place(host, port)
    worker = join(address, port, wait_s, at, local=bool(parent))
    if not parent:
        ends = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as nohup leaves it
            ends.append(signal.SIGHUP)
        for end in ends:
            gevent.signal_handler(end, worker.leave, end)
        echo(f"calcbench: joined the race at {at}; Ctrl-C leaves it")
    over = work_until_over(worker)
    if not parent:
        if not over:
            fail(f"calcbench: the master at {at} has gone")
        echo("calcbench: the race is over")


if __name__ == "__main__":
    main()
