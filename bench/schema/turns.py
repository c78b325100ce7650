"""The rules by which servers take turns, which the driver, the race and the legend go by.

`calcbench.bench.loadgen.driver.turns` says what a turn is.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from calcbench.bench.schema.result import Measurement

# Of a turn that is counted, at least. In shorter slices cold caches cost more CPU, and the rest of
# a turn more of the time. `make validate` shows what 5, 10 and 20 ms cost, and how ratios vary: in
# two of three runs 20 ms cost 0.2 % and 4 %, 5 ms 10 % and 17 %; a third, noisier, could not tell.
SLICE_S = 0.02
LEAST_LATENCIES = 10  # usual response times in a slice: the one at its edge is then a tenth of it
LONGEST_SHARE = 0.25  # of what is to be measured: who needs longer slices has one window
RESTLESS = 0.02  # of a core, used by a server in the turns of others, disturbs them


def restless(measurements: Iterable["Measurement"]) -> set[str]:
    """Return the variants that were seen to compute while it was not their turn."""
    return {
        measurement.condition.variant
        for measurement in measurements
        if (measurement.evidence.idle_cpu_ratio or 0) > RESTLESS
    }
