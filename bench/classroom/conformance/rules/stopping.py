"""The end: in time, by itself, with nothing left behind, and with what was begun finished."""

from calcbench.bench.classroom.conformance.finding import OURS, BrokenError
from calcbench.bench.classroom.conformance.rule import Start, expect, rule
from calcbench.bench.classroom.conformance.rules.answers import POST, RESULT
from calcbench.bench.classroom.conformance.rules.crowds import HALF
from calcbench.bench.classroom.conformance.target import Target
from calcbench.bench.classroom.raw_client import ClosedError, SurpriseError, get

HINT = (
    "it did not end: accept, recv, join, a lock and the get of a queue wait for as long as it"
    " takes; which call of yours never learns of stop?"
)
TOO_EARLY = "it stopped too early: serve returned while a request was under way"
EARLY_HINT = "when serve returns, the program ends: who waits for your threads or children?"
CANNOT = "it cannot stop"


@rule(
    "stops",
    promise="stops when it is asked to, beside idle clients",
    mistake=CANNOT,
    hint=HINT,
    needs=(OURS,),
    starts=(Start(policy=("drain_timeout=0.3", "linger_timeout=0.1")),),
)
def stops(target: Target) -> None:
    """Stop with one client that was served and one that has said nothing."""
    with target.client() as first, target.client():
        expect(first.get("/add/1/1"), body=b"2")
        target.stop(", beside idle clients")
        if not first.is_closed():
            raise SurpriseError("the connection of an idle client was not closed")


@rule(
    "stops-unused",
    promise="stops when nobody has come",
    mistake=CANNOT,
    hint=HINT,
    needs=(OURS,),
    starts=(Start(policy=("drain_timeout=0.3",)),),
    after=("stops",),
)
def stops_unused(target: Target) -> None:
    """Stop at once."""
    target.stop(", though nobody had come")


@rule(
    "stops-within-a-request",
    promise="stops although a client is silent within its request",
    mistake=CANNOT,
    hint=HINT,
    needs=(OURS,),
    starts=(Start(policy=("drain_timeout=0.1", "linger_timeout=0.1")),),
    after=("stops", "request-in-pieces", "keep-alive"),
)
def stops_within_a_request(target: Target) -> None:
    """Stop while half a request is there."""
    with target.client() as silent:
        expect(silent.get("/add/1/1"), body=b"2")
        silent.send_pieces(HALF)
        target.stop(", beside a client with half a request")
        try:
            expect(silent.response(), status=408)
        except ClosedError as error:
            raise too_early(error, "408, and then a close") from None


@rule(
    "finishes",
    promise="lets a request that has begun finish when it stops",
    mistake="a stop cuts off a request that has begun",
    hint="who has begun gets an answer: ask the connection when it is finished",
    needs=(OURS,),
    starts=(Start(workload="wait=50ms", policy=("drain_timeout=60",)),),
    after=("stops", "stops-within-a-request", "100-continue", "body-in-pieces"),
)
def finishes(target: Target) -> None:
    """Stop between the head of a request and its body."""
    head, _, body = POST.partition(b"\r\n\r\n")
    with target.client() as client:
        client.send(head + b"\r\nExpect: 100-continue\r\n\r\n")
        expect(client.response(), status=100)  # so the request has begun
        target.launched.ask_to_stop()
        client.send(body)
        try:
            response = client.response()
        except ClosedError as error:
            raise too_early(error, "the answer to it") from None
        expect(response, body=RESULT)
        target.stop()
        if not client.is_closed():
            raise SurpriseError("more bytes behind the last response")


@rule(
    "answers-what-has-arrived",
    promise="answers what has arrived when it stops",
    mistake="a stop loses a request that has arrived",
    hint="look for what has come before you look for the stop",
    needs=(OURS,),
    starts=(Start(),),
    after=("stops", "keep-alive"),
)
def answers_what_has_arrived(target: Target) -> None:
    """Send a request on a kept connection, and stop at once."""
    with target.client() as client:
        expect(client.get("/add/1/1"), body=b"2")
        client.send(get("/add/1/2"))
        client.wait_until_taken()
        target.stop()
        expect(client.response(), body=b"3")


@rule(
    "long-request",
    promise="gives a long request the time it needs when it stops",
    mistake="a stop cuts off a request that has begun",
    hint="a handler that has begun may take as long as its workload does",
    needs=(OURS,),
    starts=(Start("wait=300ms", ("drain_timeout=0.1", "idle_timeout=86400")),),
    after=("stops",),
)
def long_request(target: Target) -> None:
    """Stop while a request is being handled."""
    with target.client() as client:
        client.send(get("/add/1/1"))
        target.stop(", beside a request that takes 300 ms")


@rule(
    "raises-nothing",
    promise="prints no traceback, whatever the clients do",
    mistake="it raises",
    hint="read the traceback: which of these errors is ordinary, and who should catch it?",
    needs=(OURS,),
    starts=(Start(policy=("drain_timeout=0.3",)),),
    after=("stops", "reset"),
)
def raises_nothing(target: Target) -> None:
    """Be good clients and bad ones, then look at what it has printed."""
    for beginning in (b"", b"GET /add", POST, b"nonsense\r\n\r\n"):
        with target.client() as client:
            client.send(beginning)
            client.reset()
    expect(target.ask("/add/1/1", "Connection: close"), body=b"2")
    target.stop()
    if failure := target.launched.output.failure():
        raise BrokenError(f"it printed a traceback: {failure}", "no traceback", "several clients")


def too_early(error: ClosedError, due: str) -> BrokenError:
    """Return what *error* shows of a server that has ended by itself, where *due* was."""
    seen = f"serve returned, and the program ended; the client saw: {error}"
    return BrokenError(seen, due, "a request that was under way", TOO_EARLY, EARLY_HINT)


RULES = (
    stops, stops_unused, stops_within_a_request, finishes, answers_what_has_arrived,
    long_request, raises_nothing,
)  # fmt: skip
