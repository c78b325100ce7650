"""Files of samples that are not as they were written: reported in one line, and never believed."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import make_condition, make_measurement

from calcbench.bench.schema.histogram import Histograms
from calcbench.bench.schema.outcomes import Outcomes
from calcbench.bench.schema.samples import compact, read_samples, write_samples
from calcbench.bench.schema.store import prepare_folder
from calcbench.core.errors import CalcbenchError

MEASURED = make_measurement(
    make_condition(connections=4), outcomes=Outcomes(ok=5, reset=1), samples="samples/1.npz"
)
DUE = np.arange(6) * 10**8
SAMPLES = {
    "sent_ns": DUE + 7,
    "latency_ns": np.arange(6) * 9_999 + 20,
    "client": np.array([0, 1, 2, 3, 0, -1]),  # the last one never got a connection
    "outcome": np.array([0, 0, 0, 0, 0, 4]),
    "intended_ns": DUE,
    "first_ns": DUE + 15,
    "done_ns": DUE + np.arange(6) * 9_999 + 20,
}
KEPT = compact(SAMPLES)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    prepare_folder(tmp_path)
    return tmp_path


def save(folder: Path, columns: dict[str, Any]) -> None:
    """Write *columns* as they are, right or wrong."""
    np.savez(folder / MEASURED.samples, allow_pickle=True, **columns)


def test_believes_no_file_in_which_one_octet_is_another(folder: Path) -> None:
    write_samples(folder, MEASURED.samples, KEPT)
    path = folder / MEASURED.samples
    whole = path.read_bytes()
    measured = dataclasses.replace(MEASURED, offered_per_s=10.0)
    for place, octet in enumerate(whole):
        path.write_bytes(whole[:place] + bytes([octet ^ 0xFF]) + whole[place + 1 :])
        try:
            back = read_samples(folder, measured)
        except CalcbenchError as error:
            assert str(error).startswith(f"cannot read the samples {path}: ")
            assert "\n" not in str(error)
        else:  # a date, say, which nobody reads
            assert {n: c.tolist() for n, c in back.items()} == {
                n: c.tolist() for n, c in SAMPLES.items()
            }


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"client": None}, "no column 'client'"),
        ({"dispatch_ns": None}, "no column 'dispatch_ns'"),
        ({"tail_ns": None}, "no column 'tail_ns'"),
        ({"dispatch_ns": None, "tail_ns": None}, "no column 'dispatch_ns'"),
        ({"client": [0, 1]}, "column 'client' is not as long as 'sent_ns'"),
        ({"tail_ns": [0, 1]}, "column 'tail_ns' is not as long as 'sent_ns'"),
        ({"client": [0.5] * 6}, "column 'client' is not a list of integers"),
        ({"client": [[0] * 6]}, "column 'client' is not a list of integers"),
        ({"client": 1}, "column 'client' is not a list of integers"),
        ({"client": ["x"] * 6}, "column 'client' is not a list of integers"),
        ({"client": [None] * 6}, "column 'client' is not a list of integers"),
        ({"latency_ns": np.full(6, 2**63, np.uint64)}, "'latency_ns' may not fit into 64 bits"),
        ({"outcome": [0, 0, 0, 0, 0, 6]}, "an outcome should be 0 to 5"),
        ({"outcome": [0, 0, 0, 0, 0, -1]}, "an outcome should be 0 to 5"),
        ({"client": [0, 1, 2, 3, 4, -1]}, "a client should be 0 to 3"),
        ({"client": [0, 1, 2, 3, -1, -1]}, "a client should be 0 to 3"),
        ({"client": [0, 1, 2, 3, 0, -2]}, "a client should be 0 to 3"),
        ({"outcome": [0, 0, 0, 0, 4, 4]}, "they end in other ways than the result counts"),
        (
            {name: column[:5] for name, column in KEPT.items()},
            "they are of 5 requests, and the result counts 6",
        ),
    ],
)
def test_says_what_is_wrong_with_a_column(
    columns: dict[str, Any], message: str, folder: Path
) -> None:
    save(folder, {n: column for n, column in (KEPT | columns).items() if column is not None})
    with pytest.raises(CalcbenchError, match=f"cannot read the samples .*{message}"):
        read_samples(folder, dataclasses.replace(MEASURED, offered_per_s=10.0))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"service_count": None}, "no column 'service_count'"),
        ({"response_value_ns": [1]}, "column 'response_count' is not as long as"),
        ({"service_value_ns": [7, 7, 7, 7, 7]}, "'service' is not a histogram"),
        ({"response_count": [1, 1, 1, 1, 0]}, "'response' is not a histogram"),
        ({"response_count": [1, 1, 1, 1, 2]}, "they are of 6 requests, and the result counts 5"),
    ],
)
def test_says_what_is_wrong_with_a_histogram(
    columns: dict[str, Any], message: str, folder: Path
) -> None:
    histograms = Histograms()
    histograms.add(SAMPLES)
    kept = histograms.columns()
    write_samples(folder, MEASURED.samples, kept)
    assert len(read_samples(folder, MEASURED)["response_count"]) == 5

    save(folder, {n: column for n, column in (kept | columns).items() if column is not None})
    with pytest.raises(CalcbenchError, match=f"cannot read the samples .*{message}"):
        read_samples(folder, MEASURED)


def test_says_that_a_file_is_no_samples_at_all(folder: Path) -> None:
    with (folder / MEASURED.samples).open("wb") as file:
        np.save(file, DUE)  # one column, and not a file of several
    with pytest.raises(CalcbenchError, match="cannot read the samples"):
        read_samples(folder, MEASURED)


def test_does_not_count_what_failed(folder: Path) -> None:
    write_samples(folder, MEASURED.samples, KEPT)
    failed = dataclasses.replace(MEASURED, status="failed", outcomes=Outcomes())

    assert len(read_samples(folder, failed)["client"]) == 6
