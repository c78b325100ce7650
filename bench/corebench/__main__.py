"""``make bench-core``: how fast the core is, in ratios. Prints tables; no figure makes it fail."""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from calcbench.bench.corebench.contest import (
    BARE,
    SELECTORS,
    Contest,
    compete,
    make_path,
    standings,
)
from calcbench.bench.corebench.environment import (
    Interpreter,
    how_to_install,
    inspect,
    install,
    wanted_packages,
)
from calcbench.bench.corebench.parsing import timings_from_json
from calcbench.bench.corebench.reference_servers import SERVERS
from calcbench.bench.corebench.tables import (
    CONTEST_LEGEND,
    contest_lines,
    machine_lines,
    parsing_lines,
    wrap,
)
from calcbench.bench.names import parse_names
from calcbench.bench.schema.bounds import DURATION, ROUNDS
from calcbench.bench.schema.plan import CLOSE, KEEP_ALIVE
from calcbench.bench.system.cpus import Pinning, choose_cores
from calcbench.bench.system.machine import describe_machine
from calcbench.bench.system.program import run_program
from calcbench.bench.system.terminal import echo, overwrite
from calcbench.bench.units import format_count
from calcbench.core.errors import CalcbenchError
from calcbench.core.options import Bounds, parse_seconds, parse_whole, read_bounded

PARSING = "parsing"
PARTS = (PARSING, KEEP_ALIVE, CLOSE)
BATCHES = 15  # rounds without a socket for each round with one: they take so much less time
SEED = 1


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(prog="bench-core", description=__doc__, allow_abbrev=False)
    parser.add_argument("--rounds", default="5", help="default: 5")
    parser.add_argument("--duration", default="1", help="seconds of each measurement; default: 1")
    parser.add_argument(
        "--only",
        default="",
        help=f"some of {', '.join((*PARTS, SELECTORS, *SERVERS))}, with commas",
    )
    parser.add_argument("--python", default=sys.executable, help="what runs the servers")
    parser.add_argument(
        "--install", action="store_true", help="install the reference servers into it"
    )
    asked = parser.parse_args(arguments)
    asked.rounds = number("--rounds", asked.rounds, parse_whole, ROUNDS)
    asked.duration = number("--duration", asked.duration, parse_seconds, DURATION)
    return asked


def number(flag: str, text: str, read: Callable[[str], float], bounds: Bounds) -> float:
    """Return the number behind *flag*, as *read* makes it of *text*; raises UsageError."""
    return read_bounded(text, read, bounds, f"{flag} ", f"a number {bounds}")


def chosen(only: str) -> tuple[list[str], list[str]]:
    """Return the parts and the servers that *only* names; all of either if it names none.

    Raises UsageError for a name that is neither.
    """
    servers = (SELECTORS, *SERVERS)
    names = parse_names(only, (*PARTS, *servers), "part or server")
    parts = [part for part in PARTS if part in names] or list(PARTS)
    return parts, [server for server in servers if server in names] or list(servers)


def run(arguments: Sequence[str] | None = None) -> int:
    """Measure what the command line asks for, and print it; return the exit status."""
    asked = parse_arguments(arguments)
    parts, servers = chosen(asked.only)
    wanted = wanted_packages()
    interpreter = inspect(asked.python, wanted)
    if asked.install:
        interpreter = install(interpreter, wanted, announce)
    # A server may have processes of its own: only to leave as after Ctrl-C ends them all.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    pinning = choose_cores()
    for line in machine_lines(describe_machine(), interpreter.name, pinning):
        echo(line)
    with tempfile.TemporaryDirectory(prefix="calcbench-") as name:
        path = Path(name)
        make_path(path)
        if PARSING in parts:
            print_parsing(interpreter, path, pinning, asked.rounds * BATCHES)
        reuses = [part for part in parts if part != PARSING]
        for reuse in reuses:
            contest = Contest(reuse, interpreter.python, path, pinning, asked.duration, SEED)
            print_contest(contest, interpreter, servers, asked.rounds)
        for line in wrap(CONTEST_LEGEND) if reuses else ():
            echo(line)
    return 0


def print_parsing(
    interpreter: Interpreter, path: Path, pinning: Pinning, rounds: int
) -> None:  # by make bench-core
    """Measure and print what needs no socket."""
    echo()
    if "httptools" not in interpreter.versions:
        echo("Without a socket: not measured, httptools is not installed for that Python")
        return
    config = json.dumps({"cpus": pinning.server, "rounds": rounds, "seed": SEED})
    announce(f"without a socket: {format_count(rounds, 'round')}")
    done = subprocess.run(
        [interpreter.python, "-P", "-m", "calcbench.bench.corebench.parsing", config],
        env={**os.environ, "PYTHONPATH": str(path)},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise CalcbenchError("the measurement without a socket failed")
    for line in parsing_lines(timings_from_json(done.stdout), rounds):
        echo(line)


def print_contest(
    contest: Contest, interpreter: Interpreter, servers: Sequence[str], rounds: int
) -> None:
    """Measure and print one way of connecting."""
    lacking = not_installed(interpreter, servers)
    present = [server for server in servers if server not in lacking]
    table = standings(compete(contest, [BARE, *present], rounds, announce))
    echo()
    lines = contest_lines(contest.reuse, table, interpreter.versions, contest.duration_s, rounds)
    lines += [f"{server}: not installed; {command}" for server, command in lacking.items()]
    echo("\n".join(lines))


def not_installed(interpreter: Interpreter, servers: Sequence[str]) -> dict[str, str]:
    """Return which of *servers* lack a package, each with the command that installs it."""
    return {
        server: how_to_install(interpreter, server)
        for server in servers
        if server in SERVERS and interpreter.missing(server)
    }


def announce(text: str) -> None:
    """Say what is going on, to standard error: over the last such line, if that is a terminal."""
    # Progress is for whoever watches; an installation is for the record.
    if not overwrite(text) and "install" in text:
        echo(text, err=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run; what goes wrong is one line."""

    def run_and_wipe() -> int:
        try:
            return run(arguments)
        finally:
            overwrite("")

    run_program("bench-core", run_and_wipe)


if __name__ == "__main__":
    main()
