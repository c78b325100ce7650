"""One load of all workers, as the harness sees it: who has which part, and what they report."""

import contextlib
import dataclasses
import time
from collections.abc import Iterator, Mapping

from calcbench.bench.loadgen.collector import Collector
from calcbench.bench.loadgen.locust.messages import plain
from calcbench.bench.loadgen.observation import Observation
from calcbench.bench.loadgen.protocol import NOBODY, SAMPLE, TAG_BITS, WAITED, ReportError
from calcbench.bench.loadgen.report_reader import ReportReader
from calcbench.bench.loadgen.spec import LoadSpec
from calcbench.bench.schema.outcomes import OUTCOMES
from calcbench.bench.system.cpu_time import ServerClock
from calcbench.bench.units import format_count
from calcbench.core.errors import CalcbenchError

NEVER = float("inf")
LONGEST_ERROR = 500  # characters of what a driver says of itself
SPARE_S = 30.0  # beyond what a load should take, until it is given up


@contextlib.contextmanager
def understanding() -> Iterator[None]:
    """Raise ReportError, in one short line, for whatever is wrong with a report.

    A worker is another machine's, and none of its mistakes may end the race.
    """
    try:
        yield
    except (ReportError, ValueError) as error:
        raise ReportError(plain(error, LONGEST_ERROR)) from None
    except CalcbenchError as error:
        raise CalcbenchError(plain(error, LONGEST_ERROR)) from None


def needed_s(spec: LoadSpec) -> float:
    """Return how long a load by *spec* takes at most, if nothing goes wrong."""
    return spec.warmup_s + spec.duration_s + 2 * spec.timeout_s


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
        self.server_clock = ServerClock(spec.server_group)
        self.cpu_readings: list[tuple[int, int]] = []  # when, and the server's CPU until then

    def assign(self, shares: Mapping[int, int]) -> None:
        """Take note of how many connections each worker has.

        Raises CalcbenchError where they are not as many as there should be.
        """
        started, needed = sum(shares.values()), self.spec.connections
        if started != needed:
            raise CalcbenchError(f"Locust started {started:,} of {format_count(needed, 'user')}")
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
        """Take in what worker *number* reports.

        Raises CalcbenchError if it says that it cannot drive, ReportError where it makes no sense.
        """
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
            if reader.report and reader.report.responses is None:
                raise ValueError("responses is missing")
            for piece in samples:
                self.check(number, reader, piece)
                self.collector.add(reader, piece)

    def check(self, number: int, reader: ReportReader, piece: bytes) -> None:
        """Raise ValueError unless the samples in *piece* could be those of worker *number*."""
        import numpy as np

        assert self.shares
        samples = np.frombuffer(piece, np.int64).reshape(-1, SAMPLE)
        moments, tag = samples[:, :4], samples[:, 4]
        client, outcome = tag >> TAG_BITS, tag & (WAITED - 1)
        if not reader.opened_ns:
            raise ValueError("samples before the window has opened")
        if not ((client >= NOBODY) & (client < self.shares[number])).all():
            raise ValueError("a sample of a client that it does not have")
        if not (outcome < len(OUTCOMES)).all():
            raise ValueError("a sample of no known outcome")
        opened = reader.opened_ns + reader.ahead_ns
        longest_ns = round((needed_s(self.spec) + SPARE_S) * 1e9)
        within = (moments >= opened - longest_ns) & (moments <= opened + longest_ns)
        if not within.all() or not (samples[:, 0] <= samples[:, 3]).all():
            raise ValueError("a sample of a time that cannot be")

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
            self.cpu_readings.append((time.perf_counter_ns(), self.server_clock.read()))

    def result(self, names: Mapping[int, str]) -> Observation:
        """Return what was seen together; *names* are those of the workers.

        Raises CalcbenchError where this machine was too busy to read the server's CPU time when it
        should.
        """
        with understanding():
            observation = self.collector.collect()
        reports = [reader.report for reader in self.readers.values()]
        responses_seen = sum(report.responses or 0 for report in reports if report)
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
        all_of_them = format_count(whole, "connection")
        return "; ".join(
            f"{names[number]} {how}: its share, {shares[number]:,} of {all_of_them}"
            f" ({shares[number] / whole:.0%}), is lost"
            for number, how in self.lost.items()
        )
