"""Starting a server in a process of its own, and stopping it so that nothing is left behind.

The launcher opens the listening socket, so no port is guessed, and clients that come before the
server is up wait in the backlog. It holds one end of the stop socket pair. To stop, it writes one
byte there, which every thread and child of the server can see, then shuts the listener down, so
that whoever is blocked in accept wakes up. The server has a process group of its own: Ctrl-C in
a terminal does not reach it, and if it will not go, the group is killed.
"""

import json
import os
import select
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
from calcbench.core.serving.catalogue import PACKAGE, folder, load
from calcbench.core.serving.counters import Watch, make_table
from calcbench.core.serving.output import ProcessOutput
from calcbench.core.serving.sockets import in_url, listen

START_S = 30.0  # an interpreter starts in a fraction of a second; this is for a laden machine
GRACE_S = 5.0  # beyond what the policy and the workload allow a begun request


@dataclass(frozen=True)
class ServerSpec:
    """What to start: a strategy with its options, its workload, its interpreter and its cores.

    *options* and *policy* are texts like ``workers=8``. *cpu_units* is the work of a ``cpu``
    response, 0 to calibrate at the start. *cpus* pins the server and its children; () does not.
    *watched* has the responses of each worker counted, which costs each of them a moment.
    """

    strategy: str
    options: tuple[str, ...] = ()
    workload: str = "add"
    cpu_units: int = 0
    policy: tuple[str, ...] = ()
    python: str = sys.executable
    cpus: tuple[int, ...] = ()
    watched: bool = False


@dataclass(frozen=True)
class Stopped:
    """How a server ended: *status* is negative for a signal, *stderr* what it wrote there."""

    status: int
    killed: bool
    stderr: str

    @property
    def clean(self) -> bool:
        """Whether it stopped as it should: in time, with status 0, and without a word."""
        return self.status == 0 and not self.killed and not self.stderr


def status_in_words(status: int) -> str:
    """Return how a process with the exit *status* has ended, as in ``was killed by SIGKILL``."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:  # a real-time signal has no name
        return f"was killed by signal {-status}"


class Server:
    """A running server. Leaving its ``with`` block ends every process of it."""

    def __init__(
        self,
        spec: ServerSpec,
        listener: socket.socket,
        stop: socket.socket,
        process: "subprocess.Popen[bytes]",
        output: ProcessOutput,
        watch: Watch | None = None,
    ) -> None:
        self.spec = spec
        self.listener = listener
        self.stop_socket = stop
        self.process = process
        self.output = output
        self.host, self.port = listener.getsockname()[:2]
        self.stopped: Stopped | None = None
        self.watch = watch

    @property
    def pid(self) -> int:
        """The server's process id, which is its process group's too."""
        return self.process.pid

    @property
    def url(self) -> str:
        """The address for a client, such as ``http://127.0.0.1:8080``."""
        return f"http://{in_url(self.host)}:{self.port}"

    def died(self) -> bool:
        """Tell whether the server has ended by itself."""
        return self.stopped is None and self.process.poll() is not None

    def ask_to_stop(self) -> None:
        """Tell the server to stop, without waiting; a second time does nothing new."""
        with suppress(OSError):  # it is gone already
            self.stop_socket.send(b"!")
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)

    def stop(self, grace_s: float | None = None) -> Stopped:
        """Stop the server, let begun requests finish for *grace_s* seconds, and say how it went.

        What is still there after that is killed; by default, that is after what its policy and
        workload allow a request, and a little more. May be called again, for the same result.
        """
        if self.stopped is None:
            if grace_s is None:
                drain_s: float = parse_options(Policy, self.spec.policy).drain_timeout
                grace_s = drain_s + parse_workload(self.spec.workload).seconds + GRACE_S
            self.ask_to_stop()
            killed = False
            try:
                self.process.wait(grace_s)
            except subprocess.TimeoutExpired:
                killed = True
            finally:
                left = self.kill()
            self.stopped = Stopped(self.process.returncode, killed or left, self.output.text())
        return self.stopped

    def kill(self) -> bool:
        """Kill what is left of the server's process group; tell whether there was anything."""
        leader_there = self.process.poll() is None
        try:
            os.killpg(self.pid, signal.SIGKILL)
            left = True
        except ProcessLookupError:
            left = False
        self.process.wait()
        self.listener.close()
        self.stop_socket.close()
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


def launch(spec: ServerSpec, host: str = "127.0.0.1", port: int = 0) -> Server:
    """Start a server and return it when it is ready to serve; port 0 takes a free one.

    Raises UsageError for a spec that cannot be meant, and CalcbenchError for a strategy that
    cannot run here, an unknown host, a port that is taken, or a server that dies at once.
    """
    strategy = load(spec.strategy)
    parse_options(strategy.options_type, spec.options)
    parse_options(Policy, spec.policy)
    parse_workload(spec.workload)
    if strategy.unavailable:
        raise CalcbenchError(f"{strategy.name} cannot run here: it {strategy.unavailable}")
    listener = listen(host, port)
    try:
        return start_process(spec, listener)
    except BaseException:
        listener.close()
        raise


def start_process(spec: ServerSpec, listener: socket.socket) -> Server:
    """Start the server process on *listener*, and wait for the word that it is ready."""
    ours, theirs = socket.socketpair()
    config: dict[str, object] = {
        "packages": package_folders(),
        "parent": os.getpid(),
        "listener": listener.fileno(),
        "stop": theirs.fileno(),
        "strategy": spec.strategy,
        "options": spec.options,
        "policy": spec.policy,
        "workload": spec.workload,
        "cpu_units": spec.cpu_units,
        "cpus": spec.cpus,
    }
    shared = [listener.fileno(), theirs.fileno()]
    watch = None
    if spec.watched:
        watch = Watch(make_table())
        shared.append(watch.fd)
        config["watch"] = watch.fd
    file = Path(__file__).with_name("server.py")
    output = ProcessOutput()
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
        if watch:
            os.close(watch.fd)
        raise UsageError(f"cannot run {spec.python!r}: {error.strerror}") from None
    server = Server(spec, listener, ours, process, output, watch)
    try:
        wait_until_ready(server)
    except BaseException:
        with server:
            raise
    return server


def package_folders() -> dict[str, str]:
    """Return what another interpreter needs to find our packages: each with its folder."""
    core = Path(__file__).parent.parent
    return {"calcbench": "", "calcbench.core": str(core), PACKAGE: folder()}


def wait_until_ready(server: Server) -> None:
    """Return when *server* has said that it is ready; raises CalcbenchError if it dies first."""
    poll = select.poll()
    poll.register(server.stop_socket, select.POLLIN)
    if not poll.poll(START_S * 1000):
        raise CalcbenchError(f"the {server.spec.strategy} server was not ready in {START_S:g} s")
    if not server.stop_socket.recv(1):
        server.process.wait()
        last = server.output.last_line(f"status {server.process.returncode}")
        raise CalcbenchError(f"the {server.spec.strategy} server died at its start: {last}")
