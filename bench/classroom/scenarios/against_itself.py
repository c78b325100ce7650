"""A strategy against itself: two bars always differ, and mostly that says nothing."""

import time
from statistics import geometric_mean

from calcbench.bench.analysis.inference import compare_paired
from calcbench.bench.classroom.demo.lanes import Lane
from calcbench.bench.classroom.demo.scenario import (
    Bar,
    Figures,
    Finding,
    Picture,
    Place,
    Scenario,
)
from calcbench.bench.classroom.demo.stage import Stage, responses
from calcbench.bench.classroom.demo.turns import answers_per_s, drive_by_turns
from calcbench.bench.units import format_rate
from calcbench.core.app.workload import calibrate_workload
from calcbench.core.serving.launcher import Server

SIDES = ("left", "right")
CLIENTS, ROUNDS, EACH_S, WARMUP_S = 8, 5, 0.35, 0.1
ROUND_S = 2 * (EACH_S + WARMUP_S) * 1.3 + 0.5  # with what is not counted, and the start
LEAST_ROUNDS, ENOUGH_S = 3, 8.0  # on a slow machine no room waits for the rest
COST_US = 100  # of computing for each answer, so that the server is the limit and not the driver
LEAST = 1e-3  # answers a second in place of none, which has no logarithm
LEVEL = 0.001  # of all races of something against itself, so many are called a difference

SCENARIO = Scenario(
    number=12,
    name="against-itself",
    title="A strategy against itself",
    happens=(
        "The same server twice, left and right, with the same clients, round after round. Both are"
        " fresh in each round, and they take turns of 20 ms."
    ),
    question="Which one wins?",
    bets=("the left one, clearly", "the right one, clearly", "neither: chance does as much"),
    answer=2,
    because=(
        "No two measurements agree. How far apart the rounds lie tells what chance alone does. Only"
        " what it does less than once in 1,000 races is called a difference here."
    ),
    claim=(
        "one of the two has more answers, but not by more than chance does: only what chance does"
        " less than once in 1,000 races is called a difference here."
    ),
    why=(
        Place("bench/loadgen/driver/turns.py", "Turns.turn", "20 ms each, in random order"),
        Place("bench/analysis/inference.py", "compare_paired", "round by round, not bar by bar"),
        Place("bench/analysis/inference.py", "student_p", "how often chance does as much"),
    ),
    seconds=ROUNDS * ROUND_S,
    strategy="selectors",
)


class Score:
    """What the servers of one side have answered: those of all rounds until now."""

    def __init__(self) -> None:
        self.before = 0
        self.server: Server | None = None

    def play(self, server: Server) -> None:
        """Count for *server* from now on, too."""
        self.before, self.server = int(self.count()), server

    def count(self) -> float:
        """Return how many answers there are until now."""
        return self.before + (responses(self.server) if self.server else 0)


def run(stage: Stage) -> Figures:
    """Race two fresh servers of the strategy in every round, by turns."""
    units = calibrate_workload(COST_US / 1e6)
    scores = [Score() for _ in SIDES]
    lanes = [Lane(side, score.count, "answers") for side, score in zip(SIDES, scores, strict=True)]
    rounds: list[list[float]] = []
    began = time.monotonic()
    with stage.lanes(*lanes, seconds=SCENARIO.seconds):
        for number in range(ROUNDS):
            if number >= LEAST_ROUNDS and time.monotonic() - began > ENOUGH_S:
                break
            servers = [
                stage.launch(stage.strategy, f"cpu={COST_US}us", cpu_units=units) for _ in SIDES
            ]
            for score, server in zip(scores, servers, strict=True):
                score.play(server)
            loads = [stage.load(server, CLIENTS, EACH_S, warmup_s=WARMUP_S) for server in servers]
            seen = drive_by_turns(stage, *loads, seed=f"round {number}")
            for server in servers:
                server.stop()
            rounds.append([answers_per_s(one) for one in seen])
    return {"strategy": stage.strategy, "rounds": rounds}


def conclude(figures: Figures) -> Finding:
    """Compare the two round by round, and ask how often chance does as much."""
    left, right = sides = [list(side) for side in zip(*figures["rounds"], strict=True)]
    comparison = compare_paired(left, right)
    held = comparison.known and comparison.p >= LEVEL
    middles = [geometric_mean([value or LEAST for value in side]) for side in sides]
    ahead, by = SIDES[middles[0] < middles[1]], max(middles) / min(middles) - 1
    verdict = "too often to be" if held else "that is"
    says = "and chance does as much" if held else "more than chance does"
    sentence = (
        f"The {ahead} one is {by:.1%} ahead. Chance alone puts two equal servers that far apart"
        f" {how_often(comparison.p)}: {verdict} called a difference."
    )
    if not comparison.known:
        sentence = "In one of the rounds a server answered nothing: there is nothing to compare."
    bars = tuple(
        Bar(
            side,
            middle,
            format_rate(middle),
            style=figures["strategy"].split(":")[0],
        )
        for side, middle in zip(SIDES, middles, strict=True)
    )
    title = f"The same server twice: {by:.1%} apart, {says}"
    if not comparison.known:
        title = "The same server twice: nothing to compare"
    return Finding(held, sentence, Picture(title, "answers per second", bars))


def how_often(p: float) -> str:
    """Return in how many races chance does something that has the probability *p*."""
    if p < LEVEL:
        return "less than once in 1,000 races"
    if p < 0.01:
        return f"in {round(1000 * p)} of 1,000 races"
    return f"in {min(round(100 * p), 99)} of 100 races"
