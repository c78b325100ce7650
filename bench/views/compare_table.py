"""Show what changed between two results, as plain aligned text."""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from calcbench.bench.analysis.compare import Change
from calcbench.bench.analysis.metrics import Metric, unserved
from calcbench.bench.analysis.summary import Row
from calcbench.bench.analysis.thresholds import Judged
from calcbench.bench.schema.condition import group_by
from calcbench.bench.schema.judgements import DRIVER_BOUND
from calcbench.bench.schema.result import Run
from calcbench.bench.units import format_count
from calcbench.bench.views.differences import other_servers, surroundings
from calcbench.bench.views.export import as_json
from calcbench.bench.views.gate import changes_of, judged_as_json, judged_lines
from calcbench.bench.views.text_table import aligned, places_of
from calcbench.bench.views.wording import describe_failures, mark, marks

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
    lost: Sequence[str] = (),
    only_in_a: Sequence[str] = (),
    only_in_b: Sequence[str] = (),
) -> Iterator[str]:
    """Yield the lines that show *changes*, what was *judged* of them, and what is in one alone.

    What is *lost*, the first of them says.
    """
    yield from first_line(lost, only_in_a)
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
    yield from unserved_lines(changes)
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


def unserved_lines(changes: Iterable[Change]) -> list[str]:
    """Say of the pairs in *changes* how many clients were not served, where some were not."""
    pairs = {change.pair.where: change.pair for change in changes}
    told = []
    for where, pair in pairs.items():
        left = [unserved(row) for row in (pair.first, pair.second)]
        if any(left):
            one, other = ("unknown" if count is None else f"{count:,}" for count in left)
            clients = format_count(pair.second.condition.connections, "client")
            told.append(f"not served of {clients}: {where}: A {one}, B {other}")
    return told


def first_line(lost: Sequence[str], only_in_a: Sequence[str]) -> list[str]:
    """Return what a reader must know before all else: what the comparison does not hold."""
    missing = len(only_in_a)
    verb = "is" if missing == 1 else "are"
    told = [*lost, *([f"{missing:,} of the conditions of A {verb} not in B"] if missing else [])]
    return [f"Not a whole comparison: {'; '.join(told)}"] if told else []


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
    lost: Sequence[str] = (),
    only_in_a: Sequence[str] = (),
    only_in_b: Sequence[str] = (),
) -> dict[str, Any]:
    """Return all that was found, as JSON can carry it; what is unknown is null."""
    return {
        "a": runs[0].name,
        "b": runs[1].name,
        "partial": [run.partial for run in runs],
        "lost": list(lost),
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
