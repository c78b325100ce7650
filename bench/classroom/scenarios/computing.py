"""Computing beside fast answers: a loop and threads share one interpreter, processes do not."""

import statistics

from calcbench.bench.classroom.demo.behind import Behind, picture_of, typical_ns
from calcbench.bench.classroom.demo.scenario import Figures, Finding, Place, Scenario
from calcbench.bench.classroom.demo.stage import Stage
from calcbench.bench.units import format_ns

SLOW, SLOW_S, ROUNDS = "/add/2/3?cpu=250ms", 0.3, 5
OTHERS = ("thread-per-request", "fork")
RATIO = 5  # times as long a wait on a loop as on processes, at least

SCENARIO = Scenario(
    number=5,
    name="computing",
    title="Computing beside fast answers",
    happens=(
        "A client asks for something that takes long to compute. A moment later another asks for"
        " 2 + 3. A few times: on a loop, on threads, on processes."
    ),
    question="On which of the three does 2 + 3 wait for the whole computation?",
    bets=("on the event loop", "on the threads", "on the processes", "on none of them"),
    answer=0,
    because=(
        "A loop computes to the end before it looks up; threads take turns in one interpreter;"
        " a process has its own."
    ),
    claim=(
        "beside a long computation, a fast request waits on an event loop at least"
        " five times as long as on a server with a process for each connection."
    ),
    why=(
        Place("core/serving/event_loop.py", "respond_to_all", "calls the handler, and waits"),
        Place("core/serving/blocking.py", "spawn", "takes turns in one interpreter"),
        Place("core/serving/children.py", "fork", "a process has its own interpreter"),
    ),
    seconds=ROUNDS * SLOW_S * (1 + len(OTHERS)),
    strategy="selectors",
)


def run(stage: Stage) -> Figures:
    """Play the rounds on one server after the other: computing takes from whoever is beside it."""
    labels = [stage.strategy, *OTHERS]
    all_behind = [Behind(label, stage.launch(label, "asked"), SLOW, ROUNDS) for label in labels]
    found = []
    with stage.lanes(*[behind.lane() for behind in all_behind], seconds=SCENARIO.seconds):
        for behind in all_behind:
            behind.begin()
            found.append(behind.wait())
    return {"servers": found}


def conclude(figures: Figures) -> Finding:
    """Compare the median waits of the fast request on the loop and on processes."""
    servers = figures["servers"]
    waits = [typical_ns(one) for one in servers]
    held = waits[0] >= RATIO * waits[-1]
    name, computed = servers[0]["label"], statistics.median(servers[0]["slow_took_ns"])
    sentence = (
        f"Beside {format_ns(computed)} of computing, 2 + 3 took {format_ns(waits[0])} on {name},"
        f" {format_ns(waits[1])} on threads and {format_ns(waits[2])} on processes."
    )
    title = f"Beside a computation, 2 + 3 takes {format_ns(waits[0])} on {name}"
    return Finding(held, sentence, picture_of(title, servers))
