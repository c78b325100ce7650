"""One drive of all workers, as the harness sees it: who has which part, and what they tell."""

import contextlib
import dataclasses
import time
from collections.abc import Iterator, Mapping

from calcbench.bench.loadgen.collector import Collector, Telling
from calcbench.bench.loadgen.locust.messages import plain
from calcbench.bench.loadgen.observation import Driven
from calcbench.bench.loadgen.spec import Drive
from calcbench.bench.system.procfs import group_cpu_ns
from calcbench.core.errors import CalcbenchError

NEVER = float("inf")


@contextlib.contextmanager
def understanding() -> Iterator[None]:
    """Have what a worker says and nobody can understand fail the drive, and not the race.

    Who joins from elsewhere may be anybody.
    """
    try:
        yield
    except (LookupError, TypeError, ValueError) as error:
        problem = plain(f"{type(error).__name__}: {error}")
        raise CalcbenchError(f"a worker tells what cannot be understood ({problem})") from None


class LoadSession:
    """The *drive*, from the moment when it is `assign`-t out until it `is_over`.

    The clocks of machines differ, so all windows are put at one instant, the one at which they
    should open: a warm-up after the word to begin. They really do so later by the way of that
    word, on a local network a fraction of a millisecond, and by what a worker takes to wake.
    """

    def __init__(self, drive: Drive) -> None:
        self.drive = drive
        self.shares: dict[int, int] | None = None  # connections, by the number of the worker
        self.tellings: dict[int, Telling] = {}  # of the workers that are there
        self.lost: dict[int, str] = {}  # how those have gone that have not told all
        self.collector = Collector([], [])
        self.opens = NEVER  # of `time.perf_counter_ns`
        self.looks: list[tuple[int, int]] = []  # when, and the server's CPU until then

    def assign(self, shares: Mapping[int, int]) -> None:
        """Take note of how many connections each worker has.

        Raises CalcbenchError where they are not as many as there should be.
        """
        started, needed = sum(shares.values()), self.drive.connections
        if started != needed:
            raise CalcbenchError(f"Locust started {started:,} of {needed:,} users")
        self.shares = dict(shares)
        self.tellings = {number: Telling() for number in shares}
        parts = [
            dataclasses.replace(self.drive, connections=connections)
            for connections in shares.values()
        ]
        self.collector = Collector(parts, list(self.tellings.values()))

    @property
    def is_assigned(self) -> bool:
        """Whether it is known who has which part."""
        return self.shares is not None

    @property
    def is_ready(self) -> bool:
        """Whether everybody who is there is ready."""
        return all(telling.is_ready for telling in self.tellings.values())

    @property
    def is_over(self) -> bool:
        """Whether everybody who is there has told all."""
        return all(telling.seen for telling in self.tellings.values())

    def begin(self) -> None:
        """Take note that everybody has been told to begin."""
        self.opens = time.perf_counter_ns() + self.drive.warmup_s * 1e9

    def take(self, number: int, octets: bytes) -> None:
        """Take in what worker *number* has told; raises CalcbenchError if it cannot drive."""
        telling = self.tellings.get(number)
        if telling is None:  # it had been given up
            return
        telling.data += octets
        with understanding():
            samples = telling.messages()
            if telling.opened_ns and not telling.ahead_ns:
                telling.put_at(round(self.opens))
            for piece in samples:
                self.collector.add(telling, piece)

    def lose(self, number: int, how: str) -> None:
        """Go on without worker *number*; *how* it has gone matters if it has not told all."""
        telling = self.tellings.get(number)
        if telling is not None and not telling.seen:
            self.lost[number] = how
            self.collector.forget(telling)
            del self.tellings[number]

    @property
    def looks_at(self) -> float:
        """When to `look` next: at the opening and the closing of the window."""
        moments = (self.opens, self.opens + self.drive.duration_s * 1e9)
        return moments[len(self.looks)] if len(self.looks) < len(moments) else NEVER

    def look(self) -> None:
        """See what the server has used until now, if it is time to."""
        if time.perf_counter_ns() >= self.looks_at:
            group = self.drive.server_group
            self.looks.append((time.perf_counter_ns(), group_cpu_ns(group) if group else 0))

    def result(self, names: Mapping[int, str]) -> Driven:
        """Return what was seen together; *names* are those of the workers.

        Raises CalcbenchError where this machine was too busy to look at the server in time.
        """
        with understanding():
            driven = self.collector.collect()
            seen_answers = sum(int(one.seen["answers"]) for one in self.tellings.values())
        (opened, before), (closed, after) = self.looks
        late_s = (opened - self.opens) / 1e9
        if self.drive.server_group and late_s > self.drive.duration_s / 2:
            raise CalcbenchError(
                f"this machine is too busy: it looked at the server {late_s:.1f} s late"
            )
        return dataclasses.replace(
            driven,
            server_cpu_ns=max(after - before, 0) * driven.elapsed_ns // max(closed - opened, 1),
            seen_answers=seen_answers,
            lost=self.losses(names),
        )

    def losses(self, names: Mapping[int, str]) -> str:
        """Say who has gone, and what is lost with them, or nothing."""
        whole, shares = self.drive.connections, self.shares or {}
        return "; ".join(
            f"{names[number]} {how}: its share, {shares[number]:,} of {whole:,} connections"
            f" ({shares[number] / whole:.0%}), is lost"
            for number, how in self.lost.items()
        )
