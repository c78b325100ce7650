"""Lesson 8: a thread for each client."""

from functools import partial

from calcbench.bench.classroom.lessons.conversation import get
from calcbench.bench.classroom.lessons.crowd import answers_beside, answers_on_one_connection
from calcbench.bench.classroom.lessons.lesson import Lesson, Prediction, Rule

LESSON = Lesson(
    title="A thread for each client",
    program="step08_threads.py",
    idea="""
    A thread is a second place at which the program runs. While one waits in recv, the
    others go on. So the main thread accepts, and gives each client a thread of its own.
    (From here on the calculator knows GET alone, so that the waiting fits on a screen.)
    """,
    prediction=Prediction(
        "With a thread for each client, 100 clients connect and say nothing. What does that"
        " cost the server?",
        (
            "a core that is busy all the time",
            "100 threads that do nothing but take memory",
            "nothing: a waiting thread is no thread",
        ),
        right=1,
    ),
    run="""
    In one terminal, and then in two others, as in step 7:

        python3 step08_threads.py
        calcbench nc -C localhost 1234
        calcbench nc -C localhost 1234

    Type GET /add/2/3 HTTP/1.1 and an empty line in the third. It still stalls.
    """,
    reveal="""
    A waiting thread uses no CPU: the kernel wakes it when something comes. But it is
    there, with a stack of its own, and every client who connects can make another one.
    """,
    task="""
    In step08_threads.py: let a new thread run serve(sock), and accept the next client
    at once.
    """,
    hints=(
        "threading.Thread(target=..., args=(...,)) makes a thread; .start() has it run.",
        "target is the function, without brackets; args is a tuple: (sock,).",
        "Thread(target=serve, args=(sock,), daemon=True).start()",
    ),
    breaks="""
    10,000 silent clients are 10,000 threads. Nothing here says when it is enough, and
    one day no thread is left.
    """,
    rules=(
        Rule("answers two requests on one connection", answers_on_one_connection),
        Rule("answers while one client is silent", partial(answers_beside, silent=1)),
        Rule("answers while twenty clients are silent", partial(answers_beside, silent=20)),
    ),
    then=get("/add/2/3"),
)
