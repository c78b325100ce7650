"""How the command ends, whatever becomes of its output; `test_cli` runs it as users do."""

import errno
import os
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from calcbench.bench.cli import main as cli_main
from calcbench.bench.cli.main import FULL, INTERRUPTED, main, run
from calcbench.core.errors import CalcbenchError, UsageError


class Output:
    """A standard output that goes nowhere, and whose flush raises *error* if there is one."""

    def __init__(self, fd: int, error: OSError | None) -> None:
        self.fd, self.error = fd, error

    def fileno(self) -> int:
        return self.fd

    def flush(self) -> None:
        if self.error:
            raise self.error


@pytest.mark.parametrize(
    ("number", "status", "before", "said"),
    [
        (0, 0, 0, ""),
        (errno.ENOSPC, 1, 0, FULL),
        (errno.ENOSPC, 99, 99, ""),  # it has said what went wrong before
        (errno.EPIPE, 1, 0, ""),
        (errno.EPIPE, 2, 2, ""),
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
    monkeypatch.setattr(cli_main, "run", lambda: before)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", Output(fd, error))
        with pytest.raises(SystemExit) as ended:
            main()
    leads_to = Path(f"/proc/self/fd/{fd}").readlink()
    os.close(fd)

    assert ended.value.code == status
    assert capsys.readouterr().err.strip().removeprefix("calcbench: ") == said
    assert (leads_to == Path(os.devnull)) == bool(
        number
    )  # so that the interpreter's own flush is quiet


def test_does_not_hide_what_it_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli_main, "run", lambda: 0)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", Output(1, OSError(errno.EIO, "broken")))
        with pytest.raises(OSError, match="broken"):
            main()


@pytest.mark.parametrize(
    ("raised", "status", "said"),
    [
        (CalcbenchError("no samples"), 1, "no samples"),
        (UsageError("no such thing"), 2, "no such thing"),
        (click.UsageError("no such word"), 2, "no such word"),
        (click.ClickException("cannot"), 1, "cannot"),
        (click.Abort(), INTERRUPTED, ""),
        (KeyboardInterrupt(), INTERRUPTED, ""),
        (OSError(errno.ENOSPC, "full"), 1, FULL),
    ],
)
def test_says_what_went_wrong_in_one_line(
    raised: BaseException,
    status: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fails(**_: Any) -> None:
        raise raised

    monkeypatch.setattr(cli_main.cli, "main", fails)

    assert run() == status
    assert capsys.readouterr().err.strip().removeprefix("calcbench: ") == said
