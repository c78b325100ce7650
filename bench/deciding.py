"""The options that say how sure an answer must be, for every command that races.

Either all is measured in rounds, as many as were asked for or as a precision needs, or the highest
rate is searched that keeps an objective.
"""

from collections.abc import Callable
from typing import Any

import click

from calcbench.bench.arguments import ANY_CONTROL, flatten, share, whole_number
from calcbench.bench.command import options
from calcbench.core.errors import UsageError

DECIDING = ("precision", "most_rounds", "control", "find_knee", "slo")
NOT_OF_A_SEARCH = ("rounds", "precision", "most_rounds", "control", "rate")
SEARCH_CONNECTIONS = 256  # of a search, where nobody says: at most, so many as it needs

deciding_options = options(
    click.option(
        "--precision",
        type=share("--precision 5%"),
        metavar="SHARE",
        help="More rounds until every difference is known this well, or surely larger.",
    ),
    click.option(
        "--most-rounds",
        type=whole_number("--most-rounds 30"),
        metavar="N",
        default="30",
        show_default=True,
        help="The end of --precision, reached or not.",
    ),
    click.option(
        "--control",
        metavar="NAME",
        default=ANY_CONTROL,
        help="Which of those that are raced is raced against itself as well, to show what chance"
        " does; none for none.  [default: one that the seed draws]",
    ),
    click.option(
        "--find-knee",
        is_flag=True,
        help="No race: search the highest rate, in an open loop, at which each keeps --slo.",
    ),
    click.option(
        "--slo",
        metavar="CONDITION",
        help="With --find-knee: what has to be kept, such as 'p99<20ms'.",
    ),
)


def decided(
    ctx: click.Context, params: dict[str, Any], choose: Callable[[str], str]
) -> tuple[dict[str, Any], str]:
    """Take those options out of *params*; return them as fields of a `Plan`, and the objective.

    The objective is empty where no knee is sought. *choose* returns the label that a text makes the
    control. Raises UsageError for what does not go together.
    """
    precision, most_rounds, control, find_knee, slo = (params.pop(name) for name in DECIDING)

    def given(name: str) -> bool:
        return ctx.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT

    if not find_knee:
        if slo:
            raise UsageError(
                "--slo is what --find-knee keeps to; for a result see compare --fail-if"
            )
        if given("most_rounds") and not precision:
            raise UsageError("--most-rounds is the end of --precision; without it see --rounds")
        fields = {"precision": precision or 0, "most_rounds": most_rounds if precision else 0}
        return {**fields, "control": choose(control)}, ""
    if not slo:
        raise UsageError("--find-knee needs --slo, such as --slo 'p99<20ms'")
    for name in NOT_OF_A_SEARCH:
        if given(name):
            flag = f"--{name.replace('_', '-')}"
            raise UsageError(
                f"--find-knee searches the rate, and tries each until tries agree; leave out {flag}"
            )
    most = max(flatten(ctx.params["connections"])) if given("connections") else SEARCH_CONNECTIONS
    return {"connections": (most,)}, slo
