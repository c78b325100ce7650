"""The options that say how load is offered, for every command that offers some."""

from typing import Any

import click

from calcbench.bench.arguments import complete_words, flatten, listed, seconds, whole_number
from calcbench.bench.command import options
from calcbench.bench.joining import LOCUST_PORT
from calcbench.bench.loadgen.wrk import WRK, need_wrk
from calcbench.bench.schema.arrivals import ARRIVALS, CONSTANT
from calcbench.bench.schema.behaviours import BEHAVIOURS, mix, parse_behaviour
from calcbench.bench.schema.plan import ENGINES, OURS, Plan
from calcbench.core.errors import UsageError
from calcbench.core.options import nearest

OFFERED = ("rate", "arrivals", "drivers", "engine", "join", "master_port")
OPEN_CONNECTIONS = 256  # of an open loop, where nobody says: at most, so many as it needs


def per_second(text: str) -> float:
    """Return the rate that *text* states, in requests per second; raises UsageError."""
    try:
        return float(text)
    except ValueError:
        raise UsageError(
            f"--rate {text!r} should be requests per second, as in --rate 5000"
        ) from None


def arrivals(text: str) -> str:
    """Return *text* if it names a way to arrive; raises UsageError with the nearest."""
    if text not in ARRIVALS:
        raise UsageError(f"no arrivals {text!r}{nearest(text, ARRIVALS)}")
    return text


def behaviour(text: str) -> str:
    """Return *text* if it asks for a behaviour; raises UsageError."""
    parse_behaviour(text)
    return text


def engine(text: str) -> str:
    """Return *text* if it names an engine that is here; raises UsageError."""
    if text not in ENGINES:
        raise UsageError(f"no engine {text!r}{nearest(text, ENGINES)}")
    if text == WRK:
        need_wrk()
    return text


offering_options = options(
    click.option(
        "--timeout",
        type=seconds("--timeout 2"),
        metavar="SECONDS",
        default="2",
        show_default=True,
        help="When a request is given up, counted from when it was due.",
    ),
    click.option(
        "--rate",
        type=per_second,
        metavar="R",
        help="An open loop: R requests per second, due at fixed times whatever the server does,"
        " over as many connections as they need, at most those of --connections"
        f" ({OPEN_CONNECTIONS} where that is not given).  [default: a closed loop]",
    ),
    click.option(
        "--arrivals",
        type=arrivals,
        metavar="HOW",
        default=CONSTANT,
        show_default=True,
        shell_complete=complete_words(*ARRIVALS),
        help="With --rate: constant, or poisson for independent users.",
    ),
    click.option(
        "--behaviour",
        "behaviours",
        type=listed(behaviour),
        metavar="HOW=N,…",
        multiple=True,
        shell_complete=complete_words(*(f"{name}=" for name in BEHAVIOURS)),
        help="N clients beside the normal ones, or N% as many, who are not measured and are "
        + "; ".join(f"{name}: {what}" for name, what in BEHAVIOURS.items())
        + ". Repeats.",
    ),
    click.option(
        "--drivers",
        type=whole_number("--drivers 2"),
        metavar="N",
        default="1",
        show_default=True,
        help="Processes that make the load, where one is not enough.",
    ),
    click.option(
        "--engine",
        type=engine,
        metavar="NAME",
        default=OURS,
        show_default=True,
        shell_complete=complete_words(*ENGINES),
        help="wrk: behind each measurement wrk, where it is installed, asks the same in a closed"
        " loop, and what it saw is told. locust: the load comes from Locust's workers, which can be"
        " on other machines.",
    ),
    click.option(
        "--join",
        type=whole_number("--join 2"),
        metavar="N",
        help="With --engine locust: wait until N machines have joined with calcbench worker, and"
        " have them make the load. Anybody who reaches this one can: only in a network that you"
        " trust.  [default: --drivers workers on this machine]",
    ),
    click.option(
        "--master-port",
        type=whole_number("--master-port 5600", most=65535),
        metavar="PORT",
        help=f"With --join: where they reach this machine.  [default: {LOCUST_PORT}]",
    ),
)


def offered(ctx: click.Context, params: dict[str, Any]) -> dict[str, Any]:
    """Take those options out of *params*; return them as fields of a `Plan`.

    The connections of an open loop for which nobody has asked are among them.
    """
    fields: dict[str, Any] = {name: params.pop(name) for name in OFFERED}
    fields["timeout_s"] = params.pop("timeout")
    default = click.core.ParameterSource.DEFAULT
    if fields["join"]:
        if ctx.get_parameter_source("drivers") != default:
            raise UsageError("--join says how many workers there are: leave out --drivers")
        fields["drivers"] = fields["join"]
        fields["master_port"] = fields["master_port"] or LOCUST_PORT
    elif fields["master_port"]:
        raise UsageError("--master-port is for workers from other machines: it needs --join")
    fields |= {name: fields[name] or 0 for name in ("join", "master_port")}
    fields["behaviours"] = flatten(params.pop("behaviours"))
    if fields["rate"] is None and ctx.get_parameter_source("arrivals") != default:
        raise UsageError("--arrivals needs --rate: a closed loop waits for its answers")
    if fields["rate"] is not None and ctx.get_parameter_source("connections") == default:
        fields["connections"] = (OPEN_CONNECTIONS,)
    return fields


def most_clients(plan: Plan) -> int:
    """Return how many connections *plan* makes at once, those of guests included."""
    return max(sum(mix(plan.behaviours, count).values()) + count for count in plan.connections)
