"""Percentiles of one measurement: each is a latency that happened, and none is interpolated."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def quantile(sorted_ns: "Sequence[int] | NDArray[np.int64]", q: float) -> int:
    """Return the smallest latency that at least a fraction *q* of requests met.

    *sorted_ns* is ascending nanoseconds, at least one; *q* is in 0–1. No interpolation, so the
    figure is a latency that happened (Hyndman & Fan 1996, definition 1); the same as numpy's
    ``inverted_cdf``. Raises ValueError for an empty sequence or a *q* out of range.
    """
    if len(sorted_ns) == 0:
        raise ValueError("no latency, so no quantile")
    if not 0 <= q <= 1:
        raise ValueError(f"a quantile of {q} should be in 0 to 1")
    return int(sorted_ns[max(math.ceil(len(sorted_ns) * q), 1) - 1])
