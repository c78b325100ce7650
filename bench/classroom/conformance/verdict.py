"""Holding one server against one rule, and what comes of it."""

import time
from dataclasses import dataclass, replace

from calcbench.bench.classroom.conformance.finding import (
    AdviceError,
    BrokenError,
    CannotJudgeError,
    NotOfferedError,
    SlowError,
    kind_of,
)
from calcbench.bench.classroom.conformance.rule import Rule
from calcbench.bench.classroom.conformance.target import Target
from calcbench.bench.classroom.raw_client import OutOfTimeError, SurpriseError, in_words, shown

KEPT, BROKEN, ADVICE = "kept", "broken", "advice"
NOT_JUDGED, NOT_OFFERED = "not judged", "not offered"
RULE_S = 15.0  # for one rule on one server
NO_TIME = "no time left"


@dataclass(frozen=True)
class Verdict:
    """Whether a server keeps a *rule*; *why* it is not judged, or what was *seen* instead.

    *where* is the line of the student's file that raised, *slow* says that something did not come
    in time, *notes* are what else was noticed.
    """

    rule: Rule
    outcome: str
    why: str = ""
    sent: str = ""
    seen: str = ""
    expected: str = ""
    mistake: str = ""
    hint: str = ""
    where: str = ""
    seconds: float = 0.0
    slow: bool = False
    notes: tuple[str, ...] = ()


def judge(rule: Rule, target: Target) -> Verdict:
    """Return whether *target* keeps *rule*."""
    began = time.monotonic()
    target.until = min(began + RULE_S, target.ends)
    verdict = hold(rule, target)
    seconds = time.monotonic() - began
    notes, target.notes = tuple(target.notes), []
    return Verdict(**{**vars(verdict), "seconds": seconds, "notes": notes})


def hold(rule: Rule, target: Target) -> Verdict:
    """Hold *target* against *rule*."""
    try:
        target.demand(rule.needs)
        rule.test(target)
    except OutOfTimeError:
        over = time.monotonic() >= target.ends
        return Verdict(rule, NOT_JUDGED, NO_TIME if over else f"it was not done in {RULE_S:g} s")
    except CannotJudgeError as error:
        return Verdict(rule, NOT_JUDGED, str(error))
    except NotOfferedError as error:
        return Verdict(rule, NOT_OFFERED, str(error))
    except AdviceError as error:
        return replace(broken(rule, error), outcome=ADVICE)
    except BrokenError as error:
        return broken(rule, error)
    except SurpriseError as error:
        sent = shown(error.sent) if error.sent else ""
        return broken(rule, kind_of(error)(str(error), sent=sent))
    except OSError as error:  # of ours: too many files here, for example
        return Verdict(rule, NOT_JUDGED, f"calcbench could not: {in_words(error)}")
    return Verdict(rule, KEPT)


def broken(rule: Rule, error: BrokenError) -> Verdict:
    """Return the verdict that *rule* is broken, as *error* says."""
    return Verdict(
        rule,
        BROKEN,
        sent=error.sent,
        seen=error.seen,
        expected=error.expected or f"it {rule.promise}",
        mistake=error.mistake or rule.mistake,
        hint=error.hint or rule.hint,
        slow=isinstance(error, SlowError),
    )


def insist(verdict: Verdict) -> Verdict:
    """Return *verdict* where its rule is required: whatever does not keep it has broken it."""
    if verdict.outcome == ADVICE:
        return replace(verdict, outcome=BROKEN)
    if verdict.outcome in (NOT_JUDGED, NOT_OFFERED):
        seen, expected = verdict.why, f"it {verdict.rule.promise}"
        why = "it is required, and was not judged"
        return replace(verdict, outcome=BROKEN, mistake=why, seen=seen, expected=expected)
    return verdict
