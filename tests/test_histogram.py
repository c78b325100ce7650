"""Histograms, against the exact samples that they stand for, and the files that hold both."""

import dataclasses
import errno
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from builders import make_condition, make_measurement
from hdrh.histogram import HdrHistogram

from calcbench.bench.analysis.quantiles import Waits
from calcbench.bench.schema.histogram import (
    HIGHEST_NS,
    Histograms,
    count_values,
    counted_times,
    counted_values,
    new_histogram,
    write_hgrm,
)
from calcbench.bench.schema.outcomes import Outcomes
from calcbench.bench.schema.plan import Plan
from calcbench.bench.schema.result import Measurement, Run
from calcbench.bench.schema.samples import TIMES, compact, expand, read_samples, write_samples
from calcbench.bench.schema.store import prepare_folder
from calcbench.bench.views.hdr_export import export
from calcbench.core.errors import CalcbenchError

if TYPE_CHECKING:
    from calcbench.bench.schema.samples import Samples

DRAW = np.random.default_rng(1)


def measured(samples: "Samples", name: str = "samples/1.npz") -> Measurement:
    """Return a measurement that counts as many outcomes as *samples* have, and keeps them there."""
    ends = Outcomes(*np.bincount(samples["outcome"], minlength=6).tolist())
    return make_measurement(make_condition(connections=7), outcomes=ends, samples=name)


def samples(count: int) -> "Samples":
    intended = np.sort(DRAW.integers(0, 10**9, count))
    sent = intended + DRAW.integers(0, 10**6, count)
    first = sent + DRAW.integers(0, 10**7, count)
    done = first + DRAW.integers(0, 10**4, count)
    return {
        "sent_ns": sent,
        "latency_ns": done - intended,
        "client": intended % 7,
        "outcome": (intended % 10 == 0).astype(np.int64),
        "intended_ns": intended,
        "first_ns": first,
        "done_ns": done,
    }


@pytest.mark.parametrize("highest", [3_000, 10**6, 10**9, HIGHEST_NS])
def test_counts_like_the_library_one_by_one(highest: int) -> None:
    values = DRAW.integers(1, highest, 2_000)
    ours, theirs = new_histogram(), new_histogram()
    count_values(ours, values)
    for value in values.tolist():
        theirs.record_value(value)

    assert ours.equals(theirs)
    assert list(counted_values(ours)) == list(counted_values(theirs))


def test_counts_what_is_out_of_range_at_its_ends() -> None:
    histogram = new_histogram()
    count_values(histogram, np.array([-5, 0, 10**18]))

    assert histogram.get_total_count() == 3


def test_has_quantiles_within_three_digits() -> None:
    exact = samples(20_000)
    histograms = Histograms()
    for start in range(0, 20_000, 7_000):
        histograms.add({name: column[start : start + 7_000] for name, column in exact.items()})
    held, right = histograms.columns(), (exact["outcome"] == 0).sum()
    for name in TIMES:
        (known, censored), of_held = counted_times(exact, name), counted_times(held, name)
        true, read = Waits(known, censored), Waits(*of_held)

        assert known[1].sum() == of_held[0][1].sum() == (20_000 if name == "dispatch" else right)
        assert censored[1].sum() == of_held[1][1].sum() == 20_000 - known[1].sum()
        for q in (0, 0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 1):
            exact_ns, read_ns = true.quantile(q), read.quantile(q)
            # At the very end two times that the histogram does not tell apart may change places.
            assert q == 1 or read_ns.at_least == exact_ns.at_least
            assert exact_ns.value * 0.999 <= read_ns.value <= exact_ns.value * 1.001 + 1


def test_keeps_every_time_of_a_sample_in_a_file(tmp_path: Path) -> None:
    exact = samples(1_000)
    prepare_folder(tmp_path)
    write_samples(tmp_path, "samples/1.npz", compact(exact))
    back = read_samples(tmp_path, measured(exact))

    assert back.keys() == exact.keys()
    for name, column in exact.items():
        assert back[name].tolist() == column.tolist()


def test_reads_the_latencies_of_an_older_file() -> None:
    old = {name: samples(10)[name] for name in ("sent_ns", "latency_ns", "client", "outcome")}
    right = np.sort(old["latency_ns"][old["outcome"] == 0]).tolist()

    assert expand(old) == old
    for name in ("response", "service"):
        (values, counts), _ = counted_times(old, name)
        assert np.repeat(values, counts).tolist() == right
    assert counted_times(old, "dispatch")[0][0].tolist() == [0]


def test_writes_what_the_plotter_reads(tmp_path: Path) -> None:
    histogram = new_histogram()
    count_values(histogram, np.arange(1, 1001) * 1_000_000)
    write_hgrm(histogram, "", tmp_path / "one.hgrm")
    lines = (tmp_path / "one.hgrm").read_text().splitlines()
    rows = [
        [float(cell) for cell in line.split()] for line in lines[2:] if not line.startswith("#")
    ]
    text = "\n".join(lines)

    assert lines[0].split() == ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"]
    assert rows[-1][:3] == pytest.approx([1000, 1, 1000], rel=1e-3)
    for value, level, count, *_ in rows[1:]:
        assert value == pytest.approx(count, rel=1e-3)
        assert level * 1000 <= count <= level * 1000 + 1
    assert float(text.split("Mean    =")[1].split(",")[0]) == pytest.approx(500.5, rel=1e-3)
    # In the same unit as the mean, which the library alone would not do.
    assert float(text.split("StdDeviation   =")[1].split("]")[0]) == pytest.approx(288.7, rel=1e-2)


def test_leaves_no_half_of_an_export_on_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(CalcbenchError, match=r"cannot write .*one\.hgrm: No space left"):
        write_hgrm(new_histogram(), "", tmp_path / "one.hgrm")

    assert list(tmp_path.iterdir()) == []


def test_relies_on_the_steps_of_the_library() -> None:
    histogram = HdrHistogram(1, HIGHEST_NS, 3)
    out = io.BytesIO()
    histogram.record_value(1)
    histogram.output_percentile_distribution(out, 1)

    assert histogram.sub_bucket_count == 2048
    assert b"StdDeviation   = " in out.getvalue()


@pytest.mark.slow
def test_exports_all_rounds_of_a_condition_together(tmp_path: Path) -> None:
    prepare_folder(tmp_path)
    plan = Plan(("selectors",), connections=(7,), rate=10.0)
    first, second, histograms = samples(500), samples(300), Histograms()
    histograms.add(second)
    write_samples(tmp_path, "samples/1.npz", compact(first))
    write_samples(tmp_path, "samples/2.npz", histograms.columns())
    run = Run(
        schema_version=1,
        name="run",
        command="",
        started="",
        finished="",
        partial=False,
        plan=plan,
        machine={},
        versions={},
        measurements=(
            measured(first),
            measured(second, "samples/2.npz"),
            dataclasses.replace(measured(first), judgement="silent"),
        ),
    )
    written = export(run, tmp_path, tmp_path)

    assert [path.name for path in written] == [
        f"selectors-add-keep-alive-7-{name}.hgrm" for name in TIMES
    ]
    for path in written:
        last = [line for line in path.read_text().splitlines() if not line.startswith("#")][-1]
        assert int(last.split()[2]) == 800
        assert "the driver was the limit" not in path.read_text()
    limited = dataclasses.replace(run.measurements[0], judgement="driver-bound")
    run = dataclasses.replace(run, measurements=(limited, *run.measurements[1:]))
    for path in export(run, tmp_path, tmp_path):
        assert "#[the driver was the limit in 1 of 2 rounds, whose" in path.read_text()
