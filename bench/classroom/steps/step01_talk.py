"""Lesson 1: two ends talk."""

import socket

from calcbench.bench.classroom.lessons.conversation import Conversation, MissedError
from calcbench.bench.classroom.lessons.lesson import Lesson, Prediction, Rule
from calcbench.bench.classroom.lessons.trial import START_S, Trial


def meet(listener: socket.socket, trial: Trial) -> Conversation:
    """Return the connection that the program under *trial* makes to *listener*."""
    listener.settimeout(START_S)
    try:
        sock, _ = listener.accept()
    except TimeoutError:
        why = f"it did not connect to localhost port {trial.port}, its first argument"
        raise MissedError(trial.explain() or f"{trial.file.name}: {why}") from None
    return Conversation(sock, trial.explain)


def says_hello(trial: Trial) -> None:
    """Hear what it says."""
    server = socket.create_server(("localhost", trial.port))
    with server as listener, trial, meet(listener, trial) as end:
        end.wait_for(b"\n", "a line, such as b'hello from Python\\n'")


def finishes_sending(trial: Trial) -> None:
    """Answer only when it has finished sending, and see that it still reads."""
    with socket.create_server(("localhost", trial.port)) as listener, trial:
        with meet(listener, trial) as end:
            end.wait_for_end("a line, and then the end of what it sends")
            end.send(b"I have heard all of it\n")
        if not trial.has_printed("heard all of it"):
            raise MissedError(
                trial.explain(),
                "b'I have heard all of it\\n', once it had finished sending",
                f"it printed {trial.output()!r}",
                "that it reads on, and prints what comes",
            )


LESSON = Lesson(
    title="Two ends talk",
    program="step01_talk.py",
    idea="""
    A TCP connection is two pipes for bytes, one in each direction. It has no messages
    and no lines: only bytes, in order, and an end. Each pipe ends by itself.
    """,
    prediction=Prediction(
        "Two terminals are connected. In one of them you press Ctrl-D, the end of what"
        " you type. What can the other one still do?",
        (
            "nothing: the connection is over",
            "it can still send, and you still see what it sends",
            "it can send, but you see nothing of it",
        ),
        right=1,
    ),
    run="""
    In one terminal, and then in another:

        calcbench nc -l 1234
        calcbench nc -v localhost 1234

    Type in both. Press Ctrl-D in the second; type in the first. Ctrl-D there, too.
    Then let the program be one end: the first command again, and in the second

        python3 step01_talk.py
    """,
    reveal="""
    Ctrl-D ends one pipe: what you send. The other goes on until its sender ends it.
    The program sends its line, and then both ends wait: nc does not know that this was all.
    """,
    task="""
    In step01_talk.py: when its line is sent, end what it sends, and only that.
    It then still reads and prints what nc sends, until nc ends as well.
    """,
    hints=(
        "A socket has a method that ends one direction or both. Which do you want to end?",
        "It is sock.shutdown(...). Its argument says which: SHUT_RD, SHUT_WR or SHUT_RDWR.",
        "sock.shutdown(socket.SHUT_WR), in the line behind sock.sendall(...).",
    ),
    breaks="""
    Somebody has to be there before we connect. So far that was nc, which takes one
    client and leaves. A server waits for anybody, and then for the next one.
    """,
    rules=(
        Rule("connects and says something", says_hello),
        Rule("says that it has finished, and reads on", finishes_sending),
    ),
)
