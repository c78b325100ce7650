"""The words of a result: no claim beyond what the rounds can tell."""

import dataclasses
import math
import re
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from builders import make_condition, make_row, noise_of

from calcbench.bench.analysis.inference import Comparison
from calcbench.bench.analysis.metrics import P99, THROUGHPUT
from calcbench.bench.analysis.ranking import tier_numbers
from calcbench.bench.analysis.spread import spread
from calcbench.bench.analysis.summary import Row, Summary
from calcbench.bench.schema.condition import AGAIN, Condition
from calcbench.bench.schema.outcomes import Outcomes
from calcbench.bench.schema.plan import CLOSE, KEEP_ALIVE
from calcbench.bench.units import round_to_three
from calcbench.bench.views.captions import headline, notes
from calcbench.bench.views.conclusions import verdict
from calcbench.bench.views.standing import sure_ratio, why_hidden

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

    assert (
        comparison
        == "With 32 connections, add: a is fastest (42,000/s, 2.09x as many as b [2.06x to 2.17x])."
    )


def test_claims_no_lead_where_rounds_overlap() -> None:
    comparison = judge(row("a", 30_000, 50_000), row("b", 29_000, 49_000), row("c", 100, 200))

    assert comparison == (
        "With 32 connections, add: no clear difference between a and b"
        " (about 40,000/s; 9 rounds would show a difference of 1.29x or more)."
    )


def test_claims_no_lead_among_those_who_serve_everybody_either() -> None:
    comparison = judge(row("a", 30, 50), row("b", 29, 49), row("c", 100, 200, served=1))

    assert (
        "no clear difference between a and b, which serve every client (about 40.0/s;" in comparison
    )


def test_speaks_of_users_where_they_think() -> None:
    p99 = spread([9e6, 10e6, 11e6])
    users = row("a", 200, 220, think_s=1.0, p99_ns=p99)

    assert judge(users).startswith("With 32 users, add: a: p99")


def test_claims_little_from_one_round() -> None:
    comparison = judge(row("a", 200, 200, rounds=1), row("b", 100, 100, rounds=1))

    assert (
        comparison
        == "With 32 connections, add: a came first in the only round (200/s, 2.0x as many as b)."
    )


def in_rounds(strategy: str, rates: dict[int, float]) -> Row:
    """Return the row of *strategy* that had these *rates*, by the number of the round."""
    counted = tuple(rates)
    return make_row(make_condition(strategy, 32), rates.values(), counted=counted)


@pytest.mark.parametrize(
    ("rows", "sentence", "caption"),
    [
        (  # two rounds each, and none of them the same
            [in_rounds("a", {1: 5_000, 2: 5_010}), in_rounds("b", {3: 146, 4: 147})],
            "cannot tell which of a and b is faster: no round in common (146/s to 5,000/s).",
            (
                "cannot tell which of a and b is best: 146/s to 5,000/s at 32 connections"
                " (no round in common)"
            ),
        ),
        (
            [in_rounds("a", {1: 5_000, 2: 5_010}), in_rounds("b", {2: 146, 3: 147})],
            "cannot tell which of a and b is faster: only 1 round in common (146/s to 5,000/s).",
            (
                "cannot tell which of a and b is best: 146/s to 5,000/s at 32 connections"
                " (only 1 round in common)"
            ),
        ),
        (  # one round each is not the same round
            [in_rounds("a", {1: 5_000}), in_rounds("b", {2: 146})],
            "cannot tell which of a and b is faster: no round in common (146/s to 5,000/s).",
            (
                "cannot tell which of a and b is best: 146/s to 5,000/s at 32 connections"
                " (no round in common)"
            ),
        ),
        (  # one that can be compared with nobody keeps all others in its tier
            [
                in_rounds("a", dict.fromkeys(range(1, 10), 30_000)),
                in_rounds("b", {n: 20_000 + n for n in range(1, 10)}),
                in_rounds("c", {10: 6_110, 11: 6_120}),
            ],
            "cannot tell which of a and c is faster: no round in common (6,110/s to 30,000/s).",
            (
                "cannot tell which of a and c is best: 6,110/s to 30,000/s at 32 connections"
                " (no round in common)"
            ),
        ),
        (  # so few rounds, and so uneven, that not even this is sure
            [
                in_rounds("a", {1: 25_900, 2: 25_000, 3: 26_000}),
                in_rounds("b", {1: 3_430, 2: 9_000, 3: 3_000}),
                in_rounds("c", {1: 3_050, 2: 15_000, 3: 2_000}),
            ],
            "cannot tell which of a, b and c is fastest (3,050/s to 25,900/s; 3 rounds",
            "cannot tell which of 3 strategies is best: 3,050/s to 25,900/s at 32 connections",
        ),
    ],
)
def test_says_so_where_rounds_are_too_few_or_figures_too_far_apart(
    rows: list[Row], sentence: str, caption: str
) -> None:
    assert sentence in judge(*rows)
    assert headline(THROUGHPUT, rows) == caption


def random_rows(random: Random) -> list[Row]:
    """Return a few rows, some near each other and some not, of a few rounds each."""
    rows = []
    for strategy in "abcde"[: random.randint(2, 5)]:
        middle = random.choice((100, 105, 1_000, 50_000)) * random.uniform(0.9, 1.1)
        numbers = random.sample(range(1, 8), random.randint(2, 7))
        noise = random.choice((0.01, 0.1, 1.0))
        rates = {number: middle * random.lognormvariate(0, noise) for number in numbers}
        rows.append(in_rounds(strategy, rates))
    return rows


def test_gives_one_figure_only_where_it_is_within_everybodys_interval() -> None:
    said = 0
    for seed in range(60):
        rows = random_rows(Random(seed))
        known = {one.condition.strategy: THROUGHPUT.of(one) for one in rows}
        for text in (judge(*rows), headline(THROUGHPUT, rows)):
            found = re.findall(r"(?:between|which of) ([^(]*?)\(?about ([\d.,]+)/s", text)
            assert len(found) == text.count("about")
            for names, figure in found:
                said += 1
                value = float(figure.replace(",", ""))
                for name in re.findall(r"\b[a-e]\b", names):
                    low, _, high = known[name]
                    assert round_to_three(low) <= value <= round_to_three(high), text

    assert said > 10


def test_gives_no_one_figure_of_two_rounds_that_are_far_apart() -> None:
    rows = [
        in_rounds("a", {1: 6_640, 2: 6_700}),
        in_rounds("b", {1: 3_330, 2: 6_690}),
    ]

    assert "(3,330/s to 6,640/s)" in judge(*rows)
    assert "3,330/s to 6,640/s at 32 connections" in headline(THROUGHPUT, rows)


def test_gives_both_figures_where_they_are_near_each_other_and_not_the_same() -> None:
    rows = [
        in_rounds("a", {1: 3_000, 2: 3_001, 3: 3_002}),
        in_rounds("b", {1: 2_930, 2: 2_990, 3: 2_931}),
    ]

    assert "no clear difference between a and b (2,930/s to 3,000/s; 3 rounds" in judge(*rows)
    assert headline(THROUGHPUT, rows) == (
        "no clear difference between a and b: 2,930/s to 3,000/s at 32 connections"
    )


@pytest.mark.parametrize(
    ("ratio", "low", "high", "text"),
    [
        (1.1, 0.5, 2.5, "1.10x [0.50x to 2.50x]"),
        (1.1, 0.5, math.inf, "1.10x [0.50x or more]"),
        (1.1, 0, 2.5, "1.10x [2.50x or less]"),
        (1.1, 0, math.inf, "1.10x [any ratio is possible]"),
        (2.12, 2.10, 2.15, "2.12x [2.10x to 2.15x]"),
    ],
)
def test_says_a_ratio_and_its_interval(ratio: float, low: float, high: float, text: str) -> None:
    assert sure_ratio(Comparison(ratio, low, high)) == text


@pytest.mark.parametrize("faster", [1.001, 1.004, 1.04, 1.3])
def test_calls_nobody_fastest_by_a_ratio_that_looks_like_none(faster: float) -> None:
    """Once: a is fastest (104/s, 1.0x as many as b [1.02x to 1.06x])."""
    steady = [100 * (1 + place / 1e5) for place in PLACES]
    first = make_row(make_condition("a", 32), [rate * faster for rate in noise_of("a", steady)])
    comparison = judge(first, make_row(make_condition("b", 32), noise_of("b", steady)))

    found = re.search(r"([\d.]+)x as many as b \[([\d.]+)x to ([\d.]+)x\]", comparison)
    assert found
    ratio, low, high = found.groups()
    assert 1 < float(low) < float(ratio) < float(high)
    assert len(ratio) == len(low) == len(high)


def test_claims_no_lead_that_its_interval_denies() -> None:
    claims = 0
    for seed in range(150):
        text = judge(*random_rows(Random(seed)))
        for ratio, interval in re.findall(r"fastest \([^()]*?, ([\d.]+)x[^\[]*\[([^\]]*)\]", text):
            claims += 1
            ends = [float(end) for end in re.findall(r"([\d.]+)x", interval)]
            assert float(ratio) > 1, text
            assert ends[0] > 1, text

    assert claims > 20


def test_gives_equals_of_the_only_round_no_order() -> None:
    comparison = judge(row("a", 200, 200, rounds=1), row("b", 200, 200, rounds=1))

    assert (
        comparison == "With 32 connections, add: a and b came out alike in the only round (200/s)."
    )


def test_does_not_say_of_clients_that_got_errors_that_they_got_no_response() -> None:
    wrong = row("a", 100, 110, served=8, outcomes=Outcomes(ok=9, http_error=90))

    assert " Of 32 clients a served 8; the others got no right response. Failed: " in judge(wrong)


def test_compares_nothing_with_nothing() -> None:
    assert judge(row("a", 200, 220)) == "With 32 connections, add: a answers 210/s."
    assert judge() == "Nothing was measured."
    assert judge(partial=True) == "Nothing was measured."


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
        "With 32 connections, add: a is fastest (41,000/s, 3.98x as many as b [3.97x to 4.08x]);"
        " wait=10ms: b is fastest (2,050/s, 2.04x as many as c [2.01x to 2.07x])."
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
        " (10,200/s, 9.94x as many as c [9.93x to 10.21x])."
        " Of 32 clients a served 1 and d served 8; the others got no response."
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
    assert comparison.endswith(" Some rounds of a do not count. No round of fork counts.")


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
    assert "; 3 rounds would show a difference of " in comparison
    assert "; 6 rounds or more would tell more)" in comparison


def test_gives_no_absurd_figure_where_rounds_tell_next_to_nothing() -> None:
    comparison = judge(row("a", 10, 50_000, rounds=4), row("b", 20, 60_000, rounds=4))

    assert "; 4 rounds as noisy as these would show hardly any difference; " in comparison


def test_prints_what_the_control_found() -> None:
    first, again = row("a", 40_000, 42_000), row("a" + AGAIN, 40_100, 42_100)
    comparison = judge(first, row("b", 10_000, 10_500), again)

    assert "A/A control, a against itself: add 1.00x [" in comparison
    assert comparison.endswith("]: no clear difference, as it should be.")
    assert "a (again)" not in comparison
    assert "a is fastest" in comparison


def test_warns_when_a_strategy_differs_from_itself() -> None:
    comparison = judge(row("a", 40_000, 42_000), row("a" + AGAIN, 50_000, 52_000))

    assert comparison.endswith(
        " It differs from itself, so do not trust any difference of that size here."
    )


def test_ranks_nobody_whose_figure_is_not_the_servers_speed() -> None:
    comparison = judge(
        row("a", 90_000, 91_000, judgement="silent"),
        row("b", 40_000, 42_000),
        row("c", 20_000, 21_000),
    )

    assert "b is fastest" in comparison
    assert comparison.endswith("Not ranked: a under add (silent).")


def test_makes_nothing_of_a_control_whose_window_was_interrupted() -> None:
    """Once 44.8/s stood as the answer of a strategy, beside its control of 20,400/s."""
    stopped = [row("a", 40, 50, judgement="silent"), row("a" + AGAIN, 20_000, 20_800)]

    for one, other in (stopped, stopped[::-1]):
        text = judge(one, other)
        assert "A/A control" not in text
        assert "answers" not in text
        assert "Not ranked: a under add (silent)." in text
        assert "no point can be ranked" in headline(THROUGHPUT, [one, other])


def test_speaks_of_p99_where_the_rate_was_offered() -> None:
    rows = [
        row(
            name,
            2_000,
            2_010,
            offered_per_s=2_000.0,
            p99_ns=spread(p99 + 1e4 * n for n in noise_of(name, PLACES)),
        )
        for name, p99 in (("a", 3e6), ("b", 9e6))
    ]

    assert judge(*rows) == (
        "At 2,000/s over at most 32 connections, add:"
        " a is fastest (p99 3.00 ms, b takes 3.001x as long [2.994x to 3.005x])."
    )


def test_says_where_a_control_can_tell_nothing() -> None:
    comparison = judge(row("a", 200, 200, rounds=1), row("a" + AGAIN, 200, 200, rounds=1))

    assert comparison.endswith(
        "A/A control, a against itself: cannot tell under add, only 1 round in common."
    )


def test_says_where_rounds_are_too_unlike_to_show_anything() -> None:
    comparison = judge(row("a", 10, 90_000, rounds=3), row("b", 9, 80_000, rounds=3))

    assert (
        "; 3 rounds as noisy as these would show hardly any difference;"
        " 6 rounds or more would tell more)" in comparison
    )


def test_names_those_who_have_one_round_only() -> None:
    comparison = judge(
        row("a", 200, 220), row("b", 100, 110), row("c", 900, 900, rounds=1, failed_rounds=8)
    )

    assert "a is fastest (210/s, 1.98x as many as b [1.97x to 2.08x])." in comparison
    assert "Not ranked: c under add (only one round counts)." in comparison


def test_tells_a_strategy_that_cannot_run_from_one_that_failed() -> None:
    rows = [Row(make_condition(name), status, "why", failed_rounds=3) for name, status in WHY_NOT]

    assert verdict(Summary(1, "name", False, tuple(rows))) == [
        "No round of fork counts.",
        "Cannot run here, so not measured: gevent.",
    ]


def limited(strategy: str, low: float, high: float) -> Row:
    """Return a row in all of whose rounds the driver was the limit."""
    return row(strategy, low, high, judgement="driver-bound")


def test_says_how_fast_one_is_at_least_where_the_driver_was_the_limit() -> None:
    assert judge(limited("a", 90_000, 91_000), row("b", 40_000, 42_000)) == (
        "With 32 connections, add: a is fastest (at least 90,500/s, at least 2.2x as many as b)."
        " The driver was the limit of a under add, so more may be possible than was seen: more"
        " --drivers, or a workload that costs the server more, would tell."
    )
    assert "add: a answers at least 90,500/s." in judge(limited("a", 90_000, 91_000))


def test_says_of_whom_the_driver_was_the_limit_workload_by_workload() -> None:
    """Once: of fork and selectors under add and fork under wait=10ms."""
    wait = row("a", 900, 910, "wait=10ms", judgement="driver-bound")

    assert "The driver was the limit of a and b under add; of a under wait=10ms, so more" in judge(
        limited("a", 90_000, 91_000), limited("b", 80_000, 81_000), wait
    )


def test_flips_by_at_least_what_is_known() -> None:
    """Once: «at least 2.9x as many as b», and in the next sentence «3.0x as fast as b»."""
    rows = [limited("a", 90_000, 91_000), row("b", 30_000, 31_000)]
    rows += [row("a", 900, 910, "wait=10ms"), row("b", 1_900, 1_910, "wait=10ms")]

    [leads, flips, *_] = verdict(Summary(1, "name", False, tuple(rows)))
    found = re.search(r"at least [0-9.]+x as many as b", leads)
    assert found
    assert found[0].replace("many", "fast") in flips


def test_says_under_which_workload_clients_were_not_served() -> None:
    rows = [row("a", 900, 910, served=6), row("a", 90, 91, "wait=10ms", served=9)]
    rows += [row("b", 900, 910), row("b", 90, 91, "wait=10ms")]

    assert "Of 32 clients a served 6 under add; a served 9 under wait=10ms;" in judge(*rows)
    assert "Of 32 clients a served 6; the others got no response." in judge(*rows[::2])
    both = [rows[0], row("a", 90, 91, "wait=10ms", served=6)]
    assert "Of 32 clients a served 6; the others got no response." in judge(*both)
    assert "a served 6 under add and wait=10ms; the" in judge(*both, row("b", 9, 9.1, "cpu=1ms"))


def test_says_of_a_latency_that_the_driver_may_be_some_of_it() -> None:
    rows = [
        row(name, 200, 201, rounds=3, offered_per_s=200.0, p99_ns=spread([low] * 3), limited=at)
        for name, low, at in (("a", 3e6, (2,)), ("b", 9e6, ()))
    ]

    assert why_hidden(rows, P99) == "the driver was the limit, and some of that time may be its own"


def test_asks_for_no_second_driver_where_the_first_one_waited_for_its_core() -> None:
    waiting = row("a", 90_000, 91_000, judgement="driver-bound", driver_share=0.3)
    found = judge(waiting, row("b", 40_000, 42_000))

    assert "a core for the driver that no other program uses would tell" in found
    assert "--drivers" not in found


@pytest.mark.parametrize(
    "rows",
    [
        (limited("a", 90_000, 91_000), limited("b", 40_000, 42_000)),
        (limited("a", 30_000, 31_000), row("b", 40_000, 42_000)),
        (
            row("a", 40_000, 40_000, rounds=1),
            row("b", 30_000, 30_000, rounds=1, judgement="driver-bound"),
        ),
    ],
)
def test_names_nobody_where_the_driver_hides_who_is_faster(rows: tuple[Row, Row]) -> None:
    why = "is faster: the driver was the limit, and a server may do more than was seen ("

    assert why in judge(*rows)
    assert "fastest" not in judge(*rows)
    assert "cannot tell which of" in headline(THROUGHPUT, rows)


def test_says_how_many_requests_were_answered_and_who_served_nobody() -> None:
    half = row("a", 90_000, 91_000, fails=True, outcomes=Outcomes(ok=52, timed_out=48))
    nobody = row("c", 0, 0, served=0)
    rows = (half, row("b", 10_000, 10_500), nobody)

    assert judge(*rows) == (
        "With 32 connections, add: b alone serves every client and gives nearly every request a"
        " right response (10,200/s). a gave a right response to 52% of its requests under add (48"
        " timed out): behind all that give nearly every request one. Last: c served 0 of 32 under"
        " add."
    )
    assert "add: nobody served any client." in judge(nobody, row("d", 0, 0, served=0))
    everyone = "add: nobody gives nearly every request a right response (a 52%, c 0%)."
    assert everyone in judge(half, nobody)
    assert headline(THROUGHPUT, rows) == "only b serves every client: 10,200/s at 32 connections"


@pytest.mark.parametrize(
    "beside", [(), (row("b", 0, 0, served=0),), (row("b", 10, 11, "wait=10ms"),)]
)
def test_puts_nobody_behind_others_who_are_not_there(beside: tuple[Row, ...]) -> None:
    """Once: «answered 97% of its requests», of a server that answered all, and «behind all»."""
    failing = row("a", 9_000, 9_100, fails=True, outcomes=Outcomes(ok=97, http_error=3))
    sentence = judge(failing, *beside)

    assert (
        "a gave a right response to 97% of its requests under add (3 with an error status):"
        " more requests failed than --most-failures allows." in sentence
    )
    assert "behind all" not in sentence


def test_puts_nobody_behind_others_who_is_not_ranked() -> None:
    failing = row("a", 900, 910, judgement="silent", fails=True, outcomes=Outcomes(ok=9, reset=1))
    sentence = judge(failing, row("b", 9_000, 9_100))

    assert "Not ranked: a under add (silent)." in sentence
    assert "behind all" not in sentence


def with_cpu(strategy: str, cpu_us: float, judgement: str = "") -> Row:
    """Return a row whose rate is that of all, and whose CPU for each response is all its own."""
    cpu = spread(cpu_us * (1 + place / 50) for place in noise_of(strategy, PLACES))
    return row(strategy, 30_000, 50_000, cpu_us_per_request=cpu, judgement=judgement)


def test_tells_by_cpu_who_cannot_be_told_by_throughput() -> None:
    comparison = judge(with_cpu("a", 20), with_cpu("b", 38))

    assert "no clear difference between a and b (about 40,000/s; 9 rounds would" in comparison
    assert ", but b takes 1.909x the CPU of a [1.868x to 1.911x]." in comparison


@pytest.mark.parametrize(
    "rows",
    [
        [with_cpu("a", 20), with_cpu("b", 20.1)],
        [with_cpu("a", 20), row("b", 30_000, 50_000)],  # somebody else's server
        [with_cpu("a", 20), with_cpu("b", 38, "silent")],
    ],
)
def test_says_nothing_of_cpu_that_the_rounds_do_not_tell(rows: list[Row]) -> None:
    assert "CPU" not in judge(*rows)


def three(strategy: str, rates: Sequence[float], cpu_us: Sequence[float], **more: Any) -> Row:
    """Return a row of three rounds."""
    cpu = spread(cpu_us)
    return make_row(make_condition(strategy, 32), rates, cpu_us_per_request=cpu, **more)


def test_claims_no_cpu_that_the_tiers_do_not() -> None:
    """Alone they differ, p = 0.02; among five the tiers by CPU do not tell them apart."""
    level = [
        three("a", (3_000, 3_100, 2_900), (40, 50, 45)),
        three("b", (2_950, 3_000, 3_050), (80, 111, 110)),
    ]
    others = [three(name, (100, 101, 102), (45, 60, 50)) for name in "cde"]

    assert ", but b takes 2.2x the CPU of a" in judge(*level)
    assert "CPU" not in judge(*level, *others)


def test_names_who_is_surely_behind_one_of_those_that_are_level() -> None:
    rows = [
        three("a", (3_090, 3_080, 3_100), (40, 40, 40)),
        three("b", (2_926, 2_917, 2_936), (40, 40, 40)),
        three("c", (2_650, 2_890, 3_200), (40, 40, 40)),
    ]
    sentence = judge(*rows)

    assert len({*tier_numbers(rows).values()}) == 1
    assert "no clear difference between a and c (about 3,090/s; 3 rounds would" in sentence
    assert "; a answers 1.0559x as many as b [1.0557x to 1.0562x]." in sentence


def test_says_whose_bound_is_whose() -> None:
    """Nobody knows how much more than was seen the limited ones can do."""
    limited = three("a", (9_000, 9_100, 9_200), [9], judgement="driver-bound")

    assert "(b 20,000/s and a at least 9,100/s)" in judge(limited, three("b", [20_000] * 3, [9]))


def test_says_so_where_every_point_is_contended() -> None:
    one, other = (
        row(name, low, low * 1.05, judgement=judgement)
        for name, low, judgement in (("a", 40_000, "contended"), ("b", 10_000, "unsteady"))
    )
    add = (one, dataclasses.replace(other, judgement="contended"))
    quiet = row("a", 500, 510, "wait=10ms")

    assert judge(*add).endswith(" Every point was contended: another program was using the cores.")
    assert "Every point under add was contended: " in judge(*add, quiet)
    assert "Every point was contended or unsteady: " in judge(one, other)
    assert "Every point" not in judge(one, row("b", 10_000, 10_500))


def test_speaks_of_the_most_connections_that_were_measured() -> None:
    rows = [row("a", 40_000, 42_000), Row(make_condition("a", 300), "failed", "it died")]

    assert judge(*rows).startswith("With 32 connections, add: a answers 41,000/s.")


def test_names_connections_of_an_open_loop_as_what_may_be_used() -> None:
    """Once: With 300 connections, of which 36 ever carried a request."""
    p99 = spread(1e7 + n for n in PLACES)
    one = row("a", 297, 298, offered_per_s=297.0, p99_ns=p99)

    assert judge(one) == "At 297/s over at most 32 connections, add: a: p99 10.0 ms."
    assert headline(P99, [one]) == "a: 10.0 ms at 297/s over at most 32 connections"


def offered(strategy: str, ms: float, *known: str) -> Row:
    """Return a row of an open loop that holds only the quantiles that are *known*."""
    times = spread(1e6 * ms * (1 + place / 50) for place in noise_of(strategy, PLACES))
    figures: dict[str, Any] = {f"{name}_ns": times for name in (*known, "max")}
    return row(strategy, 10, 10.1, offered_per_s=10.0, **figures)


def test_ranks_by_the_highest_quantile_that_the_responses_hold() -> None:
    rows = [offered("a", 3, "p50", "p90"), offered("b", 9, "p50", "p90")]
    comparison = judge(*rows)

    assert "a is fastest (p90 3.00 ms, b takes 3.01x as long [" in comparison
    assert headline(P99, rows) == "too few requests for p99, which takes 299 in each round"


def test_ranks_by_nothing_that_the_control_alone_holds() -> None:
    rows = [offered("a", 3, "p50"), offered("b", 9, "p50"), offered(f"a{AGAIN}", 3, "p50", "p90")]
    comparison = judge(*rows)

    assert "a is fastest (p50 3.00 ms" in comparison
    assert "Not ranked" not in comparison


def test_ranks_nobody_whose_responses_are_too_few() -> None:
    rows = [offered("a", 3, "p99"), offered("b", 9, "p99"), offered("c", 1, "p90")]
    comparison = judge(*rows)

    assert "a is fastest (p99 3.00 ms" in comparison
    assert "Not ranked: c under add (too few requests)." in comparison
    assert headline(P99, rows).startswith("a is fastest: 3.00 ms at ")
    assert notes(rows, P99) == ["Too few requests for p99, which takes 299 in each round: c at 32"]
