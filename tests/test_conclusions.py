"""The words of a result: no claim beyond what the rounds can tell."""

import dataclasses

from builders import make_condition, make_row, noise_of

from calcbench.bench.analysis.summary import Row, Summary, spread
from calcbench.bench.schema.condition import AGAIN, Condition
from calcbench.bench.schema.plan import CLOSE, KEEP_ALIVE
from calcbench.bench.views.conclusions import verdict

OTHER = Condition("fork", "add", KEEP_ALIVE, 2)
# How far each of nine rounds lies from the middle, as a share of half the width.
PLACES = (-1.0, -0.8, -0.5, -0.2, 0.0, 0.2, 0.5, 0.8, 1.0)

WHY_NOT = (("gevent", "unavailable"), ("fork", "failed"))


def row(
    strategy: str,
    low: float,
    high: float,
    workload: str = "add",
    served: int = 32,
    rounds: int = 9,
    **more: object,
) -> Row:
    """Return a row whose rounds lie between *low* and *high*, the median in the middle."""
    places = noise_of(strategy, PLACES)[:rounds] if rounds > 1 else [0.0]
    rates = ((low + high) / 2 + place * (high - low) / 2 for place in places)
    condition = make_condition(strategy, 32, workload)
    return make_row(condition, rates, **({"clients_served": served} | more))


def judge(*rows: Row, partial: bool = False) -> str:
    return " ".join(verdict(Summary(1, "name", partial, rows)))


def test_names_the_fastest_where_no_round_overlaps() -> None:
    comparison = judge(row("a", 41_000, 43_000), row("b", 19_000, 21_000), row("c", 100, 200))

    assert comparison == "With 32 connections, add: a is fastest (42,000/s, 2.1x [2.1x to 2.2x] b)."


def test_claims_no_lead_where_rounds_overlap() -> None:
    comparison = judge(row("a", 30_000, 50_000), row("b", 29_000, 49_000), row("c", 100, 200))

    assert comparison == (
        "With 32 connections, add: no clear difference between a and b"
        " (about 40,000/s; 9 rounds show differences from 1.29x)."
    )


def test_claims_no_lead_among_those_who_serve_everybody_either() -> None:
    comparison = judge(row("a", 30, 50), row("b", 29, 49), row("c", 100, 200, served=1))

    assert (
        "no clear difference between a and b, which serve every client (about 40.0/s;" in comparison
    )


def test_claims_little_from_one_round() -> None:
    comparison = judge(row("a", 200, 200, rounds=1), row("b", 100, 100, rounds=1))

    assert comparison == "With 32 connections, add: a came first in the only round (200/s, 2.0x b)."


def test_compares_nothing_with_nothing() -> None:
    assert judge(row("a", 200, 220)) == "With 32 connections, add: a answers 210/s."
    assert judge() == "Nothing was measured."


def test_says_where_the_ranking_flips() -> None:
    comparison = judge(
        row("a", 40_000, 42_000),
        row("b", 10_000, 10_500),
        row("c", 9_000, 9_500),
        row("a", 500, 510, "wait=10ms"),
        row("b", 2_000, 2_100, "wait=10ms"),
        row("c", 1_000, 1_010, "wait=10ms"),
    )

    assert comparison == (
        "With 32 connections, add: a is fastest (41,000/s, 4.0x [4.0x to 4.1x] b);"
        " wait=10ms: b is fastest (2,050/s, 2.0x [2.0x to 2.1x] c)."
        " The ranking flips: under add a is 4.0x as fast as b,"
        " under wait=10ms b is 4.1x as fast as a."
    )


def test_claims_no_flip_where_one_side_of_it_overlaps() -> None:
    comparison = judge(
        row("a", 40_000, 42_000),
        row("b", 10_000, 10_500),
        row("a", 500, 5_000, "wait=10ms"),
        row("b", 2_000, 2_100, "wait=10ms"),
    )

    assert "flips" not in comparison


def test_names_those_who_leave_clients_unserved_and_ranks_them_apart() -> None:
    comparison = judge(
        row("a", 40_000, 42_000, served=1),
        row("b", 10_000, 10_500),
        row("c", 1_000, 1_050),
        row("d", 1_000, 1_050, served=8),
    )

    assert comparison == (
        "With 32 connections, add: b is fastest of those that serve every client"
        " (10,200/s, 9.9x [9.9x to 10x] c)."
        " Of 32 clients a served 1 and d served 8; the others never got a response."
    )


def test_names_the_only_one_who_serves_everybody() -> None:
    comparison = judge(row("a", 40_000, 42_000, served=1), row("b", 10_000, 10_500))

    assert "add: b alone serves every client (10,200/s)." in comparison


def test_names_those_who_failed_and_races_that_were_stopped() -> None:
    failed = Row(OTHER, "failed", "the server died", failed_rounds=3)
    once = dataclasses.replace(row("a", 200, 220), failed_rounds=1, reason="it complained")
    comparison = judge(once, row("b", 100, 110), failed, partial=True)

    assert comparison.startswith(
        "This is only a part of the race. With 32 connections, add: a is fastest"
    )
    assert comparison.endswith(" Not every round counts, for a. No round counts, for fork.")


def test_speaks_of_each_way_to_connect_apart() -> None:
    rows = [row("a", 40_000, 42_000), row("b", 10_000, 10_500)]
    closing = [
        dataclasses.replace(row_, condition=dataclasses.replace(row_.condition, reuse=CLOSE))
        for row_ in rows
    ]
    comparison = judge(*rows, *closing)

    assert "With 32 connections (keep-alive), add: a is fastest" in comparison
    assert "With 32 connections (close), add: a is fastest" in comparison


def test_says_that_a_few_rounds_tell_little() -> None:
    comparison = judge(row("a", 30_000, 40_000, rounds=3), row("b", 29_000, 39_000, rounds=3))

    assert "no clear difference between a and b" in comparison
    assert "; 3 rounds show differences from " in comparison
    assert "; 6 rounds tell more)" in comparison


def test_gives_no_absurd_figure_where_rounds_tell_next_to_nothing() -> None:
    comparison = judge(row("a", 10, 50_000, rounds=2), row("b", 20, 60_000, rounds=2))

    assert "; 2 rounds as noisy as these show hardly any difference; " in comparison


def test_prints_what_the_control_found() -> None:
    first, again = row("a", 40_000, 42_000), row("a" + AGAIN, 40_100, 42_100)
    comparison = judge(first, row("b", 10_000, 10_500), again)

    assert "A/A control, a against itself: add 1.00x [" in comparison
    assert comparison.endswith("]: no clear difference, as it should be.")
    assert "a (again)" not in comparison
    assert "a is fastest" in comparison


def test_warns_when_a_strategy_differs_from_itself() -> None:
    comparison = judge(row("a", 40_000, 42_000), row("a" + AGAIN, 50_000, 52_000))

    assert comparison.endswith(" It differs from itself, so trust no difference of that size here.")


def test_ranks_nobody_whose_driver_was_the_limit() -> None:
    comparison = judge(
        row("a", 90_000, 91_000, judgement="driver-bound"),
        row("b", 40_000, 42_000),
        row("c", 20_000, 21_000),
    )

    assert "b is fastest" in comparison
    assert comparison.endswith("Not ranked: a under add (driver-bound).")


def test_speaks_of_p99_where_the_rate_was_offered() -> None:
    rows = [
        row(name, 2_000, 2_010, offered_per_s=2_000.0, p99_ns=spread(p99 + n for n in PLACES))
        for name, p99 in (("a", 3e6), ("b", 9e6))
    ]

    assert judge(*rows) == (
        "With 32 connections, add: a is fastest (p99 3.00 ms, 0.33x [0.33x to 0.33x] b)."
    )


def test_says_where_a_control_can_tell_nothing() -> None:
    comparison = judge(row("a", 200, 200, rounds=1), row("a" + AGAIN, 200, 200, rounds=1))

    assert comparison.endswith(
        "A/A control, a against itself: add cannot tell, too few rounds count."
    )


def test_says_where_rounds_are_too_unlike_to_show_anything() -> None:
    comparison = judge(row("a", 10, 90_000, rounds=3), row("b", 9, 80_000, rounds=3))

    assert (
        "; 3 rounds as noisy as these show hardly any difference; 6 rounds tell more)" in comparison
    )


def test_names_those_who_have_one_round_only() -> None:
    comparison = judge(
        row("a", 200, 220), row("b", 100, 110), row("c", 900, 900, rounds=1, failed_rounds=8)
    )

    assert "a is fastest (210/s, 2.0x [1.97x to 2.1x] b)." in comparison
    assert "Not ranked: c under add (only one round counts)." in comparison


def test_tells_a_strategy_that_cannot_run_from_one_that_failed() -> None:
    rows = [Row(make_condition(name), status, "why", failed_rounds=3) for name, status in WHY_NOT]

    assert verdict(Summary(1, "name", False, tuple(rows))) == [
        "No round counts, for fork.",
        "Not measured, for it cannot run here: gevent.",
    ]
