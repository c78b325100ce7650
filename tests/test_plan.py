"""What is measured, and in which order."""

import dataclasses
import json
from typing import Any

import msgspec
import pytest

from calcbench.bench.schema.condition import Condition
from calcbench.bench.schema.plan import CLOSE, KEEP_ALIVE, Plan
from calcbench.core.errors import UsageError

PLAN = Plan(
    strategies=("fork", "selectors"),
    workloads=("add", "wait=10ms"),
    reuses=(KEEP_ALIVE, CLOSE),
    connections=(1, 8),
    rounds=4,
)


def test_knows_its_points_from_others() -> None:
    plan = Plan(("fork", "selectors"), ("add", "wait=1ms"), connections=(1, 8), control="fork")
    points = plan.conditions()
    elsewhere: dict[str, Any] = {
        "strategy": "blocking",
        "workload": "wait=2ms",
        "reuse": "close",
        "connections": 2,
        "interpreter": "python3.12",
        "application": "other",
        "target": "a",
    }
    others = [dataclasses.replace(points[0], **{axis: at}) for axis, at in elsewhere.items()]
    again = [dataclasses.replace(at, strategy=f"{at.strategy} (again)") for at in points]

    assert all(map(plan.has, points))
    assert not any(map(plan.has, others))
    assert {point for point in again if plan.has(point)} == {
        point for point in points if point.is_control
    }


def test_measures_every_point_of_the_grid_in_every_round() -> None:
    conditions = PLAN.conditions()

    assert len(set(conditions)) == len(conditions) == 16
    assert PLAN.total == 64
    assert conditions[:3] == [
        Condition("fork", "add", KEEP_ALIVE, 1),
        Condition("selectors", "add", KEEP_ALIVE, 1),
        Condition("fork", "add", KEEP_ALIVE, 8),
    ]
    for number in range(1, PLAN.rounds + 1):
        assert set(PLAN.order(number)) == set(conditions)


def test_draws_a_fresh_order_for_each_round_from_the_seed() -> None:
    orders = [PLAN.order(number) for number in range(1, 5)]

    assert orders == [PLAN.order(number) for number in range(1, 5)]
    assert all(one != other for one in orders for other in orders if one is not other)
    assert PLAN.order(1) != dataclasses.replace(PLAN, seed=2).order(1)


def test_keeps_the_order_of_a_recorded_seed() -> None:
    labels = [f"{c.strategy} {c.connections}" for c in Plan(("a", "b"), seed=7).order(1)]

    assert labels == ["a 8", "b 8", "b 32", "b 1", "a 32", "a 1"]


def test_survives_json() -> None:
    assert msgspec.convert(json.loads(json.dumps(dataclasses.asdict(PLAN))), Plan) == PLAN


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strategies": ()}, "at least one of strategies"),
        ({"connections": ()}, "at least one of connections"),
        ({"connections": (8, 0)}, "connections 0 should be from 1 to 1,000,000"),
        ({"connections": (8, 8)}, "8 is given twice"),
        ({"strategies": ("fork", "fork")}, "fork is given twice"),
        ({"reuses": ("keepalive",)}, "should be keep-alive or close"),
        ({"rounds": 0}, "rounds 0 should be from 1 to 10,000"),
        ({"seed": -1}, "seed -1 should be from 0 to 4,294,967,295"),
        ({"duration_s": 0.0}, "duration 0 should be"),
        ({"duration_s": float("nan")}, "duration nan should be"),
        ({"warmup_s": -1.0}, "warm-up -1 should be"),
        ({"timeout_s": float("inf")}, "timeout inf should be"),
        ({"timeout_s": 1e10}, "timeout 10000000000 should be from 0.001 to 86,400 seconds"),
        ({"duration_s": 1e-7}, "duration 1e-07 should be from 0.01 to 86,400 seconds"),
        ({"duration_s": 1e12}, "duration 1000000000000 should be"),
        ({"rounds": 10**400}, "should be from 1 to 10,000"),
        ({"rate": 1e300}, "rate 1e.300 should be from 0.001 to 400,000 requests per second"),
        ({"rate": 0.0}, "rate 0 should be from"),
        ({"think_s": 1e-9}, "think 1e-09 should be from 0.001 to 86,400 seconds"),
        ({"thinking": "constat"}, "no thinking 'constat'; did you mean 'constant'"),
        ({"think_s": 1.0, "rate": 5.0}, "users who think and a rate do not go together"),
        ({"think_s": 1.0, "engine": "wrk"}, "users who think and --engine wrk do not go together"),
        ({"rate": 500_000.0, "drivers": 0}, "drivers 0 should be from 1 to 256"),
        ({"join": 300, "engine": "locust"}, "join 300 should be from 1 to 256"),
        ({"precision": 5.0}, "precision 500% should be from 0.1% to 99%"),
    ],
)
def test_refuses_a_plan_that_cannot_be_raced(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        dataclasses.replace(PLAN, **changes)


def test_races_the_control_at_the_most_connections_only() -> None:
    plan = Plan(("fork", "selectors"), workloads=("add", "wait=10ms"), control="fork")
    again = [condition for condition in plan.conditions() if condition.is_control]

    assert [(c.strategy, c.variant, c.workload, c.connections) for c in again] == [
        ("fork (again)", "fork", "add", 32),
        ("fork (again)", "fork", "wait=10ms", 32),
    ]
    assert plan.total == (2 * 2 * 3 + 2) * 3
    assert set(again) < set(plan.order(1))


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"control": "forks"}, "the control 'forks'; did you mean 'fork'"),
        ({"precision": 1.5}, "precision"),
        ({"precision": 0.05, "most_rounds": 2}, "most rounds 2 should be at least the rounds, 3"),
    ],
)
def test_refuses_a_control_or_precision_that_cannot_be(more: dict[str, Any], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        Plan(("fork",), **more)
