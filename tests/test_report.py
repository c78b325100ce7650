"""What `calcbench report` and `compare` do with results that are damaged, partial or not theirs."""

import os
import shutil
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from builders import make_measurement, only_run

from calcbench.bench.analysis.summary import SUMMARY_VERSION, Summary
from calcbench.bench.cli import doctor
from calcbench.bench.cli.main import main
from calcbench.bench.runner import knee, launched
from calcbench.bench.runner.knee_try import KEPT, Try
from calcbench.bench.runner.subject import Setup
from calcbench.bench.schema.condition import Condition
from calcbench.bench.schema.reader import read_run
from calcbench.bench.schema.result import Measurement
from calcbench.bench.schema.store import JOURNAL, RESULT, Journal
from calcbench.bench.views import charts
from calcbench.bench.views.report import write_views
from calcbench.core.errors import CalcbenchError

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "results" / "reference"
RECORDED = Path(__file__).with_name("recorded") / "schema-3"

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Return what calls calcbench with words; its status, what it printed, and its errors."""

    def calls(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["calcbench", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return calls


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a whole result without views."""
    return Path(shutil.copytree(RECORDED, tmp_path / "run"))


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("words", [[], ["--models"], ["--resources"]])
def test_changes_nothing_that_is_there(call: Call, words: list[str]) -> None:
    before = contents(REFERENCE)
    status, stdout, stderr = call("report", *words, REFERENCE)

    assert (status, stderr) == (0, "")
    assert ("add --out DIR" in stdout) == (words == ["--models"])
    assert contents(REFERENCE) == before


def test_draws_where_it_is_told_to(call: Call, folder: Path, tmp_path: Path) -> None:
    before = contents(folder)
    out = tmp_path / "elsewhere" / "views"
    status, stdout, _ = call("report", "--hgrm", "--out", out, folder)

    assert status == 0
    assert contents(folder) == before
    assert sorted(path.name for path in out.iterdir()) == [
        *("charts", "hgrm", "index.html", "summary.csv", "summary.json")
    ]
    assert f"Charts: {out / 'charts'}\n" in stdout
    assert f"Data:   {folder}\n" in stdout
    (out / "summary.csv").write_text("old")
    call("report", "--out", out, folder)
    assert (out / "summary.csv").read_text() != "old"


def test_draws_what_is_left_of_a_damaged_result(call: Call, folder: Path) -> None:
    lost = folder / read_run(folder).measurements[0].samples
    lost.write_bytes(lost.read_bytes()[:-30])
    status, stdout, stderr = call("report", folder)

    assert status == 1
    assert stdout.startswith("Partial result: 3 of 4 measurements\n")
    assert stderr.startswith(f"calcbench: cannot read the samples {lost}: ")
    assert stderr.endswith("; the rest is shown\n")
    assert stderr.count("\n") == 1
    assert (folder / "charts" / "throughput.svg").exists()


def test_draws_a_race_that_was_killed(call: Call, folder: Path) -> None:
    whole = read_run(folder)
    with Journal(folder) as journal:
        journal.begin(whole)
        for one in whole.measurements[:3]:
            journal.keep(one)
    (folder / RESULT).unlink()
    status, stdout, stderr = call("report", folder)

    assert (status, stderr) == (0, "")
    assert stdout.startswith("Partial result: 3 of 4 measurements\n")
    assert (folder / "charts" / "throughput.svg").exists()
    assert not (folder / RESULT).exists()
    assert len((folder / JOURNAL).read_bytes().splitlines()) == 4


def test_compares_what_is_left(call: Call, folder: Path) -> None:
    lost = folder / read_run(folder).measurements[0].samples
    lost.unlink()
    status, stdout, stderr = call("compare", RECORDED, folder, "--fail-if", "p99>1s")

    assert status == 1
    assert "B is only a part of its race" in stdout
    assert stderr == (
        f"calcbench: cannot read the samples {lost}: No such file or directory; the rest is shown\n"
    )


def test_keeps_the_table_where_a_chart_cannot_be_drawn(
    call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> NoReturn:
        raise RuntimeError("no glyph\nfor this label")

    monkeypatch.setattr(charts, "draw", fail)
    status, stdout, stderr = call("report", folder)

    assert status == 1
    assert "req/s" in stdout
    assert stderr == (
        f"calcbench: cannot draw the charts in {folder / 'charts'}: no glyph for this label\n"
    )


def test_writes_no_chart_through_a_planted_link(call: Call, folder: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (folder / "charts").symlink_to(victim)
    (folder / "summary.csv").symlink_to(tmp_path / "nothing-yet")
    status, _, stderr = call("report", folder)

    assert status == 1
    assert "charts: it is a symbolic link, and those are not followed there" in stderr
    assert list(victim.iterdir()) == []
    assert not (tmp_path / "nothing-yet").exists()


@pytest.mark.parametrize("words", [(), ("--find-knee", "--slo", "p99<1s")])
def test_says_where_the_result_is_of_what_ended_early(
    call: Call, words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(setup: Setup, condition: Condition, number: int, step: int) -> Measurement:
        if step == 2:
            raise CalcbenchError("the disk is full")
        return make_measurement(condition, number, offered_per_s=setup.plan.rate or 0.0)

    # A try of which all samples are missing would end the search by itself.
    monkeypatch.setattr(knee, "judge_try", lambda *_: Try(1, KEPT, ""))
    monkeypatch.setattr(launched, "measure", measure_with(measure))
    monkeypatch.setattr(doctor, "prepare_race", lambda *_, **__: None)
    status, stdout, stderr = call(*RUN[:3], *words, "--out", tmp_path)
    [folder] = tmp_path.iterdir()

    assert (status, stdout) == (1, "")
    assert f"calcbench: what was measured until then is in {folder}\n" in stderr
    assert stderr.endswith("calcbench: the disk is full\n")


def measure_with(
    measure: Callable[[Setup, Condition, int, int], Measurement],
) -> Callable[..., Measurement]:
    """Return *measure* as one that could start servers, and does not."""
    return lambda *args, **_: measure(*args)


LONG = "x" * 300
RUN = ("run", "--strategy", "fork", "--control", "none")


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        ((*RUN, "--out", LONG), 1, "cannot write to x*: File name too long"),
        ((*RUN, "--out", "file/in"), 1, "cannot write to file/in: Not a directory"),
        # Before anybody from elsewhere is waited for.
        (
            (*RUN, "--engine", "locust", "--join", "1", "--host", "127.0.0.1", "--out", LONG),
            1,
            "cannot write to x*: File name too long",
        ),
        ((*RUN, "--out", "loop/in"), 1, "cannot write to loop/in: Too many levels of symbolic"),
        (
            ("run", "--find-knee", "--slo", "p99<1s", "--out", LONG),
            1,
            "cannot write to x*: File name too long",
        ),
        (("load", "http://a/", "--out", LONG), 1, "cannot write to x*: File name too long"),
        (("report", LONG), 1, "cannot read x*/result.json: File name too long"),
        (("report", "loop"), 1, "cannot read loop/result.json: Too many levels"),
        (("report", "nowhere"), 2, "nowhere is not a result: no such folder"),
        (("compare", LONG, LONG), 1, "cannot read x*/result.json: File name too long"),
        (("load", "http://a/", "--unix-socket", f"/{LONG}"), 2, "more than the 107 bytes allowed"),
        (("load", "http://a/", "--unix-socket", "file/in"), 2, "no Unix socket .*: Not a direct"),
        (("load", "http://a/", "--unix-socket", "file"), 2, "'file' is not a Unix socket"),
        (("load", "http://a/", "--unix-socket", "loop"), 2, "'loop': Too many levels"),
        (("load", "http://a/", "--unix-socket", "\udcff"), 2, r"no Unix socket '\\+xff': No such"),
        (("load", "http://a/", "--body", "@file/in"), 2, "cannot read file/in: Not a directory"),
        (("load", "http://a/", "--expect-body", f"@{LONG}"), 2, "cannot read x*: File name too"),
    ],
)
def test_says_in_one_line_what_the_system_refuses(
    call: Call,
    words: tuple[str, ...],
    status: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("")
    Path("loop").symlink_to("loop")
    found, stdout, stderr = call(*words)

    assert (found, stdout) == (status, "")
    assert stderr.count("\n") == 1
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(stderr)
    assert sorted(os.listdir()) == ["file", "loop"]


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        ((*RUN, "--out", "shut/out"), 1, "cannot write to shut/out: Permission denied"),
        (("report", "shut/run"), 1, "cannot read shut/run/result.json: Permission denied"),
        (("load", "http://a/", "--unix-socket", "shut/a"), 2, "'shut/a': Permission denied"),
        (("load", "http://a/", "--unix-socket", "mine"), 2, "'mine': Permission denied"),
    ],
)
def test_says_in_one_line_what_the_user_may_not(
    call: Call,
    words: tuple[str, ...],
    status: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can be somebody else")
    monkeypatch.chdir(tmp_path)
    Path("shut").mkdir(0o700)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind("mine")
        Path("mine").chmod(0o600)
        # Who may not enter a folder above may still be in it.
        os.seteuid(65534)
        try:
            found, stdout, stderr = call(*words)
        finally:
            os.seteuid(0)

    assert (found, stdout, stderr.count("\n")) == (status, "", 1)
    assert message in stderr


def test_draws_nothing_of_a_race_that_was_stopped_before_its_first_measurement(
    folder: Path, tmp_path: Path
) -> None:
    run = read_run(folder)
    empty = tmp_path / "empty"
    empty.mkdir()

    assert write_views(Summary(SUMMARY_VERSION, run.name, True, ()), run, empty) == []
    assert not (empty / "charts").exists()
    assert (empty / "summary.json").exists()


def test_begins_no_line_with_the_words_of_a_result(call: Call, folder: Path) -> None:
    path = folder / RESULT
    path.write_text(path.read_text().replace('"fork"', '"fork\\nWith evil"'))
    status, out, err = call("report", str(folder))

    assert r"fork\nWith evil" in out
    assert "\nWith evil" not in out
    assert status == 0, err

    status, out, err = call("compare", str(folder), str(RECORDED))

    assert r"fork\nWith evil" in out
    assert "\nWith evil" not in out
    assert status == 0, err


def test_draws_no_charts_where_nobody_wants_any(
    call: Call, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says which command draws them, and that one does."""

    def measure(setup: Setup, condition: Condition, number: int, step: int) -> Measurement:
        return Measurement(condition, number, "failed", "it died")

    monkeypatch.setattr(launched, "measure", measure_with(measure))
    monkeypatch.setattr(doctor, "prepare_race", lambda *_, **__: None)
    raced = tmp_path / "raced"
    _, from_run, _ = call(*RUN, "--rounds", "1", "--no-charts", "--out", raced)
    made = only_run(raced)
    _, from_report, _ = call("report", folder, "--no-charts")

    assert f"Charts: none; draw them with calcbench report {made}\n" in from_run
    assert f"Charts: none; draw them with calcbench report {folder}\n" in from_report
    for one in (made, folder):
        assert (one / "summary.json").exists()
        assert not (one / "charts").exists()

    status, out, _ = call("report", folder)
    assert status == 0
    assert f"Charts: {folder / 'charts'}\n" in out
    assert (folder / "charts" / "throughput.png").exists()
