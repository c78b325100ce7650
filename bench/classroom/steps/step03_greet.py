"""Lesson 3: ask for a name, and greet."""

from calcbench.bench.classroom.lessons.lesson import Lesson, Prediction, Rule
from calcbench.bench.classroom.lessons.pieces import send_in_pieces
from calcbench.bench.classroom.lessons.trial import Trial

LONG = b"N" * 5000  # more than any single recv of a patient program is likely to ask for


def greet(trial: Trial, *pieces: bytes) -> None:
    """Give a name in *pieces*, and be greeted by it."""
    name = b"".join(pieces)
    expected = "a greeting with all of the name in it"
    with trial, trial.connect() as client:
        client.wait_for(b"?", "a question")
        send_in_pieces(client, *pieces[:-1], pieces[-1] + b"\n")
        client.came = client.came.partition(b"?")[
            2
        ].lstrip()  # a hasty greeting may be here already
        client.wait_for(name, expected)


def greets_ada(trial: Trial) -> None:
    """Give a short name."""
    greet(trial, b"Ada")


def greets_a_long_name(trial: Trial) -> None:
    """Give a name of 5,000 bytes, at once."""
    greet(trial, LONG)


def greets_in_pieces(trial: Trial) -> None:
    """Give a name in three pieces."""
    greet(trial, b"Grace ", b"Brewster ", b"Hopper")


def survives_who_leaves(trial: Trial) -> None:
    """Leave without a name, and come back."""
    with trial:
        with trial.connect() as client:
            client.wait_for(b"?", "a question")
            client.finish()
            client.wait_for_end("that it ends the connection of a client who has left")
        with trial.connect() as client:
            client.wait_for(b"?", "a question for the next client, after one that gave no name")


LESSON = Lesson(
    title="Ask for a name, and greet",
    program="step03_greet.py",
    idea="""
    recv(100) returns what is here now: at least one byte, at most 100. It does not wait
    for a line, and it does not know what a line is. No bytes at all mean: the end.
    """,
    prediction=Prediction(
        "The program calls recv(100) once. Who is greeted wrongly?",
        (
            "nobody: TCP loses nothing",
            "a name of 300 bytes",
            "a name of 300 bytes, and one that comes in two pieces",
        ),
        right=2,
    ),
    run="""
    In one terminal, and then in another:

        python3 step03_greet.py
        calcbench nc localhost 1234

    Give a short name. Connect again, and hold a key down for three lines. Once more:
    type half of a name, press Ctrl-D once, and type the other half. (Ctrl-D sends what
    is typed so far; where nothing is, it ends the input. Once nc has ended, one more
    Ctrl-D closes your shell, and its window: end with Ctrl-C.)
    """,
    reveal="""
    What one end sends with one call, the other may receive with three, or the other
    way round. Where a message ends is for the two to agree on: here at the line end.
    """,
    task="""
    In step03_greet.py: call recv until the line end is among what you have received.
    When recv returns b"", the client has left without a name: return.
    """,
    hints=(
        "Has all of the name come, when recv returns? How would the program know?",
        "What does the program do with the part of a name that comes after its only recv?",
        'while b"\\n" not in received: add what recv returns; if that is b"", return.',
    ),
    breaks="""
    A line end was our own agreement. To talk to a browser we need the one that all the
    world has made: HTTP.
    """,
    rules=(
        Rule("greets Ada", greets_ada),
        Rule("greets somebody with a name of 5,000 bytes", greets_a_long_name),
        Rule("greets somebody whose name comes in three pieces", greets_in_pieces),
        Rule("goes on when a client leaves without a name", survives_who_leaves),
    ),
    then=b"",  # the server speaks first
)
