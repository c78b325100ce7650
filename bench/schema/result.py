"""What a race leaves behind: a folder that every later view is drawn from.

    <run>/result.json       this module's `Run`; written last, so a folder without it is no result
    <run>/samples/*.npz     the raw samples of each measurement
    <run>/summary.*, charts/, ...   drawn from those two, and can be drawn again

What older versions wrote is read too: `calcbench.bench.schema.upgrade` has the history.
"""

import contextlib
import dataclasses
import datetime
import json
import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from calcbench.bench.schema.calibration import Calibration
from calcbench.bench.schema.condition import Condition
from calcbench.bench.schema.evidence import NO_EVIDENCE, Evidence
from calcbench.bench.schema.judgements import JUDGEMENTS
from calcbench.bench.schema.outcomes import Outcomes
from calcbench.bench.schema.plan import Plan
from calcbench.bench.schema.upgrade import SCHEMA_VERSION, key_of_version, upgrade
from calcbench.bench.system.cpus import Pinning
from calcbench.bench.system.usage import ResourceUsage
from calcbench.core.errors import CalcbenchError, UsageError

RESULT, SEARCH = "result.json", "knee.json"  # a race leaves the one, a search the other
STATUSES = ("ok", "failed", "unavailable")
LARGEST = 2**63 - 1  # a number that is larger counts nothing, and is no float of its own


@dataclass(frozen=True)
class Measurement:
    """One strategy under one condition in one round, with a server process of its own.

    *status* is ``ok``, ``failed`` (*reason* says why; what was seen until then is kept, but it
    is never part of a statistic) or ``unavailable`` (the strategy cannot run here). *elapsed_ns*
    is the length of the window, in which *outcomes* were counted and both CPU times were spent;
    *in_flight* requests had not ended when it closed. *samples* names a file, or is empty.

    *responses_in_window* are the right responses that came within the window of an open loop, whose
    *outcomes* are those of the requests that were due in it; None in a closed one, where both are
    the same. *judgement* says what the figures are figures of, one of
    `calcbench.bench.schema.judgements.JUDGEMENTS` or nothing where nobody judged, and *evidence*
    what that rests on. *resource_usage* is what the server used, None where nobody sampled it.
    *warmup_ns* went before the window; *offered_per_s* is the rate of an open loop, 0 for a closed
    one. *printed* is the beginning of what the server printed.
    """

    condition: Condition
    round: int
    status: str
    reason: str = ""
    elapsed_ns: int = 0
    outcomes: Outcomes = Outcomes()
    clients_served: int = 0
    in_flight: int = 0
    samples: str = ""
    server_cpu_ns: int = 0
    driver_cpu_ns: int = 0
    judgement: str = ""
    evidence: Evidence = NO_EVIDENCE
    resource_usage: ResourceUsage | None = None
    warmup_ns: int = 0
    offered_per_s: float = 0.0
    responses_in_window: int | None = None
    printed: str = ""

    @property
    def right_responses(self) -> int:
        """How many right responses came within the window."""
        counted = self.responses_in_window
        return self.outcomes.ok if counted is None else counted


@dataclass(frozen=True)
class Run:
    """A race: what was asked for, where it ran, and every measurement that was made.

    *partial* says that it was stopped before its end. *options* holds every option of every
    variant, defaults included, and *policy* the limits that all servers shared. *cpu_units* is
    the work that stood for each ``cpu=`` workload, calibrated once for the whole run, and
    *calibration* what the driver can do here (`calcbench.bench.loadgen.calibration`), None where
    that is not known, or another engine drove.
    """

    schema_version: int
    name: str
    command: str
    started: str
    finished: str
    partial: bool
    plan: Plan
    machine: dict[str, Any]
    versions: dict[str, str]
    measurements: tuple[Measurement, ...]
    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    policy: dict[str, Any] = field(default_factory=dict)
    cpu_units: dict[str, int] = field(default_factory=dict)
    pinning: Pinning = field(default_factory=Pinning)
    calibration: Calibration | None = None


def default_folder(root: Path) -> Path:
    """Return a folder under *root*, named after this second, that does not exist yet."""
    name = f"{datetime.datetime.now().astimezone():%Y%m%d-%H%M%S}"
    folder, again = root / name, 1
    while folder.exists():
        again += 1
        folder = root / f"{name}-{again}"
    return folder


def prepare_folder(folder: Path) -> None:
    """Make *folder* ready for a run, or find out now that it cannot be written.

    Raises UsageError when it already holds a run, CalcbenchError when it cannot be written.
    """
    if (folder / RESULT).exists():
        raise UsageError(f"{folder} already holds a result; name another folder")
    try:
        (folder / "samples").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CalcbenchError(f"cannot write to {folder}: {error.strerror}") from None
    trial = folder / "samples" / "trial"
    with whole_file(trial) as file:
        file.write(b"can this folder be written?\n")
    trial.unlink()


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Give a file to write that becomes *path* when all of it is safely there, or never.

    Raises CalcbenchError when it cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):  # the first error is the one to tell
            part.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise CalcbenchError(f"cannot write {path}: {error.strerror or error}") from None
        raise


def run_as_json(run: Run) -> dict[str, Any]:
    """Return *run* as files have it: where no calibration is known, an empty object."""
    values = dataclasses.asdict(run)
    return values | {"calibration": values["calibration"] or {}}


def write_run(run: Run, folder: Path) -> None:
    """Write *run* to ``result.json`` in *folder*; raises CalcbenchError when that fails."""
    text = json.dumps(run_as_json(run), indent=1, ensure_ascii=False, allow_nan=False)
    with whole_file(folder / RESULT) as file:
        file.write(text.encode() + b"\n")


def read_run(folder: Path) -> Run:
    """Return the run that *folder* holds; raises UsageError in one clear line if it holds none.

    Every value is checked; the line names the file, the key, and what is wrong there.
    """
    import msgspec

    path = folder / RESULT
    try:
        values = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        what = f"no {RESULT} in it" if folder.is_dir() else "no such folder"
        newest = max(folder.glob(f"[0-9]*/{RESULT}"), default=None)  # names begin with the time
        hint = f"; did you mean {newest.parent}?" if newest else ""
        if (folder / SEARCH).exists():
            what = f"{SEARCH} in it is a search for the highest rates, and no race"
        raise UsageError(f"{folder} is not a result: {what}{hint}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"cannot read {path}: {error}") from None
    version = values.get("schema_version") if isinstance(values, dict) else None
    if type(version) is not int:  # a bool is an int in Python
        raise UsageError(f"{path} is not a result of calcbench")
    if version > SCHEMA_VERSION:
        raise UsageError(
            f"{path} has schema {version}; this calcbench reads up to {SCHEMA_VERSION}, update it"
        )
    if version < 1:
        raise UsageError(f"{path} is not a result: schema_version {version} should be at least 1")
    try:
        upgraded = upgrade(values, version)
        if upgraded.get("calibration") == {}:
            upgraded["calibration"] = None
        run = msgspec.convert(upgraded, Run)
        problem = problem_of_keys(upgraded, dataclasses.asdict(run), version) or problem_of(run)
        if not problem:
            return run
    except msgspec.ValidationError as error:
        problem = in_words(str(error))
    except (UsageError, RecursionError) as error:  # of a plan that cannot be raced; too many [[[
        problem = str(error)
    problem = " ".join(key_of_version(problem, version).split())  # one line, whatever a key has
    raise UsageError(f"{path} is not a whole result: {problem}")


def in_words(error: str) -> str:
    """Return what msgspec says in an *error* as we say it."""
    what, _, where = error.partition(" - at `$")
    key = where.lstrip(".").rstrip("`")
    if missing := re.search("required field `(.+)`", what):
        return f"{key}{'.' if key else ''}{missing[1]} is missing"
    problem = what[:1].lower() + what[1:].replace("`", "")
    return f"{problem} at {key}" if key else problem


def problem_of_keys(given: Any, known: Any, version: int, at: str = "") -> str:
    """Return how *given*, JSON of *version*, differs from the *known* that was made of it.

    It may not have other keys, nor numbers that are none. What older versions did not write has
    been completed; a file of today's has every key. *at* is where in the file it is.
    """
    inner: list[tuple[str, Any, Any]] = []
    if isinstance(given, dict):
        dot = "." if at else ""
        for key in given:
            if key not in known:
                return f"nothing is called {at}{dot}{key}"
        for key in known if version == SCHEMA_VERSION else ():
            if key not in given:
                return f"{at}{dot}{key} is missing"
        inner = [(f"{at}{dot}{key}", one, known[key]) for key, one in given.items()]
    elif isinstance(given, list):
        inner = [(f"{at}[{place}]", one, known[place]) for place, one in enumerate(given)]
    elif isinstance(given, float) and not math.isfinite(given):
        return f"{given} is no number at {at}"
    elif isinstance(given, int) and abs(given) > LARGEST and not at.startswith("plan."):
        return f"a number is too large at {at}"
    problems = (problem_of_keys(one, other, version, where) for where, one, other in inner)
    return next(filter(None, problems), "")


def problem_of(run: Run) -> str:
    """Return the first value of *run* that cannot be, whatever its type; or nothing."""
    for number, one in enumerate(run.measurements):
        for problem in problems_of_measurement(one):
            return f"measurements[{number}].{problem}"
    return ""


def problems_of_measurement(one: Measurement) -> Iterator[str]:
    """Yield each key of *one* whose value cannot be, with what it should be."""
    for key, word, words in (
        ("status", one.status, STATUSES),
        ("judgement", one.judgement, ("", *JUDGEMENTS)),
        *(("evidence.judgements", word, JUDGEMENTS) for word in one.evidence.judgements),
    ):
        if word not in words:
            yield f"{key} {word!r} should be one of {', '.join(filter(None, words))}"
    good = one.status == "ok"
    counts = {f"outcomes.{name}": count for name, count in dataclasses.asdict(one.outcomes).items()}
    counts |= {"elapsed_ns": one.elapsed_ns, "responses_in_window": one.responses_in_window or 0}
    for key, count in counts.items():
        least = int(good and key in ("elapsed_ns", "outcomes.ok"))
        if count < least:
            yield f"{key} {count} should be at least {least}{' where all is ok' if least else ''}"
    if one.condition.connections < 1:
        yield f"condition.connections {one.condition.connections} should be at least 1"
    if good and not one.samples:
        yield "samples should name a file where all is ok"
    path = PurePosixPath(one.samples)
    if path.is_absolute() or ".." in path.parts:
        yield f"samples {one.samples!r} should be a file within the folder"
