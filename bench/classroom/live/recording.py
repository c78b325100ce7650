"""What the viewers were told, in a file: a line of JSON for each message, to be played again."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from calcbench.bench.units import as_text
from calcbench.core.errors import CalcbenchError, UsageError

FORMAT = "calcbench live"
VERSION = 1
MOST_BYTES = 20_000_000  # some ten minutes; a browser holds it
KINDS = ("state", "tick", "note", "killed")
ENDED = "the recording ends here: it is full"


class Recorder:
    """Writes messages into a file that nobody had before, until it is full."""

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.file = path.open("x", encoding="utf-8")
        except FileExistsError:
            raise UsageError(f"{as_text(str(path))} exists; name a new file") from None
        self.left = MOST_BYTES
        self.write({"format": FORMAT, "version": VERSION})

    def write(self, message: Mapping[str, Any]) -> None:
        """Write *message*, unless the file is full."""
        line = json.dumps(message, separators=(",", ":")) + "\n"
        if 0 < self.left < len(line):
            end = {"kind": "note", "at": message["at"], "text": ENDED}
            self.file.write(json.dumps(end) + "\n")
            self.left = 0
        if self.left:
            self.file.write(line)
            self.left -= len(line)

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.file.close()


def read_recording(path: Path) -> bytes:
    """Return the recording in the file *path*, checked; a last line that is cut off is left out.

    Raises CalcbenchError, in one line, for what is none.
    """
    name = as_text(str(path))
    try:
        with path.open("rb") as file:
            data = file.read(2 * MOST_BYTES + 1)
    except OSError as error:
        raise CalcbenchError(f"cannot read {name}: {(error.strerror or '').lower()}") from None
    if len(data) > 2 * MOST_BYTES:
        raise CalcbenchError(f"{name} is too long for a recording")
    lines = data.splitlines(keepends=True)
    if lines and not lines[-1].endswith(b"\n"):
        lines.pop()
    head = parsed(lines[0]) if lines else None
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise CalcbenchError(f"{name} is no recording of calcbench live")
    if head.get("version") != VERSION:
        raise CalcbenchError(f"{name} is of another version of calcbench live")
    for number, line in enumerate(lines[1:], 2):
        if not is_message(parsed(line)):
            raise CalcbenchError(f"{name} is damaged in line {number}")
    if len(lines) == 1:
        raise CalcbenchError(f"{name} is empty: nothing was recorded")
    return b"".join(lines[1:])


def parsed(line: bytes) -> Any:
    """Return the JSON in *line*, None where there is none."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def is_message(message: Any) -> bool:
    """Tell whether *message* can be played: of a kind that is known, and at a moment."""
    if not isinstance(message, dict) or message.get("kind") not in KINDS:
        return False
    if message["kind"] == "note":
        fits = isinstance(message.get("text"), str) and message.get("side", 0) in (0, 1)
    elif message["kind"] == "killed":
        fits = message.get("side") in (0, 1)
    else:
        sides = message.get("sides")
        fits = isinstance(sides, list) and len(sides) == 2 and all(map(is_side, sides))
    return fits and isinstance(message.get("at"), int | float)


def is_side(side: Any) -> bool:
    """Tell whether *side* is what a message may say of one side; events are rows of seven."""
    return isinstance(side, dict) and all(
        isinstance(row, list) and len(row) == 7 and all(isinstance(one, int | float) for one in row)
        for row in side.get("events", [])
    )
