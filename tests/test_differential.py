"""What h11 and httptools make of the same octets, and where we differ on purpose.

Whatever both accept, we accept with the same meaning or refuse for one of the STRICTER rules;
whatever both refuse, we refuse. `CALCBENCH_FUZZ=20000` tries so many examples of each kind, other
ones each time, and takes minutes.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import h11
import httptools
import pytest
from conversation import connect
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from invariants import POLICIES

from calcbench.core.http.connection import READ_SIZE, Connection
from calcbench.core.http.limits import Policy
from calcbench.core.http.message import Request, Response
from calcbench.core.http.parser import Parser

pytestmark = pytest.mark.slow

EXAMPLES = os.environ.get("CALCBENCH_FUZZ", "")
profile = settings(
    max_examples=int(EXAMPLES or 500),
    deadline=None,
    derandomize=not EXAMPLES,  # a test that fails today fails tomorrow
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)


@dataclass(frozen=True)
class Meaning:
    """The first request of some octets, as one parser sees it; *end* is where it ends."""

    method: bytes
    target: bytes
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes
    end: int


Verdict = Meaning | int | None  # None: not complete; a number: the status of the refusal, or 0


def merged(fields: list[tuple[bytes, bytes]]) -> tuple[tuple[bytes, bytes], ...]:
    """Return *fields* by lower-case name, with the values of equal names joined (RFC 9110 §5.3)."""
    values: dict[bytes, list[bytes]] = {}
    for name, value in fields:
        if name.lower() == b"transfer-encoding":
            value = value.lower()  # as h11 hands it out
        values.setdefault(name.lower(), []).append(value.strip(b" \t"))
    return tuple((name, b", ".join(values[name]).strip(b" \t")) for name in sorted(values))


def ask_h11(octets: bytes) -> Verdict:
    """Ask without the empty lines in front, which RFC 9112 §2.2 overlooks and h11 refuses."""
    empty = EMPTY_LINES.match(octets)
    skipped = empty.end() if empty else 0
    octets = octets[skipped:]
    server = h11.Connection(h11.SERVER)
    body = b""
    try:
        server.receive_data(octets)
        request = server.next_event()
        if not isinstance(request, h11.Request):
            return None
        while not isinstance(event := server.next_event(), h11.EndOfMessage):
            if not isinstance(event, h11.Data):
                return None
            body += bytes(event.data)
    except h11.RemoteProtocolError:
        return 0
    end = skipped + len(octets) - len(server.trailing_data[0])
    return Meaning(request.method, request.target, merged(list(request.headers)), body, end)


EMPTY_LINES = re.compile(rb"(?:\r\n){1,4}")
UNKNOWN_METHOD = re.compile(
    rb"(?:\r\n)*(?!(?:GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH|CONNECT) )"
    rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,24}) "
)


class Listener:
    """Hears of the first request that httptools finds."""

    def __init__(self) -> None:
        self.requests = 0
        self.target = self.body = b""
        self.fields: list[tuple[bytes, bytes]] = []
        self.in_head = True
        self.complete = False

    def on_message_begin(self) -> None:
        self.requests += 1

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.in_head:  # what comes later is a trailer
            self.fields.append((name, value))

    def on_headers_complete(self) -> None:
        self.in_head = False

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete = True


def ask_httptools(octets: bytes) -> Verdict:
    """Feed octet by octet, which shows where the request ends.

    httptools knows some methods by name, and refuses others, which are tokens all the same
    (RFC 9110 §9.1): it is given PUT instead.
    """
    unknown = UNKNOWN_METHOD.match(octets)
    if unknown:
        verdict = ask_httptools(octets[: unknown.start(1)] + b"PUT" + octets[unknown.end(1) :])
        if not isinstance(verdict, Meaning):
            return verdict
        return replace(verdict, method=unknown[1], end=verdict.end + len(unknown[1]) - 3)
    listener = Listener()
    parser = httptools.HttpRequestParser(listener)
    for at in range(len(octets)):
        try:
            parser.feed_data(octets[at : at + 1])
        except httptools.HttpParserUpgrade:
            pass  # a wish to upgrade comes out behind its request
        except httptools.HttpParserError:
            return 0
        if listener.complete:
            fields = merged(listener.fields)
            return Meaning(parser.get_method(), listener.target, fields, listener.body, at + 1)
    return None


def ask_us(octets: bytes) -> Verdict:
    connection = connect(Parser(Policy()))
    connection.store(octets)
    request = connection.next_request()
    if request is not None:
        fields = merged(list(request.headers.items()))
        end = len(octets) - len(connection.buffer)
        return Meaning(request.method, request.target, fields, request.body, end)
    if not connection.output.startswith(b"HTTP/1.1 100 "):
        return int(connection.output[9:12]) if connection.output else None
    return None


# Where we are stricter than both


@dataclass(frozen=True)
class Stricter:
    """A rule that we hold, and neither of the others.

    *applies* looks at the octets, and at what h11 took them for; *example* is a request that
    both of the others accept, and that we refuse with *status*.
    """

    section: str
    status: int
    applies: Callable[[bytes, Meaning], object]
    example: bytes


def values(meaning: Meaning, name: bytes) -> list[bytes]:
    return [value for found, value in meaning.fields if found == name]


def lowered(meaning: Meaning) -> list[tuple[bytes, bytes]]:
    return [(name, value.lower()) for name, value in meaning.fields]


def request_line(octets: bytes) -> bytes:
    return octets.lstrip(b"\r\n").partition(b"\n")[0]


def version(octets: bytes) -> bytes:
    return request_line(octets).rpartition(b" HTTP/")[2].strip()


TARGET = re.compile(
    rb"(?:/|http://[^/?#@]+(?=[/?]|$))(?:[/0-9A-Za-z\-._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})*"
    rb"(?:\?(?:[/?0-9A-Za-z\-._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})*)?|\*",
    re.IGNORECASE,
)
AUTHORITY = re.compile(
    rb"(?:(?:[0-9A-Za-z\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?"
)


EXTENSION = (
    rb"[\t ]*;[\t ]*[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
    rb"(?:[\t ]*=[\t ]*(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+|\"(?:\\[^\r\n]|[^\r\n\"\\])*\"))?"
)
BAD_EXTENSION = re.compile(rb"\n[0-9A-Fa-f]+(?=[\t ]*;)(?!(?:%b)+\r\n)" % EXTENSION)
FRAMING_TRAILER = re.compile(
    rb"\n0+(?:;[^\r]*)?\r\n(?:[^\r]+\r\n)*?"
    rb"(?:host|content-length|transfer-encoding|connection|expect):",
    re.IGNORECASE,
)


def is_no_authority(authority: bytes) -> bool:
    """Tell whether this is no host with an optional port, apart from what is in brackets."""
    port = authority.rpartition(b"]")[2].partition(b":")[2]
    return not AUTHORITY.fullmatch(authority) or int(port or b"0") > 65535 or b"[" in authority


def other_host(octets: bytes, meaning: Meaning) -> bool:
    absolute = re.match(rb"(?i)http://([^/?#]*)", meaning.target)
    return absolute is not None and (b"host", absolute[1].lower()) not in lowered(meaning)


STRICTER = {
    "CONNECT is for proxies": Stricter(
        "RFC 9110 §9.3.6",
        501,
        lambda _, meaning: meaning.method == b"CONNECT",
        b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n",
    ),
    "a target is of one of the four forms, and of octets that a URL may hold": Stricter(
        "RFC 9112 §3.2, RFC 3986 §3.3",
        400,
        lambda _, meaning: not TARGET.fullmatch(meaning.target),
        b"GET /a|b HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    "the target * is for OPTIONS": Stricter(
        "RFC 9112 §3.2.4",
        400,
        lambda _, meaning: meaning.target == b"*" and meaning.method != b"OPTIONS",
        b"GET * HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    "an absolute target and Host name the same host": Stricter(
        "RFC 9112 §3.2.2",
        400,
        other_host,
        b"GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n",
    ),
    "Host is a host with an optional port": Stricter(
        "RFC 9112 §3.2, RFC 9110 §4.2.1",
        400,
        lambda _, meaning: any(map(is_no_authority, values(meaning, b"host"))),
        b"GET / HTTP/1.1\r\nHost: x@a\r\n\r\n",
    ),
    "Content-Length has no leading zero": Stricter(
        "RFC 9110 §8.6",
        400,
        lambda _, meaning: any(
            value[:1] == b"0" and value != b"0" for value in values(meaning, b"content-length")
        ),
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 02\r\n\r\nhi",
    ),
    "Connection is a list of tokens": Stricter(
        "RFC 9110 §7.6.1",
        400,
        lambda _, meaning: any(
            not re.fullmatch(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]*", token.strip(b" \t"))
            for value in values(meaning, b"connection")
            for token in value.split(b",")
        ),
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close x\r\n\r\n",
    ),
    "the only expectation is 100-continue, and it is there once": Stricter(
        "RFC 9110 §10.1.1",
        417,
        lambda _, meaning: (b"expect", b"100-continue") not in lowered(meaning),
        b"POST / HTTP/1.1\r\nHost: a\r\nExpect: x\r\nContent-Length: 2\r\n\r\nhi",
    ),
    "HTTP/1.0 has no Transfer-Encoding": Stricter(
        "RFC 9112 §6.1",
        400,
        lambda octets, meaning: version(octets) == b"1.0" and values(meaning, b"transfer-encoding"),
        b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    ),
    "no major version but 1 is spoken": Stricter(
        "RFC 9110 §15.6.6",
        505,
        lambda octets, _: version(octets)[:2] != b"1.",
        b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    ),
    "a chunk extension is what its grammar says": Stricter(
        "RFC 9112 §7.1.1",
        400,
        lambda octets, _: BAD_EXTENSION.search(octets),
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;x=\r\nhi\r\n0\r\n\r\n",
    ),
    "no trailer frames or routes": Stricter(
        "RFC 9110 §6.5.1",
        400,
        lambda octets, _: FRAMING_TRAILER.search(octets),
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nHost: b\r\n\r\n",
    ),
    "a size line has digits for at most 64 bits": Stricter(
        "RFC 9112 §7.1",
        400,
        lambda octets, _: re.search(rb"\n[0-9A-Fa-f]{17,}", octets),
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"00000000000000002\r\nhi\r\n0\r\n\r\n",
    ),
}


def reasons_to_refuse(octets: bytes, meaning: Meaning, status: int) -> list[str]:
    return [
        name
        for name, rule in STRICTER.items()
        if rule.status == status and rule.applies(octets, meaning)
    ]


@pytest.mark.parametrize("name", STRICTER)
def test_is_stricter_than_both(name: str) -> None:
    rule = STRICTER[name]
    meaning = ask_h11(rule.example)

    assert isinstance(meaning, Meaning)
    assert isinstance(ask_httptools(rule.example), Meaning)
    assert ask_us(rule.example) == rule.status
    assert name in reasons_to_refuse(rule.example, meaning, rule.status)


# Requests to ask about

TOKENS = st.sampled_from([b"X", b"Accept", b"x-y_z", b"!#$%&'*+-.^_`|~", b"A" * 40, b"Te", b"Via"])
VALUES = st.sampled_from(
    [b"", b"y", b"a, b", b"text/html;q=0.5", b"\xc3\xa9", b'"quoted"', b"z" * 60, b"a\tb", b"0"]
)
PADDING = st.sampled_from([b"", b" ", b"\t", b" \t "])
PATHS = st.sampled_from(
    [b"/", b"/add/1/2", b"/a?b=c&d", b"/%41%2f", b"//", b"/a?", b"/?/?", b"/" + b"a" * 70, b"/.."]
)
BODIES = st.binary(max_size=40) | st.sampled_from([b"0\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"])
METHODS = st.sampled_from([b"GET", b"HEAD", b"POST", b"OPTIONS", b"PUT", b"DELETE", b"PATCH"])
EXTENSIONS = st.sampled_from([b"", b"", b"", b";x", b";x=y", b';x="y"', b";a;b=c"])
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
BEHIND = st.sampled_from([b"", b"", b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n", b"\r\n"])


@st.composite
def field_lines(draw: st.DrawFn) -> list[bytes]:
    lines = [
        draw(TOKENS) + b":" + draw(PADDING) + draw(VALUES) + draw(PADDING)
        for _ in range(draw(st.integers(0, 4)))
    ]
    connection = [b"close", b"keep-alive", b"Close, TE", b"x", b"", b",close"]
    if draw(st.booleans()):
        lines.append(b"Connection: " + draw(st.sampled_from(connection)))
    return lines


@st.composite
def framed(draw: st.DrawFn) -> tuple[list[bytes], bytes]:
    """Return the fields that frame a body, and the body as it is sent."""
    body = draw(BODIES)
    kind = draw(st.sampled_from(["none", "length", "chunks"]))
    if kind == "none":
        return [], b""
    if kind == "length":
        return [b"Content-Length: %d" % len(body)], body
    cuts = sorted(draw(st.lists(st.integers(0, len(body)), max_size=4)))
    sent = b""
    for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True):
        if chunk := body[start:end]:
            size = draw(st.sampled_from([b"%x", b"%X", b"0%x"])) % len(chunk)
            sent += size + draw(EXTENSIONS) + b"\r\n" + chunk + b"\r\n"
    trailers = draw(st.sampled_from([b"", b"", b"X: y\r\n", b"Y:\r\nZ: \t z\r\n"]))
    name = draw(st.sampled_from([b"Transfer-Encoding", b"transfer-encoding"]))
    coding = draw(st.sampled_from([b"chunked", b"Chunked"]))
    return [name + b": " + coding], sent + b"0" + draw(EXTENSIONS) + b"\r\n" + trailers + b"\r\n"


@st.composite
def valid_requests(draw: st.DrawFn) -> bytes:
    fields, body = draw(framed())
    version = b"1.1" if b"chunk" in b"".join(fields).lower() else draw(VERSIONS)
    host = draw(st.sampled_from([b"a", b"localhost:8080", b"[::1]:80", b"127.0.0.1"]))
    target = draw(st.one_of(PATHS, PATHS.map(lambda path: b"http://" + host + path)))
    lines = draw(st.permutations([*draw(field_lines()), *fields, b"Host: " + host]))
    empty = draw(st.sampled_from([b"", b"", b"", b"\r\n", b"\r\n\r\n"]))
    start = draw(METHODS) + b" " + target + b" HTTP/" + version
    return empty + b"\r\n".join([start, *lines]) + b"\r\n\r\n" + body + draw(BEHIND)


VERSIONS = st.sampled_from([b"1.1", b"1.1", b"1.0"])

# What makes a difference to one parser or another.
ENDS = [b"\r\n", b"\n", b"\r", b"\r\r\n", b"\r\n\r\n", b"\r\n ", b"\r\n\t", b"\n\r\n", b"0\r\n\r\n"]
SPACES = [b" ", b"  ", b"\t", b"\x0b", b"\x0c", b"\0", b"\x85", b"\xa0", b"\x01", b"\x1b", b"\x7f"]
SIGNS = [bytes([octet]) for octet in b':,;"\\=#?%*@/<|[x'] + [
    b" :",
    b"%zz",
    b";x=",
    b"\x80",
    b"\xff",
]
NUMBERS = [b"0", b"00", b"1", b"5", b"+5", b"-1", b"0x5", b"1_0", b"5, 5", b"\xb2", b"9" * 20]
NUMBERS += [b"f" * 17, b"0" * 17 + b"\r\n"]
LINES = [
    *(b"Host: b\r\n", b"Host:\r\n", b"Content-Length: 2\r\n", b"Content-Length: 0\r\n"),
    *(b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip\r\n", b"Upgrade: h2c\r\n"),
    *(b"Connection: close\r\n", b"Connection: a b\r\n", b"Connection: Upgrade\r\n"),
    *(b"Expect: 100-continue\r\n", b"Expect: x\r\n", b"GET / HTTP/1.1\r\n", b"chunked, "),
]
STARTS = [
    b"HTTP/1.1",
    b" HTTP/1.0",
    b"HTTP/2.0",
    b"HTTP/1.2",
    b"http://",
    b"https://a/",
    b"CONNECT",
]
STARTS += [b"PRI", b"OPTIONS *", b"get"]
SPICE = st.sampled_from(ENDS + SPACES + SIGNS + NUMBERS + LINES + STARTS)


@st.composite
def mutated_requests(draw: st.DrawFn) -> bytes:
    """Return a valid request in which something is added, dropped, doubled or replaced."""
    octets = draw(valid_requests())
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(octets)))
        end = start + draw(st.sampled_from([0, 0, 0, 1, 1, 2, 5, 20]))
        change = draw(st.one_of(SPICE, st.binary(max_size=3), st.just(octets[start:end] * 2)))
        octets = octets[:start] + change + octets[end:]
    return octets


@st.composite
def mutated_lines(draw: st.DrawFn) -> bytes:
    """Return a valid request in which whole lines changed places, or came twice, or went."""
    lines = draw(valid_requests()).split(b"\r\n")
    for _ in range(draw(st.integers(1, 2))):
        at, other = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
        change = draw(st.sampled_from(["swap", "double", "spice", "end"]))
        if change == "swap":
            lines[at], lines[other] = lines[other], lines[at]
        elif change == "double":
            lines.insert(at, lines[other])
        elif change == "spice":
            lines[at] = draw(st.sampled_from([draw(SPICE) + lines[at], lines[at] + draw(SPICE)]))
        else:
            lines[at : at + 2] = [draw(st.sampled_from([b"\n", b"\r"])).join(lines[at : at + 2])]
    return b"\r\n".join(lines)


@st.composite
def strange_octets(draw: st.DrawFn) -> bytes:
    """Return anything, or anything in a place where it is looked at."""
    strange = b"".join(draw(st.lists(SPICE | st.binary(max_size=20), max_size=8)))
    before, behind = draw(
        st.sampled_from(
            [
                (b"", b""),
                (b"GET /", b" HTTP/1.1\r\nHost: a\r\n\r\n"),
                (b"GET / HTTP/1.1\r\nHost: a\r\n", b"\r\n\r\n"),
                (b"GET / HTTP/1.1\r\nHost: a\r\nX: ", b"\r\n\r\n"),
                (CHUNKED, b"\r\n0\r\n\r\n"),
                (CHUNKED + b"2;", b"\r\nhi\r\n0\r\n\r\n"),
                (CHUNKED + b"0\r\n", b"\r\n\r\n"),
            ]
        )
    )
    return before + strange + behind


Read = tuple[bytes, bool]  # its octets, and whether all output has been sent before the next


@st.composite
def reads(draw: st.DrawFn) -> list[Read]:
    """Return what comes of one or two inputs that are sent in turns, cut behind a head or not.

    So a head comes again behind itself or another, and a body comes apart from its head.
    """
    inputs = draw(
        st.lists(valid_requests() | mutated_requests() | strange_octets(), min_size=1, max_size=2)
    )
    found: list[Read] = []
    for _ in range(draw(st.integers(2, 4))):
        octets = draw(st.sampled_from(inputs))
        head, end, rest = octets.partition(b"\r\n\r\n")
        pieces = [head + end, rest] if rest and draw(st.booleans()) else [octets]
        found += [(piece, draw(st.sampled_from([True, True, False]))) for piece in pieces]
    return found


def kept_and_said(
    feeds: Callable[[Connection, bytes], Request | None], conversation: list[Read], policy: Policy
) -> object:
    """Return all that shows of *conversation*, after each read."""
    connection = connect(Parser(policy))
    shown: list[object] = []
    for octets, all_sent in conversation:
        request = feeds(connection, octets)
        while request is not None:
            fields = request.fields
            shown += [request.method, request.target, request.path, request.body, fields.text]
            shown += [fields.minor, fields.host, fields.body_length, fields.keep_alive]
            connection.respond(Response(200, b"5"))
            request = connection.next_request()
        shown += [connection.output, connection.state, bytes(connection.buffer)]
        shown += [connection.requests_out, connection.interest, connection.read_was_full]
        if all_sent:
            connection.sent(len(connection.output))
            shown += [connection.finished, connection.lingering]
    return shown


def feed(connection: Connection, octets: bytes) -> Request | None:
    return connection.feed(octets)


def feed_the_slow_way(connection: Connection, octets: bytes) -> Request | None:
    connection.store(octets)
    return connection.next_request()


def compare(octets: bytes) -> None:
    """Raise AssertionError where we differ from both without a rule that says so."""
    one, other, ours = ask_h11(octets), ask_httptools(octets), ask_us(octets)
    if one == 0 and other == 0:
        assert not isinstance(ours, Meaning), (octets, ours)
    if not (isinstance(one, Meaning) and isinstance(other, Meaning)):
        return
    if isinstance(ours, Meaning):
        assert ours in (one, other), (octets, one, other, ours)
    else:
        assert ours is not None, (octets, one, other, "is waited for")
        assert reasons_to_refuse(octets, one, ours), (octets, one, other, ours)


PLAIN = b"GET /add/1/2 HTTP/1.1\r\nHost: a\r\n\r\n"
ANNOUNCED = b"POST /calc HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
EXPECTING = b"POST /calc HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n"
LAST = b"GET /add/1/2?x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
LONG_TARGET = b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n" % (b"a" * 260)
LONG_METHOD = b"%b / HTTP/1.1\r\nHost: a\r\n\r\n" % (b"A" * 25)
LONG_FIELDS = b"GET / HTTP/1.1\r\nHost: a\r\n%b\r\n" % (b"X: %b\r\n" % (b"x" * 200) * 25)


@profile
@given(reads(), st.sampled_from(POLICIES))
@example([(PLAIN, True), (PLAIN, True), (LAST, True)], POLICIES[0])
@example([(PLAIN, True), (ANNOUNCED % 4, True), (PLAIN, True)], POLICIES[0])
@example([(PLAIN, True), (EXPECTING, True), (PLAIN, True)], POLICIES[0])
@example([(ANNOUNCED % READ_SIZE, True), (b"x" * READ_SIZE, True), (LAST, True)], POLICIES[0])
@example([(PLAIN, False)] * 200, POLICIES[0])  # more responses than may be unsent
@example([(PLAIN[:9], True), (PLAIN, True)], POLICIES[0])
@example([(LONG_TARGET, True)], POLICIES[1])
@example([(LONG_METHOD, True)], POLICIES[0])
@example([(LONG_FIELDS, True)], POLICIES[3])
@example([(b"\r", True), (PLAIN, True)], POLICIES[0])
@example([(b"\r\n", True), (PLAIN, True), (b"\r\n" * 4, True), (PLAIN, True)], POLICIES[0])
def test_decides_the_same_by_the_short_cut_and_by_the_slow_way(
    conversation: list[Read], policy: Policy
) -> None:
    quick = kept_and_said(feed, conversation, policy)

    assert quick == kept_and_said(feed_the_slow_way, conversation, policy), conversation


@profile
@given(valid_requests())
def test_accepts_valid_requests_as_others_do(octets: bytes) -> None:
    ours = ask_us(octets)

    assert isinstance(ours, Meaning), (octets, ours)
    assert ours == ask_h11(octets) == ask_httptools(octets), octets


@profile
@given(mutated_requests())
def test_agrees_with_others_on_requests_that_something_happened_to(octets: bytes) -> None:
    compare(octets)


@profile
@given(mutated_lines())
def test_agrees_with_others_on_requests_whose_lines_were_mixed(octets: bytes) -> None:
    compare(octets)


@profile
@given(strange_octets())
def test_agrees_with_others_on_octets_of_any_kind(octets: bytes) -> None:
    compare(octets)
