"""`calcbench compare`: two results whose difference is known, and what a CI job makes of it."""

import dataclasses
import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import make_condition, make_measurement, make_row, make_run

from calcbench.bench.analysis.compare import Pair, compare_all
from calcbench.bench.analysis.gate import beside_shortfall, judge_all, judge_rows
from calcbench.bench.analysis.metrics import THROUGHPUT
from calcbench.bench.analysis.spread import spread
from calcbench.bench.analysis.summary import Row, Summary
from calcbench.bench.analysis.thresholds import BROKEN, CANNOT_TELL, HELD, parse_threshold
from calcbench.bench.cli import main as cli
from calcbench.bench.schema.evidence import Evidence
from calcbench.bench.schema.outcomes import Outcomes
from calcbench.bench.schema.plan import Plan
from calcbench.bench.schema.reader import read_run
from calcbench.bench.schema.samples import write_samples
from calcbench.bench.schema.store import prepare_folder, write_run
from calcbench.bench.views.compare_table import show_figure, unserved_lines
from calcbench.bench.views.gate import changes_of, judged_lines
from calcbench.core.errors import UsageError

NOISE = (1.00, 0.98, 1.02, 0.99, 1.01, 0.97, 1.03, 1.005)
TURNED = (*NOISE[3:], *NOISE[:3])


def result(
    folder: Path,
    strategy: str = "selectors",
    scale: float = 1,
    noise: Sequence[float] = NOISE,
    **more: Any,
) -> Path:
    """Write a result of one strategy whose rounds answer 200 × *scale* × noise a second."""
    prepare_folder(folder)
    measurements = []
    for number, share in enumerate(noise, 1):
        responses = round(400 * scale * share)  # enough for a p99
        name = f"samples/{number}.npz"
        samples = {
            "sent_ns": np.linspace(0, 19e8, responses, dtype=np.int64),
            "latency_ns": np.full(responses, round(4e7 / scale / share)),
            "client": np.arange(responses) % 4,
            "outcome": np.zeros(responses, int),
        }
        write_samples(folder, name, samples)
        values: dict[str, Any] = {
            "elapsed_ns": 2_000_000_000,
            "outcomes": Outcomes(ok=responses),
            "clients_served": 4,
            "samples": name,
            "server_cpu_ns": round(2 * 10**8 / share),
        }
        condition = make_condition(strategy, 4)
        measurements.append(make_measurement(condition, number, **(values | more)))
    plan = Plan((strategy,), connections=(4,), rounds=len(noise))
    write_run(
        make_run(plan, *measurements, name=folder.name),
        folder,
    )
    return folder


def compare(*words: str | Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    status = cli.cli.main(["compare", *map(str, words)], standalone_mode=False)
    return status, capsys.readouterr().out


def test_tells_a_change_from_noise(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, faster = result(tmp_path / "a"), result(tmp_path / "b", scale=1.5, noise=TURNED)
    alike = result(tmp_path / "c", noise=TURNED)

    status, text = compare(first, faster, capsys=capsys)
    [throughput] = [line for line in text.splitlines() if " throughput " in line]
    assert status == 0
    assert throughput.split()[:6] == ["4", "selectors", "throughput", "200/s", "300/s", "+50%"]
    assert throughput.endswith("better")
    assert next(line for line in text.splitlines() if " p99 " in line).endswith("better")
    _, text = compare(faster, first, capsys=capsys)
    assert next(line for line in text.splitlines() if " p99 " in line).endswith("worse")
    _, text = compare(first, alike, capsys=capsys)
    assert "better" not in text
    assert "worse" not in text
    assert "% would show)" in text


@pytest.mark.parametrize(
    ("scale", "condition", "right"),
    [
        (1, "throughput<-10%", HELD),
        (0.8, "throughput<-10%", BROKEN),
        (0.9, "throughput<-10%", CANNOT_TELL),
        (1, "p99>50ms", HELD),
        (1, "p99>0.05s", HELD),
        (1, "p99>30ms", BROKEN),
        (1, "p99>40ms", CANNOT_TELL),
        (0.8, "p50 > +10%", BROKEN),
        (1, "throughput < 100/s", HELD),
        (1, "throughput<1000", BROKEN),
        (1, "cpu>1ms", HELD),
        (1, "cpu>400us", BROKEN),
    ],
)
def test_thresholds_go_by_the_whole_interval(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    scale: float,
    condition: str,
    right: int,
) -> None:
    first, second = result(tmp_path / "a"), result(tmp_path / "b", scale=scale, noise=TURNED)
    status, text = compare(first, second, "--fail-if", condition, capsys=capsys)

    assert status == right
    assert text.splitlines()[-1].startswith(("held", "cannot tell", "broken"))
    assert f"fail if {condition}: selectors, add, keep-alive, 4: " in text


def test_is_broken_where_one_of_several_conditions_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = result(tmp_path / "a"), result(tmp_path / "b", noise=TURNED)
    words: list[str | Path] = [first, second, "--fail-if", "p99>40ms", "--fail-if", "max>90ms"]

    assert compare(*words, capsys=capsys)[0] == CANNOT_TELL
    assert compare(*words, "--fail-if", "p50>1ms", capsys=capsys)[0] == BROKEN


def test_cannot_tell_from_two_rounds_or_from_what_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, few = result(tmp_path / "a"), result(tmp_path / "b", noise=NOISE[:2])
    failed = result(tmp_path / "c", status="failed", reason="it died")
    driver = result(tmp_path / "d", judgement="driver-bound")

    status, text = compare(first, few, "--fail-if", "p99>1ms", capsys=capsys)
    assert status == CANNOT_TELL
    assert "an interval needs 3 rounds that count, not 2" in text
    for broken, why in ((failed, "failed in B"), (driver, "driver-bound in B")):
        status, text = compare(first, broken, "--fail-if", "p99>1ms", capsys=capsys)
        assert status == CANNOT_TELL
        assert text.endswith(f": {why}\n")


@pytest.mark.parametrize("condition", ["p99>1s", "throughput<-10%", "cpu>+10%", "p50<1ms"])
def test_is_broken_where_nobody_is_served_any_more(condition: str) -> None:
    works = make_row(make_condition("a"), [100.0, 101.0, 102.0])
    nobody = make_row(make_condition("a"), [0.0] * 3, clients_served=0)
    threshold = parse_threshold(condition)

    def judged(first: Row, second: Row) -> list[tuple[int, str]]:
        summary = Summary(4, "b", False, (second,))
        found = judge_all([threshold], [Pair(first, second)], summary, [])
        return [(one.status, one.reason) for one in found]

    assert judged(works, nobody) == [(BROKEN, "serves nobody in B")]
    assert judged(nobody, nobody) == (
        [(CANNOT_TELL, "serves nobody in A")]
        if threshold.relative
        else [(BROKEN, "serves nobody in B")]
    )


@pytest.mark.parametrize("condition", ["p99>1s", "throughput<-10%", "errors>50%"])
def test_is_broken_where_a_round_serves_nobody(condition: str) -> None:
    works = make_row(make_condition("a"), [100.0, 101.0, 102.0])
    once = make_row(make_condition("a"), [100.0, 0.0], unserved=(2,), fails=True)
    found = judge_all(
        [parse_threshold(condition)], [Pair(works, once)], Summary(4, "b", False, (once,)), []
    )

    assert [(one.status, one.reason) for one in found] == [
        (BROKEN, "serves nobody in 1 of 2 rounds in B")
    ]
    both = judge_all(
        [parse_threshold("throughput<-99%")], [Pair(once, once)], Summary(4, "b", False, ()), []
    )
    assert both[0].status == CANNOT_TELL


BURSTS = {count: {"edge_ratio": 8 / count * math.sqrt(1 / 6)} for count in (24, 16)}


@pytest.mark.parametrize(
    ("condition", "right"),
    [
        ("throughput<-10%", CANNOT_TELL),
        ("throughput<20", CANNOT_TELL),
        ("throughput<30", BROKEN),
        ("throughput<9", HELD),
    ],
)
def test_allows_for_the_ends_of_windows(condition: str, right: int) -> None:
    """Eight clients that stay together got 3 responses each in every round, or 2."""
    three, two = (
        make_row(make_condition("a"), [float(count)] * 5, **more) for count, more in BURSTS.items()
    )
    pair = Pair(three, two)
    [judged] = judge_all([parse_threshold(condition)], [pair], Summary(4, "b", False, (two,)), [])

    assert judged.status == right
    assert compare_all([pair])[0].verdict.startswith("no clear difference")


def test_compares_with_a_round_of_no_response() -> None:
    rates = [100.0 + place for place in range(10)]
    some = make_row(make_condition("a"), [0.0, *(rate / 2 for rate in rates[1:])])
    pair = Pair(make_row(make_condition("a"), rates), some)
    judged = judge_all(
        [parse_threshold(text) for text in ("throughput<-10%", "throughput<90")],
        [pair],
        Summary(4, "b", False, (some,)),
        [],
    )

    assert compare_all([pair])[0].verdict == "worse"
    assert [one.status for one in judged] == [BROKEN, BROKEN]


def row_of(rates: Sequence[float], **more: Any) -> Row:
    return make_row(make_condition("a"), rates, **more)


FAILED = Outcomes(ok=98_996, timed_out=1_004)


@pytest.mark.parametrize(
    ("row", "condition", "line"),
    [
        (row_of([1.0] * 3, outcomes=FAILED), "errors>1%", "broken: 1.004%"),  # once 1.00%
        (row_of([1.0] * 3, outcomes=FAILED), "errors>1003", "broken: 1,004"),  # once 1,000
        (row_of([1.0] * 3), "errors>1%", "held: 0%"),
        (row_of([1.0] * 3), "errors>0", "held: 0"),
        (row_of([50_021.0] * 3), "throughput>50019", "broken: 50,021/s"),
        (row_of([50_019.0] * 3), "throughput>50019", "held: 50,000/s"),
        (row_of([50_020.0] * 3, edge_ratio=1e-5), "throughput<50020.9", "cannot tell: 50,020.0/s"),
        (row_of([900.4] * 3, limited=(1, 2, 3)), "throughput<900", "held: at least 900.4/s"),
    ],
)
def test_no_figure_reads_like_the_limit_unless_it_is(row: Row, condition: str, line: str) -> None:
    [told] = judged_lines(judge_rows([parse_threshold(condition)], Summary(4, "", False, (row,))))
    word, _, figure = line.partition(": ")

    assert told.startswith(f"{word}: fail if {condition}: ")
    assert f": {figure}" in told


def test_no_change_reads_like_the_limit_unless_it_is() -> None:
    threshold = parse_threshold("throughput<-10%")
    [told] = judged_lines([threshold.judged("a", 0.88, (0.87, 0.8996))])

    assert told == "broken: fail if throughput<-10%: a: −12.00%, −13.00% to −10.04%"


def test_keeps_the_mark_where_the_driver_limited_some_rounds_only() -> None:
    some = row_of([100.0, 80.0, 90.0], limited=(1,), judgement="contended")
    every = row_of([100.0, 80.0, 90.0], judgement="driver-bound")

    assert show_figure(some, THROUGHPUT) == "*90.0/s"
    assert show_figure(every, THROUGHPUT) == "at least 90.0/s"


def test_holds_nothing_beside_many_failures() -> None:
    one = make_row(make_condition("a"), [1.0], fails=True, outcomes=Outcomes(ok=2, timed_out=98))
    threshold = parse_threshold("p99>50ms")
    held = threshold.judged("a", 1.0, (0.5, 2.0))
    judged = beside_shortfall(one, held, "B")

    assert (judged.status, judged.reason) == (CANNOT_TELL, "98 of 100 requests failed in B")
    assert beside_shortfall(dataclasses.replace(one, fails=False), held, "B") == held
    broken = threshold.judged("a", 99.0, (90.0, 100.0))
    assert beside_shortfall(one, broken, "B") == broken


STARVING = make_row(
    make_condition("threadpool:keepalive=hold", 32),
    [30_000.0, 30_100.0, 29_900.0],
    clients_served=8,
    outcomes=Outcomes(ok=54_000),
    p99_ns=spread([5e5, 5e5, 5e5]),
)


@pytest.mark.parametrize(
    ("condition", "status", "told"),
    [
        ("p99>50ms", CANNOT_TELL, "24 of 32 clients were not served"),
        ("throughput<1000", CANNOT_TELL, "24 of 32 clients were not served"),
        ("throughput>1000", BROKEN, "30,000/s"),
        ("p99<50ms", BROKEN, "0.500 ms"),
        ("errors>1%", HELD, "0%"),
        ("timed_out>0", HELD, "0"),
        ("unserved>0", BROKEN, "24"),
        ("unserved>24", HELD, "24"),
        ("unserved>5%", BROKEN, "75.0%"),
        ("unserved>75%", HELD, "75.0%"),
        ("unserved<1", HELD, "24"),
    ],
)
def test_sees_clients_whom_nobody_served(condition: str, status: int, told: str) -> None:
    """Once errors, time-outs and p99 all held, of a server that served 8 of 32."""
    summary = Summary(4, "", False, (STARVING,))
    found = judge_rows([parse_threshold(condition)], summary)

    assert [one.status for one in found] == [status]
    assert told in judged_lines(found)[0].rpartition(": ")[2]


def test_sees_clients_whom_nobody_serves_any_more() -> None:
    served = dataclasses.replace(STARVING, clients_served=32)
    pair = Pair(served, STARVING)
    limits = [parse_threshold(text) for text in ("throughput<-90%", "p99>10%")]
    found = judge_all(limits, [pair], Summary(4, "", False, (STARVING,)), [])

    assert {(one.status, one.reason) for one in found} == {
        (CANNOT_TELL, "24 of 32 clients were not served in B")
    }
    assert unserved_lines(compare_all([pair])) == [
        f"not served of 32 clients: {pair.where}: A 0, B 24"
    ]
    assert unserved_lines(compare_all([Pair(served, served)])) == []


def test_blames_no_server_for_clients_whom_the_driver_did_not_ask_in_time() -> None:
    row = dataclasses.replace(STARVING, unsent=20)
    limits = [parse_threshold(text) for text in ("unserved>0", "unserved>3", "unserved>4")]
    found = judge_rows(limits, Summary(4, "", False, (row,)))

    assert [one.status for one in found] == [BROKEN, BROKEN, CANNOT_TELL]
    assert found[-1].reason == "20 timed out because the driver sent them too late"


def test_knows_nothing_of_the_clients_of_what_failed() -> None:
    row = Row(make_condition("fork"), "failed", all_outcomes=Outcomes(ok=9))
    limits = [parse_threshold(text) for text in ("unserved>0", "unserved>5%")]

    found = judge_rows(limits, Summary(4, "", False, (row,)))
    assert {(one.status, one.reason) for one in found} == {(CANNOT_TELL, "failed")}


@pytest.mark.parametrize("total", [100, 200, 1_000])
@pytest.mark.parametrize("percent", range(101))
def test_is_not_broken_by_exactly_the_limit(total: int, percent: int) -> None:
    """Once 7 of 100 were 7.000000000000001 %, which is more than 7 %."""
    count = total * percent // 100

    def statuses(failed: int, *limits: str) -> list[int]:
        row = row_of([1.0] * 3, outcomes=Outcomes(ok=total - failed, reset=failed))
        parsed = [parse_threshold(text) for text in limits]
        return [one.status for one in judge_rows(parsed, Summary(4, "", False, (row,)))]

    exactly = f"errors>{percent}%", f"errors<{percent}%", f"reset>{count}", f"reset<{count}"
    assert statuses(count, *exactly) == [HELD] * 4
    if count < total:
        assert statuses(count + 1, *exactly[::2]) == [BROKEN] * 2
    if count:
        assert statuses(count - 1, *exactly[1::2]) == [BROKEN] * 2


@pytest.mark.parametrize("number", range(1, 100))
def test_no_figure_is_beyond_a_limit_that_it_is(number: int) -> None:
    row = row_of(
        [float(number)] * 3,
        p99_ns=spread([number * 1_000_000] * 3),
        max_ns=spread([number * 10_000_000] * 3),
        cpu_us_per_request=spread([number * 1000 / 7 * 7] * 3),
    )
    hundred = row_of([100.0] * 3)
    limits = (
        f"throughput{{}}{number}",
        f"p99{{}}{number}ms",
        f"p99{{}}{number}000us",
        f"max{{}}{number / 100}s",
        f"cpu{{}}{number}ms",
        f"throughput{{}}-{100 - number}%",
    )
    for limit in limits:
        for sign in "<>":
            [judged] = judge_all(
                [parse_threshold(limit.format(sign))],
                [Pair(hundred, row)],
                Summary(4, "", False, (row,)),
                [],
            )
            assert judged.status == HELD, limit.format(sign)


def test_compares_results_of_one_strategy_each_whatever_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = result(tmp_path / "a"), result(tmp_path / "b", "fork", 2, TURNED)
    status, text = compare(first, second, "--json", "--fail-if", "p99>50ms", capsys=capsys)
    found = json.loads(text)

    assert status == HELD
    assert "A is selectors, B is fork" in compare(first, second, capsys=capsys)[1].splitlines()
    assert "A is selectors" not in compare(first, first, capsys=capsys)[1]
    assert found["changes"][0]["strategy"] == "fork"
    assert found["changes"][0]["ratio"] == pytest.approx(2, abs=0.05)
    assert found["thresholds"][0]["status"] == "held"


def test_finds_nothing_in_common(tmp_path: Path) -> None:
    first, second = result(tmp_path / "a"), result(tmp_path / "b")
    values = json.loads((second / "result.json").read_text())
    for measurement in values["measurements"]:
        measurement["condition"]["connections"] = 5
    values["plan"]["connections"] = [5]
    (second / "result.json").write_text(json.dumps(values))
    with pytest.raises(UsageError, match="nothing in common"):
        cli.cli.main(["compare", str(first), str(second)], standalone_mode=False)


def test_warns_where_more_than_the_strategy_differs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = result(tmp_path / "a"), result(tmp_path / "b")
    values = json.loads((second / "result.json").read_text())
    values["versions"]["python"] = "3.13.1"
    values["plan"] |= {"rate": 500, "behaviours": ["idle=3"], "policy": ["max_body=9"]}
    (second / "result.json").write_text(json.dumps(values))
    text = compare(first, second, capsys=capsys)[1]

    assert "Not the same Python: None and 3.13.1" in text
    assert text.splitlines()[0] == (
        "Not a whole comparison: not the same limits and deadlines: the defaults and max_body=9;"
        " not the same rate: a closed loop and 500/s; not the same other clients: none and idle=3"
    )
    assert "one result" not in text
    # What changed may come from what was asked: no change can be judged, and nothing holds.
    for limit, lines in (("throughput<-1%", 1), ("p99>1s", 2)):
        status, text = compare(first, second, "--fail-if", limit, capsys=capsys)
        assert status == CANNOT_TELL
        assert text.count(": fail if ") == lines + 2
    assert compare(first, second, "--fail-if", "p99>1ms", capsys=capsys)[0] == BROKEN
    assert "A and B are the same result" in compare(first, first, capsys=capsys)[1]


@pytest.mark.parametrize(
    ("limit", "right"),
    [("throughput<-10%", CANNOT_TELL), ("p99>+10%", CANNOT_TELL), ("throughput<180/s", BROKEN)],
)
def test_cannot_tell_a_change_from_that_of_slices_for_windows(
    limit: str, right: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once a change of 15 % that slices may make by themselves broke a gate, without a word."""
    first = result(tmp_path / "a")
    second = result(tmp_path / "b", scale=0.8, noise=TURNED, evidence=Evidence(slices=30))
    status, text = compare(first, second, "--fail-if", limit, capsys=capsys)

    assert status == right
    assert text.splitlines()[0] == "Not a whole comparison: A was measured in windows, B in slices"
    same = result(tmp_path / "c", noise=TURNED, evidence=Evidence(slices=1))  # too slow for them
    assert compare(first, same, "--fail-if", "throughput<-10%", capsys=capsys)[0] == HELD


def test_says_nothing_of_what_nobody_has_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = (result(tmp_path / name, server_cpu_ns=0) for name in "ab")

    assert "cpu" not in compare(first, second, capsys=capsys)[1]
    for condition in ("cpu>10us", "cpu>10%"):
        status, text = compare(first, second, "--fail-if", condition, capsys=capsys)
        assert status == CANNOT_TELL
        assert text.endswith("it was not measured\n")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("p98>50ms", "no metric 'p98'; did you mean 'p99'"),
        ("troughput<-10%", "did you mean 'throughput'"),
        ("p99", "as in 'p99>50ms'"),
        ("p99>50", "should be in ms, us or s"),
        ("p99>50/s", "should be in ms, us or s"),
        ("throughput<5ms", "should be in /s"),
        ("throughput<-100%", "nothing falls by"),
        ("p99>-5ms", "never below 0"),
        ("p99>50 parsecs", "as in"),
        ("", "as in"),
    ],
)
def test_refuses_a_condition_that_cannot_be(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        parse_threshold(text)


def test_reads_a_minus_from_a_typesetter_as_well() -> None:
    assert (
        parse_threshold("throughput<−10%").limit == parse_threshold("throughput<-10%").limit == 0.9
    )


def test_marks_points_that_may_not_be_the_servers_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = result(tmp_path / "a"), result(tmp_path / "b", judgement="contended")
    _, text = compare(first, second, capsys=capsys)

    assert re.search(r"throughput +200/s +\*200/s", text)
    assert "* contended: another program was using the cores" in text


def test_says_where_rounds_are_too_few(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [result(tmp_path / str(count), noise=NOISE[:count]) for count in (1, 2, 5)]

    for folder, words in zip(folders, ("only 1 round counts", "only 2 rounds count"), strict=False):
        _, text = compare(folder, folders[-1], capsys=capsys)
        assert f"cannot tell: {words}" in text
        assert "no clear difference" not in text


@pytest.mark.parametrize(
    ("ratio", "low", "high", "change", "interval"),
    [
        (1.031, 0.98, 1.062, "+3.1%", "−2.0% to +6.2%"),
        (0.6, 0.5, 0.75, "−40%", "−50% to −25%"),
        (1.5, 0.904, 2.2, "+50%", "−10% to +120%"),
        (1.1, 1.096, 1.104, "+10.0%", "+9.6% to +10.4%"),  # once +10%, +9.6% to +10%
        (2.5, 1.9, 3.1, "2.5x", "1.9x to 3.1x"),
        (1.5, 0.8, 800.0, "1.50x", "0.80x to 800.00x"),
        (0.5, 0.1, math.inf, "−50%", "−90% or more"),
        (0.5, 0.0, math.inf, "−50%", "unknown"),
        (math.inf, 0.0, math.inf, "unknown", "unknown"),
        (1.0004, 1.0001, 1.0007, "+0.04%", "+0.01% to +0.07%"),  # once +0.0%, +0.0% to +0.1%
        (0.9996, 0.98, 1.02, "0.0%", "−2.0% to +2.0%"),
        (1.0, 1.0, 1.0, "0.0%", "0.0% to 0.0%"),
    ],
)
def test_rounds_a_change_and_its_interval_alike(
    ratio: float, low: float, high: float, change: str, interval: str
) -> None:
    assert changes_of(ratio, low, high) == (change, interval)


def test_judges_the_second_result_alone_where_no_change_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = result(tmp_path / "a", status="failed", reason="it died")
    second = result(tmp_path / "b", noise=TURNED)

    status, text = compare(first, second, "--fail-if", "p99>30ms", capsys=capsys)
    assert status == BROKEN
    [p99] = [line for line in text.splitlines() if " p99 " in line and "failed in A" in line]
    assert " 0 ms" not in p99
    assert compare(first, second, "--fail-if", "p99>3%", capsys=capsys)[0] == CANNOT_TELL


def test_cannot_tell_of_what_the_second_result_lacks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = result(tmp_path / "a"), result(tmp_path / "b", noise=TURNED)
    run = read_run(first)
    others = [
        dataclasses.replace(one, condition=dataclasses.replace(one.condition, strategy="fork"))
        for one in run.measurements
    ]
    plan = dataclasses.replace(run.plan, strategies=("selectors", "fork"))
    both = dataclasses.replace(
        run, plan=plan, measurements=(*run.measurements, *others), partial=True
    )
    write_run(both, first)

    status, text = compare(first, second, "--fail-if", "p99>50ms", capsys=capsys)
    assert status == CANNOT_TELL
    assert text.splitlines()[0] == (
        "Not a whole comparison: A is only a part of its race; 1 of the conditions of A is not in B"
    )
    assert "Not in B: fork, add, keep-alive, 4" in text
    assert text.splitlines()[-1].endswith("fork, add, keep-alive, 4: not in B")

    status, text = compare(second, first, "--fail-if", "p99>50ms", capsys=capsys)
    assert "Not in A: fork, add, keep-alive, 4" in text

    found = json.loads(compare(first, second, "--json", capsys=capsys)[1])
    assert found["only_in_a"] == ["fork, add, keep-alive, 4"]
    assert found["only_in_b"] == []
    assert found["partial"] == [True, False]
    # What only B has is judged by what is said of B alone, and has no change.
    assert compare(second, first, "--fail-if", "p99>30ms", capsys=capsys)[1].count("broken:") == 2
    assert compare(second, first, "--fail-if", "p99>90%", capsys=capsys)[1].count("held:") == 1
