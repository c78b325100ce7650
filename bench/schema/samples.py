"""How the times of requests are kept in a file: in few bytes, and exactly.

In memory every request has its four times, ``intended_ns``, ``sent_ns``, ``first_ns`` and
``done_ns``, from the opening of the window. They lie close to one another, so a file has one of
them and the distances: how long the sending was delayed (nothing at all in a closed loop), how
long the response took, and how long its last octet came behind its first (mostly nothing).
"""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calcbench.bench.schema.outcomes import OK, OUTCOMES
from calcbench.bench.schema.result import Measurement, whole_file
from calcbench.core.errors import CalcbenchError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = dict[str, NDArray[np.int64]]  # equally long columns, one place for each request

COLUMNS = ("sent_ns", "latency_ns", "client", "outcome")
DERIVED = ("intended_ns", "first_ns", "done_ns")
UNKEPT = "waited"  # 1 where no connection was free; only who observes needs to know
DISTANCES = ("dispatch_ns", "tail_ns")
TIMES = ("response", "service", "dispatch")  # intended to done, sent to done, intended to sent
HISTOGRAMS = tuple(f"{name}_{part}" for name in TIMES for part in ("value_ns", "count"))


def compact(samples: "Samples") -> "Samples":
    """Return *samples* as a file keeps them."""
    kept = {name: column for name, column in samples.items() if name not in (*DERIVED, UNKEPT)}
    kept["dispatch_ns"] = samples["sent_ns"] - samples["intended_ns"]
    kept["tail_ns"] = samples["done_ns"] - samples["first_ns"]
    return kept


def expand(kept: "Samples") -> "Samples":
    """Return the samples that a file has *kept*; those of older files as they are."""
    if "tail_ns" not in kept:
        return kept
    samples = {n: column for n, column in kept.items() if n not in DISTANCES}
    samples["intended_ns"] = kept["sent_ns"] - kept["dispatch_ns"]
    samples["done_ns"] = samples["intended_ns"] + kept["latency_ns"]
    samples["first_ns"] = samples["done_ns"] - kept["tail_ns"]
    return samples


def write_samples(folder: Path, name: str, samples: "Samples") -> None:
    """Write the columns of *samples* to the file *name* of *folder*, compressed.

    A column goes to 32 or 8 bits where all of it fits: smaller files, the same integers.
    """
    import numpy as np

    columns: dict[str, NDArray[Any]] = {}
    for column, values in samples.items():
        narrow = (kind for kind in (np.uint8, np.uint32) if fits(values, np.iinfo(kind).max))
        columns[column] = values.astype(next(narrow, np.int64))
    with whole_file(folder / name) as file:
        np.savez_compressed(file, allow_pickle=False, **columns)


def fits(values: "NDArray[np.int64]", most: int) -> bool:
    """Tell whether every one of *values* is in 0 to *most*."""
    return values.size == 0 or (int(values.min()) >= 0 and int(values.max()) <= most)


def read_samples(folder: Path, measurement: Measurement) -> "Samples":
    """Return the raw samples of *measurement*, one int64 array for each of `COLUMNS`.

    In the order in which the requests ended: ``sent_ns`` counts from the opening of the window
    (negative: sent during the warm-up), ``latency_ns`` from the moment for which the request was
    intended, in a closed loop that one, to the last octet of the response, ``client`` from 0, and
    ``outcome`` is a place in `calcbench.bench.schema.outcomes.OUTCOMES`.
    Columns that the file has beyond those come after them: ``intended_ns``, ``first_ns`` and
    ``done_ns``, or the histograms of `calcbench.bench.schema.histogram` and no samples at all.
    Raises CalcbenchError when the file is missing or broken, or is not what was counted.
    """
    import numpy as np

    if not measurement.samples:
        return {column: np.empty(0, np.int64) for column in COLUMNS}
    path = folder / measurement.samples
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}
    except Exception as error:  # noqa: BLE001 - zipfile, zlib and numpy fail in a dozen ways
        what = " ".join(str(error).split()) or type(error).__name__
        raise CalcbenchError(f"cannot read the samples {path}: {what}") from None
    problem = problem_of_columns(found, measurement.offered_per_s > 0)
    if problem := problem or problem_of_values(found, measurement):
        raise CalcbenchError(f"cannot read the samples {path}: {problem}")
    names = dict.fromkeys((*COLUMNS, *found))
    return expand({name: found[name].astype(np.int64) for name in names})


def problem_of_columns(found: "dict[str, NDArray[Any]]", open_loop: bool) -> str:
    """Return which column of a file is missing, of no integers, or too short; or nothing."""
    import numpy as np

    for kind in (COLUMNS, DERIVED, DISTANCES, HISTOGRAMS):
        missing = [name for name in kind if name not in found]
        if missing and (kind is COLUMNS or len(missing) < len(kind)):
            return f"no column {missing[0]!r}"
    if open_loop and not any(kind[0] in found for kind in (DERIVED, DISTANCES, HISTOGRAMS)):
        return f"no column {DISTANCES[0]!r}"
    for name, column in found.items():
        if column.ndim != 1 or column.dtype.kind not in "iu":
            return f"column {name!r} is not a list of integers"
        if column.dtype == np.uint64:
            return f"column {name!r} may not fit into 64 bits with a sign"
        beside = name.replace("_count", "_value_ns") if name in HISTOGRAMS else COLUMNS[0]
        if len(column) != len(found[beside]):
            return f"column {name!r} is not as long as {beside!r}"
    return ""


def problem_of_values(found: "Samples", measurement: Measurement) -> str:
    """Return which values in a file cannot be those of *measurement*, or nothing."""
    import numpy as np

    outcome, client = found["outcome"], found["client"]
    connections = measurement.condition.connections
    if not fits(outcome, len(OUTCOMES) - 1):
        return f"an outcome should be 0 to {len(OUTCOMES) - 1}"
    asked = client[(outcome == OK) | (client != -1)]  # -1: it never got a connection
    if not fits(asked, connections - 1):
        return f"a client should be 0 to {connections - 1:,}"
    for name in TIMES if HISTOGRAMS[0] in found else ():
        values, counts = found[f"{name}_value_ns"], found[f"{name}_count"]
        if not bool(np.all(values[1:] > values[:-1])) or not bool(np.all(counts > 0)):
            return f"{name!r} is not a histogram"
    if measurement.status != "ok":  # no statistic is made of it
        return ""
    counted = list(dataclasses.astuple(measurement.outcomes))
    seen: list[int] = np.bincount(outcome, minlength=len(OUTCOMES)).tolist()
    if HISTOGRAMS[0] in found:
        counted, seen = counted[:1], [int(found[f"{name}_count"].sum()) for name in TIMES[:1]]
    if sum(seen) != sum(counted):
        return f"they are of {sum(seen):,} requests, and the result counts {sum(counted):,}"
    if seen != counted:
        return "they end in other ways than the result counts"
    return ""
