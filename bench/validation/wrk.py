"""What wrk says of the same server in the same minutes: a cross-check on the driver.

Both drive the calculator of one `selectors` server, from the same core, with the very same
requests and as many connections, in turns. wrk checks the status of a response; our driver also
its framing and its number. So agreement of the rates shows that this costs no throughput here,
where the server is the slower one, and not that the two do equal work. Two tools that time the
same loop should differ by less than the 10 % that a reader would act upon. They are asked until the
ratio is known well enough to say so, and not until it says what we like. The requirement is held,
or broken, where the whole interval of the ratio says so, and not measured where it is too wide.

wrk's quantiles are not of latencies that happened: before it prints them it corrects for
coordinated omission (`stats_correct` in its stats.c). So ours are corrected in the same way
before the medians are compared.
"""

import shutil
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from calcbench.bench.analysis.inference import Comparison, compare_paired
from calcbench.bench.analysis.quantiles import quantile
from calcbench.bench.analysis.stopping import is_narrow
from calcbench.bench.loadgen.pool import Drivers
from calcbench.bench.loadgen.spec import LoadSpec
from calcbench.bench.loadgen.wrk import cross_check
from calcbench.bench.schema.plan import WRK
from calcbench.bench.system.cpus import choose_cores
from calcbench.bench.units import format_ratios
from calcbench.bench.validation.requirement import Requirement
from calcbench.core.serving.launcher import ServerSpec, launch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ROUNDS, MOST_ROUNDS = 8, 40
PRECISION = 0.04  # within which the ratio is known then
CONNECTIONS = 32
AGREE = 0.10  # what the two may differ by

Figures = tuple[float, float]  # right responses a second, and the median latency in nanoseconds


def requirements() -> Iterator[Requirement]:
    """Yield the requirement, as it is measured."""
    rounds = ask_both() if shutil.which(WRK) else []
    yield agreement(rounds)


def ask_both() -> list[tuple[Figures, Figures]]:  # by make validate
    """Return our figures and those of wrk, for each round; who begins changes."""
    pinning = choose_cores()
    found: list[tuple[Figures, Figures]] = []
    with launch(ServerSpec("selectors", cpus=pinning.server)) as server:
        spec = LoadSpec(server.host, server.port, CONNECTIONS, True, 1.0, 0.1, cpus=pinning.driver)
        while not is_enough(found):
            if len(found) % 2:
                theirs = wrks(spec)
                found.append((ours(spec), theirs))
            else:
                found.append((ours(spec), wrks(spec)))
    return found


def is_enough(rounds: Sequence[tuple[Figures, Figures]]) -> bool:
    """Tell whether *rounds* tell the ratio of the rates within the precision, or are the most."""
    if not ROUNDS <= len(rounds) < MOST_ROUNDS:
        return len(rounds) >= MOST_ROUNDS
    rates = compare_paired([ours[0] for ours, _ in rounds], [wrks[0] for _, wrks in rounds])
    return is_narrow(rates.low, rates.high, PRECISION)


def ours(spec: LoadSpec) -> Figures:  # by make validate
    """Return what our driver sees."""
    import numpy as np

    with Drivers() as drivers:
        observation = drivers.drive(spec)
    latency = correct(observation.samples["latency_ns"], observation.elapsed_ns, spec.connections)
    return observation.outcomes.ok * 1e9 / observation.elapsed_ns, quantile(np.sort(latency), 0.5)


def correct(
    latency_ns: "NDArray[np.int64]", elapsed_ns: int, connections: int
) -> "NDArray[np.int64]":
    """Return *latency_ns* and what wrk adds to them.

    A client is expected to ask at even intervals. Whoever had to wait for two of them or more
    would have asked meanwhile, and waited one interval less, two less, and so on down to one.
    """
    import numpy as np

    expected = elapsed_ns * connections // max(len(latency_ns), 1)
    pieces, left = [latency_ns], latency_ns[latency_ns >= 2 * expected] - expected
    while len(left := left[left > expected]):
        pieces.append(left)
        left = left - expected
    return np.concatenate(pieces)


def wrks(spec: LoadSpec) -> Figures:  # by make validate
    """Return what wrk sees."""
    seen = cross_check(spec)
    return seen.per_s, seen.p50_ns or 0


def agreement(rounds: Sequence[tuple[Figures, Figures]]) -> Requirement:
    """Require that both say the same, from what they said in *rounds*; none: there is no wrk.

    Where they differ so much that either may be true, that is not measured.
    """
    what, required = (
        f"our driver / {WRK}: right responses a second; p50, corrected as {WRK} does",
        f"whole interval of the rates within {AGREE:.0%}",
    )
    if not rounds:
        return Requirement(what, required, f"{WRK} is not installed", None)
    rate, latency = (
        compare_paired([ours[n] for ours, _ in rounds], [wrks[n] for _, wrks in rounds])
        for n in (0, 1)
    )
    held: bool | None = None
    if rate.low >= 1 - AGREE and rate.high <= 1 + AGREE:
        held = True
    elif rate.high < 1 - AGREE or rate.low > 1 + AGREE:
        held = False
    return Requirement(
        what, required, f"{interval(rate)}; p50 {interval(latency)}; {rate.rounds} rounds", held
    )


def interval(comparison: Comparison) -> str:
    """Return a ratio and where it lies."""
    ratio, low, high = format_ratios(comparison.ratio, comparison.low, comparison.high)
    return f"{ratio} ({low} to {high})"
