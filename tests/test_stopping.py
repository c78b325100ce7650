"""Racing on until the response is clear: on rounds whose noise is known."""

import dataclasses
import math
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import make_condition, make_measurement, make_row, make_run, noise_of

from calcbench.bench.analysis.inference import Comparison
from calcbench.bench.analysis.metrics import P50, P99
from calcbench.bench.analysis.ranking import contests, groups, leading, ranked
from calcbench.bench.analysis.rounds import Rounds
from calcbench.bench.analysis.spread import NOTHING, reach_of, spread
from calcbench.bench.analysis.stopping import FIRST_LOOK, enough, is_narrow, is_settled, known
from calcbench.bench.analysis.summary import SUMMARY_VERSION, Row, Summary, rows_of, summarise
from calcbench.bench.runner.launched import among_strategies
from calcbench.bench.runner.race import Interrupted, Progress, race
from calcbench.bench.runner.subject import Subject
from calcbench.bench.schema.condition import Condition
from calcbench.bench.schema.outcomes import Outcomes
from calcbench.bench.schema.plan import Plan
from calcbench.bench.schema.result import Measurement, Run
from calcbench.bench.schema.samples import write_samples
from calcbench.bench.schema.store import prepare_folder
from calcbench.bench.views.precision import note
from calcbench.core.errors import CalcbenchError
from calcbench.core.serving.launcher import Server, ServerSpec

PLAN = Plan(("a", "b"), connections=(8,), rounds=3, precision=0.05, most_rounds=20)
QUIET = (1.00, 0.99, 1.01, 0.995, 1.005, 1.0, 0.998, 1.002, 0.99, 1.01)
LOUD = (1.0, 0.7, 1.4, 0.8, 1.2, 0.9, 1.3, 0.75, 1.1, 0.95)


def rounds(strategy: str, rate: float, noise: Sequence[float], many: int) -> Iterator[Measurement]:
    """Yield *many* rounds near *rate*."""
    for number, share in enumerate(noise_of(strategy, noise)[:many], 1):
        ends = Outcomes(ok=round(rate * share))
        yield make_measurement(make_condition(strategy), number, outcomes=ends)


NO_FILES = Path()  # of measurements that name none


def is_enough(plan: Plan, measurements: Sequence[Measurement], folder: Path = NO_FILES) -> bool:
    return enough(plan, measurements, Rounds(folder))


def settled(plan: Plan, measurements: Sequence[Measurement]) -> bool:
    """Tell whether no more rounds of *plan* would tell more than these."""
    rows = rows_of(plan, measurements, Rounds(NO_FILES))
    return not any(one.open for one in known(plan, rows))


def said_of(run: Run, folder: Path = NO_FILES) -> str:
    return note(summarise(run, folder), run)


def said_of_rows(plan: Plan, *rows: Row) -> str:
    """Return what is said of *rows* after as many rounds as they have."""
    last = [make_measurement(row.condition, row.rounds) for row in rows]
    return note(Summary(SUMMARY_VERSION, "r", False, rows), make_run(plan, *last))


def two(first: float, second: float, noise: Sequence[float], many: int) -> list[Measurement]:
    return [*rounds("a", first, noise, many), *rounds("b", second, noise, many)]


def test_has_enough_when_ratios_are_known_that_well() -> None:
    assert is_enough(PLAN, two(10_000, 10_010, QUIET, 8))
    assert not is_enough(PLAN, two(10_000, 10_010, LOUD, 8))


def test_has_enough_when_a_difference_is_surely_larger() -> None:
    assert is_enough(PLAN, two(10_000, 90_000, LOUD, 8))


def test_never_stops_before_the_exact_interval_can_speak() -> None:
    assert not is_enough(PLAN, two(10_000, 10_000, QUIET, 5))
    assert is_enough(dataclasses.replace(PLAN, most_rounds=5), two(10_000, 10_000, QUIET, 5))


def test_stops_after_its_rounds_where_no_precision_is_asked_for() -> None:
    plain = Plan(("a", "b"), connections=(8,), rounds=3)

    assert is_enough(plain, two(10_000, 10_010, LOUD, 3))
    assert not is_enough(plain, two(10_000, 10_010, QUIET, 2))
    assert not is_enough(plain, [])


def test_wants_the_rate_of_a_strategy_alone() -> None:
    assert settled(PLAN, list(rounds("a", 10_000, QUIET, 8)))
    assert not settled(PLAN, list(rounds("a", 10_000, LOUD, 8)))


def test_does_not_know_a_rate_whose_upper_end_is_hidden() -> None:
    """A driver that cut the four fastest of nine rounds off makes them look alike."""
    noise = (0.6, 0.99, 0.995, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
    good = [
        make_measurement(
            make_condition("a"),
            number,
            outcomes=Outcomes(ok=round(10_000 * share)),
            judgement="driver-bound" if number > 5 else "",
        )
        for number, share in enumerate(noise, 1)
    ]

    assert not settled(PLAN, good)
    assert settled(PLAN, [dataclasses.replace(one, judgement="") for one in good])


def test_waits_for_nobody_who_failed() -> None:
    failed = Measurement(make_condition("b"), 1, "failed", "it died")

    assert settled(PLAN, [*rounds("a", 10_000, QUIET, 8), failed])


def test_takes_a_round_of_the_driver_as_a_lower_bound_as_the_summary_does() -> None:
    good = two(10_000, 10_000, QUIET, 9)
    lost = dataclasses.replace(good[8], judgement="driver-bound", outcomes=Outcomes(ok=1))
    least = [dataclasses.replace(one, judgement="driver-bound") for one in good]
    fast = [
        dataclasses.replace(one, judgement="driver-bound" if one.round < 4 else "")
        for one in rounds("a", 90_000, QUIET, 9)
    ]

    assert settled(PLAN, good)
    assert not settled(PLAN, [*good[:8], lost, *good[9:]])
    assert settled(PLAN, [*fast, *rounds("b", 10_000, QUIET, 9)])
    assert settled(PLAN, least) == settled(PLAN, [])


def test_goes_by_what_came_within_the_window_of_an_open_loop() -> None:
    """As the summary does: what was due within it may have been answered later."""
    due = two(10_000, 10_000, (1.0,) * 10, 10)
    came = [
        dataclasses.replace(one, responses_in_window=round(10_000 * LOUD[place]))
        for place, one in enumerate(due[:10])
    ]

    assert settled(PLAN, due)
    assert not settled(PLAN, [*came, *due[10:]])


@pytest.mark.parametrize(
    ("low", "high", "narrow"),
    [(0.96, 1.04, True), (0.9, 1.1, False), (0, 1, False), (2, 2.2, True)],
)
def test_knows_a_narrow_interval(low: float, high: float, narrow: bool) -> None:
    assert is_narrow(low, high, 0.05) is narrow


@pytest.mark.parametrize(
    ("low", "high", "adjusted", "settled"),
    [
        (1.06, 2, 0.01, True),
        (1.06, 2, 0.2, False),
        (1.02, 2, 0.01, False),
        (0.5, 0.94, 0.01, True),
        (0.5, 0.97, 0.01, False),
    ],
)
def test_stops_at_a_difference_that_is_surely_larger_than_the_precision(
    low: float, high: float, adjusted: float, settled: bool
) -> None:
    comparison = Comparison((low + high) / 2, low, high, adjusted=adjusted, rounds=9)

    assert is_settled(comparison, 0.05) is settled


def test_takes_two_rounds_in_common_for_too_few_as_the_verdict_does() -> None:
    rows = [
        make_row(make_condition(name), [1_000.0] * len(counted), counted=counted)
        for name, counted in (("a", (1, 2, 3, 4)), ("b", (3, 4, 5, 6)))
    ]

    assert [one.open for one in known(PLAN, rows)] == [True]


def test_says_whether_it_is_precise() -> None:
    run = make_run(PLAN, *two(10_000, 10_010, QUIET, 8))
    vague = dataclasses.replace(run, measurements=tuple(two(10_000, 10_010, LOUD, 8)))

    assert said_of(run) == "Every difference is known to within 5% after 8 rounds."
    assert said_of(vague) == (
        "8 rounds were not enough to know every difference to within 5%;"
        " about 490 as noisy as these would be, or fewer that are longer (--duration)."
    )
    assert said_of(dataclasses.replace(run, plan=dataclasses.replace(PLAN, precision=0))) == ""


def test_does_not_call_known_what_is_only_surely_larger() -> None:
    """Once «every difference is known to within 5%» stood beside 9.3x [5.1x to 16x]."""
    run = make_run(PLAN, *two(10_000, 90_000, LOUD, 8))

    assert said_of(run) == (
        "Every difference is known to within 5%, or surely larger, after 8 rounds."
    )


def test_looks_at_few_rounds_too() -> None:
    """With fewer rounds at most than the first look takes, it once ended in a traceback."""
    few = dataclasses.replace(PLAN, most_rounds=4)

    assert said_of(make_run(few, *two(10_000, 10_010, (1.0,) * 10, 4))) == (
        "Every difference is known to within 5% after 4 rounds."
    )
    assert said_of(make_run(few, *two(10_000, 20_000, LOUD, 4))).startswith(
        "4 rounds were not enough to know every difference to within 5%"
    )


def in_bursts(folder: Path, strategy: str, number: int, bursts: int) -> Measurement:
    """Return a round in which 8 clients were answered at once, so many times."""
    prepare_folder(folder)
    name = f"samples/{strategy}-{number}.npz"
    latency_ns = np.full(8 * bursts, 50_000_000)
    samples = {
        "sent_ns": np.repeat(np.arange(bursts), 8) * 50_000_000,
        "latency_ns": latency_ns,
        "client": np.tile(np.arange(8), bursts),
        "outcome": np.zeros(8 * bursts, np.int64),
    }
    digest = write_samples(folder, name, samples)
    return make_measurement(
        make_condition(strategy),
        number,
        outcomes=Outcomes(ok=8 * bursts),
        elapsed_ns=bursts * 50_000_000,
        clients_served=8,
        samples=name,
        samples_sha256=digest,
    )


@pytest.mark.parametrize(
    ("bursts", "said"),
    [
        (200, "Every difference is known to within 5% after 6 rounds."),
        (
            12,
            (
                "More rounds cannot make every difference known to within 5%, so the race ended"
                " after 6 rounds: so few responses fit into a window that where it begins and ends"
                " may change a ratio by 10%; --duration 3.9 would tell more."
            ),
        ),
    ],
)
def test_allows_for_the_ends_of_windows(bursts: int, said: str, tmp_path: Path) -> None:
    """All rounds agree, and a burst of eight may lie before or behind either end of each."""
    rounds = [
        in_bursts(tmp_path, strategy, number, bursts)
        for strategy in ("a", "b")
        for number in range(1, 7)
    ]
    run = make_run(PLAN, *rounds)

    assert is_enough(PLAN, rounds, tmp_path)
    assert said_of(run, tmp_path) == said


def test_reads_no_samples_twice(tmp_path: Path) -> None:
    rounds = [in_bursts(tmp_path, one, number, 20) for one in ("a", "b") for number in range(1, 9)]
    figures = Rounds(tmp_path)
    first = rows_of(PLAN, [one for one in rounds if one.round < 8], figures)
    for one in rounds:
        if one.round < 8:
            (tmp_path / one.samples).unlink()
    rows = rows_of(PLAN, rounds, figures)

    assert [(row.rounds, row.p50_ns.median) for row in first] == [(7, 50_000_000)] * 2
    assert [(row.rounds, row.p50_ns.median) for row in rows] == [(8, 50_000_000)] * 2


def test_judges_anew_who_was_judged_anew() -> None:
    figures, good = Rounds(NO_FILES), two(10_000, 10_000, QUIET, 8)
    bound = [dataclasses.replace(one, judgement="driver-bound") for one in good]

    assert not any(row.throughput.at_least for row in rows_of(PLAN, good, figures))
    assert all(row.throughput.at_least for row in rows_of(PLAN, bound, figures))


def of_users(strategy: str, p99_ms: Sequence[float], **more: Any) -> Row:
    """Return a row of users who think: all have the same rate."""
    p99_ns = spread([one * 1e6 for one in p99_ms])
    return make_row(
        make_condition(strategy),
        [300.0] * len(p99_ms),
        **({"think_s": 1.0, "outcomes": Outcomes(ok=3_000), "p99_ns": p99_ns} | more),
    )


@pytest.mark.parametrize(
    ("noise", "edge_ratio", "would_do"),
    [
        (0.06, 0, "; about 10 as noisy as these would be (--most-rounds 10)"),
        (0.06, 0.03, "; --duration 3.5 would tell more"),
        (5, 0, "; more than 10,000 as noisy as these would be, or fewer that are longer"),
    ],
)
def test_says_what_would_be_enough(noise: float, edge_ratio: float, would_do: str) -> None:
    shares = [math.exp(noise * part) for part in (-1, 1, -0.5, 0.5, -1, 1)]
    row = make_row(
        make_condition("a"), [1_200.0 * share for share in shares], edge_ratio=edge_ratio
    )
    other = make_row(make_condition("b"), [1_000.0] * 6, edge_ratio=edge_ratio)

    assert f"6 rounds were not enough to know every difference to within 5%{would_do}" in (
        said_of_rows(PLAN, row, other)
    )


@pytest.mark.parametrize(
    ("load", "pace"),
    [({"think_s": 1.0}, {"think_s": 1.0}), ({"rate": 300.0}, {"think_s": 0, "offered_per_s": 300})],
)
def test_goes_by_what_the_ranking_goes_by(load: dict[str, Any], pace: dict[str, float]) -> None:
    """Thinks and a rate prescribe how much is answered, so rates agree to within 1% at once."""
    plan = dataclasses.replace(PLAN, **load)
    noisy = (
        of_users("a", [4, 9, 30, 5, 12, 22], **pace),
        of_users("b", [6, 3, 11, 25, 7, 8], **pace),
    )
    quiet = of_users("a", [7.0, 7.1, 7.05, 7, 7.1, 7.05], **pace), of_users("b", [7.0] * 6, **pace)

    assert {one.metric for one in known(plan, noisy)} == {P99}
    assert any(one.open for one in known(plan, noisy))
    assert said_of_rows(plan, *noisy).startswith(
        "6 rounds were not enough to know every difference in p99 to within 5%"
    )
    assert said_of_rows(plan, *quiet) == (
        "Every difference in p99 is known to within 5% after 6 rounds."
    )


def test_ranks_with_the_control_as_the_verdict_does() -> None:
    """Where the control alone has enough requests for p99, all go by what the others have."""
    times = [7.0, 7.1, 7.05, 7, 7.1, 7.05]
    p50_ns = spread([one * 1e6 for one in times])
    rows = [of_users("a (again)", times)]
    rows += [of_users(name, times, p99_ns=NOTHING, p50_ns=p50_ns) for name in ("a", "b")]

    assert len(ranked(rows)) == 2
    assert [one.metric for one in known(PLAN, rows)] == [P50]
    assert list(known(PLAN, rows)) == list(known(PLAN, rows[1:]))


def test_says_that_the_driver_ends_a_race_that_asks_for_more() -> None:
    """Once: after 6 of 9 rounds the race ended, and nothing was said."""
    rows = [make_row(make_condition(name), [9_000] * 6, judgement="driver-bound") for name in "ab"]

    assert not any(one.open for one in known(PLAN, rows))
    assert said_of_rows(PLAN, *rows) == (
        "More rounds cannot make every difference known to within 5%, so the race ended after"
        " 6 rounds: the driver was the limit."
    )


def test_counts_no_rounds_against_what_the_lateness_of_the_driver_does() -> None:
    times = [7.0, 7.1, 7.05, 7, 7.1, 7.05]
    late, little = (
        [
            of_users(name, times, prompt_p99_ns=spread([one * 1e6 * share for one in times]))
            for name in ("a", "b")
        ]
        for share in (0.8, 0.99)
    )

    assert said_of_rows(PLAN, *little) == (
        "Every difference in p99 is known to within 5% after 6 rounds."
    )
    assert said_of_rows(PLAN, *late) == (
        "6 rounds were not enough to know every difference in p99 to within 5%;"
        " the driver was late, and a core of its own would tell more."
    )


def test_knows_one_alone_as_well_as_the_table_shows() -> None:
    """The table shows how far from the median its real value may lie, the ends included."""
    rates = [1_000.0, 1_001, 1_002, 1_000, 999, 1_001]
    quiet = make_row(make_condition("a"), rates, edge_ratio=0.01)
    ends = make_row(make_condition("a"), rates, edge_ratio=0.05)

    assert said_of_rows(PLAN, quiet) == "Every rate is known to within 5% after 6 rounds."
    assert said_of_rows(PLAN, ends) == (
        "More rounds cannot make every rate known to within 5%, so the race ended after 6 rounds:"
        " so few responses fit into a window that where it begins and ends may change a rate by"
        " 10%; --duration 4.1 would tell more."
    )


def race_with(noise: Sequence[float], tmp_path: Path) -> tuple[Run, list[Progress]]:
    """Race two strategies that exist, measured as *noise* has it."""
    known = {
        (measurement.condition.strategy, measurement.round): measurement
        for strategy in ("fork", "selectors")
        for measurement in rounds(strategy, 10_000, noise, len(noise))
    }

    def measure(_: object, condition: Condition, number: int, __: int) -> Measurement:
        return known[condition.strategy, number]

    plan = Plan(("fork", "selectors"), connections=(8,), precision=0.05, most_rounds=10)
    comparison: list[Progress] = []
    return race(plan, Subject(measure, {}), tmp_path / "run", comparison.append), comparison


def test_races_on_until_it_is_precise(tmp_path: Path) -> None:
    quiet, comparison = race_with(QUIET, tmp_path / "quiet")
    loud, _ = race_with(LOUD, tmp_path / "loud")

    assert max(measurement.round for measurement in quiet.measurements) == 6
    assert max(measurement.round for measurement in loud.measurements) == 10
    assert len(loud.measurements) == 20
    assert not quiet.partial
    assert comparison[-1].conditions == ()
    assert comparison[-1].done == comparison[-1].total == 12
    assert all(progress.done < progress.total for progress in comparison[:-1])


def test_serves_a_control_as_what_it_is(tmp_path: Path) -> None:
    served: list[str] = []

    def start(spec: ServerSpec, host: str) -> Server:
        served.append(spec.strategy)
        raise CalcbenchError("that is all there is to know")

    plan = Plan(("fork", "selectors"), connections=(2,), control="selectors", rounds=1)
    run = race(plan, among_strategies(plan, start), tmp_path / "run")

    asked = [measurement.condition.strategy for measurement in run.measurements]
    assert sorted(asked) == ["fork", "selectors", "selectors (again)"]
    assert served == [name.removesuffix(" (again)") for name in asked]


def test_says_nothing_of_differences_that_nobody_measured() -> None:
    failed = [
        dataclasses.replace(one, status="failed", reason="it died", outcomes=Outcomes())
        for one in two(10_000, 10_010, QUIET, 8)
    ]
    fine = dataclasses.replace(PLAN, precision=0.001, rounds=1, most_rounds=1)

    assert said_of(make_run(PLAN, *failed)) == ""
    assert said_of(make_run(PLAN, *failed[:8], *rounds("b", 10_000, QUIET, 8))) == (
        "Every rate is known to within 5% after 8 rounds; left out: a."
    )
    assert said_of(make_run(fine, *two(1, 2, QUIET, 1))) == (
        "1 round was not enough to know every difference to within 0.1%; --most-rounds allows more."
    )
    stopped = make_run(PLAN, *two(10_000, 10_010, LOUD, 8), partial=True)
    assert said_of(stopped).startswith("8 rounds were not enough")
    assert "--most-rounds" not in said_of(stopped)


@pytest.mark.parametrize("judgement", ["silent", "invalid", "unserved"])
def test_says_whom_it_leaves_out(judgement: str) -> None:
    three = dataclasses.replace(PLAN, strategies=("a", "b", "c"))
    lost = [
        dataclasses.replace(one, judgement=judgement, outcomes=Outcomes(timed_out=9))
        for one in rounds("c", 10_000, QUIET, 8)
    ]

    assert said_of(make_run(three, *two(10_000, 10_010, QUIET, 8), *lost)) == (
        "Every difference is known to within 5% after 8 rounds; left out: c."
    )


def test_leaves_out_whom_the_driver_hides() -> None:
    """It counts in every round, and no round would tell how fast it is."""
    three = dataclasses.replace(PLAN, strategies=("a", "b", "c"))
    bound = [
        dataclasses.replace(one, judgement="driver-bound") for one in rounds("c", 10_000, QUIET, 8)
    ]
    race = [*two(10_000, 10_010, QUIET, 8), *bound]

    assert is_enough(three, race)
    assert said_of(make_run(three, *race)) == (
        "Every difference is known to within 5% after 8 rounds; left out: c."
    )
    assert said_of(make_run(PLAN, *bound)) == ""


def test_waits_for_who_failed_once() -> None:
    """The verdict compares it in its other rounds, so «every difference» is its own, too."""
    died = Measurement(make_condition("b"), 1, "failed", "it died")
    good = two(10_000, 10_010, LOUD, 8)

    assert not is_enough(PLAN, [one for one in good if one != good[8]] + [died])


def test_claims_no_more_than_the_verdict() -> None:
    """Whatever was measured: where all is said to be known, every ratio of the verdict is."""
    draw, claims = random.Random(12), 0
    for _ in range(400):
        plan, rows = made_up(draw)
        said = said_of_rows(plan, *rows)
        if not said.startswith("Every"):
            continue
        claims += 1
        hidden = said.partition("left out: ")[2]
        larger = "or surely larger" in said
        for group in groups(rows):
            fair = [row for row in ranked(group) if row.condition.strategy not in hidden]
            for (one, other), comparison in contests(fair, leading(group)).items():
                assert holds(comparison, plan.precision, larger), (one, other, comparison, said)
            if len(ranked(group)) == 1 and fair:
                metric = leading(group)
                assert reach_of(metric.spread(fair[0]), metric.edge_ratio(fair[0])) <= (
                    plan.precision + 1e-9
                )
    assert claims > 50


def holds(comparison: Comparison, precision: float, larger: bool) -> bool:
    """Tell whether *comparison* is within *precision*, or, if that may be, clearly beyond."""
    if math.log(comparison.high or 1) - math.log(comparison.low or 1e-9) <= (
        2 * math.log1p(precision) + 1e-9
    ):
        return True
    beyond = not 1 / (1 + precision) < comparison.ratio < 1 + precision
    return larger and comparison.clear and beyond


def made_up(draw: random.Random) -> tuple[Plan, tuple[Row, ...]]:
    """Return a plan with a precision, and rows of any kind that may be measured for it."""
    names = ("a", "b", "c")[: draw.randint(1, 3)]
    many = draw.randint(FIRST_LOOK, 12)
    plan = Plan(names, connections=(8,), precision=draw.choice([0.02, 0.05, 0.2]), most_rounds=20)
    paced = draw.random() < 0.3
    noise = draw.choice([0.001, 0.01, 0.05])
    rows = []
    for name in names:
        middle = 1_000 * draw.choice([1, 1, 1.03, 1.3, 3])
        values = [middle * math.exp(draw.gauss(0, noise)) for _ in range(many)]
        more: dict[str, Any] = draw.choice(
            [{}, {}, {}, {"judgement": "silent"}, {"clients_served": 3}]
        )
        share = draw.choice([0, 0, 0, 0.3, 1])
        limited = tuple(number for number in range(1, many + 1) if draw.random() < share)
        if paced:
            late = [value * draw.choice([1, 1, 0.9]) for value in values]
            rows.append(of_users(name, [value / 1e3 for value in values], limited=limited, **more))
            least = spread([value * 1e3 for value in late])
            rows[-1] = dataclasses.replace(rows[-1], prompt_p99_ns=least)
        else:
            edge = draw.choice([0, 0, 0.004, 0.03])
            rows.append(
                make_row(
                    make_condition(name),
                    values,
                    edge_ratio=edge,
                    limited=limited,
                    outcomes=Outcomes(ok=9_000),
                    **more,
                )
            )
    return plan, tuple(rows)


def test_calls_a_race_partial_that_was_stopped_after_its_least_rounds(tmp_path: Path) -> None:
    known = iter(two(10_000, 10_010, LOUD, 10))

    def measure(_: object, condition: Condition, number: int, __: int) -> Measurement:
        if number == PLAN.rounds + 1:
            raise KeyboardInterrupt
        return dataclasses.replace(next(known), condition=condition, round=number)

    with pytest.raises(Interrupted) as stopped:
        race(PLAN, Subject(measure, {}), tmp_path / "run")

    assert len(stopped.value.run.measurements) == PLAN.total
    assert stopped.value.run.partial
