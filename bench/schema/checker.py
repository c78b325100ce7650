"""Whether the values of a file are a run: each of its type, in its range, and with the others.

Who reads a run that has passed here need not ask again; what has not is refused in one line.
"""

import dataclasses
import math
import re
from collections.abc import Iterator
from itertools import starmap
from pathlib import Path
from typing import Any

from calcbench.bench.schema.condition import Condition
from calcbench.bench.schema.judgements import JUDGEMENTS, UNSERVED
from calcbench.bench.schema.outcomes import OUTCOMES
from calcbench.bench.schema.result import STATUSES, Measurement, Run
from calcbench.bench.schema.upgrade import SCHEMA_VERSION, key_of_version, may_lack, upgrade
from calcbench.bench.system.files import is_inside
from calcbench.core.errors import CalcbenchError, UsageError

LARGEST = 2**63 - 1  # a number that is larger counts nothing, and is no float of its own
MOST_POINTS = 100_000  # of a plan: more are no week's work, and would fill the memory
COUNTS = (
    "round",
    "elapsed_ns",
    "clients_served",
    "in_flight",
    "server_cpu_ns",
    "driver_cpu_ns",
    "warmup_ns",
    "offered_per_s",
    "responses_in_window",
)
WHERE_OK = {"elapsed_ns", "outcomes.ok"}  # which cannot be 0 then, but where nobody was served


def run_of(path: Path, values: Any) -> Run:
    """Return the run that all of *values*, of *path*, are; raises CalcbenchError."""
    import msgspec

    version = values.get("schema_version") if isinstance(values, dict) else None
    if type(version) is not int:  # a bool is an int in Python
        raise CalcbenchError(f"{path} is not a result of calcbench")
    if version > SCHEMA_VERSION:
        shown = version if version <= LARGEST else "of a very large number"
        raise CalcbenchError(
            f"{path} has schema {shown}; this calcbench reads up to {SCHEMA_VERSION}, update it"
        )
    if version < 1:
        raise CalcbenchError(f"{path} is not a result: its schema_version should be at least 1")
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
    raise CalcbenchError(f"{path} is not a whole result: {problem}")


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

    It may not have other keys, nor numbers that are none, and lacks only what its version did not
    write. *at* is where in the file it is.
    """
    inner: list[tuple[Any, Any, int, str]] = []
    if isinstance(given, dict):
        dot = "." if at else ""
        for key in given:
            if key not in known:
                return f"no field is called {at}{dot}{key}"
        for key in known:
            if key not in given and not may_lack(f"{at}{dot}{key}", version):
                return f"{at}{dot}{key} is missing"
        inner = [(one, known[key], version, f"{at}{dot}{key}") for key, one in given.items()]
    elif isinstance(given, list):
        inner = [(one, known[place], version, f"{at}[{place}]") for place, one in enumerate(given)]
    elif isinstance(given, float) and not math.isfinite(given):
        return f"{given} is no number at {at}"
    elif isinstance(given, int) and abs(given) > LARGEST and at != "plan.seed":
        return f"a number is too large at {at}"
    return next(filter(None, starmap(problem_of_keys, inner)), "")


def problem_of(run: Run) -> str:
    """Return the first value of *run* that cannot be, whatever its type; or nothing."""
    plan = run.plan
    axes = (plan.strategies, plan.workloads, plan.reuses, plan.connections)
    if math.prod(map(len, axes)) > MOST_POINTS:
        return f"plan has more than {MOST_POINTS:,} conditions"
    seen = set[tuple[Condition, int]]()
    for number, one in enumerate(run.measurements):
        for problem in problems_of_measurement(one):
            return f"measurements[{number}].{problem}"
        if not plan.has(one.condition):
            return f"measurements[{number}].condition is not in the plan"
        if (one.condition, one.round) in seen:
            return f"measurements[{number}] appears twice: round {one.round} of one condition"
        seen.add((one.condition, one.round))
    return ""


def problems_of_measurement(one: Measurement) -> Iterator[str]:
    """Yield each key of *one* whose value cannot be, with what it should be."""
    for key, word, words in (
        ("status", one.status, STATUSES),
        ("judgement", one.judgement, ("", *JUDGEMENTS)),
        *(("evidence.judgements", word, JUDGEMENTS) for word in one.evidence.judgements),
        *(("failures.outcome", failure.outcome, OUTCOMES) for failure in one.failures),
    ):
        if word not in words:
            yield f"{key} {word!r} should be one of {', '.join(filter(None, words))}"
    good = one.status == "ok"
    counts = {f"outcomes.{name}": count for name, count in dataclasses.asdict(one.outcomes).items()}
    counts |= {name: getattr(one, name) or 0 for name in COUNTS}
    counts["condition.connections"] = one.condition.connections
    counts |= {"failures.count": min(each.count for each in one.failures)} if one.failures else {}
    positive = {"round", "condition.connections"} | (WHERE_OK if good else set())
    if UNSERVED in one.evidence.judgements:
        positive -= {"outcomes.ok"}
    for key, count in counts.items():
        least = int(key in positive)
        if count < least:
            where = " where all is ok" if least and key in WHERE_OK else ""
            yield f"{key} {count} should be at least {least}{where}"
    if good and not one.samples:
        yield "samples should name a file where all is ok"
    if one.samples and not is_inside(one.samples):
        yield f"samples {one.samples!r} should be a file within the folder"
