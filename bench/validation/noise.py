"""What the intervals hold with noise of five kinds, made up, so that no machine must be quiet.

Real noise has heavy tails: most rounds agree, and a few are disturbed by whoever else was there.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from calcbench.bench.analysis.inference import ALPHA, POWER, compare_paired
from calcbench.bench.analysis.intervals import (
    Estimate,
    apart_estimate,
    median_estimate,
    paired_estimate,
)
from calcbench.bench.validation.requirement import (
    Requirement,
    at_most,
    counted_at_most,
    counted_between,
    share_between,
    share_true,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Noise = Callable[["np.random.Generator", tuple[int, ...]], "NDArray[np.float64]"]

DEVIATION = 0.03  # of the log-ratio of two equal servers, as slices give it
ONE = DEVIATION / math.sqrt(2)  # of one of them
DISTURBED, MOST_TIMES = 0.1, 3.0  # the share of rounds that are slowed down, and how much at most
ROUNDS = (5, 7, 10, 20, 30)  # of a race
ROUND_NAMES = f"{', '.join(map(str, ROUNDS))} rounds"
FOUND_IN, TRUE = 10, 0.05  # rounds, in which a difference of this size is to be found
COVERED = (0.93, 0.97)  # what 95 % intervals are to cover
DRAWN = 10_000  # races for each share; its standard error near 95 % is 0.2 %
COMPARED = 1_000  # those that are compared one by one, with
COMPARED_ROUNDS = (5, FOUND_IN)  # by Student's t and by ranks
MANY = 1_000_000  # values that show where the median of a noise lies


def normal(random: "np.random.Generator", size: tuple[int, ...]) -> "NDArray[np.float64]":
    """Return noise that adds to a rate and does not multiply it."""
    import numpy as np

    return np.log1p(random.normal(0, ONE, size))


def disturbed(random: "np.random.Generator", size: tuple[int, ...]) -> "NDArray[np.float64]":
    """Return log-normal noise with some rounds slowed down, to a third at worst."""
    import numpy as np

    slow = -np.log(random.uniform(1, MOST_TIMES, size))
    return random.normal(0, ONE, size) + np.where(random.random(size) < DISTURBED, slow, 0)


# By its name, the logarithm of what it makes of a rate.
KINDS: Mapping[str, Noise] = {
    "normal": normal,
    "lognormal": lambda random, size: random.normal(0, ONE, size),
    "Laplace": lambda random, size: random.laplace(0, ONE / math.sqrt(2), size),
    "Student's t3": lambda random, size: ONE / math.sqrt(3) * random.standard_t(3, size),
    "disturbed": disturbed,
}
EVEN = [name for name in KINDS if name != "disturbed"]  # those with the same `DEVIATION`


def requirements(drawn: int = DRAWN, compared: int = COMPARED) -> Iterator[Requirement]:
    """Yield each requirement, as it is counted."""
    yield covered("paired ratio", of_pair, drawn)
    yield covered("ratio of two runs", of_runs, drawn)
    yield covered("median", of_one, drawn)
    yield equal_servers(compared)
    yield detection(compared)


def of_pair(noise: Noise, random: "np.random.Generator", size: tuple[int, int]) -> Estimate:
    """Estimate the log-ratio of two equal servers, measured in the same rounds."""
    return paired_estimate(noise(random, size) - noise(random, size))


def of_runs(noise: Noise, random: "np.random.Generator", size: tuple[int, int]) -> Estimate:
    """Estimate the log-ratio of two equal servers, measured at different times."""
    return apart_estimate(noise(random, size), noise(random, size))


def of_one(noise: Noise, random: "np.random.Generator", size: tuple[int, int]) -> Estimate:
    """Estimate how far the median of one server lies from that of its noise."""
    import numpy as np

    return median_estimate(noise(random, size) - float(np.median(noise(random, (MANY,)))))


def covered(
    what: str,
    estimate: Callable[[Noise, "np.random.Generator", tuple[int, int]], Estimate],
    drawn: int,
) -> Requirement:
    """Count how often the interval of *what* holds the truth, which is 0 by logarithm."""
    import numpy as np

    random, found = np.random.default_rng(1), []
    for name, noise in KINDS.items():
        for rounds in ROUNDS:
            of = estimate(noise, random, (drawn, rounds))
            holds = ((of.low <= 0) & (of.high >= 0)).tolist()
            found.append((share_true(holds), f"{name}, {rounds}", holds))
    least, most = min(found), max(found)
    return Requirement(
        f"95% interval of a {what} holds it, noise of five kinds, {ROUND_NAMES}",
        counted_between(*COVERED, drawn),
        f"{least[0]:.1%} ({least[1]} rounds) to {most[0]:.1%} ({most[1]})",
        all(share_between(*COVERED, holds) for _, _, holds in found),
    )


def called_different(noise: Noise, rounds: int, compared: int, ratio: float = 1.0) -> list[bool]:
    """Tell of each of so many pairs of servers, *ratio* apart, whether they are said to differ."""
    import numpy as np

    random = np.random.default_rng(rounds)
    pairs = np.exp(noise(random, (2, compared, rounds)))
    return [compare_paired(ours * ratio, others).clear for ours, others in zip(*pairs, strict=True)]


def equal_servers(compared: int) -> Requirement:
    """Count how often two that are alike are said to differ."""
    found = []
    for name, noise in KINDS.items():
        for rounds in COMPARED_ROUNDS:
            flags = called_different(noise, rounds, compared)
            found.append((share_true(flags), f"{name}, {rounds} rounds", flags))
    most = max(found)
    return Requirement(
        f"two equal servers called different, noise of five kinds,"
        f" {' and '.join(map(str, COMPARED_ROUNDS))} rounds",
        counted_at_most(ALPHA, compared),
        f"at most {most[0]:.1%} ({most[1]})",
        all(at_most(ALPHA, flags) for _, _, flags in found),
    )


def detection(compared: int) -> Requirement:
    """Count how often a true difference is found where ratios deviate as those of slices do."""
    found = [
        (share_true(called_different(KINDS[name], FOUND_IN, compared, 1 + TRUE)), name)
        for name in EVEN
    ]
    return Requirement(
        f"a true difference of {TRUE:.0%}, in req/s or in CPU, is found in {FOUND_IN} rounds that"
        f" differ by {DEVIATION:.0%}, noise of four kinds",
        f"in ≥ {POWER:.0%} of {compared:,} races",
        f"in at least {min(found)[0]:.1%} ({min(found)[1]})",
        all(share >= POWER for share, _ in found),
    )
