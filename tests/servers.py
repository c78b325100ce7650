"""Servers for tests: of any strategy that can run here, and stopped as they must be."""

import socket
from typing import Any

import pytest

from calcbench.bench.system.procfs import TELLS_PROCESSES
from calcbench.core.serving.catalogue import load
from calcbench.core.serving.ending import Stopped
from calcbench.core.serving.launcher import Server, ServerSpec

GRACE_S = 60.0  # for a laden machine: no test is about how long a stop takes


def make_spec(strategy: str, **more: Any) -> ServerSpec:
    """Return what to launch; where *strategy* cannot run, the test is skipped.

    A strategy whose file is broken fails it, with the line that says why.
    """
    loaded = load(strategy)
    if loaded.broken:
        pytest.fail(loaded.broken, pytrace=False)
    if loaded.unavailable:
        pytest.skip(f"{strategy} {loaded.unavailable}")
    return ServerSpec(strategy, **more)


def stop_cleanly(server: Server) -> None:
    """Stop *server*, and see that it goes in time, with status 0, childless, and has not raised.

    What it has printed is for whoever reads the report of a failure.
    """
    stopped = server.stop(grace_s=GRACE_S)
    if stopped.printed:
        print(f"{server.spec.strategy} printed:\n{stopped.printed}")

    assert stopped == Stopped(status=0, killed=False, printed=stopped.printed)


def has_ipv6() -> bool:
    """Tell whether this machine can listen on ``::1``."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


needs_proc = pytest.mark.skipif(not TELLS_PROCESSES, reason="this test looks into /proc")
needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
