"""One load of all workers, as the harness sees it: who has which part, and what they report."""

import contextlib
import dataclasses
import time
from collections.abc import Iterator, Mapping

from calcbench.bench.loadgen.collector import Collector, ReportReader
from calcbench.bench.loadgen.locust.messages import plain
from calcbench.bench.loadgen.observation import Observation
from calcbench.bench.loadgen.spec import LoadSpec
from calcbench.bench.system.cpu_time import group_cpu_ns
from calcbench.core.errors import CalcbenchError

NEVER = float("inf")
LONGEST_ERROR = 500  # characters of what a driver says of itself


@contextlib.contextmanager
def understanding() -> Iterator[None]:
    """Have a report whose samples make no sense fail its load, and not the whole race.

    Who joins from elsewhere may be anybody. Messages have been checked when they came.
    """
    try:
        yield
    except CalcbenchError as error:
        raise CalcbenchError(plain(error, LONGEST_ERROR)) from None
    except ValueError as error:
        problem = plain(f"{type(error).__name__}: {error}")
        raise CalcbenchError(f"a worker reports what cannot be understood ({problem})") from None


class LoadSession:
    """The *spec*, from the moment when it is `assign`-t out until it `is_over`.

    The clocks of machines differ, so all windows are put at one instant, the one at which they
    should open: a warm-up after the message to begin. They really do so later by the way of that
    message, on a local network a fraction of a millisecond, and by what a worker takes to wake.
    """

    def __init__(self, spec: LoadSpec) -> None:
        self.spec = spec
        self.shares: dict[int, int] | None = None  # connections, by the number of the worker
        self.readers: dict[int, ReportReader] = {}  # of the workers that are there
        self.lost: dict[int, str] = {}  # how those have gone whose report has not come
        self.collector = Collector([], [])
        self.opens = NEVER  # of `time.perf_counter_ns`
        self.cpu_readings: list[tuple[int, int]] = []  # when, and the server's CPU until then

    def assign(self, shares: Mapping[int, int]) -> None:
        """Take note of how many connections each worker has.

        Raises CalcbenchError where they are not as many as there should be.
        """
        started, needed = sum(shares.values()), self.spec.connections
        if started != needed:
            raise CalcbenchError(f"Locust started {started:,} of {needed:,} users")
        self.shares = dict(shares)
        self.readers = {number: ReportReader() for number in shares}
        parts = [
            dataclasses.replace(self.spec, connections=connections)
            for connections in shares.values()
        ]
        self.collector = Collector(parts, list(self.readers.values()))

    @property
    def is_assigned(self) -> bool:
        """Whether it is known who has which part."""
        return self.shares is not None

    @property
    def is_ready(self) -> bool:
        """Whether everybody who is there is ready."""
        return all(reader.is_ready for reader in self.readers.values())

    @property
    def is_over(self) -> bool:
        """Whether everybody who is there has reported."""
        return all(reader.report is not None for reader in self.readers.values())

    def begin(self) -> None:
        """Take note that everybody has been sent the message to begin."""
        self.opens = time.perf_counter_ns() + self.spec.warmup_s * 1e9

    def take(self, number: int, octets: bytes) -> None:
        """Take in what worker *number* reports; raises CalcbenchError if it cannot drive."""
        reader = self.readers.get(number)
        if reader is None:  # it had been given up
            return
        reader.data += octets
        with understanding():
            samples = reader.messages()
            if reader.opened_ns and self.opens == NEVER:
                raise ValueError("a window that opens before it should")
            if reader.opened_ns and not reader.ahead_ns:
                reader.put_at(round(self.opens))
            for piece in samples:
                self.collector.add(reader, piece)

    def lose(self, number: int, how: str) -> None:
        """Go on without worker *number*; *how* it has gone matters if it has not reported."""
        reader = self.readers.get(number)
        if reader is not None and reader.report is None:
            self.lost[number] = how
            self.collector.forget(reader)
            del self.readers[number]

    @property
    def next_reading(self) -> float:
        """When to `read_cpu` next: at the opening and the closing of the window."""
        moments = (self.opens, self.opens + self.spec.duration_s * 1e9)
        return moments[len(self.cpu_readings)] if len(self.cpu_readings) < len(moments) else NEVER

    def read_cpu(self) -> None:
        """See what the server has used until now, if it is time to."""
        if time.perf_counter_ns() >= self.next_reading:
            group = self.spec.server_group
            self.cpu_readings.append((time.perf_counter_ns(), group_cpu_ns(group) if group else 0))

    def result(self, names: Mapping[int, str]) -> Observation:
        """Return what was seen together; *names* are those of the workers.

        Raises CalcbenchError where this machine was too busy to read the server's CPU time when it
        should.
        """
        with understanding():
            observation = self.collector.collect()
            responses_seen = sum(map(responses_of, self.readers.values()))
        (opened, before), (closed, after) = self.cpu_readings
        late_s = (opened - self.opens) / 1e9
        if self.spec.server_group and late_s > self.spec.duration_s / 2:
            raise CalcbenchError(
                f"this machine is too busy: it read the server's CPU time {late_s:.1f} s late"
            )
        return dataclasses.replace(
            observation,
            server_cpu_ns=max(after - before, 0)
            * observation.elapsed_ns
            // max(closed - opened, 1),
            responses_seen=responses_seen,
            lost=self.losses(names),
        )

    def losses(self, names: Mapping[int, str]) -> str:
        """Say who has gone, and what is lost with them, or nothing."""
        whole, shares = self.spec.connections, self.shares or {}
        return "; ".join(
            f"{names[number]} {how}: its share, {shares[number]:,} of {whole:,} connections"
            f" ({shares[number] / whole:.0%}), is lost"
            for number, how in self.lost.items()
        )


def responses_of(reader: ReportReader) -> int:
    """Return how many responses a worker has counted; raises ValueError where it did not."""
    if reader.report is None or reader.report.responses is None:
        raise ValueError("responses is missing")
    return reader.report.responses
