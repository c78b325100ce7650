"""Export a run for HdrHistogram's plotter: a file for each condition, all its rounds together.

The rounds' samples are merged, never their percentiles. Requests without their right response are
counted as in every quantile here (`calcbench.bench.analysis.quantiles`); where of some it is only
known how long they took at least, a line of the file says so. Of an open loop there are three
files, for the response time, the service time and the dispatch delay.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from calcbench.bench.analysis.quantiles import Waits
from calcbench.bench.analysis.summary import counted
from calcbench.bench.schema.condition import group_by
from calcbench.bench.schema.histogram import count_values, counted_times, new_histogram
from calcbench.bench.schema.histogram import write_hgrm as write
from calcbench.bench.schema.judgements import DRIVER_BOUND
from calcbench.bench.schema.result import Measurement, Run
from calcbench.bench.schema.samples import TIMES, read_samples
from calcbench.bench.system.files import make_folder
from calcbench.bench.units import format_count

if TYPE_CHECKING:
    from hdrh.histogram import HdrHistogram

FOLDER = "hgrm"
AT_LEAST = "the longest {:,} of {:,} got no right response and took longer than it says"
LIMITED = "the driver was the limit in {:,} of {}, whose times are not the server's alone"


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
            write(*merged(good, folder, name), path)
            written.append(path)
    return written


def merged(measurements: list[Measurement], folder: Path, name: str) -> "tuple[HdrHistogram, str]":
    """Return one histogram of the time *name* in all *measurements*, and a remark on it."""
    import numpy as np

    pairs = [counted_times(read_samples(folder, one), name) for one in measurements]
    known, censored = (
        (np.concatenate([values for values, _ in kind]), np.concatenate([n for _, n in kind]))
        for kind in zip(*pairs, strict=True)
    )
    waits = Waits(known, censored)
    histogram = new_histogram()
    count_values(histogram, *waits.counts())
    remarks = [AT_LEAST.format(waits.in_vain, waits.total)] if waits.in_vain else []
    if limited := sum(one.judgement == DRIVER_BOUND for one in measurements):
        remarks.append(LIMITED.format(limited, format_count(len(measurements), "round")))
    return histogram, "; ".join(remarks)
