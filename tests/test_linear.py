"""Work grows with the octets and no faster, counted and not timed.

Counted are the lines of `core/` that run, and the octets that its buffers and patterns touch:

- the incremental buffers are made to be of a class that counts what each operation moves or scans;
- a method of `bytes` other than find counts as if it looked at all of them, the worst it can do;
- a pattern counts the octets it is given, for none of them can go back (tested below).

An input of twice the size may cost three times as much, because the larger may pass a limit that
costs one more look at all of it, or two. A quadratic buffer would cost four times as much.
"""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from types import FrameType
from typing import Any, SupportsIndex

import pytest
from conversation import connect, octet_by_octet

from calcbench.core.app.application import handle
from calcbench.core.http import body, connection, head, parser, render
from calcbench.core.http.limits import Policy
from calcbench.core.http.parser import Parser

CORE = str(parser.__file__).removesuffix("http/parser.py")
MODULES = (parser, render, head, body, connection)
WIDE = Policy(max_fields=2000)
HEAD = b"POST /x HTTP/1.1\r\nHost: a\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


class Meter:
    """What has been counted so far."""

    def __init__(self) -> None:
        self.work = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count the lines of core, and the octets of each `bytes` that a method is called on."""

        def on_line(frame: FrameType, event: str, _: object) -> Any:
            if event == "line":
                self.work += 1
            return on_line

        def on_call(frame: FrameType, *_: object) -> Any:
            return on_line if frame.f_code.co_filename.startswith(CORE) else None

        def on_c_call(frame: FrameType, event: str, function: object) -> None:
            if event == "c_call" and frame.f_code.co_filename.startswith(CORE):
                owner = getattr(function, "__self__", None)
                if isinstance(owner, bytes):
                    self.work += len(owner)

        before = sys.gettrace(), sys.getprofile()
        sys.settrace(on_call)
        sys.setprofile(on_c_call)
        try:
            yield
        finally:
            sys.settrace(before[0])
            sys.setprofile(before[1])


METER = Meter()


class CountingBuffer(bytearray):
    """A bytearray whose operations count the octets that they move or look at.

    Dropping octets off the front counts those alone: CPython moves the start, not the rest.
    """

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        METER.work += len(self)

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        METER.work += 1 if isinstance(found, int) else len(found)
        return found

    def __delitem__(self, key: SupportsIndex | slice) -> None:
        before = len(self)
        at_front = isinstance(key, slice) and not key.start
        super().__delitem__(key)
        METER.work += before - len(self) if at_front else before

    def __iadd__(self, more: Any) -> Any:  # type: ignore[misc]  # __add__ is not needed
        METER.work += len(more)
        return super().__iadd__(more)

    def find(self, sub: Any, start: Any = 0, end: Any = None) -> int:
        return counted_find(self, super().find(sub, start, end), start, end)

    def clear(self) -> None:
        METER.work += len(self)
        super().clear()

    def startswith(self, *given: Any) -> bool:
        METER.work += 1
        return super().startswith(*given)


class CountingBytes(bytes):
    """Octets that count those among which something is looked for."""

    def find(self, sub: Any, start: Any = 0, end: Any = None) -> int:
        return counted_find(self, super().find(sub, start, end), start, end)


def counted_find(octets: bytes | bytearray, found: int, start: int, end: int | None) -> int:
    """Count what was looked at from *start* up to what was *found*, or up to *end*."""
    last = len(octets) if end is None else min(end, len(octets))
    METER.work += 1 + max(0, (found if found >= 0 else last) - start)
    return found


class CountingPattern:
    """A compiled pattern that counts the octets it is given."""

    def __init__(self, pattern: "re.Pattern[bytes]") -> None:
        self.pattern = pattern

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.pattern, name)

        def counted(octets: bytes, start: int = 0, end: int | None = None) -> Any:
            METER.work += len(octets) if end is None else min(len(octets), end)
            return method(octets, start, len(octets) if end is None else end)

        return counted


@pytest.fixture(autouse=True)
def counting(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in MODULES:
        monkeypatch.setattr(module, "bytearray", CountingBuffer, raising=False)
        monkeypatch.setattr(module, "bytes", CountingBytes, raising=False)
        for name, value in vars(module).copy().items():
            if isinstance(value, re.Pattern):
                monkeypatch.setattr(module, name, CountingPattern(value))


def work_of(pieces: list[bytes]) -> tuple[int, str]:
    """Return the work that *pieces* cause, fed the slow way, and what came of them."""
    conversation = connect(Parser(WIDE))
    responses = 0
    METER.work = 0
    with METER.running():
        for piece in pieces:
            conversation.store(CountingBytes(piece))
            while True:
                while (request := conversation.next_request()) is not None:
                    conversation.respond(handle(request))
                    responses += 1
                if not conversation.output:
                    break
                conversation.sent(len(conversation.output))
    return METER.work, f"{responses} responses, state {conversation.state}"


random_octets = Random(1).randbytes(8192)
INPUTS: dict[str, Callable[[int], bytes]] = {
    "a long request line": lambda n: b"GET /" + b"a" * n + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "a long query": lambda n: b"GET /?" + b"a=%20&" * (n // 6) + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "a long absolute target": lambda n: (
        b"GET http://a/" + b"%61/" * (n // 4) + b" HTTP/1.1\r\n\r\n"
    ),
    "a request line without end": lambda n: b"GET /" + b"a" * n,
    "a long method": lambda n: b"G" * n,
    "many fields": lambda n: HEAD + b"X: y\r\n" * (n // 6) + b"\r\n",
    "many fields without end": lambda n: HEAD + b"X: y\r\n" * (n // 6),
    "many fields of one name that counts": lambda n: (
        HEAD + b"Connection: a\r\n" * (n // 15) + b"\r\n"
    ),
    "a long list in a field that counts": lambda n: (
        HEAD + b"Connection: " + b"a," * (n // 2) + b"\r\n\r\n"
    ),
    "many lengths": lambda n: HEAD + b"Content-Length: 1\r\n" * (n // 19) + b"\r\n",
    "many codings": lambda n: HEAD + b"Transfer-Encoding: " + b"x," * (n // 2) + b"\r\n\r\n",
    "a long length": lambda n: HEAD + b"Content-Length: " + b"9" * n + b"\r\n\r\n",
    "a long Host": lambda n: b"GET / HTTP/1.1\r\nHost: " + b"a" * n + b"\r\n\r\n",
    "a long Host in brackets": lambda n: b"GET / HTTP/1.1\r\nHost: [" + b":" * n + b"]\r\n\r\n",
    "a long field": lambda n: HEAD + b"X: " + b"y" * n + b"\r\n\r\n",
    "a long field of spaces": lambda n: HEAD + b"X:" + b" \t" * (n // 2) + b"\r\n\r\n",
    "a long field without end": lambda n: HEAD + b"X: " + b"y" * n,
    "a long name": lambda n: HEAD + b"X" * n + b": y\r\n\r\n",
    "carriage returns": lambda n: HEAD + b"X: " + b"\r" * n + b"\r\n\r\n",
    "half ends of a head": lambda n: HEAD + b"X: " + b"\r\n\r" * (n // 3) + b"\r\n\r\n",
    "many fields, and a bad one": lambda n: HEAD + b"X: y\r\n" * (n // 6) + b"Z\r\n\r\n",
    "a long body": lambda n: HEAD + b"Content-Length: %d\r\n\r\n" % n + b"x" * n,
    "a body of empty lines": lambda n: (
        HEAD + b"Content-Length: %d\r\n\r\n" % n + b"\r\n" * (n // 2)
    ),
    "a long chunk": lambda n: CHUNKED + b"%x\r\n" % n + b"x" * n + b"\r\n0\r\n\r\n",
    "chunks of one octet": lambda n: CHUNKED + b"1\r\na\r\n" * (n // 6) + b"0\r\n\r\n",
    "chunks of sixteen digits": lambda n: (
        CHUNKED + (b"0" * 15 + b"1\r\na\r\n") * (n // 21) + b"0\r\n\r\n"
    ),
    "chunks with extensions": lambda n: (
        CHUNKED + (b"1;" + b"x" * 120 + b"\r\na\r\n") * (n // 254) + b"0\r\n\r\n"
    ),
    "chunks with quoted extensions": lambda n: (
        CHUNKED + (b'1;x="' + b"\\y" * 50 + b'"\r\na\r\n') * (n // 254) + b"0\r\n\r\n"
    ),
    "a chunk size without end": lambda n: CHUNKED + b"1;" + b"x" * n,
    "many trailers": lambda n: CHUNKED + b"0\r\n" + b"X: y\r\n" * (n // 6) + b"\r\n",
    "a long trailer": lambda n: CHUNKED + b"0\r\nX: " + b"y" * n + b"\r\n\r\n",
    "a trailer without end": lambda n: CHUNKED + b"0\r\nX: " + b"y" * n,
    "pipelined requests": lambda n: b"GET /add/1/2 HTTP/1.1\r\nHost: a\r\n\r\n" * (n // 34),
    "pipelined requests with a target that takes care": lambda n: (
        b"GET /add/1/%32 HTTP/1.1\r\nHost: a\r\n\r\n" * (n // 36)
    ),
    "pipelined bodies": lambda n: (HEAD + b"Content-Length: 5\r\n\r\nhello") * (n // 55),
    "pipelined chunks": lambda n: (CHUNKED + b"1\r\na\r\n0\r\n\r\n") * (n // 72),
    "requests between empty lines": lambda n: (
        (b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n") * (n // 31)
    ),
    "empty lines": lambda n: b"\r\n" * (n // 2),
    "line feeds": lambda n: b"GET " + b"\n" * n,
    "zeros": bytes,
    "garbage": lambda n: random_octets[:n],
    "garbage behind a head": lambda n: HEAD + b"\r\n" + random_octets[:n],
    "garbage in chunks": lambda n: CHUNKED + random_octets[:n],
}


# Octets in each piece, and octets in all of the smaller input. A head has at most 32,768, a
# request line and a field 8,192, a body 65,536.
WAYS = {
    "whole": (1 << 20, 4000),
    "whole and large": (1 << 20, 32_000),
    "in tens": (10, 4000),
    "in hundreds": (100, 16_000),
    "octet by octet": (1, 1500),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize("way", WAYS)
def test_works_in_proportion_to_what_it_is_sent(name: str, way: str) -> None:
    piece, size = WAYS[way]

    def work(octets: bytes) -> tuple[int, str]:
        return work_of([octets[at : at + piece] for at in range(0, len(octets), piece)])

    half, _ = work(INPUTS[name](size))
    full, outcome = work(INPUTS[name](2 * size))

    assert full <= 3 * half, (half, full, outcome)
    assert full < 120 * (2 * size + 1000), "each octet costs a bounded number of steps"


def test_notices_a_quadratic_buffer() -> None:
    """The meter itself: growing `bytes` by an octet and searching them each time is quadratic."""

    def work(size: int) -> int:
        METER.work = 0
        buffer = CountingBuffer()
        for _ in range(size):
            buffer += b"x"
            buffer.find(b"\r\n")
        return METER.work

    assert work(2000) > 3.5 * work(1000)


def test_notices_quadratic_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The meter itself: a buffer that stays `bytes` is searched from its start each time."""
    monkeypatch.setattr(connection, "bytearray", bytes, raising=False)
    half, _ = work_of(octet_by_octet(b"GET /" + b"a" * 1000))
    full, _ = work_of(octet_by_octet(b"GET /" + b"a" * 2000))

    assert full > 3 * half


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_has_no_pattern_that_can_go_back(module: Any) -> None:
    """A quantifier without an upper bound is possessive, or ends an atomic group: no second try."""
    patterns = [found.pattern for found in vars(module).values() if hasattr(found, "pattern")]
    for counting_pattern in patterns:
        text = counting_pattern.pattern.decode("latin-1")
        outside = re.sub(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", "x", text)
        # Up to CPython 3.11.4 the last, failed round of such a group counts (gh-100061).
        assert not re.search(r"\)(?:[*+?]|\{[0-9,]+\})\+", outside), text
        rest, atomic_groups = re.subn(r"\)[*+]\)", "))", outside)
        assert atomic_groups == outside.count("(?>(?:"), text
        quantifiers = re.findall(r"(?:[*+?]|\{[0-9,]+\})\+?", re.sub(r"\(\?[:=!<>]", "(", rest))

        unbounded = [found for found in quantifiers if found[0] in "*+" or ",}" in found]
        assert [found for found in unbounded if not found[1:].endswith("+")] == [], text


def test_has_patterns_to_look_at() -> None:
    assert sum(isinstance(found, CountingPattern) for found in vars(parser).values()) >= 5
