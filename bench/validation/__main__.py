"""``make validate``: a table of what is required, what was measured here, and whether it held.

The exit status is 1 when a requirement is broken. Parts: `driver` (what it can do, and that it adds
up), `truth` (servers about which the truth is known), `wrk` (a cross-check), `slices` (against
windows), `statistics` (simulated with this machine's noise).
"""

import argparse
import itertools
import os
import time
from collections.abc import Callable, Iterator, Sequence

from calcbench.bench.names import parse_names
from calcbench.bench.system.machine import describe_machine, python_name
from calcbench.bench.system.program import run_program
from calcbench.bench.system.terminal import echo
from calcbench.bench.units import format_count
from calcbench.bench.validation import driver, slices, statistics, truth, wrk
from calcbench.bench.validation.requirement import Requirement, print_requirements
from calcbench.core.errors import CalcbenchError

PARTS: dict[str, Callable[[], Iterator[Requirement]]] = {
    "driver": driver.requirements,
    "truth": truth.requirements,
    "wrk": wrk.requirements,
    "slices": slices.requirements,
    "statistics": statistics.requirements,
}


def chosen(only: str) -> list[str]:
    """Return the parts that *only* names, all for an empty one; raises UsageError."""
    names = parse_names(only, PARTS, "part")
    return [name for name in PARTS if name in names] or list(PARTS)


def measure_part(name: str) -> Iterator[Requirement]:
    """Yield the requirements of the part *name*; where it cannot go on, that is a broken one."""
    try:
        yield from PARTS[name]()
    except CalcbenchError as error:
        yield Requirement(f"the part {name}", "can be measured", str(error), False)


def run(arguments: Sequence[str] | None = None) -> int:
    """Measure what the command line asks for, print it, and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="validate", description=__doc__.partition("\n\n")[0] if __doc__ else None
    )
    parser.add_argument("--only", default="", help=f"some of {','.join(PARTS)}")
    parts = chosen(parser.parse_args(arguments).only)
    if not hasattr(os, "pidfd_open"):
        raise CalcbenchError("what is required of the measuring can be validated on Linux alone")
    load, began = os.getloadavg()[0], time.monotonic()
    held = print_requirements(itertools.chain.from_iterable(map(measure_part, parts)))
    machine = describe_machine()
    echo(
        f"\n{machine['cpu']}, {format_count(machine['usable_cores'], 'core')}, {python_name()};"
        f" load when this began: {load:.1f}; it took {time.monotonic() - began:.0f} s."
    )
    return 0 if held else 1


def main(arguments: Sequence[str] | None = None) -> None:
    """Run; what goes wrong is one line."""
    run_program("validate", lambda: run(arguments))


if __name__ == "__main__":
    main()
