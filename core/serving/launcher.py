"""Starting a server in a process of its own, and stopping it so that nothing is left behind.

The launcher opens the listening socket, so no port is guessed, and clients that come before the
server is up wait in the backlog. It holds one end of the stop socket pair. To stop, it writes
there, which every thread and child of the server can see, then shuts the listener down, so that
whoever is blocked in accept wakes up. The server has a process group of its own: Ctrl-C in
a terminal does not reach it, and if it will not go, the group is killed.

The launcher also holds one end of a pipe, the lifeline, in which nothing is ever written. When
this process ends, in whatever way, the kernel closes that end, and kills the group of a server
that has not ended by then. It does not matter which of our threads has launched it, and that
thread may end.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from calcbench.core.app.workload import parse_workload
from calcbench.core.errors import CalcbenchError, UsageError
from calcbench.core.http.limits import Policy
from calcbench.core.options import parse_options
from calcbench.core.serving.catalogue import load, package_folders
from calcbench.core.serving.counters import Watch, make_table
from calcbench.core.serving.descriptors import above_standard, socket_above_standard
from calcbench.core.serving.ending import Stopped, status_in_words
from calcbench.core.serving.grace import patience_s
from calcbench.core.serving.lifecycle import Trace, make_pipe
from calcbench.core.serving.listeners import listen, name_of_listener
from calcbench.core.serving.output import ProcessOutput, Show
from calcbench.core.serving.ready import SIGNALLED, wait_for_word
from calcbench.core.serving.sockets import in_url
from calcbench.core.serving.stop import ask


@dataclass(frozen=True)
class ServerSpec:
    """What to start: a strategy with its options, its workload, its interpreter and its cores.

    *options* and *policy* are texts like ``workers=8``. *cpu_units* is the work of a ``cpu``
    response, 0 to calibrate at the start. *cpus* pins the server and its children; () does not.
    *watched* has the responses of each worker counted, which costs each of them a moment;
    *traced* has every step of every request told, or of a part of them, which costs more.
    *board* is the descriptor of a notice board that its page shows, and stays its maker's.
    *patient* is for people who type requests by hand (`calcbench.core.http.patient`).
    """

    strategy: str
    options: tuple[str, ...] = ()
    workload: str = "add"
    cpu_units: int = 0
    policy: tuple[str, ...] = ()
    python: str = sys.executable
    cpus: tuple[int, ...] = ()
    watched: bool = False
    traced: bool = False
    board: int = -1
    patient: bool = False


class Server:
    """A running server. Leaving its ``with`` block ends every process of it."""

    def __init__(
        self,
        spec: ServerSpec,
        listener: socket.socket,
        stop: socket.socket,
        lifeline: int,
        process: "subprocess.Popen[bytes]",
        output: ProcessOutput,
        watch: Watch | None = None,
        trace: Trace | None = None,
    ) -> None:
        self.spec = spec
        self.listener = listener
        self.stop_socket = stop
        self.lifeline = lifeline
        self.process = process
        self.output = output
        self.host, self.port = name_of_listener(listener)
        self.stopped: Stopped | None = None
        self.watch = watch
        self.trace = trace

    @property
    def pid(self) -> int:
        """The server's process id, which is its process group's too."""
        return self.process.pid

    @property
    def url(self) -> str:
        """The address for a client, such as ``http://127.0.0.1:8080`` or ``unix:/tmp/socket``."""
        if self.listener.family == socket.AF_UNIX:
            return f"unix:{self.host}"
        return f"http://{in_url(self.host)}:{self.port}"

    @property
    def patience_s(self) -> float:
        """The seconds after which it is killed, when it was asked to stop."""
        policy: Policy = parse_options(Policy, self.spec.policy)
        return patience_s(policy, parse_workload(self.spec.workload))

    def died(self) -> bool:
        """Tell whether the server has ended by itself."""
        return self.stopped is None and self.process.poll() is not None

    def was_signalled(self) -> bool:
        """Tell whether a signal has told the server itself to stop, as service managers do."""
        try:
            return SIGNALLED in self.stop_socket.recv(9, socket.MSG_DONTWAIT | socket.MSG_PEEK)
        except OSError:  # there is no word from it, or it is over
            return False

    def ask_to_stop(self) -> None:
        """Tell the server to stop, without waiting; a second time does nothing new."""
        with suppress(OSError):  # it is gone already
            ask(self.stop_socket)
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)

    def stop(self, grace_s: float | None = None) -> Stopped:
        """Stop the server, let begun requests finish for *grace_s* seconds, and say how it went.

        What is still there after that is killed; by default, that is after what its policy and
        workload allow a request, and a little more. May be called again, for the same result.
        """
        if self.stopped is None:
            self.ask_to_stop()
            killed = False
            try:
                self.process.wait(self.patience_s if grace_s is None else grace_s)
            except subprocess.TimeoutExpired:
                killed = True
            finally:
                left = self.kill()
            self.output.finish()
            self.stopped = Stopped(
                self.process.returncode, killed or left, self.output.text(), self.output.failure()
            )
        return self.stopped

    def kill(self) -> bool:
        """Kill what is left of the server's process group; tell whether there was anything."""
        if self.lifeline < 0:  # it has been done
            return False
        leader_there = self.process.poll() is None
        try:
            os.killpg(self.pid, signal.SIGKILL)
            left = True
        except (ProcessLookupError, PermissionError):  # the latter on macOS: only zombies are left
            left = False
        self.process.wait()
        self.listener.close()
        self.stop_socket.close()
        os.close(self.lifeline)
        self.lifeline = -1
        if self.watch and self.watch.fd >= 0:
            os.close(self.watch.fd)  # what it counted stays readable
            self.watch.fd = -1
        return left or leader_there

    def __enter__(self) -> "Server":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if self.stopped is None:
                self.kill()
        finally:
            self.output.close()
            if self.trace:
                self.trace.close()


def launch(
    spec: ServerSpec, host: str = "127.0.0.1", port: int = 0, show: Show | None = None
) -> Server:
    """Start a server and return it when it is ready to serve; port 0 takes a free one.

    *show* is called with each line that it prints, on another thread.
    Raises UsageError for a spec that cannot be meant, and CalcbenchError for a strategy that
    cannot run here, an unknown host, a port that is taken, or a server that dies at once.
    """
    check(spec)
    return launch_on(listen(host, port), spec, show)


def check(spec: ServerSpec) -> None:
    """Raise what `launch` raises for *spec*, before anything has been opened for it."""
    strategy = load(spec.strategy)
    if strategy.broken:
        raise CalcbenchError(strategy.broken)
    if strategy.unavailable:
        raise CalcbenchError(f"{strategy.name} cannot run here: it {strategy.unavailable}")
    parse_options(strategy.options_type, spec.options)
    parse_options(Policy, spec.policy)
    parse_workload(spec.workload)


def launch_on(listener: socket.socket, spec: ServerSpec, show: Show | None = None) -> Server:
    """Start a server on *listener*, which is its own from now on, and return it when it is ready.

    The *spec* has been checked. Raises CalcbenchError for a server that dies at once.
    """
    try:
        return start_process(spec, listener, show)
    except BaseException:
        listener.close()
        raise


def start_process(spec: ServerSpec, listener: socket.socket, show: Show | None) -> Server:
    """Start the server process on *listener*, and wait for the word that it is ready."""
    ours, theirs = map(socket_above_standard, socket.socketpair())
    death, lifeline = map(above_standard, os.pipe())
    config: dict[str, object] = {
        "packages": package_folders(),
        "lifeline": death,
        "listener": listener.fileno(),
        "stop": theirs.fileno(),
        "strategy": spec.strategy,
        "path": load(spec.strategy).path,
        "options": spec.options,
        "policy": spec.policy,
        "workload": spec.workload,
        "cpu_units": spec.cpu_units,
        "cpus": spec.cpus,
        "board": spec.board,
        "patient": spec.patient,
    }
    shared = [fd for fd in (listener.fileno(), theirs.fileno(), death, spec.board) if fd >= 0]
    watch = None
    if spec.watched:
        watch = Watch(make_table())
        shared.append(watch.fd)
        config["watch"] = watch.fd
    trace, writing = None, -1
    if spec.traced:
        reading, writing = make_pipe()
        trace = Trace(reading)
        shared.append(writing)
        config["trace"] = writing
    file = Path(__file__).with_name("server.py")
    output = ProcessOutput(show)
    try:
        with theirs:
            process = subprocess.Popen(
                # -P: no file beside server.py is to be taken for one of the standard library
                [spec.python, "-P", str(file), json.dumps(config)],
                stdin=subprocess.DEVNULL,
                stdout=output.fileno(),
                stderr=output.fileno(),
                pass_fds=shared,
                process_group=0,
            )
    except OSError as error:
        output.close()
        ours.close()
        os.close(lifeline)
        if watch:
            os.close(watch.fd)
        if trace:
            trace.close()
        raise UsageError(f"cannot run {spec.python!r}: {error.strerror}") from None
    finally:
        os.close(death)
        if writing >= 0:
            os.close(writing)
    server = Server(spec, listener, ours, lifeline, process, output, watch, trace)
    try:
        wait_until_ready(server)
    except BaseException:
        with server:
            raise
    return server


def wait_until_ready(server: Server) -> None:
    """Return when *server* has said that it is ready; raises CalcbenchError if it dies first."""
    try:
        dead = not wait_for_word(server.stop_socket)
    except TimeoutError as error:
        raise CalcbenchError(f"the {server.spec.strategy} server {error}") from None
    if dead:
        status = status_in_words(server.process.wait())
        last = server.output.last_line(f"it {status}")
        raise CalcbenchError(f"the {server.spec.strategy} server died at its start: {last}")
