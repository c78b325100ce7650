"""The load of one measurement: how many clients, how often, for how long, and what they ask."""

import dataclasses
import itertools
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from calcbench.bench.schema.arrivals import CONSTANT
from calcbench.bench.schema.behaviours import mix
from calcbench.bench.schema.condition import Condition
from calcbench.bench.schema.plan import KEEP_ALIVE, Plan
from calcbench.core.serving.sockets import in_url

Request = tuple[bytes, bytes | None]  # as it is sent, and the body of its right response
VARIETY = 4096  # requests made in advance, so that none of them repeats soon


@dataclass(frozen=True)
class Ask:
    """What to ask of a server that is no calculator, and which response is right.

    *request* is sent as it is, each character an octet (ISO-8859-1, so that JSON can carry it).
    *status* 0 stands for anything from 200 to 399; *body* None for any body.
    """

    request: str
    method: str = "GET"
    status: int = 0
    body: str | None = None


@dataclass(frozen=True)
class LoadSpec:
    """What to drive: *connections* clients of one server, for *duration_s* after *warmup_s*.

    In a closed loop, *rate* 0, each asks again when it has its response. In an open loop requests
    are due *rate* times a second, as `calcbench.bench.schema.arrivals` draws them from the *seed*,
    and the connections take turns: all of them are opened before. With *reuse_first* whichever was
    used last is used next, and they are as few as are needed. With *think_s*, in a closed loop,
    each client is a user who thinks for so long before each request, on average where *thinking*
    is not constant.

    A share *post_share*, 0–1, of the requests are POSTs of JSON; *variety* of them are made in
    advance, and then they repeat. With *ask*, that is asked instead. *address* is the one of *host*
    to connect to, where that is decided, and *unix* the path of a Unix socket to use instead of
    *host* and *port*. *background* are clients beside those that are
    measured, by their behaviour. The driver runs on *cpus*, if any, and accounts the CPU time of
    the process group *server_group*, unless 0. It is driver *number*, from 0, of *drivers* that
    begin at one moment and share an open loop's schedule.
    """

    host: str
    port: int
    connections: int
    keep_alive: bool
    duration_s: float
    warmup_s: float = 0
    timeout_s: float = 2
    seed: int = 1
    post_share: float = 0
    variety: int = VARIETY
    cpus: tuple[int, ...] = ()
    server_group: int = 0
    rate: float = 0
    arrivals: str = CONSTANT
    reuse_first: bool = False
    think_s: float = 0
    thinking: str = CONSTANT
    address: str = ""
    unix: str = ""
    ask: Ask | None = None
    background: dict[str, int] = dataclasses.field(default_factory=dict)
    number: int = 0
    drivers: int = 1

    @property
    def keeps_schedule(self) -> bool:
        """Whether requests are due at times of their own, in an open loop or where users think."""
        return self.rate > 0 or self.think_s > 0

    @property
    def opens_all(self) -> bool:
        """Whether all connections are opened before the load begins, as far as clients keep any."""
        takes_turns = self.rate > 0 and not self.reuse_first
        return self.keep_alive and (self.think_s > 0 or takes_turns)

    def split(self, drivers: int) -> list["LoadSpec"]:
        """Return what each of several drivers drives, so that together they do the same.

        At most as many as there are connections; clients, measured and in the background, are dealt
        out evenly.
        """
        drivers = min(drivers, self.connections)
        return [
            dataclasses.replace(
                self,
                connections=part(self.connections, number, drivers),
                background={name: part(n, number, drivers) for name, n in self.background.items()},
                seed=self.seed,
                number=number,
                drivers=drivers,
            )
            for number in range(drivers)
        ]


def load_spec_of(plan: Plan, condition: Condition, **target: Any) -> LoadSpec:
    """Return how *plan* drives *condition*; *target* are the fields that it says nothing of."""
    return LoadSpec(
        connections=condition.connections,
        keep_alive=condition.reuse == KEEP_ALIVE,
        duration_s=plan.duration_s,
        warmup_s=plan.warmup_s,
        timeout_s=plan.timeout_s,
        seed=plan.seed,
        rate=plan.rate or 0,
        arrivals=plan.arrivals,
        reuse_first=plan.reuse_first,
        think_s=plan.think_s,
        thinking=plan.thinking,
        background=mix(plan.behaviours, condition.connections),
        **target,
    )


def part(whole: int, number: int, parts: int) -> int:
    """Return how many of *whole* things are in part *number* of *parts* that differ by one."""
    return (whole + parts - 1 - number) // parts


@dataclass(frozen=True)
class TurnSpec:
    """Several *loads* that one driver makes by turns, in slices of *slice_ns*.

    What is seen of each goes to the descriptor of the same place in *outputs*. The order of the
    turns is drawn from *seed*.
    """

    loads: tuple[LoadSpec, ...]
    outputs: tuple[int, ...]
    slice_ns: int
    seed: str


def spec_from_json(text: bytes) -> LoadSpec | TurnSpec | None:
    """Return the load, or the loads by turns, that a line of JSON holds, None for an empty one."""
    values = json.loads(text or b"null")
    if values is None or "loads" not in values:
        return load_spec_from_json(text)
    loads = tuple(load_spec_of_values(load) for load in values["loads"])
    return TurnSpec(**{**values, "loads": loads, "outputs": tuple(values["outputs"])})


def load_spec_of_values(values: dict[str, Any]) -> LoadSpec:
    """Return the load spec that *values* of JSON are."""
    ask = values.get("ask")
    ask = Ask(**ask) if ask else None
    return LoadSpec(**{**values, "ask": ask, "cpus": tuple(values["cpus"])})


def load_spec_from_json(text: bytes) -> LoadSpec | None:
    """Return the load spec that a line of JSON holds, None for an empty one."""
    values = json.loads(text or b"null")
    return None if values is None else load_spec_of_values(values)


def host_field(spec: LoadSpec) -> str:
    """Return what stands in the Host field of requests (RFC 9110 §7.2)."""
    return f"{in_url(without_zone(spec.host))}:{spec.port}"


def without_zone(host: str) -> str:
    """Return *host* without the zone of an IPv6 address, which is our machine's own (RFC 6874)."""
    return host.partition("%")[0]


def ring(spec: LoadSpec) -> list[Request]:
    """Return requests as sent, each with the body of its right response, drawn from the seed.

    The body is None where any is right.
    """
    if spec.ask:
        body = spec.ask.body
        right_body = None if body is None else body.encode("latin-1")
        return [(spec.ask.request.encode("latin-1"), right_body)]
    draw = random.Random(spec.seed)
    connection = "" if spec.keep_alive else "Connection: close\r\n"
    fields = f"Host: {host_field(spec)}\r\n{connection}"
    requests: list[Request] = []
    for _ in range(spec.variety):
        op = draw.choice(("add", "sub", "mult"))
        one, other = draw.randrange(10_000), draw.randrange(10_000)
        right = {"add": one + other, "sub": one - other, "mult": one * other}[op]
        if draw.random() < spec.post_share:
            body = json.dumps({"op": op, "arg1": one, "arg2": other})
            length = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            request = f"POST /calc HTTP/1.1\r\n{fields}{length}\r\n{body}"
            response = json.dumps({"result": right})
        else:
            request, response = f"GET /{op}/{one}/{other} HTTP/1.1\r\n{fields}\r\n", str(right)
        requests.append((request.encode(), response.encode()))
    # Drivers beside one another begin at different places of the same ring.
    start = spec.number * len(requests) // spec.drivers
    return requests[start:] + requests[:start]


class Ring:
    """The requests, again and again; `take` gives the next and the body of its right response."""

    def __init__(self, spec: LoadSpec) -> None:
        self.requests = ring(spec)
        self.laps = 0  # how often all of them have been begun, the present time included
        self.take = itertools.chain.from_iterable(self.each_lap()).__next__

    def each_lap(self) -> Iterator[list[Request]]:
        """Yield all the requests again and again, and count how often."""
        while True:
            self.laps += 1
            yield self.requests

    def begun(self) -> int:
        """Return how many requests have been begun; for the end, because it takes what is left.

        It does not rest on anything that is recorded, so that the two can be compared.
        """
        laps, left = self.laps, -1
        while self.laps == laps:
            self.take()
            left += 1
        return laps * len(self.requests) - left
