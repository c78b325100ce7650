"""Eight silent clients and a pool of eight: seven of them do no harm, the eighth stops it."""

from calcbench.bench.classroom.demo.scenario import (
    Bar,
    Figures,
    Finding,
    Picture,
    Place,
    Scenario,
)
from calcbench.bench.classroom.demo.stage import Stage, lane_of
from calcbench.bench.units import format_number, format_ratios, plural

POOL, LOOP = "threadpool", "selectors"
THREADS, CLIENTS, DURATION_S = 8, 8, 4.0
RATIO = 10  # times as many answers with one silent client less, at least

SCENARIO = Scenario(
    number=2,
    name="full-pool",
    title="Eight silent clients and a pool of eight",
    happens=(
        "A pool of 8 threads has 7 silent clients, another such pool has 8, and an event loop"
        " has 8 too. To each come 8 clients who ask as fast as they can, for 4 s."
    ),
    question="What does the eighth silent client cost the pool?",
    bets=("an eighth of its answers", "half of them", "all of them", "next to nothing"),
    answer=2,
    because="A silent client holds a thread, and with the eighth no thread is left for the others.",
    claim=(
        "a pool of 8 threads with 8 silent clients answers fewer than a tenth of the requests"
        " that it answers with 7 of them, and an event loop with 8 still answers."
    ),
    why=(
        Place("strategies/threadpool.py", "serve", "8 threads take from a queue"),
        Place("core/serving/blocking.py", "wait", "each waits for its own client"),
        Place("strategies/selectors.py", "Loop.serve_clients", "a silent client holds no thread"),
    ),
    seconds=DURATION_S,
    strategy=POOL,
)


def run(stage: Stage) -> Figures:
    """Put silent clients into both pools and the loop, and load all three."""
    pool = f"{POOL}:workers={THREADS}" if stage.strategy == POOL else stage.strategy
    played = [(stage.name, pool, THREADS - 1), (stage.name, pool, THREADS)]
    if stage.name != LOOP:
        played.append((LOOP, LOOP, THREADS))
    labels = [f"{name}, {silent} silent" for name, _, silent in played]
    servers = [stage.launch(label) for _, label, _ in played]
    for server, (_, _, silent) in zip(servers, played, strict=True):
        stage.connect(server, silent)
    lanes = [lane_of(label, server) for label, server in zip(labels, servers, strict=True)]
    with stage.lanes(*lanes, seconds=DURATION_S):
        seen = stage.drive(*[stage.load(one, CLIENTS, DURATION_S) for one in servers]).wait()
    return {
        "clients": CLIENTS,
        "servers": [
            {
                "label": label,
                "silent": silent,
                "answers": one.right_responses,
                "served": one.clients_served,
            }
            for label, (_, _, silent), one in zip(labels, played, seen, strict=True)
        ],
    }


def conclude(figures: Figures) -> Finding:
    """Compare the pool that has a thread left with the one that has none."""
    free, full, *loops = figures["servers"]
    held = free["answers"] >= RATIO * max(full["answers"], 1)
    held = held and all(loop["answers"] > 0 for loop in loops)
    beside = "".join(f", and {LOOP} with 8 {format_number(loop['answers'])}" for loop in loops)
    name = full["label"].partition(",")[0]
    sentence = (
        f"With 7 silent clients {name} answered {format_number(free['answers'])}"
        f" {plural(free['answers'], 'request')},"
        f" with 8 of them {format_number(full['answers'])}{beside}."
    )
    less = format_ratios(free["answers"] / full["answers"])[0] if full["answers"] else ""
    title = (
        f"8 silent clients stop a pool of 8: {full['served']} of {figures['clients']} served"
        if held
        else f"The eighth silent client: {less or 'no'} difference for {name}"
    )
    bars = tuple(
        Bar(
            one["label"],
            one["answers"],
            format_number(one["answers"]),
            f"{one['served']} of {figures['clients']} served",
        )
        for one in figures["servers"]
    )
    return Finding(held, sentence, Picture(title, f"answers in {DURATION_S:.0f} s", bars))
