"""Lesson 2: listen, accept, print who connects."""

from calcbench.bench.classroom.lessons.conversation import MissedError
from calcbench.bench.classroom.lessons.lesson import Lesson, Prediction, Rule
from calcbench.bench.classroom.lessons.trial import Trial


def says_hello(trial: Trial) -> None:
    """Connect, and be greeted."""
    with trial, trial.connect() as client:
        client.wait_for(b"hello\n", "b'hello\\n'")


def closes(trial: Trial) -> None:
    """See the connection end behind the greeting."""
    with trial, trial.connect() as client:
        client.wait_for_end("b'hello\\n', and then the end")


def takes_the_next(trial: Trial) -> None:
    """Be greeted three times, one after the other."""
    with trial:
        for number in ("first", "second", "third"):
            with trial.connect() as client:
                client.wait_for(b"hello\n", f"b'hello\\n' for the {number} client")


def prints_who(trial: Trial) -> None:
    """Look for our own port in what it prints."""
    with trial, trial.connect() as client:
        port = client.sock.getsockname()[1]
        client.wait_for(b"hello\n", "b'hello\\n'")
        if not trial.has_printed(str(port)):
            raise MissedError(
                trial.explain(),
                f"nothing; the client's own port is {port}",
                f"it printed {trial.output()!r}",
                f"the client's address, with {port} in it",
            )


LESSON = Lesson(
    title="Listen, accept, print who connects",
    program="step02_listen.py",
    idea="""
    A server listens on a port, and then accepts one client after the other. Each call
    of accept gives a new socket, for this client alone, and the client's address.
    """,
    prediction=Prediction(
        "The program listens and never calls accept. What does a client see that connects?",
        (
            "it is refused",
            "it waits, and is not connected",
            "it is connected, and hears nothing",
        ),
        right=2,
    ),
    run="""
    In one terminal, and then in another:

        python3 step02_listen.py
        calcbench nc -v localhost 1234

    Connect from a third terminal as well. Then Ctrl-C everywhere.
    """,
    reveal="""
    The kernel connects clients by itself, and keeps them in a queue until the program
    accepts them: the backlog. A connected client has not been seen by anybody yet.
    """,
    task="""
    In step02_listen.py: in the loop accept a client, print its address, send b"hello\\n",
    and close its socket. Then the next one.
    """,
    hints=(
        "listener.accept() returns two things: a socket for this client, and its address.",
        "print the address, then sendall on the client's socket, and not on the listener.",
        "`with sock:` closes the socket at the end of its block.",
    ),
    breaks="""
    Our server only talks. As soon as it listens to a client, it has to know when the
    client has said all that it wants to say.
    """,
    rules=(
        Rule("says hello to who connects", says_hello),
        Rule("closes the connection", closes),
        Rule("takes one client after the other", takes_the_next),
        Rule("prints who has connected", prints_who),
    ),
    then=b"",  # the server speaks first
)
