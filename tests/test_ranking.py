"""Tiers, families and controls on rounds whose response is plain to see."""

import dataclasses
import json
import math

import pytest
from builders import make_condition, make_row, noise_of

from calcbench.bench.analysis.metrics import P50, THROUGHPUT
from calcbench.bench.analysis.ranking import (
    compare,
    contests,
    controls,
    rankable,
    ranked,
    rounds_to_tell,
    tier_numbers,
    tiers,
    turned,
    without_controls,
)
from calcbench.bench.analysis.spread import spread
from calcbench.bench.analysis.summary import Row, Summary
from calcbench.bench.schema.condition import AGAIN, Condition
from calcbench.bench.schema.plan import KEEP_ALIVE
from calcbench.bench.views.export import ranking_as_json

NOISE = (1.00, 0.98, 1.02, 0.99, 1.01, 0.97, 1.03, 1.00, 0.985, 1.015)


def row(strategy: str, rate: float, rounds: int = 10, **more: object) -> Row:
    """Return a row with *rounds* near *rate*."""
    values = [rate * noise for noise in noise_of(strategy, NOISE)[:rounds]]
    figures = {"p50_ns": spread(1e9 / value for value in values)}
    return make_row(make_condition(strategy), values, **(figures | more))


def names(found: list[list[Row]]) -> list[list[str]]:
    return [[row.condition.strategy for row in tier] for tier in found]


def test_has_tiers_by_cpu_of_those_whose_cpu_is_known() -> None:
    cpu = {"a": 20.0, "b": 20.02, "c": 40.0}
    rows = [
        row(name, 1_000, cpu_us_per_request=spread(us * noise for noise in noise_of(name, NOISE)))
        for name, us in cpu.items()
    ]
    rows.append(row("d", 1_000))
    found = ranking_as_json(Summary(1, "name", False, tuple(rows)))

    assert {one["strategy"]: one["tier"] for one in found["cpu_tiers"]} == {"a": 1, "b": 1, "c": 2}
    assert {one["strategy"]: one["tier"] for one in found["tiers"]} == dict.fromkeys("abcd", 1)
    by_cpu = [one for one in found["comparisons"] if one["metric"] == "cpu"]
    assert [(one["strategy"], one["other"]) for one in by_cpu] == [
        ("a", "b"),
        ("a", "c"),
        ("b", "c"),
    ]
    assert by_cpu[1]["ratio"] == pytest.approx(0.5, rel=0.02)


def test_puts_those_who_cannot_be_told_apart_into_one_tier() -> None:
    rows = [row("a", 1_000), row("b", 2_010), row("c", 2_000), row("d", 5_000)]

    assert names(tiers(rows)) == [["d"], ["b", "c"], ["a"]]
    assert names(tiers(rows, P50)) == [["d"], ["b", "c"], ["a"]]
    assert tiers([]) == []


def test_ends_no_tier_between_two_who_cannot_be_told_apart() -> None:
    """Of a chain in which each is like the next, the ends may differ: it is one tier."""
    rows = [row("a", 1_000), row("b", 1_017), row("c", 1_034)]
    comparison = contests(rows)

    assert comparison["c", "a"].ahead
    assert not comparison["c", "b"].clear
    assert not comparison["b", "a"].clear
    assert names(tiers(rows)) == [["c", "b", "a"]]


def test_tells_nothing_apart_by_one_round() -> None:
    rows = [row("a", 1_000, rounds=1), row("b", 9_000, rounds=1)]

    assert names(tiers(rows)) == [["b", "a"]]
    assert tier_numbers(rows) == {}


def test_compares_only_rounds_that_both_have() -> None:
    one = row("a", 1_000, rounds=3, counted=(1, 2, 4))
    other = row("b", 500, rounds=3, counted=(2, 3, 4))

    assert compare(one, other, THROUGHPUT).rounds == 2


def test_looks_at_a_pair_from_both_sides() -> None:
    comparison = contests([row("a", 1_000), row("b", 2_000)])

    assert comparison["a", "b"].behind
    assert comparison["b", "a"].ahead
    assert comparison["b", "a"].ratio == pytest.approx(1 / comparison["a", "b"].ratio)
    assert comparison["b", "a"].low == pytest.approx(1 / comparison["a", "b"].high)
    assert turned(turned(comparison["a", "b"])).ratio == pytest.approx(comparison["a", "b"].ratio)


def test_asks_more_of_a_larger_family() -> None:
    few = contests([row("a", 1_000), row("b", 1_020)])
    many = contests([row("a", 1_000), row("b", 1_020), *(row(c, 9_000) for c in "cdefgh")])

    assert many["a", "b"].adjusted > few["a", "b"].adjusted
    assert rounds_to_tell([row("a", 1)] * 2) == 6
    assert rounds_to_tell([row("a", 1)] * 5) == 9


def test_ranks_no_control_and_those_who_starve_clients_behind_all_others() -> None:
    good, starving = row("a", 1_000), row("b", 9_000, clients_served=1)
    rows = [
        good,
        starving,
        row("c", 9_000, judgement="silent"),
        row("a" + AGAIN, 1_000),
        Row(Condition("d", "add", KEEP_ALIVE, 8), "failed"),
    ]

    assert ranked(rows) == [good]
    assert ranked([starving]) == [starving]
    assert tier_numbers(rows) == {good.condition: 1, starving.condition: 2}


def test_compares_a_control_with_what_it_is() -> None:
    rows = (row("a", 1_000), row("b", 2_000), row("a" + AGAIN, 1_001))
    [control] = controls(rows)

    assert control.condition == rows[0].condition
    assert not control.comparison.clear
    assert control.comparison.ratio == pytest.approx(1, abs=0.02)
    assert without_controls(Summary(2, "name", False, rows)).rows == rows[:2]
    assert controls(rows[:2]) == []


def test_writes_all_of_it_for_programs() -> None:
    rows = (row("a", 1_000), row("b", 2_000), row("a" + AGAIN, 1_001), row("c", 1, rounds=1))
    found = ranking_as_json(Summary(2, "name", False, rows))

    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert [tier["tier"] for tier in found["tiers"]] == [1, 2]
    [first, *_] = found["comparisons"]
    assert (first["strategy"], first["other"], first["clear"]) == ("a", "b", True)
    assert math.isclose(first["ratio"], 0.5, rel_tol=0.05)
    assert first["test"] == "exact signed-rank"
    assert [control["strategy"] for control in found["controls"]] == ["a"]


def test_tells_comparisons_apart_by_every_axis() -> None:
    """The keys that were there before the other axes stay where they were."""
    rows = [
        dataclasses.replace(one, condition=dataclasses.replace(one.condition, interpreter=python))
        for python in ("", "pypy")
        for one in (row("a", 1_000), row("b", 2_000))
    ]
    found = ranking_as_json(Summary(3, "name", False, tuple(rows)))["comparisons"]
    names = ["metric", "workload", "reuse", "connections", "strategy", "other", "ratio"]

    assert [one["interpreter"] for one in found] == ["", "pypy"]
    assert [(one["strategy"], one["other"]) for one in found] == [("a", "b")] * 2
    assert list(found[0])[:7] == names
    assert list(found[0])[-4:] == ["clear", "interpreter", "application", "target"]


def test_ranks_by_p99_where_the_rate_was_offered() -> None:
    rows = [
        row(name, 2_000, offered_per_s=2_000.0, p99_ns=spread(p99 * noise for noise in NOISE))
        for name, p99 in (("a", 3e6), ("b", 9e6))
    ]

    assert names(tiers(rows)) == [["a"], ["b"]]
    assert ranking_as_json(Summary(2, "name", False, tuple(rows)))["comparisons"][0]["metric"] == (
        "p99"
    )


def test_ranks_nobody_by_a_single_round_beside_others_with_more() -> None:
    """It can be told apart from nobody, and would join all tiers into one."""
    rows = [row("a", 1_000), row("b", 10, rounds=1), row("c", 500), row("d", 9_000, rounds=1)]

    assert names(tiers(ranked(rows))) == [["a"], ["c"]]
    assert ranked([rows[1], rows[3]]) == [rows[1], rows[3]]


def test_asks_in_each_group_who_has_several_rounds() -> None:
    """Where a workload has one round in all, its strategies are shown as they were in that."""
    other = make_condition("a", workload="wait=10ms")
    once = dataclasses.replace(row("a", 100, rounds=1), condition=other)

    assert rankable([row("a", 1_000), row("b", 500), once]) == [
        row("a", 1_000),
        row("b", 500),
        once,
    ]
