"""The demonstrations that are measured under load: what their figures say, and one short run each.

The figures are of real runs, rounded. None of the short runs is asked whether its claim holds.
"""

import json
from collections.abc import Mapping
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import pytest

from calcbench.bench.classroom.demo.performance import COLUMNS, wrapped
from calcbench.bench.classroom.demo.stage import Stage
from calcbench.bench.classroom.demo.waiting import Waiting, in_words
from calcbench.bench.classroom.scenarios import (
    against_itself,
    byte_by_byte,
    fork_thread_loop,
    keep_alive,
    one_stall,
    tipping_point,
)
from calcbench.core.serving.launcher import Server


def costs(*cpu_us: float, rates: tuple[float, ...] = (396, 3_855, 9_719)) -> dict[str, Any]:
    labels = fork_thread_loop.LABELS
    return {
        "servers": [
            {"label": label, "answers": round(per_s), "per_s": per_s, "cpu_us": cost}
            for label, per_s, cost in zip(labels, rates, cpu_us, strict=True)
        ]
    }


def ways(kept: float, new: float) -> dict[str, Any]:
    return {
        "strategy": "selectors",
        "ways": [
            {"label": label, "answers": round(per_s), "per_s": per_s, "cpu_us": cost}
            for label, per_s, cost in (("one kept", kept, 10.6), ("a new one each", new, 37.4))
        ],
    }


def waits(*p50_ms: float, failed: int = 0) -> dict[str, Any]:
    return {
        "capacity_per_s": 400,
        "rates": [
            {
                "per_s": rate,
                "asked": 4 * rate,
                "failed": failed,
                "p50_ns": round(ms * 1e6),
                "longest_ns_by_step": [round(ms * 1e6), round(ms * 2e6)],
            }
            for rate, ms in zip((200, 360, 480), p50_ms, strict=True)
        ],
    }


def stall(closed_p99_ms: float, open_p99_ms: float, met: int = 4) -> dict[str, Any]:
    return {
        "strategy": "selectors",
        "stall_s": 1.01,
        "loops": [
            {
                "label": label,
                "stall_ns": 1_001_000_000,
                "asked": asked,
                "met": hit,
                "p99_ns": round(ms * 1e6),
                "max_ns": 1_000_800_000,
                "dots": [[0.5, 120_000], [1.0, 1_000_800_000], [2.0, 140_000]],
            }
            for label, asked, hit, ms in (
                ("closed loop", 220_406, met, closed_p99_ms),
                ("open loop", 800, 160, open_p99_ms),
            )
        ],
    }


def pieces(blocking: int, loop: int, wrong: int = 0) -> dict[str, Any]:
    return {
        "octets": 54,
        "tick_ns": 10_000_000,
        "servers": [
            {"label": label, "answers": answers, "slow_right": 9, "slow_wrong": wrong}
            for label, answers in (("blocking", blocking), ("selectors", loop))
        ],
    }


def rounds(*pairs: tuple[float, float]) -> dict[str, Any]:
    return {"strategy": "selectors", "rounds": [list(pair) for pair in pairs]}


EQUAL = rounds((8_008, 8_314), (9_014, 8_996), (9_646, 9_573), (9_542, 9_201), (9_689, 9_857))
TWICE = rounds((8_008, 4_014), (9_014, 4_496), (9_646, 4_873), (9_542, 4_701), (9_689, 4_857))

SHOWN: list[tuple[ModuleType, Mapping[str, Any], str]] = [
    (
        fork_thread_loop,
        costs(2_472, 125, 37.8),
        (
            "An answer took 2,470 µs of CPU time with a fork, 125 µs with a thread and 38 µs with a"
            " callback: a fork costs 65x as much."
        ),
    ),
    (
        fork_thread_loop,  # where no system tells the CPU time
        costs(0, 0, 0),
        (
            "An answer took 2,520 µs of elapsed time with a fork, 259 µs with a thread and 103 µs"
            " with a callback: a fork costs 25x as much."
        ),
    ),
    (
        keep_alive,
        ways(35_558, 8_212),
        "35,600/s over kept connections, 8,210/s over new ones: 4.3x as many.",
    ),
    (
        tipping_point,
        waits(10.3, 10.9, 412),
        (
            "The pool can answer 400 a second. Half of the requests waited longer than 10.3 ms at"
            " 200/s, 10.9 ms at 360/s, 412 ms at 480/s."
        ),
    ),
    (
        one_stall,
        stall(0.121, 956),
        (
            "One request blocked for 1.00 s. In the closed loop 99 of 100 requests waited 121 µs at"
            " most, in the open loop 956 ms: 7,901x as long."
        ),
    ),
    (
        byte_by_byte,
        pieces(50, 447_000),
        (
            "A request in 54 pieces took 0.5 s to come; both answered it rightly. To the others"
            " blocking gave 50 answers, selectors 447,000."
        ),
    ),
    (
        against_itself,
        EQUAL,
        (
            "The right one is 0.2% ahead. Chance alone puts two equal servers that far apart in 90"
            " of 100 races: too often to be called a difference."
        ),
    ),
]

NOT_SHOWN: list[tuple[ModuleType, Mapping[str, Any]]] = [
    (fork_thread_loop, costs(2_472, 37, 125)),  # a callback costs more than a thread
    (fork_thread_loop, costs(300, 125, 37.8)),  # a fork less than 10 times as much
    (fork_thread_loop, costs(2_472, 125, 37.8, rates=(0, 3_855, 9_719))),
    (keep_alive, ways(12_000, 8_212)),
    (keep_alive, ways(12_000, 0)),
    (tipping_point, waits(10.3, 10.9, 98)),
    (tipping_point, waits(10.3, 10.9, 412, failed=1)),
    (one_stall, stall(956, 956)),
    (one_stall, stall(0.121, 956, met=0)),
    (byte_by_byte, pieces(50_000, 447_000)),
    (byte_by_byte, pieces(50, 447_000, wrong=1)),
    (against_itself, TWICE),
    (against_itself, rounds((0, 9_000), (0, 9_000))),
]


@pytest.mark.parametrize(("scenario", "figures", "sentence"), SHOWN)
def test_says_in_a_sentence_what_was_measured(
    scenario: Any, figures: dict[str, Any], sentence: str
) -> None:
    finding = scenario.conclude(figures)

    assert finding.held
    assert finding.sentence == sentence
    assert len(wrapped(sentence)) <= 2


@pytest.mark.parametrize(("scenario", "figures"), NOT_SHOWN)
def test_says_that_a_machine_did_not_show_it(scenario: Any, figures: dict[str, Any]) -> None:
    assert not scenario.conclude(figures).held


def test_tells_two_different_servers_apart_as_it_does_not_two_equal_ones() -> None:
    finding = against_itself.conclude(TWICE)

    assert "100.1% ahead" in finding.sentence
    assert "less than once in 1,000 races: that is called a difference." in finding.sentence
    assert finding.picture.title.endswith("apart, more than chance does")


@pytest.mark.parametrize(
    ("p", "words"),
    [
        (1.0, "in 99 of 100 races"),
        (0.031, "in 3 of 100 races"),
        (0.004, "in 4 of 1,000 races"),
        (0.0009, "less than once in 1,000 races"),
    ],
)
def test_says_how_often_chance_does_as_much(p: float, words: str) -> None:
    assert against_itself.how_often(p) == words


def test_claims_nothing_of_chance_where_a_server_answered_nothing() -> None:
    finding = against_itself.conclude(rounds((0, 9_000), (0, 9_000)))

    assert finding.sentence.endswith("there is nothing to compare.")
    assert "apart" not in finding.picture.title


def test_counts_who_waits_for_a_server_by_what_was_due() -> None:
    nothing_yet = cast(Server, SimpleNamespace(watch=None))
    waiting = Waiting(nothing_yet, rate=100, load_s=4)

    assert waiting.most_at_once() == 0  # before the first answer
    assert waiting.left(10, now=50.0) == 0  # so the load began at 49.9
    assert waiting.left(60, now=51.0) == 50
    assert waiting.left(400, now=60.0) == 0  # it ended at 53.9
    assert [in_words(count) for count in (1, 271)] == ["1 is waiting", "271 are waiting"]


SHORT: list[tuple[Any, dict[str, float]]] = [
    (fork_thread_loop, {"EACH_S": 0.1, "WARMUP_S": 0.05}),
    (keep_alive, {"EACH_S": 0.1, "WARMUP_S": 0.05}),
    (tipping_point, {"LOAD_S": 0.3}),
    (one_stall, {"BEFORE_S": 0.05, "LOAD_S": 0.5, "STALL_MS": 100}),
    (byte_by_byte, {"LOAD_S": 1.0}),
    (against_itself, {"EACH_S": 0.05, "WARMUP_S": 0.05, "ROUNDS": 2}),
]


@pytest.mark.slow
@pytest.mark.parametrize(("scenario", "shorter"), SHORT)
def test_measures_on_real_servers(
    scenario: Any, shorter: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in shorter.items():
        monkeypatch.setattr(scenario, name, value)
    with Stage(scenario.SCENARIO.strategy) as stage:
        figures = scenario.run(stage)

    assert json.loads(json.dumps(figures, allow_nan=False))
    assert len(scenario.conclude(figures).sentence) <= 2 * COLUMNS
