"""The conversation with one client: what is asked for is answered, whole and in order."""

from calcbench.bench.classroom.conformance.finding import (
    CORE,
    KEEPS,
    AdviceError,
    BrokenError,
    SlowError,
    kind_of,
)
from calcbench.bench.classroom.conformance.rule import expect, rule
from calcbench.bench.classroom.conformance.target import Target
from calcbench.bench.classroom.raw_client import (
    OutOfTimeError,
    SilenceError,
    SurpriseError,
    get,
    post,
    shown,
)

CALCULATION, RESULT = b'{"op": "mult", "arg1": 2, "arg2": 4}', b'{"result": 8}'
POST = post("/calc", CALCULATION)
MANY_PIPELINED = 1000
STAYED_OPEN = (
    "who reads what the head asks for, and closes? a copy of the socket may be open elsewhere, too,"
    " as in a parent after fork: it closes when the last copy is closed"
)


@rule(
    "answers",
    promise="answers GET /add/2/3 with 5",
    mistake="it does not answer",
    hint="ask it with curl -v, and print in it what came and what you send back",
)
def answers(target: Target) -> None:
    """Ask two questions."""
    for path, result in (("/add/2/3", b"5"), ("/mult/4/5", b"20")):
        try:
            expect(target.ask(path), body=result)
        except OutOfTimeError:
            raise BrokenError(f"no whole answer in good time to GET {path}") from None


@rule(
    "request-in-pieces",
    promise="answers a request that comes in pieces",
    mistake="one recv is taken for a whole request",
    hint="a request may come in any number of pieces: what tells you that you have all of it?",
)
def request_in_pieces(target: Target) -> None:
    """Send a request cut in two at some places, and then byte by byte."""
    request = get("/add/20/3")
    for cut in (3, len(request) // 2, len(request) - 2, len(request) - 1):
        with target.client() as client:
            client.send_pieces(request[:cut], request[cut:])
            expect(client.response(), body=b"23")
    with target.client() as client:
        for byte in request:
            client.send(bytes([byte]))
        expect(client.response(), body=b"23")


@rule(
    "keep-alive",
    promise="keeps the connection for the next request",
    mistake="no keep-alive: it closes after a response and does not say so",
    hint="in HTTP/1.1 a connection stays open until one side says Connection: close",
)
def keep_alive(target: Target) -> None:
    """Ask twenty times on one connection, unless the first response says that it ends."""
    if KEEPS not in target.offers:
        raise AdviceError(
            "HTTP/1.0, or Connection: close, with the first response",
            "more responses on one connection; without that, pipelining, order and large-output"
            " are not judged",
            "GET /add/2/3",
            "no keep-alive: it closes after each response, as it says",
        )
    with target.client() as client:
        for number in range(20):
            response = client.get(f"/add/{number}/1")
            expect(response, body=b"%d" % (number + 1))
            if response.closes:
                raise BrokenError(
                    f"Connection: close with response {number + 1}",
                    "20 responses on one connection",
                    "20 GET requests on one connection",
                    "no keep-alive: it closes after a response",
                )


@rule(
    "pipelining",
    promise="answers requests that come in one piece, all of them",
    mistake="it breaks on pipelining: what follows the first request is lost",
    hint="one recv may bring more than one request: what becomes of the bytes behind the first?",
    needs=(KEEPS,),
    after=("request-in-pieces", "keep-alive"),
)
def pipelining(target: Target) -> None:
    """Send two requests at once, then a request and a half, then very many."""
    with target.client() as client:
        client.send(get("/add/1/1") + get("/add/2/2"))
        bodies = [client.response().body.strip() for _ in range(2)]
        if sorted(bodies) != [b"2", b"4"]:
            raise SurpriseError(f"{bodies} in place of 2 and 4")
    with target.client() as client:
        request = get("/add/1/2")
        client.send_pieces(request + request[:20], request[20:])
        for _ in range(2):
            expect(client.response(), body=b"3")
    bodies = pipeline(target, sums(50))
    missing = {b"%d" % (number + 1) for number in range(50)} - set(bodies)
    if missing:
        raise SurpriseError(f"{len(missing)} of 50 results are not among the responses")


@rule(
    "order",
    promise="answers in the order of the requests",
    mistake="answers leave out of order",
    hint="whoever is done first must wait until those before it on this connection are sent",
    needs=(KEEPS,),
    after=("pipelining",),
)
def order(target: Target) -> None:
    """Send very many requests at once, a slow one before them where there is one."""
    count = MANY_PIPELINED if target.server else 200
    slow = "/pow/7/3000" if target.ask("/pow/2/3").status == 200 else "/mult/7/3000"
    try:
        bodies = pipeline(target, [slow, *sums(count + 1)])
    except SurpriseError as error:
        raise kind_of(error)(
            str(error),
            f"{count + 2} responses",
            f"{count + 2} GET requests at once",
            "it breaks on pipelining: some of many requests are lost",
        ) from None
    wanted = [b"%d" % (number + 1) for number in range(count + 1)]
    for number, (body, right) in enumerate(zip(bodies[1:], wanted, strict=True), 2):
        if body != right:
            raise BrokenError(
                f"response {number} was {shown(body)}",
                f"{shown(right)}, the result that request {number} has",
                f"{count + 2} GET requests at once",
            )


def pipeline(target: Target, paths: list[str]) -> list[bytes]:
    """Ask for *paths* at once and return the bodies of the responses.

    A response may say that the connection ends: what is behind it is asked for on another one.
    """
    bodies: list[bytes] = []
    while left := paths[len(bodies) :]:
        with target.client() as client:
            client.send(b"".join(get(path) for path in left))
            for _ in left:
                response = client.response()
                bodies.append(response.body.strip())
                if response.closes:
                    break
    return bodies


def sums(count: int) -> list[str]:
    """Return the paths of *count* additions: of 0 and 1, of 1 and 1, and so on."""
    return [f"/add/{number}/1" for number in range(count)]


@rule(
    "close",
    promise="closes when the client asks for it",
    mistake="it does not close when it should",
    hint="the client waits for the end: is a descriptor of this connection open anywhere still?",
    after=("descriptors",),
)
def close(target: Target) -> None:
    """Ask for a close, in HTTP/1.1 and by HTTP/1.0, which a program of one's own may not know."""
    requests = [get("/add/20/1", "Connection: close"), b"GET /add/20/1 HTTP/1.0\r\n\r\n"]
    for request in requests if CORE in target.offers else requests[:1]:
        with target.client() as client:
            client.send(request)
            expect(client.response(), body=b"21")
            try:
                closed = client.is_closed()
            except SilenceError:
                raise SlowError(
                    f"the connection stayed open for {target.limit_s:.1f} s behind the response",
                    "a close",
                    shown(request),
                    hint=STAYED_OPEN,
                ) from None
            if not closed:
                raise SurpriseError("more bytes behind the last response")


RULES = (
    answers,
    request_in_pieces,
    keep_alive,
    pipelining,
    order,
    close,
)
