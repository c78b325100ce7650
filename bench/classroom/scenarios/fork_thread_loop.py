"""What a fork, a thread and a callback cost: three strategies, and every client is a new one."""

from calcbench.bench.classroom.demo.scenario import (
    Bar,
    Figures,
    Finding,
    Picture,
    Place,
    Scenario,
)
from calcbench.bench.classroom.demo.stage import Stage, lane_of
from calcbench.bench.classroom.demo.turns import cost_of, drive_by_turns
from calcbench.bench.units import format_number, format_rate, format_ratios

LABELS = ("fork", "thread-per-request", "selectors")
CLIENTS, EACH_S, WARMUP_S = 8, 1.2, 0.2
SECONDS = len(LABELS) * (EACH_S + WARMUP_S) * 1.6  # with what is not counted of each turn
RATIO = 10  # times what a callback costs, at least, for a fork

SCENARIO = Scenario(
    number=7,
    name="fork-thread-loop",
    title="What a fork, a thread and a callback cost",
    happens=(
        "8 clients ask as fast as they can, over a new connection each time. The first server"
        " forks for each of them, the second starts a thread, the third calls a function. They"
        " take turns, so that all three meet the same machine."
    ),
    question="How many times as much does a fork cost as a callback?",
    bets=("about the same", "2 times", "5 times", "10 times or more"),
    answer=3,
    because=(
        "A fork copies the tables of a whole process, a thread needs a stack and its turn on the"
        " interpreter, and a callback is one more call in a loop that runs anyway."
    ),
    claim=(
        "an answer costs least CPU time with a callback, more with a thread, and with a fork at"
        " least 10 times as much as with a callback. Where no CPU time is known,"
        " elapsed time is compared."
    ),
    why=(
        Place("core/serving/children.py", "fork", "a new process for a client"),
        Place("core/serving/blocking.py", "spawn", "a new thread for a request"),
        Place("strategies/selectors.py", "Loop.serve_clients", "a call, in the same thread"),
    ),
    seconds=SECONDS,
)


def run(stage: Stage) -> Figures:
    """Drive the three by turns, with a new connection for each request."""
    servers = [stage.launch(label) for label in LABELS]
    loads = [
        stage.load(
            server,
            CLIENTS,
            EACH_S,
            keep_alive=False,
            warmup_s=WARMUP_S,
            server_group=server.pid,
        )
        for server in servers
    ]
    lanes = [lane_of(label, server) for label, server in zip(LABELS, servers, strict=True)]
    with stage.lanes(*lanes, seconds=SECONDS):
        seen = drive_by_turns(stage, *loads)
    return {"servers": list(map(cost_of, LABELS, seen))}


def conclude(figures: Figures) -> Finding:
    """Compare what an answer costs, in CPU time or, where nobody knows that, by the clock."""
    servers = figures["servers"]
    answered = all(one["answers"] for one in servers)
    known = all(one["cpu_us"] for one in servers)
    costs = [one["cpu_us"] if known else 1e6 / max(one["per_s"], 1e-6) for one in servers]
    what = "CPU time" if known else "elapsed time"
    fork, thread, callback = costs
    held = answered and fork > thread > callback and fork >= RATIO * callback
    times = format_ratios(fork / callback)[0]
    texts = [f"{format_number(round(cost))} µs" for cost in costs]
    sentence = (
        f"An answer took {texts[0]} of {what} with a fork, {texts[1]} with a thread and {texts[2]}"
        f" with a callback: a fork costs {times} as much."
    )
    title = f"A fork costs {times} as much as a callback"
    bars = tuple(
        Bar(one["label"], cost, text, format_rate(one["per_s"]))
        for one, cost, text in zip(servers, costs, texts, strict=True)
    )
    return Finding(held, sentence, Picture(title, f"µs of {what} for one answer", bars))
