"""The process of a server in the contest: its config, the cores it runs on, and its end."""

import json
import os
import sys
from typing import Any

from calcbench.core.serving.stop import die_with_parent


def configure() -> dict[str, Any]:
    """Return the config of this process, the JSON in its arguments, after doing what is common.

    From then on the process runs on the config's cores, and dies with whoever started it.
    """
    config: dict[str, Any] = json.loads(sys.argv[1])
    die_with_parent(config["parent"])
    if config["cpus"] and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, config["cpus"])
    return config
