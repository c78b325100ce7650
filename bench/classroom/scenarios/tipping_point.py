"""The rate at which it tips over: a pool whose capacity is plain arithmetic, below it and above."""

import numpy as np

from calcbench.bench.analysis.rounds import waits_of
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
from calcbench.bench.classroom.demo.stage import Stage
from calcbench.bench.classroom.demo.waiting import Waiting, in_words
from calcbench.bench.loadgen.observation import Observation
from calcbench.bench.units import format_ns

WORKERS, EACH_MS = 8, 20
CAPACITY = WORKERS * 1000 // EACH_MS  # requests that the pool can answer in a second, at most
SHARES = (0.5, 0.9, 1.2)  # of the capacity, that are asked for
WARMUP_S, LOAD_S = 0.2, 5.0
CONNECTIONS = 200  # at most, as systems allow few; who finds none free waits for one
RATIO = 10  # times as long beyond the capacity as at half of it, at least
STYLES = ("selectors", "threadpool", "fork")  # whose colours they have
STEP_S = 0.1  # for each, the curve has the longest wait

SCENARIO = Scenario(
    number=9,
    name="tipping-point",
    title="The rate at which it tips over",
    happens=(
        f"A pool of {WORKERS} threads; each answer waits {EACH_MS} ms, so it can give"
        f" {CAPACITY} a second. Users who do not wait for one another ask it for half of that,"
        " for nine tenths, and for a fifth too many."
    ),
    question=f"{SHARES[2] * CAPACITY:.0f} a second: how much longer do they wait than at half?",
    bets=("a fifth longer", "twice as long", "5 times as long", "more than 10 times as long"),
    answer=3,
    because=(
        "Below its capacity a server has time to catch up. Above it every second leaves more"
        " requests behind, and the queue grows for as long as the load lasts."
    ),
    claim=(
        "the median wait is at least 10 times as long when the pool is asked for a fifth too many"
        " as when it is asked for half of what it can answer."
    ),
    why=(
        Place("strategies/threadpool.py", "serve", "the workers, and their queue"),
        Place("core/serving/blocking.py", "serve_connection", "a worker waits with its client"),
        Place("bench/loadgen/driver/open_loop.py", "due_times", "users who come when they like"),
    ),
    seconds=LOAD_S + 1,
)


def run(stage: Stage) -> Figures:
    """Ask three pools at once, each at a rate of its own."""
    rates = [share * CAPACITY for share in SHARES]
    label, workload = f"threadpool:workers={WORKERS}", f"wait={EACH_MS}ms"
    servers = [stage.launch(label, workload) for _ in rates]
    loads = [
        stage.load(
            server,
            CONNECTIONS,
            LOAD_S,
            keep_alive=False,
            rate=rate,
            warmup_s=WARMUP_S,
        )
        for server, rate in zip(servers, rates, strict=True)
    ]
    lanes = [
        Lane(
            f"{rate:.0f}/s asked",
            Waiting(server, rate, WARMUP_S + LOAD_S).count,
            show=in_words,
        )
        for server, rate in zip(servers, rates, strict=True)
    ]
    with stage.lanes(*lanes, seconds=LOAD_S + 1):
        seen = stage.drive(*loads).wait()
    return {
        "capacity_per_s": CAPACITY,
        "rates": [figures_of(rate, one) for rate, one in zip(rates, seen, strict=True)],
    }


def figures_of(rate: float, seen: Observation) -> Figures:
    """Return how long the requests waited that were due at *rate*, from when they were due."""
    samples = seen.samples
    steps = np.floor_divide(samples["intended_ns"], round(STEP_S * 1e9))
    count = round(LOAD_S / STEP_S)
    longest = [int(samples["latency_ns"][steps == step].max(initial=0)) for step in range(count)]
    waits = waits_of(samples)
    return {
        "per_s": rate,
        "asked": waits.total,
        "failed": seen.outcomes.failed,
        "p50_ns": waits.quantile(0.5).value,
        "longest_ns_by_step": longest,
    }


def conclude(figures: Figures) -> Finding:
    """Compare the median wait beyond the capacity with that at half of it."""
    half, _, beyond = figures["rates"]
    ratio = beyond["p50_ns"] / half["p50_ns"]
    held = ratio >= RATIO and not half["failed"]
    waits = [f"{format_ns(one['p50_ns'])} at {one['per_s']:.0f}/s" for one in figures["rates"]]
    sentence = (
        f"The pool can answer {figures['capacity_per_s']} a second. Half of the requests waited"
        f" longer than {waits[0]}, {waits[1]}, {waits[2]}."
    )
    bars, curves = [], []
    for one, share, style in zip(figures["rates"], SHARES, STYLES, strict=True):
        label, text = f"{one['per_s']:.0f}/s asked", format_ns(one["p50_ns"])
        note = f"{share:.0%} of capacity"
        bars.append(Bar(label, one["p50_ns"] / 1e6, text, note, style))
        ms = tuple(ns / 1e6 for ns in one["longest_ns_by_step"])
        seconds = tuple(STEP_S * (step + 0.5) for step in range(len(ms)))
        curves.append(Curve(label, seconds, ms, note, style))
    most = [format_ns(max(one["longest_ns_by_step"])) for one in (half, beyond)]
    title = (
        f"Asked for {SHARES[2]:.0%} of what it can do, requests wait up to {most[1]};"
        f" for {SHARES[0]:.0%}, {most[0]}"
    )
    picture = Picture(title, "longest wait, ms", tuple(bars), tuple(curves))
    return Finding(held, sentence, picture)
