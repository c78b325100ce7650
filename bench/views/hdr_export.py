"""Export a run for HdrHistogram's plotter: a file for each condition, all its rounds together.

The rounds' samples are merged, never their percentiles. Of an open loop there are three files, for
the response time, the service time and the dispatch delay.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from calcbench.bench.analysis.summary import counted
from calcbench.bench.schema.condition import group_by
from calcbench.bench.schema.histogram import Ranked, count_values, new_histogram, sorted_times
from calcbench.bench.schema.histogram import write_hgrm as write
from calcbench.bench.schema.result import Measurement, Run
from calcbench.bench.schema.samples import TIMES, read_samples
from calcbench.bench.system.files import make_folder

if TYPE_CHECKING:
    from hdrh.histogram import HdrHistogram

FOLDER = "hgrm"


def export(run: Run, folder: Path, out: Path) -> list[Path]:
    """Write the files of *run*, whose result is in *folder*, below *out*; return which there are.

    Raises CalcbenchError when they cannot be written, or the samples not be read.
    """
    names = TIMES if run.plan.rate else TIMES[:1]
    written = []
    make_folder(out / FOLDER)
    for condition, rounds in group_by(run.measurements, lambda one: one.condition).items():
        good = counted(rounds)
        for name in names if good else ():
            path = out / FOLDER / f"{condition.slug}-{name}.hgrm"
            write(merged(good, folder, name), path)
            written.append(path)
    return written


def merged(measurements: list[Measurement], folder: Path, name: str) -> "HdrHistogram":
    """Return one histogram of the time *name* in all *measurements*."""
    import numpy as np

    histogram = new_histogram()
    for measurement in measurements:
        times = sorted_times(read_samples(folder, measurement), name)
        if isinstance(times, Ranked):
            for value, count in zip(times.values.tolist(), times.counts.tolist(), strict=True):
                histogram.record_value(value, count)
        else:
            count_values(histogram, np.asarray(times, np.int64))
    return histogram
