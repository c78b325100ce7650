"""How clients behave that are no model clients: what is asked for on the command line.

``idle=20`` puts 20 silent clients beside the normal ones, which are those of ``--connections`` and
alone are measured; ``slow-reader=10%`` puts one beside every ten of them. What each of them does to
a server is in `calcbench.bench.loadgen.driver.background`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from calcbench.core.errors import UsageError
from calcbench.core.options import nearest

BEHAVIOURS: Mapping[str, str] = {
    "idle": "connects and stays silent",
    "slow-sender": "sends its request a byte at a time",
    "slow-reader": "sends requests without end, and hardly reads the responses",
    "resetter": "breaks its connection in the middle of a request",
    "burst": "stays silent, then sends 16 requests in a row, together with the others of its kind",
}
FORM = re.compile(r"([a-z-]+)=([0-9]+(?:\.[0-9]+)?%|[0-9]+)")
MOST = 1_000_000  # clients of one kind; more than any machine has ports for
MOST_DIGITS = 12  # so that no number is too long to be read


@dataclass(frozen=True)
class Behaviour:
    """So many clients that behave like *name*: *count* of them, or a *share* of the normal ones."""

    name: str
    count: int = 0
    share: float = 0


def parse_behaviour(text: str) -> Behaviour:
    """Return what *text*, such as ``idle=20`` or ``idle=20%``, asks for; raises UsageError."""
    name, equals, _ = text.partition("=")
    if name == "normal":
        raise UsageError("the number of normal clients is set with --connections")
    if name not in BEHAVIOURS:
        raise UsageError(f"no behaviour {name!r}{nearest(name, BEHAVIOURS)}")
    matched = FORM.fullmatch(text)
    if not matched:
        given = f"behaviour {text!r}" if equals else f"behaviour {name!r} without a number"
        raise UsageError(f"{given} should be like {name}=20 or {name}=20%")
    number = matched[2]
    if not number.endswith("%"):
        if len(number) > MOST_DIGITS or int(number) > MOST:
            raise UsageError(f"behaviour {text!r} should be from 0 to {MOST:,} clients")
        return Behaviour(name, count=int(number))
    if float(number[:-1]) > 10_000:
        raise UsageError(f"behaviour {text!r} should be from 0% to 10,000%")
    return Behaviour(name, share=float(number[:-1]) / 100)


def mix(texts: Sequence[str], connections: int) -> dict[str, int]:
    """Return how many clients behave in which way beside *connections* normal ones.

    Shares are shares of those, rounded to the nearest client. Raises UsageError for a behaviour
    that is given twice.
    """
    found: dict[str, int] = {}
    for behaviour in map(parse_behaviour, texts):
        if behaviour.name in found:
            raise UsageError(f"behaviour {behaviour.name} is given twice")
        found[behaviour.name] = behaviour.count + round(behaviour.share * connections)
    return found
