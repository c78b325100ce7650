"""Where a student's program has failed: the last line of hers in what it has printed."""

import re
from pathlib import Path

from calcbench.core.serving.ending import status_in_words
from calcbench.core.serving.launcher import Server

FRAME = re.compile(r'^\s*File "(?P<file>[^"]+)", line (?P<line>\d+)', re.MULTILINE)
RAISED = re.compile(r"[A-Za-z_][\w.]*(: .*)?$")  # not indented: the exception itself
TRACEBACK = "Traceback (most recent call last)"


def place_of_failure(printed: str, path: Path) -> str:
    """Return where the file *path* raised the first exception that was *printed*, and which.

    As in ``mine.py, line 12: KeyError: 'x'``; empty where nothing was raised.
    """
    _, traceback, rest = printed.partition(TRACEBACK)
    if not traceback:
        return ""
    lines = rest.split("\n")[1:]
    frames: list[re.Match[str]] = []
    what = ""
    for line in lines:
        if frame := FRAME.match(line):
            frames.append(frame)
        elif RAISED.match(line):
            what = line.strip()
            break
    ours = [frame["line"] for frame in frames if Path(frame["file"]).name == path.name]
    where = f"{path.name}, line {ours[-1]}" if ours else path.name
    return f"{where}: {what}"


def failure_of(server: Server, path: Path) -> str:
    """Return how *server*, a strategy in the file *path*, has failed; empty if it has not."""
    said = place_of_failure(server.output.text(), path)
    if said or not server.died():
        return said
    return f"{path.name}: its server {status_in_words(server.process.wait())}"
