"""Result files of every version that there was, and how an older one becomes one of today.

1. The first.
2. A measurement may carry what was judged of it, what that rests on, what the server used, how long
   it warmed up, and the rate that was asked for; a run, what its driver could do. Sample files may
   have more columns. What version 1 wrote is read as if nobody had looked.
3. The field's own terms for what was called `looks`, `guests`, `excuse`, `why`, `all`, `answered`
   and their like. A condition names its interpreter, application and target too. What could not be
   seen is null, and no key is left out.
4. A measurement says what its server printed, and has the SHA-256 of its file of samples. A run is
   written as it is measured, a line for each measurement, so that one without an end can be read.
5. A plan says whether servers take turns, how its connections do, how long users think, and which
   share of the requests may fail; a measurement in how many slices it was made and how the others
   moved meanwhile, which connections were used or could not be opened, how long clients paused
   after failures, why requests failed and how the first response of each cause began, and in an
   open loop what the driver's lateness may be of a quantile. One in which nobody got a right
   response is judged unserved, and has not failed. A file of samples has which requests found no
   connection free, and for how long those that were in flight at the end had waited; one of
   histograms has those of the requests that got no right response. Resource usage has the
   instructions for each request, where the kernel lets us count them. A calibration says how much
   others disturbed it.
"""

import re
from collections.abc import Mapping
from typing import Any

from calcbench.bench.schema.judgements import NO_RESPONSES

SCHEMA_VERSION = 5

# What version 4 called a silent window, errors in it or not.
NO_RESPONSES_IN_VERSION_4 = "in half of the window or more no response came"

# What version 2 called the parts of its evidence and of its resources.
EVIDENCE = {
    "why": "reasons",
    "all": "judgements",
    "excuse": "driver_fault",
    "guests": "background_clients",
    "begun": "requests_begun",
    "seen_answers": "responses_seen",
    "server_answers": "server_responses",
}
USAGE = {"looks": "samples"}
WORKERS = {"requests": "responses"}
# The same as keys within a measurement, today's and what version 2 called them. One after another:
# the last is a part of those before it.
KEYS = (
    *((f"evidence.{new}", f"evidence.{old}") for old, new in EVIDENCE.items()),
    ("responses_in_window", "evidence.answered"),
    *((rf"(resource_usage.workers\[\d+\]).{new}", rf"\1.{old}") for old, new in WORKERS.items()),
    *((f"resource_usage.{new}", f"resource_usage.{old}") for old, new in USAGE.items()),
    ("resource_usage", "resources"),
)
# The keys, as today's files call them, that a version and those before it may lack: they came
# later, or were left out where there was nothing to say. What lies below one may be missing too.
PLAN_OF_VERSION_2 = (
    "control|precision|most_rounds|rate|arrivals|drivers|behaviours|engine|join|host|master_port"
)
MISSING_UNTIL = {
    2: re.compile(
        r"calibration\b.*"
        rf"|plan\.({PLAN_OF_VERSION_2})"
        r"|measurements\[\d+\]\.(judgement|warmup_ns|offered_per_s|responses_in_window)"
        r"|measurements\[\d+\]\.(evidence|resource_usage)\b.*"
        r"|measurements\[\d+\]\.condition\.(interpreter|application|target)"
    ),
    3: re.compile(r"measurements\[\d+\]\.(samples_sha256|printed)"),
    4: re.compile(
        r"plan\.(interleave|reuse_first|think_s|thinking|most_failures)"
        r"|measurements\[\d+\]\.(think_s|failures)"
        r"|measurements\[\d+\]\.evidence\.(slices|slice_ns|idle_cpu_ratio|neighbour\w*)"
        r"|measurements\[\d+\]\.evidence\.common_movement"
        r"|measurements\[\d+\]\.evidence\.(connections_used|connections_unopened|pause_ratio)"
        r"|measurements\[\d+\]\.evidence\.(lateness_p99_ns|lateness_error_ratio|overdue_ratio)"
        r"|measurements\[\d+\]\.resource_usage\.instructions_(per_request|of)"
        r"|calibration\.ways\..*\.contended_ratio"
    ),
}


def upgrade(values: Mapping[str, Any], version: int) -> dict[str, Any]:
    """Return the *values* of a result of *version*, 1 to `SCHEMA_VERSION`, as today's has them.

    What is not as that version wrote it is left as it is, for whoever checks the whole.
    """
    run = dict(values)
    if version < 3 and isinstance(run.get("measurements"), list):
        run["measurements"] = [from_version_2(one) for one in run["measurements"]]
    if version < 5 and isinstance(run.get("measurements"), list):
        run["measurements"] = [from_version_4(one) for one in run["measurements"]]
    return run


def from_version_4(measurement: Any) -> Any:
    """Return a *measurement* of version 4, or one before it, in the words of version 5."""
    evidence = measurement.get("evidence") if isinstance(measurement, dict) else None
    if not isinstance(evidence, dict) or evidence.get("settled_why") != NO_RESPONSES_IN_VERSION_4:
        return measurement
    return measurement | {"evidence": evidence | {"settled_why": NO_RESPONSES}}


def from_version_2(measurement: Any) -> Any:
    """Return a *measurement* of version 2, or 1, as version 3 has it."""
    if not isinstance(measurement, dict):
        return measurement
    one = dict(measurement)
    evidence, usage = one.get("evidence", {}), one.pop("resources", None)
    if isinstance(evidence, dict):
        one["responses_in_window"] = evidence.get("answered")
        kept = {name: value for name, value in evidence.items() if name != "answered"}
        one["evidence"] = renamed(kept, EVIDENCE)
    usage = renamed(usage, USAGE)
    if isinstance(usage, dict) and isinstance(usage.get("workers"), list):
        usage["workers"] = [renamed(worker, WORKERS) for worker in usage["workers"]]
    one["resource_usage"] = None if usage == {} else usage  # {}: nobody looked
    return one


def may_lack(key: str, version: int) -> bool:
    """Tell whether a file of *version* may lack *key*, which today's have."""
    return any(
        version <= last and keys.fullmatch(key) is not None for last, keys in MISSING_UNTIL.items()
    )


def renamed(values: Any, names: Mapping[str, str]) -> Any:
    """Return *values* with today's *names* for the old ones; what is no object as it is."""
    if not isinstance(values, dict):
        return values
    return {names.get(name, name): value for name, value in values.items()}


def key_of_version(text: str, version: int) -> str:
    """Return *text*, which names a key as today's files have it, with the name of *version*."""
    for today, before in KEYS if version < 3 else ():
        text = re.sub(rf"(?<=\]\.){today}\b", before, text)
    return text
