"""What was measured in slices, as if it had been one window."""

import random
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest
from builders import make_observation

from calcbench.bench.diagnosis.evidence import of_the_cores
from calcbench.bench.diagnosis.littles_law import little_ratio
from calcbench.bench.diagnosis.warmup import without_warmup
from calcbench.bench.loadgen.collector import Collector
from calcbench.bench.loadgen.protocol import TAG_BITS, DriverReport, TurnsReport
from calcbench.bench.loadgen.report_reader import ReportReader
from calcbench.bench.loadgen.slices import Slices
from calcbench.bench.loadgen.spec import LoadSpec
from calcbench.bench.schema.evidence import NO_EVIDENCE
from calcbench.bench.schema.outcomes import Outcomes
from calcbench.bench.system.cpus import Pinning
from calcbench.bench.system.series import Counters, Levels, Sample

MS = 1_000_000
# Two turns of 40, whose slices are 20 long and begin 10 after them; the gap between them is 60.
TWO = Slices(((0, 10, 30, 40), (100, 110, 130, 140)), 200)


def samples_of(*requests: tuple[int, int, int]) -> dict[str, np.ndarray]:
    """Return samples of *requests*: intended, sent, done."""
    intended, sent, done = np.array(requests, np.int64).T
    return {
        "intended_ns": intended,
        "sent_ns": sent,
        "first_ns": done,
        "done_ns": done,
        "latency_ns": done - intended,
        "client": np.zeros(len(requests), np.int64),
        "outcome": np.zeros(len(requests), np.int64),
    }


@pytest.mark.parametrize(
    ("request_", "placed"),
    [
        ((5, 5, 12), None),  # begun in the lead-in, though it ended in the slice
        ((10, 10, 12), (0, 0, 2)),
        ((29, 29, 35), (19, 19, 25)),  # it reaches into the lead-out, and counts whole
        ((30, 30, 35), None),
        ((29, 29, 115), (19, 19, 105)),  # its response came in the next turn: it has waited
        ((110, 110, 113), (20, 20, 23)),
        ((129, 131, 150), (39, 41, 60)),  # of an open loop: it was intended for the slice
        ((95, 112, 115), None),  # it waited since the lead-out of the turn before
        ((85, 112, 115), (15, 42, 45)),  # and this one since its slice, 17 and the 10 between
        ((-3, -3, 12), None),  # from the warm-up
    ],
)
def test_places_a_request_in_the_slice_for_which_it_was_intended(
    request_: tuple[int, int, int], placed: tuple[int, int, int] | None
) -> None:
    found = TWO.place(samples_of(request_))
    moments = list(zip(found["intended_ns"], found["sent_ns"], found["done_ns"], strict=True))

    assert moments == ([placed] if placed else [])
    assert list(found["latency_ns"]) == ([request_[2] - request_[0]] if placed else [])


def test_counts_the_slices_alone() -> None:
    assert TWO.elapsed_ns == 40
    assert TWO.own_ns == 80
    assert TWO.ends == [20, 40]


@pytest.mark.parametrize(("measured", "moment"), [(0, 10), (5, 15), (20, 30), (21, 111), (40, 130)])
def test_tells_when_so_much_had_been_measured(measured: int, moment: int) -> None:
    assert TWO.moment(measured) == moment


@pytest.mark.parametrize(
    ("cut", "left"),
    [
        (5, Slices(((-15, 0, 15, 25), (85, 95, 115, 125)), 185)),
        (20, Slices(((70, 80, 100, 110),), 170)),
        (25, Slices(((-15, 0, 15, 25),), 85)),
    ],
)
def test_opens_later(cut: int, left: Slices) -> None:
    assert TWO.later(cut) == left
    assert TWO.elapsed_ns - cut == left.elapsed_ns


def report_of(slices: Slices, opened_ns: int) -> DriverReport:
    """Return what a driver says of *slices* of what was opened at *opened_ns*."""
    turns = [tuple(opened_ns + moment for moment in turn) for turn in slices.turns]
    return DriverReport(
        elapsed_ns=slices.elapsed_ns,
        driver_cpu_ns=30,
        driver_delay_ns=0,
        server_cpu_ns=60,
        in_flight_ns=(),
        begun=4,
        ended=4,
        unfinished=0,
        turns=TurnsReport(cast("Any", tuple(turns)), opened_ns + slices.span_ns, 100, 6),
    )


@pytest.mark.parametrize("max_samples", [1, 1_000])
def test_counts_in_histograms_what_it_counts_as_samples(max_samples: int) -> None:
    opened_ns = 5_000
    reader = ReportReader(by_turns=True, opened_ns=opened_ns, report=report_of(TWO, opened_ns))
    collector = Collector([LoadSpec("", 1, 2, True, 40e-9)], [reader], max_samples=max_samples)
    requests = ((5, 12), (10, 12), (29, 115), (112, 118))  # the first one in a lead-in
    for number, (sent, done) in enumerate(requests):
        sample = (sent, sent, done, done)
        row = [opened_ns + moment for moment in sample] + [number % 2 << TAG_BITS]
        collector.add(reader, np.array(row, np.int64).tobytes())
    seen = collector.collect()

    assert seen.outcomes == Outcomes(ok=3)
    assert (seen.responses, seen.clients_served, seen.elapsed_ns) == (3, 2, 40)
    assert seen.server_cpu_ns == 45  # three of the four requests count
    assert seen.idle_cpu_ratio == 6 / (200 - 80)
    if max_samples == 1:
        assert seen.histograms
        columns = seen.histograms.columns()
        counts = columns["response_value_ns"].repeat(columns["response_count"])
        assert counts.tolist() == [2, 6, 86]
    else:
        assert sorted(seen.samples["latency_ns"]) == [2, 6, 86]


def test_cuts_a_warm_up_off_the_slices() -> None:
    slices = Slices(tuple((at, at + 10, at + 30, at + 40) for at in range(0, 1_000, 100)), 1_000)
    begun = [at + into for at in range(0, 1_000, 100) for into in (12, 29)]
    samples = slices.place(samples_of(*((sent, sent, sent + 4) for sent in begun)))
    seen = make_observation(
        samples=samples,
        elapsed_ns=slices.elapsed_ns,
        outcomes=Outcomes(ok=20),
        slices=slices,
        turns=TurnsReport(slices.turns, 1_000, 500, 0),
        opened_ns=7_000,
    )
    rest = without_warmup(seen, 50, [])

    assert rest.slices == slices.later(50)
    assert rest.turns
    # From the middle of the third slice on: what was begun later, those of the two before never.
    assert (rest.opened_ns, rest.closed_ns, rest.elapsed_ns) == (7_220, 8_000, 150)
    assert rest.outcomes == Outcomes(ok=15)
    assert sorted(rest.samples["sent_ns"])[:3] == [9, 12, 29]
    assert max(rest.samples["sent_ns"]) == 149
    assert rest.turns.driver_cpu_ns == 390  # of 500 in 1,000, its part in 780


def test_sees_the_same_other_load_where_a_warm_up_was_cut() -> None:
    moments = range(0, 960 * MS, 48 * MS)
    turns = tuple((at, at + 2 * MS, at + 22 * MS, at + 24 * MS) for at in moments)
    slices = Slices(turns, 1_000 * MS)
    seen = make_observation(
        samples=samples_of(*((at, at, at + 1) for at in range(0, 400 * MS, MS))),
        elapsed_ns=slices.elapsed_ns,
        outcomes=Outcomes(ok=400),
        slices=slices,
        turns=TurnsReport(turns, 1_000 * MS, 600 * MS, 0),
    )
    # The driver has three fifths of its core, 1, and somebody else one fifth.
    samples = [
        Sample(
            Counters(at, cpu_ns=at // 2, busy_ns=(at // 2, at * 4 // 5), steal_ns=(0, 0)),
            Levels(1, 1),
        )
        for at in range(0, 1_100 * MS, 100 * MS)
    ]
    pinning = Pinning(server=(0,), driver=(1,))

    for one in (seen, without_warmup(seen, 200 * MS, samples)):
        evidence = of_the_cores(NO_EVIDENCE, one, pinning, samples)
        assert evidence.other_load_ratio == pytest.approx(0.2, abs=0.001)


LENGTHS: dict[str, Callable[[random.Random], int]] = {
    "constant": lambda _: 700,
    "uneven": lambda draw: round(draw.paretovariate(1.8) * 300),
}


@pytest.mark.parametrize("spread", LENGTHS)
@pytest.mark.parametrize("lost", [(), (5, 6, 7)])
@pytest.mark.parametrize("hanging", [0, 2])  # clients who have had no response since the middle
def test_finds_by_littles_law_whether_requests_were_lost(
    spread: str, lost: tuple[int, ...], hanging: int
) -> None:
    draw = random.Random(7)
    turns, requests, clients = [], [], []
    for start in range(0, 4_000_000, 40_000):
        turns.append((start, start + 2_000, start + 12_000, start + 13_000))
        for client in range(8):
            now, number = start, 0
            while now < start + 13_000 and (client >= hanging or start < 2_000_000):
                done = now + LENGTHS[spread](draw)
                if number not in lost:
                    requests.append((now, now, done))
                    clients.append(client)
                now, number = done, number + 1
    samples = samples_of(*requests)
    samples["client"] = np.array(clients)
    slices = Slices(tuple(turns), 4_000_000)
    ratio = little_ratio(
        slices.place(samples),
        slices.elapsed_ns,
        8,
        hanging,
        keep_alive=True,
        slice_ends=slices.ends,
    )

    assert ratio is not None
    if lost:
        assert ratio < 0.95
    else:
        assert ratio == pytest.approx(1, abs=0.02)
