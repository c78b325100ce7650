"""The files that a race leaves behind, and those that are not taken for a result."""

import dataclasses
import errno
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import make_calibration

from calcbench.bench.schema.condition import Condition
from calcbench.bench.schema.outcomes import Outcomes
from calcbench.bench.schema.plan import KEEP_ALIVE, Plan
from calcbench.bench.schema.reader import read_run
from calcbench.bench.schema.result import Measurement, Run
from calcbench.bench.schema.samples import COLUMNS, DERIVED, read_samples, write_samples
from calcbench.bench.schema.store import RESULT, claim_folder, prepare_folder, write_run
from calcbench.bench.schema.upgrade import SCHEMA_VERSION
from calcbench.bench.system.cpus import Pinning
from calcbench.bench.system.files import whole_file
from calcbench.core.errors import CalcbenchError, UsageError

RECORDED = Path(__file__).with_name("recorded")
CONDITION = Condition("fork:children=3", "wait=10ms", KEEP_ALIVE, 10_000)
ENDS = Outcomes(ok=1, refused=1, timed_out=1)
GOOD = Measurement(CONDITION, 1, "ok", "", 10**9, ENDS, 2, 8, "samples/1.npz", 5_000, 6_000)
RUN = Run(
    schema_version=SCHEMA_VERSION,
    name="20261122-080000",
    command="calcbench run",
    started="2026-11-22T08:00:00+01:00",
    finished="2026-11-22T08:01:00+01:00",
    partial=False,
    plan=Plan(
        ("fork:children=3",), ("wait=10ms",), connections=(10_000,), policy=("max_body=100",)
    ),
    machine={"cpu": "a processor", "cores": 2},
    versions={"python": "3.11.7"},
    measurements=(GOOD, Measurement(CONDITION, 2, "failed", "the server died")),
    options={"fork:children=3": {"children": 3}},
    policy={"max_body": 100},
    cpu_units={"cpu=2ms": 12_345},
    pinning=Pinning((1,), (0,), "a note"),
    calibration=make_calibration(),
)
SAMPLES = {
    "sent_ns": np.array([-5, 0, 2**40], np.int64),
    "latency_ns": np.array([1, 2**32, 2**32 - 1], np.int64),
    "client": np.array([0, 255, 9_999], np.int64),
    "outcome": np.array([0, 5, 3], np.int64),
}


def test_reads_back_what_it_wrote(tmp_path: Path) -> None:
    write_run(RUN, tmp_path)

    assert read_run(tmp_path) == RUN
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


def test_writes_no_calibration_as_it_always_has(tmp_path: Path) -> None:
    run = dataclasses.replace(RUN, calibration=None)
    write_run(run, tmp_path)

    assert json.loads((tmp_path / RESULT).read_bytes())["calibration"] == {}
    assert read_run(tmp_path) == run


def test_keeps_every_sample_exactly(tmp_path: Path) -> None:
    prepare_folder(tmp_path)
    write_samples(tmp_path, GOOD.samples, SAMPLES)
    back = read_samples(tmp_path, GOOD)

    assert tuple(back) == COLUMNS
    for column in COLUMNS:
        assert back[column].dtype == np.int64
        assert back[column].tolist() == SAMPLES[column].tolist()


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION))
def test_reads_what_older_versions_wrote(version: int) -> None:
    """Each folder was written by that version, and its result and its samples are never edited.

    The summary and the verdict beside them are what is expected of them, in today's words.
    """
    run = read_run(RECORDED / f"schema-{version}")

    assert run.schema_version == version
    for one in run.measurements:
        samples = read_samples(RECORDED / f"schema-{version}", one)
        assert len(samples["client"]) == one.outcomes.total > 0
        assert one.status in ("ok", "failed")
        assert (one.resource_usage is None) == (version == 1)


MISSING = object()


def changed(keys: str, value: object) -> str:
    """Return a result as text in which the value at *keys*, with dots between, is another."""
    values: Any = json.loads(json.dumps(dataclasses.asdict(RUN)))
    *folders, last = keys.split(".")
    place = values
    for key in folders:
        place = place[int(key) if isinstance(place, list) else key]
    place[last] = value
    if value is MISSING:
        del place[last]
    return json.dumps(values)


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        ("measurements.0.round", "1", r"expected int, got str at measurements\[0\]\.round"),
        ("measurements.0.condition", None, r"got null at measurements\[0\]\.condition"),
        ("measurements.0.evidence.series", [1, "x"], r"got str at .*evidence\.series\[1\]"),
        ("measurements.0.evidence.why", [], r"no field is called measurements\[0\]\.evidence\.why"),
        ("measurements.0.outcomes.ok", 1.5, r"expected int, got float at .*outcomes\.ok"),
        ("plan.rounds", 0, "rounds 0 should be from 1 to 10,000"),
        ("pinning.server", 1, r"expected array, got int at pinning\.server"),
        ("measurements.0.round", MISSING, r"measurements\[0\]\.round is missing"),
        ("measurements.0.judgement", MISSING, r"measurements\[0\]\.judgement is missing"),
        ("measurements.1.evidence.settled", MISSING, r"\[1\]\.evidence\.settled is missing"),
        ("measurements.0.condition.target", MISSING, r"\[0\]\.condition\.target is missing"),
        ("plan.rate", MISSING, r"plan\.rate is missing"),
        ("pinning", MISSING, "pinning is missing"),
        ("measurements.0.status", "good", r"\[0\]\.status 'good' should be one of ok, failed, una"),
        (
            "measurements.0.judgement",
            "driver bound",
            r"measurements\[0\]\.judgement 'driver bound' should be one of server-bound, driver-b",
        ),
        ("measurements.0.evidence.judgements", ["bad"], r"\[0\]\.evidence\.judgements 'bad' shou"),
        (
            "measurements.0.elapsed_ns",
            0,
            r"\[0\]\.elapsed_ns 0 should be at least 1 where all is ok",
        ),
        ("measurements.1.elapsed_ns", -1, r"measurements\[1\]\.elapsed_ns -1 should be at least 0"),
        ("measurements.0.outcomes.ok", 0, r"\[0\]\.outcomes\.ok 0 should be at least 1"),
        (
            "measurements.0.responses_in_window",
            -1,
            r"\.responses_in_window -1 should be at least 0",
        ),
        ("measurements.0.driver_cpu_ns", 10**400, r"too large at measurements\[0\]\.driver_cpu_ns"),
        (
            "measurements.0.condition.connections",
            0,
            r"condition\.connections 0 should be at least 1",
        ),
        ("measurements.0.samples", "", r"measurements\[0\]\.samples should name a file"),
        (
            "measurements.0.samples",
            "/etc/passwd",
            r"'/etc/passwd' should be a file within the folder",
        ),
        ("measurements.0.samples", "samples/../../1.npz", "should be a file within the folder"),
        ("measurements.0.offered_per_s", float("nan"), r"nan is no number at .*offered_per_s"),
        (
            "measurements.1.evidence.series",
            [1.0, float("inf")],
            r"inf is no number at .*series\[1\]",
        ),
        ("machine.load", float("-inf"), r"-inf is no number at machine\.load"),
        ("policy", {"a\nb": float("nan")}, r"nan is no number at policy\.a b$"),
        ("calibration", [], "expected object | null, got array at calibration"),
        ("calibration", {"ways": []}, "expected object, got array at calibration.ways"),
        ("calibration", {"cpu": "a processor"}, r"calibration\.cores is missing"),
        ("calibration.lateness.kept", MISSING, r"calibration\.lateness\.kept is missing"),
        ("calibration.ways.close", 1, r"got int at calibration\.ways\[\.\.\.\]"),
        ("calibration.ways.close.cost_ns", "x", r"got str at calibration\.ways\[.*\]\.cost_ns"),
    ],
)
def test_says_which_key_of_a_result_is_wrong(
    keys: str, value: object, message: str, tmp_path: Path
) -> None:
    (tmp_path / RESULT).write_text(changed(keys, value))
    with pytest.raises(
        CalcbenchError, match=f"result.json is not a whole result: .*{message}"
    ) as seen:
        read_run(tmp_path)

    assert "\n" not in str(seen.value)


@pytest.mark.parametrize("version", [0, -1])
def test_refuses_a_version_that_never_was(version: int, tmp_path: Path) -> None:
    (tmp_path / RESULT).write_text(changed("schema_version", version))
    with pytest.raises(CalcbenchError, match="schema_version should be at least 1"):
        read_run(tmp_path)


@pytest.mark.parametrize("depth", [900, 970, 990, 5_000])
def test_refuses_what_lies_too_deep(depth: int, tmp_path: Path) -> None:
    """How deep that is depends on the Python; a traceback it never is."""
    text = changed("machine", {"cpu": "deep"}).replace('"deep"', "[" * depth + "]" * depth)
    (tmp_path / RESULT).write_text(text)
    try:
        read_run(tmp_path)
    except CalcbenchError as error:
        assert "recursion" in str(error)


def test_keeps_columns_that_not_every_file_has(tmp_path: Path) -> None:
    prepare_folder(tmp_path)
    more = dict.fromkeys(DERIVED, SAMPLES["sent_ns"] - 1)
    write_samples(tmp_path, GOOD.samples, SAMPLES | more)
    back = read_samples(tmp_path, GOOD)

    assert tuple(back) == (*COLUMNS, *DERIVED)
    assert back["intended_ns"].tolist() == [-6, -1, 2**40 - 1]


def test_has_no_samples_of_what_was_not_measured(tmp_path: Path) -> None:
    back = read_samples(tmp_path, RUN.measurements[1])

    assert {column: len(values) for column, values in back.items()} == dict.fromkeys(COLUMNS, 0)


def test_keeps_no_samples_exactly_too(tmp_path: Path) -> None:
    prepare_folder(tmp_path)
    write_samples(tmp_path, GOOD.samples, {column: np.empty(0, np.int64) for column in COLUMNS})
    back = read_samples(tmp_path, dataclasses.replace(GOOD, outcomes=Outcomes()))

    assert all(len(values) == 0 for values in back.values())


def test_counts_outcomes() -> None:
    outcomes = Outcomes(ok=1, wrong=2, http_error=3, refused=4, reset=5, timed_out=6)

    assert (outcomes.total, outcomes.failed) == (21, 20)


def test_makes_a_folder_ready(tmp_path: Path) -> None:
    folder = tmp_path / "results" / "new"
    prepare_folder(folder)
    prepare_folder(folder)

    assert [path.name for path in folder.rglob("*")] == ["samples"]


def test_names_a_folder_that_is_not_there(tmp_path: Path) -> None:
    first, second = claim_folder(tmp_path), claim_folder(tmp_path)

    assert first != second
    assert first.is_dir()
    assert second.is_dir()


def test_never_mixes_two_runs(tmp_path: Path) -> None:
    write_run(RUN, tmp_path)
    with pytest.raises(UsageError, match="already holds a result; name another folder"):
        prepare_folder(tmp_path)


def test_says_in_one_line_that_a_folder_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CalcbenchError, match=r"cannot write to .*/file/run: Not a directory"):
        prepare_folder(tmp_path / "file" / "run")


def refuse(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_says_in_one_line_that_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(CalcbenchError, match=r"cannot write .*/result.json: No space left"):
        write_run(RUN, tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_says_in_one_line_that_a_folder_is_read_only(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("nothing is read-only for root")
    tmp_path.chmod(0o500)
    with pytest.raises(CalcbenchError, match=r"cannot write to .*: Permission denied"):
        prepare_folder(tmp_path / "run")


def test_leaves_the_old_file_when_the_new_one_fails(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def write_half() -> None:
        with whole_file(path) as file:
            file.write(b"ne")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def without(name: str) -> dict[str, Any]:
    values = dataclasses.asdict(RUN)
    del values[name]
    return values


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "is not a result: no result.json in it"),
        ("", "cannot read"),
        ('{"schema_version": 1', "cannot read"),
        ("\udcff", "cannot read"),
        ("[]", "is not a result of calcbench"),
        ("{}", "is not a result of calcbench"),
        (json.dumps({"schema_version": SCHEMA_VERSION + 1}), "update it"),
        (json.dumps({"schema_version": SCHEMA_VERSION}), "is not a whole result"),
        (json.dumps(without("measurements")), "is not a whole result"),
        (json.dumps(dataclasses.asdict(RUN) | {"more": 1}), "is not a whole result"),
        (json.dumps(dataclasses.asdict(RUN) | {"plan": []}), "is not a whole result"),
    ],
)
def test_says_in_one_line_that_a_folder_is_no_result(
    content: str | None, message: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / RESULT).write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(CalcbenchError, match=message) as caught:
        read_run(tmp_path)

    assert "\n" not in str(caught.value)


def test_says_that_there_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="/nowhere is not a result: no such folder"):
        read_run(tmp_path / "nowhere")


def test_names_the_newest_run_where_there_are_several(tmp_path: Path) -> None:
    for name in ("20261122-181500", "20261123-090000", "reference", "20261124-000000"):
        prepare_folder(tmp_path / name)
    for name in ("20261122-181500", "20261123-090000", "reference"):
        write_run(RUN, tmp_path / name)
    with pytest.raises(UsageError, match=r"did you mean .*/20261123-090000\?$"):
        read_run(tmp_path)


def test_says_that_samples_are_missing_or_broken(tmp_path: Path) -> None:
    prepare_folder(tmp_path)
    with pytest.raises(CalcbenchError, match="cannot read the samples"):
        read_samples(tmp_path, GOOD)
    write_samples(tmp_path, GOOD.samples, SAMPLES)
    path = tmp_path / GOOD.samples
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(CalcbenchError, match="cannot read the samples"):
        read_samples(tmp_path, GOOD)
    path.write_bytes(b"")
    with pytest.raises(CalcbenchError, match="cannot read the samples"):
        read_samples(tmp_path, GOOD)
