"""The driver's lateness: what it does to each figure, where it decides one, and whose it is."""

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import make_condition, make_measurement, make_observation, make_row, make_run
from numpy.typing import NDArray
from truth import LONG_S, always, response_to, truth, until

from calcbench.bench.analysis.compare import Pair, compare_all
from calcbench.bench.analysis.gate import judge_change, judge_row
from calcbench.bench.analysis.lateness import least_quantiles
from calcbench.bench.analysis.metrics import P50, P99
from calcbench.bench.analysis.quantiles import Reading, Waits, quantile
from calcbench.bench.analysis.ranking import compare, tiers
from calcbench.bench.analysis.rates import falls_behind
from calcbench.bench.analysis.spread import spread
from calcbench.bench.analysis.summary import Row, Summary, summarise
from calcbench.bench.analysis.thresholds import BROKEN, CANNOT_TELL, HELD, parse_threshold
from calcbench.bench.diagnosis.classify import classify
from calcbench.bench.diagnosis.evidence import Assessment, ServerWatch, assess
from calcbench.bench.diagnosis.lateness import lateness_error, whose_lateness
from calcbench.bench.loadgen.observation import Observation
from calcbench.bench.loadgen.pool import Drivers
from calcbench.bench.loadgen.spec import LoadSpec
from calcbench.bench.schema.evidence import Evidence
from calcbench.bench.schema.histogram import Histograms, counted_times
from calcbench.bench.schema.judgements import (
    DRIVER_BOUND,
    NO_RESPONSES,
    SERVER_BOUND,
    SILENT,
    UNSTEADY,
)
from calcbench.bench.schema.lateness import (
    lateness,
    overdue_ns,
    prompt_times,
    timed_out_unsent,
)
from calcbench.bench.schema.outcomes import OK, TIMED_OUT, Outcomes
from calcbench.bench.schema.plan import Plan
from calcbench.bench.schema.result import Measurement
from calcbench.bench.schema.samples import compact, expand, write_samples
from calcbench.bench.schema.store import prepare_folder
from calcbench.bench.system.cpus import Pinning
from calcbench.bench.system.usage import Life
from calcbench.bench.views.captions import headline, notes
from calcbench.bench.views.charts import draw
from calcbench.bench.views.conclusions import verdict
from calcbench.bench.views.lateness import TAIL
from calcbench.bench.views.table import plain_lines
from calcbench.bench.views.wording import describe_failures, mark

MS = 1_000_000
S = 1000 * MS
Column = NDArray[np.int64]
Samples = dict[str, Column]


def open_loop(due: Column, late: Column, took: Column, waited: Column | None = None) -> Samples:
    """Return the samples of requests that were *late* and then *took* so long."""
    sent = due + late
    return {
        "intended_ns": due,
        "sent_ns": sent,
        "first_ns": sent + took,
        "done_ns": sent + took,
        "latency_ns": late + took,
        "client": np.arange(len(due)) % 8,
        "outcome": np.zeros(len(due), np.int64),
        "waited": np.zeros(len(due), np.int64) if waited is None else waited,
    }


def stored(
    folder: Path, samples: Samples, lost: int, inside: int, *, driver_bound: bool, **more: Any
) -> Measurement:
    """Return the measurement of *samples*, which it writes: a second of an open loop at 1,000/s.

    So many of them were *lost*, and so many answered *inside* the window.
    """
    prepare_folder(folder)
    write_samples(folder, "samples/1.npz", compact(samples))
    return make_measurement(
        make_condition("fork"),
        samples="samples/1.npz",
        offered_per_s=1_000.0,
        elapsed_ns=S,
        outcomes=Outcomes(ok=1_000 - lost, timed_out=lost),
        responses_in_window=inside,
        judgement=DRIVER_BOUND if driver_bound else SERVER_BOUND,
        **more,
    )


def every(count: int, gap_ns: int) -> Column:
    return np.arange(count, dtype=np.int64) * gap_ns


def one_at_a_time(sent: Column, took_ns: int) -> Column:
    """Return when a server that does one thing at a time is done with what is *sent* to it."""
    done, free = [], 0
    for moment in sent.tolist():
        free = max(free, moment) + took_ns
        done.append(free)
    return np.array(done)


def judged(samples: Samples, rate: float, *, thinks: bool = False) -> Assessment:
    count = len(samples["intended_ns"])
    elapsed_ns = round(count / rate * 1e9)
    seen = make_observation(
        elapsed_ns=elapsed_ns,
        outcomes=Outcomes(ok=count),
        responses=int((samples["done_ns"] <= elapsed_ns).sum()),
        carried_ns=tuple(range(0, int(samples["latency_ns"].min()), round(1e9 / rate))),
        offered_per_s=0.0 if thinks else rate,
        think_s=8 / rate if thinks else 0.0,
        samples=samples,
        driver_cpu_ns=elapsed_ns // 100,
    )
    return assess(seen, ServerWatch([], (), Life(0, 0, 0)), make_condition(), Pinning(), None)


@pytest.mark.parametrize(
    ("rate", "late_ms", "each", "took_ms", "matters"),
    [
        (42, 3, 20, 900, False),  # one in 20 is 3 ms late, and all take 900 ms
        (42, 30, 4, 900, False),  # even 30 ms are little of it
        (42, 300, 20, 900, True),
        (1_000, 0.9, 2, 0.1, False),  # as long as a machine takes to wake a process
        (1_000, 5, 20, 1, True),
        (42, 30, 100, 900, False),  # the last of few leaves behind the window
        (1_000, 5, 1_000, 1, False),  # too few to be in any quantile that is reported
    ],
)
@pytest.mark.parametrize("load", ["rate", "think_s"])
def test_takes_lateness_for_an_error_bar_and_refuses_no_round(
    load: str, rate: int, late_ms: float, each: int, took_ms: float, matters: bool
) -> None:
    due = every(4_200, S // rate)
    late = np.where(np.arange(4_200) % each == 0, round(late_ms * MS), 0)
    samples = open_loop(due, late, np.full(4_200, round(took_ms * MS)))
    result = judged(samples, rate, thinks=load == "think_s")

    assert result.judgement.name == SERVER_BOUND
    assert result.evidence.driver_fault == ""
    assert lateness_error(samples).matters == matters
    assert result.evidence.lateness_error_ratio == round(lateness_error(samples).ratio, 4)
    assert result.evidence.lateness_p99_ns == quantile(np.sort(lateness(samples)), 0.99)


def test_blames_nobody_but_the_server_for_a_wait_for_a_connection() -> None:
    due = every(1_000, MS)
    waits = np.full(1_000, 50 * MS)
    samples = open_loop(due, waits, np.full(1_000, MS), waited=np.ones(1_000, np.int64))

    assert not lateness(samples).any()
    assert (prompt_times(samples) == 51 * MS).all()
    assert judged(samples, 1_000).evidence.lateness_error_ratio == 0


@pytest.mark.parametrize("took_ns", [MS // 10, MS, 19 * MS // 10])
def test_encloses_what_a_driver_that_is_in_time_would_have_seen(took_ns: int) -> None:
    """It is away for 100 ms, and then 50 requests stand in line behind each other."""
    due = every(2_000, 2 * MS)
    away, back = 1 * S, 1 * S + 100 * MS
    late = np.where((due >= away) & (due < back), back - due, 0)
    samples = open_loop(due, late, one_at_a_time(due + late, took_ns) - due - late)
    in_time = one_at_a_time(due, took_ns) - due
    burst = late > 0

    assert lateness(samples)[burst].tolist() == [100 * MS] * 50
    assert (prompt_times(samples)[burst] <= in_time[burst]).all()
    assert (in_time <= samples["latency_ns"]).all()
    # Less what each one itself was late would not be enough: it has waited for those before it.
    service = samples["done_ns"] - samples["sent_ns"]
    assert (service[burst][1:] > in_time[burst][1:]).all()


@pytest.mark.parametrize("share", [0.002, 0.05, 0.3])
@pytest.mark.parametrize("level", [0.5, 0.9, 0.99])
def test_allows_for_reading_as_late_as_sending(level: float, share: float) -> None:
    draw = np.random.default_rng(3)
    count = 20_000

    usual = 20_000  # ns that every send and every read takes

    def away() -> Column:
        stall = draw.uniform(5 * MS, 15 * MS, count)
        return np.where(draw.random(count) < share, stall, usual).astype(np.int64)

    truth_ns = draw.exponential(2 * MS, count).astype(np.int64) + MS
    samples = open_loop(every(count, 20 * MS), away(), truth_ns + away())
    [least] = least_quantiles(samples, level)
    most = quantile(np.sort(samples["latency_ns"]), level)
    right = quantile(np.sort(truth_ns), level) + usual

    assert least <= right <= most
    # What is seldom does not make the bar useless where it cannot matter.
    assert share > 0.1 or level > 0.9 or least > 0.7 * right


def test_counts_a_burst_as_late_as_its_first_also_where_connections_run_out() -> None:
    due = every(10, MS)
    sent = np.array([9, 9, 9, 10, 11, 12, 13, 14, 15, 16]) * MS
    waited = np.array([0, 0, 0, 1, 1, 1, 1, 1, 1, 1])
    samples = open_loop(due, sent - due, np.full(10, MS), waited)

    assert lateness(samples).tolist() == [9 * MS] * 10


def test_adds_up_for_how_long_the_driver_was_missed() -> None:
    due = np.array([0, 10, 20, 500]) * MS
    late = np.array([30, 20, 10, 100]) * MS
    samples = open_loop(due, late, np.full(4, MS))

    assert overdue_ns(samples, S) == (30 + 100) * MS
    assert overdue_ns(samples, 550 * MS) == (30 + 50) * MS
    samples["intended_ns"][:2], samples["sent_ns"][:2] = (-50 * MS, -20 * MS), (-45 * MS, 5 * MS)
    assert overdue_ns(samples, S) == (5 + 10 + 100) * MS  # users may have asked before the window


@pytest.mark.parametrize("away_ms", [(0, 100), (450, 550), (900, 1_000), (400, 950)])
@pytest.mark.parametrize("driver_bound", [True, False])
@pytest.mark.parametrize("lost", [0, 50])
def test_takes_the_rate_of_an_open_loop_for_a_bound_only_where_some_is_missing(
    tmp_path: Path, away_ms: tuple[int, int], driver_bound: bool, lost: int
) -> None:
    """The last that the driver sends too late are answered behind the window."""
    due = every(1_000, MS)
    away, back = (moment * MS for moment in away_ms)
    late = np.where((due >= away) & (due < back), back + 60 * MS - due, 0)
    samples = open_loop(due, late, np.full(1_000, MS))
    samples["outcome"][:lost] = TIMED_OUT
    inside = int((samples["done_ns"] <= S).sum()) - lost
    one = stored(tmp_path, samples, lost, inside, driver_bound=driver_bound)
    plan = Plan(("fork",), connections=(8,), rate=1_000.0)
    [row] = summarise(make_run(plan, one), tmp_path).rows
    ends_late = away_ms[1] > 900

    assert (inside < 980 - lost) == ends_late
    assert row.throughput.median == (inside if lost else 1_000 if ends_late else inside)
    assert row.throughput.at_least == (bool(lost) and (ends_late or driver_bound))
    assert mark(row) == ("≥" if row.throughput.at_least else "")


@pytest.mark.parametrize(
    ("answered", "timed_out", "offered", "limited", "overloaded"),
    [
        (1_000, 0, 1_000.0, False, False),
        (900, 0, 1_000.0, False, False),  # may be chance
        (870, 0, 1_000.0, False, True),
        (870, 0, 1_000.0, True, False),  # by the driver
        (870, 130, 1_000.0, False, False),  # the others failed, and no queue grew
        (870, 0, 0.0, False, False),
    ],
)
def test_knows_where_a_queue_grows(
    answered: int, timed_out: int, offered: float, limited: bool, overloaded: bool
) -> None:
    one = make_measurement(
        make_condition("fork"),
        offered_per_s=offered,
        elapsed_ns=S,
        outcomes=Outcomes(ok=1_000 - timed_out, timed_out=timed_out),
    )

    assert falls_behind(one, Reading(answered, limited)) == overloaded


@pytest.mark.parametrize(
    ("limit", "status"),
    [
        ("p99>1500ms", CANNOT_TELL),
        ("p99>500ms", BROKEN),
        ("p50>1500ms", CANNOT_TELL),
        ("throughput<900", HELD),
        ("throughput<990", BROKEN),
        ("errors>0", HELD),
    ],
)
def test_holds_no_time_of_a_queue_that_grows(limit: str, status: int) -> None:
    """It answers 980 of 1,200 requests a second: the longer that goes on, the longer they wait."""
    times = spread([1_030 * MS, 1_040 * MS, 1_020 * MS])
    row = make_row(
        make_condition("selectors", 256),
        [979, 980, 981],
        outcomes=Outcomes(ok=3_600),
        offered_per_s=1_200.0,
        overloaded=True,
        p50_ns=times,
        p99_ns=times,
    )
    judged_row = judge_row(parse_threshold(limit), row, "")

    assert judged_row.status == status
    assert status != CANNOT_TELL or judged_row.reason == "overloaded"
    assert (
        "Overloaded: selectors answers 980/s of 1,200/s under add. The queue grew all the time, so"
        " response times say how long that was: with a longer --duration they are longer."
    ) in verdict(Summary(1, "", False, (row,)))


@pytest.mark.parametrize("hangs", ["driver", "server"])
@pytest.mark.parametrize("thinks", [False, True])
def test_blames_the_driver_for_what_timed_out_before_it_was_sent(hangs: str, thinks: bool) -> None:
    """It stops for the last half, longer than the timeout of 400 ms; or the server does."""
    due = every(1_000, MS)
    away = due >= 500 * MS
    late = np.where(away & (hangs == "driver"), 1_000 * MS - due, 0)
    took = np.where(away & (hangs == "server"), 400 * MS, MS)
    samples = open_loop(due, late, took)
    lost = samples["latency_ns"] >= 400 * MS
    samples["outcome"] = np.where(lost, TIMED_OUT, OK)
    result = judged(samples, 1_000, thinks=thinks)

    assert timed_out_unsent(samples) == (lost.sum() if hangs == "driver" else 0)
    assert (DRIVER_BOUND in result.evidence.judgements) == (hangs == "driver")
    assert ("timed out before being sent" in result.evidence.driver_fault) == (hangs == "driver")


@pytest.mark.parametrize(
    ("lost", "unsent", "limit", "status", "fails"),
    [
        (334, 332, "errors>1%", CANNOT_TELL, False),
        (334, 332, "timed_out>0", BROKEN, False),  # two were the server's
        (332, 332, "timed_out>0", CANNOT_TELL, False),
        (332, 332, "errors>40%", HELD, False),
        (334, 300, "errors>1%", BROKEN, True),
        (334, 0, "errors>1%", BROKEN, True),
        (0, 0, "errors>0", HELD, False),
        (332, 332, "reset>0", HELD, False),
    ],
)
def test_counts_no_error_of_the_drivers_as_one_of_the_server(
    tmp_path: Path, lost: int, unsent: int, limit: str, status: int, fails: bool
) -> None:
    due = every(1_000, MS)
    failed = (due < unsent * MS) | (due >= (1_000 - lost + unsent) * MS)
    late = np.where(due < unsent * MS, 400 * MS, 0)
    samples = open_loop(due, late, np.where(failed & (late == 0), 400 * MS, MS))
    samples["outcome"] = np.where(failed, TIMED_OUT, OK)
    fault = Evidence(driver_fault="it sent some too late" if unsent else "")
    one = stored(tmp_path, samples, lost, 1_000 - lost, driver_bound=unsent > 0, evidence=fault)
    [row] = summarise(make_run(Plan(("fork",), rate=1_000.0), one), tmp_path).rows
    judged_row = judge_row(parse_threshold(limit), row, "")

    assert (row.unsent, row.fails) == (unsent, fails)
    assert judged_row.status == status
    assert ("because the driver sent them too late" in describe_failures(row)) == (unsent > 0)
    if status == CANNOT_TELL:
        assert judged_row.reason == "332 timed out because the driver sent them too late"


@pytest.mark.parametrize(("owed", "name"), [(0.1, SILENT), (0.7, UNSTEADY)])
def test_calls_no_server_silent_that_nobody_asked(owed: float, name: str) -> None:
    seen = Evidence(settled=False, settled_why=NO_RESPONSES, overdue_ratio=owed)
    judgement = classify(seen)

    assert judgement.name == name
    assert ("for 70% of it the driver was late" in judgement.why[0]) == (name == UNSTEADY)


def test_knows_no_lateness_of_older_files() -> None:
    samples = open_loop(every(100, MS), np.full(100, 5 * MS), np.full(100, MS))
    del samples["waited"]

    assert Waits(*counted_times(samples, "prompt")).quantile(1).value == 6 * MS
    assert lateness_error(samples).ratio == 0


def test_keeps_the_lower_ends_of_what_it_folds_and_writes() -> None:
    late = np.where(np.arange(3_000) % 10 == 0, 8 * MS, 0)
    samples = open_loop(every(3_000, MS), late, np.full(3_000, 5 * MS))
    folded = Histograms(keeps_schedule=True)
    for start in (0, 1_000, 2_000):
        folded.add({name: column[start : start + 1_000] for name, column in samples.items()})
    for kept in (folded.columns(), expand(compact(samples))):
        for q in (0.5, 0.9, 0.99):
            found = Waits(*counted_times(kept, "prompt")).quantile(q).value

            assert found == pytest.approx(quantile(np.sort(prompt_times(samples)), q), rel=0.001)
            assert least_quantiles(kept, q) == pytest.approx(least_quantiles(samples, q), rel=0.001)
        assert lateness_error(kept).matters


@pytest.mark.parametrize(
    ("seen", "word"),
    [
        (
            {"driver_delay_ratio": 0.15},
            "other programs on the driver's core, for which it waited 15%",
        ),
        ({"steal_ratio": 0.12}, "the host of this machine, which gave a core to others for 12%"),
        ({"driver_cpu_ratio": 0.9}, "the driver itself, which was computing for 90%"),
        (
            {"driver_delay_ratio": 0.01, "steal_ratio": 0.01},
            "this machine's timer, which woke the driver too late",
        ),
    ],
)
def test_says_whose_the_lateness_is(seen: dict[str, Any], word: str) -> None:
    assert word in whose_lateness(Evidence(overdue_ratio=0.2, **seen))


def race_row(strategy: str, p99_ms: float, least_ms: float) -> Row:
    shaken = [0.99, 1.0, 1.01, 0.995, 1.005, 1.0, 0.99, 1.01, 1.0, 0.995]
    return make_row(
        make_condition(strategy),
        [100.0] * len(shaken),
        offered_per_s=100.0,
        p50_ns=spread(MS * one for one in shaken),
        p99_ns=spread(p99_ms * MS * one for one in shaken),
        prompt_p50_ns=spread(MS * one for one in shaken),
        prompt_p99_ns=spread(least_ms * MS * one for one in reversed(shaken)),
    )


@pytest.mark.parametrize(
    ("least_ms", "clear"),
    [
        (20.0, True),  # of the slower one nothing is lateness
        (13.0, True),
        (9.0, False),  # without its lateness the slower one is faster
        (10.0, False),
    ],
)
def test_puts_in_order_only_what_lateness_cannot_turn(least_ms: float, clear: bool) -> None:
    fast, slow = race_row("fork", 10, 10), race_row("selectors", 20, least_ms)
    comparison = compare(fast, slow, P99)

    assert comparison.behind == clear
    assert not comparison.ahead
    assert len(tiers([fast, slow], P99)) == (2 if clear else 1)
    assert comparison.low <= comparison.ratio <= comparison.high
    assert compare(fast, slow, P50).ratio == pytest.approx(1)


@pytest.mark.parametrize(("least_ms", "held"), [(20.0, True), (9.0, False)])
def test_tells_a_change_only_where_lateness_cannot_turn_it(least_ms: float, held: bool) -> None:
    pair = Pair(race_row("fork", 10, 10), race_row("fork", 20, least_ms))
    changes = {one.metric.name: one.verdict for one in compare_all([pair])}
    rises, high = (parse_threshold(text) for text in ("p99>50%", "p99>15ms"))
    broken = BROKEN if held else CANNOT_TELL

    assert changes["p99"].startswith("worse" if held else "no clear difference")
    assert judge_change(rises, pair).status == broken
    assert judge_row(high, pair.second, "B").status == broken


def test_shows_how_much_of_a_latency_may_be_lateness() -> None:
    late, prompt = race_row("fork", 12.4, 9.1), race_row("selectors", 20, 20)
    condition = late.condition
    plan = Plan(("fork", "selectors"), connections=(8,), rate=100.0)
    run = make_run(plan, make_measurement(condition))
    summary = Summary(4, "run", partial=False, rows=(late, prompt))
    text = "\n".join(plain_lines(summary, run))
    figure = draw(summary, run, P99)
    [tail] = [line for line in figure.axes[0].lines if line.get_linestyle() == ":"]

    assert "≤12.4" in text
    assert "fork at 8, without the driver's lateness and with it: p99 9.10 to 12.4 ms" in text
    assert text.count("≤:") == 1
    assert "selectors at 8, without" not in text
    assert TAIL in notes([late, prompt], P99)
    assert TAIL not in notes([prompt], P99)
    assert TAIL not in notes([late, prompt], P50)
    assert tail.get_xdata() == pytest.approx([9.1, 12.4])


@pytest.mark.parametrize(
    ("least_ms", "words"),
    [
        (4.0, "the driver was late for some requests, and that may be all the difference"),
        (5.5, "came first in the only round"),
    ],
)
def test_names_no_first_of_one_round_that_lateness_may_have_made(
    least_ms: float, words: str
) -> None:
    """The fast one took 1 to 5 ms, and the slow one *least_ms* to 6."""
    rows = tuple(
        make_row(
            make_condition(strategy),
            [100.0],
            offered_per_s=100.0,
            p50_ns=spread([MS]),
            p99_ns=spread([most * MS]),
            prompt_p99_ns=spread([least * MS]),
        )
        for strategy, least, most in (("fork", 1, 5), ("selectors", least_ms, 6))
    )
    found = verdict(Summary(4, "run", partial=False, rows=rows))[0]

    assert words in found
    assert ("took 1.20x as long" in found) == (least_ms > 5)
    assert ("first" in headline(P99, rows)) == (least_ms > 5)


@pytest.mark.parametrize("load", [{"offered_per_s": 1_000.0}, {"think_s": 0.01}])
def test_summarises_both_ends(tmp_path: Path, load: dict[str, Any]) -> None:
    prepare_folder(tmp_path)
    late = np.where(np.arange(1_000) % 20 == 0, 8 * MS, 0)
    samples = open_loop(every(1_000, MS), late, np.full(1_000, 5 * MS))
    write_samples(tmp_path, "samples/1.npz", compact(samples))
    condition = make_condition("fork")
    one = make_measurement(condition, samples="samples/1.npz", **load)
    plan = Plan(("fork",), connections=(8,), rate=1_000.0)
    [row] = summarise(make_run(plan, one), tmp_path).rows

    assert (row.p99_ns.median, row.prompt_p99_ns.median) == (13 * MS, 5 * MS)
    assert row.prompt_p50_ns.median == row.p50_ns.median == 5 * MS
    assert (row.max_ns.median, row.prompt_max_ns.median) == (13 * MS, 5 * MS)


@pytest.mark.slow
def test_finds_late_what_was_due_while_the_driver_stood_still() -> None:
    """Whatever else this machine does: nobody sends while stopped, so every bound is certain."""

    def measure(duration_s: float) -> tuple[Observation, int, int]:
        with truth(always(response_to)) as port, Drivers() as drivers:
            pid = drivers.processes[0].process.pid
            load = LoadSpec("127.0.0.1", port, 8, True, duration_s, 0.1, LONG_S, rate=200)
            times: list[int] = []

            def stop() -> None:
                time.sleep(load.warmup_s + duration_s / 3)
                os.kill(pid, signal.SIGSTOP)
                os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT)
                times.append(time.perf_counter_ns())
                time.sleep(0.2)
                times.append(time.perf_counter_ns())
                os.kill(pid, signal.SIGCONT)

            thread = threading.Thread(target=stop)
            thread.start()
            observation = drivers.drive(load)
            thread.join()
        stopped_ns, went_on_ns = (moment - observation.opened_ns for moment in times)
        return observation, stopped_ns, went_on_ns

    observation, stopped_ns, went_on_ns = until(
        lambda seen: seen[1] > 0 and seen[2] < 0.9 * seen[0].elapsed_ns, measure, 1.0
    )
    samples = observation.samples
    due = samples["intended_ns"]
    meanwhile = (due > stopped_ns) & (due < went_on_ns)

    assert meanwhile.sum() >= (went_on_ns - stopped_ns) * 200 // S - 1
    assert (lateness(samples)[meanwhile] >= (went_on_ns - due[meanwhile])).all()
    # They went out together, so each may have waited for all of them.
    assert lateness(samples)[meanwhile].min() >= went_on_ns - due[meanwhile].min()
    assert not observation.in_time
    assert lateness_error(samples).quantile in ("p50", "p90", "p99")
