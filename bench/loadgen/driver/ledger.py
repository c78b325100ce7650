"""What a driver keeps of requests that fail: a number for each cause, and the first that had it.

The number goes into the tag of each sample, so that causes are counted where outcomes are: among
the samples of whatever time is judged in the end.
"""

import os
from typing import NamedTuple

from calcbench.bench.loadgen.driver.framing import (
    EXCERPT,
    FramingError,
    Incoming,
)
from calcbench.bench.loadgen.driver.quoting import printable_bytes
from calcbench.bench.loadgen.protocol import CAUSE_SHIFT, MOST_CAUSES, FirstFailure
from calcbench.bench.schema.outcomes import OUTCOMES, REFUSED, RESET, TIMED_OUT, WRONG

MORE = "another cause"  # what stands for those beyond the most that are told apart


class Fault(NamedTuple):
    """Why one request ended with an *outcome* that is not right; *data* is what was read of it.

    *cause* is the same for all of its kind, *detail* is of this one and may be empty.
    """

    outcome: int
    cause: str
    detail: str = ""
    data: bytes = b""


def fault_of_framing(error: FramingError) -> Fault:
    """Return the fault of a response whose end cannot be known."""
    return Fault(WRONG, error.cause, error.detail, error.data)


def fault_of_error(outcome: int, error: OSError, incoming: Incoming | None) -> Fault:
    """Return the fault with an *outcome* that an *error* is, at what has come of a response."""
    what = (error.strerror or os.strerror(error.errno or 0)).lower()
    return Fault(outcome, what) if outcome == REFUSED else cut_off(outcome, what, incoming)


def cut_off(outcome: int, what: str, incoming: Incoming | None) -> Fault:
    """Return the fault of a response that ends early, by *what*; None: before its first byte."""
    return Fault(outcome, f"{what} {'within' if incoming else 'before'} a response")


def closed_early() -> Fault:
    """Return the fault of a connection that the server closed in place of a response."""
    return cut_off(RESET, "connection closed", None)


def timed_out(incoming: Incoming | None) -> Fault:
    """Return the fault of a response that did not come in time, or not all of it."""
    return cut_off(TIMED_OUT, "timed out", incoming)


NO_CONNECTION = Fault(TIMED_OUT, "timed out before a connection was free")


class Ledger:
    """The causes by their numbers, from 1, with the first request that failed for each."""

    def __init__(self) -> None:
        self.numbers: dict[tuple[int, str], int] = {}
        self.firsts: list[FirstFailure] = []
        self.known: set[int] = set()  # numbers whose first of this window is among those

    def ending(self, fault: Fault, now: int, incoming: Incoming | None = None) -> int:
        """Return the outcome of a *fault* at *now* with the number of its cause, as a tag has them.

        *incoming* is what had come of the response, if anything.
        """
        key = fault.outcome, fault.cause
        if key not in self.numbers and len(self.numbers) >= MOST_CAUSES - len(OUTCOMES):
            key = fault.outcome, MORE
        number = self.numbers.setdefault(key, len(self.numbers) + 1)
        if number not in self.known:
            self.known.add(number)
            data = incoming.start if incoming else fault.data[:EXCERPT]
            outcome, cause = OUTCOMES[fault.outcome], key[1]
            first = FirstFailure(outcome, cause, now, fault.detail, printable_bytes(data))
            self.firsts[number - 1 : number] = [first]
        return fault.outcome | number << CAUSE_SHIFT

    def renew(self) -> None:
        """Begin a window: the next request that fails for a cause is the first that had it.

        The first of the time before stays where none follows, for one that failed then may be
        recorded later.
        """
        self.known.clear()
