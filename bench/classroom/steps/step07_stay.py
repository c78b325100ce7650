"""Lesson 7: stay alive, and the stall."""

from calcbench.bench.classroom.lessons.conversation import get
from calcbench.bench.classroom.lessons.lesson import Lesson, Prediction, Rule
from calcbench.bench.classroom.lessons.trial import Trial


def stays(trial: Trial) -> None:
    """Ask twice on one connection."""
    with trial, trial.connect() as client:
        for path, text in (("/add/2/3", "5"), ("/mult/6/7", "42")):
            client.get(path)
            client.expect(200, text)


def answers_two_at_once(trial: Trial) -> None:
    """Send two requests together."""
    with trial, trial.connect() as client:
        client.send(get("/add/2/3") + get("/mult/6/7"))
        client.expect(200, "5")
        client.expect(200, "42")


def leaves_when_asked(trial: Trial) -> None:
    """Ask it to close."""
    with trial, trial.connect() as client:
        client.get("/add/2/3", "Connection: close")
        client.expect(200, "5")
        client.wait_for_end("a response, and then the end, as the client has asked for")


def takes_the_next(trial: Trial) -> None:
    """Leave without a word, and let somebody else ask."""
    with trial:
        with trial.connect() as client:
            client.get("/add/2/3")
            client.expect(200, "5")
        with trial.connect() as client:
            client.get("/add/2/3")
            client.expect(200, "5")


LESSON = Lesson(
    title="Stay alive: keep-alive, and the stall",
    program="step07_stay.py",
    idea="""
    In HTTP/1.1 a connection stays when a response is sent, unless somebody says
    "Connection: close". The next request comes on it, perhaps together with the first.
    What has come behind the end of one request is the beginning of the next one.
    """,
    prediction=Prediction(
        "The server stays with a client until it leaves. Client A connects and says nothing."
        " Client B asks for /add/2/3. What does B get?",
        (
            "its response: A wants nothing",
            "a response, but a slow one",
            "nothing, until A leaves",
        ),
        right=2,
    ),
    run="""
    In one terminal, and then in two others:

        python3 step07_stay.py
        calcbench nc -C localhost 1234
        calcbench nc -C localhost 1234

    In the third type GET /add/2/3 HTTP/1.1 and an empty line; you are B. Then end A with
    Ctrl-C. Also try two requests in one nc: the program leaves after the first.
    """,
    reveal="""
    B is connected: its request lies in the kernel, and nobody reads it. The server sits
    in recv, waiting for a word from A. It is not slow and not broken: it waits for the
    wrong one. That is the stall, and the rest of the lessons is about it.
    """,
    task="""
    In step07_stay.py: after a response stay for the next request, and leave only if this
    request has said "Connection: close". (The stall stays. It is for the next step.)
    """,
    hints=(
        "serve has a loop already. Why does it never come around a second time?",
        "One `return` stands there for every request. For which requests is it right?",
        'if "connection: close" in head.lower(): return',
    ),
    breaks="""
    The stall: one silent client, and nobody else is served. Somebody has to wait for
    each client. But it need not be the same one.
    """,
    rules=(
        Rule("answers two requests on one connection", stays),
        Rule("answers two requests that come together", answers_two_at_once),
        Rule("closes when the client asks it to", leaves_when_asked),
        Rule("takes the next client when one has left", takes_the_next),
    ),
    then=get("/add/2/3"),
)
