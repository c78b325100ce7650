"""`calcbench compare A B`: what changed between two results, as far as the rounds can tell.

The two were measured at different times, so no round of one has a partner in the other, and what
else changed on the machine in between is in the difference as well.
"""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from calcbench.bench.analysis.inference import NOTHING_TOLD, Comparison, adjust, compare_apart
from calcbench.bench.analysis.metrics import FIGURES, Metric
from calcbench.bench.analysis.summary import Row, Summary, summarise
from calcbench.bench.analysis.thresholds import (
    CANNOT_TELL,
    WORDS,
    Gate,
    Judged,
    exit_status,
    parse_gate,
    too_few,
)
from calcbench.bench.command import Command
from calcbench.bench.schema.judgements import UNRANKED
from calcbench.bench.schema.result import Run, read_run
from calcbench.bench.units import format_number
from calcbench.bench.views.compare_table import lines, percent, show_interval
from calcbench.bench.views.export import as_json
from calcbench.core.errors import UsageError


@dataclass(frozen=True)
class Pair:
    """The rows of one condition in two results."""

    first: Row
    second: Row

    @property
    def where(self) -> str:
        """Name the condition in one line."""
        at = self.second.condition
        return f"{at.strategy}, {at.workload}, {at.reuse}, {at.connections:,}"

    @property
    def trouble(self) -> str:
        """Say why nothing can be told of the two, or nothing."""
        for label, row in (("A", self.first), ("B", self.second)):
            if row.status != "ok":
                return f"{row.status} in {label}"
            if row.judgement in UNRANKED:
                return f"{row.judgement} in {label}"
        return ""


@dataclass(frozen=True)
class Change:
    """How *metric* changed between the two of *pair*; *told* has the ratio of B to A."""

    pair: Pair
    metric: Metric
    told: Comparison

    @property
    def verdict(self) -> str:
        """Say whether B is better, in words; and where nobody knows, what would have been seen."""
        if self.pair.trouble:
            return self.pair.trouble
        if self.told.clear:
            return "better" if (self.told.ratio > 1) == self.metric.more_is_better else "worse"
        if self.told == NOTHING_TOLD:
            return "cannot tell: too few rounds"
        seen = self.told.detectable - 1
        return f"no clear difference (seen from {seen:.0%})" if seen < 10 else "no clear difference"


@click.command(
    "compare",
    cls=Command,
    examples={
        "calcbench compare results/main results/branch": "what changed, and what is only noise",
        "calcbench compare A B --fail-if 'throughput<-10%'": "99 if it fell by more than that",
        "calcbench compare A B --fail-if 'p99>50ms'": "99 if it takes longer than that in B",
    },
)
@click.argument("first", metavar="A", type=click.Path(path_type=Path, file_okay=False))
@click.argument("second", metavar="B", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--fail-if",
    "conditions",
    metavar="CONDITION",
    multiple=True,
    help="Metric, < or >, limit: with % the change from A to B, else B alone. Metrics:"
    " throughput, p50, p90, p99, max, cpu. Repeats.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def compare_command(first: Path, second: Path, conditions: tuple[str, ...], as_json: bool) -> int:
    """Compare the result in folder B with that in A.

    Prints how each metric changed, its 95% interval and a verdict. With conditions it exits 99
    where one is broken for any strategy, else 98 where the data cannot tell, else 0.
    """
    gates = [parse_gate(text) for text in conditions]
    runs = read_run(first), read_run(second)
    pairs = matched(summarise(runs[0], first), summarise(runs[1], second))
    changes = compare_all(pairs)
    judged = [judge(gate, pair) for gate in gates for pair in pairs]
    if as_json:
        text = json.dumps(whole(runs, changes, judged), indent=1, ensure_ascii=False)
        click.echo(text)
    else:
        click.echo("\n".join(lines(runs, changes, judged)))
    return exit_status(judged)


def matched(first: Summary, second: Summary) -> list[Pair]:
    """Return the conditions that both were measured under, in the order of the second.

    Two results of one strategy each are compared whatever their strategies are called. Raises
    UsageError when nothing is common.
    """
    ours, theirs = (
        [row for row in summary.rows if not row.condition.is_control] for summary in (first, second)
    )
    names = [{row.condition.strategy for row in rows} for rows in (ours, theirs)]
    alone = all(len(found) == 1 for found in names)
    known = {
        dataclasses.replace(row.condition, strategy="" if alone else row.condition.strategy): row
        for row in ours
    }
    pairs = []
    for row in theirs:
        at = dataclasses.replace(row.condition, strategy="" if alone else row.condition.strategy)
        if at in known:
            pairs.append(Pair(known[at], row))
    if not pairs:
        raise UsageError(
            f"{first.run} and {second.run} have nothing in common: no strategy, workload, way of"
            " connecting and number of connections is in both"
        )
    return pairs


def compare_all(pairs: Sequence[Pair]) -> list[Change]:
    """Compare *pairs* by every metric; the comparisons of one metric are one family."""
    changes = []
    for metric in FIGURES:
        family = sum(not pair.trouble for pair in pairs)
        told = [compare_pair(pair, metric, family) for pair in pairs]
        sound = [index for index, pair in enumerate(pairs) if not pair.trouble]
        for index, adjusted in zip(sound, adjust([told[at] for at in sound]), strict=True):
            told[index] = adjusted
        changes += [
            Change(pair, metric, one)
            for pair, one in zip(pairs, told, strict=True)
            # Of somebody else's server nobody knows the CPU time.
            if pair.trouble or metric.spread(pair.first).rounds or metric.spread(pair.second).rounds
        ]
    places = {id(pair): place for place, pair in enumerate(pairs)}
    return sorted(changes, key=lambda change: places[id(change.pair)])


def compare_pair(pair: Pair, metric: Metric, family: int) -> Comparison:
    """Compare the two of *pair* by *metric*; nothing is told where they say nothing."""
    if pair.trouble:
        return NOTHING_TOLD
    return compare_apart(
        metric.spread(pair.second).values, metric.spread(pair.first).values, family
    )


def judge(gate: Gate, pair: Pair) -> Judged:
    """Return what comes of *gate* for *pair*."""
    metric, where = gate.metric, pair.where
    if pair.trouble:
        return Judged(gate, where, CANNOT_TELL, pair.trouble)
    if gate.relative:
        told = compare_pair(pair, metric, 1)
        if told == NOTHING_TOLD:
            rounds = min(metric.spread(row).rounds for row in (pair.first, pair.second))
            return Judged(gate, where, CANNOT_TELL, too_few(rounds))
        seen = f"{percent(told.ratio)}, {show_interval(told)}"
        return Judged(gate, where, gate.judge((told.low, told.high)), seen)
    spread = metric.spread(pair.second)
    if spread.interval is None:
        return Judged(gate, where, CANNOT_TELL, too_few(spread.rounds))
    low, high = (end * metric.scale for end in spread.interval)
    seen = f"{metric.text(pair.second)}, {format_number(low)} to {format_number(high)}{metric.unit}"
    return Judged(gate, where, gate.judge((low, high)), seen)


def whole(
    runs: tuple[Run, Run], changes: Sequence[Change], judged: Sequence[Judged]
) -> dict[str, Any]:
    """Return all that was found, as JSON can carry it; what is unknown is null."""
    return {
        "a": runs[0].name,
        "b": runs[1].name,
        "changes": [
            {
                **dataclasses.asdict(change.pair.second.condition),
                "metric": change.metric.name,
                **as_json(change.told),
                "verdict": change.verdict,
            }
            for change in changes
        ],
        "conditions": [
            {
                "condition": one.gate.text,
                "where": one.where,
                "status": WORDS[one.status],
                "seen": one.seen,
            }
            for one in judged
        ],
        "exit_status": exit_status(judged),
    }
