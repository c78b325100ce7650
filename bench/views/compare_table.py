"""Show what changed between two results, as plain aligned text."""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from calcbench.bench.analysis.compare import Change
from calcbench.bench.analysis.metrics import Metric
from calcbench.bench.analysis.summary import Row
from calcbench.bench.analysis.thresholds import Judged
from calcbench.bench.schema.condition import group_by
from calcbench.bench.schema.judgements import DRIVER_BOUND
from calcbench.bench.schema.plan import Plan
from calcbench.bench.schema.result import Run
from calcbench.bench.units import format_rate, format_seconds
from calcbench.bench.views.export import as_json
from calcbench.bench.views.gate import changes_of, judged_as_json, judged_lines
from calcbench.bench.views.text_table import aligned, places_of
from calcbench.bench.views.wording import describe_failures, mark, marks, users_in_words

HEADINGS = ("clients", "strategy", "metric", "A", "B", "typical change", "95% interval", "verdict")
WORDS_AT_LEFT = ("strategy", "metric", "verdict")
LEGEND = (
    "A, B: medians of the rounds; typical change: from a round of A to one of B, estimated from all"
    " of them (Hodges and Lehmann), so not quite B/A; would show:"
    " as many rounds would find a change of that size; a verdict holds for all lines of its metric"
    " together (Holm), an interval for its own line"
)


def compare_lines(
    runs: tuple[Run, Run],
    changes: Sequence[Change],
    judged: Sequence[Judged],
    only_in_a: Sequence[str] = (),
    only_in_b: Sequence[str] = (),
) -> Iterator[str]:
    """Yield the lines that show *changes*, what was *judged* of them, and what is in one alone.

    What is lost, the first of them says.
    """
    yield from first_line(losses(*runs), only_in_a)
    for label, run in zip("AB", runs, strict=True):
        yield f"{label}: {run.name}, {run.started}"
    yield from surroundings(*runs)
    yield from other_servers(changes)
    for label, lacking in (("B", only_in_a), ("A", only_in_b)):
        if lacking:
            yield f"Not in {label}: {'; '.join(lacking)}"
    groups = group_by(
        changes, lambda change: change.pair.second.condition, "strategy", "connections"
    )
    for at, members in groups.items():
        yield ""
        yield f"{at.workload}, {at.reuse}"
        table = [HEADINGS, *map(cells_of_change, members)]
        yield from aligned(table, places_of(HEADINGS, *WORDS_AT_LEFT))
    yield ""
    yield LEGEND
    shown = [row for change in changes for row in (change.pair.first, change.pair.second)]
    yield from marks({row.judgement for row in shown} - {DRIVER_BOUND})
    yield from failed_lines(changes)
    if judged:
        yield ""
    yield from judged_lines(judged)


def failed_lines(changes: Iterable[Change]) -> list[str]:
    """Say of the pairs in *changes* which part of their requests failed, where some did."""
    pairs = {change.pair.where: change.pair for change in changes}
    return [
        f"failed: {where}: A {describe_failures(pair.first)}, B {describe_failures(pair.second)}"
        for where, pair in pairs.items()
        if pair.first.all_outcomes.failed or pair.second.all_outcomes.failed
    ]


def losses(first: Run, second: Run) -> list[str]:
    """Say what two runs lack to be compared as a whole: rounds, or the same question."""
    parts = [
        f"{label} is only a part of its race"
        for label, run in zip("AB", (first, second), strict=True)
        if run.partial
    ]
    return parts + other_settings(first, second)


def other_settings(first: Run, second: Run) -> list[str]:
    """Say what was not asked alike of two runs, so that nobody knows what changed a figure.

    What is not the same of the machine and its programs is not among it, for that may be what is
    compared.
    """
    plans = first.plan, second.plan
    return different(
        ("length of a measurement", [format_seconds(plan.duration_s) for plan in plans]),
        ("time-out", [format_seconds(plan.timeout_s) for plan in plans]),
        ("load", [describe_load(plan) for plan in plans]),
        ("limits and deadlines", [listed(plan.policy) for plan in plans]),
    )


def first_line(lost: Sequence[str], only_in_a: Sequence[str]) -> list[str]:
    """Return what a reader must know before all else: what the comparison does not hold."""
    missing = len(only_in_a)
    verb = "is" if missing == 1 else "are"
    told = [*lost, *([f"{missing:,} of the conditions of A {verb} not in B"] if missing else [])]
    return [f"Not a whole comparison: {'; '.join(told)}"] if told else []


def surroundings(first: Run, second: Run) -> Iterator[str]:
    """Yield a warning for each thing around the servers that is not the same in both runs."""
    if first == second:
        yield "A and B are the same result: the intervals show what chance alone can do"
    runs = first, second
    for difference in different(
        ("processor", [run.machine.get("cpu") for run in runs]),
        ("number of cores", [run.machine.get("cores") for run in runs]),
        ("kernel", [run.machine.get("kernel") for run in runs]),
        ("Python", [run.versions.get("python") for run in runs]),
        ("calcbench", [run.versions.get("calcbench") for run in runs]),
    ):
        yield f"N{difference[1:]}"


def other_servers(changes: Iterable[Change]) -> list[str]:
    """Say which two servers *changes* are between, where it is not one and the same.

    Two results of one server each are compared whatever those are called.
    """
    pairs = {id(change.pair): change.pair for change in changes}.values()
    names = {(pair.first.condition.strategy, pair.second.condition.strategy) for pair in pairs}
    return [f"A is {first}, B is {second}" for first, second in sorted(names) if first != second]


def different(*pairs: tuple[str, Sequence[object]]) -> list[str]:
    """Say which of *pairs*, a name and two values, are not the same."""
    return [
        f"not the same {what}: {one} and {other}" for what, (one, other) in pairs if one != other
    ]


def describe_load(plan: Plan) -> str:
    """Say what a *plan* offers beside its connections: two loads are two questions."""
    loop = "a closed loop"
    if plan.rate:
        turns = ", as few connections as possible" if plan.reuse_first else ""
        loop = f"{format_rate(plan.rate)}, {plan.arrivals}{turns}"
    elif plan.think_s:
        loop = users_in_words(plan)
    return " with ".join([loop, *([listed(plan.behaviours)] if plan.behaviours else [])])


def listed(texts: Sequence[str]) -> str:
    """Return *texts* in one, or that all is at its default."""
    return ", ".join(sorted(texts)) or "the defaults"


def cells_of_change(change: Change) -> list[str]:
    """Return the cells of *change*."""
    first, second, comparison = change.pair.first, change.pair.second, change.comparison
    known = comparison.known
    return [
        f"{second.condition.connections:,}",
        second.condition.strategy,
        change.metric.name,
        *(show_figure(row, change.metric) for row in (first, second)),
        *(changes_of(comparison.ratio, comparison.low, comparison.high) if known else ("", "")),
        change.verdict,
    ]


def show_figure(row: Row, metric: Metric) -> str:
    """Return the median of *metric* of *row* with its mark, or nothing without any.

    That the driver was the limit is a mark of rates, and their text says so.
    """
    if not metric.known(row):
        return ""
    return ("" if row.judgement == DRIVER_BOUND else mark(row)) + metric.text(row)


def comparison_as_json(
    runs: tuple[Run, Run],
    changes: Sequence[Change],
    judged: Sequence[Judged],
    only_in_a: Sequence[str] = (),
    only_in_b: Sequence[str] = (),
) -> dict[str, Any]:
    """Return all that was found, as JSON can carry it; what is unknown is null."""
    return {
        "a": runs[0].name,
        "b": runs[1].name,
        "partial": [run.partial for run in runs],
        "lost": losses(*runs),
        "only_in_a": list(only_in_a),
        "only_in_b": list(only_in_b),
        "changes": [
            {
                **dataclasses.asdict(change.pair.second.condition),
                "metric": change.metric.name,
                **as_json(change.comparison),
                "verdict": change.verdict,
            }
            for change in changes
        ],
        **judged_as_json(judged),
    }
