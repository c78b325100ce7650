"""Keep-alive against a new connection each: the same server, the same requests, twice."""

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

KEPT, NEW = "one kept", "a new one each"
CLIENTS, EACH_S, WARMUP_S = 8, 1.5, 0.2
SECONDS = 2 * (EACH_S + WARMUP_S) * 1.4  # with what is not counted of each turn
RATIO = 2  # times as many answers over connections that are kept, at least

SCENARIO = Scenario(
    number=8,
    name="keep-alive",
    title="Keep-alive against a new connection each",
    happens=(
        "8 clients ask an event loop as fast as they can, all their requests over one connection"
        " each. 8 others ask the same of another one, over a new connection for each request. The"
        " two take turns."
    ),
    question="How many more answers do those get who keep their connection?",
    bets=("no more", "a tenth more", "half as many again", "at least twice as many"),
    answer=3,
    because=(
        "To open and close a connection takes more packets, system calls and CPU time than to"
        " read a small request and answer it. Over a real network each one also waits for a"
        " round trip."
    ),
    claim="over kept connections there are at least twice as many answers.",
    why=(
        Place("core/serving/acceptor.py", "Acceptor.accept_batch", "is paid for each new one"),
        Place("core/http/connection.py", "Connection.respond", "decides whether to keep it"),
        Place("bench/loadgen/driver/loop.py", "Loop.connect", "what the client does for each"),
    ),
    seconds=SECONDS,
    strategy="selectors",
)


def run(stage: Stage) -> Figures:
    """Drive two servers of one strategy by turns: over kept connections, and over new ones."""
    servers = [stage.launch(stage.strategy) for _ in (KEPT, NEW)]
    loads = [
        stage.load(
            server,
            CLIENTS,
            EACH_S,
            keep_alive=keep,
            warmup_s=WARMUP_S,
            server_group=server.pid,
        )
        for server, keep in zip(servers, (True, False), strict=True)
    ]
    lanes = [lane_of(label, server) for label, server in zip((KEPT, NEW), servers, strict=True)]
    with stage.lanes(*lanes, seconds=SECONDS):
        seen = drive_by_turns(stage, *loads)
    return {"strategy": stage.strategy, "ways": list(map(cost_of, (KEPT, NEW), seen))}


def conclude(figures: Figures) -> Finding:
    """Compare how many answers there are each second."""
    kept, new = figures["ways"]
    ratio = kept["per_s"] / max(new["per_s"], 1e-6)
    times = format_ratios(ratio)[0]
    held = new["answers"] > 0 and ratio >= RATIO
    sentence = (
        f"{format_rate(kept['per_s'])} over kept connections, {format_rate(new['per_s'])} over"
        f" new ones: {times} as many."
    )
    bars = tuple(
        Bar(
            one["label"],
            one["per_s"],
            format_rate(one["per_s"]),
            f"{format_number(one['cpu_us'])} µs CPU each" if one["cpu_us"] else "",
            style,
        )
        for one, style in ((kept, "selectors"), (new, "fork"))
    )
    title = f"Kept connections: {times} as many answers"
    return Finding(held, sentence, Picture(title, "answers per second", bars))
