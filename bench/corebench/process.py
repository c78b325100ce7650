"""The process of a server in the contest: its config, the cores it runs on, and its end."""

import json
import os
import sys
from typing import Any

from calcbench.core.serving.stop import die_with_parent


def configure() -> dict[str, Any]:
    """Do as the config says, the JSON in the arguments, and return it for what is left to do.

    From then on this process runs on its cores, and dies with whoever started it.
    """
    config: dict[str, Any] = json.loads(sys.argv[1])
    die_with_parent(config["parent"])
    if config["cpus"]:
        os.sched_setaffinity(0, config["cpus"])
    return config
