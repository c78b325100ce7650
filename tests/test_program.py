"""How programs of ours end, whatever becomes of their output; `test_cli` runs one as users do."""

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from calcbench.bench.cli import main as cli_main
from calcbench.bench.cli.main import main
from calcbench.bench.system.program import INTERRUPTED, run_program
from calcbench.bench.system.terminal import OutputError
from calcbench.core.errors import CalcbenchError, UsageError

FULL = "cannot write the output: no space left on device"


class Output:
    """A standard output that goes nowhere, and whose flush raises *error* if there is one."""

    def __init__(self, fd: int, error: OSError | None) -> None:
        self.fd, self.error = fd, error

    def fileno(self) -> int:
        return self.fd

    def flush(self) -> None:
        if self.error:
            raise self.error


def ended(run: Callable[[], int]) -> int | str | None:
    with pytest.raises(SystemExit) as left:
        run_program("calcbench", run)
    return left.value.code


@pytest.mark.parametrize(
    ("number", "status", "before", "said"),
    [
        (0, 0, 0, ""),
        (errno.ENOSPC, 1, 0, FULL),
        (errno.ENOSPC, 99, 99, ""),  # it has said what went wrong before
        (errno.EPIPE, 1, 0, ""),
        (errno.EPIPE, 2, 2, ""),
        (errno.EIO, 1, 0, "cannot write the output: input/output error"),
    ],
)
def test_ends_whatever_becomes_of_its_output(
    number: int,
    status: int,
    before: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fd = os.open(tmp_path / "output", os.O_WRONLY | os.O_CREAT)
    error = OSError(number, os.strerror(number)) if number else None
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", Output(fd, error))
        code = ended(lambda: before)
    leads_to = Path(f"/proc/self/fd/{fd}").readlink()
    os.close(fd)

    assert code == status
    assert capsys.readouterr().err.strip().removeprefix("calcbench: ") == said
    # So that the interpreter's own flush is quiet.
    assert (leads_to == Path(os.devnull)) == bool(number)


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_does_without_a_stream(closed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> int:
        raise CalcbenchError("no samples")

    with monkeypatch.context() as patch:
        patch.setattr(sys, closed, None)

        assert ended(lambda: 0) == 0
        assert ended(fails) == 1


@pytest.mark.parametrize(
    ("raised", "status", "said"),
    [
        (CalcbenchError("no samples"), 1, "no samples"),
        (CalcbenchError("no\n samples of \x1b[2J"), 1, r"no samples of \x1b[2J"),
        (UsageError("no such thing"), 2, "no such thing"),
        (KeyboardInterrupt(), INTERRUPTED, ""),
        (OutputError(OSError(errno.ENOSPC, "No space left on device")), 1, FULL),
        (OutputError(BrokenPipeError(errno.EPIPE, "Broken pipe")), 1, ""),
        (OSError(errno.ENOSPC, "No space left on device"), 1, FULL),  # of a library that prints
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 1, ""),
        (OSError(errno.ENAMETOOLONG, "File name too long", "aaa"), 1, "aaa: file name too long"),
    ],
)
def test_says_what_went_wrong_in_one_line(
    raised: BaseException, status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails() -> int:
        raise raised

    assert ended(fails) == status
    assert capsys.readouterr().err.strip().removeprefix("calcbench: ") == said


def test_does_not_hide_what_it_does_not_know() -> None:
    def fails() -> int:
        raise OSError(errno.ENOTCONN, "not connected")

    with pytest.raises(OSError, match="not connected"):
        run_program("calcbench", fails)


@pytest.mark.parametrize(
    ("raised", "status", "said"),
    [
        (click.UsageError("no such word"), 2, "no such word"),
        (click.ClickException("cannot"), 1, "cannot"),
        (click.Abort(), INTERRUPTED, ""),
    ],
)
def test_says_what_click_says_in_one_line(
    raised: BaseException,
    status: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fails(**_: Any) -> None:
        raise raised

    monkeypatch.setattr(cli_main.cli, "main", fails)
    with pytest.raises(SystemExit) as left:
        main()

    assert left.value.code == status
    assert capsys.readouterr().err.strip().removeprefix("calcbench: ") == said
