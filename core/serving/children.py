"""Child processes of a server: forked so that they end with it, and leave nothing undone."""

import os
import signal
import traceback
from collections.abc import Callable
from contextlib import suppress

from calcbench.core.serving.stop import die_with_parent


def fork(work: Callable[[], None]) -> int | None:
    """Return the pid of a new child that does *work* and ends; None where there is no room.

    Its status is 0, or 1 after a traceback if *work* raises. What the parent has open, the child
    has too. It ignores SIGTERM and its like, which a service manager or a terminal sends to all
    processes of a server: the parent sets the stop signal for all of them.
    """
    parent, child = os.getpid(), None
    with suppress(OSError):
        child = os.fork()
    if child != 0:
        return child
    status = 1
    try:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        die_with_parent(parent)
        work()
        status = 0
    except BaseException:  # noqa: BLE001 - whatever it was, the parent must not see it
        traceback.print_exc()
    finally:
        os._exit(status)  # nothing of the parent's stack is the child's to unwind


def reap(child: int, child_end: int) -> None:
    """Take note that *child* has ended, so that it is no zombie; close its pidfd *child_end*."""
    os.waitpid(child, 0)
    os.close(child_end)
