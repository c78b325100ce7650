"""Collect what drivers report: read their messages, merge their samples, count."""

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from calcbench.bench.loadgen.observation import LATE_NS, Observation, count_late
from calcbench.bench.loadgen.protocol import (
    LARGEST_MESSAGE,
    MESSAGE,
    SAMPLE,
    SAMPLES,
    TAG_BITS,
    WAITED,
    DriverError,
    DriverReport,
    Message,
    Opened,
    Ready,
    ReportError,
    from_octets,
)
from calcbench.bench.loadgen.spec import LoadSpec
from calcbench.bench.schema.outcomes import OK, OUTCOMES, Outcomes
from calcbench.bench.schema.samples import MAX_SAMPLES
from calcbench.core.errors import CalcbenchError

if TYPE_CHECKING:
    from calcbench.bench.schema.histogram import Histograms
    from calcbench.bench.schema.samples import Samples


@dataclass
class ReportReader:
    """The messages of one driver, and what it has reported until now: *report* comes last."""

    data: bytearray = field(default_factory=bytearray)
    is_ready: bool = False
    opened_ns: int = 0
    ahead_ns: int = 0  # how much more its clock shows than ours
    report: DriverReport | None = None

    def put_at(self, moment_ns: int) -> None:
        """Have its window open at *moment_ns* of our clock: its own is another machine's."""
        self.ahead_ns = self.opened_ns - moment_ns
        self.opened_ns = moment_ns

    def messages(self) -> "list[bytes]":
        """Take in the whole messages that are there; return the samples among them.

        Raises CalcbenchError when the driver says that it cannot drive, ReportError when it makes
        no sense.
        """
        samples = []
        while len(self.data) >= MESSAGE.size:
            kind, length = MESSAGE.unpack_from(self.data)
            if not 0 <= length <= LARGEST_MESSAGE:  # it would be kept until it is whole
                raise ReportError(f"a driver reports a message of {length:,} bytes")
            end = MESSAGE.size + length
            if len(self.data) < end:
                break
            content = bytes(memoryview(self.data)[MESSAGE.size : end])
            del self.data[:end]
            if kind == SAMPLES:
                samples.append(content)
            else:
                self.on_message(from_octets(kind, content))
        return samples

    def on_message(self, message: Message) -> None:
        """Take in *message*; raises CalcbenchError when it says that the driver cannot drive."""
        untimely = Opened if self.opened_ns else DriverReport
        if self.report or isinstance(message, untimely):
            raise ReportError("a driver reports twice, or before its window has opened")
        match message:
            case Ready():
                self.is_ready = True
            case Opened():
                self.opened_ns = message.opened_ns
            case DriverReport():
                self.report = message
            case DriverError():
                raise CalcbenchError(f"the driver cannot drive: {message.error}")


class Collector:
    """The samples of all drivers, and what they are together.

    The window of several drivers is the time in which all of their windows are open. Beyond
    *max_samples* there are histograms instead. A request was late that was sent more than *late_ns*
    after it was due though a connection was free.
    """

    def __init__(
        self,
        specs: list[LoadSpec],
        readers: list[ReportReader],
        *,
        max_samples: int = MAX_SAMPLES,
        late_ns: int = LATE_NS,
    ) -> None:
        self.specs, self.readers = specs, readers
        self.max_samples, self.late_ns = max_samples, late_ns
        self.pieces: list[tuple[ReportReader, bytes]] = []
        self.samples = 0
        self.tally = Tally()
        self.histograms: Histograms | None = None

    def add(self, reader: ReportReader, samples: bytes) -> None:
        """Take *samples* of one driver; when there are too many, make histograms of all."""
        self.pieces.append((reader, samples))
        self.samples += len(samples) // (8 * SAMPLE)
        opened = all(one.opened_ns for one in self.readers)
        if self.samples > self.max_samples and opened:
            self.fold()

    def forget(self, reader: ReportReader) -> None:
        """Leave out a driver that will never report; what is folded already stays."""
        number = self.readers.index(reader)
        del self.specs[number], self.readers[number]
        self.pieces = [piece for piece in self.pieces if piece[0] is not reader]

    def fold(self) -> None:
        """Take all samples that are held into the histograms, and let go of them."""
        from calcbench.bench.schema.histogram import Histograms

        self.histograms = self.histograms or Histograms()
        for piece in self.pieces:
            self.histograms.add(self.tally.add(self, self.columns([piece])))
        self.pieces.clear()

    def window(self) -> tuple[int, int]:
        """Return when the common window opens and closes.

        That of an open loop closes as planned. In a closed one it closes between two batches of
        events, and when that was is not known before the end.
        """
        opened = max(reader.opened_ns for reader in self.readers)
        report = self.readers[0].report
        if len(self.readers) == 1 and report and not self.specs[0].rate:
            return opened, opened + report.elapsed_ns
        duration_ns = round(self.specs[0].duration_s * 1e9)
        return opened, min(reader.opened_ns for reader in self.readers) + duration_ns

    def columns(self, pieces: list[tuple[ReportReader, bytes]]) -> "Samples":
        """Return the samples in *pieces* as the columns of `Samples`, in order of their end.

        All of them are there, also those beyond the window.
        """
        import numpy as np

        offsets = [0]
        for spec in self.specs:
            offsets.append(offsets[-1] + spec.connections)
        arrays = []
        for reader, piece in pieces:
            array = np.frombuffer(piece, np.int64).reshape(-1, SAMPLE).copy()
            array[:, :4] -= reader.ahead_ns
            number = offsets[self.readers.index(reader)]
            array[array[:, 4] >= 0, 4] += number << TAG_BITS
            arrays.append(array)
        whole = np.concatenate(arrays) if arrays else np.empty((0, SAMPLE), np.int64)
        if len(self.readers) > 1:
            whole = whole[np.argsort(whole[:, 3], kind="stable")]
        whole[:, :4] -= self.window()[0]
        intended, sent, first, done, tag = whole.T
        return {
            "sent_ns": sent,
            "latency_ns": done - intended,
            "client": tag >> TAG_BITS,
            "outcome": tag & (WAITED - 1),
            "intended_ns": intended,
            "first_ns": first,
            "done_ns": done,
            "waited": (tag & WAITED) // WAITED,
        }

    def collect(self) -> Observation:
        """Return all of it, when every driver has reported."""
        folded = self.histograms is not None
        if folded:
            self.fold()
        samples = self.tally.add(self, self.columns(self.pieces))
        reports = [reader.report for reader in self.readers if reader.report]
        opened, closed = self.window()
        if closed <= opened:
            raise CalcbenchError("the drivers' windows did not overlap; make them longer")
        elapsed_ns = closed - opened
        background: dict[str, Counter[str]] = {}
        for report, spec in zip(reports, self.specs, strict=True):
            for name, clients in spec.background.items():
                if name in report.background:
                    met = background.setdefault(name, Counter())
                    met.update(report.background[name], clients=clients)
        return Observation(
            opened_ns=opened,
            elapsed_ns=elapsed_ns,
            outcomes=self.tally.outcomes(),
            clients_served=self.clients_served(),
            in_flight_ns=tuple(ns for one in reports for ns in one.in_flight_ns),
            server_cpu_ns=max(scaled(one.server_cpu_ns, one, elapsed_ns) for one in reports),
            driver_cpu_ns=sum(scaled(one.driver_cpu_ns, one, elapsed_ns) for one in reports),
            samples=samples,
            responses=self.tally.responses,
            offered_per_s=float(self.specs[0].rate),  # as it is read from a file
            late=self.tally.late,
            lateness_ns=self.tally.lateness_ns,
            waited=self.tally.waited,
            drivers=len(self.specs),
            driver_delay_ns=sum(scaled(one.driver_delay_ns, one, elapsed_ns) for one in reports),
            background={name: dict(met) for name, met in background.items()},
            first_failures=dict(
                why for one in reversed(reports) for why in one.first_failures.items()
            ),
            histograms=self.histograms,
            begun=sum(one.begun for one in reports),
            ended=sum(one.ended for one in reports),
            unfinished=sum(one.unfinished for one in reports),
        )

    def clients_served(self) -> int:
        """Return how many clients got a response; in an open loop, all that did not ask in vain."""
        if not self.specs[0].rate:
            return len(self.tally.served)
        connections = sum(spec.connections for spec in self.specs)
        return connections - len(self.tally.asked - self.tally.served)


def scaled(time_ns: int, report: DriverReport, elapsed_ns: int) -> int:
    """Return *time_ns* of the window of a *report*, as for one of *elapsed_ns*."""
    return round(time_ns * elapsed_ns / report.elapsed_ns)


@dataclass
class Tally:
    """What is counted of samples, piece by piece."""

    ways: "list[int]" = field(default_factory=lambda: [0] * len(OUTCOMES))
    served: set[int] = field(default_factory=set)
    asked: set[int] = field(default_factory=set)
    responses: int = 0
    late: int = 0
    lateness_ns: int = 0
    waited: int = 0

    def add(self, collector: Collector, columns: "Samples") -> "Samples":
        """Count what is in *columns*; return those of them that are samples of the window."""
        import numpy as np

        opened, closed = collector.window()
        open_loop = collector.specs[0].rate > 0
        right = columns["outcome"] == OK
        ended = (columns["done_ns"] >= 0) & (columns["done_ns"] <= closed - opened)
        counted = ended
        if open_loop:
            counted = (columns["intended_ns"] >= 0) & (columns["intended_ns"] < closed - opened)
        self.responses += int(np.count_nonzero(right & ended))
        inside = {name: column[counted] for name, column in columns.items()}
        client, outcome = inside["client"], inside["outcome"]
        ways = np.bincount(outcome, minlength=len(OUTCOMES))
        self.ways = [have + int(new) for have, new in zip(self.ways, ways, strict=True)]
        self.served |= set(np.unique(client[outcome == OK]).tolist())
        self.asked |= set(np.unique(client[client >= 0]).tolist())
        if open_loop:
            late, lateness_ns, waited = count_late(inside, collector.late_ns)
            self.late, self.waited = self.late + late, self.waited + waited
            self.lateness_ns = max(self.lateness_ns, lateness_ns)
        return inside

    def outcomes(self) -> Outcomes:
        """Return how many requests ended in each way."""
        return Outcomes(*self.ways)
