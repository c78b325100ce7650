"""How long a race will take, as it is promised before it begins."""

import dataclasses

import pytest
from builders import make_calibration

from calcbench.bench.cli.doctor import seconds_to_calibrate
from calcbench.bench.cli.progress import say_promise, say_seconds
from calcbench.bench.loadgen import calibration
from calcbench.bench.runner.forecast import (
    seconds_behind,
    seconds_of_measurement,
    seconds_of_race,
)
from calcbench.bench.schema.calibration import Calibration
from calcbench.bench.schema.plan import SLICES, WINDOWS, Plan


def test_says_how_long_there_is_to_wait() -> None:
    assert say_seconds(80.4) == "1 min 20 s"
    assert say_seconds(9.6) == "10 s"
    assert say_seconds(0.1) == "1 s"


def test_promises_what_turns_take_where_there_are_some() -> None:
    plan = Plan(("fork", "selectors"), connections=(8, 1_000), duration_s=0.6, warmup_s=0.2)
    alone, both = (
        seconds_of_measurement(dataclasses.replace(plan, interleave=way))
        for way in (WINDOWS, SLICES)
    )
    few = dataclasses.replace(plan, connections=(8,), interleave=SLICES)
    turns = seconds_of_measurement(few)

    assert 0.8 < turns < alone  # they start and end together
    assert both == pytest.approx((alone + turns) / 2)  # 1,000 connections take no turns


def test_promises_what_a_race_takes_from_its_calibration_to_its_charts() -> None:
    plan = Plan(("fork", "selectors"), ("add", "cpu=1ms"), connections=(1, 8), duration_s=1.0)
    one = seconds_of_measurement(plan)
    bare = seconds_of_race(plan, charts=False)

    assert plan.duration_s + plan.warmup_s < one < plan.duration_s + plan.warmup_s + 1
    assert bare > 24 * one
    assert seconds_of_race(plan, calibration_s=4, charts=False) == bare + 4
    assert seconds_of_race(plan) == pytest.approx(
        bare + seconds_behind(plan) - seconds_behind(plan, charts=False)
    )
    assert seconds_behind(plan) > seconds_behind(dataclasses.replace(plan, workloads=("add",)))
    assert seconds_of_race(dataclasses.replace(plan, workloads=("add", "wait=1ms"))) < bare + 4
    assert say_promise(plan, 80.4) == "24 measurements, about 1 min 20 s in all"
    assert say_promise(dataclasses.replace(plan, precision=0.05, most_rounds=9), 9).startswith(
        "at least 24 measurements"
    )


@pytest.mark.parametrize("load", [{"rate": 50.0}, {"think_s": 1.0}])
def test_promises_no_end_to_requests_that_hang(load: dict[str, float]) -> None:
    """Once: about 9 s in all, and it took 19: what was due is waited for until it times out."""
    plan = dataclasses.replace(Plan(("fork",), rounds=1), timeout_s=2.5, **load)  # type: ignore[arg-type]

    assert say_promise(plan, 80.4).endswith(
        " in all, longer where requests wait for their --timeout of 2.50 s"
    )


@pytest.mark.parametrize(
    ("known", "engine", "waits"),
    [
        (None, "calcbench", True),
        (make_calibration(), "calcbench", False),
        (None, "locust", False),
    ],
)
def test_promises_a_calibration_where_it_will_be_made(
    known: Calibration | None, engine: str, waits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "load_calibration", lambda: known)

    assert (seconds_to_calibrate(engine) > 0) == waits
