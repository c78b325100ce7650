"""The causes of failures that drivers report, merged, and counted among samples."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from calcbench.bench.loadgen.protocol import CAUSE_BITS, FirstFailure
from calcbench.bench.schema.failures import Failure
from calcbench.bench.system.terminal import one_line

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from calcbench.bench.schema.samples import Samples

# By driver: when the window opened, of its clock, and its failures in the order of their numbers.
Reported = Sequence[tuple[int, Sequence[FirstFailure]]]


def merge(
    reported: Reported, counts: Mapping[int, int]
) -> "tuple[tuple[Failure, ...], NDArray[np.int64]]":
    """Return the failures that drivers have *reported*, those of one cause together.

    *counts* are how many samples have a number, which is that of the driver, shifted by
    `CAUSE_BITS`, and of the cause. An array says for each such number which of the failures it is,
    from 1, and 0 for none. What drivers say may be another machine's: it is made printable.
    """
    import numpy as np

    found: dict[tuple[str, str], Failure] = {}
    places: dict[tuple[str, str], int] = {}
    table = np.zeros(len(reported) << CAUSE_BITS, np.int64)
    for driver, (opened_ns, firsts) in enumerate(reported):
        for number, first in enumerate(firsts, start=driver << CAUSE_BITS | 1):
            if not counts.get(number):
                continue
            cause, detail, excerpt = map(one_line, (first.cause, first.detail, first.excerpt))
            when_ns = first.at_ns - opened_ns
            one = Failure(first.outcome, cause, counts[number], when_ns, detail, excerpt)
            key = one.outcome, one.cause
            if known := found.get(key):
                count = known.count + one.count
                one = dataclasses.replace(min(known, one, key=came_first), count=count)
            found[key] = one
            table[number] = places.setdefault(key, len(places) + 1)
    return tuple(found.values()), table


def came_first(failure: Failure) -> tuple[bool, int]:
    """Return what sorts failures by when they came, those of the warm-up last."""
    return failure.first_ns < 0, failure.first_ns


def recount(
    failures: Sequence[Failure], samples: "Samples", later_ns: int = 0
) -> tuple[Failure, ...]:
    """Return those of *failures* that are left among *samples*, which hold their places, counted.

    The window of the samples opens *later_ns* after that of the failures.
    """
    if not failures:
        return ()
    import numpy as np

    counts = np.bincount(samples["cause"], minlength=len(failures) + 1).tolist()[1:]
    return tuple(
        dataclasses.replace(one, count=count, first_ns=one.first_ns - later_ns)
        for one, count in zip(failures, counts, strict=True)
        if count
    )
