"""Which options do not go together, and which need another: two tables, and who looks into them.

An option stands in them as it is typed, ``--rounds 1`` for one with that value alone.
"""

import click

from calcbench.core.errors import UsageError

KNEE = "the search chooses the rates, and repeats each until its results agree"
NOT_WRK = "wrk always sends as fast as it can"
USERS = "users ask when they have thought"
SOCKETS = "only calcbench's own driver can use Unix sockets"

APART: tuple[tuple[str, str, str], ...] = (
    ("--find-knee", "--rate", KNEE),
    ("--find-knee", "--rounds", KNEE),
    ("--find-knee", "--precision", KNEE),
    ("--find-knee", "--most-rounds", KNEE),
    ("--find-knee", "--control", KNEE),
    ("--find-knee", "--interleave", KNEE),
    ("--find-knee", "--open", "a search draws no charts"),
    ("--find-knee", "--fail-if", "its objective is that of --slo"),
    ("--find-knee", "--most-failures", "a rate is kept where 1 request in 1,000 fails at most"),
    ("--find-knee", "--engine wrk", NOT_WRK),
    ("--rate", "--engine wrk", NOT_WRK),
    ("--users", "--connections", "each user has a connection of its own"),
    ("--users", "--rate", USERS),
    ("--users", "--find-knee", USERS),
    ("--users", "--engine wrk", NOT_WRK),
    ("--reuse-first", "--users", "each user has a connection of its own"),
    ("--behaviour", "--engine wrk", "wrk runs after those clients have gone"),
    ("--behaviour", "--engine locust", "Locust has normal clients only"),
    ("--precision", "--rounds 1", "one round cannot tell how much rounds differ"),
    ("--join", "--drivers", "the machines that join are the drivers"),
    ("--unix-socket", "--engine wrk", SOCKETS),
    ("--unix-socket", "--engine locust", SOCKETS),
)
NEEDED: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("--find-knee", ("--slo",), "the objective to keep, as in --slo 'p99<20ms'"),
    (
        "--slo",
        ("--find-knee",),
        "it is the objective of a search; for a race see --fail-if",
    ),
    ("--arrivals", ("--rate", "--find-knee"), "in a closed loop the responses set the pace"),
    ("--users", ("--think",), "how long they think, as in --think 1s; else see --connections"),
    ("--think", ("--users",), "how many they are, as in --users 300"),
    (
        "--reuse-first",
        ("--rate", "--find-knee"),
        "in a closed loop every client has a connection of its own",
    ),
    ("--most-rounds", ("--precision",), "it limits how long that goes on; without it see --rounds"),
    ("--join", ("--engine locust",), "only Locust's workers can be on other machines"),
    ("--join", ("--host",), "the address by which other machines reach this one"),
    ("--master-port", ("--join",), "it is for workers from other machines"),
)


def check_combinations(ctx: click.Context) -> None:
    """Raise UsageError where the command line of *ctx* has options that do not go together."""
    for one, other, why in APART:
        if is_given(ctx, one) and is_given(ctx, other):
            raise UsageError(f"{one} and {other} do not go together: {why}")
    for one, others, why in NEEDED:
        known = [other for other in others if parameter(ctx, other)]
        if known and is_given(ctx, one) and not any(is_given(ctx, other) for other in known):
            raise UsageError(f"{one} needs {' or '.join(known)}: {why}")
    if is_given(ctx, "--engine wrk"):  # after the rest: nobody installs it only to be refused
        from calcbench.bench.loadgen.wrk import need_wrk

        need_wrk()


def parameter(ctx: click.Context, text: str) -> click.Parameter | None:
    """Return the option of the command of *ctx* that *text* begins with, None where it has none."""
    flag = text.partition(" ")[0]
    return next((param for param in ctx.command.params if flag in param.opts), None)


def is_given(ctx: click.Context, text: str) -> bool:
    """Tell whether the option in *text* is on the command line, with the value there, if any."""
    param = parameter(ctx, text)
    if not param or not param.name:
        return False
    value = text.partition(" ")[2]
    if value:
        return str(ctx.params[param.name]) == value
    return ctx.get_parameter_source(param.name) is not click.core.ParameterSource.DEFAULT
