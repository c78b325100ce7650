"""A search for the highest rates, read back from its folder, also where something ended it."""

import math
from dataclasses import dataclass
from pathlib import Path

from calcbench.bench.analysis.thresholds import Threshold
from calcbench.bench.runner.knee import Knee, axes_in_words, knee_lines, parse_objective, tried
from calcbench.bench.runner.knee_try import Try
from calcbench.bench.schema.checker import in_words
from calcbench.bench.schema.condition import Condition
from calcbench.bench.schema.store import SEARCH
from calcbench.bench.system.files import read_below
from calcbench.core.errors import CalcbenchError

MOST_BYTES = 2**24  # of one file; a try takes about 200


@dataclass(frozen=True)
class StoredKnee:
    """A `Knee` as its file has it: *broken* is None where no rate was too high."""

    condition: Condition
    kept: float
    broken: float | None
    tries: tuple[Try, ...]
    note: str
    unavailable: bool = False


@dataclass(frozen=True)
class StoredSearch:
    """What is shown of a file; *partial* says that the search was stopped before its end."""

    objective: str
    partial: bool
    knees: tuple[StoredKnee, ...]


def read_search(folder: Path) -> tuple[list[Knee], Threshold, bool]:
    """Return the knees that *folder* holds, their objective, and whether the search was stopped.

    Raises CalcbenchError where they cannot be read.
    """
    import msgspec

    path = folder / SEARCH
    try:
        search = msgspec.json.decode(read_below(folder, SEARCH, MOST_BYTES), type=StoredSearch)
        objective = parse_objective(search.objective)
    except OSError as error:
        raise CalcbenchError(f"cannot read {path}: {error.strerror}") from None
    except msgspec.ValidationError as error:
        raise CalcbenchError(f"{path} is not a whole search: {in_words(str(error))}") from None
    except (ValueError, RecursionError, CalcbenchError) as error:
        what = " ".join(str(error).split())
        raise CalcbenchError(f"{path} is not a whole search: {what}") from None
    knees = [
        Knee(
            one.condition,
            one.kept,
            math.inf if one.broken is None else one.broken,
            one.tries,
            one.note,
            one.unavailable,
        )
        for one in search.knees
    ]
    return knees, objective, search.partial


def search_lines(folder: Path) -> list[str]:
    """Return what there is to say of the search in *folder*: its knees, then every try."""
    knees, objective, partial = read_search(folder)
    where = axes_in_words([knee.condition for knee in knees])
    tries = [
        f"  {', '.join([knee.condition.strategy, *where[knee.condition]])}: {tried(one)}"
        for knee in knees
        for one in knee.tries
    ]
    stopped = ["Partial result: the search was stopped before its end", ""] if partial else []
    return [*stopped, *knee_lines(knees, objective), "", "Tries:", *tries]
