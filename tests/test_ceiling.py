"""Points beyond the driver's ceiling: it was wrong, and they are judged again."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from builders import make_calibration, make_condition, make_measurement

from calcbench.bench.diagnosis.ceiling import beyond, once, reconsider
from calcbench.bench.runner.race import race
from calcbench.bench.runner.subject import Setup, Subject
from calcbench.bench.schema.calibration import Calibration, WayCalibration
from calcbench.bench.schema.condition import Condition
from calcbench.bench.schema.evidence import Evidence
from calcbench.bench.schema.judgements import DRIVER_BOUND, SERVER_BOUND
from calcbench.bench.schema.plan import CLOSE, KEEP_ALIVE, Plan
from calcbench.bench.schema.result import Measurement


def ceiling(per_s: int) -> Calibration:
    way = WayCalibration(32, 0, 0, 0, per_s, 0, 0)
    return make_calibration(ways={KEEP_ALIVE: way, CLOSE: way})


WRONG = ceiling(40_000)


def point(ratio: float | None, **more: Any) -> Measurement:
    evidence = Evidence(ceiling_ratio=ratio)
    usual: dict[str, Any] = {"judgement": DRIVER_BOUND if ratio and ratio > 0.9 else SERVER_BOUND}
    return make_measurement(make_condition(), evidence=evidence, **(usual | more))


class Recalibration:
    def __init__(self, found: Calibration | None) -> None:
        self.found = found
        self.points: list[Sequence[Measurement]] = []

    def __call__(self, _: Calibration, points: Sequence[Measurement]) -> Calibration | None:
        self.points.append(points)
        return self.found


@pytest.mark.parametrize(
    ("per_s", "ratios", "judgements"),
    [
        (160_000, [0.3, 0.25, 0.125, None], [SERVER_BOUND] * 4),
        (50_000, [0.96, 0.8, 0.4, None], [DRIVER_BOUND, *[SERVER_BOUND] * 3]),
        (44_000, [None, 0.9091, 0.4545, None], [SERVER_BOUND, DRIVER_BOUND, *[SERVER_BOUND] * 2]),
        (None, [None] * 4, [SERVER_BOUND] * 4),
    ],
)
def test_judges_all_points_by_the_new_ceiling(
    per_s: int | None, ratios: list[float | None], judgements: list[str]
) -> None:
    """What is beyond the new one too has no known ceiling."""
    anew = Recalibration(ceiling(per_s) if per_s else None)
    points = [point(1.2), point(1.0), point(0.5), point(None)]
    again, calibration = reconsider(points, WRONG, anew)

    assert [one.evidence.ceiling_ratio for one in again] == ratios
    assert [one.judgement for one in again] == judgements
    assert all(
        not one.evidence.judgements or one.judgement in one.evidence.judgements for one in again
    )
    assert calibration == (anew.found or WRONG)
    assert anew.points == [[points[0]]]


def test_leaves_everything_as_it_is_where_nothing_goes_beyond() -> None:
    anew = Recalibration(None)
    points = [point(1.0), point(0.5)]

    assert reconsider(points, WRONG, anew) == (points, WRONG)
    assert reconsider([point(1.2)], None, anew) == ([point(1.2)], None)
    assert anew.points == []


def test_does_not_judge_again_what_has_failed() -> None:
    failed = point(1.5, status="failed", reason="the server died", judgement="invalid")
    [again], _ = reconsider([failed], WRONG, Recalibration(ceiling(100_000)))

    assert (again.judgement, again.status, again.evidence.ceiling_ratio) == (
        "invalid",
        "failed",
        0.6,
    )


def test_calibrates_once_only() -> None:
    """However often a search for a knee goes beyond."""
    found = Recalibration(ceiling(50_000))
    anew = once(found)
    [first], calibration = reconsider([point(1.2)], WRONG, anew)
    [second], calibration = reconsider([point(1.2)], calibration, anew)

    assert first.evidence.ceiling_ratio == 0.96
    assert second.evidence.ceiling_ratio is None
    assert calibration == found.found
    assert len(found.points) == 1


def test_names_the_highest_last() -> None:
    found = beyond([point(1.3), point(0.7), point(1.9), point(1.2), point(None)])

    assert [one.evidence.ceiling_ratio for one in found] == [1.2, 1.3, 1.9]


def test_a_race_is_judged_by_the_right_ceiling(tmp_path: Path) -> None:
    def measure(_: Setup, condition: Condition, number: int, step: int) -> Measurement:
        evidence = Evidence(ceiling_ratio=1.2 if step else 0.5)
        return make_measurement(
            condition, number, evidence=evidence, judgement=DRIVER_BOUND, samples="samples/1.npz"
        )

    found = Recalibration(ceiling(160_000))
    plan = Plan(("selectors",), connections=(4,), workloads=("add",), rounds=2)
    run = race(
        plan, Subject(measure, {}), tmp_path / "run", prepare=lambda: WRONG, recalibrate=found
    )

    assert [one.evidence.ceiling_ratio for one in run.measurements] == [0.125, 0.3]
    assert {one.judgement for one in run.measurements} == {SERVER_BOUND}
    assert run.calibration == found.found
    assert len(found.points) == 1
