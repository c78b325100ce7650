"""Result files of every version that there was, and how an older one becomes one of today.

1. The first.
2. A measurement may carry what was judged of it, what that rests on, what the server used, how long
   it warmed up, and the rate that was asked for; a run, what its driver could do. Sample files may
   have more columns. What version 1 wrote is read as if nobody had looked.
3. The field's own terms for what was called `looks`, `guests`, `excuse`, `why`, `all`, `answered`
   and their like. A condition names its interpreter, application and target too. What could not be
   seen is null, and no key is left out.
"""

from collections.abc import Mapping
from typing import Any

SCHEMA_VERSION = 3

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


def upgrade(values: Mapping[str, Any], version: int) -> dict[str, Any]:
    """Return the *values* of a result of *version*, 1 to `SCHEMA_VERSION`, as today's has them.

    What is not as that version wrote it is left as it is, for whoever checks the whole.
    """
    run = dict(values)
    if version < 3 and isinstance(run.get("measurements"), list):
        run["measurements"] = [from_version_2(one) for one in run["measurements"]]
    return run


def from_version_2(measurement: Any) -> Any:
    """Return a *measurement* of version 2, or 1, as version 3 has it."""
    if not isinstance(measurement, dict):
        return measurement
    one = dict(measurement)
    evidence, usage = one.get("evidence", {}), one.pop("resources", {})
    if isinstance(evidence, dict):
        one["responses_in_window"] = evidence.get("answered")
        names = [name for name in evidence if name != "answered"]
        one["evidence"] = {EVIDENCE.get(name, name): evidence[name] for name in names}
    one["resource_usage"] = usage or None
    if usage and isinstance(usage, dict):
        usage = {("samples" if name == "looks" else name): usage[name] for name in usage}
        if isinstance(usage.get("workers"), list):
            usage["workers"] = [
                {("responses" if name == "requests" else name): worker[name] for name in worker}
                for worker in usage["workers"]
                if isinstance(worker, dict)
            ]
        one["resource_usage"] = usage
    return one
