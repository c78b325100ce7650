"""Several clients at once: nobody waits for another one, or gets the answers of another one."""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from socket import socket
from threading import Barrier, BrokenBarrierError, Thread

from calcbench.bench.classroom.conformance.finding import (
    CORE,
    KEEPS,
    BrokenError,
    CannotJudgeError,
    SlowError,
    kind_of,
)
from calcbench.bench.classroom.conformance.processes import is_accepted
from calcbench.bench.classroom.conformance.rule import Start, expect, rule
from calcbench.bench.classroom.conformance.target import MANY, ONE, Target
from calcbench.bench.classroom.raw_client import (
    ClosedError,
    GarbledError,
    RawClient,
    Response,
    SilenceError,
    SurpriseError,
    get,
    shown,
)

CLIENTS, STAYING = 100, 32
TALKERS, TURNS, AT_ONCE = 8, 20, 150
PATIENT = ("idle_timeout=60", "head_timeout=60", "body_timeout=60", "send_timeout=60")
OUTPUT = 4000  # responses, which no kernel keeps for a client with small buffers
ACCEPTED_S = 1.0  # in which who accepts several has accepted two
PAUSE_S = 0.3  # in which a server fills those buffers
HALF = b"GET /add/1/1 HTTP/1.1\r\nHost: loc"


@rule(
    "silent-client",
    promise="answers others while one client is silent",
    mistake="it blocks on a silent client",
    hint="which call waits for that client, and who cannot be served until it returns?",
    starts=(Start(policy=(*PATIENT, "drain_timeout=0.2", "linger_timeout=0.2")),),
)
def silent_client(target: Target) -> None:
    """Be silent at once, then within a request, then behind a response; another one asks."""
    if target.clients == ONE:
        target.notes.append(f"serves one client at a time, as it says: {target.says}")
        return
    silences = {
        "a client that has sent nothing": b"",
        "a client that has sent half a request": HALF,
        "a client that keeps its connection": get("/add/1/1"),
    }
    for who, words in silences.items():
        with target.client() as silent:
            silent.send_pieces(words)
            if words.endswith(b"\r\n\r\n"):
                silent.response()
            try:
                expect(target.ask(), body=b"5")
            except SilenceError:
                claim = judge_claim(target, silent)
                raise SlowError(
                    f"no answer to another client in {target.limit_s:.1f} s, beside {who}",
                    "5, at once",
                    f"{shown(words)} by one client; GET /add/2/3 by another",
                    f"it blocks on a silent client though it serves many{claim}",
                ) from None


def judge_claim(target: Target, silent: RawClient) -> str:
    """Return what shows that it means to serve many, while it is blocked by *silent*.

    Raises CannotJudgeError where nothing is known: then it may well be meant so.
    """
    if target.clients == MANY:
        return f" ({target.says})" if target.says else ""
    if target.processes is not None and target.processes.there():
        threads, processes = target.family.threads(), len(target.family.alive())
        if processes > 1 or threads > 1:
            return f" (it has {processes} processes and {threads} threads)"
    silent.close()
    with target.client() as first, target.client() as second:
        both = (first.sock, second.sock)
        limit_s = min(target.limit_s, ACCEPTED_S)
        if target.wait_until(lambda: all(map(is_accepted, both)), limit_s):
            return " (it accepts several before it has served the first)"
    target.clients = ONE
    raise CannotJudgeError(
        "one silent client holds up all others; that is a mistake if it means to serve many"
        " (say --clients many, and it is judged)"
    )


@rule(
    "large-output",
    promise="sends all of its answers to a client that reads slowly",
    mistake="a partial write is ignored (send where sendall is meant, or its result unused)",
    hint="send may take less than it is given: what becomes of the rest?",
    needs=(KEEPS,),
    starts=(Start(),),
    after=("pipelining", "order"),
)
def large_output(target: Target) -> None:
    """Ask very often without reading, and read then; go on elsewhere behind a close."""
    answers, pause_s = 0, PAUSE_S
    limit_s = max(target.limit_s, 2 * PAUSE_S)
    try:
        while answers < OUTPUT:
            with target.client(slow=True, limit_s=4 * limit_s) as client:
                requests = b"".join(get(f"/add/{number}/1") for number in range(answers, OUTPUT))
                Thread(target=send_quietly, args=(client.sock.dup(), requests), daemon=True).start()
                time.sleep(pause_s)
                client.limit_s = limit_s
                stays = True
                while stays and answers < OUTPUT:
                    response = client.response()
                    expect(response, body=b"%d" % (answers + 1))
                    answers, stays = answers + 1, not response.closes
            pause_s = 0.0
    except SurpriseError as error:
        raise kind_of(error)(
            f"{answers:,} right answers, then: {error}",
            f"{OUTPUT:,} right answers",
            f"{OUTPUT:,} GET requests, of a client that began to read {PAUSE_S:g} s later",
        ) from None


def send_quietly(sock: socket, data: bytes) -> None:
    """Send *data* on *sock*, a copy; whether that goes well is seen elsewhere."""
    with sock, suppress(OSError):
        sock.sendall(data)


@rule(
    "everybody-at-once",
    promise="answers a hundred clients who come at once",
    mistake="it loses clients when many come at once",
    hint="who waits to be accepted while you are busy, and does everybody get a turn?",
    after=("own-answers",),
)
def everybody_at_once(target: Target) -> None:
    """Let each ask once; a strategy that holds few serves them in turn."""
    count = CLIENTS if target.server else CLIENTS // 2

    def one_client(number: int) -> Response:
        with target.client(limit_s=4 * target.limit_s) as client:
            return client.get(f"/mult/{number}/3", "Connection: close")

    responses = side_by_side(one_client, range(count))
    for number, response in enumerate(responses):
        expect(response, body=b"%d" % (number * 3))


@rule(
    "own-answers",
    promise="gives every client its own answers",
    mistake="shared state without a lock: answers of one client reach another, or are lost",
    hint="which names in your program can two clients use at the same moment?",
    starts=(Start(eager=True), Start(workload="wait=1ms", eager=True)),
    after=("pipelining", "order"),
)
def own_answers(target: Target) -> None:
    """Let many ask at the same moments, each for something else: in turns, then all they have."""
    talk(target, TURNS, 1)
    if KEEPS in target.offers:
        talk(target, 1, AT_ONCE if target.is_quick else 1)


def talk(target: Target, turns: int, at_once: int) -> None:
    """Let many clients take *turns*, in each of which every one sends some requests *at_once*."""
    together = Barrier(TALKERS)

    def one_client(number: int) -> None:
        client: RawClient | None = None
        try:
            for turn in range(turns):
                client = client or target.client(limit_s=4 * target.limit_s)
                with suppress(BrokenBarrierError):  # somebody else is late, or was not served
                    together.wait(target.limit_s)
                lefts = [1000 * number + one for one in range(at_once)]
                while lefts:
                    if client is None:
                        client = target.client(limit_s=4 * target.limit_s)
                    client.send(b"".join(get(f"/add/{left}/{turn}") for left in lefts))
                    lefts, stays = take_answers(client, lefts, turn)
                    if not stays or KEEPS not in target.offers:
                        client.close()
                        client = None
        finally:
            together.abort()
            if client is not None:
                client.close()

    try:
        side_by_side(one_client, range(TALKERS))
    except (ClosedError, GarbledError) as error:
        raise BrokenError(
            f"{error}", "an answer to each", f"{TALKERS} clients asked at the same moments"
        ) from None


def take_answers(client: RawClient, lefts: list[int], right: int) -> tuple[list[int], bool]:
    """Read the sum of each of *lefts* and *right*; return what is to be asked again, elsewhere.

    And whether the connection stays. A server may end it for somebody who waits: what was sent
    behind the last answered request is then for the client to send again.
    """
    for number, left in enumerate(lefts, 1):
        response = client.response()
        if response.body.strip() != b"%d" % (left + right):
            raise BrokenError(
                f"{shown(response.body)} for {left} + {right}",
                f'"{left + right}"',
                f"GET /add/{left}/{right}, by one of {TALKERS} clients at once",
            )
        if response.closes:
            return lefts[number:], False
    return [], True


@rule(
    "gives-way",
    promise="serves whoever comes although everybody stays",
    mistake="those who keep their connections keep all others out",
    hint="who decides that a client has had its turn while others wait?",
    needs=(CORE,),
    after=("keep-alive", "silent-client", "own-answers", "reset"),
    advice=True,
)
def gives_way(target: Target) -> None:
    """Let more clients stay than a pool has threads; each keeps its connection while it may."""
    served = set[int]()

    def one_client(number: int) -> None:
        client = target.client(limit_s=target.limit_s)
        try:
            while len(served) < STAYING:
                response = client.get(f"/add/{number}/1")
                expect(response, body=b"%d" % (number + 1))
                served.add(number)
                if response.closes:
                    client.close()
                    client = target.client(limit_s=target.limit_s)
        finally:
            served.update(range(STAYING))  # the others need not wait for one that has failed
            client.close()

    side_by_side(one_client, range(STAYING))


@rule(
    "waits-together",
    promise="answers several clients whose answers take time",
    mistake="a response that takes time stops the server",
    hint="what does your strategy do with response.wait?",
    needs=(CORE,),
    starts=(Start(workload="wait=20ms"),),
    after=("everybody-at-once",),
)
def waits_together(target: Target) -> None:
    """Let eight clients ask at once for what takes 20 ms."""
    responses = side_by_side(lambda n: target.ask(f"/add/{n}/1", "Connection: close"), range(8))
    for number, response in enumerate(responses):
        expect(response, body=b"%d" % (number + 1))


@rule(
    "pipelined-work",
    promise="answers pipelined requests that wait or compute",
    mistake="a request behind a slow one is forgotten",
    hint="when a response is sent, who looks for the next request of this client?",
    needs=(CORE,),
    starts=(Start("wait=5ms"), Start("block=5ms"), Start("cpu=1ms")),
    after=("pipelining",),
)
def pipelined_work(target: Target) -> None:
    """Send five requests at once."""
    with target.client() as client:
        client.send(get("/add/1/1") * 5)
        for _ in range(5):
            expect(client.response(), body=b"2")


def side_by_side(work: Callable[[int], Response | None], numbers: Iterable[int]) -> list[Response]:
    """Do *work* for each of *numbers* on a thread of its own; raise what the first one raised."""
    several = list(numbers)
    with ThreadPoolExecutor(len(several)) as pool:
        done = list(pool.map(work, several))
    return [response for response in done if response is not None]


RULES = (
    silent_client, large_output, own_answers, everybody_at_once, gives_way, waits_together,
    pipelined_work,
)  # fmt: skip
