"""A request in one-byte pieces: every server answers it, and some do nothing else meanwhile."""

from calcbench.bench.classroom.demo.scenario import (
    Bar,
    Figures,
    Finding,
    Picture,
    Place,
    Scenario,
)
from calcbench.bench.classroom.demo.stage import Stage, lane_of
from calcbench.bench.loadgen.driver.background import TICK_NS
from calcbench.bench.loadgen.observation import Observation
from calcbench.bench.loadgen.spec import LoadSpec, ring
from calcbench.bench.units import format_number, plural

CLIENTS, LOAD_S = 4, 5.0
SLOW = "slow-sender"
LOOP = "selectors"
RATIO = 10  # times as many answers to the others from the loop, at least

SCENARIO = Scenario(
    number=11,
    name="byte-by-byte",
    title="A request in one-byte pieces",
    happens=(
        "One client sends its request a byte at a time, one every 10 ms, again and again. 4 others"
        " ask as fast as they can, for 5 s."
    ),
    question="What does the blocking server make of the slow request?",
    bets=(
        "it answers an error",
        "it takes the first byte for all of it",
        "it answers it rightly, and the others hardly at all",
        "it answers it rightly, and the others as fast as ever",
    ),
    answer=2,
    because=(
        "TCP is a stream: a request may come in any pieces, so both servers wait for its end. The"
        " blocking one waits with this client, the event loop with all of them."
    ),
    claim=(
        "both servers answer the slow request rightly, and meanwhile the event loop answers the"
        " others at least 10 times as often as blocking does."
    ),
    why=(
        Place("core/http/connection.py", "Connection.feed", "keeps pieces until all is there"),
        Place("core/serving/blocking.py", "serve_request", "reads on, from this one client"),
        Place("strategies/selectors.py", "Loop.turn", "reads from whoever has sent"),
    ),
    seconds=LOAD_S,
    strategy="blocking",
)


def run(stage: Stage) -> Figures:
    """Put a slow sender beside the clients of both servers."""
    labels = [stage.strategy, LOOP]
    servers = [stage.launch(label) for label in labels]
    loads = [stage.load(server, CLIENTS, LOAD_S, background={SLOW: 1}) for server in servers]
    lanes = [lane_of(label, server) for label, server in zip(labels, servers, strict=True)]
    with stage.lanes(*lanes, seconds=LOAD_S):
        seen = stage.drive(*loads).wait()
    return {
        "octets": octets_of(loads[0]),
        "tick_ns": TICK_NS,
        "servers": [figures_of(label, one) for label, one in zip(labels, seen, strict=True)],
    }


def octets_of(load: LoadSpec) -> int:
    """Return how many octets a request of *load* has, as a rule."""
    requests = ring(load)
    return round(sum(len(octets) for octets, _ in requests) / len(requests))


def figures_of(label: str, seen: Observation) -> Figures:
    """Return what the slow sender and the others got from one server."""
    met = seen.background[SLOW]
    wrong = sum(count for name, count in met.items() if name in ("wrong", "http_error"))
    return {
        "label": label,
        "answers": seen.right_responses,
        "slow_right": met.get("ok", 0),
        "slow_wrong": wrong,
    }


def conclude(figures: Figures) -> Finding:
    """Compare what the others got, where the slow one got its right answer from both."""
    held_up, loop = figures["servers"]
    right = all(one["slow_right"] and not one["slow_wrong"] for one in (held_up, loop))
    held = right and loop["answers"] >= RATIO * max(held_up["answers"], 1)
    name = held_up["label"]
    took_s = figures["octets"] * figures["tick_ns"] / 1e9
    how = "both answered it rightly" if right else "not both answered it rightly"
    given = f"{format_number(held_up['answers'])} {plural(held_up['answers'], 'answer')}"
    sentence = (
        f"A request in {figures['octets']} pieces took {took_s:.1f} s to come; {how}. To the others"
        f" {name} gave {given}, {LOOP} {format_number(loop['answers'])}."
    )
    bars = tuple(
        Bar(
            one["label"],
            one["answers"],
            format_number(one["answers"]),
            f"slow one: {one['slow_right']} right",
        )
        for one in (held_up, loop)
    )
    title = f"One request in slow pieces: {name} has {given} for the others"
    return Finding(held, sentence, Picture(title, "answers to the others", bars))
