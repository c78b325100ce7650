"""Racing on until the response is clear: on rounds whose noise is known."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from builders import make_condition, make_measurement, make_run, noise_of

from calcbench.bench.analysis.stopping import enough, is_narrow, settled
from calcbench.bench.runner.launched import among_strategies
from calcbench.bench.runner.race import Interrupted, Progress, race
from calcbench.bench.runner.subject import Subject
from calcbench.bench.schema.condition import Condition
from calcbench.bench.schema.outcomes import Outcomes
from calcbench.bench.schema.plan import Plan
from calcbench.bench.schema.result import Measurement, Run
from calcbench.bench.views.report import note
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


def two(first: float, second: float, noise: Sequence[float], many: int) -> list[Measurement]:
    return [*rounds("a", first, noise, many), *rounds("b", second, noise, many)]


def test_has_enough_when_ratios_are_known_that_well() -> None:
    assert enough(PLAN, two(10_000, 10_010, QUIET, 8))
    assert not enough(PLAN, two(10_000, 10_010, LOUD, 8))


def test_has_enough_when_a_difference_is_surely_larger() -> None:
    assert enough(PLAN, two(10_000, 90_000, LOUD, 8))


def test_never_stops_before_the_exact_interval_can_speak() -> None:
    assert not enough(PLAN, two(10_000, 10_000, QUIET, 5))
    assert enough(dataclasses.replace(PLAN, most_rounds=5), two(10_000, 10_000, QUIET, 5))


def test_stops_after_its_rounds_where_no_precision_is_asked_for() -> None:
    plain = Plan(("a", "b"), connections=(8,), rounds=3)

    assert enough(plain, two(10_000, 10_010, LOUD, 3))
    assert not enough(plain, two(10_000, 10_010, QUIET, 2))
    assert not enough(plain, [])


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


def test_says_whether_it_is_precise() -> None:
    run = make_run(PLAN, *two(10_000, 10_010, QUIET, 8))
    vague = dataclasses.replace(run, measurements=tuple(two(10_000, 10_010, LOUD, 8)))

    assert note(run) == "Every difference is known to within 5% after 8 rounds."
    assert note(vague).startswith("8 rounds were not enough to know every difference to within 5%;")
    assert note(dataclasses.replace(run, plan=dataclasses.replace(PLAN, precision=0))) == ""


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

    assert note(make_run(PLAN, *failed)) == ""
    assert note(make_run(PLAN, *failed[:8], *rounds("b", 10_000, QUIET, 8))) == (
        "Every difference between those that always counted is known to within 5% after 8 rounds."
    )
    assert note(make_run(fine, *two(1, 2, QUIET, 1))) == (
        "1 round was not enough to know every difference to within 0.1%; --most-rounds allows more."
    )
    stopped = make_run(PLAN, *two(10_000, 10_010, LOUD, 8), partial=True)
    assert note(stopped) == "8 rounds were not enough to know every difference to within 5%."


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
