"""The folder of a run: claimed when its name is chosen, and from then on it only grows.

    <run>/measurements.jsonl    the run as it began, and a line for each measurement as it ends
    <run>/samples/*.npz         the raw samples of each measurement, written before its line
    <run>/result.json           all of it in one file, written last, complete or not at all
    <run>/knee.json             in their place, a search for the highest rates, try by try
    <run>/summary.*, charts/    drawn from the above, and can be drawn again

So whatever ends a run, a SIGKILL too, what was measured until then can be read:
`calcbench.bench.schema.reader` takes the lines where there is no result, and `calcbench report`
draws them. A line is a JSON object with the keys of a `Measurement`; the first has those of a `Run`
without its measurements. `calcbench.bench.schema.upgrade` has the history of these files.
"""

import contextlib
import datetime
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Self

from calcbench.bench.schema.result import Measurement, Run, run_as_json
from calcbench.bench.system.files import (
    folder_below,
    make_folder,
    open_below,
    os_errors_as,
    whole_file,
)
from calcbench.core.errors import CalcbenchError, UsageError

RESULT, JOURNAL, SEARCH = "result.json", "measurements.jsonl", "knee.json"
SAMPLES = "samples"
MOST_CLAIMS = 1_000  # runs that begin in one second in one folder


@contextlib.contextmanager
def claimed_folder(root: Path) -> Iterator[Path]:
    """Give a new folder under *root*, named after this second, that is nobody else's.

    It goes again where nothing was written into it. Raises CalcbenchError when it cannot be made.
    """
    folder = claim_folder(root)
    try:
        prepare_folder(folder)
        yield folder
    finally:
        for empty in (folder / SAMPLES, folder):
            with contextlib.suppress(OSError):  # it is not empty
                empty.rmdir()


def claim_folder(root: Path) -> Path:
    """Make a folder under *root*, named after this second, and return it; as for `claimed_folder`.

    That nobody else can have made it is what makes it ours, however many begin at once.
    """
    with os_errors_as(f"cannot write to {root}"):
        root.mkdir(parents=True, exist_ok=True)
    name = f"{datetime.datetime.now().astimezone():%Y%m%d-%H%M%S}"
    with os_errors_as(f"cannot write to {root / name}"):
        for number in range(1, MOST_CLAIMS):
            folder = root / (name if number == 1 else f"{name}-{number}")
            with contextlib.suppress(FileExistsError):
                folder.mkdir()
                return folder
    raise CalcbenchError(f"cannot write to {root}: {MOST_CLAIMS} runs began there in this second")


def prepare_folder(folder: Path) -> None:
    """Make *folder* ready for a run, or find out now that it cannot be written.

    Raises UsageError when it already holds a run, CalcbenchError when it cannot be written.
    """
    if any(os.path.lexists(folder / name) for name in (RESULT, JOURNAL, SEARCH)):
        raise UsageError(f"{folder} already holds a result; name another folder")
    with os_errors_as(f"cannot write to {folder}"):
        folder.mkdir(parents=True, exist_ok=True)
    make_folder(folder / SAMPLES)
    trial = folder / SAMPLES / "trial"
    with whole_file(trial, folder) as file:
        file.write(b"can this folder be written?\n")
    trial.unlink()


class Journal:
    """The file of a run that grows by a line with each measurement, safe once it is written.

    Who makes it has the folder: two runs never write into one. *kept* counts the measurements that
    are in it. Leaving the ``with`` block closes it, and removes one without any. Raises
    UsageError when there is one, CalcbenchError when it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.path, self.kept = folder / JOURNAL, 0
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
        with os_errors_as(f"cannot write {self.path}"), folder_below(folder, JOURNAL) as (fd, name):
            try:
                self.file = os.fdopen(open_below(fd, name, flags), "wb")
            except FileExistsError:
                raise UsageError(f"{folder} already holds a result; name another folder") from None

    def begin(self, run: Run) -> None:
        """Write what is known of *run* before its first measurement."""
        values = run_as_json(replace(run, partial=True))
        del values["measurements"]
        self.append(values)

    def keep(self, measurement: Measurement) -> None:
        """Write *measurement*; it is safe when this returns."""
        self.append(asdict(measurement))
        self.kept += 1

    def append(self, values: Mapping[str, Any]) -> None:
        """Write *values* as one line; raises CalcbenchError when that fails."""
        try:
            line = as_bytes(values)
        except ValueError as error:  # an infinity, which JSON does not have
            raise CalcbenchError(f"cannot write {self.path}: {error}") from None
        with os_errors_as(f"cannot write {self.path}"):
            self.file.write(line)
            self.file.flush()
            os.fsync(self.file.fileno())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with os_errors_as(f"cannot write {self.path}"):
            self.file.close()
            if not self.kept:
                self.path.unlink(missing_ok=True)


def write_run(run: Run, folder: Path) -> None:
    """Write *run* to ``result.json`` in *folder*; raises CalcbenchError when that fails."""
    with whole_file(folder / RESULT) as file:
        file.write(as_bytes(run_as_json(run), indent=1))


def as_bytes(values: Mapping[str, Any], indent: int | None = None) -> bytes:
    """Return *values* as JSON and an end of line.

    A byte of a name that is not UTF-8 is half a character in Python, and has JSON's escape for it.
    """
    text = json.dumps(values, indent=indent, ensure_ascii=False, allow_nan=False)
    return text.encode(errors="backslashreplace") + b"\n"
