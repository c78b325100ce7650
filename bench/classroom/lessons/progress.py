"""How far a student is: kept in a file in her folder, beside her programs."""

from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from calcbench.bench.system.files import whole_file
from calcbench.core.errors import CalcbenchError

NAME = "calcbench-lesson.json"


@dataclass
class Progress:
    """The *step* that she is at, and the steps that have *passed*.

    And by step: what she predicted, whether she has read the reveal, how many hints she has seen.
    """

    step: int = 0
    passed: list[int] = field(default_factory=list)
    predicted: dict[int, int] = field(default_factory=dict)
    revealed: list[int] = field(default_factory=list)
    hinted: dict[int, int] = field(default_factory=dict)

    def passes(self, step: int) -> None:
        """Note that *step* has passed."""
        self.passed = sorted({*self.passed, step})

    def reveals(self, step: int) -> None:
        """Note that she has read the reveal of *step*."""
        self.revealed = sorted({*self.revealed, step})


def read_progress(folder: Path, most: int) -> Progress:
    """Return the progress kept in *folder*, of *most* steps; none where nothing has begun.

    Raises CalcbenchError for a damaged file.
    """
    path = folder / NAME
    try:
        progress = msgspec.json.decode(path.read_bytes(), type=Progress)
    except FileNotFoundError:
        return Progress()
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise damaged(str(error)) from None
    numbers = {*progress.passed, *progress.revealed, *progress.predicted, *progress.hinted}
    if not all(1 <= number <= most for number in {*numbers, progress.step or 1}):
        raise damaged(f"there are steps 1 to {most}")
    return progress


def damaged(why: str) -> CalcbenchError:
    """Return the error that says what can be done."""
    return CalcbenchError(
        f"{NAME} is damaged ({why}); calcbench lesson reset begins anew, and keeps your programs"
    )


def write_progress(progress: Progress, folder: Path) -> None:
    """Keep *progress* in *folder*."""
    text = msgspec.json.format(msgspec.json.encode(progress), indent=1)
    with whole_file(folder / NAME) as file:
        file.write(text + b"\n")
