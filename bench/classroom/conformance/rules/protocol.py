"""The finer points of HTTP, which the core knows: a strategy must not lose them."""

from contextlib import suppress

from calcbench.bench.classroom.conformance.finding import CORE
from calcbench.bench.classroom.conformance.rule import expect, rule
from calcbench.bench.classroom.conformance.rules.answers import POST, RESULT
from calcbench.bench.classroom.conformance.target import Target
from calcbench.bench.classroom.raw_client import (
    ClosedError,
    RawClient,
    SilenceError,
    SurpriseError,
    get,
)

BRIEFLY_S = 0.5  # for an answer that need not come


@rule(
    "calculates",
    promise="answers POST /calc, and says that 1/0 has no result",
    mistake="it does not calculate",
    hint="read what it sends back to this request",
    needs=(CORE,),
    after=("request-in-pieces", "body-in-pieces", "keep-alive"),
)
def calculates(target: Target) -> None:
    """Ask what only a whole calculator answers."""
    with target.client() as client:
        client.send(POST)
        expect(client.response(), body=RESULT)
        refused = client.get("/div/1/0")
        expect(refused, status=422)
        if b"zero" not in refused.body:
            raise SurpriseError("no word of a division by zero")


@rule(
    "every-cut",
    promise="answers a request that is cut anywhere",
    mistake="one recv is taken for a whole request",
    hint="a request may come in any number of pieces: what tells you that you have all of it?",
    needs=(CORE,),
    after=("request-in-pieces", "body-in-pieces"),
)
def every_cut(target: Target) -> None:
    """Cut a request in two at every byte, and then everywhere."""
    for cut in range(1, len(POST)):
        with target.client() as client:
            client.send(POST[:cut])
            client.send(POST[cut:])
            expect(client.response(), body=RESULT)
    with target.client() as client:
        for byte in POST:
            client.send(bytes([byte]))
        expect(client.response(), body=RESULT)


@rule(
    "half-close",
    promise="answers a client that has sent its last byte",
    mistake="a half-close is taken for a disconnect",
    hint="recv has returned nothing: the client sends no more, but it still reads",
    needs=(CORE,),
    after=("pipelining", "close"),
)
def half_close(target: Target) -> None:
    """Send three requests and the end behind them."""
    with target.client() as client:
        client.send(get("/add/1/1") * 3)
        client.half_close()
        for _ in range(3):
            expect(client.response(), body=b"2")
        if not client.is_closed():
            raise SurpriseError("more bytes behind the last response")


@rule(
    "head",
    promise="answers HEAD without a body",
    mistake="a HEAD request breaks the connection",
    hint="the connection decides whether a response has a body",
    needs=(CORE,),
    after=("keep-alive",),
)
def head(target: Target) -> None:
    """Ask for a head, then for a whole response on the same connection."""
    with target.client() as client:
        client.send(b"HEAD /add/10/10 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        if client.response(to="HEAD").headers.get(b"content-length") != b"2":
            raise SurpriseError("no Content-Length: 2")
        expect(client.get("/add/1/1"), body=b"2")


@rule(
    "100-continue",
    promise="invites a body that waits for that, if it wants it",
    mistake="Expect: 100-continue is not served",
    hint="a connection may have something to send before there is a request",
    needs=(CORE,),
    after=("request-in-pieces", "body-in-pieces", "body-after-refusal"),
)
def continues(target: Target) -> None:
    """Wait for the invitation; and send nothing that is not wanted."""
    head, _, body = POST.partition(b"\r\n\r\n")
    with target.client() as client:
        client.send(head + b"\r\nExpect: 100-continue\r\n\r\n")
        expect(client.response(), status=100)
        client.send(body)
        expect(client.response(), body=RESULT)
    unwanted = (("POST /nowhere", 404), ("PUT /calc", 405), ("POST /calc", 415))
    for line, status in (*unwanted, ("GET /add/1/1", 200)):
        with target.client() as client:
            fields = "Host: localhost\r\nContent-Length: 36\r\nExpect: 100-continue"
            client.send(f"{line} HTTP/1.1\r\n{fields}\r\n\r\n".encode())
            response = client.response()
            expect(response, status=status)
            end_of(client, response.closes)


def end_of(client: RawClient, closes: bool) -> None:
    """Expect that the response has said that it *closes*, and that it does."""
    if not closes:
        raise SurpriseError("no Connection: close")
    client.half_close()
    if not client.is_closed():
        raise SurpriseError("more bytes behind the last response")


@rule(
    "bad-request",
    promise="refuses a bad request, and closes",
    mistake="a bad request is not refused",
    hint="what has the connection to send, and is it finished then?",
    needs=(CORE,),
    after=("pipelining", "body-after-refusal"),
)
def bad_request(target: Target) -> None:
    """Send a good request and a bad one behind it."""
    with target.client() as client:
        client.send(get("/add/1/1") + b"GET /add/1/1 HTTP/1.1\r\n\r\n")
        expect(client.response())
        response = client.response()
        expect(response, status=400)
        end_of(client, response.closes)


@rule(
    "nonsense",
    promise="serves on after a client that speaks no HTTP",
    mistake="nonsense ends the server",
    hint="whatever a client sends, it is that client alone who has to go",
)
def nonsense(target: Target) -> None:
    """Send what is no request, then ask."""
    for words in (b"nonsense\r\n\r\n", b"\x16\x03\x01\xff\xff\r\n\r\n", b"GET\r\n\r\n"):
        with target.client() as client:
            client.send(words)
            client.half_close()
            client.limit_s = min(client.limit_s, BRIEFLY_S)
            with suppress(SilenceError):  # it may wait for more
                client.read_to_end()
    try:
        expect(target.ask(), body=b"5")
    except ClosedError as error:
        raise SurpriseError(f"after nonsense, a fresh client saw: {error}") from None


RULES = (calculates, nonsense, every_cut, half_close, head, continues, bad_request)
