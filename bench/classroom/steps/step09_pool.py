"""Lesson 9: a pool of threads."""

from contextlib import ExitStack
from functools import partial

from calcbench.bench.classroom.lessons.conversation import MissedError, get
from calcbench.bench.classroom.lessons.crowd import (
    answers_beside,
    answers_on_one_connection,
    ask,
)
from calcbench.bench.classroom.lessons.lesson import Lesson, Prediction, Rule
from calcbench.bench.classroom.lessons.trial import Trial

WORKERS = 4  # as the program has it
QUIET_S = 0.5  # in which a fifth client hears nothing: an answer takes a thousandth of that


def the_fifth_waits(trial: Trial) -> None:
    """Hold every worker, ask as a fifth, and be served when one of the four has left."""
    with trial, ExitStack() as connected:
        four = [connected.enter_context(trial.connect()) for _ in range(WORKERS)]
        for number, client in enumerate(four, start=1):
            ask(client, f"as client {number} of four, who then stay")
        fifth = connected.enter_context(trial.connect())
        fifth.get("/add/2/3")
        if fifth.receive(QUIET_S):
            raise MissedError(
                "",
                "a request, as a fifth client while four stay connected",
                f"{fifth.came!r}",
                "no answer yet: four workers serve four clients, and the fifth waits its turn",
            )
        four[0].sock.close()
        fifth.expect(200, "5")


LESSON = Lesson(
    title="A pool of threads, and a queue",
    program="step09_pool.py",
    idea="""
    Start a few threads once, and never more. They take clients from a queue: whoever is
    free takes the next. So the number of threads is ours to choose, not the clients'.
    """,
    prediction=Prediction(
        "Four workers. Four clients connect and say nothing; a fifth asks for /add/2/3."
        " What does the fifth get?",
        (
            "its response: silent clients need no worker",
            "nothing, until one of the four leaves",
            "an error: the queue is full",
        ),
        right=1,
    ),
    run="""
    This time write first (calcbench lesson hint helps, and the file says what to do): there
    is nothing to see before the program is a pool. It begins as the solution of step 8,
    with a thread for each client:

        python3 step09_pool.py

    The check will be the five clients.
    """,
    reveal="""
    A pool of four is the stall of step 7 with four places in place of one. It needs four
    silent clients, and they cost an attacker nothing. Servers with pools therefore send
    silent clients away after some seconds, and let those who wait take their place.
    """,
    task="""
    In step09_pool.py: start as many threads as WORKERS says, each of which runs
    work(waiting). And put each client into the queue, in place of starting a thread.
    """,
    hints=(
        "work takes clients out of the queue for ever. Who puts them in, and who calls work?",
        "A loop over range(WORKERS) starts Thread(target=work, args=(waiting,), daemon=True).",
        "In the loop that accepts: waiting.put(sock).",
    ),
    breaks="""
    All of this is one process. A crash takes everybody along, and in Python only one
    thread computes at a time.
    """,
    rules=(
        Rule("answers two requests on one connection", answers_on_one_connection),
        Rule("answers while three clients are silent", partial(answers_beside, silent=3)),
        Rule("serves four, and the fifth when one has left", the_fifth_waits),
    ),
    then=get("/add/2/3"),
)
