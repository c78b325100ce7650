"""Say what two results do not have alike: what was asked, how it was measured, what was around.

Whoever compares them wants to know what changed a figure, and it may be any of these. Every setting
of a plan is compared but those of which `HARMLESS` says why not; how servers took turns is taken
from what was measured, for what was asked cannot always be done.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from calcbench.bench.analysis.compare import Change, Pair
from calcbench.bench.schema.condition import Condition
from calcbench.bench.schema.plan import Plan
from calcbench.bench.schema.result import Run
from calcbench.bench.system.cpus import Pinning
from calcbench.bench.views.interleaving import is_of_strangers
from calcbench.bench.views.wording import FEW

MATCHED = "conditions are compared one by one, and what only one result has is listed"
CHANCE = "rounds say how surely a figure is known and not what it is, and its interval shows it"
HARMLESS: Mapping[str, str] = {
    "strategies": MATCHED,
    "workloads": MATCHED,
    "reuses": MATCHED,
    "connections": MATCHED,
    "rounds": CHANCE,
    "precision": CHANCE,
    "most_rounds": CHANCE,
    "seed": "it draws orders, operands and moments of the same kind, as chance does",
    "control": "it is raced beside the others and not compared",
    "master_port": "it is where drivers meet, and no request goes there",
    "interleave": "it is what was asked for; what was done is seen in the measurements",
}


def seconds(number: float) -> str:
    """Return a time of a plan with all its digits: ``600 ms``, ``1.5 s``, or none."""
    text = f"{number:.10g} s" if number >= 1 else f"{1000 * number:.10g} ms"
    return text if number else "none"


def listed(texts: Sequence[str]) -> str:
    """Return *texts* in one, or that there is none."""
    return ", ".join(texts) or "none"


# What a reader calls a setting of a plan, and how its values are told.
SETTINGS: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "duration_s": ("length of a measurement", seconds),
    "warmup_s": ("warm-up", seconds),
    "timeout_s": ("time-out", seconds),
    "policy": ("limits and deadlines", lambda texts: ", ".join(texts) or "the defaults"),
    "rate": ("rate", lambda rate: f"{rate:,.10g}/s" if rate else "a closed loop"),
    "arrivals": ("arrivals", str),
    "reuse_first": (
        "use of connections",
        lambda first: "as few as possible" if first else "all in turns",
    ),
    "think_s": ("think", seconds),
    "thinking": ("kind of thinks", str),
    "drivers": ("number of drivers", str),
    "behaviours": ("other clients", listed),
    "engine": ("engine", str),
    "join": ("number of machines that joined", str),
    "host": ("address of the servers", str),
    "most_failures": ("share of requests that may fail", lambda share: f"{100 * share:.10g}%"),
}
# What a result has of somebody else's servers beside where they are, and what a reader calls it.
# Which method, and how long a body, the workload says as well.
WHERE = ("path", "address")
QUESTION = {"fields": "header fields", "expect": "right status", "expect_body": "right body given"}


def losses(runs: tuple[Run, Run], pairs: Sequence[Pair]) -> list[str]:
    """Say what two results lack to be compared as a whole: rounds, or the same question."""
    parts = [
        f"{label} is only a part of its race"
        for label, run in zip("AB", runs, strict=True)
        if run.partial
    ]
    return parts + other_settings(*runs) + other_ways(runs, pairs)


def other_settings(first: Run, second: Run) -> list[str]:
    """Say what was not asked alike of two runs, so that nobody knows what changed a figure.

    What is not the same of the machine and its programs is not among it, for that may be what is
    compared.
    """
    plans = first.plan, second.plan
    names = [field.name for field in dataclasses.fields(Plan) if field.name not in HARMLESS]
    told = {name: SETTINGS.get(name, (name.replace("_", " "), str)) for name in names}
    return [
        f"not the same {what}: {show(one)} and {show(other)}"
        for name, (what, show) in told.items()
        for one, other in (tuple(in_order(getattr(plan, name)) for plan in plans),)
        if one != other
    ] + different(*other_questions(first, second))


def in_order(value: Any) -> Any:
    """Return a *value* of a plan as it is compared: the order of several is no matter."""
    return tuple(sorted(value)) if isinstance(value, tuple) else value


def other_questions(first: Run, second: Run) -> Iterator[tuple[str, Sequence[object]]]:
    """Yield what somebody else's servers were asked in two runs; all of one run the same."""
    runs = first, second
    if not all(is_of_strangers(run.plan) and run.options for run in runs):
        return
    asked = [next(iter(run.options.values())) for run in runs]
    for key in dict.fromkeys((*asked[0], *asked[1])):
        if key not in WHERE:
            yield QUESTION.get(key, key), [in_words(question.get(key)) for question in asked]


def in_words(value: object) -> str:
    """Return a *value* that a result has as JSON, in words."""
    if isinstance(value, list | tuple):
        return listed([str(one) for one in value])
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "unknown" if value is None else str(value)


def other_ways(runs: tuple[Run, Run], pairs: Sequence[Pair]) -> list[str]:
    """Say which of *pairs* were measured in slices in one run and in windows in the other.

    The two do not always give the same figures: in a slice caches are cold.
    """
    ways = ways_of_measuring(runs)
    found: dict[tuple[str, str], list[str]] = {}
    for pair in pairs:
        if not are_alike(pair, ways):
            found.setdefault(ways_of(pair, ways), []).append(pair.where)
    return [
        f"A was measured {one}, B {other}"
        + ("" if len(where) == len(pairs) else f" ({few_of(where)})")
        for (one, other), where in found.items()
    ]


def few_of(where: Sequence[str]) -> str:
    """Return the first of the conditions *where* something is so, and how many there are more."""
    more = [f"and {len(where) - FEW:,} more"] if len(where) > FEW else []
    return "; ".join([*where[:FEW], *more])


Ways = tuple[Mapping[Condition, str], Mapping[Condition, str]]


def ways_of_measuring(runs: tuple[Run, Run]) -> Ways:
    """Return how each condition of two runs was measured, in words."""
    first, second = ({at: way_of(seen) for at, seen in turns_of(run).items()} for run in runs)
    return first, second


def turns_of(run: Run) -> dict[Condition, list[bool]]:
    """Return of each condition of *run* which of its measurements were made in slices."""
    found: dict[Condition, list[bool]] = {}
    for one in run.measurements:
        if one.elapsed_ns:
            found.setdefault(one.condition, []).append(one.in_slices)
    return found


def way_of(in_slices: Sequence[bool]) -> str:
    """Say how measurements were made of which those *in_slices* were made so."""
    most = "in slices" if 2 * sum(in_slices) >= len(in_slices) else "in windows"
    return most if len(set(in_slices)) == 1 else f"mostly {most}"


def ways_of(pair: Pair, ways: Ways) -> tuple[str, str]:
    """Return how the two of *pair* were measured; nothing for one that was not."""
    first, second = (
        known.get(row.condition, "")
        for known, row in zip(ways, (pair.first, pair.second), strict=True)
    )
    return first, second


def are_alike(pair: Pair, ways: Ways) -> bool:
    """Tell whether the two of *pair* were measured in one way, as far as both were at all."""
    first, second = ways_of(pair, ways)
    return first == second or not (first and second)


def surroundings(first: Run, second: Run) -> Iterator[str]:
    """Yield a warning for each thing around the servers that is not the same in both runs."""
    if first == second:
        yield "A and B are the same result: the intervals show what chance alone can do"
    runs = first, second
    units = [name for name in first.cpu_units if name in second.cpu_units]
    labels = [label for label in first.options if label in second.options]
    for difference in different(
        ("processor", [run.machine.get("cpu") for run in runs]),
        ("number of cores", [run.machine.get("cores") for run in runs]),
        ("number of usable cores", [run.machine.get("usable_cores") for run in runs]),
        ("governor of the processor", [run.machine.get("governor") for run in runs]),
        ("use of cores", [describe_pinning(run.pinning) for run in runs]),
        ("kernel", [run.machine.get("kernel") for run in runs]),
        ("Python", [run.versions.get("python") for run in runs]),
        ("calcbench", [run.versions.get("calcbench") for run in runs]),
        *((f"work of {one}", [f"{run.cpu_units[one]:,} units" for run in runs]) for one in units),
        *(
            (f"options of {label}", [options_in_words(run.options[label]) for run in runs])
            for label in labels
            if not is_of_strangers(first.plan)
        ),
    ):
        yield f"N{difference[1:]}"


def describe_pinning(pinning: Pinning) -> str:
    """Say who runs on cores of its own."""
    pinned = [name for name in ("server", "driver") if getattr(pinning, name)]
    return pinning.note or (f"{' and '.join(pinned)} pinned" if pinned else "nobody pinned")


def options_in_words(options: Mapping[str, Any]) -> str:
    """Return all *options* of a variant: ``workers=8``."""
    return listed([f"{name}={value}" for name, value in sorted(options.items())])


def other_servers(changes: Iterable[Change]) -> list[str]:
    """Say which two servers *changes* are between, where it is not one and the same.

    Two results of one server each are compared whatever those are called.
    """
    pairs = {id(change.pair): change.pair for change in changes}.values()
    names = {(pair.first.condition.strategy, pair.second.condition.strategy) for pair in pairs}
    return [f"A is {first}, B is {second}" for first, second in sorted(names) if first != second]


def different(*pairs: tuple[str, Sequence[object]]) -> list[str]:
    """Say which of *pairs*, a name and two values, are not the same."""
    return [
        f"not the same {what}: {one} and {other}" for what, (one, other) in pairs if one != other
    ]
