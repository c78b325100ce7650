"""What a race or a search leaves behind that a full disk has ended, and what is made of it."""

import dataclasses
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from builders import make_condition
from click.testing import CliRunner

from calcbench.bench.cli.main import cli
from calcbench.bench.cli.plan_fields import Output
from calcbench.bench.cli.session import folder_of_result
from calcbench.bench.runner.knee import Knee, write_knees
from calcbench.bench.runner.knee_try import Try
from calcbench.bench.schema.reader import read_run
from calcbench.bench.schema.store import JOURNAL, RESULT, SEARCH
from calcbench.core.errors import CalcbenchError

# A race of made-up measurements in a process whose files may not grow beyond so many bytes; the
# journal is the file that grows.
HARNESS = """
import sys
from pathlib import Path
import numpy as np
from calcbench.bench.runner.race import race
from calcbench.bench.runner.subject import Subject
from calcbench.bench.schema.outcomes import Outcomes
from calcbench.bench.schema.plan import Plan
from calcbench.bench.schema.result import Measurement
from calcbench.bench.schema.samples import write_samples
from calcbench.core.errors import CalcbenchError

def measure(setup, condition, number, step):
    name = f"samples/{step}.npz"
    zeros = np.zeros(3, int)
    columns = {"sent_ns": zeros, "latency_ns": zeros + 5, "client": zeros, "outcome": zeros}
    digest = write_samples(setup.folder, name, columns)
    return Measurement(condition, number, "ok", elapsed_ns=10**9, outcomes=Outcomes(ok=3),
                       clients_served=1, samples=name, samples_sha256=digest)

plan = Plan(("fork", "selectors"), ("add",), connections=(1,), rounds=9, control="")
try:
    race(plan, Subject(measure, {}), Path(sys.argv[1]))
except CalcbenchError as error:
    sys.exit(str(error))
"""
MOST = 12_000  # bytes of a file


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a race whose disk was full after some rounds."""
    folder = tmp_path_factory.mktemp("full")
    done = subprocess.run(
        [sys.executable, "-P", "-c", HARNESS, str(folder)],
        check=False,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (MOST, MOST)),
    )

    assert done.returncode == 1
    assert done.stderr.startswith(f"cannot write {folder / JOURNAL}: ")
    assert "\n" not in done.stderr.strip()
    return folder


def test_a_full_disk_takes_no_round_that_was_measured(filled: Path) -> None:
    run = read_run(filled)

    assert run.partial
    assert 4 <= len(run.measurements) < 18
    assert [one.round for one in run.measurements[:4]] == [1, 1, 2, 2]


@pytest.mark.parametrize("command", ["report", "compare"])
def test_commands_read_what_a_full_disk_has_left(filled: Path, command: str) -> None:
    args = [str(filled), "--no-charts"] if command == "report" else [str(filled)] * 2
    done = CliRunner().invoke(cli, [command, *args])

    assert done.exit_code == 0, done.output
    assert ("Partial result" if command == "report" else "only a part of its race") in done.output
    assert "fork" in done.output


@pytest.mark.parametrize(("name", "told"), [(RESULT, 1), (JOURNAL, 1), (SEARCH, 1), ("trial", 0)])
def test_says_where_it_lies_what_was_measured_until_then(
    name: str, told: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = Output(tmp_path, as_json=False, quiet=False)
    with pytest.raises(CalcbenchError), folder_of_result(output) as folder:
        (folder / name).write_bytes(b"{}\n")
        raise CalcbenchError("no space left")

    assert capsys.readouterr().err.count(f"what was measured until then is in {folder}") == told


KNEE = Knee(
    make_condition(),
    500.0,
    float("inf"),
    (Try(500.0, "kept", "p99 9.00 ms"), Try(1000.0, "cannot tell", "\x1b[2J the driver was late")),
    "the search was stopped before its end",
)


def report(folder: Path, *options: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli, ["report", str(folder), *options])
    error = str(done.exception) if done.exception else ""
    return done.exit_code, done.output + error


@pytest.mark.parametrize("partial", [True, False])
def test_reports_a_search_as_far_as_it_came(partial: bool, tmp_path: Path) -> None:
    other = dataclasses.replace(KNEE, broken=900.0, note="")
    write_knees([KNEE, other], {"objective": "p99<20ms"}, tmp_path, partial=partial)
    status, text = report(tmp_path)

    assert status == 0
    assert text.startswith("Partial result: the search was stopped") == partial
    assert "Highest rate sustained with p99<20ms:" in text
    assert "500/s (the search was stopped before its end)" in text
    assert "500/s, not 900" in text
    assert r"  selectors, add: 1,000/s cannot tell: \x1b[2J the driver was late" in text
    assert text.endswith(f"Data:   {tmp_path}\n")
    assert os.listdir(tmp_path) == [SEARCH]


def test_says_what_of_a_race_a_search_has_not(tmp_path: Path) -> None:
    write_knees([KNEE], {"objective": "p99<20ms"}, tmp_path, partial=False)

    for option in (("--models",), ("--resources",), ("--hgrm",), ("--out", "x")):
        status, text = report(tmp_path, *option)
        assert status
        assert f"{option[0]} is of a race" in text


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is not a whole search: "),
        (b"[]", "is not a whole search: expected object, got array"),
        (b'{"objective": "p99<20ms", "partial": false}', "knees is missing"),
        (b'{"objective": "slow", "partial": false, "knees": []}', "is not a whole search: "),
        (b"[" * 100_000, "is not a whole search: "),
    ],
)
def test_says_in_one_line_what_is_wrong_with_a_search(
    content: bytes, why: str, tmp_path: Path
) -> None:
    (tmp_path / SEARCH).write_bytes(content)
    status, text = report(tmp_path)

    assert status == 1
    assert why in text
