"""Lesson 5: the calculator."""

from collections.abc import Callable

from calcbench.bench.classroom.lessons.conversation import get
from calcbench.bench.classroom.lessons.lesson import Lesson, Prediction, Rule
from calcbench.bench.classroom.lessons.trial import Trial


def asked(path: str, status: int, text: str | None = None) -> Callable[[Trial], None]:
    """Return the test that a GET for *path* has this *status* and *text*."""

    def test(trial: Trial) -> None:
        with trial, trial.connect() as client:
            client.get(path)
            client.expect(status, text)

    return test


def survives_nonsense(trial: Trial) -> None:
    """Send what is no HTTP, and then a request."""
    with trial:
        with trial.connect() as client:
            client.send(b"hello\r\n\r\n")
            client.receive()
        with trial.connect() as client:
            client.get("/add/2/3")
            client.expect(200, "5")


LESSON = Lesson(
    title="The calculator: GET /add/2/3",
    program="step05_calculator.py",
    idea="""
    The first line of a request is three words: a method, a path, a version. The path is
    the question. The status of the response says whether there is an answer: 200 for yes,
    400 for a question that is wrong in itself, 404 for a thing that does not exist.
    """,
    prediction=Prediction(
        "Somebody asks for /add/two/3, and int('two') raises ValueError. Say that `calculate`"
        " does not catch it: only the loop at the end of the program does. Who is harmed?",
        (
            "who asked, and nobody else: there is no response",
            "everybody: the program ends",
            "nobody: Python responds with 400",
        ),
        right=0,
    ),
    run="""
    In one terminal, and then in another:

        python3 step05_calculator.py
        calcbench nc -C localhost 1234

    Type GET /add/4/4 HTTP/1.1 and an empty line. Or open http://localhost:1234/add/4/4
    in a browser. It says 5, whatever you ask for.
    """,
    reveal="""
    The loop prints "lost: ('127.0.0.1', 40312) invalid literal for int() with base 10:
    'two'", and takes the next. (Without its `except` the program would end, for all.) Who
    asked does not learn why. So check what a client sends, and tell it: 400.
    """,
    task="""
    In step05_calculator.py: write `calculate`. It returns a status and a text for a path:
    the result, "404 Not Found" for what does not exist, "400 Bad Request" for no numbers.
    """,
    hints=(
        '"/add/2/3".split("/") is ["", "add", "2", "3"]: an empty part comes first.',
        "First the 404: not four parts, or a name that is not in OPERATIONS. Then int.",
        "OPERATIONS[name](int(left), int(right)) in a try; except ValueError: return the 400.",
    ),
    breaks="""
    A path is a poor place for more than two numbers. Forms and programs send what they
    have in a body, and then the empty line is not the end of the request.
    """,
    rules=(
        Rule("adds: /add/2/3 is 5", asked("/add/2/3", 200, "5")),
        Rule("adds other numbers: /add/40/-2 is 38", asked("/add/40/-2", 200, "38")),
        Rule("multiplies: /mult/6/7 is 42", asked("/mult/6/7", 200, "42")),
        Rule("answers 404 for /root/9/2", asked("/root/9/2", 404)),
        Rule("answers 404 for /", asked("/", 404)),
        Rule("answers 400 for /add/two/3", asked("/add/two/3", 400)),
        Rule("goes on after a request that is no HTTP", survives_nonsense),
    ),
    then=get("/add/2/3"),
)
