"""Without a socket: our whole response to a request, beside a parser in C that only parses it.

``python -m calcbench.bench.corebench.parsing CONFIG`` measures in the interpreter that runs it and
writes one line of JSON, `Timing`s; its config is JSON. *Ours* is the whole way of one request on a
kept connection: feed, handle, respond, sent. *httptools* is, for the same octets:

- ``server``: one parser for the connection, with callbacks that keep what a server needs: the
  target and every field; and, when the head is complete, version, method and keep-alive;
- ``least``: one parser for the connection, and only the target is kept: less than anybody can use;
- ``fresh``: as ``server``, with a parser made for each request.

Time is the thread's CPU time. The measured take turns, in a new order in every round, and every
round brings requests that have not been there before: operands are drawn as the load driver
draws them; and of the field lines all repeat, all but one, or none.
"""

import json
import os
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from itertools import count
from statistics import median_low
from time import thread_time_ns
from typing import Any

from calcbench.core.app.workload import parse_workload
from calcbench.core.http.limits import Policy
from calcbench.core.serving.service import make_service

BATCH = 1000  # requests timed at once: about a millisecond
WARM_UP = 3  # rounds that do not count, in which memories fill and the interpreter specialises

# Field lines by what sends them; {} is a serial number in those that never repeat.
HEADS = {
    "small": ("Host: {}localhost:8080", "User-Agent: curl/8.5.0{}", "Accept: */*{}"),
    "browser": (
        "Host: {}localhost:8080",
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0{}",
        "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8{}",
        "Accept-Language: en-GB,en;q=0.7,de;q=0.3{}",
        "Accept-Encoding: gzip, deflate, br, zstd{}",
        "Connection: keep-alive",
        "Cookie: theme=dark; session=6fd0c2a9b1e84f7793a5{}",
        "Upgrade-Insecure-Requests: 1{}",
        "Priority: u=0, i{}",
    ),
}
REPEAT, ONE, NEVER = "repeat", "one new", "all new"
FIELDS = (REPEAT, ONE, NEVER)


@dataclass(frozen=True)
class Case:
    """What is sent: a head of `HEADS`, and which of its field lines repeat, of `FIELDS`."""

    head: str
    fields: str


CASES = tuple(Case(head, fields) for head in HEADS for fields in FIELDS)


@dataclass(frozen=True)
class Timing:
    """Nanoseconds for a request: the *best* of all rounds and the *median*."""

    case: Case
    name: str
    best: float
    median: float


def request_of(case: Case, draw: random.Random, serial: int) -> tuple[bytes, int]:
    """Return one request as *case* has it, with the right response."""
    one, other = draw.randrange(10_000), draw.randrange(10_000)
    number = f"{serial:06}"
    lines = [f"GET /add/{one}/{other} HTTP/1.1"]
    for line in HEADS[case.head]:
        varies = case.fields == NEVER or (case.fields == ONE and line.startswith("User-Agent"))
        lines.append(line.replace("{}", number if varies else "0" * len(number)))
    return "\r\n".join([*lines, "", ""]).encode(), one + other


class Callbacks:
    """The callbacks that keep what a server needs."""

    def __init__(self, make_parser: Callable[[Any], Any]) -> None:
        self.fields: list[tuple[bytes, bytes]] = []
        self.target = self.method = b""
        self.version = ""
        self.keeps_alive = False
        self.parser = make_parser(self)

    def on_message_begin(self) -> None:
        """Start a list of fields."""
        self.fields = []

    def on_url(self, target: bytes) -> None:
        """Keep the target."""
        self.target = target

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a field."""
        self.fields.append((name, value))

    def on_headers_complete(self) -> None:
        """Ask the parser for what it keeps itself."""
        self.version = self.parser.get_http_version()
        self.method = self.parser.get_method()
        self.keeps_alive = self.parser.should_keep_alive()


class TargetOnly:
    """The one callback without which a request is not known."""

    def __init__(self) -> None:
        self.target = b""

    def on_url(self, target: bytes) -> None:
        """Keep the target."""
        self.target = target


def contestants() -> dict[str, Callable[[Sequence[bytes]], None]]:
    """Return what is measured, by name; each takes a batch of requests.

    Raises ModuleNotFoundError when httptools is not installed.
    """
    make_parser = import_module("httptools").HttpRequestParser
    collector, target = Callbacks(make_parser), make_parser(TargetOnly())
    service = make_service(Policy(), parse_workload("add"))
    connection, handle = service.connect(), service.handle

    def ours(batch: Sequence[bytes]) -> None:
        for octets in batch:
            request = connection.feed(octets)
            assert request is not None
            connection.respond(handle(request))
            connection.sent(len(connection.output))

    def server(batch: Sequence[bytes]) -> None:
        feed = collector.parser.feed_data
        for octets in batch:
            feed(octets)

    def least(batch: Sequence[bytes]) -> None:
        feed = target.feed_data
        for octets in batch:
            feed(octets)

    def fresh(batch: Sequence[bytes]) -> None:
        for octets in batch:
            Callbacks(make_parser).parser.feed_data(octets)

    return {"ours": ours, "server": server, "least": least, "fresh": fresh}


def check_case(case: Case) -> None:
    """Raise AssertionError unless ours answers and httptools sees what *case* asks."""
    octets, right = request_of(case, random.Random(0), 1)
    service = make_service(Policy(), parse_workload("add"))
    connection = service.connect()
    request = connection.feed(octets)
    assert request is not None
    connection.respond(service.handle(request))
    assert connection.output.endswith(b"\r\n\r\n%d" % right), connection.output

    collector = Callbacks(import_module("httptools").HttpRequestParser)
    collector.parser.feed_data(octets)
    assert (collector.method, collector.version) == (b"GET", "1.1")
    assert collector.target == octets.split()[1]
    assert collector.keeps_alive
    assert len(collector.fields) == len(HEADS[case.head])


def time_parsers(rounds: int, seed: int) -> list[Timing]:
    """Time everything in so many *rounds*, and return the timings."""
    draw, serials = random.Random(seed), count()
    measured = contestants()
    turns = [(case, name) for case in CASES for name in measured]
    times: dict[tuple[Case, str], list[int]] = {turn: [] for turn in turns}
    for number in range(WARM_UP + rounds):
        for case, name in draw.sample(turns, len(turns)):
            batch = [request_of(case, draw, next(serials))[0] for _ in range(BATCH)]
            begin = thread_time_ns()
            measured[name](batch)
            taken = thread_time_ns() - begin
            if number >= WARM_UP:
                times[case, name].append(taken)
    return [
        Timing(case, name, min(taken) / BATCH, median_low(taken) / BATCH)
        for (case, name), taken in times.items()
    ]


def timings_from_json(text: str) -> list[Timing]:  # by make bench-core
    """Return the timings that `main` has written."""
    return [Timing(**{**value, "case": Case(**value["case"])}) for value in json.loads(text)]


def main() -> None:  # by make bench-core
    """Measure as the config says: for how many rounds, on which cores."""
    config = json.loads(sys.argv[1])
    if config["cpus"] and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, config["cpus"])
    for case in CASES:
        check_case(case)
    print(json.dumps([asdict(timing) for timing in time_parsers(config["rounds"], config["seed"])]))


if __name__ == "__main__":
    main()
