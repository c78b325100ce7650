"""Which scenarios there are: the files in the folder `scenarios`, and nothing else."""

import importlib
import itertools
import pkgutil
from collections.abc import Sequence
from typing import cast

from calcbench.bench.classroom import scenarios
from calcbench.bench.classroom.demo.scenario import Scenario, ScenarioModule
from calcbench.core.errors import UsageError
from calcbench.core.options import nearest

BEST = "silent-client"  # of which the contrast needs no words


def modules() -> list[ScenarioModule]:
    """Return every scenario, by its number."""
    names = [found.name for found in pkgutil.iter_modules(scenarios.__path__)]
    found = [importlib.import_module(f"{scenarios.__name__}.{name}") for name in names]
    return sorted(cast(list[ScenarioModule], found), key=lambda one: one.SCENARIO.number)


def find(text: str) -> ScenarioModule:
    """Return the scenario with the name or number *text*.

    Raises UsageError with the nearest name.
    """
    known = modules()
    wanted = text.strip().lower().replace("_", "-")
    for one in known:
        if wanted in (one.SCENARIO.name, str(one.SCENARIO.number)):
            return one
    if wanted.isdigit():
        numbers = [one.SCENARIO.number for one in known]
        raise UsageError(f"no scenario {wanted}; there are {numbers[0]} to {numbers[-1]}")
    raise UsageError(f"no scenario {text!r}{nearest(wanted, [one.SCENARIO.name for one in known])}")


def columns_of(scenarios: Sequence[Scenario]) -> list[str]:
    """Return the names of *scenarios* in two columns: below them a screen has room for a bet."""
    names = [f"{one.number:>3}  {one.name}" for one in scenarios]
    half = (len(names) + 1) // 2
    return [
        f"{left:<40}{right}".rstrip()
        for left, right in itertools.zip_longest(names[:half], names[half:], fillvalue="")
    ]


def line_of(scenario: Scenario) -> str:
    """Return the line of *scenario* in a list."""
    return f"{scenario.number:>3}  {scenario.name:<19}{scenario.title}"
