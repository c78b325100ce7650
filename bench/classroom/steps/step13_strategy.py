"""Lesson 13: a strategy of one's own, which the event loop becomes by three changes."""

import json
import subprocess
import sys

from calcbench.bench.classroom.lessons.conversation import MissedError
from calcbench.bench.classroom.lessons.lesson import Lesson, Prediction, Rule
from calcbench.bench.classroom.lessons.trial import Trial

CHANGE_1 = '''\
"""My event loop: one thread, and nobody is waited for.

Thousands of silent clients cost little. Who computes stalls all the others.
"""

from selectors import EVENT_READ, DefaultSelector

from calcbench.core.serving.acceptor import Acceptor
from calcbench.core.serving.event_loop import Later, drain, expire
from calcbench.core.serving.event_loop import resume, serve_ready


def serve(listener, service, options, stop):
    """Run an event loop over *listener* and its clients."""
    clients, selector, later = set(), DefaultSelector(), Later()
    acceptor = Acceptor(selector, listener, service, stop)
    selector.register(stop, EVENT_READ)

    def serve_clients(several):
        serve_ready(several, service.handle, later)
        for client in several:
            interest = client.connection.interest
            finished = client.connection.finished
'''
CHANGE_2 = """\
        acceptor.watch(len(clients))
        ready = selector.select(later.until_next())
        if later.begin_turn():
            serve_clients(resume(service.handle, later))
"""
CHANGE_3 = """\
        woken = [key.fileobj for key, _ in ready]
        if listener in woken:
            for client in acceptor.accept_batch(len(clients)):
                clients.add(client)
                serve_clients([client])
        if stop in woken:
            acceptor.close()
            selector.unregister(stop)  # it stays readable: no wait would last
            drain(clients, stop.deadline)
            serve_clients(list(clients))
        if later.sweep_is_due():
            expire(clients, serve_clients)
        if acceptor.closed and not clients:
            selector.close()
            return
"""
CHANGES = (CHANGE_1, CHANGE_2, CHANGE_3)


def passes_the_check(trial: Trial) -> None:
    """Let `calcbench check` judge it, up to the first rule that it breaks."""
    command = [sys.executable, "-m", "calcbench", "check", str(trial.file), "-x", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        rules = json.loads(done.stdout)["rules"]
    except (KeyError, TypeError, ValueError):
        said = (done.stderr.strip() or "it printed nothing").splitlines()[-1]
        raise MissedError(f"calcbench check has not judged it: {said}") from None
    for rule in rules:
        if rule["outcome"] == "broken":
            why = f"rule {rule['rule']}: {rule['mistake'] or 'broken'}"
            raise MissedError(why, rule["sent"], rule["seen"], rule["expected"])


LESSON = Lesson(
    title="A strategy of your own",
    program="step13_strategy.py",
    idea="""
    calcbench races strategies: files that decide who waits for whom, and nothing else. What
    HTTP is, when a silent client has to go, how a server stops: that is in its core, once
    for all of them. Your loop becomes a strategy by three changes; its heart stays yours.
    """,
    prediction=Prediction(
        "Which lines of your loop do not change?",
        (
            "those that speak HTTP",
            "those that ask the selector for what each client is waiting for",
            "those that accept clients and never end",
        ),
        right=1,
    ),
    run="""
    step13_strategy.py is the solution of step 11: its first line says so. Look at the
    three places that are marked in it, and at the three changes below, which take their
    place. (Three words in them: a client's "interest" is what it waits
    for, to receive or to send. To "drain" is to give clients their last response when the
    server has to stop; to "expire", to send away those that are silent for too long.)

    And at the end:

        calcbench check ./step13_strategy.py
        calcbench run --strategy ./step13_strategy.py,threadpool
    """,
    reveal="""
    A strategy is told when to stop, is given a listener, and asks a service how a
    conversation goes on. Who is ready, who is served now and who later: that is yours.
    """,
    task="""
    In step13_strategy.py: make the three changes. The first one replaces all above the line
    that says where it ends, the third one all below the line where it begins. The check
    takes ten seconds or more.
    """,
    hints=(
        "calcbench lesson start 13 shows the three changes again.",
        "Change 1 takes the place of all from the beginning of the file to its mark.",
        "Change 2 takes the place of what is between its two marks.",
        "Change 3 takes the place of all from its mark to the end of the file.",
    ),
    breaks="""
    Nothing breaks: it is in the race. calcbench serve, run and demo take it by its path, and
    calcbench new begins the next one. A request that computes still stalls it. What would
    your next strategy do about that?
    """,
    rules=(Rule("passes calcbench check", passes_the_check),),
    origin="step11_loop.py",
    changes=CHANGES,
)
