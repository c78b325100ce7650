"""How the times of requests are kept in a file: in few bytes, and exactly.

In memory every request has its four times, ``intended_ns``, ``sent_ns``, ``first_ns`` and
``done_ns``, from the opening of the window. They lie close to one another, so a file has one of
them and the distances: how long the sending was delayed (nothing at all in a closed loop), how
long the response took, and how long its last octet came behind its first (mostly nothing).

A request that was in flight when the window closed has no sample. How long each of them had waited
by then is a column by itself.
"""

import dataclasses
import hashlib
import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calcbench.bench.schema.outcomes import OK, OUTCOMES
from calcbench.bench.schema.result import Measurement
from calcbench.bench.system.files import read_below, whole_file
from calcbench.bench.units import format_count
from calcbench.core.errors import CalcbenchError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = dict[str, NDArray[np.int64]]  # equally long columns, one place for each request
    Counts = tuple[NDArray[np.int64], NDArray[np.int64]]  # values, and how often each is there

COLUMNS = ("sent_ns", "latency_ns", "client", "outcome")
DERIVED = ("intended_ns", "first_ns", "done_ns")
WAITED = "waited"  # 1 where no connection was free, which is not the driver's fault
CAUSE = "cause"  # which of the causes of failure, from 1; only who observes needs to know
DISTANCES = ("dispatch_ns", "tail_ns")
TIMES = ("response", "service", "dispatch")  # intended to done, sent to done, intended to sent
PROMPT, LATE = "prompt", "late"  # of an open loop: see calcbench.bench.schema.lateness
PARTS = ("value_ns", "count")  # of a histogram


def censored_name(name: str) -> str:
    """Return what the time *name* is called of requests of which it is only known to be longer."""
    return f"{name}_censored"


def parts_of(*names: str) -> tuple[str, ...]:
    """Return the columns of the histograms called *names*."""
    return tuple(f"{name}_{part}" for name in names for part in PARTS)


HISTOGRAMS = parts_of(*TIMES)
CENSORED = parts_of(*map(censored_name, TIMES))
OF_LATENESS = parts_of(PROMPT, censored_name(PROMPT), LATE)
OF_HISTOGRAMS = (*HISTOGRAMS, *CENSORED, *OF_LATENESS)
IN_FLIGHT = "in_flight_ns"
KNOWN = frozenset((*COLUMNS, WAITED, *DERIVED, *DISTANCES, *OF_HISTOGRAMS, IN_FLIGHT))
MAX_SAMPLES = 20_000_000  # kept of one measurement, 40 bytes each; beyond there are histograms
MOST_BUCKETS = 100_000  # of a histogram up to an hour with three digits there are 67,584
NPY_HEADER = 10_000  # bytes that numpy takes at most for one


def compact(samples: "Samples") -> "Samples":
    """Return *samples* as a file keeps them."""
    kept = {name: column for name, column in samples.items() if name not in (*DERIVED, CAUSE)}
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


def write_samples(folder: Path, name: str, samples: "Samples") -> str:
    """Write the columns of *samples* to the file *name* of *folder*, compressed.

    A column goes to 32 or 8 bits where all of it fits: smaller files, the same integers. Returns
    the file's SHA-256, as hexadecimal digits.
    """
    import numpy as np

    columns: dict[str, NDArray[Any]] = {}
    for column, values in samples.items():
        narrow = (kind for kind in (np.uint8, np.uint32) if fits(values, np.iinfo(kind).max))
        columns[column] = values.astype(next(narrow, np.int64))
    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=False, **columns)
    with whole_file(folder / name, folder) as file:
        file.write(content.getbuffer())
    return hashlib.sha256(content.getbuffer()).hexdigest()


def fits(values: "NDArray[np.int64]", most: int) -> bool:
    """Tell whether every one of *values* is in 0 to *most*."""
    return values.size == 0 or (int(values.min()) >= 0 and int(values.max()) <= most)


def read_samples(folder: Path, measurement: Measurement) -> "Samples":
    """Return the raw samples of *measurement*, one int64 array for each of `COLUMNS`.

    In the order in which the requests ended: ``sent_ns`` counts from the opening of the window
    (negative: sent during the warm-up), ``latency_ns`` from the moment for which the request was
    intended, in a closed loop that one, to the last octet of the response, ``client`` from 0, and
    ``outcome`` is a place in `calcbench.bench.schema.outcomes.OUTCOMES`.
    Columns that the file has beyond those come after them: ``intended_ns``, ``first_ns``,
    ``done_ns`` and ``waited``, 1 where no connection was free when it was due; or the histograms
    of `calcbench.bench.schema.histogram` and no samples at all; and ``in_flight_ns``, for how long
    each request had waited that was in flight at the end, which is as long as there were such
    requests.
    Raises CalcbenchError when the file is missing or broken, or is not what was counted.
    """
    import numpy as np

    if not measurement.samples:
        return {column: np.empty(0, np.int64) for column in COLUMNS}
    path = folder / measurement.samples
    good = measurement.status == "ok"
    rows = min(measurement.outcomes.total, MAX_SAMPLES) if good else MAX_SAMPLES
    waiting = measurement.in_flight
    try:
        # Compressed it is smaller than its columns are, but for a little.
        most = len(KNOWN) * (8 * max(rows, waiting, MOST_BUCKETS) + NPY_HEADER)
        content = read_below(folder, measurement.samples, most)
        known = measurement.samples_sha256
        if known and hashlib.sha256(content).hexdigest() != known:
            raise ValueError("it has changed since it was written: its SHA-256 differs")
        found = read_columns(content, rows, waiting)
    except Exception as error:  # noqa: BLE001 - zipfile, zlib and numpy fail in a dozen ways
        what = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise CalcbenchError(
            f"cannot read the samples {path}: {what or type(error).__name__}"
        ) from None
    problem = problem_of_columns(found, measurement.offered_per_s > 0)
    if problem := problem or problem_of_values(found, measurement):
        raise CalcbenchError(f"cannot read the samples {path}: {problem}")
    names = dict.fromkeys((*COLUMNS, *found))
    return expand({name: found[name].astype(np.int64) for name in names})


def read_columns(content: bytes, rows: int, waiting: int) -> "dict[str, NDArray[Any]]":
    """Return the columns in the *content* of a file, of integers and of at most *rows* each.

    That of requests in flight may be as long as so many were *waiting*.

    The size that a column says to have is looked at before it is unpacked. Raises ValueError and
    whatever zipfile, zlib and numpy raise for what is none.
    """
    import numpy as np

    found: dict[str, NDArray[Any]] = {}
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        for entry in file.infolist():
            name = entry.filename.removesuffix(".npy")
            if name not in KNOWN or name in found:
                raise ValueError(f"column {name!r} is not known, or is there twice")
            most = MOST_BUCKETS if name in OF_HISTOGRAMS else rows
            most = waiting if name == IN_FLIGHT else most
            if entry.file_size > 8 * most + NPY_HEADER:
                raise ValueError(f"column {name!r} has more values than the {most:,} counted")
            column = io.BytesIO(file.read(entry))
            kinds = {(1, 0): np.lib.format.read_array_header_1_0}
            read_header = kinds[np.lib.format.read_magic(column)]
            shape, _, kind = read_header(column)
            if len(shape) != 1 or kind.kind not in "iu":
                raise ValueError(f"column {name!r} is not a list of integers")
            values: NDArray[Any] = np.frombuffer(column.read(), kind)
            if values.shape != shape:
                raise ValueError(f"column {name!r} is not as long as it says")
            found[name] = values
    return found


def problem_of_columns(found: "dict[str, NDArray[Any]]", open_loop: bool) -> str:
    """Return which column of a file is missing, of no integers, or too short; or nothing."""
    import numpy as np

    for kind in (COLUMNS, DERIVED, DISTANCES, HISTOGRAMS, CENSORED, OF_LATENESS):
        missing = [name for name in kind if name not in found]
        if missing and (kind is COLUMNS or len(missing) < len(kind)):
            return f"no column {missing[0]!r}"
    if open_loop and not any(kind[0] in found for kind in (DERIVED, DISTANCES, HISTOGRAMS)):
        return f"no column {DISTANCES[0]!r}"
    for name, column in found.items():
        if column.dtype == np.uint64:
            return f"column {name!r} may not fit into 64 bits with a sign"
        beside = name.replace("_count", "_value_ns") if name in OF_HISTOGRAMS else COLUMNS[0]
        if name != IN_FLIGHT and len(column) != len(found[beside]):
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
    if bool(np.any(found["latency_ns"][outcome == OK] < 0)):
        return "a latency should be 0 or more"
    if WAITED in found and not fits(found[WAITED], 1):
        return f"{WAITED!r} should be 0 or 1"
    for count in OF_HISTOGRAMS[1::2]:
        if count not in found:
            continue
        name = count.removesuffix("_count")
        values, counts = found[f"{name}_value_ns"], found[f"{name}_count"]
        if not bool(np.all(values[1:] > values[:-1])) or not bool(np.all(counts > 0)):
            return f"{name!r} is not a histogram"
    if measurement.status != "ok":  # no statistic is made of it
        return ""
    if IN_FLIGHT in found and len(found[IN_FLIGHT]) != measurement.in_flight:
        return f"column {IN_FLIGHT!r} is not as long as requests were in flight"
    counted = list(dataclasses.astuple(measurement.outcomes))
    seen: list[int] = np.bincount(outcome, minlength=len(OUTCOMES)).tolist()
    if HISTOGRAMS[0] in found:
        counted, seen = counted[:1], [int(found[f"{name}_count"].sum()) for name in TIMES[:1]]
    if sum(seen) != sum(counted):
        requests = format_count(sum(seen), "request")
        return f"they are of {requests}, and the result counts {sum(counted):,}"
    if seen != counted:
        return "they end in other ways than the result counts"
    return ""
