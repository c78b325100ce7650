"""``make bench-demos``: play each demonstration again and again; say how often its claim held.

Half of the times a program of ours keeps one core busy, as a browser or an update does on a
teacher's laptop. The exit status is 1 where a claim did not hold once.
"""

import argparse
import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

from calcbench.bench.classroom.demo.playbill import find, modules
from calcbench.bench.classroom.demo.scenario import ScenarioModule
from calcbench.bench.classroom.demo.stage import Stage
from calcbench.bench.system.program import run_program
from calcbench.bench.system.terminal import Styled, echo
from calcbench.core.errors import CalcbenchError

# Computes until its standard input ends, which it does when we do, in whatever way.
SPIN = """
import select
while not select.select([0], [], [], 0)[0]:
    for _ in range(100_000):
        pass
"""


@contextlib.contextmanager
def busy_core() -> Iterator[None]:
    """Keep one core busy while the ``with`` block lasts."""
    process = subprocess.Popen([sys.executable, "-c", SPIN], stdin=subprocess.PIPE)
    try:
        yield
    finally:
        process.kill()
        process.communicate()


def play(module: ScenarioModule) -> tuple[bool, str]:
    """Play *module* once, unseen; return whether its claim held, and what it says."""
    try:
        with Stage(module.SCENARIO.strategy) as stage:
            finding = module.conclude(module.run(stage))
    except CalcbenchError as error:
        return False, str(error)
    return finding.held, finding.sentence


def repeat(module: ScenarioModule, times: int, *, busy: bool) -> bool:
    """Play *module* so many *times*, print what it says, and tell whether its claim held always."""
    name = f"{module.SCENARIO.name}, {'one core busy' if busy else 'as the machine is'}"
    held = 0
    for number in range(1, times + 1):
        began = time.monotonic()
        with busy_core() if busy else contextlib.nullcontext():
            right, sentence = play(module)
        held += right
        took = f"{time.monotonic() - began:.0f} s"
        echo(f"  {number:>3}  {'held' if right else 'NOT HELD':<9}{took:<6}{sentence}")
    echo(Styled(f"{name}: held {held} of {times}", "bold" if held == times else "red"))
    return held == times


def run(arguments: Sequence[str] | None = None) -> int:
    """Play what the command line asks for, and return the exit status."""
    parser = argparse.ArgumentParser(prog="bench-demos", description="How often claims hold.")
    parser.add_argument("scenarios", nargs="*", help="names or numbers; all, if there are none")
    parser.add_argument("--times", type=int, default=10, help="how often, quiet and busy each")
    asked = parser.parse_args(arguments)
    chosen = [find(text) for text in asked.scenarios] or modules()
    results = [repeat(one, asked.times, busy=busy) for one in chosen for busy in (False, True)]
    return 0 if all(results) else 1


def main(arguments: Sequence[str] | None = None) -> None:
    """Run; what goes wrong is one line."""
    run_program("bench-demos", lambda: run(arguments))


if __name__ == "__main__":
    main()
