"""Requests that never got an answer: what they do to quantiles, comparisons, thresholds, views."""

import csv
import dataclasses
import io
import json
import math
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from builders import make_condition, make_measurement, make_row, make_run
from hypothesis import given
from hypothesis import strategies as st
from truth import requests, response_to, truth

from calcbench.bench.analysis.bounded import one_sided
from calcbench.bench.analysis.compare import Change, Pair, compare_pair
from calcbench.bench.analysis.gate import judge_change, judge_row, judge_rows
from calcbench.bench.analysis.inference import Comparison
from calcbench.bench.analysis.metrics import CPU, P99, THROUGHPUT, Metric
from calcbench.bench.analysis.quantiles import Reading, Waits, quantile
from calcbench.bench.analysis.ranking import contests, tier_numbers
from calcbench.bench.analysis.rounds import Rounds
from calcbench.bench.analysis.spread import Spread, spread
from calcbench.bench.analysis.summary import Row, Summary, row_of, summarise
from calcbench.bench.analysis.thresholds import (
    BROKEN,
    CANNOT_TELL,
    HELD,
    parse_limits,
    parse_threshold,
)
from calcbench.bench.cli import main as cli
from calcbench.bench.loadgen.driver.client import CLOSING, PAUSING, READING
from calcbench.bench.loadgen.driver.loop import Loop
from calcbench.bench.loadgen.driver.recorder import Recorder
from calcbench.bench.loadgen.spec import LoadSpec
from calcbench.bench.runner.knee import parse_objective
from calcbench.bench.runner.knee_try import NOT_KEPT, judge_try
from calcbench.bench.schema.histogram import Histograms
from calcbench.bench.schema.judgements import INVALID, SILENT
from calcbench.bench.schema.outcomes import HTTP_ERROR, OK, RESET, TIMED_OUT, Outcomes
from calcbench.bench.schema.plan import Plan
from calcbench.bench.schema.reader import read_run
from calcbench.bench.schema.result import Measurement
from calcbench.bench.schema.samples import IN_FLIGHT, compact, read_samples, write_samples
from calcbench.bench.schema.store import prepare_folder
from calcbench.bench.validation.truth import censored_quantiles
from calcbench.bench.views.captions import ARROW, notes
from calcbench.bench.views.cells import show_spread
from calcbench.bench.views.conclusions import verdict
from calcbench.bench.views.export import to_csv, to_json
from calcbench.bench.views.gate import judged_lines
from calcbench.bench.views.hdr_export import export
from calcbench.bench.views.legend import BOUND_LEGEND, LOW_END_LEGEND
from calcbench.bench.views.markers import values_of
from calcbench.bench.views.standing import sure_ratio, why_hidden
from calcbench.bench.views.table import plain_lines
from calcbench.bench.views.wording import describe_failures, percent_of
from calcbench.core.errors import CalcbenchError, UsageError

if TYPE_CHECKING:
    from calcbench.bench.schema.samples import Samples

MS = 1_000_000
HALF_SECOND = Reading(500 * MS, at_least=True)
POINT = make_condition("selectors", 4)


def waits(ended: Sequence[int], censored: Sequence[int]) -> Waits:
    return Waits(
        (np.array(ended, np.int64), np.ones(len(ended), np.int64)),
        (np.array(censored, np.int64), np.ones(len(censored), np.int64)),
    )


@pytest.mark.parametrize(
    ("ended", "censored", "q", "right"),
    [
        ([1, 2, 3, 4], [], 0.5, Reading(2)),
        ([1, 2, 3, 4], [], 1, Reading(4)),
        # Every censored time is longer: ranks, and a bound among those who waited in vain.
        ([1] * 94 + [2], [500] * 5, 0.95, Reading(2)),
        ([1] * 94 + [2], [500] * 5, 0.96, Reading(500, at_least=True)),
        ([1] * 94 + [2], [500] * 4 + [700], 0.99, Reading(500, at_least=True)),
        ([1] * 94 + [2], [500] * 4 + [700], 1, Reading(700, at_least=True)),
        # As long as the last that ended, and longer than it by nobody knows how much.
        ([1, 2], [2], 1, Reading(2, at_least=True)),
        ([1, 2], [2], 0.6, Reading(2)),
        # Who stops waiting at once says nothing: the rest is as if they had not asked.
        ([1, 2, 3, 4], [0] * 6, 0.5, Reading(2)),
        ([1, 2, 3, 4], [0] * 6, 1, Reading(4)),
        # One of four leaves after 1: the other two stand for the three of them.
        ([1, 3, 4], [2], 0.25, Reading(1)),
        ([1, 3, 4], [2], 0.26, Reading(3)),
        ([1, 3, 4], [2], 0.63, Reading(4)),
        ([], [5, 9], 0.5, Reading(5, at_least=True)),
        ([7], [], 0, Reading(7)),
    ],
)
def test_estimates_quantiles_of_those_who_may_not_have_waited_to_the_end(
    ended: list[int], censored: list[int], q: float, right: Reading
) -> None:
    assert waits(ended, censored).quantile(q) == right


def test_agrees_with_the_textbook() -> None:
    """Weeks in remission with 6-MP (Freireich et al. 1963), as in every book on survival."""
    ended = [6, 6, 6, 7, 10, 13, 16, 22, 23]
    seen = waits(ended, [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35])
    left = {6: 0.857, 7: 0.807, 10: 0.753, 13: 0.690, 16: 0.627, 22: 0.538, 23: 0.448}
    for week, share in left.items():
        place = int(np.flatnonzero(seen.times == week)[-1])
        assert 1 - seen.reached[place] / seen.total == pytest.approx(share, abs=5e-4)

    assert seen.quantile(0.5) == Reading(23)
    assert seen.quantile(0.6).at_least


@given(
    st.lists(st.integers(0, 2**62), min_size=1, max_size=300),
    st.sampled_from([0, 0.5, 0.9, 0.99, 0.999, 1]),
)
def test_is_the_plain_quantile_where_everybody_was_answered(times: list[int], q: float) -> None:
    times.sort()

    assert waits(times, []).quantile(q) == Reading(quantile(times, q))


@given(
    st.lists(st.integers(0, 1_000), max_size=100),
    st.lists(st.integers(0, 1_000), min_size=1, max_size=100),
)
def test_is_never_shorter_for_those_who_gave_up(ended: list[int], censored: list[int]) -> None:
    """To count them at the time that they had waited is the least that one may do."""
    seen, plain = waits(ended, censored), sorted(ended + censored)
    values, counts = seen.counts()

    assert counts.sum() == len(plain)
    assert (np.diff(values) >= 0).all()
    for q in (0.1, 0.5, 0.9, 0.99, 1):
        assert seen.quantile(q).value >= quantile(plain, q)


@pytest.mark.parametrize(("ended", "q"), [([], 0.5), ([1], -0.1), ([1], 1.1)])
def test_finds_no_quantile_where_there_is_none(ended: list[int], q: float) -> None:
    with pytest.raises(ValueError, match="quantile"):
        waits(ended, []).quantile(q)


def test_validates_against_the_analytic_value() -> None:
    assert censored_quantiles().held

    def answers_alone(ended: "tuple[np.ndarray, np.ndarray]", _: object) -> Waits:
        return waits(ended[0].tolist(), [])

    assert not censored_quantiles(answers_alone).held  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "median", "at_least", "high"),
    [
        ([Reading(5, at_least=True), 6, 7], 6, True, math.inf),  # it may be the longest of all
        ([5, 6, Reading(7, at_least=True)], 6, False, math.inf),
        ([5, 6, 7], 6, False, None),
        ([Reading(5, at_least=True)] * 3, 5, True, math.inf),
    ],
)
def test_knows_of_which_medians_it_has_only_a_bound(
    values: list[float | Reading], median: float, at_least: bool, high: float | None
) -> None:
    found = spread(values)

    assert (found.median, found.at_least) == (median, at_least)
    assert found.interval
    assert high is None or found.interval[1] == high
    assert bool(found.censored) == (high is not None)


def samples(took: Sequence[tuple[int, int]]) -> "Samples":
    """Return the samples of requests that were sent at 0, took so long and ended so."""
    latency, outcome = np.array(took).T
    zeros = np.zeros(len(took), np.int64)
    return {
        "sent_ns": zeros,
        "latency_ns": latency,
        "client": np.arange(len(took)) % 4,
        "outcome": outcome,
        "intended_ns": zeros,
        "first_ns": latency,
        "done_ns": latency,
    }


def measured(
    folder: Path,
    number: int,
    took: Sequence[tuple[int, int]],
    in_flight: Sequence[int] = (),
    *,
    folded: bool = False,
) -> Measurement:
    """Return a measurement with such samples, with a file of them or of histograms."""
    if number == 1:
        prepare_folder(folder)
    all_of_them = samples(took)
    columns = compact(all_of_them)
    if folded:
        histograms = Histograms()
        histograms.add(all_of_them)
        columns = histograms.columns()
    name = f"samples/{number}.npz"
    write_samples(folder, name, columns | {IN_FLIGHT: np.array(in_flight, np.int64)})
    return make_measurement(
        POINT,
        number,
        outcomes=Outcomes(*np.bincount(all_of_them["outcome"], minlength=6).tolist()),
        clients_served=4,
        in_flight=len(in_flight),
        samples=name,
    )


LOST = [(MS, OK)] * 95 + [(500 * MS, TIMED_OUT)] * 5  # one request in twenty


@pytest.mark.parametrize("folded", [False, True])
@pytest.mark.parametrize(
    ("took", "in_flight", "p50", "p99"),
    [
        (LOST, [], Reading(MS), HALF_SECOND),
        ([(MS, OK)] * 95 + [(500 * MS, RESET)] * 5, [], Reading(MS), HALF_SECOND),
        ([(MS, OK)] * 95 + [(500 * MS, HTTP_ERROR)] * 5, [], Reading(MS), HALF_SECOND),
        ([(MS, OK)] * 95, [500 * MS] * 5, Reading(MS), HALF_SECOND),
        ([(MS, OK)] * 95, [0] * 5, Reading(MS), Reading(MS)),
        ([(MS, OK)] * 40, [500 * MS] * 60, HALF_SECOND, HALF_SECOND),
        # An error that comes at once makes nobody fast.
        ([(0, HTTP_ERROR)] * 80 + [(MS, OK)] * 20, [], Reading(MS), Reading(MS)),
    ],
)
def test_counts_who_waited_in_vain(
    tmp_path: Path,
    took: list[tuple[int, int]],
    in_flight: list[int],
    p50: Reading,
    p99: Reading,
    folded: bool,
) -> None:
    thrice = took * 3, in_flight * 3  # as many as a p99 takes
    measurement = measured(tmp_path, 1, *thrice, folded=folded)
    row = row_of(POINT, [measurement], Rounds(tmp_path))

    assert row.p50_ns.median == pytest.approx(p50.value, rel=1e-3)
    assert row.p99_ns.median == pytest.approx(p99.value, rel=1e-3)
    assert (row.p50_ns.at_least, row.p99_ns.at_least) == (p50.at_least, p99.at_least)
    assert row.max_ns.at_least == p99.at_least


def test_reads_files_from_before_as_if_nobody_had_been_in_flight() -> None:
    folder = Path(__file__).with_name("recorded") / "schema-3"
    [row, *_] = summarise(read_run(folder), folder).rows

    assert row.in_flight
    assert row.max_ns.censored == ()


def test_refuses_a_file_in_which_another_number_was_in_flight(tmp_path: Path) -> None:
    measurement = measured(tmp_path, 1, [(MS, OK)], [5, 6])
    read_samples(tmp_path, measurement)
    for number in (1, 3):
        with pytest.raises(CalcbenchError, match=r"in_flight_ns"):
            read_samples(tmp_path, dataclasses.replace(measurement, in_flight=number))


def test_says_how_long_the_requests_in_flight_had_waited() -> None:
    """A client whose response is whole, and whose connection is not yet closed, waits no more."""
    loop = Loop(LoadSpec("127.0.0.1", 1, 3, True, 1, 0, 1), Recorder(0))
    for client, state in zip(loop.everyone, (READING, CLOSING, PAUSING), strict=True):
        client.state, client.intended, client.done = state, 100, 130

    assert loop.in_flight_ns(0, 900) == (800, 30)


def a_row(*p99: float | Reading, outcomes: Outcomes | None = None, **more: object) -> Row:
    """Return a row with these p99, in ms."""
    values = [
        dataclasses.replace(one, value=one.value * MS) if isinstance(one, Reading) else one * MS
        for one in p99
    ]
    counts = outcomes or Outcomes(ok=100)
    figures = {name: spread(values) for name in ("p50_ns", "p90_ns", "p99_ns", "max_ns")}
    usual = {"outcomes": counts, "all_outcomes": counts, "rounds": len(p99)}
    return make_row(
        POINT, [1_000 + 7 * place for place in range(len(p99))], **usual | figures | more
    )


BOUND = Reading(500, at_least=True)
SILENCED = a_row(BOUND, BOUND, BOUND, judgement=SILENT)
BOUNDED, FAST = a_row(*[BOUND] * 8), a_row(*np.linspace(1.8, 1.9, 8).tolist())


@pytest.mark.parametrize(
    ("row", "limit", "right"),
    [
        (BOUNDED, "p99>50ms", BROKEN),
        (BOUNDED, "p99>1s", CANNOT_TELL),
        (BOUNDED, "p99<1s", CANNOT_TELL),
        (BOUNDED, "p99<50ms", HELD),
        (BOUNDED, "max>50ms", BROKEN),
        (FAST, "p99>50ms", HELD),
        (a_row(1, 1, 1, BOUND), "p99>50ms", CANNOT_TELL),
        (FAST, "errors>0", HELD),
        (a_row(1, outcomes=Outcomes(ok=99, timed_out=1)), "errors>0", BROKEN),
        (a_row(1, outcomes=Outcomes(ok=99, timed_out=1)), "errors>1%", HELD),
        (a_row(1, outcomes=Outcomes(ok=98, timed_out=2)), "errors>1%", BROKEN),
        (a_row(1, outcomes=Outcomes(ok=98, timed_out=2)), "timed_out>0", BROKEN),
        (a_row(1, outcomes=Outcomes(ok=98, timed_out=2)), "reset>0", HELD),
        (a_row(1, outcomes=Outcomes(ok=98, reset=2)), "reset>1", BROKEN),
        (a_row(1, outcomes=Outcomes(ok=98, refused=2)), "refused>2%", HELD),
        (a_row(1, outcomes=Outcomes(ok=98, wrong=2)), "wrong>0", BROKEN),
        (a_row(1, outcomes=Outcomes(ok=98, http_error=2)), "http_error>1.5%", BROKEN),
        # Of what does not count for the rest, a failure is one, and few are not known to be few.
        (Row(POINT, "failed", all_outcomes=Outcomes(ok=1, reset=9)), "errors>1%", BROKEN),
        (Row(POINT, "failed", all_outcomes=Outcomes(ok=1)), "errors>1%", CANNOT_TELL),
        (Row(POINT, "failed"), "errors>1%", CANNOT_TELL),
        (dataclasses.replace(BOUNDED, limited=BOUNDED.counted), "p99>50ms", CANNOT_TELL),
        # Who waited has waited, also where silence hides how fast the server is.
        (SILENCED, "p99>50ms", BROKEN),
        (SILENCED, "max>50ms", BROKEN),
        (SILENCED, "throughput<2000", BROKEN),
        (SILENCED, "p99>1s", CANNOT_TELL),
        (SILENCED, "p99<50ms", CANNOT_TELL),
        (SILENCED, "throughput<900", CANNOT_TELL),
        (SILENCED, "throughput>900", CANNOT_TELL),
        (dataclasses.replace(SILENCED, judgement=INVALID), "p99>50ms", CANNOT_TELL),
        (dataclasses.replace(SILENCED, judgement=INVALID), "throughput<2000", CANNOT_TELL),
    ],
)
def test_judges_thresholds_of_what_nobody_saw_the_end_of(row: Row, limit: str, right: int) -> None:
    [threshold] = parse_limits([limit])

    assert judge_row(threshold, row, "").status == right


def test_says_of_which_bound_it_judges() -> None:
    [line] = judged_lines(judge_rows(parse_limits(["p99>1s"]), Summary(1, "", False, (BOUNDED,))))

    assert line.startswith("cannot tell: fail if p99>1s: selectors")
    assert line.endswith(": > 500 ms")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("errors>101%", "from 0% to 100%"),
        ("errors>-1", "should be a number of requests, or a share"),
        ("timed_out>5ms", "timed_out should be a number of requests"),
        ("timedout>0", "did you mean 'timed_out'"),
        ("throughput<-10%", "is about a change, and a run is one result"),
        ("p99", "as in 'p99>50ms' or 'errors>1%'"),
    ],
)
def test_refuses_limits_that_a_run_cannot_have(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        parse_limits([text])


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (FAST, BOUNDED, "worse"),
        (BOUNDED, FAST, "better"),
        (BOUNDED, BOUNDED, "cannot tell: only lower bounds are known"),
        # The bounds lie below what B took, and may be above it in truth.
        (BOUNDED, a_row(*np.linspace(900, 950, 8).tolist()), "cannot tell"),
    ],
)
def test_compares_bounds_only_where_they_suffice(first: Row, second: Row, said: str) -> None:
    pair = Pair(first, second)
    change = Change(pair, P99, compare_pair(pair, P99, 1))
    judged = judge_change(parse_threshold("p99>+10%"), pair)

    assert change.verdict.startswith(said)
    assert judged.status == {"worse": BROKEN, "better": HELD}.get(said, CANNOT_TELL)


def test_a_silent_server_can_break_a_change_and_hold_none() -> None:
    def status(text: str, first: Row, second: Row) -> int:
        return judge_change(parse_threshold(text), Pair(first, second)).status

    slow = a_row(*np.linspace(900, 950, 8).tolist())
    assert status("p99>+10%", FAST, SILENCED) == BROKEN
    assert status("p99>+10%", slow, SILENCED) == CANNOT_TELL
    assert status("p99<-10%", slow, SILENCED) == CANNOT_TELL
    assert status("throughput<-90%", FAST, SILENCED) == CANNOT_TELL
    assert status("p99>+10%", SILENCED, BOUNDED) == CANNOT_TELL
    assert status("p99>+10%", FAST, dataclasses.replace(SILENCED, judgement=INVALID)) == CANNOT_TELL


@pytest.mark.parametrize(
    ("values", "interval"),
    [
        # The largest of ten is no end of an interval of ranks, and of five it is.
        (range(1, 10), None),
        (range(1, 5), math.inf),
    ],
)
def test_knows_the_upper_end_where_no_bound_is_it(
    values: Sequence[int], interval: float | None
) -> None:
    known = spread([100.0 + value for value in (*values, max(values) + 1)])
    bounded = spread([*(100.0 + value for value in values), Reading(101.0 + max(values), True)])

    assert known.interval
    assert bounded.interval == (known.interval[0], interval or known.interval[1])


def test_shows_how_much_less_it_may_be_where_nobody_knows_how_much_more() -> None:
    rates = [100.0, 101.0, 102.0, 103.0, 104.0]
    bounded, known = (make_row(POINT, rates, limited=limited) for limited in ((5,), ()))

    assert show_spread(bounded.throughput) == "−2%"
    assert show_spread(known.throughput) == "2%"
    assert LOW_END_LEGEND in shown(bounded)
    assert LOW_END_LEGEND not in shown(known)


@pytest.mark.parametrize("rounds", [3, 4])
@pytest.mark.parametrize("ceiling", [0.1, 0.05])
def test_covers_a_median_that_the_driver_cut_the_noise_of(rounds: int, ceiling: float) -> None:
    random, races = np.random.default_rng(5), 3_000
    covered = 0
    for _ in range(races):
        logs = random.normal(0, 0.1, rounds)
        rates = [
            Reading(math.exp(min(one, ceiling)), at_least=bool(one >= ceiling)) for one in logs
        ]
        interval = spread(rates).interval
        assert interval
        covered += interval[0] <= 1 <= interval[1]

    assert covered >= 0.92 * races  # 0.89 to 0.91 before; all of three may lie above the ceiling


def test_leaves_no_end_where_there_is_none() -> None:
    known = Comparison(ratio=2, low=1.5, high=3, p=0.01, adjusted=0.01)

    assert one_sided(known, ours=False, others=False) == known
    assert one_sided(known, ours=True, others=False).high == math.inf
    assert one_sided(known, ours=True, others=False).clear
    assert one_sided(known, ours=False, others=True).low == 0
    assert not one_sided(known, ours=False, others=True).clear
    less = dataclasses.replace(known, ratio=0.5, low=0.3, high=0.7)
    assert one_sided(less, ours=False, others=True).clear
    assert not one_sided(less, ours=True, others=False).clear


def test_keeps_no_objective_of_which_only_a_bound_is_known(tmp_path: Path) -> None:
    took = [(MS, OK)] * 495 + [(5 * MS, TIMED_OUT)] * 5
    one = dataclasses.replace(
        measured(tmp_path, 1, took), offered_per_s=500.0, responses_in_window=495
    )
    objective = parse_objective("max<20ms")

    assert judge_try(one, objective, tmp_path).outcome == NOT_KEPT


def shown(row: Row) -> list[str]:
    return list(plain_lines(Summary(1, "", False, (row,)), make_run(Plan(("selectors",)))))


def test_shows_bounds_and_who_failed_in_the_table_and_in_words() -> None:
    row = a_row(BOUND, BOUND, BOUND, outcomes=Outcomes(ok=950, timed_out=47, reset=3))
    lines = shown(row)
    words = "5.0% of the requests (3 reset, 47 timed out)"

    assert lines[2].split()[-6:] == [">", "500", ">", "500", "all", "5.0%"]
    assert f"failed with selectors at 4: {words}" in lines
    assert BOUND_LEGEND in lines
    assert BOUND_LEGEND not in shown(FAST)
    assert f"Failed: with selectors under add {words}." in verdict(Summary(1, "", False, (row,)))
    assert P99.text(row) == "> 500 ms"
    assert THROUGHPUT.text(row) == "1,010/s"


@pytest.mark.parametrize(
    ("ratio", "text"),
    [(0.05, "5.0%"), (1, "100.0%"), (0.9999, ">99.9%"), (0.0001, "<0.1%"), (0, "0.0%")],
)
def test_never_rounds_some_to_none_or_all(ratio: float, text: str) -> None:
    assert percent_of(ratio) == text
    assert describe_failures(dataclasses.replace(FAST, all_outcomes=Outcomes(ok=9))) == "none"


def test_draws_an_arrow_where_it_ends_nowhere() -> None:
    assert notes([BOUNDED], P99)[0] == ARROW
    assert notes([BOUNDED], THROUGHPUT) == notes([FAST], P99) == []
    assert max(values_of([BOUNDED], P99)) > 500
    assert all(map(math.isfinite, values_of([BOUNDED], P99)))


def test_exports_bounds_as_such(tmp_path: Path) -> None:
    summary = Summary(1, "", False, (BOUNDED, FAST))
    [bound, fast] = json.loads(to_json(summary))["rows"]
    [flat, plain] = csv.DictReader(io.StringIO(to_csv(summary)))

    assert bound["p99_ns"]["at_least"] is True
    assert bound["p99_ns"]["interval"] == [500 * MS, None]
    assert bound["p99_ns"]["censored"] == [True] * 8
    assert fast["p99_ns"]["at_least"] is False
    assert (flat["p99_ns_at_least"], flat["p99_ns_to"]) == ("True", "")
    assert plain["p99_ns_at_least"] == "False"
    assert plain["p99_ns_to"]


def test_exports_who_waited_in_vain_to_the_plotter(tmp_path: Path) -> None:
    rounds = [measured(tmp_path, 1, LOST), measured(tmp_path, 2, LOST, folded=True)]
    run = make_run(Plan(("selectors",), connections=(4,)), *rounds)
    [path] = export(run, tmp_path, tmp_path)
    text = path.read_text()
    rows = [line.split() for line in text.splitlines() if not line.startswith("#")]

    assert "#[the longest 10 of 200 got no right response and took longer than it says]" in text
    assert int(rows[-1][2]) == 200
    assert float(rows[-1][0]) == pytest.approx(500, rel=1e-3)


def test_a_spread_is_what_it_was_where_nothing_is_censored() -> None:
    assert spread([2, 1]) == Spread(1, 1, 2, 2, None, (2, 1))


def fall_silent(conn: socket.socket) -> None:
    """Answer three requests of each connection, and no fourth."""
    for number, right in enumerate(requests(conn)):
        if number < 3:
            conn.sendall(response_to(right))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("limits", "right"),
    [
        (("errors>1%",), BROKEN),
        (("p50>0.001us", "timed_out<1"), BROKEN),
        (("reset>0",), HELD),
        (("reset>0", "p99>1min"), CANNOT_TELL),
    ],
)
def test_a_run_exits_with_what_comes_of_its_limits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], limits: tuple[str, ...], right: int
) -> None:
    words = ["--connections", "2", "--duration", "0.6", "--warmup", "0", "--timeout", "50ms"]
    words += ["--most-failures", "100%"]
    for limit in limits:
        words += ["--fail-if", limit.replace("1min", "60s")]
    with truth(fall_silent) as port:
        url = f"http://127.0.0.1:{port}/add/1/2"
        status = cli.cli.main(
            ["load", url, *words, "--out", str(tmp_path), "--control", "none"],
            standalone_mode=False,
        )
    lines = capsys.readouterr().out.splitlines()

    assert status == right
    assert len([line for line in lines if ": fail if " in line]) == len(limits)


def test_a_search_has_no_limits_but_its_own() -> None:
    with pytest.raises(UsageError, match="--find-knee and --fail-if do not go together"):
        cli.cli.main(
            ["run", "--find-knee", "--slo", "p99<20ms", "--fail-if", "errors>0"],
            standalone_mode=False,
        )


def test_judges_the_share_that_failed_by_the_limit_that_asks_for_it() -> None:
    """That too many failed by --most-failures forbids to hold the rest, and not this."""
    some = a_row(1, 1, 1, outcomes=Outcomes(ok=96, timed_out=4), fails=True)

    assert judge_row(parse_threshold("errors>5%"), some, "").status == HELD
    assert judge_row(parse_threshold("errors>3%"), some, "").status == BROKEN
    assert judge_row(parse_threshold("p99>50ms"), some, "").status == CANNOT_TELL


def test_compares_a_rate_that_the_driver_limited_as_a_bound() -> None:
    """Of its latency nothing is known, and all of its CPU."""
    slow, fast = (
        make_row(
            POINT,
            [rate + place for place in range(8)],
            p99_ns=spread(MS + place for place in range(8)),
            cpu_us_per_request=spread(cpu + place / 100 for place in range(8)),
            **more,
        )
        for rate, cpu, more in ((1_000, 20, {}), (5_000, 30, {"judgement": "driver-bound"}))
    )

    def said(first: Row, second: Row, metric: Metric) -> str:
        pair = Pair(first, second)
        return Change(pair, metric, compare_pair(pair, metric, 1)).verdict

    def status(text: str, row: Row) -> int:
        return judge_row(parse_threshold(text), row, "").status

    assert said(slow, fast, THROUGHPUT) == "better"
    assert said(fast, slow, THROUGHPUT) == "worse"
    assert said(fast, fast, THROUGHPUT) == "cannot tell: only lower bounds are known"
    assert said(slow, fast, P99) == "driver-bound in B"
    assert said(slow, fast, CPU) == "worse"
    assert compare_pair(Pair(slow, fast), THROUGHPUT, 1).high == math.inf
    assert status("throughput<4000", fast) == HELD
    assert status("throughput<9000", fast) == CANNOT_TELL
    assert status("p99>50ms", fast) == CANNOT_TELL
    assert THROUGHPUT.text(fast) == "at least 5,000/s"


def test_ranks_by_a_p99_of_which_only_a_bound_is_known() -> None:
    def offered(strategy: str, *p99: float | Reading) -> Row:
        times = spread(
            dataclasses.replace(one, value=one.value * MS) if isinstance(one, Reading) else one * MS
            for one in p99
        )
        return make_row(
            dataclasses.replace(POINT, strategy=strategy),
            [100.0] * len(p99),
            offered_per_s=100.0,
            p99_ns=times,
        )

    quick = offered("a", *[2 + place / 50 for place in range(8)])
    lost = offered("b", *[Reading(500 + place, at_least=True) for place in range(8)])
    later = offered("c", *[900 + place for place in range(8)])
    known = contests([quick, lost, later], P99)

    assert known["a", "b"].behind  # by time: it takes less
    assert known["a", "b"].low == 0
    assert not known["b", "c"].clear  # the bounds lie below, and the truth may not
    assert why_hidden([lost, later], P99)
    assert sure_ratio(known["b", "a"], "as long as a").startswith("at least 2")
    assert sure_ratio(known["a", "b"]).startswith("at most 0.00")


def test_ranks_who_serves_nobody_last_though_no_quantile_is_known() -> None:
    offered = {"offered_per_s": 100.0}
    works = make_row(POINT, [100.0] * 3, p99_ns=spread([MS] * 3), **offered)
    at = dataclasses.replace(POINT, strategy="b")
    nobody = make_row(at, [0.0] * 3, clients_served=0, **offered)

    assert tier_numbers([nobody, works]) == {works.condition: 1, at: 2}
