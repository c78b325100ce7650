"""Requests with a body: it is read to its end, whoever wants it."""

from contextlib import suppress

from calcbench.bench.classroom.conformance.finding import CALC, CORE, BrokenError
from calcbench.bench.classroom.conformance.rule import expect, rule
from calcbench.bench.classroom.conformance.rules.answers import CALCULATION, POST, RESULT
from calcbench.bench.classroom.conformance.target import Target
from calcbench.bench.classroom.raw_client import (
    ClosedError,
    RawClient,
    Response,
    SurpriseError,
    post,
    shown,
)

LARGE = 60_000  # bytes of a body that is larger than what one recv takes
UNWANTED = b"x" * LARGE
TOO_LARGE = 1_000_000  # more than the core takes
BODY_LATER_S = 0.5  # for whoever answers before the body is there
HEAD_IS_ENOUGH = (401, 403, 411, 413, 415)  # to refuse a request
ANSWERS_EARLY = "it answers before the body is read"
CLOSES_EARLY = "it closes before the body is read"


@rule(
    "body-in-pieces",
    promise="reads the body of a request to its end before it answers",
    mistake="it closes, or answers, before the body is read",
    hint="the head says how long the body is; it may come later than the head, and in pieces",
    needs=(CALC,),
    after=("request-in-pieces",),
)
def body_in_pieces(target: Target) -> None:
    """Send the head first and the body later, a large one too, and one that nobody wants."""
    calculate_in_pieces(target)
    pieces = post("/nowhere", UNWANTED)[:-LARGE], UNWANTED[:100], UNWANTED[100:]
    with target.client() as client:
        refused = answer_to(client, *pieces)
        if refused.status < 400:
            raise SurpriseError(f"status {refused.status} for POST /nowhere in place of 404")
        if not refused.closes:
            with suppress(ClosedError):  # which breaks another rule
                expect(client.get("/add/2/3"), body=b"5")


def calculate_in_pieces(target: Target) -> None:
    """Send calculations, the head first and the body later."""
    start, body = POST[: -len(CALCULATION)], CALCULATION
    with target.client() as client:
        client.send(POST)
        whole = client.response()
    if b"8" not in whole.body:
        with target.client() as client:
            client.send(start)
            if whole.status in HEAD_IS_ENOUGH or client.is_quiet(BODY_LATER_S):
                target.notes.append(f"its POST /calc does not take {shown(body)}")
                return
        raise BrokenError(
            f"{shown(whole.body)}, before any of the body was sent",
            shown(RESULT),
            "the head of a POST /calc, and its body later",
            ANSWERS_EARLY,
        )
    large = CALCULATION[:-1] + b" " * LARGE + b"}"
    large_start = post("/calc", large)[: -len(large)]
    for pieces in ((start, body), (start + body[:9], body[9:]), (large_start, large)):
        with target.client() as client:
            response = answer_to(client, *pieces)
        if (response.status, response.body.strip()) != (200, whole.body.strip()):
            raise BrokenError(
                f"status {response.status}, {shown(response.body)}",
                shown(whole.body),
                f"POST /calc, its body of {len(b''.join(pieces)) - len(start):,} bytes in pieces",
                ANSWERS_EARLY,
            )


def answer_to(client: RawClient, *pieces: bytes) -> Response:
    """Send *pieces* of a request with a body and return the response.

    Raises BrokenError where the server is gone before it has all of them.
    """
    client.send_pieces(*pieces)
    response, seen = None, f"{client.end} while the body was being sent" if client.end else ""
    try:
        response = client.response()
    except ClosedError as error:
        seen = str(error)
    if response is None or seen:
        head = shown(pieces[0].partition(b"\r\n")[0])
        raise BrokenError(seen, "", f"{head}, its body later than its head", CLOSES_EARLY)
    return response


@rule(
    "body-after-refusal",
    promise="reads on for a while when it has refused a body, so that the refusal arrives",
    mistake="it closes before the body is read",
    hint="a close with unread bytes sends a reset, which can overtake your response:"
    " who tells you when the conversation is finished?",
    needs=(CORE,),
    after=("request-in-pieces", "body-in-pieces", "keep-alive"),
)
def body_after_refusal(target: Target) -> None:
    """Announce too large a body, read the refusal, and send some of the body all the same."""
    with target.client() as client:
        head = post("/calc", b"").replace(b"Content-Length: 0", b"Content-Length: %d" % TOO_LARGE)
        client.send_pieces(head)
        expect(client.response(), status=413)
        client.send_pieces(b"x" * 5000, b"x" * 5000)
        if client.end:
            raise BrokenError(
                f"{client.end} while the body was still being sent",
                "the refusal, and then a close when the client is done",
                "POST /calc with a body of 1,000,000 bytes",
            )


RULES = (body_in_pieces, body_after_refusal)
