"""The options that commands have in common which race or load, in three groups.

How is measured and where the result goes; how the load is offered; how precise the result must be:
either all is measured in rounds, as many as were asked for or as a precision needs, or the
highest rate is searched that keeps an objective. What they say becomes a plan in
`calcbench.bench.cli.plan_fields`.
"""

from collections.abc import Callable
from pathlib import Path

import click

from calcbench.bench.cli.base import Function, json_option, no_charts_option, options
from calcbench.bench.cli.display import shown_options
from calcbench.bench.cli.param_types import (
    ANY_CONTROL,
    Listed,
    arrivals,
    behaviour,
    complete_words,
    engine,
    per_second,
    reuse,
    seconds,
    share,
    think,
    whole_number,
)
from calcbench.bench.cli.worker import LOCUST_PORT
from calcbench.bench.schema.arrivals import ARRIVALS, CONSTANT
from calcbench.bench.schema.behaviours import BEHAVIOURS
from calcbench.bench.schema.bounds import (
    CONNECTIONS,
    DRIVERS,
    DURATION,
    FAILURES,
    JOINING,
    PORT,
    PRECISION,
    RATE,
    ROUNDS,
    SEED,
    THINK,
    TIMEOUT,
    WARMUP,
)
from calcbench.bench.schema.plan import ENGINES, KEEP_ALIVE, OURS, REUSES

OPEN_CONNECTIONS = 256  # of an open loop and of a search, where nobody says


def measuring_options(
    connections: str, duration: str, warmup: str, seed: str
) -> Callable[[Function], Function]:
    """Return what gives a command these options, with defaults of its own and what a *seed* is."""
    return options(
        click.option(
            "--connections",
            type=Listed(whole_number("1,8,32", CONNECTIONS)),
            metavar="N,…",
            multiple=True,
            default=[connections],
            show_default=True,
            help="How many clients at once, each with a connection of its own. Repeats.",
        ),
        click.option(
            "--reuse",
            "reuses",
            type=Listed(reuse),
            metavar="HOW,…",
            multiple=True,
            default=[KEEP_ALIVE],
            show_default=True,
            shell_complete=complete_words(*REUSES),
            help="keep-alive, or close for a new connection for each request. Repeats.",
        ),
        click.option(
            "--duration",
            type=seconds("2.5", DURATION),
            metavar="SECONDS",
            default=duration,
            show_default=True,
            help="Length of each measurement: seconds, or with a unit, such as 500ms or 2min.",
        ),
        click.option(
            "--warmup",
            type=seconds("0.5", WARMUP),
            metavar="SECONDS",
            default=warmup,
            show_default=True,
            help="How long the clients run before each measurement; this is not counted.",
        ),
        click.option(
            "--rounds",
            type=whole_number("3", ROUNDS),
            metavar="N",
            default="3",
            show_default=True,
            help="How many times everything is measured, each time in a new order.",
        ),
        click.option(
            "--seed",
            type=whole_number("7", SEED),
            metavar="N",
            default="1",
            show_default=True,
            help=seed,
        ),
        click.option(
            "--out",
            type=click.Path(path_type=Path, file_okay=False),
            metavar="DIR",
            default="results",
            show_default=True,
            help="Folder in which the run gets a folder of its own.",
        ),
        no_charts_option,
        shown_options,
        click.option(
            "--fail-if",
            "thresholds",
            metavar="THRESHOLD",
            multiple=True,
            help="Exit 99 if this is so for any of them, 98 if nobody can tell: metric, < or >,"
            " limit, such as 'p99>50ms' or 'errors>1%'. Metrics: throughput, p50, p90, p99, max,"
            " cpu; of the requests, how many or which % failed: errors, or wrong, http_error,"
            " refused, reset, timed_out; how many or which % of the clients were not served:"
            " unserved. Beside unserved clients, rates and times hold nothing: 98. Repeats.",
        ),
        json_option("Print the whole result as JSON."),
        click.option("-q", "--quiet", is_flag=True, help="Print nothing but where the result is."),
    )


load_options = options(
    click.option(
        "--timeout",
        type=seconds("2", TIMEOUT),
        metavar="SECONDS",
        default="2",
        show_default=True,
        help="How long a request may take, counted from when it was due, before it is given up.",
    ),
    click.option(
        "--most-failures",
        type=share("1%", FAILURES),
        metavar="SHARE",
        default="1%",
        show_default=True,
        help="Who fails more of the requests than this comes behind all others, and the exit status"
        " is 1.",
    ),
    click.option(
        "--rate",
        type=per_second("5000", RATE),
        metavar="R",
        help="An open loop: R requests per second, due at fixed times whatever the server does."
        f" Its connections, those of --connections ({OPEN_CONNECTIONS} where that is not given),"
        " are opened before and take turns.  [default: a closed loop]",
    ),
    click.option(
        "--arrivals",
        type=arrivals,
        metavar="HOW",
        default=CONSTANT,
        show_default=True,
        shell_complete=complete_words(*ARRIVALS),
        help="With --rate or --find-knee: constant, or poisson for independent users.",
    ),
    click.option(
        "--reuse-first",
        is_flag=True,
        help="With --rate or --find-knee: use as few connections as possible, the one that was used"
        " last first; others are opened only when all are busy.",
    ),
    click.option(
        "--users",
        type=Listed(whole_number("300", CONNECTIONS)),
        metavar="N,…",
        multiple=True,
        help="A closed loop of N users, each with a connection of its own, who think for --think"
        " before each request. Repeats.",
    ),
    click.option(
        "--think",
        type=think("1s", THINK),
        metavar="HOW",
        help="With --users: for how long, such as 1s; or exp:1s for exponentially distributed"
        " thinks of 1 s on average. Response times count from the end of a think.",
    ),
    click.option(
        "--behaviour",
        "behaviours",
        type=Listed(behaviour),
        metavar="HOW=N,…",
        multiple=True,
        shell_complete=complete_words(*(f"{name}=" for name in BEHAVIOURS)),
        help="N more clients, or N% as many as the normal ones, which are not measured. "
        + "; ".join(f"{name}: {what}" for name, what in BEHAVIOURS.items())
        + ". Repeats.",
    ),
    click.option(
        "--drivers",
        type=whole_number("2", DRIVERS),
        metavar="N",
        default="1",
        show_default=True,
        help="Processes that make the load, at most one for each core.",
    ),
    click.option(
        "--engine",
        type=engine,
        metavar="NAME",
        default=OURS,
        show_default=True,
        shell_complete=complete_words(*ENGINES),
        help="wrk: after each measurement wrk, which must be installed, loads the same server"
        " in the same way, and its figures are shown next to ours. locust: the load comes from"
        " Locust's workers, which can be on other machines.",
    ),
    click.option(
        "--join",
        type=whole_number("2", JOINING),
        metavar="N",
        help="With --engine locust: wait until N machines have joined with calcbench worker, and"
        " have them make the load. It prints the command for them, with a secret: nobody else can"
        " join.  [default: --drivers workers on this machine]",
    ),
    click.option(
        "--master-port",
        type=whole_number("5600", PORT),
        metavar="PORT",
        help=f"With --join: where they reach this machine.  [default: {LOCUST_PORT}]",
    ),
)
precision_options = options(
    click.option(
        "--precision",
        type=share("5%", PRECISION),
        metavar="SHARE",
        help="Add rounds until every difference is known to within this share, such as 5%, or is"
        " surely larger.",
    ),
    click.option(
        "--most-rounds",
        type=whole_number("30", ROUNDS),
        metavar="N",
        default="30",
        show_default=True,
        help="With --precision: stop after N rounds at the latest.",
    ),
    click.option(
        "--control",
        metavar="NAME",
        default=ANY_CONTROL,
        help="Race this one against itself as well, to show what chance alone does; none for no"
        " control.  [default: one that the seed draws]",
    ),
    click.option(
        "--find-knee",
        is_flag=True,
        help="Instead of a race, search for the highest rate of an open loop at which each keeps"
        " the objective of --slo.",
    ),
    click.option(
        "--slo",
        metavar="OBJECTIVE",
        help="With --find-knee: the objective to keep, such as 'p99<20ms'.",
    ),
)
