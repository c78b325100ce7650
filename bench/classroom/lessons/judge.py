"""Hold a student's program to the rules of its lesson, one after the other."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from calcbench.bench.classroom.lessons.conversation import MissedError
from calcbench.bench.classroom.lessons.lesson import Lesson, Rule
from calcbench.bench.classroom.lessons.trial import Trial


@dataclass(frozen=True)
class Verdict:
    """Whether a program keeps a *rule*, and if not, what it has *missed*."""

    rule: Rule
    missed: MissedError | None = None


def judge(lesson: Lesson, file: Path) -> Iterator[Verdict]:
    """Yield a verdict for each rule of *lesson*, and end with the first that *file* breaks.

    Each rule has a program of its own, started afresh and gone afterwards. A server has to serve
    one more client before it goes.
    """
    for rule in lesson.rules:
        try:
            rule.test(Trial(file.resolve(), then=lesson.then))
        except MissedError as missed:
            yield Verdict(rule, missed)
            return
        yield Verdict(rule)
