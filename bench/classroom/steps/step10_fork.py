"""Lesson 10: fork."""

import subprocess
import time
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

CLIENTS = 3
GONE_S = 3.0  # for children to end once their clients have left; they take a moment


def children(pid: int) -> list[str] | None:
    """Return the states of the children of process *pid*, Z for a zombie.

    None where there is no ps that tells.
    """
    command = ["ps", "-A", "-o", "ppid=", "-o", "state="]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    rows = (line.split() for line in listed.stdout.splitlines())
    return [row[1] for row in rows if len(row) > 1 and row[0] == str(pid)]


def has_a_child_for_each(trial: Trial) -> None:
    """Count its children while some clients are connected."""
    with trial, ExitStack() as connected:
        for _ in range(CLIENTS):
            ask(connected.enter_context(trial.connect()), "and stayed")
        found = children(trial.pid)
        if found is not None and len(found) != CLIENTS:
            raise MissedError(
                trial.explain(),
                "a request from each of three clients, who stay connected",
                f"child processes: {len(found)}",
                "three child processes, one for each client",
            )


def lets_the_parent_close(trial: Trial) -> None:
    """See the end of the connection: it comes when every copy of the socket is closed."""
    with trial, trial.connect() as client:
        client.get("/add/2/3", "Connection: close")
        client.expect(200, "5")
        client.wait_for_end("the end: parent and child have both closed their copy of the socket")


def leaves_no_zombies(trial: Trial) -> None:
    """Let some clients leave, and look for what their children have left."""
    with trial:
        for _ in range(CLIENTS):
            with trial.connect() as client:
                ask(client, "and left")
        until = time.monotonic() + GONE_S
        while left := children(trial.pid):
            if time.monotonic() > until:
                raise MissedError(
                    trial.explain(),
                    "a request from each of three clients, who have left",
                    f"child processes left: {len(left)}; of them zombies: {left.count('Z')}",
                    "no child process",
                )
            time.sleep(0.05)


LESSON = Lesson(
    title="Fork: a process for each client",
    program="step10_fork.py",
    idea="""
    fork makes a copy of the running program. In the copy, the child, it returns 0; in the
    parent it returns the child's number. Both have every open socket. They share nothing
    else: a child that crashes takes only its own client along.
    """,
    prediction=Prediction(
        "The child serves its client and closes the socket. The parent has never closed its"
        " own copy. What does the client see?",
        (
            "all is well: the child has closed it",
            "its response, but never the end of the connection",
            "an error, since the socket is closed twice",
        ),
        right=1,
    ),
    run="""
    The program still serves one client after the other; see it stall, as in step 7:

        python3 step10_fork.py
        calcbench nc -C localhost 1234

    Once you have written the fork, look at its children while somebody is connected:

        ps -A -o ppid,pid,state,args | grep step10
    """,
    reveal="""
    A connection ends when the last copy of its socket is closed. A parent that keeps its
    copies keeps every client, and one day it has no descriptor left.
    """,
    task="""
    In step10_fork.py: fork for each client. The child serves and ends, the parent closes
    its copy. Then see to it that children who have ended leave no zombies.
    """,
    hints=(
        "if os.fork() == 0: this is the child. It must end with os._exit(0), or it accepts too.",
        "Behind the if: sock.close(), which only the parent reaches.",
        "signal(SIGCHLD, SIG_IGN), before the loop: nobody will ask how children have ended.",
    ),
    breaks="""
    A process for each client costs far more than a thread, and most of them only wait.
    Must somebody sit and wait for each client at all?
    """,
    rules=(
        Rule("answers two requests on one connection", answers_on_one_connection),
        Rule("answers while ten clients are silent", partial(answers_beside, silent=10)),
        Rule("has a child process for each client", has_a_child_for_each),
        Rule("ends the connection when the client asks for it", lets_the_parent_close),
        Rule("leaves no children behind when clients have left", leaves_no_zombies),
    ),
    then=get("/add/2/3"),
)
