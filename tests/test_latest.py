"""`results/latest` and `--open`: what a command does when its run has ended."""

import os
import shutil
import sys
import threading
from pathlib import Path

import pytest
from builders import only_run
from test_report import RUN, Call, call, measure_with  # noqa: F401  # a fixture

from calcbench.bench.cli import doctor
from calcbench.bench.runner import launched
from calcbench.bench.runner.subject import Setup
from calcbench.bench.schema.condition import Condition
from calcbench.bench.schema.latest import LATEST, point_latest
from calcbench.bench.schema.result import Measurement
from calcbench.bench.system.browser import command_that_opens, open_page
from calcbench.bench.views import charts

RECORDED = Path(__file__).with_name("recorded") / "schema-3"


def test_leads_to_the_newest_run_by_a_relative_path(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()

        assert point_latest(tmp_path / name) == ""
        assert (tmp_path / LATEST).readlink() == Path(name)
    assert sorted(os.listdir(tmp_path)) == ["first", LATEST, "second"]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_leaves_alone_what_is_no_link(tmp_path: Path, kind: str) -> None:
    (tmp_path / "run").mkdir()
    mine = tmp_path / LATEST
    mine.mkdir() if kind == "folder" else mine.write_text("mine")

    assert point_latest(tmp_path / "run") == f"{mine} is not a link, so it stays as it is"
    assert not mine.is_symlink()


def test_says_where_there_can_be_no_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "symlink_to", refuse)

    assert (
        point_latest(tmp_path / "run")
        == f"no link {tmp_path / LATEST} here: Operation not permitted"
    )
    assert list(tmp_path.iterdir()) == []


def test_never_leads_nowhere_while_many_runs_end(tmp_path: Path) -> None:
    folders = [tmp_path / f"run-{number}" for number in range(8)]
    for folder in folders:
        folder.mkdir()
    point_latest(folders[0])
    threads = [threading.Thread(target=point_latest, args=(folder,)) for folder in folders]
    for thread in threads:
        thread.start()
    seen = [(tmp_path / LATEST).resolve(strict=True) for _ in range(100)]
    for thread in threads:
        thread.join()

    assert set(seen) <= set(folders)
    assert sorted(os.listdir(tmp_path)) == [LATEST, *(folder.name for folder in folders)]


@pytest.fixture
def no_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a race measure nothing, at once."""

    def measure(setup: Setup, condition: Condition, number: int, step: int) -> Measurement:
        if number > 1:
            raise KeyboardInterrupt
        return Measurement(condition, number, "failed", "it died")

    monkeypatch.setattr(launched, "measure", measure_with(measure))
    monkeypatch.setattr(doctor, "prepare_race", lambda *_, **__: None)


@pytest.mark.usefixtures("no_servers")
def test_is_made_by_a_run_that_ended_and_by_no_other(call: Call, tmp_path: Path) -> None:  # noqa: F811
    call(*RUN, "--rounds", "2", "--no-charts", "--out", tmp_path / "interrupted")
    call(*RUN, "--rounds", "1", "--no-charts", "--out", tmp_path / "ended")
    status, out, _ = call("report", "--no-charts", tmp_path / "ended" / LATEST)

    assert os.listdir(tmp_path / "interrupted") == [only_run(tmp_path / "interrupted").name]
    assert (tmp_path / "ended" / LATEST).readlink() == Path(only_run(tmp_path / "ended").name)
    assert status == 0
    assert f"Data:   {tmp_path / 'ended' / LATEST}" in out


DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME", "BROWSER")


@pytest.fixture
def nobody_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in DISPLAYS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")


@pytest.mark.usefixtures("nobody_sees")
@pytest.mark.parametrize("theme", ["paper", "projector"])
def test_says_in_one_line_where_nothing_can_be_opened(
    call: Call,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    theme: str,
) -> None:
    monkeypatch.setattr(charts, "METADATA", {"svg": {"Date": None}})
    folder = Path(shutil.copytree(RECORDED, tmp_path / "run"))
    status, _, err = call("report", "--open", "--theme", theme, folder)
    page = folder / ("index.html" if theme == "paper" else "projector/index.html")

    assert status == 0
    assert err == (f"calcbench: there is no browser or no display here: open {page} yourself\n")
    assert page.exists()


@pytest.mark.usefixtures("nobody_sees")
def test_says_where_there_is_no_page(call: Call, tmp_path: Path) -> None:  # noqa: F811
    folder = shutil.copytree(RECORDED, tmp_path / "run")
    status, _, err = call("report", "--open", "--no-charts", folder)

    assert status == 0
    assert err == "calcbench: there is no page to open, because no charts were drawn\n"


@pytest.mark.usefixtures("nobody_sees")
def test_opens_the_page_with_the_command_that_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe, browser = tmp_path / "pipe", tmp_path / "browser"
    os.mkfifo(pipe)
    browser.write_text(f'#!/bin/sh\necho noise\necho "$1" > {pipe}\n')
    browser.chmod(0o700)
    monkeypatch.setenv("BROWSER", f"{browser} %s")
    page = tmp_path / "a page.html"

    assert open_page(page) == ""
    assert pipe.read_text() == f"{page.as_uri()}\n"
    monkeypatch.setenv("BROWSER", str(tmp_path / "none"))
    assert open_page(page) == f"cannot start {tmp_path / 'none'}, because it is not here"


@pytest.mark.usefixtures("nobody_sees")
def test_opens_nothing_without_a_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}" if name == "firefox" else None)

    assert command_that_opens() == []
    monkeypatch.setenv("DISPLAY", ":0")
    assert command_that_opens() == ["/bin/firefox"]
    monkeypatch.setattr(sys, "platform", "darwin")
    assert command_that_opens() == ["open"]


def test_reports_a_demonstration(call: Call, tmp_path: Path) -> None:  # noqa: F811
    (tmp_path / "demo.json").write_text('{"sentence": "Nobody\\nwon."}')
    status, _, err = call("report", tmp_path)

    assert (status, err) == (1, f"calcbench: {tmp_path} holds no whole demonstration\n")
    (tmp_path / "silent-client.png").write_bytes(b"")
    status, out, _ = call("report", tmp_path)
    assert (status, out) == (0, f"Nobody\\nwon.\nPicture: {tmp_path}/silent-client.png\n")
