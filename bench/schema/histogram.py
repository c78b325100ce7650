"""Histograms with three significant digits, in place of samples where there are too many of them.

The counts are kept by HdrHistogram's own port to Python, so that they mean what they mean to
everybody else; we only find the values that share a count, many samples at a time. A value read
back is the highest that it may have been, at most a thousandth above what it was. Exports for
HdrHistogram's plotter (``.hgrm``) go through it as well, also those of exact samples.
"""

import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast, overload

from calcbench.bench.schema.lateness import own_lateness, prompt_times
from calcbench.bench.schema.outcomes import OK
from calcbench.bench.schema.samples import COLUMNS, LATENESS, TIMES
from calcbench.bench.system.files import whole_file

if TYPE_CHECKING:
    import numpy as np
    from hdrh.histogram import HdrHistogram
    from numpy.typing import NDArray

    from calcbench.bench.schema.samples import Samples

DIGITS = 3  # significant ones
SUB_BITS = 11  # 2 * 10**DIGITS steps, rounded up to a power of two, in which a value doubles
HIGHEST_NS = 3_600_000_000_000  # an hour; nothing is waited for as long
HGRM_SCALE = 1e6  # nanoseconds in the plotter's unit, the millisecond
HGRM_TICKS = 5  # lines between one half and the next of what is left to 100 %


class Histograms:
    """The response time, service time and dispatch delay of right responses.

    Of an open loop also what each took at least, had the driver been in time: ``prompt``; and how
    late requests left: ``late``.
    """

    def __init__(self, *, open_loop: bool = False) -> None:
        names = (*TIMES, *LATENESS) if open_loop else TIMES
        self.of = {name: new_histogram() for name in names}

    def add(self, columns: "Samples") -> None:
        """Add samples, given as the columns of `calcbench.bench.schema.samples.Samples`."""
        right = columns["outcome"] == OK
        for name, histogram in self.of.items():
            late = name == "late"
            values = own_lateness(columns) if late else time_of(columns, name)[right]
            count_values(histogram, values)

    def columns(self) -> "Samples":
        """Return them as columns for a file: ``response_value_ns``, ``response_count``, ...

        Those of samples are there and empty.
        """
        import numpy as np

        found = {column: np.empty(0, np.int64) for column in COLUMNS}
        for name, histogram in self.of.items():
            pairs = np.array(list(counted_values(histogram)), np.int64).reshape(-1, 2)
            found[f"{name}_value_ns"], found[f"{name}_count"] = pairs.T.copy()
        return found


def time_of(columns: "Samples", name: str) -> "NDArray[np.int64]":
    """Return one of the times of each request, which are never mixed: *name* is one of `TIMES`.

    Or it is ``prompt``, the least that a response time may have been without the driver's lateness;
    an older file does not say who was late, so there it is the response time.
    """
    intended, sent, done = (columns[f"{moment}_ns"] for moment in ("intended", "sent", "done"))
    if name == "prompt" and "waited" in columns:
        return prompt_times(columns)
    found: NDArray[np.int64] = {"service": done - sent, "dispatch": sent - intended}.get(
        name, done - intended
    )
    return found


def sorted_times(samples: "Samples", name: str) -> "Sequence[int]":
    """Return a `time_of` right responses, ascending, in nanoseconds.

    *samples* are those of a file: samples, or histograms in place of them, or, of an older file,
    latencies that are both response and service times.
    """
    if "response_count" in samples:
        name = name if f"{name}_count" in samples else "response"  # of an older file
        return Ranked(samples[f"{name}_value_ns"], samples[f"{name}_count"])
    if "intended_ns" in samples:
        found = time_of(samples, name)
    else:
        found = samples["latency_ns"] * (name != "dispatch")
    values = found[samples["outcome"] == OK]
    values.sort()
    return cast("Sequence[int]", values)


def sorted_lateness(samples: "Samples") -> "Sequence[int]":
    """Return how late each request of an open loop left, ascending; none of an older file."""
    import numpy as np

    if "response_count" in samples:
        if "late_count" not in samples:
            return ()
        return Ranked(samples["late_value_ns"], samples["late_count"])
    late = own_lateness(samples) if "waited" in samples else np.empty(0, np.int64)
    return cast("Sequence[int]", np.sort(late))


def new_histogram() -> "HdrHistogram":
    """Return an empty histogram of nanoseconds."""
    from hdrh.histogram import HdrHistogram

    return HdrHistogram(1, HIGHEST_NS, DIGITS)


def count_values(histogram: "HdrHistogram", values: "NDArray[np.int64]") -> None:
    """Record all of *values*, of which those that the histogram does not tell apart go together."""
    import numpy as np

    values = np.clip(values, 0, HIGHEST_NS)
    _, exponents = np.frexp(values.astype(np.float64))  # the number of bits of each, below 2**53
    shift = np.maximum(exponents - SUB_BITS, 0).astype(np.int64)
    alike, counts = np.unique(values >> shift << shift, return_counts=True)
    for value, count in zip(alike.tolist(), counts.tolist(), strict=True):
        histogram.record_value(value, count)


def counted_values(histogram: "HdrHistogram") -> Iterator[tuple[int, int]]:
    """Yield each value with its count, ascending."""
    for item in histogram.get_recorded_iterator():
        value = histogram.get_highest_equivalent_value(item.value_iterated_to)
        yield int(value), int(item.count_added_in_this_iter_step)


class Ranked(Sequence[int]):
    """A sorted sequence of which only the different *values* are held, each with its count.

    It has a length and places like the sorted samples that it stands for, and so it has quantiles.
    """

    def __init__(self, values: "NDArray[np.int64]", counts: "NDArray[np.int64]") -> None:
        self.values, self.counts = values, counts
        self.ends = counts.cumsum()

    def __len__(self) -> int:
        return int(self.ends[-1]) if len(self.ends) else 0

    @overload
    def __getitem__(self, place: int) -> int: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[int]: ...
    def __getitem__(self, place: int | slice) -> int | Sequence[int]:
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(len(self)))]
        if not -len(self) <= place < len(self):
            raise IndexError(place)
        place %= len(self)
        return int(self.values[self.ends.searchsorted(place, side="right")])


def write_hgrm(histogram: "HdrHistogram", path: Path) -> None:
    """Write *histogram*, in milliseconds, as HdrHistogram's plotter reads it.

    The folder that *path* lies in may not be a link.

    Raises CalcbenchError when it cannot be written.
    """
    text = io.BytesIO()
    histogram.output_percentile_distribution(text, HGRM_SCALE, HGRM_TICKS)
    # hdrhistogram 0.10 scales every figure but this one.
    deviation = f"StdDeviation   = {histogram.get_stddev() / HGRM_SCALE:12.3f}".encode()
    with whole_file(path, path.parent.parent) as file:
        file.write(re.sub(rb"StdDeviation   = *[0-9.]+", deviation, text.getvalue()))
