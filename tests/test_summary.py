"""Statistics on data whose answer is known by hand, and on a recorded race."""

import csv
import dataclasses
import io
import json
from pathlib import Path

import numpy as np
import pytest
from builders import make_measurement, make_run
from hypothesis import given
from hypothesis import strategies as st

from calcbench.bench.analysis.inference import median_interval
from calcbench.bench.analysis.metrics import P50, P90, P99
from calcbench.bench.analysis.quantiles import Reading, are_enough, least_count, quantile
from calcbench.bench.analysis.ranking import tier_numbers
from calcbench.bench.analysis.rounds import Rounds
from calcbench.bench.analysis.spread import NOTHING, Spread, spread
from calcbench.bench.analysis.summary import Row, Summary, row_of, summarise
from calcbench.bench.schema.condition import Condition
from calcbench.bench.schema.evidence import Evidence
from calcbench.bench.schema.judgements import (
    CONTENDED,
    DRIVER_BOUND,
    INVALID,
    SERVER_BOUND,
    SILENT,
    UNSERVED,
)
from calcbench.bench.schema.outcomes import Outcomes
from calcbench.bench.schema.plan import CLOSE, KEEP_ALIVE, Plan
from calcbench.bench.schema.reader import read_run
from calcbench.bench.schema.result import Measurement
from calcbench.bench.schema.samples import DISTANCES, read_samples, write_samples
from calcbench.bench.schema.store import prepare_folder
from calcbench.bench.views.conclusions import verdict
from calcbench.bench.views.export import ranking_as_json, to_csv, to_json
from calcbench.bench.views.table import plain_lines
from calcbench.bench.views.wording import mark
from calcbench.core.errors import CalcbenchError

RECORDED = Path(__file__).with_name("recorded") / "schema-1"
REFERENCE = Path(__file__).parent.parent / "results" / "reference"


@pytest.mark.parametrize(
    ("latencies", "q", "right"),
    [
        ([7], 0, 7),
        ([7], 0.5, 7),
        ([7], 1, 7),
        ([1, 2], 0.5, 1),
        ([1, 2], 0.51, 2),
        ([1, 2, 3, 4], 0.25, 1),
        ([1, 2, 3, 4], 0.5, 2),
        ([1, 2, 3, 4], 0.75, 3),
        ([1, 2, 3, 4], 0.99, 4),
        (list(range(1, 101)), 0.99, 99),
        (list(range(1, 102)), 0.99, 100),
    ],
)
def test_finds_a_latency_that_happened(latencies: list[int], q: float, right: int) -> None:
    assert quantile(latencies, q) == right


@given(
    st.lists(st.integers(0, 2**62), min_size=1, max_size=300),
    st.floats(0, 1) | st.sampled_from([0.5, 0.9, 0.99, 0.999]),
)
def test_agrees_with_numpy(latencies: list[int], q: float) -> None:
    latencies.sort()
    right = np.quantile(np.array(latencies), q, method="inverted_cdf")

    assert quantile(latencies, q) == right == quantile(np.array(latencies), q)


@pytest.mark.parametrize(("latencies", "q"), [([], 0.5), ([1], -0.1), ([1], 1.1)])
def test_finds_no_quantile_where_there_is_none(latencies: list[int], q: float) -> None:
    with pytest.raises(ValueError, match="quantile"):
        quantile(latencies, q)


@pytest.mark.parametrize(("q", "least"), [(0.5, 6), (0.9, 29), (0.95, 59), (0.99, 299)])
def test_knows_how_many_latencies_a_quantile_takes(q: float, least: int) -> None:
    """As tables of order statistics have it: with 95 % it lies between the least and the most."""
    assert least_count(q) == least
    assert are_enough(least, q)
    assert not are_enough(least - 1, q)


@pytest.mark.parametrize(
    ("count", "known"), [(12, "p50"), (40, "p50 p90"), (298, "p50 p90"), (299, "p50 p90 p99")]
)
def test_tells_no_quantile_that_the_sample_does_not_hold(
    count: int, known: str, tmp_path: Path
) -> None:
    """Once the p99 of 12 responses stood in the table, and was the longest of them."""
    rounds = [measured(tmp_path, 1, list(range(1_000))), measured(tmp_path, 2, list(range(count)))]
    row = row_of(POINT, rounds, Rounds(tmp_path))
    summary = Summary(1, "name", False, (row,))
    flat = next(csv.DictReader(to_csv(summary).splitlines()))

    for metric in (P50, P90, P99):
        tells = metric.name in known
        assert metric.known(row) is tells
        assert (json.loads(to_json(summary))["rows"][0][f"{metric.name}_ns"] is not None) is tells
        assert bool(flat[f"{metric.name}_ns_median"]) is tells
    assert row.max_ns.rounds == 2
    text = "\n".join(plain_lines(summary, EMPTY))
    assert ("too few requests for p99, which takes 299 in each round" in text) is (count < 299)


@pytest.mark.parametrize(
    ("values", "right"),
    [
        ([], NOTHING),
        ([5], Spread(5, 5, 5, 1, None, (5,))),
        ([9, 1], Spread(1, 1, 9, 2, None, (9, 1))),
        ([9, 1, 4], Spread(4, 1, 9, 3, median_interval([9, 1, 4]), (9, 1, 4))),
        ([9, 1, 4, 2], Spread(2, 1, 9, 4, median_interval([9, 1, 4, 2]), (9, 1, 4, 2))),
    ],
)
def test_spreads_over_rounds(values: list[float], right: Spread) -> None:
    assert spread(values) == right


IN_VAIN = Reading(10**12, at_least=True)
POINT = Condition("selectors", "add", KEEP_ALIVE, 2)
OTHER = Condition("fork", "add", KEEP_ALIVE, 2)
EMPTY = make_run(Plan(("selectors", "fork"), connections=(2,)))


def measured(folder: Path, number: int, latencies: list[int], wrong: int = 0) -> Measurement:
    """Return a measurement of 2 s in which each request used 3 µs of the server's CPU."""
    prepare_folder(folder)
    count = len(latencies) + wrong
    samples = {
        "sent_ns": np.arange(count),
        "latency_ns": np.array(latencies + [10**12] * wrong),
        "client": np.arange(count) % 2,
        "outcome": np.array([0] * len(latencies) + [2] * wrong),
    }
    write_samples(folder, f"samples/{number}.npz", samples)
    return make_measurement(
        POINT,
        number,
        elapsed_ns=2 * 10**9,
        outcomes=Outcomes(ok=len(latencies), http_error=wrong),
        clients_served=3 - number,
        in_flight=1,
        samples=f"samples/{number}.npz",
        server_cpu_ns=3_000 * len(latencies),
        driver_cpu_ns=number * 10**9,
    )


def test_summarises_data_that_is_known(tmp_path: Path) -> None:
    first = measured(tmp_path, 1, [40, 10, 30, 20] * 100)
    second = measured(tmp_path, 2, [100, 300, 200] * 100, wrong=5)
    failed = Measurement(OTHER, 1, "failed", "it died", outcomes=Outcomes(ok=10**9))
    run = dataclasses.replace(EMPTY, measurements=(failed, first, second))
    summary = summarise(run, tmp_path)

    assert [row.condition for row in summary.rows] == [POINT, OTHER]
    found = summary.row(POINT)
    assert found
    assert found == Row(
        POINT,
        "ok",
        rounds=2,
        requests=700,
        throughput=spread([200.0, 150.0]),
        p50_ns=spread([20, 200]),
        p90_ns=spread([40, 300]),
        p99_ns=spread([40, IN_VAIN]),  # in the second round 5 of 305 waited in vain
        max_ns=spread([40, IN_VAIN]),
        cpu_us_per_request=spread([3, 3]),
        outcomes=Outcomes(ok=700, http_error=5),
        all_outcomes=Outcomes(ok=700, http_error=5),
        clients_served=1,
        in_flight=2,
        driver_share=1.0,
        counted=(1, 2),
        client_fairness=spread([1.0, 1.0]),  # 200 and 200 answers, then 150 and 150
        edge_ratio=found.edge_ratio,
    )
    assert summary.row(OTHER) == Row(
        OTHER, "failed", "it died", failed_rounds=1, all_outcomes=Outcomes(ok=10**9)
    )
    assert summary.row(dataclasses.replace(POINT, reuse=CLOSE)) is None


@pytest.mark.parametrize(
    ("latencies", "burst"), [([40, 10, 30, 20], 1 / 4), (list(range(100, 92, -1)), 1)]
)
def test_knows_how_far_off_a_rate_of_bursts_may_be(
    latencies: list[int], burst: float, tmp_path: Path
) -> None:
    """Of four responses no two came at once, and then all of eight did."""
    row = row_of(POINT, [measured(tmp_path, 1, latencies)], Rounds(tmp_path))

    assert row.edge_ratio == pytest.approx(burst / 6**0.5, abs=1e-6)


def test_fails_who_served_nobody_in_some_round(tmp_path: Path) -> None:
    works = measured(tmp_path, 1, [40, 10, 30, 20])
    silence = dataclasses.replace(
        measured(tmp_path, 2, []),
        judgement=UNSERVED,
        evidence=Evidence(reasons=("no response came",)),
    )
    row = row_of(POINT, [works, silence], Rounds(tmp_path))
    summary = Summary(1, "", False, (row,))
    lines = list(plain_lines(summary, make_run(Plan(("selectors",)), works, silence)))

    assert row.unserved == (2,)
    assert row.fails
    assert not row.serves_nobody
    assert not row_of(POINT, [works, silence], Rounds(tmp_path), most_failures=1).fails
    assert tier_numbers([row]) == {}
    assert "selectors at 2 served nobody in round 2: no response came" in lines
    assert any("selectors served nobody in round 2" in sentence for sentence in verdict(summary))


def test_says_that_the_driver_was_the_limit_only_where_the_median_is_a_bound(
    tmp_path: Path,
) -> None:
    """The two fastest of four rounds do not touch it, though no judgement is more frequent."""
    judgements = (DRIVER_BOUND, DRIVER_BOUND, SERVER_BOUND, CONTENDED, CONTENDED)

    def judged(*chosen: int) -> Row:
        rounds = [
            dataclasses.replace(
                measured(tmp_path, number, [40] * (90 - 10 * number)), judgement=judgements[place]
            )
            for number, place in enumerate(chosen, 1)
        ]
        return row_of(POINT, rounds, Rounds(tmp_path))

    for chosen, judgement, sign in (
        ((0, 1, 2, 2), SERVER_BOUND, ""),
        ((0, 1, 3, 3), CONTENDED, "*"),
        ((0, 0, 0, 2), DRIVER_BOUND, "≥"),
    ):
        row = judged(*chosen)
        assert (row.judgement, mark(row)) == (judgement, sign)
        assert bool(row.throughput.at_least) == (judgement == DRIVER_BOUND)


def test_shows_of_what_is_not_ranked_that_which_adds_up(tmp_path: Path) -> None:
    rounds = [
        dataclasses.replace(measured(tmp_path, number, [40] * 10), judgement=judgement)
        for number, judgement in enumerate((SILENT, INVALID), 1)
    ]

    assert row_of(POINT, rounds, Rounds(tmp_path)).counted == (1,)
    assert row_of(POINT, rounds[1:], Rounds(tmp_path)).counted == (2,)


def test_counts_one_response_at_the_ends_where_each_request_has_its_time(tmp_path: Path) -> None:
    """At a constant pace every round has as many responses, and another one may have one more."""
    one = dataclasses.replace(measured(tmp_path, 1, [40] * 300), think_s=1.0)
    row = row_of(POINT, [one], Rounds(tmp_path))

    assert row.edge_ratio == pytest.approx(1 / 300 / 6**0.5, abs=1e-6)


def test_never_averages_a_failed_round_in(tmp_path: Path) -> None:
    good = measured(tmp_path, 1, [40, 10, 30, 20])
    bad = dataclasses.replace(measured(tmp_path, 2, [9] * 9), status="failed", reason="it died")
    alone = summarise(dataclasses.replace(EMPTY, measurements=(good,)), tmp_path)
    both = summarise(dataclasses.replace(EMPTY, measurements=(good, bad)), tmp_path)
    every = Outcomes(ok=13)
    expected = dataclasses.replace(
        alone.rows[0], failed_rounds=1, reason="it died", all_outcomes=every
    )

    assert both.rows == (expected,)


def test_never_averages_in_a_round_that_is_not_the_servers_speed(tmp_path: Path) -> None:
    judgement = "silent"
    prepare_folder(tmp_path)
    own = measured(tmp_path, 1, [100] * 6)
    why = Evidence(reasons=("the driver was busy 97% of the time",))
    bound = [
        dataclasses.replace(measured(tmp_path, number, [10**9]), judgement=judgement, evidence=why)
        for number in (2, 3)
    ]
    mixed = row_of(own.condition, [*bound, own], Rounds(tmp_path))
    alone = row_of(own.condition, bound, Rounds(tmp_path))

    assert (mixed.rounds, mixed.failed_rounds, mixed.counted) == (1, 2, (1,))
    assert mixed.reason == f"{judgement}; the driver was busy 97% of the time"
    assert mixed.p50_ns.median == 100
    assert mixed.judgement != judgement
    assert (alone.rounds, alone.failed_rounds, alone.judgement) == (2, 0, judgement)


def test_leaves_out_what_a_stopped_race_did_not_measure(tmp_path: Path) -> None:
    run = dataclasses.replace(EMPTY, partial=True, measurements=(measured(tmp_path, 1, [1]),))
    summary = summarise(run, tmp_path)

    assert summary.partial
    assert [row.condition for row in summary.rows] == [POINT]


def test_says_that_samples_are_gone(tmp_path: Path) -> None:
    run = dataclasses.replace(EMPTY, measurements=(measured(tmp_path, 1, [1]),))
    (tmp_path / "samples" / "1.npz").unlink()
    with pytest.raises(CalcbenchError, match="cannot read the samples"):
        summarise(run, tmp_path)


def test_replays_a_recorded_race() -> None:
    summary = summarise(read_run(RECORDED), RECORDED)

    assert to_json(summary, ranking_as_json(summary)) == (RECORDED / "summary.json").read_text()
    assert to_csv(summary) == (RECORDED / "summary.csv").read_text()
    assert " ".join(verdict(summary)) + "\n" == (RECORDED / "verdict.txt").read_text()


def test_the_committed_summary_of_the_reference_run_is_fresh() -> None:
    """After a change of its form: `calcbench report results/reference --out results/reference`."""
    summary = summarise(read_run(REFERENCE), REFERENCE)

    assert to_json(summary, ranking_as_json(summary)) == (REFERENCE / "summary.json").read_text()
    assert to_csv(summary) == (REFERENCE / "summary.csv").read_text()


def test_writes_what_there_is_not_as_null_and_as_nothing() -> None:
    rows = (
        Row(POINT, "ok", rounds=1, requests=4, throughput=Spread(2.5, 2.5, 2.5, 1)),
        Row(OTHER, "unavailable", "needs os.fork, here", failed_rounds=1),
    )
    summary = Summary(1, "name", False, rows)
    first, second = json.loads(to_json(summary))["rows"]
    table = list(csv.DictReader(io.StringIO(to_csv(summary))))

    assert first["throughput"]["median"] == 2.5
    assert first["condition"]["connections"] == 2
    assert second["throughput"] is None
    assert [line["strategy"] for line in table] == ["selectors", "fork"]
    assert [line["throughput_per_s_median"] for line in table] == ["2.5", ""]
    assert table[1]["reason"] == "needs os.fork, here"
    assert to_csv(Summary(1, "name", False, ())).count("\n") == 1


def test_counts_a_client_that_got_nothing_as_unfair(tmp_path: Path) -> None:
    condition = dataclasses.replace(POINT, connections=4)
    only_two = dataclasses.replace(measured(tmp_path, 1, [40, 10, 30, 20]), condition=condition)
    run = dataclasses.replace(
        EMPTY, plan=Plan(("selectors",), connections=(4,)), measurements=(only_two,)
    )

    assert summarise(run, tmp_path).rows[0].client_fairness.median == 0.5


def test_keeps_a_round_in_which_the_driver_was_the_limit(tmp_path: Path) -> None:
    rounds = [
        dataclasses.replace(measured(tmp_path, 1, [9] * 5), judgement="driver-bound"),
        dataclasses.replace(measured(tmp_path, 2, [9] * 4), judgement="driver-bound"),
        measured(tmp_path, 3, [40, 10]),
    ]
    row = row_of(POINT, rounds, Rounds(tmp_path))

    assert (row.rounds, row.failed_rounds, row.limited) == (3, 0, (1, 2))
    assert row.throughput.values == (2.5, 2.0, 1.0)
    assert row.throughput.at_least
    row = row_of(POINT, [rounds[0], *[rounds[2]] * 2], Rounds(tmp_path))
    assert not row.throughput.at_least


def test_keeps_what_served_nobody_as_a_finding(tmp_path: Path) -> None:
    why = Evidence(judgements=("unserved",), reasons=("no response came",))
    nobody = dataclasses.replace(
        measured(tmp_path, 1, []), judgement="unserved", evidence=why, clients_served=0
    )
    row = row_of(POINT, [nobody, dataclasses.replace(nobody, round=2)], Rounds(tmp_path))

    assert (row.status, row.rounds, row.throughput.median) == ("ok", 2, 0)
    assert row.serves_nobody
    assert row.reason == "no response came"
    assert not row.p50_ns.rounds


def test_knows_who_fails_more_than_is_allowed(tmp_path: Path) -> None:
    one = measured(tmp_path, 1, [1] * 98, wrong=2)

    assert row_of(POINT, [one], Rounds(tmp_path)).fails
    assert not row_of(POINT, [one], Rounds(tmp_path), 0.02).fails
    assert row_of(POINT, [one], Rounds(tmp_path)).answered_ratio == 0.98


def test_names_a_failure_before_a_round_that_says_nothing(tmp_path: Path) -> None:
    rounds = [
        dataclasses.replace(measured(tmp_path, 1, [9]), judgement="silent"),
        Measurement(POINT, 2, "failed", "the server died with status -11"),
        measured(tmp_path, 3, [40, 10]),
    ]

    row = row_of(POINT, rounds, Rounds(tmp_path))
    assert (row.counted, row.failed_rounds) == ((3,), 2)
    assert row.reason == "the server died with status -11"


def test_asks_for_no_fairness_over_the_connections_of_an_open_loop(tmp_path: Path) -> None:
    closed = measured(tmp_path, 1, [40, 10])
    apart = {name: np.zeros(2, int) for name in DISTANCES}
    write_samples(tmp_path, "samples/2.npz", {**read_samples(tmp_path, closed), **apart})
    open_loop = dataclasses.replace(
        closed, offered_per_s=5.0, responses_in_window=2, samples="samples/2.npz"
    )

    assert row_of(POINT, [closed], Rounds(tmp_path)).client_fairness.rounds == 1
    assert row_of(POINT, [open_loop], Rounds(tmp_path)).client_fairness.rounds == 0


@pytest.mark.parametrize("total", [100, 1_000])
def test_fails_no_more_than_the_share_that_may_fail(total: int) -> None:
    """As a float 0.29 is a little less than 29 of 100."""
    for percent in range(1, 101):
        failed = percent * total // 100
        outcomes = Outcomes(ok=total - failed, reset=failed)

        assert not outcomes.fail_more_than(percent / 100)
        assert not outcomes.fail_more_than((percent - 1) / 100, but=total // 100)
        assert outcomes.fail_more_than(percent / 100 - 0.5 / total)
