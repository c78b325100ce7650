"""A request of one second before a fast one: on `blocking`, the fast one waits for that second."""

from calcbench.bench.classroom.demo.behind import Behind, picture_of, typical_ns
from calcbench.bench.classroom.demo.scenario import Figures, Finding, Place, Scenario
from calcbench.bench.classroom.demo.stage import Stage
from calcbench.bench.units import format_ns

SLOW, ROUNDS = "/add/2/3?wait=1s", 5
OTHERS = ("threadpool", "selectors")
RATIO = 10  # times as long a wait behind a slow request, at least

SCENARIO = Scenario(
    number=3,
    name="slow-first",
    title="A request of one second before a fast one",
    happens=(
        "A client asks for something that the server must wait for, one second long, as for a"
        " database. A moment later another asks for 2 + 3. A few times, on three servers."
    ),
    question="How long does the second one wait for its 5 on the blocking server?",
    bets=("a millisecond", "about 50 milliseconds", "about a second", "half a second"),
    answer=2,
    because="One client at a time: 2 + 3 stands in line behind a second of waiting.",
    claim=(
        "behind a request of one second, a fast request waits on blocking at least ten times as"
        " long as on a pool of threads or on an event loop."
    ),
    why=(
        Place("core/serving/blocking.py", "serve_request", "sleeps, and the line with it"),
        Place("strategies/threadpool.py", "serve", "only one of 8 threads sleeps"),
        Place("core/serving/event_loop.py", "respond_to_all", "sets a timer, serves on"),
    ),
    seconds=ROUNDS * 1.1,
    strategy="blocking",
)


def run(stage: Stage) -> Figures:
    """Play the rounds on all servers at once: waiting takes nothing from anybody."""
    labels = [stage.strategy, *OTHERS]
    all_behind = [Behind(label, stage.launch(label, "asked"), SLOW, ROUNDS) for label in labels]
    with stage.lanes(*[behind.lane() for behind in all_behind], seconds=SCENARIO.seconds):
        for behind in all_behind:
            behind.begin()
        return {"servers": [behind.wait() for behind in all_behind]}


def conclude(figures: Figures) -> Finding:
    """Compare the median waits of the fast request."""
    servers = figures["servers"]
    waits = [typical_ns(one) for one in servers]
    held = all(waits[0] >= RATIO * other for other in waits[1:])
    name = servers[0]["label"]
    sentence = (
        f"Behind a request of one second, 2 + 3 took {format_ns(waits[0])} on {name},"
        f" {format_ns(waits[1])} on {servers[1]['label']} and {format_ns(waits[2])} on"
        f" {servers[2]['label']}."
    )
    title = f"Behind one slow request, 2 + 3 takes {format_ns(waits[0])} on {name}"
    return Finding(held, sentence, picture_of(title, servers))
