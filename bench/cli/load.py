"""`calcbench load`: drive any HTTP/1.1 server, and show what came of it as of a race."""

import os
from pathlib import Path
from typing import Any

import click

from calcbench.bench.cli.base import Command
from calcbench.bench.cli.combinations import check_combinations
from calcbench.bench.cli.display import exports
from calcbench.bench.cli.param_types import complete_words, whole_number
from calcbench.bench.cli.plan_fields import read_options
from calcbench.bench.cli.run_options import (
    load_options,
    measuring_options,
    precision_options,
)
from calcbench.bench.cli.session import conduct
from calcbench.bench.runner.remote import (
    TOKEN,
    Question,
    among_targets,
    parse_header_options,
    parse_target,
)
from calcbench.bench.schema.plan import Plan
from calcbench.core.errors import UsageError
from calcbench.core.options import Bounds

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")  # what a shell offers


def contents(text: str) -> bytes:
    """Return the octets typed as *text*, or behind an @ those of the file that it names."""
    if not text.startswith("@"):
        return os.fsencode(text)
    try:
        return Path(text[1:]).read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {text[1:]}: {error.strerror}") from None


@click.command(
    "load",
    cls=Command,
    examples={
        "calcbench load http://127.0.0.1:8080/": "8 clients for 2 seconds, three times",
        "calcbench load http://[::1]:8080/ --rate 5000": "an open loop",
        "calcbench load URL --users 300 --think 1s": "300 users who think in between",
        "calcbench load http://a/ http://b/": "two servers, in turns",
        "calcbench load URL --body '{\"a\":1}' --expect 201": "a POST, and which response is right",
        "calcbench load URL --unix-socket /run/app.sock": "over a Unix socket",
        "calcbench load URL --connections 16 --behaviour idle=20": "16 clients and 20 silent ones",
        "calcbench load URL --fail-if 'errors>0' --fail-if 'p99>50ms'": "99 if one of them is so",
        "calcbench load URL --find-knee --slo 'p99<20ms'": "the highest rate that it sustains",
    },
)
@click.argument("urls", metavar="URL…", nargs=-1, required=True)
@click.option(
    "-X",
    "--method",
    metavar="METHOD",
    shell_complete=complete_words(*METHODS),
    help="Method of each request.  [default: GET, or POST with --body]",
)
@click.option(
    "-H",
    "--header",
    "headers",
    metavar="'NAME: VALUE'",
    multiple=True,
    help="A header field of each request. Repeats.",
)
@click.option("--body", metavar="TEXT", help="The body of each request; @FILE reads it from there.")
@click.option(
    "--expect",
    type=whole_number("201", Bounds(200, 999)),
    metavar="STATUS",
    help="The only status that is right.  [default: any from 200 to 399]",
)
@click.option(
    "--expect-body",
    metavar="TEXT",
    help="The only body that is right; @FILE reads it from there.  [default: any]",
)
@click.option(
    "--unix-socket",
    metavar="PATH",
    default="",
    type=click.Path(),
    help="Connect to this; the host of the URL is only sent in Host.",
)
@measuring_options(
    connections="8",
    duration="2",
    warmup="0.5",
    seed="Where the random orders and arrivals begin: the same seed, the same load.",
)
@precision_options
@load_options
@exports
def load_command(urls: tuple[str, ...], unix_socket: str, **more: Any) -> int:
    """Load any HTTP/1.1 server, print a table, draw charts.

    Every response is read to its end and counted as what it is. URL is http only; several are
    measured in turns. Load only servers that you may load. The exit status is 99 if a threshold of
    --fail-if is broken, else 1 if a server failed, else 98 if nobody can tell of a threshold.
    """
    ctx = click.get_current_context()
    check_combinations(ctx)
    targets = {target.label: target for target in (parse_target(url, unix_socket) for url in urls)}
    if len(targets) < len(urls):
        raise UsageError("a URL is given twice")
    labels = tuple(targets)
    asked = read_options(ctx, more, labels, lambda url: label(url, unix_socket))
    question = question_of(**more)
    plan = Plan(strategies=labels, workloads=(question.name,), **asked.fields)
    return conduct(plan, asked.slo, asked.output, lambda _: among_targets(targets, question))


def label(url: str, unix_socket: str) -> str:
    """Return what a result calls *url*; raises UsageError."""
    return parse_target(url, unix_socket).label


def question_of(
    method: str | None,
    headers: tuple[str, ...],
    body: str | None,
    expect: int | None,
    expect_body: str | None,
) -> Question:
    """Return what the command line wants to be asked; raises UsageError."""
    method = method or ("GET" if body is None else "POST")
    if not TOKEN.fullmatch(method) or method == "CONNECT":
        raise UsageError(f"method {method!r} should be one like {', '.join(METHODS)}")
    return Question(
        method,
        parse_header_options(headers),
        b"" if body is None else contents(body),
        expect or 0,
        None if expect_body is None else contents(expect_body),
    )
