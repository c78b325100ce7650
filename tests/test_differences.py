"""What two results must have alike to be compared, and what is said where they do not."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest
from builders import make_condition, make_measurement, make_row, make_run

from calcbench.bench.analysis.compare import Pair
from calcbench.bench.schema.evidence import Evidence
from calcbench.bench.schema.plan import CLOSE, LOCUST, SLICES, Plan
from calcbench.bench.schema.result import Run
from calcbench.bench.system.cpus import Pinning
from calcbench.bench.views.differences import (
    HARMLESS,
    SETTINGS,
    are_alike,
    losses,
    surroundings,
    ways_of_measuring,
)

BASE: dict[str, Any] = {"strategies": ("fork", "selectors"), "connections": (8,)}
# Another value of each setting, with what else it needs, and what is said of it and of one without.
OTHER: Mapping[str, tuple[dict[str, Any], str]] = {
    "strategies": ({"strategies": ("fork",)}, ""),
    "workloads": ({"workloads": ("wait=10ms",)}, ""),
    "reuses": ({"reuses": (CLOSE,)}, ""),
    "connections": ({"connections": (9,)}, ""),
    "duration_s": ({"duration_s": 1.00005}, "length of a measurement: 1 s and 1.00005 s"),
    "warmup_s": ({"warmup_s": 0}, "warm-up: 300 ms and none"),
    "rounds": ({"rounds": 30}, ""),
    "seed": ({"seed": 2}, ""),
    "timeout_s": ({"timeout_s": 0.5}, "time-out: 2 s and 500 ms"),
    "policy": ({"policy": ("b=2", "a=1")}, "limits and deadlines: the defaults and a=1, b=2"),
    "control": ({"control": "fork"}, ""),
    "precision": ({"precision": 0.05, "most_rounds": 9}, ""),
    "most_rounds": ({"most_rounds": 9}, ""),
    "rate": ({"rate": 1234.5}, "rate: a closed loop and 1,234.5/s"),
    "arrivals": ({"arrivals": "poisson"}, "arrivals: constant and poisson"),
    "reuse_first": ({"reuse_first": True}, "connections: all in turns and as few as possible"),
    "think_s": ({"think_s": 1.5}, "think: none and 1.5 s"),
    "thinking": ({"thinking": "exponential"}, "kind of thinks: constant and exponential"),
    "drivers": ({"drivers": 2}, "number of drivers: 1 and 2"),
    "behaviours": ({"behaviours": ("idle=3",)}, "other clients: none and idle=3"),
    "engine": ({"engine": LOCUST}, "engine: calcbench and locust"),
    "join": ({"join": 2, "engine": LOCUST}, "number of machines that joined: 0 and 2"),
    "host": ({"host": "::1"}, "address of the servers: 127.0.0.1 and ::1"),
    "master_port": ({"master_port": 5600, "engine": LOCUST}, ""),
    "interleave": ({"interleave": SLICES}, ""),
    "most_failures": ({"most_failures": 1}, "share of requests that may fail: 1% and 100%"),
}


def test_every_setting_is_compared_or_harmless_for_a_reason() -> None:
    """A new field of a plan is compared; here it is asked for its words, or for its reason."""
    names = [field.name for field in dataclasses.fields(Plan)]

    assert sorted([*SETTINGS, *HARMLESS]) == sorted(names)
    assert all(HARMLESS.values())
    assert list(OTHER) == names


@pytest.mark.parametrize("name", OTHER)
def test_says_which_setting_is_not_the_same(name: str) -> None:
    changes, told = OTHER[name]
    needed = {key: value for key, value in changes.items() if key != name and key not in HARMLESS}
    first, second = (make_run(Plan(**BASE | values)) for values in (needed, changes))
    found = losses((first, second), [])

    assert bool(found) is (name in SETTINGS)
    assert all(one.startswith("not the same ") and one.endswith(told) for one in found)
    assert losses((second, second), []) == []


def run_of(*slices: tuple[str, int | None], **more: Any) -> Run:
    """Return a run with a round for each of *slices*: who was measured, and in how many."""
    rounds: dict[str, int] = {}
    measurements = []
    for strategy, count in slices:
        rounds[strategy] = rounds.get(strategy, 0) + 1
        evidence = Evidence(slices=count)
        condition = make_condition(strategy)
        measurements.append(make_measurement(condition, rounds[strategy], evidence=evidence))
    return make_run(Plan(**BASE, **more), *measurements)


TURNS, WINDOW, LONE = ("fork", 30), ("fork", 1), ("fork", None)


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        ([TURNS] * 3, [TURNS] * 5, ""),
        ([WINDOW] * 3, [LONE] * 3, ""),
        ([TURNS] * 3, [LONE] * 3, "A was measured in slices, B in windows"),
        ([TURNS] * 3, [WINDOW] * 3, "A was measured in slices, B in windows"),
        ([TURNS, LONE, LONE], [TURNS, *[LONE] * 4], ""),  # one that computed in others' turns
        (
            [TURNS] * 3,
            [TURNS, TURNS, WINDOW],
            "A was measured in slices, B mostly in slices",
        ),
        (
            [TURNS, TURNS, WINDOW],
            [TURNS, WINDOW, WINDOW],
            "A was measured mostly in slices, B mostly in windows",
        ),
        ([TURNS] * 3, [], ""),
    ],
)
def test_goes_by_how_it_was_measured(
    first: list[tuple[str, int | None]], second: list[tuple[str, int | None]], told: str
) -> None:
    """Once a change of 15 % that slices make of `close` alone broke a gate."""
    runs = run_of(*first, interleave=SLICES), run_of(*second, interleave=SLICES)
    row = make_row(make_condition("fork"), [1.0])
    pair = Pair(row, row)

    assert losses(runs, [pair]) == ([told] if told else [])
    assert are_alike(pair, ways_of_measuring(runs)) is (not told)


def test_names_those_that_were_not_measured_alike() -> None:
    other = ("selectors", 30)
    runs = run_of(TURNS, other), run_of(WINDOW, other)
    pairs = [
        Pair(row, row)
        for row in (make_row(make_condition(n), [1.0]) for n in ("fork", "selectors"))
    ]

    assert losses(runs, pairs) == [
        "A was measured in slices, B in windows (fork, add, keep-alive, 8)"
    ]


def asked(**more: Any) -> Run:
    """Return a run of somebody else's server, who was asked something."""
    question: dict[str, Any] = {
        "method": "GET",
        "path": "/",
        "fields": [],
        "expect": "200-399",
        "address": None,
    }
    plan = Plan(("localhost:80/",), workloads=("GET",))
    return make_run(plan, options={"localhost:80/": question | more})


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({}, []),
        ({"path": "/a", "address": "::1"}, []),  # where it is: that may be what is compared
        ({"fields": ["Accept"]}, ["not the same header fields: none and Accept"]),
        ({"expect": 201}, ["not the same right status: 200-399 and 201"]),
        ({"expect_body": True}, ["not the same right body given: unknown and yes"]),
    ],
)
def test_says_what_else_was_asked(more: dict[str, Any], told: list[str]) -> None:
    assert losses((asked(), asked(**more)), []) == told


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (
            {"pinning": Pinning((1,), (0,))},
            "use of cores: nobody pinned and server and driver pinned",
        ),
        (
            {"pinning": Pinning(note="one core only")},
            "use of cores: nobody pinned and one core only",
        ),
        ({"cpu_units": {"cpu=2ms": 1150}}, "work of cpu=2ms: 1,000 units and 1,150 units"),
        ({"options": {"fork": {"workers": 9}}}, "options of fork: workers=8 and workers=9"),
        ({"machine": {"governor": "powersave"}}, "governor of the processor: None and powersave"),
        ({"machine": {"usable_cores": 1}}, "number of usable cores: None and 1"),
    ],
)
def test_warns_of_what_is_around(more: dict[str, Any], told: str) -> None:
    """It is no loss: the machine and its programs may be what is compared."""
    usual = {"cpu_units": {"cpu=2ms": 1000}, "options": {"fork": {"workers": 8}}}
    first, second = (make_run(Plan(**BASE), **(usual | one)) for one in ({}, more))

    assert list(surroundings(first, second)) == [f"Not the same {told}"]
    assert losses((first, second), []) == []
