"""Lesson 6: POST /calc."""

import json

from calcbench.bench.classroom.lessons.conversation import Conversation, get
from calcbench.bench.classroom.lessons.lesson import Lesson, Prediction, Rule
from calcbench.bench.classroom.lessons.pieces import send_in_pieces
from calcbench.bench.classroom.lessons.trial import Trial

BODY = b'{"op": "mult", "arg1": 2, "arg2": 4}'
HEAD = f"POST /calc HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()


def expect_eight(client: Conversation) -> None:
    """Take a response whose body is JSON with the result 8."""
    expected = 'an HTTP response with status 200, and {"result": 8} as its body'
    answer = client.response(expected)
    try:
        right = answer.status == 200 and json.loads(answer.text) == {"result": 8}
    except ValueError:
        right = False
    if not right:
        raise client.missed(expected)


def multiplies(trial: Trial) -> None:
    """Send head and body together."""
    with trial, trial.connect() as client:
        client.send(HEAD + BODY)
        expect_eight(client)


def waits_for_the_body(trial: Trial) -> None:
    """Send the body later than the head, in three pieces."""
    with trial, trial.connect() as client:
        send_in_pieces(client, HEAD, BODY[:10], BODY[10:20], BODY[20:])
        expect_eight(client)


def still_adds(trial: Trial) -> None:
    """Ask without a body."""
    with trial, trial.connect() as client:
        client.get("/add/2/3")
        client.expect(200, "5")


def survives_half_a_body(trial: Trial) -> None:
    """Leave in the middle of a body, and come back."""
    with trial:
        with trial.connect() as client:
            client.send(HEAD + BODY[:10])
            client.finish()
            client.receive()
        with trial.connect() as client:
            client.send(HEAD + BODY)
            expect_eight(client)


LESSON = Lesson(
    title="POST /calc: a request with a body",
    program="step06_post.py",
    idea="""
    A request may have a body behind the empty line. Content-Length in its head says how
    many bytes it has. They may come together with the head, or later, or in pieces.
    """,
    prediction=Prediction(
        "The program takes for the body what came along with the head. When is it wrong?",
        (
            "never: client and server are on one machine",
            "when the body is longer than 4096 bytes, and only then",
            "whenever the client sends head and body apart",
        ),
        right=2,
    ),
    run="""
    In one terminal, and then in another:

        python3 step06_post.py
        calcbench nc -C localhost 1234

    Type these lines: an empty one before the last, and no space at its beginning. The last
    has 32 characters; Enter sends CRLF behind them, which JSON allows: 34 bytes.

        POST /calc HTTP/1.1
        Content-Length: 34

        {"op":"mult","arg1":2, "arg2":4}
    """,
    reveal="""
    It responds when you have typed the empty line, before you have typed the body: there
    is no body yet.
    """,
    task="""
    In step06_post.py: before it responds, receive until the body has as many bytes as
    Content-Length has said. `receive` raises when the client leaves before that.
    """,
    hints=(
        "`length` is what has been promised, len(body) is what is here.",
        "A loop: while fewer bytes are here than promised, add what `receive` returns.",
        "while len(body) < length: body += receive(sock)",
    ),
    breaks="""
    A new connection for each request: most of the time goes into saying hello. Browsers
    want to stay, and to ask again.
    """,
    rules=(
        Rule("multiplies 2 by 4 when head and body come together", multiplies),
        Rule("waits for a body that comes later, in three pieces", waits_for_the_body),
        Rule("still adds: GET /add/2/3 is 5", still_adds),
        Rule("goes on when a client leaves in the middle of a body", survives_half_a_body),
    ),
    then=get("/add/2/3"),
)
