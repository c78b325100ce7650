"""The server process: what runs behind a launcher, in an interpreter of its own.

It is started as a file, by any Python that can run it and with nothing installed, and is told
everything in one JSON argument, the config. It says by one byte on the stop socket that it is
ready: its strategy waits for clients.
"""

import json
import os
import sys
from socket import socket
from types import ModuleType
from typing import Any


def main(config: dict[str, Any]) -> None:
    """Serve as *config* says, until the stop signal."""
    from calcbench.core.serving.stop import Stop, die_with_parent

    die_with_parent(config["parent"])
    from calcbench.core.app.workload import parse_workload
    from calcbench.core.http.connection import Connection
    from calcbench.core.http.limits import Policy
    from calcbench.core.options import parse_options
    from calcbench.core.serving.catalogue import load
    from calcbench.core.serving.counters import Watch
    from calcbench.core.serving.ready import ReadyListener
    from calcbench.core.serving.service import make_service

    if config["cpus"]:
        os.sched_setaffinity(0, config["cpus"])
    strategy = load(config["strategy"])
    options = parse_options(strategy.options_type, config["options"])
    policy = parse_options(Policy, config["policy"])
    connection = Watch(config["watch"]).connections() if "watch" in config else Connection
    workload = parse_workload(config["workload"])
    service = make_service(policy, workload, config["cpu_units"], connection)
    with (
        socket(fileno=config["stop"]) as stop,
        ReadyListener(config["listener"], lambda: stop.sendall(b"!")) as listener,
    ):
        strategy.serve(listener, service, options, Stop(stop, policy.drain_timeout))


def find_packages(folders: dict[str, str]) -> None:
    """Make `calcbench` importable from its *folders* alone, as package name → folder."""
    for name, folder in folders.items():
        package = ModuleType(name)
        package.__path__ = [folder]
        sys.modules[name] = package


if __name__ == "__main__":
    the_config = json.loads(sys.argv[1])
    find_packages(the_config["packages"])
    main(the_config)
