"""What all drivers of a load share: when requests are due, and which have waited for too long."""

from collections import deque
from collections.abc import Iterator

from calcbench.bench.loadgen.driver.ledger import NO_CONNECTION, Ledger
from calcbench.bench.loadgen.protocol import NOBODY, TAG_BITS, WAITED
from calcbench.bench.loadgen.spec import LoadSpec
from calcbench.bench.schema.arrivals import every_nth, schedule, thinks

NEVER_BEGUN = NOBODY << TAG_BITS | WAITED  # in the sample of such a request, with how it ended


def due_times(spec: LoadSpec, start_ns: int) -> Iterator[int]:
    """Yield when the requests of this driver's part of *spec* are due that begins at *start_ns*.

    They are nanoseconds of the clock of *start_ns*.
    """
    due = schedule(spec.rate, spec.arrivals, spec.seed)
    return (start_ns + ns for ns in every_nth(due, spec.number, spec.drivers))


def think_times(spec: LoadSpec) -> Iterator[Iterator[int]]:
    """Yield, for each user of this driver's part of *spec*, how long it thinks, again and again."""
    users = thinks(spec.think_s, spec.thinking, spec.seed)
    return every_nth(users, spec.number, spec.drivers)


def give_up(
    waiting: deque[int], now: int, timeout_ns: int, ledger: Ledger
) -> Iterator[tuple[int, int, int, int, int]]:
    """Take out of *waiting* each request that was due *timeout_ns* before *now*; yield its sample.

    The one that was due first comes first. The *ledger* keeps why they fail.
    """
    while waiting and now - waiting[0] >= timeout_ns:
        yield waiting.popleft(), now, now, now, NEVER_BEGUN | ledger.ending(NO_CONNECTION, now)
