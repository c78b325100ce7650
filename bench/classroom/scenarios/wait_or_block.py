"""The same 10 ms waited for and slept through: in an event loop that is not the same at all."""

from calcbench.bench.classroom.demo.scenario import (
    Bar,
    Figures,
    Finding,
    Picture,
    Place,
    Scenario,
)
from calcbench.bench.classroom.demo.stage import Stage, lane_of
from calcbench.bench.units import format_number, format_rate, format_ratios

WAYS = {"waits": "wait=10ms", "sleeps": "block=10ms"}
CLIENTS, DURATION_S = 32, 4.0
RATIO = 5  # times as many answers where the loop waits, at least; there are 32 clients

SCENARIO = Scenario(
    number=4,
    name="wait-or-block",
    title="The same 10 ms, waited for or slept through",
    happens=(
        "32 clients ask an event loop, and each answer needs 10 ms, as from a database. One loop"
        " sets a timer and goes on; the other calls sleep(0.01). For 4 s."
    ),
    question="How many times more answers does the loop with the timer give?",
    bets=("as many as the other", "twice as many", "about 32 times as many", "half as many"),
    answer=2,
    because="With a timer all 32 wait at once; sleep stops the loop, and 31 wait for the 32nd.",
    claim="a loop that waits gives at least five times as many answers as one that sleeps.",
    why=(
        Place("core/serving/event_loop.py", "respond_to_all", "puts the answer off, by a timer"),
        Place("strategies/selectors.py", "Loop.turn", "waits for a client or a timer"),
        Place("core/app/workload.py", "with_workload", "block: sleep() inside the handler"),
    ),
    seconds=DURATION_S,
    strategy="selectors",
)


def run(stage: Stage) -> Figures:
    """Load two servers of one strategy whose answers take 10 ms in different ways."""
    labels = [f"{stage.name} {way}" for way in WAYS]
    servers = [stage.launch(stage.strategy, workload) for workload in WAYS.values()]
    lanes = [lane_of(label, server) for label, server in zip(labels, servers, strict=True)]
    with stage.lanes(*lanes, seconds=DURATION_S):
        seen = stage.drive(*[stage.load(one, CLIENTS, DURATION_S) for one in servers]).wait()
    return {
        "name": stage.name,
        "clients": CLIENTS,
        "servers": [
            {
                "label": label,
                "workload": workload,
                "answers": one.right_responses,
                "per_second": one.right_responses / one.elapsed_ns * 1e9,
            }
            for label, workload, one in zip(labels, WAYS.values(), seen, strict=True)
        ],
    }


def conclude(figures: Figures) -> Finding:
    """Compare how many answers a second the two gave."""
    waits, sleeps = figures["servers"]
    ratio = waits["per_second"] / max(sleeps["per_second"], 1e-9)
    held = sleeps["answers"] > 0 and ratio >= RATIO
    name = figures["name"]
    sentence = (
        f"{name} gave {format_rate(waits['per_second'])} where it waited for its 10 ms, and"
        f" {format_rate(sleeps['per_second'])} where it slept through them"
        f" ({format_ratios(ratio)[0]})."
    )
    bars = tuple(
        Bar(one["label"], one["per_second"], format_rate(one["per_second"]), one["workload"])
        for one in figures["servers"]
    )
    title = (
        f"sleep() in an event loop: {format_number(sleeps['per_second'])} answers a second,"
        f" not {format_number(waits['per_second'])}"
        if held
        else f"sleep() in {name}: {format_ratios(ratio)[0]}"
    )
    return Finding(held, sentence, Picture(title, "answers a second", bars))
