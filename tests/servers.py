"""Servers for tests: of any strategy that can run here, and stopped as they must be."""

from typing import Any

import pytest

from calcbench.core.serving.catalogue import load
from calcbench.core.serving.launcher import Server, ServerSpec, Stopped

GRACE_S = 60.0  # for a laden machine: no test is about how long a stop takes


def make_spec(strategy: str, **more: Any) -> ServerSpec:
    """Return what to launch; where *strategy* cannot run, the test is skipped."""
    if unavailable := load(strategy).unavailable:
        pytest.skip(f"{strategy} {unavailable}")
    return ServerSpec(strategy, **more)


def stop_cleanly(server: Server) -> None:
    """Stop *server*, and see that it goes in time, with status 0, childless and silent."""
    stopped = server.stop(grace_s=GRACE_S)

    assert stopped == Stopped(status=0, killed=False, stderr="")
