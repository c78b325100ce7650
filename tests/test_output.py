"""What a process prints: shown at once, kept within bounds, and looked through for tracebacks."""

import signal
import subprocess
import sys
import threading
from pathlib import Path
from queue import SimpleQueue

import pytest

from calcbench.core.serving.output import (
    KEPT,
    WAITING,
    Display,
    Ends,
    ProcessOutput,
    Tracebacks,
)

TIMEOUT_S = 60  # for what should take a moment, on a laden machine


def run(script: str, output: ProcessOutput) -> None:
    subprocess.run(
        [sys.executable, "-c", script], stdout=output.fileno(), stderr=output.fileno(), check=False
    )


def test_shows_each_line_while_the_process_runs() -> None:
    lines = SimpleQueue[str]()
    with ProcessOutput(lines.put) as output:
        script = "print('one', flush=True); input(); print('two')"
        with subprocess.Popen(
            [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=output.fileno()
        ) as process:
            assert lines.get(timeout=TIMEOUT_S) == "one"
            process.communicate(b"\n")
        output.finish()

        assert lines.get(timeout=TIMEOUT_S) == "two"
        assert output.text() == "one\ntwo"


def test_has_all_that_an_ended_process_has_printed() -> None:
    with ProcessOutput() as output:
        run("import sys; sys.stderr.write('a' * 300_000); print(); print('end')", output)

        assert output.last_line() == "end"


def test_keeps_no_more_than_both_ends() -> None:
    with ProcessOutput() as output:
        run("for n in range(200_000): print('line', n)", output)
        text = output.text()

    assert text.startswith("line 0\nline 1\n")
    assert text.endswith("line 199999")
    assert "[bytes left out: " in text
    assert len(text) < 2 * KEPT + 100


@pytest.mark.parametrize("size", [0, 1, KEPT, KEPT + 1, 2 * KEPT, 2 * KEPT + 1, 10 * KEPT + 7])
@pytest.mark.parametrize("piece", [1000, 5 * KEPT])
def test_says_how_much_it_has_left_out(size: int, piece: int) -> None:
    ends, whole = Ends(), b"".join(b"%07d\n" % n for n in range(size // 8 + 1))[:size]
    for start in range(0, size, piece):
        ends.add(whole[start : start + piece])
    left_out = max(size - 2 * KEPT, 0)

    assert ends.text().startswith(whole[:KEPT].decode())
    assert ends.text().endswith(whole[-KEPT:].decode() if size else "")
    assert (f"[bytes left out: {left_out:,}]" in ends.text()) == bool(left_out)
    assert len(ends.last) <= 2 * KEPT


RAISED = "Traceback (most recent call last):\n  File 'x', line 1\nKeyError: 'oh'\n"


@pytest.mark.parametrize(
    ("text", "failure"),
    [
        ("client from 127.0.0.1\n", ""),
        (RAISED, "KeyError: 'oh'"),
        (f"hello\n{RAISED}bye\n", "KeyError: 'oh'"),
        (f"Exception in thread worker-1:\n{RAISED}", "KeyError: 'oh'"),
        (f"calcbench: GET /a failed: KeyError: 1; responded with 500\n{RAISED}", None),
        (f"{RAISED}Traceback (most recent call last):\nTypeError: no\n", "KeyError: 'oh'"),
        ("  + Exception Group Traceback (most recent call last):\n", "an exception"),
        ("line\n" * 50_000 + RAISED + "line\n" * 50_000, "KeyError: 'oh'"),
    ],
)
def test_notices_a_traceback_wherever_it_comes(text: str, failure: str | None) -> None:
    tracebacks = Tracebacks()
    for line in text.splitlines():
        tracebacks.look_at(line)
    if failure is None:
        failure = "GET /a failed: KeyError: 1; responded with 500"

    assert tracebacks.first == failure


def test_holds_nobody_up_when_lines_cannot_be_shown() -> None:
    shown, may_go_on, begun = list[str](), threading.Event(), threading.Event()

    def show(line: str) -> None:
        begun.set()
        assert may_go_on.wait(TIMEOUT_S)
        shown.append(line)

    display = Display(show)
    display.add("first")
    assert begun.wait(TIMEOUT_S)
    for number in range(WAITING + 5):
        display.add(f"line {number}")
    may_go_on.set()
    display.finish()

    assert len(shown) == 1 + WAITING + 1
    assert shown[-1] == "[lines left out, for they came too fast: 5]"


def test_leaves_signals_to_whoever_waits_for_them() -> None:
    before = {thread.native_id for thread in threading.enumerate()}
    with ProcessOutput(print) as output:
        new = {thread.native_id for thread in threading.enumerate()} - before
        blocked = [
            line
            for native_id in new
            for line in Path(f"/proc/self/task/{native_id}/status").read_text().splitlines()
            if line.startswith("SigBlk:")
        ]
        output.finish()

    assert len(blocked) == 2
    for line in blocked:
        assert int(line.split()[1], 16) & 1 << (signal.SIGTERM - 1)


def test_goes_on_when_nobody_can_see_it() -> None:
    def show(_: str) -> None:
        raise BrokenPipeError

    with ProcessOutput(show) as output:
        run("print('one')", output)
        output.finish()

        assert output.text() == "one"
