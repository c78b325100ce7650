"""`--export`: what a terminal showed, as a picture or a page that needs no other file."""

import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from calcbench.bench.cli.main import main
from calcbench.bench.system.terminal import echo
from calcbench.bench.system.transcript import export_path, exported, not_exported
from calcbench.core.errors import CalcbenchError, UsageError


@pytest.mark.parametrize("suffix", ["svg", "html"])
def test_keeps_what_was_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    path = tmp_path / f"shown.{suffix}"
    with exported(path):
        echo("a & b <c>")
        with not_exported():
            echo("drawn over and over")
        echo("a failure", err=True)
        print("\x1b[1mbold\x1b[0m")
    text = path.read_text(encoding="utf-8")

    assert capsys.readouterr().out == "a & b <c>\ndrawn over and over\n\x1b[1mbold\x1b[0m\n"
    assert "bold" in text
    assert "&lt;c&gt;" in text
    assert "\x1b" not in text
    assert "drawn" not in text
    assert "failure" not in text
    assert "@font-face" not in text  # nothing from elsewhere
    if suffix == "svg":
        ElementTree.fromstring(text)


def test_keeps_what_was_printed_before_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "shown.html"
    with pytest.raises(CalcbenchError), exported(path):
        echo("a table")
        raise CalcbenchError("and a failure")

    assert "a table" in path.read_text(encoding="utf-8")


def test_keeps_nothing_of_what_was_interrupted(tmp_path: Path) -> None:
    before = sys.stdout
    with pytest.raises(KeyboardInterrupt), exported(tmp_path / "shown.svg"):
        echo("half a table")
        raise KeyboardInterrupt

    assert list(tmp_path.iterdir()) == []
    assert sys.stdout is before


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("shown.png", "should end in .svg or .html"),
        ("shown", "should end in .svg or .html"),
        ("nowhere/shown.svg", "there is no folder"),
        ("folder.svg", "is a folder"),
    ],
)
def test_says_before_it_begins_where_nothing_can_be_kept(
    tmp_path: Path, name: str, message: str
) -> None:
    (tmp_path / "folder.svg").mkdir()
    with pytest.raises(UsageError, match=message):
        export_path(str(tmp_path / name))


def test_keeps_what_a_command_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "list.html"
    monkeypatch.setattr(sys, "argv", ["calcbench", "list", "--export", str(path)])
    with pytest.raises(SystemExit):
        main()

    assert "selectors: " in path.read_text(encoding="utf-8")
    assert "selectors: " in capsys.readouterr().out
