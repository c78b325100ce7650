"""`calcbench run`: race our strategies."""

import functools
from typing import Any

import click

from calcbench.bench.cli.base import Command, policy_of, policy_options
from calcbench.bench.cli.combinations import check_combinations
from calcbench.bench.cli.display import exports
from calcbench.bench.cli.param_types import (
    WORKLOADS,
    Listed,
    complete_strategies,
    complete_words,
    distinct,
    parse_strategies,
    workload,
)
from calcbench.bench.cli.plan_fields import RunOptions, read_options
from calcbench.bench.cli.run_options import (
    load_options,
    measuring_options,
    precision_options,
)
from calcbench.bench.cli.session import conduct
from calcbench.bench.schema.plan import (
    INTERLEAVES,
    LOOPBACK,
    MOST_BY_TURNS,
    SLICES,
    TOO_MANY_FOR_TURNS,
    WINDOWS,
    Plan,
    why_no_slices,
)
from calcbench.core.errors import UsageError


@click.command(
    "run",
    cls=Command,
    examples={
        "calcbench run": "all, with two workloads",
        "calcbench run --strategy fork,selectors": "two of them",
        "calcbench run --theme projector --open": "for the last row of a classroom",
        "calcbench run --strategy threadpool:workers=4": "a variant of one",
        "calcbench run --connections 1,16,256 --reuse close": "without keep-alive",
        "calcbench run --workload cpu=2ms --rounds 9": "slow responses, less noise",
        "calcbench run --rate 2000 --arrivals poisson": "an open loop, like independent users",
        "calcbench run --users 300 --think exp:1s": "300 users who think in between",
        "calcbench run --connections 16 --behaviour idle=20": "16 clients and 20 silent ones",
        "calcbench run --precision 5%": "until differences are clear",
        "calcbench run --find-knee --slo 'p99<20ms'": "the highest rate that each sustains",
        "calcbench run --engine locust --join 2 --host 192.0.2.7": "from two other machines",
        "calcbench run --fail-if 'p99>50ms' --fail-if 'errors>1%'": "99 if one of them is so",
        "calcbench run --strategy fork --json > fork.json": "all of it for a program",
    },
)
@click.option(
    "--strategy",
    "strategies",
    metavar="NAME,…",
    multiple=True,
    shell_complete=complete_strategies,
    help="Names, variants such as threadpool:workers=4, or all. Repeats.  [default: all]",
)
@click.option(
    "--workload",
    "workloads",
    type=Listed(workload),
    metavar="WORKLOAD,…",
    multiple=True,
    default=["add,wait=10ms"],
    show_default=True,
    shell_complete=complete_words(*WORKLOADS),
    help=f"What a response costs: {', '.join(WORKLOADS)}. Repeats.",
)
@click.option(
    "--host",
    metavar="ADDRESS",
    default=LOOPBACK,
    show_default=True,
    help="Where the servers listen; for --join, the address by which other machines reach this"
    " one.",
)
@measuring_options(
    connections="1,8,32",
    duration="0.6",
    warmup="0.2",
    seed="Where the random orders and operands begin: the same seed, the same race.",
)
@click.option(
    "--interleave",
    type=click.Choice(INTERLEAVES),
    help="slices: the servers of one workload and number of clients are up together and served by"
    " turns, some milliseconds each, so that a disturbed machine disturbs all of them alike."
    " windows: one server after the other.  [default: slices; windows where the load forbids it]",
)
@precision_options
@load_options
@policy_options
@exports
def run_command(
    strategies: tuple[str, ...],
    workloads: tuple[tuple[str, ...], ...],
    host: str,
    interleave: str | None,
    **more: Any,
) -> int:
    """Race strategies, print a table, draw charts.

    Without options it takes two to three minutes. Every measurement has a fresh server. Ctrl-C
    keeps what has been measured until then. The exit status is 99 if a threshold of --fail-if is
    broken, else 1 if a strategy failed, but not if it cannot run here, else 98 if nobody can tell
    of a threshold.
    """
    ctx = click.get_current_context()
    check_combinations(ctx)
    labels = parse_strategies(strategies)
    asked = read_options(ctx, more, labels)
    if interleave == SLICES:
        check_turns(asked.fields["connections"])
    plan = Plan(
        strategies=labels,
        workloads=distinct(workloads),
        host=host,
        policy=policy_of(more),
        interleave=interleave or usual_interleave(asked),
        **asked.fields,
    )
    from calcbench.bench.cli.server_output import ServerOutput
    from calcbench.bench.runner.launched import among_strategies
    from calcbench.core.serving.launcher import launch
    from calcbench.core.serving.listeners import listen

    listen(host, 0).close()  # an address that is none of ours is no strategy's failure

    start = launch if asked.output.quiet else ServerOutput().launch
    subject = functools.partial(among_strategies, start=start)
    return conduct(plan, asked.slo, asked.output, subject)


def usual_interleave(asked: RunOptions) -> str:
    """Return how servers are measured where nobody says it: by turns, if the load allows it."""
    fields = asked.fields
    hindrance = why_no_slices(
        fields["engine"], fields["drivers"], fields["behaviours"], fields["think_s"]
    )
    return WINDOWS if asked.slo or hindrance else SLICES


def check_turns(connections: tuple[int, ...]) -> None:
    """Raise UsageError where servers are to take turns and have too many *connections* for that."""
    if min(connections) > MOST_BY_TURNS:
        raise UsageError(f"--interleave slices: {TOO_MANY_FOR_TURNS}")
