"""A folder that only grows: what was measured is there, whatever ended the race."""

import dataclasses
import json
import math
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from builders import make_condition, make_measurement, make_run

from calcbench.bench.analysis.thresholds import parse_threshold
from calcbench.bench.cli.load import contents, question_of
from calcbench.bench.runner.knee import UNFINISHED, find_knees
from calcbench.bench.runner.race import race
from calcbench.bench.runner.remote import Question
from calcbench.bench.runner.subject import Setup, Subject
from calcbench.bench.schema.condition import Condition
from calcbench.bench.schema.outcomes import Outcomes
from calcbench.bench.schema.plan import Plan
from calcbench.bench.schema.reader import read_run, read_sound
from calcbench.bench.schema.result import Measurement
from calcbench.bench.schema.store import (
    JOURNAL,
    RESULT,
    SEARCH,
    Journal,
    claim_folder,
    claimed_folder,
    prepare_folder,
    write_run,
)
from calcbench.core.errors import CalcbenchError, UsageError

PLAN = Plan(("selectors", "fork"), connections=(8,))
FAILED = [
    Measurement(condition, number, "failed", "it died")
    for number in (1, 2, 3)
    for condition in PLAN.order(number)
]


def subject_of(*ends: Exception | float) -> Subject:
    """Return a subject with as many measurements as there are *FAILED* ones, or until an end."""

    def measure(setup: Setup, condition: Condition, number: int, step: int) -> Measurement:
        one = Measurement(condition, number, "failed", "it died")
        if step < 3:
            return one
        if isinstance(ends[0], Exception):
            raise ends[0]
        return dataclasses.replace(one, offered_per_s=ends[0])

    return Subject(measure, {})


def test_gives_each_of_many_that_begin_at_once_a_folder(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        folders = list(pool.map(claim_folder, [tmp_path / "results"] * 64))

    assert len(set(folders)) == 64
    assert all(folder.is_dir() for folder in folders)


def test_claims_no_folder_through_a_planted_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "victim").mkdir()
    first = claim_folder(tmp_path)
    first.rmdir()
    first.symlink_to(tmp_path / "victim")

    assert claim_folder(tmp_path) != first
    assert list((tmp_path / "victim").iterdir()) == []


def test_takes_a_folder_away_again_in_which_nothing_was_measured(tmp_path: Path) -> None:
    with pytest.raises(CalcbenchError), claimed_folder(tmp_path / "out"):
        raise CalcbenchError
    with claimed_folder(tmp_path / "out") as kept:
        write_run(make_run(PLAN), kept)

    assert list((tmp_path / "out").iterdir()) == [kept]


@pytest.mark.parametrize("name", [RESULT, JOURNAL, SEARCH])
def test_never_mixes_two_runs_in_one_folder(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("")
    with pytest.raises(UsageError, match="already holds a result; name another folder"):
        prepare_folder(tmp_path)


def test_lets_one_of_two_runs_that_begin_at_once_have_a_folder(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.begin(make_run(PLAN))
        journal.keep(FAILED[0])
        with pytest.raises(UsageError, match="already holds a result; name another folder"):
            Journal(tmp_path)

    assert read_run(tmp_path).measurements == (FAILED[0],)


@pytest.mark.parametrize(
    ("end", "message"),
    [
        (ValueError("a bug"), "a bug"),
        (RuntimeError("can't start new thread"), "thread"),
        (MemoryError("no memory"), "no memory"),
        (CalcbenchError("cannot write samples"), "cannot write samples"),
        (math.inf, r"cannot write .*measurements.jsonl: Out of range"),
        (math.nan, r"cannot write .*measurements.jsonl: Out of range"),
    ],
)
def test_finishes_the_result_whatever_ends_the_race(
    end: Exception | float, message: str, tmp_path: Path
) -> None:
    with pytest.raises(Exception, match=message) as caught:
        race(PLAN, subject_of(end), tmp_path)
    run = read_run(tmp_path)

    assert caught.value.__notes__ == [f"what was measured lies in {tmp_path}"]
    assert json.loads((tmp_path / RESULT).read_bytes())["partial"] is True
    assert run.partial
    assert run.measurements == tuple(FAILED[:3])


HARNESS = """
import os
import signal
import sys
from pathlib import Path
from calcbench.bench.runner.race import race
from calcbench.bench.runner.subject import Subject
from calcbench.bench.schema.plan import Plan
from calcbench.bench.schema.result import Measurement

def measure(setup, condition, number, step):
    if step == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return Measurement(condition, number, "failed", "it died")

race(Plan(("selectors", "fork"), connections=(8,)), Subject(measure, {}), Path(sys.argv[1]))
"""


def test_keeps_what_was_measured_before_a_kill(tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-c", HARNESS, str(tmp_path)]
    done = subprocess.run(command, check=False)
    run = read_run(tmp_path)

    assert done.returncode == -signal.SIGKILL
    assert sorted(os.listdir(tmp_path)) == [JOURNAL, "samples"]
    assert run.partial
    assert run.measurements == tuple(FAILED[:3])
    assert (run.plan, run.name, run.finished > "") == (PLAN, tmp_path.name, True)


def journal_of(folder: Path) -> list[bytes]:
    """Write the journal of a race with three measurements to *folder*; return its lines."""
    with Journal(folder) as journal:
        journal.begin(make_run(PLAN))
        for one in FAILED[:3]:
            journal.keep(one)
    return (folder / JOURNAL).read_bytes().splitlines(keepends=True)


@pytest.mark.parametrize("cut", [1, 2, 50])
def test_takes_a_line_that_was_being_written_for_none(cut: int, tmp_path: Path) -> None:
    lines = journal_of(tmp_path)
    (tmp_path / JOURNAL).write_bytes(b"".join(lines)[:-cut])
    found = read_sound(tmp_path)

    assert found.problems == ()
    assert found.run.partial
    assert found.run.measurements == tuple(FAILED[:2])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"\xff{}\n", r"cannot read .*measurements.jsonl: .*\(line 3\)"),
        (b"[]\n", r"got array at measurements\[1\]"),
        (b"{}\n", r"measurements\[1\].condition is missing"),
        (b"[" * 100_000 + b"\n", r"\(line 3\)"),
    ],
)
def test_names_a_damaged_line_and_reads_the_rest(line: bytes, message: str, tmp_path: Path) -> None:
    lines = journal_of(tmp_path)
    (tmp_path / JOURNAL).write_bytes(b"".join([*lines[:2], line, *lines[3:]]))
    found = read_sound(tmp_path)

    assert found.run.measurements == (FAILED[0], FAILED[2])
    assert len(found.problems) == 1
    with pytest.raises(CalcbenchError, match=message):
        read_run(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"schema_version": 4}', b"\xff"])
def test_reads_the_lines_where_the_result_is_damaged(content: bytes, tmp_path: Path) -> None:
    journal_of(tmp_path)
    (tmp_path / RESULT).write_bytes(content)
    found = read_sound(tmp_path)

    assert found.run.measurements == tuple(FAILED[:3])
    assert len(found.problems) == 1
    assert "result.json" in found.problems[0]


def test_says_that_a_run_ended_before_it_began(tmp_path: Path) -> None:
    (tmp_path / JOURNAL).write_bytes(b"")
    with pytest.raises(CalcbenchError, match="holds no measurement: its run ended before"):
        read_run(tmp_path)


def test_writes_names_that_are_no_text_so_that_they_can_be_read(tmp_path: Path) -> None:
    run = make_run(PLAN, name=os.fsdecode(b"out\xff"), command="ö")
    write_run(run, tmp_path)

    assert json.loads((tmp_path / RESULT).read_bytes())["name"] == run.name
    assert read_run(tmp_path).name == "out\\udcff"
    assert read_run(tmp_path).command == "ö"


def test_keeps_what_was_typed_in_bytes_that_are_no_text(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"o\xffut")
    command = f"calcbench load URL --body {os.fsdecode(bytes([0xFE]))} --out {folder}"
    run = race(PLAN, subject_of(0.0), folder, command=command)

    assert read_run(folder) == run
    assert run.name == "o\\xffut"
    assert "--body \\xfe" in run.command
    assert contents(os.fsdecode(b"\xff\x00")) == b"\xff\x00"
    assert question_of("PUT", (), os.fsdecode(b"\xfe"), 200, os.fsdecode(b"\xff")) == Question(
        "PUT", body=b"\xfe", status=200, right_body=b"\xff"
    )


def test_reads_a_run_that_was_killed_in_its_first_measurement(tmp_path: Path) -> None:
    lines = journal_of(tmp_path)
    (tmp_path / JOURNAL).write_bytes(lines[0])
    found = read_sound(tmp_path)

    assert (found.run.partial, found.run.measurements, found.problems) == (True, (), ())


def test_keeps_every_try_of_a_search_as_it_ends(tmp_path: Path) -> None:
    """A kill takes the try that it ends, and none before it."""
    seen: list[dict[str, Any]] = []

    def measure(setup: Setup, condition: Condition, number: int, step: int) -> Measurement:
        if setup.plan.rate is None:
            return make_measurement(condition, number)
        values = json.loads((tmp_path / SEARCH).read_text()) if seen else {}
        seen.append(values)
        if len(seen) == 4:
            raise RuntimeError("a bug")
        why = Outcomes(ok=100, reset=100)
        return make_measurement(condition, number, outcomes=why, offered_per_s=setup.plan.rate)

    with pytest.raises(RuntimeError, match="a bug"):
        find_knees(PLAN, Subject(measure, {}), parse_threshold("p99<20ms"), tmp_path)
    [knee] = json.loads((tmp_path / SEARCH).read_text())["knees"]

    assert [len(values["knees"][0]["tries"]) for values in seen[1:]] == [1, 2, 3]
    assert [values["partial"] for values in seen[1:]] == [True] * 3
    assert knee["note"] == UNFINISHED
    assert (knee["kept"], knee["broken"], len(knee["tries"])) == (0, 500.0, 3)


def test_calls_no_two_conditions_the_same_in_a_folder_without_cases() -> None:
    """File names are no longer than a file system allows, also with a number and a suffix."""
    labels = ["http://a/" + "x" * 300, "http://a/" + "x" * 301, "A:b=1", "a:b=1", "a-b-1", "a.b=1"]
    slugs = {make_condition(label).slug.casefold() for label in labels}

    assert len(slugs) == len(labels)
    assert all(len(f"0001-{slug}-response.hgrm") < 100 for slug in slugs)
