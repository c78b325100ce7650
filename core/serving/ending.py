"""How a process ended, and whether a server did as it should."""

import signal
from dataclasses import dataclass


@dataclass(frozen=True)
class Stopped:
    """How a server ended: *status* is negative for a signal, *killed* says that it was ours.

    *printed* is what it has printed, the beginning and the end if that is much, and *failure* what
    the first traceback in it was about, wherever that was.
    """

    status: int
    killed: bool
    printed: str = ""
    failure: str = ""

    @property
    def clean(self) -> bool:
        """Whether it did as it should: stopped in time, with status 0, and raised nothing.

        A strategy may print.
        """
        return self.status == 0 and not self.killed and not self.failure


def status_in_words(status: int) -> str:
    """Return how a process with the exit *status* has ended, as in ``was killed by SIGKILL``."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:  # a real-time signal has no name
        return f"was killed by signal {-status}"
