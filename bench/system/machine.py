"""What a result says about where it was made: enough to judge it, nothing that names anybody.

No host name, no user name, no path of this machine goes into a result.
"""

import datetime
import os
import platform
import re
from pathlib import Path
from typing import Any

import calcbench
from calcbench.bench.system.cpus import usable_cores
from calcbench.bench.system.missing import missing
from calcbench.bench.system.procfs import read_text

# An absolute path of at least two parts, not one in a URL or behind a letter or a dot.
PATH = re.compile(r"""(?<![\w.:/~-])~?/(?:[^/\s'",:;()]+/)+(?=[^/\s'",:;()])""")

GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")


def describe_machine() -> dict[str, Any]:
    """Return the processor, cores, memory and kernel of this machine; None for the unknown."""
    cpuinfo = read_text(Path("/proc/cpuinfo"))
    return {
        "cpu": field(cpuinfo, "model name") or field(cpuinfo, "Model") or platform.machine(),
        "cores": os.cpu_count(),
        "usable_cores": len(usable_cores()),
        "virtual": "hypervisor" in field(cpuinfo, "flags").split(),
        "governor": read_text(GOVERNOR) or None,
        "memory_bytes": memory_bytes(),
        "system": platform.system(),
        "kernel": platform.release(),
        **({"missing": missing()} if missing() else {}),
    }


def memory_bytes() -> int | None:
    """Return how much memory this machine has, None where the system has no name for that."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        return None


def python_name() -> str:
    """Return what runs this, and in which version: ``CPython 3.11.7``."""
    return f"{platform.python_implementation()} {platform.python_version()}"


def timestamp() -> str:
    """Return this second with its offset from UTC, as ISO 8601 writes it."""
    return datetime.datetime.now().astimezone().isoformat(timespec="seconds")


def describe_versions() -> dict[str, str]:
    """Return the versions of calcbench, of the Python that ran it, and of what it computes with."""
    import numpy as np

    return {
        "calcbench": calcbench.__version__,
        "implementation": platform.python_implementation(),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }


def without_paths(text: str) -> str:
    """Return *text* with absolute paths cut to their last part: ``/home/ann/out`` is ``…/out``."""
    return PATH.sub("…/", text)


def field(cpuinfo: str, name: str) -> str:
    """Return the first value of *name* in the text of ``/proc/cpuinfo``, or nothing."""
    found = re.search(rf"^{name}\s*:\s*(.*)$", cpuinfo, re.MULTILINE)
    return found[1].strip() if found else ""
