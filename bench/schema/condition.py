"""What one measurement is of: one point of a race's grid, and how such points are grouped.

All that may differ between two measurements of a race is an axis here. What groups measurements
names the axes along which its members differ; so whatever axis is added later, results of two
interpreters, say, are not pooled by accident.
"""

import dataclasses
import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

Thing = TypeVar("Thing")

AGAIN = " (again)"  # behind the label of a strategy that is raced against itself
SLUG_LENGTH = 80  # characters of a file's name, so that a suffix and a folder still fit
# What can be told apart with a dash for all that is no letter or digit: from its end come a number,
# one of two ways to connect, and a workload, whose name has no digit and whose time has one first.
STRATEGY, WORKLOAD = r"[a-z0-9]+(-[a-z0-9]+)*", r"[a-z]+(=[0-9]+(\.[0-9]+)?[a-z]+)?"
PLAIN = re.compile(f"{STRATEGY} {WORKLOAD} (keep-alive|close) [0-9]+")


@dataclass(frozen=True)
class Condition:
    """One point of the grid; *strategy* is a variant's label, ``threadpool:workers=4``.

    *interpreter* is the Python that serves, empty for the one that races; *application* is what is
    served; *target* is somebody else's server, empty for one of ours. All three are at their
    defaults until a plan varies them: in ``calcbench load`` it is the strategy that names the
    target.
    """

    strategy: str
    workload: str
    reuse: str
    connections: int
    interpreter: str = ""
    application: str = "calculator"
    target: str = ""

    @property
    def variant(self) -> str:
        """What is served: the label without the mark of a control."""
        return self.strategy.removesuffix(AGAIN)

    @property
    def is_control(self) -> bool:
        """Tell whether this is a strategy raced once more, to see what chance does."""
        return self.strategy.endswith(AGAIN)

    def without(self, *axes: str) -> "Condition":
        """Return the grouping key of all conditions that differ from this one only in *axes*."""
        blank = {"strategy": "", "connections": 0}
        return dataclasses.replace(self, **{axis: blank.get(axis, "") for axis in axes})  # type: ignore[arg-type]

    @property
    def slug(self) -> str:
        """What files call it: letters, digits and dashes, never long, and no other's.

        Where the readable form leaves something out, such as the case of a letter, a colon or
        the end, a few digits of a hash stand for it.
        """
        usual = Condition(self.strategy, self.workload, self.reuse, self.connections)
        parts = [self.strategy, self.workload, self.reuse, str(self.connections)]
        parts += [part for part in (self.interpreter, self.target) if part]
        if self.application != Condition.application:
            parts.append(self.application)
        text = " ".join(parts)
        readable = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
        if self == usual and PLAIN.fullmatch(text) and len(readable) <= SLUG_LENGTH:
            return readable
        digest = hashlib.sha256(repr(self).encode()).hexdigest()[:8]
        return f"{readable[: SLUG_LENGTH - 9].rstrip('-')}-{digest}"


def group_by(
    things: Iterable[Thing], condition_of: Callable[[Thing], Condition], *axes: str
) -> dict[Condition, list[Thing]]:
    """Return *things* in groups whose conditions differ only in *axes*, in their order."""
    groups: dict[Condition, list[Thing]] = {}
    for thing in things:
        groups.setdefault(condition_of(thing).without(*axes), []).append(thing)
    return groups
