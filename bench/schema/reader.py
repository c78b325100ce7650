"""Read a run back from its folder, and believe nothing that cannot be.

Every value is checked for its type and its range, every file for what it is, its size and its
checksum, so that whoever draws a run need not. What is damaged is named and left out, and without
it the run is partial.
"""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calcbench.bench.schema.checker import run_of
from calcbench.bench.schema.result import Measurement, Run
from calcbench.bench.schema.samples import read_samples
from calcbench.bench.schema.store import JOURNAL, RESULT, SEARCH
from calcbench.bench.system.files import read_below
from calcbench.bench.system.terminal import with_texts
from calcbench.core.errors import CalcbenchError, UsageError

MOST_BYTES = 2**28  # of one file; a measurement takes about 3,000


@dataclass(frozen=True)
class ReadRun:
    """A *run* as far as it could be read, and the *problems*, a line each, that took the rest."""

    run: Run
    problems: tuple[str, ...] = ()


def read_run(folder: Path) -> Run:
    """Return the run that *folder* holds; raises CalcbenchError for the first that is wrong there.

    Its samples are not looked at. One line names the file, the key, and what is wrong with it. It
    is a UsageError where there is no run at all.
    """
    found = read_records(folder)
    for problem in found.problems:
        raise CalcbenchError(problem)
    return found.run


def read_sound(folder: Path) -> ReadRun:
    """Return of the run in *folder* what is sound, its samples too; raises as `read_run`.

    It is partial where anything is damaged, and an error only where nothing is left.
    """
    found = read_records(folder)
    sound, problems = [], [*found.problems]
    for one in found.run.measurements:
        try:
            if one.status == "ok":  # nothing is drawn of the others' samples
                read_samples(folder, one)
            sound.append(one)
        except CalcbenchError as error:
            problems.append(str(error))
    if problems and not sound:
        raise CalcbenchError(problems[0])
    run = dataclasses.replace(
        found.run, measurements=tuple(sound), partial=found.run.partial or bool(problems)
    )
    return ReadRun(run, tuple(problems))


def read_records(folder: Path) -> ReadRun:
    """Return the run in *folder*: from its result, or as far as it came where there is none.

    Where the result is damaged, the lines that were written before it serve as well.
    """
    problems: list[str] = []
    for name, parse in ((RESULT, parse_result), (JOURNAL, parse_journal)):
        path = folder / name
        try:
            values, damaged = parse(path, read_below(folder, name, MOST_BYTES))
            found = sound_part(path, values)
            return ReadRun(found.run, (*problems, *damaged, *found.problems))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            problems.append(f"cannot read {path}: {error.strerror}")
        except CalcbenchError as error:
            problems.append(str(error))
    if problems:
        raise CalcbenchError(problems[0])
    raise UsageError(f"{folder} is not a result: {what_else(folder)}")


def holds_search(folder: Path) -> bool:
    """Tell whether *folder* holds a search for the highest rates, and no race."""
    try:
        here = {name for name in (SEARCH, RESULT, JOURNAL) if (folder / name).exists()}
    except OSError:
        return False
    return here == {SEARCH}


def what_else(folder: Path) -> str:
    """Say what *folder* is, which holds no result."""
    try:
        if not folder.is_dir():
            return "no such folder"
        # Names begin with the time.
        inside = max(folder.glob(f"[0-9]*/{RESULT}"), default=None)
        if (folder / SEARCH).exists():
            return f"{SEARCH} in it is a search for the highest rates, not a race"
    except OSError as error:
        return error.strerror or str(error)
    return f"no {RESULT} in it" + (f"; did you mean {inside.parent}?" if inside else "")


def parse_json(path: Path, text: bytes) -> Any:
    """Return the values in the *text* of *path*; raises CalcbenchError where it is no JSON."""
    try:
        values = json.loads(text)
        return with_texts(values, whole_characters) if b"\\ud" in text.lower() else values
    except (ValueError, RecursionError) as error:
        what = " ".join(str(error).split())
        raise CalcbenchError(f"cannot read {path}: {what}") from None


def whole_characters(text: str) -> str:
    """Return *text* with an escape for each half of a character, which no file can have."""
    return text.encode(errors="backslashreplace").decode()


def parse_result(path: Path, text: bytes) -> tuple[Any, list[str]]:
    """Return the values in the *text* of a result."""
    return parse_json(path, text), []


def parse_journal(path: Path, text: bytes) -> tuple[Any, list[str]]:
    """Return the values in the *text* of a run that did not come to its end, and what is damaged.

    A last line without an end was being written then, and is none.
    """
    head, *lines = text.split(b"\n")  # the last has no end
    if not head or not lines:
        raise CalcbenchError(f"{path.parent} holds no measurement: its run ended before the first")
    values, measurements, problems = parse_json(path, head), [], []
    for number, line in enumerate(lines[:-1], start=2):
        try:
            measurements.append(parse_json(path, line))
        except CalcbenchError as error:
            problems.append(f"{error} (line {number})")
    if not isinstance(values, dict):
        raise CalcbenchError(f"{path} is not a result of calcbench")
    return values | {"measurements": measurements, "partial": True}, problems


def sound_part(path: Path, values: Any) -> ReadRun:
    """Return the run that *values* of *path* are, without the measurements that cannot be.

    Raises CalcbenchError where what they have in common cannot be, or none of them.
    """
    try:
        return ReadRun(run_of(path, values))
    except CalcbenchError as error:
        first = error
    listed = values.get("measurements") if isinstance(values, dict) else None
    if not isinstance(listed, list) or not listed:
        raise first
    run = run_of(path, {**values, "measurements": []})
    kept, problems = list[Measurement](), list[str]()
    for place, one in enumerate(listed):
        try:
            kept += run_of(path, {**values, "measurements": [one]}).measurements
        except CalcbenchError as error:
            problems.append(str(error).replace("measurements[0]", f"measurements[{place}]"))
    if not kept or not problems:  # without one of its own: two that do not go together
        raise first
    return ReadRun(dataclasses.replace(run, measurements=tuple(kept), partial=True), (*problems,))
