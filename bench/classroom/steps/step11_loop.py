"""Lesson 11: an event loop."""

from functools import partial

from calcbench.bench.classroom.lessons.conversation import get
from calcbench.bench.classroom.lessons.crowd import (
    HALF,
    answers_beside,
    answers_on_one_connection,
)
from calcbench.bench.classroom.lessons.lesson import Lesson, Prediction, Rule
from calcbench.bench.classroom.lessons.pieces import send_in_pieces
from calcbench.bench.classroom.lessons.trial import Trial


def answers_in_pieces(trial: Trial) -> None:
    """Send a request in four pieces."""
    with trial, trial.connect() as client:
        request = get("/add/2/3")
        send_in_pieces(client, *(request[at : at + 12] for at in range(0, len(request), 12)))
        client.expect(200, "5")


LESSON = Lesson(
    title="An event loop",
    program="step11_loop.py",
    idea="""
    One thread asks the kernel: who of all these clients is ready? It receives only from
    those, responds, and asks again. Waiting for everybody at once replaces waiting for
    each. The one thing that it must never do is to wait for a single client.
    """,
    prediction=Prediction(
        "50 clients connect to the loop and say nothing. 50 others send half a request. Who"
        " keeps the program, as it is given, from serving the next one?",
        (
            "the silent ones",
            "the first who sends half a request",
            "all of them together",
        ),
        right=1,
    ),
    run="""
    In one terminal, and then in two others:

        python3 step11_loop.py
        calcbench nc -C localhost 1234
        calcbench nc -C localhost 1234

    Type GET /add/2/3 HTTP/1.1 and an empty line in the third: it works, though the second
    is silent. Now type the first line alone in the second, and ask in the third again.
    """,
    reveal="""
    The selector only names clients for whom recv returns at once. But then the program
    calls recv again and again until the request is whole, and so waits for that one client.
    """,
    task="""
    In step11_loop.py: call recv once for each client that is ready, keep what has come,
    and go on. What is missing comes later, and the selector tells you.
    """,
    hints=(
        "What must not happen in serve_ready? Where is the loop that does it?",
        "The selector has promised one recv that returns at once. What about the second?",
        "data = client.sock.recv(4096); client.received += data; client.leaves = not data",
    ),
    breaks="""
    Nobody is waited for, but everybody shares one thread: a request that computes for a
    second stalls all the others for a second. Which way is best, then? It depends on what
    costs time. Measure it.
    """,
    rules=(
        Rule("answers two requests on one connection", answers_on_one_connection),
        Rule("answers while fifty clients are silent", partial(answers_beside, silent=50)),
        Rule(
            "answers while fifty clients have sent half a request",
            partial(answers_beside, silent=50, word=HALF),
        ),
        Rule("answers a request that comes in pieces", answers_in_pieces),
    ),
    then=get("/add/2/3"),
)
