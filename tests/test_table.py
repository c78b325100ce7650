"""The table: every figure in its place, on a terminal and in a pipe."""

import dataclasses
import io
import re
from typing import Any

import pytest
from builders import make_condition, make_measurement, make_row, make_run

from calcbench.bench.analysis.spread import NOTHING, Spread, spread
from calcbench.bench.analysis.summary import Row, Summary
from calcbench.bench.schema.condition import AGAIN, Condition
from calcbench.bench.schema.evidence import Evidence
from calcbench.bench.schema.failures import Failure
from calcbench.bench.schema.outcomes import Outcomes
from calcbench.bench.schema.plan import Plan
from calcbench.bench.schema.result import Measurement, Run
from calcbench.bench.views.cells import show_spread
from calcbench.bench.views.table import plain_lines, print_table

PLAN = Plan(("fork", "selectors"), connections=(1, 32), duration_s=1, rounds=3)


def row(strategy: str, connections: int, throughput: float, **more: Any) -> Row:
    figures: dict[str, Any] = {
        "p50_ns": Spread(83_400, 80_000, 90_000, 3),
        "p99_ns": Spread(2_345_678, 2_000_000, 3_000_000, 3),
        "cpu_us_per_request": Spread(52.34, 50, 55, 3),
    }
    rates = [throughput, throughput * 0.99, throughput * 1.01]
    return make_row(make_condition(strategy, connections), rates, **(figures | more))


def summary(*rows: Row, partial: bool = False) -> Summary:
    return Summary(1, "20261122-181500", partial, rows)


def run(plan: Plan = PLAN) -> Run:
    return make_run(plan)


ROWS = (
    row("fork", 1, 8_531.7),
    row("selectors", 1, 10_234.5),
    row("fork", 32, 9_520, clients_served=8, all_outcomes=Outcomes(ok=9_520, reset=1_234)),
    row("selectors", 32, 0, status="failed", reason="the server died", failed_rounds=3, rounds=0),
)
PLAIN = """
add: the calculator alone
clients  strategy   tier   req/s   ±  p50 ms  p99 ms  CPU µs/req  CPU tier   served  errors
      1  selectors     1  10,200  3%  0.0834    2.35        52.3                all       0
      1  fork          2   8,530  3%  0.0834    2.35        52.3                all       0
     32  fork          1   9,520  3%  0.0834    2.35        52.3            8 of 32   11.5%
     32  selectors        failed
selectors at 32 does not count: the server died
"""
CODES = re.compile(r"\x1b\[[0-9;]*m")  # of colours


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def on_terminal(monkeypatch: pytest.MonkeyPatch, columns: int, *rows: Row) -> str:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", str(columns))
    file = Terminal()
    print_table(summary(*rows), run(), file)
    return file.getvalue()


def test_prints_a_plain_table_for_each_workload() -> None:
    lines = list(plain_lines(summary(*ROWS), run()))

    assert "\n".join(lines[:7]) == PLAIN.strip("\n")


def tier_of(strategy: str, *rows: Row) -> str:
    """Return what the table of *rows* shows as the tier of *strategy*."""
    (found,) = [line.split()[2] for line in plain_lines(summary(*rows), run()) if strategy in line]
    return found


def test_ranks_no_strategy_of_which_one_round_counts_where_more_do_of_others() -> None:
    once = make_row(make_condition("fork", 1), [8_000.0])
    thrice = row("selectors", 1, 10_000.0)
    again = dataclasses.replace(once, condition=make_condition("selectors", 1))

    assert tier_of("fork", once, thrice) == "–"
    assert tier_of("fork", once, again) == "8,000"  # of a single round nothing is said
    assert any(
        line.startswith("–: not ranked") for line in plain_lines(summary(once, thrice), run())
    )


def test_calls_no_strategy_failed_whose_driver_was_killed() -> None:
    def lost(condition: Condition, number: int, why: str) -> Measurement:
        return Measurement(condition, number, "failed", "no", evidence=Evidence(lost=why))

    rows = [
        Row(make_condition(name, 1), "failed", "no", failed_rounds=2) for name in ("fork", "other")
    ]
    measurements = (
        lost(rows[0].condition, 1, "the driver was killed by SIGKILL"),
        lost(rows[0].condition, 2, "the driver was killed by SIGKILL"),
        lost(rows[1].condition, 1, "the driver was killed by SIGKILL"),
        lost(rows[1].condition, 2, ""),
    )
    shown = list(plain_lines(summary(*rows), dataclasses.replace(run(), measurements=measurements)))

    assert [line.split(maxsplit=2)[1:] for line in shown[2:4]] == [
        ["fork", "not measured"],
        ["other", "failed"],
    ]


def test_has_a_table_for_each_way_of_connecting() -> None:
    plan = Plan(("fork",), reuses=("keep-alive", "close"), connections=(1,))
    close = Condition("fork", "add", "close", 1)
    two = summary(ROWS[0], Row(close, "unavailable", "needs os.fork", failed_rounds=3))
    text = "\n".join(plain_lines(two, run(plan)))

    assert "add, connections kept alive\n" in text
    assert "add, a new connection for each request\n" in text
    assert "fork cannot run here: needs os.fork" in text


@pytest.mark.parametrize(
    ("users", "more", "heading"),
    [
        ((300,), {"think_s": 1.0}, "add: the calculator alone; 300 users who think 1 s"),
        ((1,), {"think_s": 1.0}, "add: the calculator alone; 1 user who thinks 1 s"),
        (
            (30, 300),
            {"think_s": 0.25, "thinking": "exponential"},
            "add: the calculator alone; users who think 250 ms on average",
        ),
    ],
)
def test_says_who_asks_where_users_think(
    users: tuple[int, ...], more: dict[str, Any], heading: str
) -> None:
    plan = Plan(("fork",), connections=users, **more)
    rows = [row("fork", count, 300.0, think_s=more["think_s"]) for count in users]

    assert next(iter(plain_lines(summary(*rows), run(plan)))) == heading


def test_ranks_by_p99_where_users_think() -> None:
    quick, slow = spread([1_000_000] * 3), spread([9_000_000] * 3)
    rows = row("a", 8, 8.0, p99_ns=slow, think_s=1.0), row("b", 8, 7.9, p99_ns=quick, think_s=1.0)
    lines = list(plain_lines(summary(*rows), run(Plan(("a", "b"), think_s=1.0))))

    assert [line.split()[1:3] for line in lines[2:4]] == [["b", "1"], ["a", "2"]]


def test_marks_a_partial_result() -> None:
    first = next(iter(plain_lines(summary(*ROWS, partial=True), run())))

    assert first == "Partial result: 0 of 12 measurements"


def test_shows_how_far_from_the_median_the_real_one_may_lie() -> None:
    assert show_spread(Spread(100, 90, 105, 3, (88, 110))) == "12%"
    assert show_spread(Spread(100, 90, 125, 3, (90, 125))) == "25%"
    assert show_spread(Spread(100, 90, 125, 3, (20, 500))) == ">99%"
    assert show_spread(Spread(100, 100, 110, 2)) == ""
    assert show_spread(Spread()) == ""


def test_shows_tiers_and_names_the_control() -> None:
    rows = row("fork", 8, 1_000), row("selectors", 8, 9_000), row("fork" + AGAIN, 8, 1_001)
    lines = list(plain_lines(summary(*rows, row("a", 8, 5, judgement="silent")), run()))

    assert [line.split()[1:-7] for line in lines[2:6]] == [
        ["selectors", "1"],
        ["fork", "(again)", "A/A"],
        ["fork", "2"],
        ["a", "–"],
    ]
    assert lines[-1].startswith("A/A: the same strategy measured once more")


def test_marks_what_may_not_be_the_servers_own() -> None:
    judgements = {"a": "driver-bound", "b": "contended", "c": "unsteady", "d": "server-bound"}
    judgements |= {"e": "silent"}
    rows = [row(name, 8, 5_000, judgement=judgement) for name, judgement in judgements.items()]
    lines = list(plain_lines(summary(*rows), run()))

    assert [line.split()[3] for line in lines[2:7]] == [
        "≥5,000",
        "*5,000",
        "†5,000",
        "5,000",
        "§5,000",
    ]
    assert [line.partition(":")[0] for line in lines[7:11]] == [
        "≥ driver-bound",
        "§ silent",
        "* contended",
        "† unsteady",
    ]


def test_says_who_was_measured_while_the_driver_was_the_limit() -> None:
    text = "\n".join(plain_lines(summary(row("fork", 8, 90_000, driver_share=0.99)), run()))

    assert "the driver, not the server, may have been the limit for fork at 8" in text


def test_prints_no_colour_and_no_lines_into_a_pipe() -> None:
    file = io.StringIO()
    print_table(summary(*ROWS), run(), file)

    assert "\x1b" not in file.getvalue()
    assert file.getvalue().splitlines() == list(plain_lines(summary(*ROWS), run()))


LONG = Failure("wrong", "wrong body", 734, 1, "'six' should be 'ok'", "HTTP/1.1 200 OK " * 9)


def test_cuts_what_was_wrong_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once: cut at 80 columns in a pipe as well, though no other line was."""
    whole = f"fork at 1: wrong body, 734 times: {LONG.detail}; {LONG.excerpt}"
    failed = make_run(PLAN, make_measurement(ROWS[0].condition, failures=(LONG,)))
    terminal, pipe = Terminal(), io.StringIO()
    monkeypatch.setenv("COLUMNS", "80")
    for file in (terminal, pipe):
        print_table(summary(ROWS[0]), failed, file)

    assert whole.strip() in pipe.getvalue()
    assert "fork at 1: wrong body, 734 times" in terminal.getvalue()
    assert whole.strip() not in terminal.getvalue()


def test_says_by_what_it_ranks_where_no_column_shows_it() -> None:
    times = {"p50_ns": spread([3e6] * 3), "p90_ns": spread([4e6] * 3), "p99_ns": NOTHING}
    rows = [row(name, 8, 10, offered_per_s=10.0, **times) for name in ("fork", "selectors")]

    assert "tiers at 8 go by p90: fork 4.00 ms, selectors 4.00 ms" in "\n".join(
        plain_lines(summary(*rows), run())
    )
    assert "tiers at" not in "\n".join(plain_lines(summary(*ROWS), run()))


def test_doubts_latencies_of_rounds_in_which_the_driver_was_the_limit() -> None:
    rows = [row("fork", 8, 5_000, limited=(2,)), row("selectors", 8, 4_000)]
    lines = list(plain_lines(summary(*rows), run()))

    assert {"?0.0834", "?2.35"} <= set(lines[2].split())
    assert {"0.0834", "2.35"} <= set(lines[3].split())
    assert any(line.startswith("?: the driver was the limit in some rounds") for line in lines)
    assert not any(line.startswith("?") for line in plain_lines(summary(rows[1]), run()))


def test_calls_nobody_fair_who_served_nobody() -> None:
    nobody = row("fork", 8, 0, clients_served=0, worker_fairness=spread([1.0] * 3))
    text = "\n".join(plain_lines(summary(nobody), run()))

    assert "fairness" not in text


def test_fits_the_five_strategies_on_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    starving = row("thread-per-request", 32, 123_456, clients_served=8)
    lines = CODES.sub("", on_terminal(monkeypatch, 80, starving)).splitlines()

    assert max(map(len, lines)) <= 80
    assert any("thread-per-request    1 123,000" in line for line in lines)


def test_breaks_long_names_on_a_narrow_terminal_and_cuts_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = "threadpool:workers=128,queue=65536"
    rows = row(name, 32, 9_520), row("fork", 32, 9_520)
    narrow = CODES.sub("", on_terminal(monkeypatch, 80, *rows))
    wide = CODES.sub("", on_terminal(monkeypatch, 120, *rows))

    assert name in wide
    assert max(map(len, narrow.splitlines())) <= 80
    for part in ("threadpool:", "workers=128", "queue=65536", "9,520"):
        assert part in narrow


def test_uses_colour_on_a_terminal_unless_told_not_to(monkeypatch: pytest.MonkeyPatch) -> None:
    with_colour = on_terminal(monkeypatch, 100, *ROWS)
    monkeypatch.setenv("NO_COLOR", "1")
    file = Terminal()
    print_table(summary(*ROWS), run(), file)

    assert "\x1b[33m" in with_colour
    assert "\x1b[3" not in file.getvalue()
    assert "8 of 32" in file.getvalue()


def test_says_how_fairly_clients_and_workers_fared() -> None:
    uneven = spread([0.25, 0.26, 0.24])
    rows = row("fork", 1, 5, client_fairness=uneven), row("fork", 32, 5, client_fairness=uneven)
    text = "\n".join(plain_lines(summary(*rows), run()))

    assert text.count("fairness") == 1
    assert "fairness over clients at 32 (Jain's index; 1: all got the same): fork 0.25" in text


def test_says_how_many_instructions_a_request_takes_where_they_could_be_counted() -> None:
    counted = Spread(41_234.5, 41_000, 42_000, 3)
    rows = (
        row("fork", 1, 5, instructions_per_request=counted, instructions_of="user"),
        row("selectors", 1, 7, instructions_per_request=counted, instructions_of="user"),
        row("fork", 32, 5, instructions_per_request=counted, instructions_of="user"),
        row("selectors", 32, 5),
    )
    lines = list(plain_lines(summary(*rows), run()))

    assert "instructions per request at 1 (user code): selectors 41,200, fork 41,200" in lines
    assert "instructions per request at 32 (user code): fork 41,200" in lines
    assert not any("instructions" in line for line in plain_lines(summary(*ROWS), run()))


def test_says_where_a_tier_holds_figures_that_are_far_apart() -> None:
    rows = [
        make_row(make_condition("a"), [25_900, 25_000, 26_000]),
        make_row(make_condition("b"), [3_430, 9_000, 3_000], counted=(4, 5, 6)),
    ]
    text = "\n".join(plain_lines(summary(*rows), run()))

    assert "tier 1 at 8 holds 3,430/s to 25,900/s: too few rounds" in text
    assert "tier 1 at" not in "\n".join(plain_lines(summary(*ROWS), run()))


def test_shows_tiers_by_cpu_beside_those_by_throughput(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        row(name, 32, rate, cpu_us_per_request=spread([cpu, cpu * 1.01, cpu * 0.99]))
        for name, rate, cpu in (("a", 9_000, 20.0), ("b", 9_000, 40.0))
    ]
    lines = list(plain_lines(summary(*rows), run()))
    cells = {line.split()[1]: line.split() for line in lines[2:4]}
    wide, narrow = (
        CODES.sub("", on_terminal(monkeypatch, columns, *rows)) for columns in (120, 80)
    )

    assert [cells[name][2] for name in "ab"] == ["1", "1"]
    assert [cells[name][8] for name in "ab"] == ["1", "2"]
    assert any(line.startswith("CPU tier: ") for line in lines)
    assert wide.count("tier") > narrow.count("tier")
