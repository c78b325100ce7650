"""All rules, those that matter most first."""

from collections.abc import Sequence

from calcbench.bench.classroom.conformance.rule import Rule
from calcbench.bench.classroom.conformance.rules import (
    accidents,
    answers,
    bodies,
    crowds,
    protocol,
    stopping,
    upkeep,
)
from calcbench.core.errors import UsageError
from calcbench.core.options import nearest

FIRST = (
    answers.answers,
    answers.request_in_pieces,
    bodies.body_in_pieces,
    answers.keep_alive,
    answers.pipelining,
    answers.order,
    crowds.silent_client,
    crowds.own_answers,
    crowds.large_output,
    bodies.body_after_refusal,
    upkeep.busy_wait,
    stopping.stops,
    accidents.reset,
    upkeep.descriptors,
    upkeep.zombies,
    accidents.no_descriptors,
    answers.close,
    crowds.everybody_at_once,
)
REST = (
    *answers.RULES,
    *bodies.RULES,
    *protocol.RULES,
    *crowds.RULES,
    *accidents.RULES,
    *upkeep.RULES,
    *stopping.RULES,
)
RULES: tuple[Rule, ...] = (*FIRST, *(rule for rule in REST if rule not in FIRST))


def choose(only: Sequence[str] = (), skip: Sequence[str] = ()) -> tuple[Rule, ...]:
    """Return the rules named by *only*, or all, without those named by *skip*.

    Raises UsageError for a name that no rule has.
    """
    names = [rule.name for rule in RULES]
    for name in (*only, *skip):
        if name not in names:
            raise UsageError(f"no rule {name!r}{nearest(name, names)}")
    return tuple(rule for rule in RULES if rule.name in (only or names) and rule.name not in skip)
