"""Results that are damaged or forged: named in one line, never believed, and never a traceback."""

import dataclasses
import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calcbench.bench.analysis.summary import summarise
from calcbench.bench.schema.reader import ReadRun, read_run, read_sound
from calcbench.bench.schema.samples import COLUMNS, read_samples, write_samples
from calcbench.bench.schema.store import JOURNAL, RESULT, SAMPLES, Journal, write_run
from calcbench.bench.schema.upgrade import SCHEMA_VERSION
from calcbench.bench.views.export import ranking_as_json, to_csv, to_json
from calcbench.bench.views.report import print_report
from calcbench.bench.views.resource_table import resource_lines
from calcbench.core.errors import CalcbenchError

RECORDED = Path(__file__).with_name("recorded")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a whole result of today: of selectors and fork, two rounds of each."""
    shutil.copytree(RECORDED / "schema-3", tmp_path / "run")
    old = read_run(tmp_path / "run")
    measurements = [
        dataclasses.replace(
            one,
            samples_sha256=write_samples(
                tmp_path / "run", one.samples, read_samples(tmp_path / "run", one)
            ),
        )
        for one in old.measurements
    ]
    run = dataclasses.replace(old, schema_version=SCHEMA_VERSION, measurements=tuple(measurements))
    write_run(run, tmp_path / "run")
    return tmp_path / "run"


def report(folder: Path) -> ReadRun:
    """Read *folder*, and say all that is said of it but for its charts."""
    found = read_sound(folder)
    summary = summarise(found.run, folder)
    print_report(summary, found.run, folder, io.StringIO())
    to_json(summary, ranking_as_json(summary)).encode()
    to_csv(summary).encode()
    "\n".join(resource_lines(found.run)).encode()
    return found


def test_reads_what_is_whole(folder: Path) -> None:
    found = report(folder)

    assert found.problems == ()
    assert not found.run.partial
    assert len(found.run.measurements) == 4


def damage(path: Path, flip: int) -> None:
    content = bytearray(path.read_bytes())
    content[flip] ^= 1 << flip % 8
    path.write_bytes(content)


def outlives(folder: Path) -> bool:
    """Tell whether *folder* is reported whole; where it is not, it is refused or partial."""
    try:
        found = report(folder)
    except CalcbenchError as error:
        assert "\n" not in str(error)
        return False
    assert found.run.partial or not found.problems
    assert not any("\n" in problem for problem in found.problems)
    return not found.problems


def test_outlives_any_damage_to_its_result(folder: Path) -> None:
    path = folder / RESULT
    whole = path.read_bytes()
    for place in range(0, len(whole), len(whole) // 120):
        damage(path, place)
        outlives(folder)
        path.write_bytes(whole[:place])
        with pytest.raises(CalcbenchError):
            read_sound(folder)
        path.write_bytes(whole)


def test_outlives_any_damage_to_its_lines(folder: Path) -> None:
    run = read_run(folder)
    (folder / RESULT).unlink()
    with Journal(folder) as journal:
        journal.begin(run)
        for one in run.measurements:
            journal.keep(one)
    path = folder / JOURNAL
    whole = path.read_bytes()
    for place in range(0, len(whole), len(whole) // 60):
        damage(path, place)
        outlives(folder)
        path.write_bytes(whole)


@pytest.mark.parametrize("version", [2, SCHEMA_VERSION])
def test_outlives_any_damage_to_its_samples(folder: Path, tmp_path: Path, version: int) -> None:
    if version == 2:  # without checksums
        folder = tmp_path / "old"
        shutil.copytree(RECORDED / "schema-2", folder)
    path = sorted((folder / SAMPLES).iterdir())[1]
    whole = path.read_bytes()
    for place in range(0, len(whole), len(whole) // 25):
        damage(path, place)
        assert not outlives(folder) or version == 2
        path.write_bytes(whole[:place])
        assert not outlives(folder)
        path.write_bytes(whole)


def test_loses_the_measurement_whose_samples_are_damaged_and_no_other(folder: Path) -> None:
    lost = read_run(folder).measurements[1]
    damage(folder / lost.samples, 40)
    found = report(folder)

    assert found.run.partial
    assert lost not in found.run.measurements
    assert len(found.run.measurements) == 3
    why = "it has changed since it was written: its SHA-256 differs"
    assert found.problems == (f"cannot read the samples {folder / lost.samples}: {why}",)


def put(path: Path, content: bytes) -> None:
    path.unlink()
    path.write_bytes(content)


def link(path: Path) -> None:
    path.rename(path.with_name("away"))
    path.symlink_to("away")


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def remove(path: Path) -> None:
    path.unlink()


DAMAGES: list[tuple[Callable[[Path], None], str]] = [
    (remove, "No such file or directory"),
    (link, "it is a symbolic link"),
    (pipe, "it is a named pipe, no file"),
    (lambda path: put(path, b""), "SHA-256 differs"),
]


@pytest.mark.parametrize(("change", "message"), DAMAGES)
def test_says_which_file_of_samples_is_none(
    change: Callable[[Path], None], message: str, folder: Path
) -> None:
    path = folder / read_run(folder).measurements[0].samples
    change(path)
    [problem] = report(folder).problems

    assert problem.startswith(f"cannot read the samples {path}: ")
    assert message in problem


@pytest.mark.parametrize(("change", "message"), DAMAGES[1:3])
def test_says_that_a_result_is_no_file(
    change: Callable[[Path], None], message: str, folder: Path
) -> None:
    change(folder / RESULT)
    with pytest.raises(CalcbenchError, match=f"^cannot read {folder}/result.json: {message}"):
        read_run(folder)


def test_refuses_a_result_that_is_larger_than_any(folder: Path) -> None:
    with (folder / RESULT).open("r+b") as file:
        file.truncate(2**40)  # a hole: no disk has it
    with pytest.raises(CalcbenchError, match="it has more than 268,435,456 bytes"):
        read_run(folder)


def of(values: dict[str, Any], keys: str) -> tuple[Any, Any]:
    """Return where in *values* the last of *keys*, with dots between, lies, and that one."""
    *outer, last = (int(key) if key.isdigit() else key for key in keys.split("."))
    place: Any = values
    for key in outer:
        place = place[key]
    return place, last


FORGED: list[tuple[str, Any, str]] = [
    ("schema_version", -(10**9), "should be at least 1"),
    ("schema_version", 10**30, "schema of a very large number"),
    ("schema_version", True, "is not a result of calcbench"),
    ("schema_version", None, "is not a result of calcbench"),
    ("measurements", {}, "expected array, got object at measurements"),
    ("measurements", None, "got null at measurements"),
    ("plan.connections", [10**9], "connections 1000000000 should be from 1 to 1,000,000"),
    ("plan.workloads", [f"cpu={n}ms" for n in range(60_000)], "more than 100,000 conditions"),
    ("plan", None, "got null at plan"),
    ("machine", None, "got null at machine"),
]
LOST: list[tuple[str, Any, str]] = [
    ("measurements.1", None, r"got null at measurements\[1\]"),
    ("measurements.1.condition.workload", "add", r"\[1\].condition is not in the plan"),
    ("measurements.1.condition.connections", 10**15, r"condition is not in the plan"),
    ("measurements.1.round", 0, r"measurements\[1\].round 0 should be at least 1"),
    ("measurements.1.clients_served", -1, "clients_served -1 should be at least 0"),
    ("measurements.1.driver_cpu_ns", -1, "driver_cpu_ns -1 should be at least 0"),
    ("measurements.1.offered_per_s", -0.5, "offered_per_s -0.5 should be at least 0"),
    ("measurements.1.samples", "/etc/passwd", "should be a file within the folder"),
    ("measurements.1.samples", "samples/../../x", "should be a file within the folder"),
    ("measurements.1.samples", ".", "should be a file within the folder"),
    ("measurements.1.samples", "samples", "it is a folder, no file"),
    ("measurements.1.samples", "x" * 300, "File name too long"),
    ("measurements.1.samples", "a\0b", "should be a file within the folder"),
    ("measurements.1.samples_sha256", "0" * 64, "SHA-256 differs"),
    ("measurements.1.outcomes.ok", 10**12, "they are of [0-9]+ requests"),
]


@pytest.mark.parametrize(("keys", "value", "message"), FORGED)
def test_refuses_what_no_run_can_be(keys: str, value: object, message: str, folder: Path) -> None:
    values = json.loads((folder / RESULT).read_bytes())
    place, last = of(values, keys)
    place[last] = value
    (folder / RESULT).write_text(json.dumps(values))
    with pytest.raises(CalcbenchError, match=message) as caught:
        read_sound(folder)

    assert caught.value.exit_status == 1
    assert str(folder / RESULT) in str(caught.value)


@pytest.mark.parametrize(("keys", "value", "message"), LOST)
def test_reads_the_rest_of_what_no_measurement_can_be(
    keys: str, value: object, message: str, folder: Path
) -> None:
    values = json.loads((folder / RESULT).read_bytes())
    place, last = of(values, keys)
    place[last] = value
    (folder / RESULT).write_text(json.dumps(values))
    found = report(folder)

    assert found.run.partial
    assert len(found.run.measurements) == 3
    with pytest.raises(CalcbenchError, match=message):
        raise CalcbenchError(*found.problems)


def test_refuses_a_round_that_is_there_twice(folder: Path) -> None:
    values = json.loads((folder / RESULT).read_bytes())
    values["measurements"].append(values["measurements"][0])
    (folder / RESULT).write_text(json.dumps(values))
    with pytest.raises(CalcbenchError, match=r"measurements\[4\] appears twice: round 1 of one"):
        read_sound(folder)


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize(
    "keys",
    [
        *("name", "command", "started", "partial", "plan", "machine", "versions", "measurements"),
        *("options", "policy", "cpu_units", "pinning", "pinning.server", "plan.seed"),
        *("plan.connections", "plan.duration_s", "plan.policy", "measurements.0.clients_served"),
        *("measurements.0.outcomes", "measurements.0.outcomes.reset", "measurements.0.samples"),
        *("measurements.0.server_cpu_ns", "measurements.0.in_flight", "measurements.0.reason"),
        "measurements.0.condition.reuse",
    ],
)
def test_completes_no_key_that_every_version_wrote(version: int, keys: str, tmp_path: Path) -> None:
    values = json.loads((RECORDED / f"schema-{version}" / RESULT).read_bytes())
    place, last = of(values, keys)
    del place[last]
    (tmp_path / RESULT).write_text(json.dumps(values))
    with pytest.raises(CalcbenchError, match=rf"is not a whole result: .*{last} is missing"):
        read_run(tmp_path)


BOMB = 2**28  # bytes when it is unpacked; in the file it is a thousandth of that


def bomb(header: bytes) -> bytes:
    """Return a file of samples each of whose columns has *header* and then a lot of nothing."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as file:
        for column in COLUMNS:
            with file.open(f"{column}.npy", "w") as entry:
                entry.write(header)
                for _ in range(BOMB // 2**20 if column == COLUMNS[0] else 1):
                    entry.write(bytes(2**20))
    return content.getvalue()


def header(shape: str, kind: str = "<i8") -> bytes:
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


READ = """
import resource
import sys
from pathlib import Path
from calcbench.bench.schema.reader import read_sound
from calcbench.core.errors import CalcbenchError
import numpy, msgspec
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]), int(sys.argv[2])))
print(*read_sound(Path(sys.argv[1])).problems)
"""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (bomb(header(f"({BOMB // 8},)")), "more values than the .* counted"),
        (b"PK" + bytes(30_000_000), "it has more than"),
        (bomb(b"")[:-40], "not a zip"),
    ],
    ids=["bomb", "large", "cut"],
)
def test_unpacks_no_bomb(content: bytes, message: str, folder: Path) -> None:
    values = json.loads((folder / RESULT).read_bytes())
    values["schema_version"] = 3
    for one in values["measurements"]:
        del one["samples_sha256"]  # or it would be seen at once
    (folder / RESULT).write_text(json.dumps(values))
    (folder / values["measurements"][0]["samples"]).write_bytes(content)
    limit = 700 * 2**20  # of address space: Python and numpy have taken more than half of it
    done = subprocess.run(
        [sys.executable, "-P", "-c", READ, str(folder), str(limit)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr == ""
    assert re.search(message, done.stdout)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"sent_ns": header("(10**12,)")}, "cannot read the samples"),
        ({"sent_ns": header("(1000000000000,)")}, "column 'sent_ns' is not as long as it says"),
        ({"sent_ns": header("(-1,)")}, "column 'sent_ns' is not as long as it says"),
        ({"sent_ns": header("(9, 9)")}, "column 'sent_ns' is not a list of integers"),
        ({"sent_ns": header("()")}, "column 'sent_ns' is not a list of integers"),
        ({"sent_ns": header("(0,)", "|O")}, "column 'sent_ns' is not a list of integers"),
        ({"sent_ns": header("(0,)", "|V9")}, "column 'sent_ns' is not a list of integers"),
        ({"sent_ns": b""}, "cannot read the samples"),
        ({"sent_ns": b"\x93NUMPY\x09\x00"}, "cannot read the samples"),
        ({"../sent_ns": header("(0,)")}, "column '../sent_ns' is not known"),
    ],
)
def test_believes_no_header_of_a_column(
    columns: dict[str, bytes], message: str, folder: Path
) -> None:
    one = dataclasses.replace(read_run(folder).measurements[0], samples_sha256="")
    with zipfile.ZipFile(folder / one.samples, "w") as file:
        for column, content in columns.items():
            file.writestr(f"{column}.npy", content)
    with pytest.raises(CalcbenchError, match=message):
        read_samples(folder, one)


def test_takes_no_latency_below_nothing(folder: Path) -> None:
    one = read_run(folder).measurements[0]
    samples = read_samples(folder, one)
    samples["latency_ns"] = samples["latency_ns"] - np.int64(2**40)
    one = dataclasses.replace(one, samples_sha256=write_samples(folder, one.samples, samples))
    with pytest.raises(CalcbenchError, match="a latency should be 0 or more"):
        read_samples(folder, one)
