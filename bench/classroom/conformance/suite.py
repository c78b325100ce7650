"""Holding a server against all rules, some of them side by side, and telling in their order."""

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace

from calcbench.bench.classroom.conformance.catalogue import RULES
from calcbench.bench.classroom.conformance.finding import BrokenError
from calcbench.bench.classroom.conformance.rule import Rule, Start
from calcbench.bench.classroom.conformance.rules.answers import answers
from calcbench.bench.classroom.conformance.strategy import (
    LOADS,
    STARTS,
    DeadAtStartError,
    StrategySubject,
    limit_for,
)
from calcbench.bench.classroom.conformance.target import Target
from calcbench.bench.classroom.conformance.verdict import (
    ADVICE,
    BROKEN,
    NO_TIME,
    NOT_JUDGED,
    Verdict,
    broken,
    judge,
)
from calcbench.bench.classroom.raw_client import GarbledError, SurpriseError
from calcbench.core.serving.catalogue import load

SIDE_BY_SIDE = 4  # servers that are held against rules at once
TOTAL_S = 45.0  # after which no rule is begun, and those that are begun soon end
MORE_TIME = 2  # times as long may it take at a second look
ENDED = "your program has ended: start it again before the next check"
SILENT = "it does not answer, so there is nothing to judge"


@dataclass
class Course:
    """One check under way: when it has to be over, whether it is given up, what is broken."""

    ends: float = field(default_factory=lambda: time.monotonic() + TOTAL_S)
    given_up: threading.Event = field(default_factory=threading.Event)
    broken: set[str] = field(default_factory=set)

    def take(self, verdict: Verdict) -> Verdict:
        """Take note of a *verdict*, and return it, or that it says nothing new."""
        if verdict.outcome != BROKEN:
            return verdict
        if verdict.rule.advice:
            return replace(verdict, outcome=ADVICE)
        if before := self.broken.intersection(verdict.rule.after):
            self.broken.add(verdict.rule.name)
            return Verdict(verdict.rule, NOT_JUDGED, f"first, mend {min(before)}")
        self.broken.add(verdict.rule.name)
        return verdict

    def why_not(self, rule: Rule) -> str:
        """Return why *rule* is not to be judged, or nothing."""
        if before := self.broken.intersection(rule.after):
            self.broken.add(rule.name)
            return f"first, mend {min(before)}"
        return NO_TIME if self.is_over() else ""

    def is_over(self) -> bool:
        """Tell whether no rule is to be begun any more."""
        return self.given_up.is_set() or time.monotonic() > self.ends


def check_strategy(
    subject: StrategySubject, rules: Sequence[Rule] = RULES, *, first_only: bool = False
) -> Iterator[Verdict]:
    """Yield a verdict for each of *rules* on a strategy, or up to a broken one, if *first_only*.

    Where it cannot even start, or answers nothing, that alone is broken, and no rule is judged.
    """
    course = Course()
    subject.ends = course.ends
    strategy = load(subject.variant.strategy)
    if strategy.broken:
        yield from only_broken(LOADS, strategy.broken, rules)
        return
    first_line = f"{subject.path.name}, line 1"
    if not strategy.summary:
        missing = f"{first_line}: no docstring; its first line says what this strategy does"
        yield broken(LOADS, BrokenError(missing))
        if first_only:
            return
    if strategy.unavailable:
        for rule in rules:
            yield Verdict(rule, NOT_JUDGED, f"it {strategy.unavailable}")
        return
    try:
        with subject.start() as target:
            subject.limit_s = limit_for(target)
            verdict = judge(answers, target)
            where = subject.where(target)
    except DeadAtStartError as error:
        yield from only_broken(STARTS, str(error), rules, error.where)
        return
    except SurpriseError:
        with subject.start() as target:
            target.limit_s = 5.0
            verdict = judge(answers, target)
            where = subject.where(target)
    if verdict.outcome == BROKEN:
        yield replace(verdict, where=where)
        for rule in rules:
            if rule is not answers:
                yield Verdict(rule, NOT_JUDGED, SILENT)
        return
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        promised = promise(subject, rules, pool, course)
        try:
            for future in promised:
                verdict = course.take(future.result())
                yield verdict
                if first_only and verdict.outcome == BROKEN:
                    return
        finally:
            course.given_up.set()
            subject.give_up()


def only_broken(rule: Rule, seen: str, rules: Sequence[Rule], where: str = "") -> Iterator[Verdict]:
    """Yield that *rule* is broken, so that none of *rules* can be judged."""
    yield replace(broken(rule, BrokenError(seen)), where=where)
    for other in rules:
        yield Verdict(other, NOT_JUDGED, f"first, {rule.mistake}")


def promise(
    subject: StrategySubject, rules: Sequence[Rule], pool: ThreadPoolExecutor, course: Course
) -> list[Future[Verdict]]:
    """Have all *rules* judged, those without a server of their own one after the other."""
    common = [rule for rule in rules if not rule.starts]
    promised = {rule.name: Future[Verdict]() for rule in common}
    pool.submit(judge_on_one, subject, common, promised, course)
    for rule in rules:
        if rule.starts:
            promised[rule.name] = pool.submit(judge_on_its_own, subject, rule, course)
    return [promised[rule.name] for rule in rules]


def judge_on_one(
    subject: StrategySubject,
    rules: Sequence[Rule],
    promised: dict[str, Future[Verdict]],
    course: Course,
) -> None:
    """Judge *rules* with one server, or the next one where a rule was broken with that."""
    with ExitStack() as running:
        target: Target | None = None
        for rule in rules:
            try:
                if why := course.why_not(rule):
                    verdict = Verdict(rule, NOT_JUDGED, why)
                else:
                    target = target or running.enter_context(subject.start())
                    verdict = replace(judge(rule, target), where="")
                    if verdict.outcome == BROKEN:
                        where = subject.where(target)
                        running.close()
                        target = None
                        verdict = second_look(subject, rule, replace(verdict, where=where), course)
                promised[rule.name].set_result(course.take(verdict))
            except BaseException as error:  # noqa: BLE001 - whoever waits for it gets it
                target = None
                promised[rule.name].set_exception(error)


def judge_on_its_own(subject: StrategySubject, rule: Rule, course: Course) -> Verdict:
    """Judge *rule* with a server for each of its starts."""
    if why := course.why_not(rule):
        return Verdict(rule, NOT_JUDGED, why)
    verdict = judge_starts(subject, rule, course.given_up)
    return course.take(second_look(subject, rule, verdict, course))


def second_look(subject: StrategySubject, rule: Rule, verdict: Verdict, course: Course) -> Verdict:
    """Return the *verdict*; where it was for want of time, that of another try with more."""
    if verdict.outcome != BROKEN or not verdict.slow or rule.advice or course.why_not(rule):
        return verdict
    patient = replace(subject, limit_s=subject.limit_s * MORE_TIME)
    return judge_starts(patient, rule, course.given_up)


def judge_starts(
    subject: StrategySubject, rule: Rule, given_up: threading.Event | None = None
) -> Verdict:
    """Judge *rule* with a fresh server for each of its starts, up to one that breaks it.

    Or until the check is *given_up*.
    """
    verdict = Verdict(rule, NOT_JUDGED, NO_TIME)
    for start in rule.starts or (Start(),):
        if given_up and given_up.is_set():
            return Verdict(rule, NOT_JUDGED, NO_TIME)
        with subject.start(start) as target:
            verdict = judge(rule, target)
            if verdict.outcome == BROKEN:
                slow = verdict.slow and not target.has_ended()  # more time would not help it
                return replace(verdict, where=subject.where(target), slow=slow)
    return verdict


def check_site(
    target: Target, rules: Sequence[Rule] = RULES, *, first_only: bool = False
) -> Iterator[Verdict]:
    """Yield a verdict for each of *rules* on a server that runs already, one after the other.

    What may end it comes last.
    """
    course = Course()
    target.ends = course.ends
    silent = ""
    for rule in sorted(rules, key=lambda rule: rule.dangerous):  # in their order otherwise
        if why := silent or course.why_not(rule):
            yield Verdict(rule, NOT_JUDGED, why)
            continue
        verdict = judge(rule, target)
        if verdict.slow and verdict.outcome == BROKEN:
            target.limit_s *= MORE_TIME
            verdict = judge(rule, target)
            target.limit_s /= MORE_TIME
        if verdict.outcome == BROKEN and target.has_ended():
            verdict = replace(verdict, notes=(*verdict.notes, ENDED))
            silent = f"your program has ended, in {rule.name}"
        yield course.take(verdict)
        if verdict.outcome == BROKEN:
            if first_only:
                return
            if rule is answers:
                silent = SILENT
            elif not silent and not answers_still(target):
                silent = f"it does not answer any more, since {rule.name}"


def answers_still(target: Target) -> bool:
    """Tell whether *target* answers a fresh client, whatever it says."""
    return judge(replace(answers, test=ask_anything), target).outcome != BROKEN


def ask_anything(target: Target) -> None:
    """Ask one question, for the sake of an answer."""
    with suppress(GarbledError):
        target.ask()
