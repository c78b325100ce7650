"""Child processes of a server: forked so that they end with it, and leave nothing undone."""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress

from calcbench.core.serving.stop import STOPPING, die_with_parent, prctl


def fork(work: Callable[[], None]) -> int | None:
    """Return the pid of a new child that does *work* and ends; None where there is no room.

    Its status is 0, or 1 after a traceback if *work* raises. What the parent has open, the child
    has too. It ignores SIGTERM and its like, which a service manager or a terminal sends to all
    processes of a server: the parent sets the stop signal for all of them.
    """
    parent, child = os.getpid(), None
    if sys.platform == "linux":
        prctl()  # found now, or every child would import ctypes, which takes longer than the fork
    with suppress(OSError):
        child = os.fork()
    if child != 0:
        return child
    status = 1
    try:
        for number in STOPPING:
            signal.signal(number, signal.SIG_IGN)
        die_with_parent(parent)
        work()
        status = 0
    except BaseException:  # noqa: BLE001 - whatever it was, the parent must not see it
        traceback.print_exc()
    finally:
        os._exit(status)  # nothing of the parent's stack is the child's to unwind


def reap_all() -> list[int]:
    """Return the pids of the children that have ended, without waiting; they are no zombies now."""
    ended = []
    with suppress(ChildProcessError):  # there are no more children
        while pid := os.waitpid(-1, os.WNOHANG)[0]:
            ended.append(pid)
    return ended
