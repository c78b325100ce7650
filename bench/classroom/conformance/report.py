"""What a check says: for people, for programs, and for a course's CI (JUnit)."""

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any
from xml.etree import ElementTree

from calcbench.bench.classroom.conformance.verdict import (
    ADVICE,
    BROKEN,
    KEPT,
    NOT_JUDGED,
    NOT_OFFERED,
    Verdict,
)
from calcbench.bench.units import format_count

SCHEMA = 1
INDENT = " " * 10
WIDTH, MARK = 79, 8


def lines_of(verdict: Verdict) -> Iterator[str]:
    """Yield what is to be printed of *verdict* beside its mark."""
    rule = verdict.rule
    if verdict.outcome not in (ADVICE, BROKEN):
        yield from headline(f"{rule.name}: {rule.promise}")
    else:
        yield from headline(f"{rule.name}: {verdict.mistake}")
        told = {
            "rule": f"it {rule.promise}",
            "sent": verdict.sent,
            "seen": verdict.seen,
            "expected": verdict.expected if verdict.expected != f"it {rule.promise}" else "",
            "where": verdict.where,
            "hint": verdict.hint,
        }
        for name, text in told.items():
            if text:
                yield from wrapped(f"{name:<10}{text}", " " * 10)
    for note in verdict.notes:
        yield from wrapped(note)


def headline(text: str) -> list[str]:
    """Return *text* in lines that fit behind a mark, and below it."""
    return textwrap.wrap(text, WIDTH - MARK, subsequent_indent=INDENT, break_on_hyphens=False)


def wrapped(text: str, indent: str = "") -> list[str]:
    """Return *text* in lines that fit a terminal, the later ones with an *indent* more."""
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=INDENT,
        subsequent_indent=INDENT + indent,
        break_on_hyphens=False,
        drop_whitespace=True,
    )


def unjudged_lines(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """Yield which rules were not judged, or are not for this server, with the reason of each."""
    reasons: dict[str, list[str]] = {}
    for verdict in verdicts:
        if verdict.outcome in (NOT_JUDGED, NOT_OFFERED):
            reasons.setdefault(verdict.why, []).append(verdict.rule.name)
    for why, names in reasons.items():
        yield from textwrap.wrap(
            f"not judged: {', '.join(names)}: {why}",
            WIDTH,
            subsequent_indent=INDENT,
            break_on_hyphens=False,
        )


def summary_of(name: str, verdicts: Sequence[Verdict], seconds: float) -> str:
    """Return the last line: how many rules *name* keeps, and which it breaks."""
    bad = [verdict.rule.name for verdict in verdicts if verdict.outcome == BROKEN]
    count = Counter(verdict.outcome for verdict in verdicts)
    unjudged = count[NOT_JUDGED] + count[NOT_OFFERED]
    parts = [f"{format_count(count[KEPT], 'rule')} kept"]
    if bad:
        parts.append(f"{len(bad)} broken: {', '.join(bad)}")
    if count[ADVICE]:
        parts.append(f"{count[ADVICE]} for advice")
    if unjudged:
        parts.append(f"{unjudged} not judged")
    return f"{name}: {'; '.join(parts)} (in {seconds:.1f} s)"


def record_of(name: str, verdicts: Sequence[Verdict], seconds: float) -> dict[str, Any]:
    """Return all verdicts as a record for JSON."""
    return {
        "schema": SCHEMA,
        "checked": name,
        "passed": not any(verdict.outcome == BROKEN for verdict in verdicts),
        "seconds": round(seconds, 3),
        "rules": [
            {
                "rule": verdict.rule.name,
                "promise": verdict.rule.promise,
                "outcome": verdict.outcome,
                "why": verdict.why,
                "mistake": verdict.mistake,
                "sent": verdict.sent,
                "seen": verdict.seen,
                "expected": verdict.expected,
                "where": verdict.where,
                "hint": verdict.hint if verdict.outcome == BROKEN else "",
                "notes": list(verdict.notes),
                "seconds": round(verdict.seconds, 3),
            }
            for verdict in verdicts
        ],
    }


def as_junit(name: str, verdicts: Sequence[Verdict], seconds: float) -> str:
    """Return all verdicts as JUnit's XML, which every CI reads: one test case for each rule."""
    bad = sum(verdict.outcome == BROKEN for verdict in verdicts)
    skipped = sum(verdict.outcome in (NOT_JUDGED, NOT_OFFERED) for verdict in verdicts)
    totals = {"tests": str(len(verdicts)), "failures": str(bad), "skipped": str(skipped)}
    totals |= {"errors": "0", "time": f"{seconds:.3f}"}
    suites = ElementTree.Element("testsuites", totals)
    suite = ElementTree.SubElement(
        suites, "testsuite", {"name": f"calcbench check {name}", **totals}
    )
    for verdict in verdicts:
        rule = verdict.rule
        case = ElementTree.SubElement(
            suite,
            "testcase",
            {"classname": name, "name": rule.name, "time": f"{verdict.seconds:.3f}"},
        )
        if verdict.outcome == BROKEN:
            failure = ElementTree.SubElement(case, "failure", {"message": verdict.mistake})
            failure.text = "\n".join(lines_of(verdict))
        elif verdict.outcome in (NOT_JUDGED, NOT_OFFERED):
            ElementTree.SubElement(case, "skipped", {"message": verdict.why})
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"
