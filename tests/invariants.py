"""What must be true of a conversation whatever the client sends; see `tests/fuzz/`."""

from conversation import (
    BEHIND,
    EOF,
    Outcome,
    connect,
    end_of,
    octet_by_octet,
    read_replies,
    serve_requests,
)

from calcbench.core.app.application import handle
from calcbench.core.http.connection import CLOSED, OUTPUT_ENOUGH, READ, Connection
from calcbench.core.http.limits import Policy
from calcbench.core.http.message import Request
from calcbench.core.http.parser import Parser

# Small limits are reached by short inputs.
POLICIES = (
    Policy(),
    Policy(max_request_line=256, max_field_line=256, max_fields=3, max_head=4096, max_body=5),
    Policy(max_request_line=300, max_field_line=260, max_fields=8, max_head=4096, max_body=0),
    Policy(max_request_line=256, max_field_line=4096, max_fields=100, max_head=4096, max_body=300),
)
PARSERS = tuple(Parser(policy) for policy in POLICIES)  # these remember what they have seen
LARGEST_RESPONSE = 4096  # octets; the page has less
LARGEST_REMEMBERED = Parser.REMEMBERED_BYTES * Parser.REMEMBERED_ENTRIES


def check(octets: bytes, knobs: bytes = b"") -> None:
    """Raise whatever a connection raises, and AssertionError where an invariant is broken.

    *knobs* choose the limits and the cut. No exception but HttpError is declared, and that one
    never leaves a connection.
    """
    knobs = knobs.ljust(4, b"\0")
    which = knobs[0] % len(POLICIES)
    ends = bool(knobs[1] & 1)
    policy, warm = POLICIES[which], PARSERS[which]
    whole = watched([octets], ends, Parser(policy), carefully=True)
    for pieces in ways_to_cut(octets, knobs):
        outcome = watched(pieces, ends, warm)
        assert outcome == whole, (pieces, outcome, whole)
    check_replies(octets, whole)
    if whole.end == "close" and not ends:
        assert watched([octets, BEHIND], False, warm) == whole
    assert len(warm.remembered) <= Parser.REMEMBERED_ENTRIES
    assert all(len(text) <= Parser.REMEMBERED_BYTES for text in warm.remembered)


def ways_to_cut(octets: bytes, knobs: bytes) -> list[list[bytes]]:
    """Return *octets* in one piece and in others; a fuzzer gets further with few at a time."""
    ways = [
        lambda: octet_by_octet(octets),
        lambda: cut_behind(octets, b"\n"),
        lambda: cut_behind(octets, b"\r"),
        lambda: cut(octets, 1 + knobs[2] % 50),
        lambda: cut(octets, 1 + knobs[2], knobs[3]),
        lambda: cut(octets, 1 << 20, 1 + 256 * knobs[2] + knobs[3]),
    ]
    return [[octets], ways[(knobs[1] >> 1) % len(ways)]()]


def cut(octets: bytes, size: int, first: int = 0) -> list[bytes]:
    """Return *octets* in pieces of *size*, behind a *first* one."""
    starts = range(first, len(octets), size)
    return [octets[:first], *(octets[start : start + size] for start in starts)]


def cut_behind(octets: bytes, end: bytes) -> list[bytes]:
    pieces = [piece + end for piece in octets.split(end)]
    return [*pieces[:-1], pieces[-1][: -len(end)]]


def watched(pieces: list[bytes], ends: bool, parser: Parser, *, carefully: bool = False) -> Outcome:
    """Hold a conversation; after every piece, see that it holds no more than it may.

    The way in is `feed`, which has a short cut, or *carefully* the slow way alone.
    """
    connection = connect(parser)
    requests: list[Request] = []
    output: list[bytes] = []
    largest = max(map(len, pieces), default=0)
    for piece in [*filter(None, pieces), *([EOF] if ends else [])]:
        if connection.finished:
            break
        assert connection.interest == READ
        first = None
        if carefully:
            connection.store(piece)
        else:
            first = connection.feed(piece)
        for request in serve_requests(connection, first, handle, output, 1 << 30):
            requests.append(request)
            assert len(output[-1] if output else b"") <= OUTPUT_ENOUGH + LARGEST_RESPONSE
        check_bounds(connection, largest)
    served = tuple((request.method, request.path, request.body) for request in requests)
    assert all(len(request.body) <= parser.policy.max_body for request in requests)
    assert all(len(request.headers) <= parser.policy.max_fields for request in requests)
    return Outcome(served, b"".join(output), end_of(connection)).without_interim()


def check_bounds(connection: Connection, largest: int) -> None:
    """See that a connection between two reads holds a part of one request, and no more."""
    policy = connection.policy
    assert len(connection.buffer) <= policy.max_head
    assert len(connection.output) == 0
    if connection.body is not None:
        assert len(connection.body.content) <= policy.max_body
    if connection.lingering or connection.state == CLOSED:
        assert len(connection.buffer) == 0
        assert connection.body is None
        assert connection.request is None


def check_replies(octets: bytes, outcome: Outcome) -> None:
    """See that all responses are well-formed, and that there is one for each request."""
    heads = [method == b"HEAD" for method, _, _ in outcome.served]
    # Whether the refused request was for HEAD shows only in the octets, so both will do.
    try:
        replies = read_replies(outcome.output, [*heads, False])
    except AssertionError:
        replies = read_replies(outcome.output, [*heads, True])
    refused = len(replies) - len(outcome.served)
    assert refused in (0, 1), (octets, replies)
    if refused:
        assert replies[-1].closes
        assert outcome.end == "close"
    assert all(reply.status not in (408, 500) for reply in replies)
