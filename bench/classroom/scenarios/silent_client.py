"""One silent client in front of everybody: `blocking` waits for it, and all others wait too."""

import time
from itertools import accumulate

from calcbench.bench.classroom.demo.scenario import (
    Bar,
    Curve,
    Figures,
    Finding,
    Picture,
    Place,
    Scenario,
)
from calcbench.bench.classroom.demo.stage import Stage, lane_of, responses
from calcbench.bench.loadgen.observation import Observation
from calcbench.bench.schema.outcomes import OK
from calcbench.bench.units import format_number, plural

CLIENTS, SILENT_S, AFTER_S = 8, 4.0, 2.0
LOOP = "selectors"
LEAST_TENTHS = round(10 * (SILENT_S + AFTER_S))  # of a second
LEAST_SILENT_S = 1.0  # in which clients have asked in vain, if they have
RATIO = 10  # times as many answers from the loop, at least

SCENARIO = Scenario(
    number=1,
    name="silent-client",
    title="One silent client in front of everybody",
    happens=(
        "A client connects and says nothing. Behind it come 8 who ask as fast as they can, for 6 s;"
        " after 4 s the silent one hangs up."
    ),
    question="How many of the 8 does the blocking server serve while the silent one is there?",
    bets=("none", "one", "all, but slowly", "all, at full speed"),
    answer=0,
    because="It waits for one client to speak, and looks at nobody else until that one leaves.",
    claim=(
        "while one client is silent, blocking answers fewer than a tenth of the requests that"
        " an event loop answers; when it hangs up, blocking answers too."
    ),
    why=(
        Place("strategies/blocking.py", "serve", "serves each client to its end"),
        Place("core/serving/blocking.py", "wait", "waits for this one client"),
        Place("strategies/selectors.py", "Loop.turn", "waits for whoever is ready"),
    ),
    seconds=SILENT_S + AFTER_S,
    strategy="blocking",
)


def run(stage: Stage) -> Figures:
    """Put a silent client in front of both servers, load them, and let it hang up."""
    labels = [stage.strategy, LOOP]
    servers = [stage.launch(label) for label in labels]
    silent = [stage.connect(server)[0] for server in servers]
    lanes = [lane_of(label, server) for label, server in zip(labels, servers, strict=True)]
    loads = [stage.load(server, CLIENTS, SILENT_S + AFTER_S) for server in servers]
    with stage.lanes(*lanes, seconds=SILENT_S + AFTER_S):
        driving = stage.drive(*loads)
        stage.wait_until(lambda: responses(servers[1]) > 0, "the first answer")
        stage.wait(SILENT_S)
        hung_up_ns = time.perf_counter_ns()
        for client in silent:
            client.close()
        seen = driving.wait()
    return {
        "clients": CLIENTS,
        "servers": [
            figures_of(label, one, hung_up_ns) for label, one in zip(labels, seen, strict=True)
        ],
    }


def figures_of(label: str, seen: Observation, hung_up_ns: int) -> Figures:
    """Return what clients saw of one server until the silent one hung up, and after it."""
    import numpy as np

    ok = seen.samples["outcome"] == OK
    done_ns = seen.samples["done_ns"][ok]  # from the opening of the window
    before = done_ns < hung_up_ns - seen.opened_ns
    tenths = np.clip(done_ns // 100_000_000, 0, None)
    return {
        "label": label,
        "silent_s": (hung_up_ns - seen.opened_ns) / 1e9,
        "answers_while_silent": int(before.sum()),
        "served_while_silent": len(np.unique(seen.samples["client"][ok][before])),
        "answers_after": int((~before).sum()),
        "answers_by_tenth": np.bincount(tenths, minlength=LEAST_TENTHS).tolist(),
    }


def conclude(figures: Figures) -> Finding:
    """Compare what the two answered while one client was silent."""
    held_up, loop = figures["servers"]
    few, many = held_up["answers_while_silent"], loop["answers_while_silent"]
    held = many >= RATIO * max(few, 1) and held_up["answers_after"] > 0
    held = held and min(one["silent_s"] for one in figures["servers"]) >= LEAST_SILENT_S
    name, silent_s = held_up["label"], held_up["silent_s"]
    sentence = (
        f"One client said nothing for {silent_s:.0f} s: {name} answered {format_number(few)}"
        f" {plural(few, 'request')} meanwhile, {LOOP} {format_number(many)}."
    )
    served, beside = (
        f"{one['served_while_silent']} of {figures['clients']}" for one in (held_up, loop)
    )
    title = f"While one client is silent, {name} serves {served}, {LOOP} {beside}"
    return Finding(held, sentence, picture(figures, title))


def picture(figures: Figures, title: str) -> Picture:
    """Return the picture: bars for while it was silent, curves for all of the time."""
    clients = figures["clients"]
    bars = tuple(
        Bar(
            one["label"],
            one["answers_while_silent"],
            format_number(one["answers_while_silent"]),
            f"{one['served_while_silent']} of {clients} served",
        )
        for one in figures["servers"]
    )
    curves = tuple(
        Curve(
            bar.label,
            tuple(step / 10 for step in range(len(one["answers_by_tenth"]) + 1)),
            (0, *accumulate(one["answers_by_tenth"])),
            f"{bar.note}\nwhile one is silent",
        )
        for bar, one in zip(bars, figures["servers"], strict=True)
    )
    moments = ((figures["servers"][0]["silent_s"], "the silent client hangs up"),)
    return Picture(title, "answers", bars, curves, moments)
