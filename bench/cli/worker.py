"""`calcbench worker` and `calcbench locustfile`: load from more than one machine."""

import os
import re
import sys
from pathlib import Path

import click

from calcbench.bench.cli.base import Command
from calcbench.bench.cli.param_types import seconds
from calcbench.bench.loadgen.locust.secret import INSTALL, VARIABLE, need_locust, secret_from
from calcbench.bench.schema.bounds import DAY_S
from calcbench.bench.system.terminal import echo
from calcbench.core.errors import UsageError
from calcbench.core.options import Bounds

LOCUST_PORT = 5557  # where Locust's masters wait
WAITING = Bounds(0, DAY_S, "seconds")
PORT = re.compile("[0-9]{1,5}")
LOCUSTFILE = Path(__file__).parent.parent / "loadgen" / "locust" / "locustfile.py"


def master(text: str) -> tuple[str, int]:
    """Return the host and the port in *text*, ``HOST``, ``HOST:PORT`` or ``[::1]:PORT``.

    Raises UsageError.
    """
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]") or (":" in host and not host.startswith("[")):
        host, port = text, str(LOCUST_PORT)
    host = host.removeprefix("[").removesuffix("]")
    if not host or not PORT.fullmatch(port) or not 0 < int(port) < 65536:
        raise UsageError(f"--master {text!r} should be a host, or host:port with a port to 65535")
    try:
        host.encode("idna")  # as the resolver does; bytes that are no text, or a name too long
    except UnicodeError:
        raise UsageError(f"--master {text!r} should name a host; no host has such a name") from None
    return host, int(port)


@click.command(
    "worker",
    cls=Command,
    examples={
        "CALCBENCH_SECRET=… calcbench worker --master 192.0.2.7": "help the run that waits there",
        "CALCBENCH_SECRET=… calcbench worker --master 192.0.2.7:5600": "--master-port 5600",
    },
)
@click.option(
    "--master",
    "address",
    type=master,
    metavar="HOST[:PORT]",
    required=True,
    help=f"The machine of the run; it prints what to type here.  [default port: {LOCUST_PORT}]",
)
@click.option(
    "--secret",
    envvar=VARIABLE,
    type=secret_from,
    metavar="TEXT",
    help="The secret that the run prints. Better in the environment, as CALCBENCH_SECRET: with"
    " this option everybody on this machine can see it.",
)
@click.option(
    "--wait",
    type=seconds("30", WAITING),
    metavar="SECONDS",
    default="30",
    show_default=True,
    help="How long to try to reach it: seconds, or with a unit, such as 2min.",
)
def worker_command(address: tuple[str, int], secret: str | None, wait: float) -> None:
    """Make load for a run on another machine.

    That one is started with --engine locust --join N, and the servers that it measures are loaded
    from here. It prints the command to type, with its secret. Both machines need the same version
    of calcbench and of Locust. Serves one measurement after the other until the run is over, or
    until Ctrl-C.
    """
    host, port = address
    if secret is None:
        raise UsageError(f"{VARIABLE} is missing: the run prints it, with the command to type")
    need_locust("calcbench worker")
    os.environ[VARIABLE] = secret
    command = [sys.executable, "-P", "-m", "calcbench.bench.loadgen.locust.worker", host, str(port)]
    # In place of this process: Locust changes the standard library, and is never imported here.
    os.execv(sys.executable, [*command, f"{wait:.10g}"])


@click.command(
    "locustfile",
    cls=Command,
    examples={
        "calcbench locustfile > locustfile.py": "a file to read, to change, and to run",
        "locust -f locustfile.py --host http://127.0.0.1:8080": "with its page at port 8089",
        "locust -f locustfile.py --host URL --headless -u 5 -r 5 -t 10s": "without it",
    },
)
def locustfile_command() -> None:
    """Print a file for plain Locust.

    Its users call a calculator over raw sockets and check every response. It prints exact
    quantiles as well, because those of Locust are rounded. It needs nothing but Locust, and works
    with its web page and without, and on several machines with --master and --worker. But there is
    no secret then: anybody who reaches the port of a plain master can join it.
    """
    try:
        need_locust("calcbench locustfile")
    except UsageError:
        echo(f"calcbench: what runs this file is Locust: {INSTALL}", err=True)
    echo(LOCUSTFILE.read_text(encoding="utf-8").rstrip())
