"""How the times of requests are kept in a file: in few octets, and exactly.

In memory every request has its four times, ``intended_ns``, ``sent_ns``, ``first_ns`` and
``done_ns``, from the opening of the window. They lie close to one another, so a file has one of
them and the distances: how long the sending was delayed (nothing at all in a closed loop), how
long the response took, and how long its last octet came behind its first (mostly nothing).
"""

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calcbench.bench.schema.result import Measurement, whole_file
from calcbench.core.errors import CalcbenchError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = dict[str, NDArray[np.int64]]  # equally long columns, one place for each request

COLUMNS = ("sent_ns", "latency_ns", "client", "outcome")
DERIVED = ("intended_ns", "first_ns", "done_ns")


def compact(samples: "Samples") -> "Samples":
    """Return *samples* as a file keeps them."""
    kept = {name: column for name, column in samples.items() if name not in DERIVED}
    kept["dispatch_ns"] = samples["sent_ns"] - samples["intended_ns"]
    kept["tail_ns"] = samples["done_ns"] - samples["first_ns"]
    return kept


def expand(kept: "Samples") -> "Samples":
    """Return the samples that a file has *kept*; those of older files as they are."""
    if "tail_ns" not in kept:
        return kept
    samples = {n: column for n, column in kept.items() if n not in ("dispatch_ns", "tail_ns")}
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
    Raises CalcbenchError when the file is missing or broken.
    """
    import numpy as np

    if not measurement.samples:
        return {column: np.empty(0, np.int64) for column in COLUMNS}
    path = folder / measurement.samples
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            columns = dict.fromkeys((*COLUMNS, *file.files))
            return expand({column: file[column].astype(np.int64) for column in columns})
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise CalcbenchError(f"cannot read the samples {path}: {error}") from None
