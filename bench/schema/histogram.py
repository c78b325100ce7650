"""Histograms with three significant digits, in place of samples where there are too many of them.

The counts are kept by HdrHistogram's own port to Python, so that they mean what they mean to
everybody else; we only find the values that share a count, many samples at a time. A value read
back is the highest that it may have been, at most a thousandth above what it was. Exports for
HdrHistogram's plotter (``.hgrm``) go through it as well, also those of exact samples.
"""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from calcbench.bench.schema.lateness import own_lateness, prompt_times
from calcbench.bench.schema.outcomes import OK
from calcbench.bench.schema.samples import COLUMNS, IN_FLIGHT, LATE, PROMPT, TIMES, censored_name
from calcbench.bench.system.files import whole_file

if TYPE_CHECKING:
    import numpy as np
    from hdrh.histogram import HdrHistogram
    from numpy.typing import NDArray

    from calcbench.bench.schema.samples import Counts, Samples

DIGITS = 3  # significant ones
SUB_BITS = 11  # 2 * 10**DIGITS steps, rounded up to a power of two, in which a value doubles
HIGHEST_NS = 3_600_000_000_000  # an hour; nothing is waited for as long
HGRM_SCALE = 1e6  # nanoseconds in the plotter's unit, the millisecond
HGRM_TICKS = 5  # lines between one half and the next of what is left to 100 %


class Histograms:
    """The response time, service time and dispatch delay, and those that are censored.

    Where requests are due, in an open loop and after a think, the driver *keeps a schedule*; there
    also what each took at least, had the driver been in time: ``prompt``; and how late requests
    left: ``late``.
    """

    def __init__(self, *, keeps_schedule: bool = False) -> None:
        self.times = (*TIMES, PROMPT) if keeps_schedule else TIMES
        names = [*self.times, *map(censored_name, self.times), *([LATE] if keeps_schedule else [])]
        self.of = {name: new_histogram() for name in names}

    def add(self, columns: "Samples") -> None:
        """Add samples, given as the columns of `calcbench.bench.schema.samples.Samples`."""
        for name in self.times:
            values, known = time_of(columns, name), is_known(columns, name)
            count_values(self.of[name], values[known])
            count_values(self.of[censored_name(name)], values[~known])
        if LATE in self.of:
            count_values(self.of[LATE], own_lateness(columns))

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


def is_known(columns: "Samples", name: str) -> "NDArray[np.bool_]":
    """Tell of each request whether its time *name* is known, or only at least what it is.

    A response time is known where the right response came. To whoever got none, or another one, it
    would have come later still, if at all; an error that comes fast makes no server a fast one. Of
    a request that was sent, the dispatch delay is known whatever became of it.
    """
    return columns["client"] >= 0 if name == "dispatch" else columns["outcome"] == OK


def counted_times(samples: "Samples", name: str) -> "tuple[Counts, Counts]":
    """Return one of the `TIMES` of all requests: of those where it is known, and of the others.

    Each is times in nanoseconds, with how many requests took them.
    *samples* are those of a file: samples, or histograms in place of them, or, of an older file,
    latencies that are both response and service times.
    """
    import numpy as np

    nothing = np.empty(0, np.int64)
    waiting = nothing if name == "dispatch" else samples.get(IN_FLIGHT, nothing)
    if "response_count" in samples:
        name = name if f"{name}_count" in samples else "response"  # of an older file
        known, censored = (
            (samples.get(f"{one}_value_ns", nothing), samples.get(f"{one}_count", nothing))
            for one in (name, censored_name(name))
        )
        pairs = np.unique(waiting, return_counts=True)
        values, counts = map(np.concatenate, zip(censored, pairs, strict=True))
        return known, (values, counts)
    if "intended_ns" in samples:
        found = time_of(samples, name)
    else:
        found = samples["latency_ns"] * (name != "dispatch")
    mask = is_known(samples, name)
    censored_ns = np.concatenate([found[~mask], waiting])
    return np.unique(found[mask], return_counts=True), np.unique(censored_ns, return_counts=True)


def counted_lateness(samples: "Samples") -> "Counts":
    """Return how late requests of an open loop left, and how many did; none of an older file."""
    import numpy as np

    nothing = np.empty(0, np.int64)
    if "response_count" in samples:
        return samples.get(f"{LATE}_value_ns", nothing), samples.get(f"{LATE}_count", nothing)
    late = own_lateness(samples) if "waited" in samples else nothing
    return np.unique(late, return_counts=True)


def new_histogram() -> "HdrHistogram":
    """Return an empty histogram of nanoseconds."""
    from hdrh.histogram import HdrHistogram

    return HdrHistogram(1, HIGHEST_NS, DIGITS)


def count_values(
    histogram: "HdrHistogram",
    values: "NDArray[np.int64]",
    counts: "NDArray[np.int64] | None" = None,
) -> None:
    """Record all of *values*, of which those that the histogram does not tell apart go together.

    Each as often as *counts* says, without it once.
    """
    import numpy as np

    values = np.clip(values, 0, HIGHEST_NS)
    _, exponents = np.frexp(values.astype(np.float64))  # the number of bits of each, below 2**53
    shift = np.maximum(exponents - SUB_BITS, 0).astype(np.int64)
    alike, places = np.unique(values >> shift << shift, return_inverse=True)
    totals = np.bincount(places, counts).astype(np.int64)
    for value, count in zip(alike.tolist(), totals.tolist(), strict=True):
        histogram.record_value(value, count)


def counted_values(histogram: "HdrHistogram") -> Iterator[tuple[int, int]]:
    """Yield each value with its count, ascending."""
    for item in histogram.get_recorded_iterator():
        value = histogram.get_highest_equivalent_value(item.value_iterated_to)
        yield int(value), int(item.count_added_in_this_iter_step)


def write_hgrm(histogram: "HdrHistogram", remark: str, path: Path) -> None:
    """Write *histogram*, in milliseconds, as HdrHistogram's plotter reads it, and a *remark*.

    The folder that *path* lies in may not be a link.

    Raises CalcbenchError when it cannot be written.
    """
    text = io.BytesIO()
    histogram.output_percentile_distribution(text, HGRM_SCALE, HGRM_TICKS)
    # hdrhistogram 0.10 scales every figure but this one.
    deviation = f"StdDeviation   = {histogram.get_stddev() / HGRM_SCALE:12.3f}".encode()
    with whole_file(path, path.parent.parent) as file:
        file.write(re.sub(rb"StdDeviation   = *[0-9.]+", deviation, text.getvalue()))
        if remark:  # the plotter takes a line that begins so for a comment
            file.write(f"#[{remark}]\n".encode())
