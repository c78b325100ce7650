"""Samples on their way from a driver: none lost, none twice, in whatever pieces they go."""

import os
import threading
from array import array

import pytest

from calcbench.bench.loadgen.driver.recorder import Recorder
from calcbench.bench.loadgen.protocol import (
    BATCH,
    PACKED,
    SAMPLE,
    DriverError,
    DriverReport,
    Opened,
)
from calcbench.bench.loadgen.report_reader import ReportReader
from calcbench.core.errors import CalcbenchError


def read_reports(fd: int) -> tuple[ReportReader, list[int]]:
    """Read *fd* to its end; return what was reported, and all integers of the samples."""
    reader, numbers = ReportReader(), array("q")
    while chunk := os.read(fd, 1000):
        reader.data += chunk
        for samples in reader.messages():
            numbers.frombytes(samples)
    assert not reader.data
    return reader, list(numbers)


@pytest.mark.parametrize("meanwhile", [True, False], ids=["read meanwhile", "read in the end"])
def test_sends_old_samples_while_it_records_new_ones(meanwhile: bool) -> None:
    reading, writing = os.pipe()
    found: list[tuple[ReportReader, list[int]]] = []
    thread = threading.Thread(target=lambda: found.append(read_reports(reading)))
    if meanwhile:
        thread.start()
    ours = Recorder(writing, piece_size=BATCH, kept=2)
    ours.add(PACKED.pack(1, 2, 3, 4, 5))  # before the window: nobody's
    ours.tidy()
    ours.counting = True
    ours.send(Opened(7))
    for number in range(50 * BATCH):
        ours.add(PACKED.pack(number, 0, 0, 0, -number))
        if len(ours.fresh) >= BATCH:
            ours.tidy()
    if not meanwhile:
        assert ours.pending  # the pipe is full, and recording went on
        thread.start()
    ours.finish()
    report = DriverReport(9, 8, 7, 6, (5, 4), 4, 3, 2, background={"idle": {"connections": 1}})
    ours.send(report)
    os.close(writing)
    thread.join()
    os.close(reading)
    reader, numbers = found[0]

    assert numbers[::SAMPLE] == list(range(50 * BATCH))
    assert numbers[4::SAMPLE] == [-number for number in range(50 * BATCH)]
    assert (reader.opened_ns, reader.report) == (7, report)


def test_passes_on_why_a_driver_cannot_drive() -> None:
    reading, writing = os.pipe()
    Recorder(writing).send(DriverError("no file left"))
    os.close(writing)
    with os.fdopen(reading, "rb"), pytest.raises(CalcbenchError, match="no file left"):
        read_reports(reading)
