"""Lesson 4: one HTTP request by hand."""

from calcbench.bench.classroom.lessons.conversation import get
from calcbench.bench.classroom.lessons.lesson import Lesson, Prediction, Rule
from calcbench.bench.classroom.lessons.pieces import send_in_pieces
from calcbench.bench.classroom.lessons.trial import Trial


def responds(trial: Trial) -> None:
    """Ask as a browser does."""
    with trial, trial.connect() as client:
        client.get("/")
        client.expect(200)


def has_the_right_length(trial: Trial) -> None:
    """Compare the length that it claims with what comes until the end."""
    with trial, trial.connect() as client:
        client.get("/")
        answer = client.response("a whole response")
        client.wait_for_end("the end behind the body")
        body = client.came.partition(b"\r\n\r\n")[2]
        if len(body) != len(answer.text) or not body:
            why = f"Content-Length is wrong: {len(answer.text)} promised, {len(body)} came"
            raise client.missed("a body, and its length", why)


def says_that_it_closes(trial: Trial) -> None:
    """Look for the field that says so."""
    with trial, trial.connect() as client:
        client.get("/")
        if client.response("a whole response").connection != "close":
            raise client.missed("a head with Connection: close, since it closes")


def waits_for_the_empty_line(trial: Trial) -> None:
    """Send a request in pieces, the empty line last."""
    with trial, trial.connect() as client:
        send_in_pieces(client, b"GET / HT", b"TP/1.1\r\nHost: local", b"host\r\n", b"\r\n")
        client.expect(200)


LESSON = Lesson(
    title="One HTTP request by hand",
    program="step04_request.py",
    idea="""
    HTTP is lines of text. A request: what is wanted, then fields, then an empty line. A
    response: how it went, then fields, an empty line, and the body. Lines end in CRLF,
    \\r\\n, two bytes; Enter sends only \\n, so nc has -C, which sends both.
    """,
    prediction=Prediction(
        "How does the browser know where the body of a response ends?",
        (
            "an empty line comes behind it",
            "the head has said how many bytes it is",
            "the browser waits until no more comes",
        ),
        right=1,
    ),
    run="""
    See a good server first. --patient gives you the time to type:

        calcbench serve --strategy blocking --patient
        calcbench nc -C localhost 8080

    Type these two lines into the second one, and then an empty line:

        GET /add/2/3 HTTP/1.1
        Host: localhost

    Then ours: python3 step04_request.py, and http://localhost:1234/ in a browser.
    """,
    reveal="""
    Content-Length says how long the body is. Our program sends a body without a head: no
    browser shows that. A server that is not patient sends silent clients away after five
    seconds, and answers 400 to a line that ends in \\n alone: it does not guess.
    """,
    task="""
    In step04_request.py: send a head before the body. A status line, Content-Length with
    the number of bytes in the body, Connection: close, and an empty line.
    """,
    hints=(
        "Look at what the good server has sent. Yours needs no Date and no Content-Type.",
        'It begins with "HTTP/1.1 200 OK\\r\\n", and ends with "\\r\\n" for the empty line.',
        'f"Content-Length: {len(body)}\\r\\n" counts the bytes; sendall wants bytes: .encode().',
        "Every line ends in CRLF, the two bytes \\r\\n, the empty one too. \\n alone ends none.",
    ),
    breaks="""
    It says the same whatever it is asked for. It has to look at the first line of the
    request.
    """,
    rules=(
        Rule("sends a response that an HTTP client understands", responds),
        Rule("says how long the body is, and is right", has_the_right_length),
        Rule("says Connection: close", says_that_it_closes),
        Rule("waits for the empty line, in however many pieces it comes", waits_for_the_empty_line),
    ),
    then=get("/add/2/3"),
)
