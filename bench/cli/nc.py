"""`calcbench nc`: two terminals that talk to each other, with nothing to install."""

import click

from calcbench.bench.classroom.netcat import run
from calcbench.bench.cli.base import Command
from calcbench.bench.schema.bounds import PORT
from calcbench.core.errors import UsageError
from calcbench.core.options import parse_whole, read_bounded


@click.command(
    "nc",
    cls=Command,
    examples={
        "calcbench nc -l 1234": "wait for somebody on port 1234 of this machine",
        "calcbench nc -v localhost 1234": "talk to whoever listens there",
        "calcbench nc -C localhost 8080": "type HTTP by hand: each Enter sends CRLF",
    },
)
@click.option("-l", "listens", is_flag=True, help="Listen, and take the first who connects.")
@click.option("-v", "verbose", is_flag=True, help="Say who listens and who is connected to whom.")
@click.option("-C", "crlf", is_flag=True, help="Send CRLF for each line end, as HTTP wants it.")
@click.argument("where", metavar="[HOST] PORT", nargs=-1, required=True)
def nc_command(listens: bool, verbose: bool, crlf: bool, where: tuple[str, ...]) -> None:
    """Talk to the other end of a connection, byte by byte.

    What is typed is sent there, and what comes from there is printed.

    Ctrl-D, the end of the input, finishes sending; what the other end still sends is printed.
    Without HOST it is localhost. It understands the real nc, and the real nc understands it.
    """
    if len(where) > 2 or (len(where) == 1 and not listens):
        needs, example = ("-l needs [HOST]", "-l") if listens else ("needs HOST", "localhost")
        raise UsageError(f"nc {needs} PORT, as in calcbench nc {example} 1234")
    words = list(where)
    text = words.pop()
    host = words[0] if words else "localhost"
    port = read_bounded(
        text, parse_whole, PORT, "port ", "a whole number", ", as in calcbench nc -l 1234"
    )
    run(host, int(port), listens=listens, verbose=verbose, crlf=crlf)
