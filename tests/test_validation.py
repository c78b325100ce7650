"""The validation itself, on data whose answer is known: it must find what is broken."""

import math
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from builders import make_condition, make_measurement, make_row
from truth import some_ended, until

from calcbench.bench.analysis.intervals import Estimate
from calcbench.bench.analysis.metrics import THROUGHPUT
from calcbench.bench.analysis.quantiles import quantile
from calcbench.bench.analysis.spread import spread
from calcbench.bench.analysis.summary import Row
from calcbench.bench.loadgen.observation import Observation
from calcbench.bench.schema.calibration import Lateness
from calcbench.bench.schema.condition import AGAIN
from calcbench.bench.schema.evidence import Evidence
from calcbench.bench.schema.outcomes import Outcomes
from calcbench.bench.schema.result import Measurement
from calcbench.bench.system.cpus import Pinning, choose_cores
from calcbench.bench.validation import __main__ as program
from calcbench.bench.validation import driver, noise, statistics, timestamps, truth, wrk
from calcbench.bench.validation.requirement import (
    Requirement,
    at_most,
    counted_at_most,
    counted_between,
    share_between,
    share_true,
)
from calcbench.bench.validation.stamping_server import response_to
from calcbench.bench.validation.statistics import drawing, log_ratios, residuals
from calcbench.core.errors import CalcbenchError

if TYPE_CHECKING:
    from numpy.typing import NDArray

random = np.random.default_rng(3)
# Both are slow in the same rounds; what each has of its own is a tenth of that.
NOISE = random.normal(0, 0.2, 24) + random.normal(0, 0.02, (2, 24))


def rows() -> tuple[Row, Row]:
    first, again = (
        make_row(
            make_condition(name),
            np.exp(9 + noise).tolist(),
            cpu_us_per_request=spread(np.exp(3 + noise / 4).tolist()),
        )
        for name, noise in zip(("selectors", "selectors" + AGAIN), NOISE, strict=True)
    )
    return first, again


def test_sees_the_noise_that_there_is() -> None:
    seen = residuals(rows(), THROUGHPUT)

    assert seen.shape == (2, 24)
    assert np.median(seen, axis=1) == pytest.approx([0, 0])
    assert np.diff(seen) == pytest.approx(np.diff(NOISE))
    drawn = drawing(NOISE)(4_000)
    assert abs(np.median(drawn)) < 0.02
    assert drawn.std() == pytest.approx(NOISE.std(), rel=0.25)


def test_a_comparison_has_no_noise_that_both_share() -> None:
    seen = log_ratios(rows(), THROUGHPUT)

    assert np.median(seen) == pytest.approx(0)
    assert np.diff(seen) == pytest.approx(np.diff(NOISE[0] - NOISE[1]))
    assert seen.std() < NOISE.std() / 4


def test_allows_for_the_error_of_counting_and_for_no_more() -> None:
    assert share_true([True] * 5 + [False] * 95) == 0.05
    assert at_most(0.05, [True] * 6 + [False] * 94)
    assert not at_most(0.05, [True] * 20 + [False] * 80)
    assert share_between(0.93, 0.97, [True] * 95 + [False] * 5)
    assert not share_between(0.93, 0.97, [True] * 800 + [False] * 200)
    assert not share_between(0.93, 0.97, [True] * 1_000)


@pytest.mark.parametrize("count", [200, 3_000])
def test_states_what_it_allows_for_in_what_it_requires(count: int) -> None:
    stated = counted_at_most(0.05, count)
    found = re.fullmatch(r"≤ 5%; by chance up to ([\d.]+)% of [\d,]+", stated)
    assert found
    limit = float(found[1]) / 100
    within, beyond = math.floor((limit - 0.001) * count), math.ceil((limit + 0.001) * count)

    assert at_most(0.05, [True] * within + [False] * (count - within))
    assert not at_most(0.05, [True] * beyond + [False] * (count - beyond))
    assert counted_between(0.93, 0.97, 3_000) == "93% to 97%; by chance 91.6% to 97.9% of 3,000"


def test_counts_every_requirement_of_the_statistics() -> None:
    found = list(statistics.requirements_of_races(rows(), comparisons=10, drawn=20))

    assert len(found) == 5 + 2
    assert "req/s" in found[-2].what
    assert "CPU per request" in found[-1].what
    assert found[-1].held  # a difference of 5 % in CPU time with a noise of 0.7 percent


def part(*held: bool | None) -> Iterator[Requirement]:
    for number, one in enumerate(held):
        yield Requirement(f"requirement {number}", "b", "c", one)


@pytest.mark.parametrize(
    ("held", "status"), [((True, True), 0), ((True, None), 0), ((True, False, None), 1)]
)
def test_prints_a_table_and_fails_with_a_broken_requirement(
    held: tuple[bool | None, ...],
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(program.PARTS, "wrk", lambda: part(*held))

    assert program.run(["--only", "wrk"]) == status
    table = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    assert cells[0] == ["what", "required", "measured", "verdict"]
    assert {len(line) for line in cells} == {4}
    words = {True: "held", False: "NOT HELD", None: "not measured"}
    assert [line[3] for line in cells[2:]] == [words[one] for one in held]


def test_goes_on_with_the_next_part_where_one_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> Iterator[Requirement]:
        yield from part(True)
        raise CalcbenchError("the driver died")

    monkeypatch.setitem(program.PARTS, "truth", fail)
    monkeypatch.setitem(program.PARTS, "wrk", lambda: part(True))

    assert program.run(["--only", "wrk,truth"]) == 1
    out = capsys.readouterr().out
    assert "the driver died" in out
    assert out.count("| held") == 2


def test_knows_its_parts(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        program.main(["--only", "truht"])

    assert ended.value.code == 2
    assert "no part 'truht'; did you mean 'truth'?" in capsys.readouterr().err
    assert program.chosen("") == ["driver", "truth", "wrk", "slices", "statistics"]
    assert program.chosen("wrk, driver") == ["driver", "wrk"]


def test_records_samples_as_the_driver_does() -> None:
    # The machine may stand still during the loop that is taken off.
    assert max(driver.recording_ns(2_000) for _ in range(5)) > 0
    assert driver.recording([310, 203, 420]).held
    assert driver.recording([310, 203, 420]).measured == "203 ns, usually 310 ns"
    assert not driver.recording([301, 420]).held


def test_requires_a_ceiling_by_cpu() -> None:
    held = driver.ceiling("closed loop", 80_000, 7_761, 9_000, 23_392)
    broken = driver.ceiling("closed loop", 80_000, 12_501, 13_000, 90_000)

    assert held.held
    assert held.measured == "129,000/s (7.76 µs each, usually 9.00 µs); 23,400/s reached"
    assert not broken.held


@pytest.mark.parametrize(
    ("more_us", "held"),
    [
        ([0] * 9, True),
        ([400] * 9, True),
        ([-9_000, 9_000, 20, 7_000, 5_000, 600, 700, 800, -50], True),  # others have been at it
        ([600] * 8 + [-9_000], False),
    ],
)
def test_sees_whether_the_sampler_makes_requests_late(more_us: list[int], held: bool) -> None:
    pairs = [(100_000, 100_000 + 1_000 * more) for more in more_us]

    assert driver.disturbance(pairs).held is held


def test_counts_the_middle_round_of_lateness() -> None:
    p99_ns = [10_000, 90_000_000, 20_000]
    rounds = [Lateness(30_000, 5_000, p99, max_ns=p99, kept=True) for p99 in p99_ns]

    assert driver.lateness(rounds).held
    assert "p99 20.0 µs at 30,000/s" in driver.lateness(rounds).measured
    assert not driver.lateness([rounds[1], rounds[1], rounds[2]]).held


def measurement(**evidence: Any) -> Measurement:
    usual: dict[str, Any] = {"little_ratio": 1.0, "achieved_ratio": 1.0, "unaccounted": 0}
    return make_measurement(make_condition(), evidence=Evidence(**(usual | evidence)))


@pytest.mark.parametrize(
    ("evidence", "held"),
    [
        ({}, [True, True, True]),
        ({"little_ratio": 0.94}, [False, True, True]),
        ({"little_ratio": 0.94, "driver_delay_ratio": 0.02}, [True, True, True]),
        ({"achieved_ratio": 0.97}, [True, False, True]),
        ({"unaccounted": -1}, [True, True, False]),
    ],
)
def test_the_worst_run_decides_on_the_self_checks(
    evidence: dict[str, float], held: list[bool]
) -> None:
    runs = [measurement(), measurement(**evidence)]
    found = list(driver.self_checks(runs, runs))

    assert [one.held for one in found] == held
    assert (
        found[2].measured
        == f"{2 * abs(evidence.get('unaccounted', 0))} of 4,000 requests are missing"
    )


def test_judges_no_run_that_does_not_count() -> None:
    found = list(driver.self_checks([measurement()], []))

    assert [one.verdict for one in found] == ["held", "not measured", "held"]


def conversation(*pairs: tuple[int, int], ended: int, unfinished: int = 0) -> Observation:
    """Return what a driver saw that sent and had answers at *pairs*, in a window from 100 on."""
    sent, done = np.array(pairs).T
    return Observation(
        elapsed_ns=10**10,
        outcomes=Outcomes(ok=len(pairs)),
        clients_served=1,
        in_flight_ns=(0,) * unfinished,
        server_cpu_ns=0,
        driver_cpu_ns=0,
        samples={"sent_ns": sent, "done_ns": done},
        opened_ns=100,
        ended=ended,
        unfinished=unfinished,
    )


def test_finds_the_bias_by_the_order_of_the_requests() -> None:
    """Two requests of the warm-up, two that count, and one whose response nobody waited for."""
    observation = conversation((0, 50), (60, 99), ended=4, unfinished=1)
    stamps = np.array([(20, 30), (50, 70), (107, 120), (161, 195), (230, 250)])
    seen = timestamps.beyond(observation, stamps)

    assert seen.before.tolist() == [7, 1]
    assert seen.after.tolist() == [30, 4]
    assert seen.short == 0
    requirement = timestamps.requirement_of([seen], [seen])
    assert requirement.held
    assert "2 requests" in requirement.what
    assert requirement.measured == "≥ 1 ns at each end; p50 5 ns (bare client 5 ns), p99 37 ns"


def test_a_service_time_within_the_servers_own_breaks_the_requirement() -> None:
    def after_one(*draw_pair: int, stamps: tuple[int, int]) -> timestamps.Beyond:
        observation = conversation((draw_pair[0], draw_pair[1]), ended=2)
        return timestamps.beyond(observation, np.array([(20, 30), stamps]))

    early = after_one(0, 50, stamps=(99, 120))
    slow = after_one(0, 30_000, stamps=(101, 120))
    fine = after_one(0, 50, stamps=(101, 120))

    assert not timestamps.requirement_of([fine, early], [fine]).held
    assert not timestamps.requirement_of([slow], [fine]).held
    assert timestamps.requirement_of([slow], [slow]).held  # the way there is slow for anybody
    assert timestamps.requirement_of(
        [fine, slow], [fine]
    ).held  # the quietest round: the other one was noise


def test_misses_no_delay_that_the_server_made() -> None:
    """Every tenth is delayed, the first one too; here that lies before the window."""
    pairs = [(2_000_000 * n, 2_000_000 * n + (1_000_050 if n == 9 else 50)) for n in range(10)]
    stamps = [(100, 100), *((sent + 110, done + 90) for sent, done in pairs)]
    seen = timestamps.beyond(conversation(*pairs, ended=11), np.array(stamps))
    late_pairs = [*pairs[:9], (18_000_000, 18_000_050)]
    late = timestamps.beyond(conversation(*late_pairs, ended=11), np.array(stamps))

    assert seen.short == 0
    assert late.short == 1
    assert not timestamps.requirement_of([late], [late]).held


@pytest.mark.parametrize(("ended", "unfinished", "stamps"), [(1, 0, 2), (1, 1, 3), (2, 0, 1)])
def test_compares_nothing_where_it_does_not_add_up(
    ended: int, unfinished: int, stamps: int
) -> None:
    observation = conversation((0, 50), ended=ended, unfinished=unfinished)
    with pytest.raises(CalcbenchError, match="do not agree"):
        timestamps.beyond(observation, np.array([(101, 120)] * stamps))


def test_is_answered_rightly_by_the_server_that_stamps() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n"

    assert response_to(b"GET /add/2/3 HTTP/1.1\r\nHost: a/b\r\n\r\n") == head + b"5"
    assert response_to(b"GET /mult/2/3 HTTP/1.1\r\n\r\n") == head + b"6"
    assert response_to(b"GET /sub/2/3 HTTP/1.1\r\n\r\n").endswith(b"2\r\n\r\n-1")


def ask_by_driver(pinning: Pinning) -> timestamps.Beyond:
    def measure(duration_s: float) -> "tuple[Observation, NDArray[np.int64]]":
        return timestamps.drive_stamped(pinning, duration_s)

    return timestamps.beyond(*until(lambda seen: some_ended(seen[0]), measure, 0.2))


def ask_by_bare_client(pinning: Pinning) -> timestamps.Beyond:
    return timestamps.by_bare_client(pinning, count=50)


@pytest.mark.slow
@pytest.mark.parametrize("ask", [ask_by_driver, ask_by_bare_client])
def test_the_server_that_stamps_and_its_clients_have_one_clock(
    ask: Callable[[Pinning], timestamps.Beyond],
) -> None:
    """Whatever the noise: a server's stamps lie within its client's."""
    seen = ask(choose_cores())

    assert len(seen.before) > 0
    assert seen.before.min() >= 0
    assert seen.after.min() >= 0
    assert seen.short == 0


def test_knows_what_a_freeze_does() -> None:
    """Ten arrivals, one a second; frozen from 2 to 6 s: four wait for 4, 3, 2 and 1 s."""
    waits = np.sort([0, 0, 4, 3, 2, 1, 0, 0, 0, 0])

    for q in (0.6, 0.7, 0.8, 0.9, 1):
        assert truth.frozen_quantile(q, 4, 10) == pytest.approx(quantile(waits, q))
    assert truth.frozen_quantile(0.5, 4, 10) == 0


def test_says_how_far_a_freeze_is_off() -> None:
    waits_ns = np.concatenate([np.zeros(800), np.arange(1, 201)]).astype(np.int64) * 1_000_000
    seen = conversation((0, 1), ended=1)
    seen.samples["latency_ns"] = waits_ns
    window = {**vars(seen), "elapsed_ns": 1_000_000_000}

    assert truth.freeze_error(Observation(**window), 200_000_000) == pytest.approx(0)
    seen.samples["latency_ns"] = waits_ns * 11 // 10
    assert truth.freeze_error(Observation(**window), 200_000_000) == pytest.approx(0.1)


def test_takes_the_quantiles_that_numpy_takes() -> None:
    assert truth.quantiles(50).held
    assert not truth.quantiles(50, lambda values, q: int(np.quantile(values, q))).held


def test_adds_what_wrk_adds() -> None:
    """Two clients, 12 answers in 60 ns: each is expected to ask every 10 ns."""
    latency = np.array([5] * 8 + [19, 20, 25, 31])

    assert sorted(wrk.correct(latency, 60, 2).tolist()) == sorted([*latency.tolist(), 15, 21, 11])


@pytest.mark.parametrize(
    ("ratios", "held"),
    [
        ([1.02, 0.99, 1.0, 1.01, 0.98, 1.03], True),
        ([1.2, 1.21, 1.19, 1.2, 1.22, 1.18], False),
        ([0.8, 0.81, 0.79, 0.8, 0.82, 0.78], False),
        ([1.6, 0.9, 1.5, 0.8, 1.4, 1.3], None),
    ],
)
def test_says_whether_wrk_agrees(ratios: list[float], held: bool | None) -> None:
    requirement = wrk.agreement([((ratio * 1e4, 5e5), (1e4, 1e6)) for ratio in ratios])

    assert requirement.held is held
    assert "p50 0.50x" in requirement.measured


@pytest.mark.parametrize(
    ("spread", "least", "most"),
    [
        (0.01, wrk.ROUNDS, wrk.ROUNDS),
        (0.1, wrk.ROUNDS + 1, wrk.MOST_ROUNDS - 1),
        (0.5, wrk.MOST_ROUNDS, wrk.MOST_ROUNDS),
    ],
)
def test_asks_wrk_until_the_ratio_is_known(spread: float, least: int, most: int) -> None:
    rates = np.random.default_rng(1).lognormal(0, spread, 100) * 1e4
    asked: list[tuple[wrk.Figures, wrk.Figures]] = []
    while not wrk.is_enough(asked):
        asked.append(((rates[len(asked)], 1e6), (1e4, 1e6)))

    assert least <= len(asked) <= most


def test_does_without_wrk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    [requirement] = wrk.requirements()

    assert requirement.verdict == "not measured"
    assert requirement.measured == "wrk is not installed"


def test_the_noise_of_five_strategies_is_that_of_their_ratios() -> None:
    """Two with half of the variance each differ as the noise of a ratio says."""
    draw = drawing(random.normal(0, 0.1, 200))
    one, other = (draw(20_000) / math.sqrt(2) for _ in range(2))

    assert (one - other).std() == pytest.approx(draw(20_000).std(), rel=0.05)


def test_the_intervals_hold_with_every_kind_of_noise() -> None:
    found = list(noise.requirements(drawn=400, compared=60))

    assert [one.verdict for one in found] == ["held"] * 5
    assert "a paired ratio" in found[0].what
    assert "a ratio of two runs" in found[1].what
    assert "a median" in found[2].what


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_finds_intervals_that_hold_too_seldom_or_too_often(factor: float) -> None:
    def wrong(of: noise.Noise, random: np.random.Generator, size: tuple[int, int]) -> Estimate:
        right = noise.of_pair(of, random, size)
        low, high = (
            (right.middle + factor * (end - right.middle)) for end in (right.low, right.high)
        )
        return Estimate(right.middle, low, high)

    assert not noise.covered("ratio", wrong, 400).held
