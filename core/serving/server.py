"""The server process: what runs behind a launcher, in an interpreter of its own.

It is started as a file, by any Python that can run it and with nothing installed, and is told
everything in one JSON argument, the config. It says on the stop socket when it has begun, and when
it is ready: its strategy waits for clients.
"""

import fcntl
import io
import json
import os
import select
import signal
import sys
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from socket import MSG_DONTWAIT, SHUT_RDWR, socket
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from calcbench.core.app.page import About
    from calcbench.core.serving.catalogue import Strategy
    from calcbench.core.serving.stop import Stop


def main(config: dict[str, Any]) -> None:
    """Serve as *config* says, until the stop signal."""
    die_with_launcher(config["lifeline"])
    print_at_once()
    from calcbench.core.app.application import PAGE, make_handle
    from calcbench.core.app.page import Page
    from calcbench.core.app.workload import parse_workload
    from calcbench.core.http.connection import Connection
    from calcbench.core.http.limits import Policy
    from calcbench.core.options import parse_options
    from calcbench.core.serving.catalogue import load, load_file
    from calcbench.core.serving.counters import Watch
    from calcbench.core.serving.ready import BEGUN, READY, ReadyListener
    from calcbench.core.serving.service import make_service
    from calcbench.core.serving.stop import STOPPING, Stop

    if config["cpus"] and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, config["cpus"])
    name, path = config["strategy"], config["path"]
    strategy = load_file(Path(path), name, aloud=True) if path else load(name, aloud=True)
    if strategy.unavailable:  # to this interpreter; our launcher's may be another
        sys.exit(strategy.broken or f"it {strategy.unavailable}")
    options = parse_options(strategy.options_type, config["options"])
    policy = parse_options(Policy, config["policy"])
    workload = parse_workload(config["workload"])
    connection = Watch(config["watch"]).connections() if "watch" in config else Connection
    # What few servers need is loaded by those alone: a race starts hundreds of others.
    if config["patient"]:
        from calcbench.core.http.patient import patient_connection

        connection = patient_connection(connection)
    tracer = None
    if "trace" in config:
        from calcbench.core.serving.trace import Tracer, traced_connection

        tracer = Tracer(config["trace"])
        connection = traced_connection(tracer, connection)
    page = Page(PAGE, about(strategy, options, workload.name, config["board"]))
    service = make_service(policy, workload, config["cpu_units"], connection, make_handle(page))
    if tracer:
        service = replace(service, handle=tracer.handler(service.handle))
    with (
        socket(fileno=config["stop"]) as stop,
        ReadyListener(config["listener"], lambda: stop.sendall(READY)) as listener,
    ):
        stop.sendall(BEGUN)
        the_stop = Stop(stop, policy.drain_timeout)
        stop_on_signals(the_stop, listener)
        strategy.serve(listener, service, options, the_stop)
        for number in STOPPING:  # a second one must not kill what is ending
            signal.signal(number, signal.SIG_IGN)


def about(strategy: "Strategy", options: object, workload: str, board: int) -> "About":
    """Return what the page at ``/`` says of this server; *board* is a descriptor, or -1."""
    from calcbench.core.app.page import About, OptionInUse
    from calcbench.core.options import describe

    fields = describe(strategy.options_type)
    in_use = [OptionInUse(one.name, f"{getattr(options, one.name)}", one.help) for one in fields]
    known = About(strategy.name, strategy.summary, in_use, workload)
    if board < 0:
        return known
    from calcbench.core.serving.board import Board

    return replace(known, notice=Board(board).read)


def die_with_launcher(lifeline: int) -> None:
    """Have our process group killed when the other end of the pipe *lifeline* closes.

    The stop socket tells every strategy that keeps to the rules; this is for one that does not.
    The kernel of Linux does it by signal-driven I/O (fcntl(2), F_SETSIG), for a group that computes
    in C, too. Elsewhere a thread does it.
    It follows the launcher's process, whereas PR_SET_PDEATHSIG follows the thread that forked us.
    """
    if not hasattr(fcntl, "F_SETSIG"):
        from calcbench.core.serving.output import start_thread

        start_thread(partial(watch_lifeline, lifeline), "lifeline")
    else:
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())  # negative: a group
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, os.O_ASYNC)
        poll = select.poll()
        poll.register(lifeline, select.POLLIN)
        if poll.poll(0):
            sys.exit("the launcher is gone")  # it died before the kernel was asked


def watch_lifeline(lifeline: int) -> None:
    """Kill our process group as soon as the other end of the pipe *lifeline* closes."""
    poll = select.poll()
    poll.register(lifeline, select.POLLIN)
    poll.poll()
    os.killpg(os.getpgrp(), signal.SIGKILL)


def print_at_once() -> None:
    """Have every line that is printed leave us when it ends, in UTF-8, and never raise for it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)


def stop_on_signals(stop: "Stop", listener: socket) -> None:
    """Take SIGTERM and its like for the stop signal: service managers send it to every process.

    Afterwards all is as if the launcher had asked: *stop* is set, and *listener* is shut down.
    Children inherit this, and may do it once more.
    """
    from calcbench.core.serving.ready import SIGNALLED
    from calcbench.core.serving.stop import STOPPING

    def handler(*_: object) -> None:
        with suppress(OSError):
            # so the launcher knows that it was no accident
            stop.sock.send(SIGNALLED, MSG_DONTWAIT)
        stop.set()
        with suppress(OSError):
            listener.shutdown(SHUT_RDWR)

    for number in STOPPING:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup
            signal.signal(number, handler)
    # Our launcher may fetch signals itself, and whoever it starts has them blocked.
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def find_packages(folders: dict[str, str]) -> None:
    """Make `calcbench` importable from its *folders* alone, as package name → folder."""
    for name, folder in folders.items():
        package = ModuleType(name)
        package.__path__ = [folder]
        sys.modules[name] = package


if __name__ == "__main__":
    the_config = json.loads(sys.argv[1])
    find_packages(the_config["packages"])
    main(the_config)
