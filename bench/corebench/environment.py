"""The virtual environment of the reference servers: what is in it, and what can be added.

What cannot be installed, for want of a compiler, a header or a network, costs one line of
output, and the benchmark goes on without it.
"""

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import requires
from pathlib import Path

from calcbench.bench.corebench.reference_servers import NEEDS
from calcbench.core.errors import UsageError

HINTS = {"bjoern": "it needs a C compiler and libev's header; Debian: apt install gcc libev-dev"}
PROBE = """
import importlib.metadata, json, platform, sys
found = {}
for name in sys.argv[1:]:
    try:
        found[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        pass
print(json.dumps([f"{platform.python_implementation()} {platform.python_version()}", found]))
"""


@dataclass(frozen=True)
class Interpreter:
    """What runs the servers: its *name*, ``CPython 3.11.7``, and the *versions* of packages."""

    python: str
    name: str
    versions: dict[str, str]

    def missing(self, reference: str) -> list[str]:
        """Return the packages that *reference* still needs."""
        return [package for package in NEEDS[reference] if package not in self.versions]


def wanted_packages() -> dict[str, str]:
    """Return what the extra asks for, as package → requirement: ``bjoern>=3,<4``."""
    found = {}
    for line in requires("calcbench") or ():
        requirement, _, marker = line.partition(";")
        if re.search(r"""extra == ['"]reference-servers['"]""", marker):
            requirement = requirement.strip()
            found[re.split(r"[^\w.-]", requirement)[0]] = requirement
    return found


def inspect(python: str, packages: Iterable[str]) -> Interpreter:
    """Return what *python* is and has of *packages*. Raises UsageError when it does not run."""
    if os.sep in python:  # not resolved: a virtual environment is known by its link
        python = str(Path(python).absolute())
    command = [python, "-P", "-c", PROBE, *packages]
    try:
        output = subprocess.run(command, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        raise UsageError(f"{python!r} is no Python that runs") from None
    name, versions = json.loads(output)
    return Interpreter(python, name, versions)


def install(
    interpreter: Interpreter, wanted: Mapping[str, str], announce: Callable[[str], None]
) -> Interpreter:
    """Install what is missing of *wanted*, each package by itself; return what there is then.

    *announce* is called with a line for each package that is installed, or cannot be.
    """
    missing = [package for package in wanted if package not in interpreter.versions]
    for package in missing:
        announce(f"installing {wanted[package]}")
        command = [interpreter.python, "-m", "pip", "install", "--no-input", wanted[package]]
        settings = {"PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_RETRIES": "1"}
        done = subprocess.run(
            command,
            env={**os.environ, **settings},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode:
            hint = HINTS.get(package) or reason(done.stdout)
            announce(f"{package} cannot be installed, so it is left out: {hint}")
    return inspect(interpreter.python, wanted) if missing else interpreter


def reason(output: str) -> str:
    """Return the line in which pip says why it failed."""
    errors = [line for line in output.splitlines() if line.startswith("ERROR: ")]
    return errors[-1].removeprefix("ERROR: ") if errors else "pip failed and printed nothing"


def how_to_install(interpreter: Interpreter, reference: str) -> str:
    """Return the command that installs what *reference* still needs."""
    wanted = wanted_packages()
    named = " ".join(
        f"'{wanted.get(package, package)}'" for package in interpreter.missing(reference)
    )
    return f"{interpreter.python} -m pip install {named}"
