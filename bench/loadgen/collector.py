"""Collect what drivers report: read their messages, merge their samples, count."""

from collections import Counter
from typing import TYPE_CHECKING

from calcbench.bench.loadgen.causes import merge
from calcbench.bench.loadgen.observation import LATE_NS, Observation
from calcbench.bench.loadgen.protocol import (
    CAUSE_BITS,
    CAUSE_SHIFT,
    MOST_CAUSES,
    PACKED,
    SAMPLE,
    TAG_BITS,
    WAITED,
    DriverReport,
    TurnsReport,
)
from calcbench.bench.loadgen.report_reader import ReportReader
from calcbench.bench.loadgen.slices import Slices, own_ns, slices_of
from calcbench.bench.loadgen.spec import LoadSpec
from calcbench.bench.loadgen.tally import Tally
from calcbench.bench.schema.samples import MAX_SAMPLES
from calcbench.core.errors import CalcbenchError

if TYPE_CHECKING:
    from calcbench.bench.schema.histogram import Histograms
    from calcbench.bench.schema.samples import Samples


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
        self.all_readers = tuple(readers)  # those too that are forgotten
        self.max_samples = max_samples
        self.pieces: list[tuple[ReportReader, bytes]] = []
        self.samples = 0
        self.tally = Tally(late_ns)
        self.turns: TurnsReport | None = None
        self.idle_cpu_ratio = 0.0
        self.slices: Slices | None = None
        self.histograms: Histograms | None = None

    def add(self, reader: ReportReader, samples: bytes) -> None:
        """Take *samples* of one driver; when there are too many, make histograms of all."""
        self.pieces.append((reader, samples))
        self.samples += len(samples) // PACKED.size
        opened = all(one.opened_ns for one in self.readers)
        if self.samples > self.max_samples and opened and not self.by_turns:
            self.fold()

    @property
    def by_turns(self) -> bool:
        """Whether what counts is only known at the end, by the turns that there were."""
        return any(reader.by_turns for reader in self.readers)

    def forget(self, reader: ReportReader) -> None:
        """Leave out a driver that will never report; what is folded already stays."""
        number = self.readers.index(reader)
        del self.specs[number], self.readers[number]
        self.pieces = [piece for piece in self.pieces if piece[0] is not reader]

    def fold(self) -> None:
        """Take all samples that are held into the histograms, and let go of them."""
        from calcbench.bench.schema.histogram import Histograms

        self.histograms = self.histograms or Histograms(keeps_schedule=self.specs[0].keeps_schedule)
        for piece in self.pieces:
            self.histograms.add(self.count(self.columns([piece])))
        self.pieces.clear()

    def count(self, columns: "Samples") -> "Samples":
        """Count what is in *columns*; return those of them that are samples of the window."""
        if self.slices:
            placed = self.slices.place(columns)
            if self.specs[0].rate:  # who was out at any time since the opening, also between slices
                self.tally.meet(columns["client"], columns["outcome"])
            return self.tally.add(placed, self.specs[0], self.slices.elapsed_ns, in_slices=True)
        opened, closed = self.window()
        return self.tally.add(columns, self.specs[0], closed - opened, in_slices=False)

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
            driver = np.full(len(array), self.all_readers.index(reader))
            arrays.append(np.column_stack((array, driver)))
        whole = np.concatenate(arrays) if arrays else np.empty((0, SAMPLE + 1), np.int64)
        if len(self.readers) > 1:
            whole = whole[np.argsort(whole[:, 3], kind="stable")]
        whole[:, :4] -= self.window()[0]
        intended, sent, first, done, tag, driver = whole.T
        return {
            "sent_ns": sent,
            "latency_ns": done - intended,
            "client": tag >> TAG_BITS,
            "outcome": tag & (WAITED - 1),
            "intended_ns": intended,
            "first_ns": first,
            "done_ns": done,
            "waited": (tag & WAITED) // WAITED,
            "cause": driver << CAUSE_BITS | tag >> CAUSE_SHIFT & MOST_CAUSES,
        }

    def take_turns(self) -> None:
        """Take note of the turns that the driver reports; a single one is a window."""
        [reader] = self.readers
        report = reader.report
        assert report
        assert report.turns
        self.turns = report.turns
        others_ns = report.turns.closed_ns - reader.opened_ns - own_ns(report.turns.turns)
        self.idle_cpu_ratio = report.turns.idle_cpu_ns / max(others_ns, 1)
        if len(report.turns.turns) == 1:
            reader.opened_ns = report.turns.turns[0][1]
        else:
            self.slices = slices_of(report.turns, reader.opened_ns)

    def collect(self) -> Observation:
        """Return all of it, when every driver has reported."""
        if self.by_turns:
            self.take_turns()
        if self.histograms or self.samples > self.max_samples:
            self.fold()
        samples = self.count(self.columns(self.pieces))
        reports = [reader.report for reader in self.readers if reader.report]
        opened, closed = self.window()
        if closed <= opened:
            raise CalcbenchError("the drivers' windows did not overlap; make them longer")
        elapsed_ns = self.slices.elapsed_ns if self.slices else closed - opened
        share = self.share_counted(self.tally.outcomes().total)
        reported = [
            (opened + one.ahead_ns, one.report.failures if one.report else ())
            for one in self.all_readers
        ]
        failures, places = merge(reported, self.tally.causes)
        samples["cause"] = places[samples["cause"]]
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
            server_cpu_ns=max(scaled(one.server_cpu_ns, one, elapsed_ns, share) for one in reports),
            driver_cpu_ns=sum(scaled(one.driver_cpu_ns, one, elapsed_ns, share) for one in reports),
            samples=samples,
            responses=self.tally.responses,
            offered_per_s=float(self.specs[0].rate),  # as it is read from a file
            late=self.tally.late,
            lateness_ns=self.tally.lateness_ns,
            waited=self.tally.waited,
            drivers=len(self.specs),
            driver_delay_ns=sum(
                scaled(one.driver_delay_ns, one, elapsed_ns, self.share_of_time())
                for one in reports
            ),
            background={name: dict(met) for name, met in background.items()},
            failures=failures,
            histograms=self.histograms,
            begun=sum(one.begun for one in reports),
            ended=sum(one.ended for one in reports),
            unfinished=sum(one.unfinished for one in reports),
            connections_used=len(self.tally.asked),
            unopened=sum(one.unopened for one in reports),
            think_s=float(self.specs[0].think_s),
            away_ns=sum(scaled(one.away_ns, one, elapsed_ns) for one in reports),
            busy_ns=self.tally.busy_ns if self.specs[0].think_s else None,
            turns=self.turns,
            slices=self.slices,
            idle_cpu_ratio=self.idle_cpu_ratio,
            counted_share=share if self.slices else 1.0,
            carried_ns=tuple(self.tally.carried_ns),
            warmup_ns=min(one.warmup_ns for one in reports),
        )

    def share_of_time(self) -> float:
        """Return which part of a server's turns was counted: all of a window."""
        if not self.turns:
            return 1.0
        counted_ns = sum(closed - opened for _, opened, closed, _ in self.turns.turns)
        return counted_ns / own_ns(self.turns.turns)

    def share_counted(self, counted: int) -> float:
        """Return which part of the work in a server's turns was for the *counted* requests.

        All requests cost about the same. A window has too few of them outside to go by them.
        """
        if not self.slices:
            return self.share_of_time()
        return counted / max(self.samples, 1)

    def clients_served(self) -> int:
        """Return how many clients got a right response.

        In an open loop it is all who did not ask in vain. So do users who think: who thought all
        the time has missed nothing.
        """
        if not self.specs[0].keeps_schedule:
            return len(self.tally.served)
        connections = sum(spec.connections for spec in self.specs)
        return connections - len(self.tally.asked - self.tally.served)


def scaled(time_ns: int, report: DriverReport, elapsed_ns: int, share: float = 1.0) -> int:
    """Return a *share* of *time_ns* of the window of a *report*, as for one of *elapsed_ns*."""
    return round(time_ns * share * elapsed_ns / report.elapsed_ns)
