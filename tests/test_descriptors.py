"""Standard streams that somebody closed, and what must not take their place."""

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from calcbench.core.serving.descriptors import above_standard

TIMEOUT_S = 60  # for what should take a moment, on a laden machine


def run_closed(closed: str, script: str, report: Path) -> "subprocess.CompletedProcess[str]":
    """Run *script* with streams *closed* as a shell closes them; it writes to the file *report*."""
    return subprocess.run(
        ["sh", "-c", f'exec "$0" -c "$1" "$2" {closed}', sys.executable, dedent(script), report],
        text=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        env=os.environ | {"PYTHONWARNINGS": "error"},
        timeout=TIMEOUT_S,
        check=False,
    )


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-", ""])
def test_opens_standard_streams_that_were_closed(closed: str, tmp_path: Path) -> None:
    script = """
        import os, subprocess, sys
        from pathlib import Path
        from calcbench.core.serving.descriptors import open_standard_streams
        open_standard_streams()
        first = os.open(os.devnull, os.O_RDONLY)
        print("ignored"), print("ignored", file=sys.stderr)
        child = [sys.executable, "-c", "import os; os.fstat(0), os.fstat(1), os.fstat(2)"]
        status = subprocess.run(child).returncode
        Path(sys.argv[1]).write_text(f"{first > 2} {status} {sys.stdin.read()!r}")
    """
    done = run_closed(closed, script, tmp_path / "report")

    assert (done.returncode, (tmp_path / "report").read_text()) == (0, "True 0 ''")
    assert (done.stdout == "") == (">&-" in closed.split())
    assert (done.stderr == "") == ("2>&-" in closed.split())


def test_leaves_the_place_of_standard_streams_free(tmp_path: Path) -> None:
    script = """
        import sys
        from pathlib import Path
        from calcbench.core.serving.listeners import listen
        with listen("127.0.0.1", 0) as listener:
            Path(sys.argv[1]).write_text(str(listener.fileno() > 2))
    """
    run_closed("<&- >&- 2>&-", script, tmp_path / "report")

    assert (tmp_path / "report").read_text() == "True"


def test_leaves_a_descriptor_that_is_in_nobody_s_place() -> None:
    with Path(os.devnull).open("rb") as file:
        assert above_standard(file.fileno()) == file.fileno()
