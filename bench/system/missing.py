"""What this system does not tell or cannot do, by name: results leave it out and never guess it."""

import os
import socket
import sys

from calcbench.bench.system.cpus import CAN_PIN
from calcbench.bench.system.procfs import TELLS_DELAYS, TELLS_PROCESSES


def missing() -> list[str]:
    """Return the names of what is left out here: nothing on most machines with Linux."""
    looked_up = {
        "a server's CPU time, memory, threads and context switches": TELLS_PROCESSES,
        "how long threads wait for a core": TELLS_DELAYS,
        "what other programs, or a host, take of the cores": TELLS_PROCESSES,
        "how many instructions a response takes": sys.platform == "linux",
        "how many clients wait to be accepted": TELLS_PROCESSES and hasattr(socket, "TCP_INFO"),
        "cores of their own for server and driver": CAN_PIN,
        "load by Locust": hasattr(os, "pidfd_open"),
    }
    return [name for name, is_there in looked_up.items() if not is_there]
