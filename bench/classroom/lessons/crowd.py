"""Several clients at once, of whom some say nothing: what steps 8 to 11 are about."""

from contextlib import ExitStack

from calcbench.bench.classroom.lessons.conversation import Conversation, MissedError
from calcbench.bench.classroom.lessons.trial import Trial
from calcbench.bench.units import format_count

HALF = b"GET /add/2/3 HT"


def answers_beside(trial: Trial, silent: int, word: bytes = b"") -> None:
    """Ask while so many *silent* clients have said only *word*; raises MissedError."""
    with trial, ExitStack() as connected:
        for _ in range(silent):
            other = connected.enter_context(trial.connect())
            other.send(word)
        others = format_count(silent, "client" if word else "silent client")
        when = f"beside {others}{' that sent half a request' if word else ''}"
        ask(connected.enter_context(trial.connect()), when)


def ask(client: Conversation, when: str) -> None:
    """Ask for /add/2/3; raises MissedError, which says *when* it was, without a right response."""
    client.get("/add/2/3")
    try:
        client.expect(200, "5")
    except MissedError as missed:
        sent = f"{missed.sent} {when}"
        raise MissedError(missed.why, sent, missed.came, missed.expected) from None


def answers_on_one_connection(trial: Trial) -> None:
    """Ask twice on one connection, then ask it to close."""
    with trial, trial.connect() as client:
        ask(client, "")
        client.get("/mult/6/7", "Connection: close")
        client.expect(200, "42")
        client.wait_for_end("the end, as the client has asked for")
