"""End to end: the bare loop, `selectors` and reference servers, each on one core.

The driver has another core. The round is the unit: in every round each server is started afresh, in
an order drawn from the seed, and compared with the bare loop and with `selectors` of the same
round. Absolute figures drift with what else the machine does; those ratios drift much less.
"""

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from calcbench import core
from calcbench.bench.analysis.spread import Spread, spread
from calcbench.bench.corebench.reference_servers import SERVERS
from calcbench.bench.loadgen.pool import DriverProcess
from calcbench.bench.loadgen.spec import VARIETY, LoadSpec, ring
from calcbench.bench.schema.plan import KEEP_ALIVE, LOOPBACK
from calcbench.bench.system.cpus import Pinning
from calcbench.core.errors import CalcbenchError
from calcbench.core.serving.ending import status_in_words
from calcbench.core.serving.launcher import ServerSpec, launch
from calcbench.core.serving.output import ProcessOutput

BARE, SELECTORS = "bare loop", "selectors"
CONNECTIONS = 32
WARM_UP_S = 0.3
READY_S = 20.0  # a reference server that compiles its bytecode first may take a second or two
WAIT_S = 0.02  # between two checks whether a server is up


@dataclass(frozen=True)
class Contest:
    """What all rounds share: the way of connecting, the interpreter, the cores, the seconds."""

    reuse: str
    python: str
    path: Path  # a folder in which that interpreter finds calcbench, see `make_path`
    pinning: Pinning
    duration_s: float
    seed: int


@dataclass(frozen=True)
class Figures:
    """What one server did in one round; *failure_reason* is empty where it counts."""

    server: str
    round: int
    cpu_us: float = 0  # of the server, for each right response
    per_second: float = 0  # right responses
    driver_share: float = 0  # of its core, 0–1
    failure_reason: str = ""


@dataclass(frozen=True)
class Standing:
    """One server over all rounds.

    *of_limit* is the bare loop's CPU time for a request by this server's, in the same round.
    *behind_in_cpu* and *behind_in_rate* count the rounds in which `selectors` was better, of
    *rounds* in which both counted.
    """

    server: str
    per_second: Spread
    cpu_us: Spread
    of_limit: Spread
    driver_share: float
    behind_in_cpu: int
    behind_in_rate: int
    rounds: int
    failure_reason: str


def make_path(folder: Path) -> None:
    """Have *folder* contain the package calcbench, for an interpreter that has it not installed."""
    package = folder / "calcbench"
    package.mkdir()
    here = Path(__file__).resolve().parent
    (package / "bench").symlink_to(here.parent)
    (package / "core").symlink_to(Path(core.__path__[0]).resolve())


def compete(
    contest: Contest, servers: Sequence[str], rounds: int, announce: Callable[[str], None]
) -> list[Figures]:
    """Measure all *servers* in so many *rounds*; *announce* is called before each measurement."""
    figures = []
    for number in range(1, rounds + 1):
        order = random.Random(f"{contest.seed}/{contest.reuse}/{number}")
        for server in order.sample(servers, len(servers)):
            announce(f"{contest.reuse}, round {number} of {rounds}: {server}")
            try:
                figures.append(measure_server(contest, server, number))
            except (CalcbenchError, OSError) as error:
                figures.append(Figures(server, number, failure_reason=str(error)))
    return figures


def measure_server(contest: Contest, server: str, number: int) -> Figures:
    """Start *server*, drive it, and stop it. Raises CalcbenchError when it does not serve."""
    with DriverProcess() as driver, serving(contest, server) as (port, group):
        spec = LoadSpec(
            host=LOOPBACK,
            port=port,
            connections=CONNECTIONS,
            keep_alive=contest.reuse == KEEP_ALIVE,
            duration_s=contest.duration_s,
            warmup_s=WARM_UP_S,
            variety=1 if server == BARE else VARIETY,  # a bare loop has but one response
            seed=contest.seed,
            cpus=contest.pinning.driver,
            server_group=group,
        )
        observation = driver.drive(spec)
    right = observation.outcomes.ok
    if not right or observation.outcomes.total > right:
        return Figures(
            server, number, failure_reason=f"not every response was right: {observation.outcomes}"
        )
    return Figures(
        server,
        number,
        cpu_us=observation.server_cpu_ns / 1e3 / right,
        per_second=right * 1e9 / observation.elapsed_ns,
        driver_share=observation.driver_cpu_ns / observation.elapsed_ns,
    )


@contextlib.contextmanager
def serving(contest: Contest, server: str) -> Iterator[tuple[int, int]]:
    """Have *server* serve; give its port and its process group. It ends with the block."""
    if server == SELECTORS:
        spec = ServerSpec(SELECTORS, python=contest.python, cpus=contest.pinning.server)
        with launch(spec, LOOPBACK) as ours:
            yield ours.port, ours.pid
            if not (stopped := ours.stop()).clean:
                raise CalcbenchError(f"selectors did not stop cleanly: {stopped}")
        return
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port = probe.getsockname()[1]  # free until the server takes it, a moment later
    with ProcessOutput() as output:
        process = subprocess.Popen(
            command_of(contest, server, port),
            cwd=contest.path,  # granian looks for an application in the working directory first
            env={**os.environ, "PYTHONPATH": str(contest.path)},
            stdin=subprocess.DEVNULL,
            stdout=output.fileno(),
            stderr=output.fileno(),
            process_group=0,
        )
        try:
            wait_until_ready(server, process, port, output)
            yield port, process.pid
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def command_of(contest: Contest, server: str, port: int) -> list[str]:
    """Return the command that starts *server*, a bare loop or a reference server, on *port*."""
    config: dict[str, object] = {
        "port": port,
        "cpus": contest.pinning.server,
        "parent": os.getpid(),
    }
    if server in SERVERS:
        module = "reference_servers"
        config |= {"name": server}
    else:
        module = "bare_loop"
        spec = LoadSpec(
            LOOPBACK, port, 1, contest.reuse == KEEP_ALIVE, 1, seed=contest.seed, variety=1
        )
        constant = ring(spec)[0][1] or b""
        config |= {"reuse": contest.reuse, "response": constant.decode()}
    return [contest.python, "-P", "-m", f"calcbench.bench.corebench.{module}", json.dumps(config)]


def wait_until_ready(
    server: str, process: "subprocess.Popen[bytes]", port: int, output: ProcessOutput
) -> None:
    """Return when *server* has answered a request. Raises CalcbenchError when it will not."""
    request = b"GET /add/1/2 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    end = time.monotonic() + READY_S
    while time.monotonic() < end:
        with (
            contextlib.suppress(OSError),
            socket.create_connection((LOOPBACK, port), READY_S) as sock,
        ):
            sock.sendall(request)
            if sock.recv(1):
                return
        if process.poll() is not None:
            last = output.last_line(f"it {status_in_words(process.returncode)}")
            raise CalcbenchError(f"{server} died at its start: {last}")
        time.sleep(WAIT_S)
    raise CalcbenchError(f"{server} has not answered for {READY_S:g} s")


def standings(figures: Sequence[Figures]) -> list[Standing]:
    """Return what *figures* say of each server: first the bare loop, then by CPU time.

    A server without a round that counts comes last.
    """
    found = {(one.server, one.round): one for one in figures}
    names = list(dict.fromkeys(one.server for one in figures))
    table = []
    for name in names:
        good = [one for one in figures if one.server == name and not one.failure_reason]
        bare = [(one, found.get((BARE, one.round))) for one in good]
        ours = [(one, found.get((SELECTORS, one.round))) for one in good]
        pairs = [(one, other) for one, other in ours if other and not other.failure_reason]
        reasons = [
            one.failure_reason for one in figures if one.server == name and one.failure_reason
        ]
        table.append(
            Standing(
                server=name,
                per_second=spread(one.per_second for one in good),
                cpu_us=spread(one.cpu_us for one in good),
                of_limit=spread(
                    limit.cpu_us / one.cpu_us
                    for one, limit in bare
                    if limit and not limit.failure_reason
                ),
                driver_share=max((one.driver_share for one in good), default=0),
                behind_in_cpu=sum(other.cpu_us < one.cpu_us for one, other in pairs),
                behind_in_rate=sum(other.per_second > one.per_second for one, other in pairs),
                rounds=len(pairs),
                failure_reason=reasons[0] if reasons else "",
            )
        )

    def rank(one: Standing) -> tuple[bool, bool, float]:
        return one.server != BARE, not one.cpu_us.rounds, one.cpu_us.median

    return sorted(table, key=rank)
