"""One stall, seen by a closed and an open loop: who does not ask meanwhile does not see it."""

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

from calcbench.bench.analysis.rounds import waits_of
from calcbench.bench.classroom.demo.clients import Answered, ask_once
from calcbench.bench.classroom.demo.lanes import Lane
from calcbench.bench.classroom.demo.scenario import (
    Bar,
    Curve,
    Figures,
    Finding,
    Picture,
    Place,
    Scenario,
)
from calcbench.bench.classroom.demo.stage import Stage, responses
from calcbench.bench.classroom.demo.waiting import Waiting
from calcbench.bench.loadgen.observation import Observation
from calcbench.bench.units import format_ns, format_ratios

CLIENTS, RATE = 4, 200
CLOSED, OPEN = "closed loop", "open loop"
WARMUP_S, BEFORE_S, LOAD_S = 0.2, 1.0, 4.0
STALL_MS = 1_000
LONG_NS = STALL_MS * 1_000_000 // 5  # a wait that can hardly be anything else's
RATIO = 10  # times the p99 of the closed loop, at least, in the open one
DOT_S = 0.05  # for each such step, the longest wait is a dot

SCENARIO = Scenario(
    number=10,
    name="one-stall",
    title="One stall, seen by a closed and an open loop",
    happens=(
        "Two servers stall once, for a whole second, at the same moment. One is asked in a closed"
        " loop: 4 clients, who ask again when they have an answer. The other is asked in an open"
        " loop: 200 requests a second, whatever comes back. 99 of 100 requests wait less than the"
        " p99."
    ),
    question="Which of the two loops sees a p99 of about a second?",
    bets=("both of them", "neither of them", "the closed loop", "the open loop"),
    answer=3,
    because=(
        "In the stall the 4 clients of the closed loop wait, and ask nothing: 4 bad answers among"
        " many thousands. Real users keep coming, and all of them wait. This is called"
        " coordinated omission."
    ),
    claim=(
        "the p99 that the open loop sees is at least 10 times that of the closed loop, although"
        " both servers stalled alike."
    ),
    why=(
        Place("core/app/workload.py", "with_workload", "block: sleeps in the event loop"),
        Place("bench/loadgen/driver/loop.py", "Loop.ask_again", "closed: after the answer"),
        Place("bench/loadgen/driver/open_loop.py", "due_times", "open: when it is due"),
    ),
    seconds=LOAD_S,
    strategy="selectors",
)


def run(stage: Stage) -> Figures:
    """Load two servers, one in each way, and stall both for a moment with one request each."""
    servers = [stage.launch(stage.strategy, "asked") for _ in (CLOSED, OPEN)]
    closed, opened = servers
    loads = [
        stage.load(closed, CLIENTS, LOAD_S, warmup_s=WARMUP_S),
        stage.load(opened, 2 * CLIENTS, LOAD_S, warmup_s=WARMUP_S, rate=RATE),
    ]
    lanes = [
        Lane(CLOSED, lambda: CLIENTS if responses(closed) else 0, "waited"),
        Lane(OPEN, Waiting(opened, RATE, WARMUP_S + LOAD_S).most_at_once, "waited"),
    ]
    with stage.lanes(*lanes, seconds=LOAD_S), ThreadPoolExecutor(2) as askers:
        driving = stage.drive(*loads)
        stage.wait_until(lambda: all(map(responses, servers)), "the first answer of both servers")
        stage.wait(WARMUP_S + BEFORE_S)
        stalled_ns = time.perf_counter_ns()
        stalls = list(askers.map(partial(ask_once, path=f"/add/2/3?block={STALL_MS}ms"), servers))
        seen = driving.wait()
    return {
        "strategy": stage.strategy,
        "stall_s": (stalled_ns - seen[1].opened_ns) / 1e9,
        "loops": [
            {"label": label, "stall_ns": stall.waited_ns, **figures_of(one, stall)}
            for label, stall, one in zip((CLOSED, OPEN), stalls, seen, strict=True)
        ],
    }


def figures_of(seen: Observation, stall: Answered) -> Figures:
    """Return how long requests waited, from when they were due, and how many met the *stall*."""
    samples = seen.samples
    waits = waits_of(samples)
    due_ns, waited_ns = samples["intended_ns"], samples["latency_ns"]
    began_ns, ended_ns = (ns - seen.opened_ns for ns in (stall.asked_ns, stall.done_ns))
    met = (due_ns < ended_ns) & (samples["done_ns"] > began_ns) & (waited_ns > LONG_NS)
    steps = due_ns // round(DOT_S * 1e9)
    dots = []
    for step in np.unique(steps[steps >= 0]):
        within = np.flatnonzero(steps == step)
        longest = within[waited_ns[within].argmax()]
        dots.append((float(due_ns[longest]) / 1e9, int(waited_ns[longest])))
    return {
        "asked": waits.total,
        "met": int(met.sum()),
        "p99_ns": waits.quantile(0.99).value,
        "max_ns": waits.quantile(1).value,
        "dots": dots,
    }


def conclude(figures: Figures) -> Finding:
    """Compare the p99 that each of the two loops saw."""
    closed, opened = figures["loops"]
    ratio = opened["p99_ns"] / closed["p99_ns"]
    held = ratio >= RATIO and closed["met"] > 0
    stall_ns = min(closed["stall_ns"], opened["stall_ns"])
    sentence = (
        f"One request blocked for {format_ns(stall_ns)}. In the closed loop 99 of 100 requests"
        f" waited {format_ns(closed['p99_ns'])} at most, in the open loop"
        f" {format_ns(opened['p99_ns'])}: {format_ratios(ratio)[0]} as long."
    )
    bars, curves = [], []
    beside_ramp = figures["stall_s"] + 0.6 * stall_ns / 1e9, 0.7 * stall_ns / 1e6
    for one, style, at in ((closed, "fork", None), (opened, "selectors", beside_ramp)):
        note = f"{one['met']:,} of {one['asked']:,} met it"
        bars.append(Bar(one["label"], one["p99_ns"] / 1e6, format_ns(one["p99_ns"]), note, style))
        seconds, waits_ns = zip(*one["dots"], strict=True)
        ms = tuple(ns / 1e6 for ns in waits_ns)
        text = f"p99: {format_ns(one['p99_ns'])}\n{note}"
        curves.append(Curve(one["label"], seconds, ms, text, style, dots=True, at=at))
    curves.reverse()  # the few dots of the closed loop on top
    axis, moments = "waited, ms", ((figures["stall_s"], "the stall"),)
    title = (
        f"One stall: the p99 is {format_ns(closed['p99_ns'])} in the closed loop,"
        f" {format_ns(opened['p99_ns'])} in the open one"
    )
    return Finding(held, sentence, Picture(title, axis, tuple(bars), tuple(curves), moments))
