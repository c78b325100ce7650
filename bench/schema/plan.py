"""What will be measured, and in which order.

A `Plan` is the grid of a race: every strategy under every workload, way of connecting and number
of connections, the whole of it once in each round.
"""

import itertools
import random
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from calcbench.bench.schema.arrivals import ARRIVALS, CONSTANT, THINKS
from calcbench.bench.schema.behaviours import mix
from calcbench.bench.schema.bounds import CONNECTIONS, MOST_RATE, OPTIONAL, RATE, REQUIRED
from calcbench.bench.schema.condition import AGAIN, Condition
from calcbench.core.errors import UsageError
from calcbench.core.options import Bounds, nearest

KEEP_ALIVE = "keep-alive"  # a client sends all its requests over one connection
CLOSE = "close"  # a client opens a connection for each request
REUSES = (KEEP_ALIVE, CLOSE)
OURS = "calcbench"
WRK = "wrk"
LOCUST = "locust"
ENGINES = (OURS, WRK, LOCUST)
WINDOWS = "windows"  # one server after the other, each measured in one piece
SLICES = "slices"  # the servers of one condition by turns, some milliseconds each
INTERLEAVES = (SLICES, WINDOWS)
MOST_BY_TURNS = 128  # connections to each of the servers that take turns: more cost a driver time
TOO_MANY_FOR_TURNS = f"servers with more than {MOST_BY_TURNS} connections take no turns"
LOOPBACK = "127.0.0.1"
EVERY_ADDRESS = ("0.0.0.0", "::", "")  # where a server listens at all addresses of its machine


@dataclass(frozen=True)
class Plan:
    """What a race measures; times are in seconds, *policy* holds texts like ``max_body=100``.

    Each measurement warms up for *warmup_s*, whose responses are thrown away, and then counts for
    *duration_s*. A request that has waited *timeout_s* is given up. *control* is the one of the
    strategies that is raced against itself, at the most connections: an A/A control. With a
    *precision*, a ratio, there are *rounds* at least and *most_rounds* at most, and no more once
    every difference is known that well (`calcbench.bench.analysis.stopping`). *rate* is requests
    per second in an open loop, None for a closed loop, and *arrivals* how they come. Its
    connections take turns, or with *reuse_first* the one that was used last is used next. With
    *think_s* the clients of a closed loop are users who think for so long before each request, on
    average or always, as *thinking* says. The load is made by so many *drivers*; with *engine* wrk,
    that drives as well, and with locust they are its workers. With *join* these are as many from
    other machines, which reach its master at *master_port*, 0 for a free one, and our servers at
    *host*. *behaviours* are texts like ``idle=20`` (`calcbench.bench.schema.behaviours`). With
    *interleave* slices, servers that differ in nothing else are up together and take turns, where
    they can. Who fails more than *most_failures* of the requests, a share, comes behind all who do
    not. Raises UsageError when it is made with values that cannot be raced.
    """

    strategies: tuple[str, ...]
    workloads: tuple[str, ...] = ("add",)
    reuses: tuple[str, ...] = (KEEP_ALIVE,)
    connections: tuple[int, ...] = (1, 8, 32)
    duration_s: float = 1.0
    warmup_s: float = 0.3
    rounds: int = 3
    seed: int = 1
    timeout_s: float = 2.0
    policy: tuple[str, ...] = ()
    control: str = ""
    precision: float = 0
    most_rounds: int = 0
    rate: float | None = None
    arrivals: str = CONSTANT
    reuse_first: bool = False
    think_s: float = 0
    thinking: str = CONSTANT
    drivers: int = 1
    behaviours: tuple[str, ...] = ()
    engine: str = OURS
    join: int = 0
    host: str = LOOPBACK
    master_port: int = 0
    interleave: str = WINDOWS
    most_failures: float = 0.01

    def __post_init__(self) -> None:
        for name in ("strategies", "workloads", "reuses", "connections"):
            values = getattr(self, name)
            if not values:
                raise UsageError(f"a race needs at least one of {name}")
            for value, count in Counter(values).items():
                if count > 1:
                    raise UsageError(f"{value} is given twice among {name}")
        for reuse in self.reuses:
            if reuse not in REUSES:
                raise UsageError(f"reuse {reuse!r} should be {' or '.join(REUSES)}")
        for name, (words, bounds) in REQUIRED.items():
            check(words, getattr(self, name), bounds)
        for name, (words, bounds) in OPTIONAL.items():
            if getattr(self, name):
                check(words, getattr(self, name), bounds)
        for connections in self.connections:
            check("connections", connections, CONNECTIONS)
        if self.arrivals not in ARRIVALS:
            raise UsageError(f"no arrivals {self.arrivals!r}{nearest(self.arrivals, ARRIVALS)}")
        if self.rate is not None:
            check("rate", self.rate, Bounds(RATE.least, MOST_RATE * self.drivers, self.rate_unit))
        if self.thinking not in THINKS:
            raise UsageError(f"no thinking {self.thinking!r}{nearest(self.thinking, THINKS)}")
        if self.think_s and self.rate is not None:
            raise UsageError("users who think and a rate do not go together: thinks set the pace")
        if self.think_s and self.engine == WRK:
            raise UsageError("users who think and --engine wrk do not go together: wrk never waits")
        if self.engine not in ENGINES:
            raise UsageError(f"no engine {self.engine!r}{nearest(self.engine, ENGINES)}")
        if self.interleave not in INTERLEAVES:
            raise UsageError(
                f"no interleave {self.interleave!r}{nearest(self.interleave, INTERLEAVES)}"
            )
        hindrance = why_no_slices(self.engine, self.drivers, self.behaviours, self.think_s)
        if self.interleave == SLICES and hindrance:
            raise UsageError(f"--interleave slices: {hindrance}")
        if self.engine == LOCUST and self.behaviours:
            raise UsageError("with --engine locust every client is a normal one: no --behaviour")
        if self.engine != LOCUST and (self.join or self.master_port):
            raise UsageError("--join and --master-port need --engine locust")
        if self.join and self.host in EVERY_ADDRESS:
            raise UsageError(
                f"--host {self.host or repr('')} should be with --join the one address by which the"
                " other machines reach this one"
            )
        for connections in self.connections:
            mix(self.behaviours, connections)
        if self.control and self.control not in self.strategies:
            raise UsageError(
                f"the control {self.control!r}{nearest(self.control, self.strategies)}"
            )
        if self.precision and self.most_rounds < self.rounds:
            raise UsageError(
                f"most rounds {self.most_rounds:,} should be at least the rounds, {self.rounds:,}"
            )

    @property
    def rate_unit(self) -> str:
        """What a rate counts, and whose it is."""
        if self.drivers == 1:
            return "requests per second for one driver"
        return f"requests per second for {self.drivers} drivers"

    @property
    def total(self) -> int:
        """How many measurements the race makes."""
        return len(self.conditions()) * self.rounds

    def conditions(self) -> list[Condition]:
        """Return every point of the grid once, in the order in which tables show them."""
        points = [
            Condition(strategy, workload, reuse, connections)
            for workload, reuse, connections, strategy in itertools.product(
                self.workloads, self.reuses, self.connections, self.strategies
            )
        ]
        if self.control:
            points += [
                Condition(self.control + AGAIN, workload, reuse, max(self.connections))
                for workload, reuse in itertools.product(self.workloads, self.reuses)
            ]
        return points

    def has(self, condition: Condition) -> bool:
        """Tell whether *condition* is one of its points, without making all of them."""
        usual = Condition(
            condition.strategy, condition.workload, condition.reuse, condition.connections
        )
        again = condition.is_control and condition.variant == self.control
        return (
            condition == usual
            and condition.workload in self.workloads
            and condition.reuse in self.reuses
            and condition.connections in self.connections
            and (
                condition.strategy in self.strategies
                or (again and condition.connections == max(self.connections))
            )
        )

    def groups(self, number: int, alone: Collection[str] = ()) -> list[list[Condition]]:
        """Return the points in the order of round *number*, those together that take turns.

        The variants that are measured *alone* never do. Without slices each point is a group.
        """
        groups: dict[object, list[Condition]] = {}
        for condition in self.order(number):
            key: object = condition
            together = self.interleave == SLICES and condition.connections <= MOST_BY_TURNS
            if together and condition.variant not in alone:
                key = condition.workload, condition.reuse, condition.connections
            groups.setdefault(key, []).append(condition)
        return list(groups.values())

    def order(self, number: int) -> list[Condition]:
        """Return the points in the order of round *number*, counted from 1.

        Each round has a fresh order, drawn from the seed, so that a machine that grows slower
        or is disturbed for a while does not always hurt the same strategy.
        """
        conditions = self.conditions()
        random.Random(f"{self.seed}/{number}").shuffle(conditions)
        return conditions


def why_no_slices(engine: str, drivers: int, behaviours: Sequence[str], think_s: float) -> str:
    """Return why servers cannot take turns under such a load, or nothing where they can."""
    if engine != OURS:
        return "only calcbench's own driver can turn from one server to the next"
    if drivers > 1:
        return f"{drivers} drivers cannot turn from one server to the next at one moment"
    if behaviours:
        return "the clients of --behaviour would disturb a server while it is not its turn"
    if think_s:
        return "users would think while it is not their server's turn"
    return ""


def check(name: str, number: float, bounds: Bounds) -> None:
    """Raise UsageError where *number*, called *name*, is not within *bounds*."""
    if number not in bounds:
        given = f"{100 * number:.10g}%" if bounds.unit == "%" else str(number).removesuffix(".0")
        raise UsageError(f"{name} {given} should be {bounds}")
