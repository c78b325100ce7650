"""Models beside the data: what queueing would predict, and Gunther's law fitted to the levels.

Both are about a closed loop: so many clients, each asking again when it has its response.

The prediction needs one figure only, the time S that a request takes while nobody else is there.
One server can then answer 1/S, and c servers as much as min(clients, c)/S, whatever their times
are spread like (the asymptotic bounds of Denning & Buzen 1978); no more than the cores have time
for, if the CPU time of a request is known. Where the measured rate lies below that of c servers,
the servers were in each other's way.

The Universal Scalability Law (Gunther 2007, ch. 4) says how: N clients get N times the rate of
one, over 1 + s(N − 1) + kN(N − 1), with s the share that waits in line and k the cost of
agreeing, for each pair. Beyond √((1 − s)/k) clients more of them get less.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from calcbench.bench.analysis.least_squares import fit_nonnegative
from calcbench.bench.analysis.rank_tests import CONFIDENCE
from calcbench.bench.analysis.student import quantile
from calcbench.bench.analysis.summary import Row
from calcbench.bench.schema.result import Run
from calcbench.core.errors import CalcbenchError

VAGUE = 1e3  # an interval from one end to the other, as a ratio: beyond it nothing is known
LEAST_LEVELS = 6  # three parameters, and as many levels again to see that they are wrong
TOO_CLOSE = "these numbers of connections lie too close together to tell"
WORKERS = ("workers", "threads", "processes")  # options that say how many serve at once


@dataclass(frozen=True)
class Scaling:
    """The law fitted: each is the value, and the low and high end of its interval.

    *rate* is that of one client, *contention* s and *coherency* k.
    """

    rate: tuple[float, float, float]
    contention: tuple[float, float, float]
    coherency: tuple[float, float, float]

    @property
    def peak(self) -> float:
        """How many clients get the most together; infinite where more of them always get more."""
        sigma, kappa = self.contention[0], self.coherency[0]
        return math.sqrt(max(1 - sigma, 0) / kappa) if kappa > 0 else math.inf

    def predict(self, clients: float) -> float:
        """Return the rate that *clients* get together."""
        return float(law(clients, self.rate[0], self.contention[0], self.coherency[0]))


def law(clients: Any, rate: float, contention: float, coherency: float) -> Any:
    """Return the Universal Scalability Law's rate for *clients*, a number or an array."""
    slowed = 1 + contention * (clients - 1) + coherency * clients * (clients - 1)
    return rate * clients / slowed


def fit(levels: Sequence[float], rates: Sequence[float]) -> Scaling:
    """Fit the law to *rates*, each measured at the level beside it; a level may come again.

    By least squares of the logarithms, since noise multiplies. What is fitted is the time from one
    response to the next for each of N clients, N/X = p + qN + cN(N - 1), with nothing below 0: a
    sum, in which no parameter runs away with another, as the rate of one client does with k. Raises
    CalcbenchError for fewer than `LEAST_LEVELS` levels, a rate that is not above 0, or points that
    no law fits.
    """
    found = len(set(levels))
    if found < LEAST_LEVELS:
        raise CalcbenchError(f"needs {LEAST_LEVELS} numbers of connections, not {found}")
    if min(rates) <= 0:
        raise CalcbenchError("needs rates above 0")
    import numpy as np

    at, each = np.asarray(levels, np.float64), np.asarray(rates, np.float64) / levels
    parts = np.column_stack((np.ones(len(at)), at, at * (at - 1)))

    def curve(values: Any) -> Any:
        times = parts @ values
        with np.errstate(divide="ignore", invalid="ignore"):  # a time of 0 fits nothing
            return -np.log(times), -parts / times[:, np.newaxis]

    start = np.array([0.99, 0.01, 1e-4]) / each[at.argmin()]
    (p, q, c), covariance = fit_nonnegative(curve, np.log(each), start)
    alone = p + q  # the time of one client
    if alone == 0:
        raise CalcbenchError(TOO_CLOSE)
    law_s = -math.log(alone), q / alone, c / alone
    by_parts = np.array([[-1, -1, 0], [-q / alone, p / alone, 0], [-law_s[2], -law_s[2], 1]])
    variances = np.diag(by_parts @ covariance @ by_parts.T) / alone**2
    reach = quantile(len(at) - 3, (1 + CONFIDENCE) / 2) * np.sqrt(variances)
    ends = [(value, value - by, value + by) for value, by in zip(law_s, reach, strict=True)]
    rate, contention, coherency = (tuple(map(float, of_one)) for of_one in ends)
    if not rate[2] - rate[1] < math.log(VAGUE):
        raise CalcbenchError(TOO_CLOSE)
    return Scaling(
        rate=(math.exp(rate[0]), math.exp(rate[1]), math.exp(rate[2])),
        contention=(contention[0], max(contention[1], 0), min(contention[2], 1)),
        coherency=(coherency[0], max(coherency[1], 0), coherency[2]),
    )


def bound(
    clients: int, service_s: float, servers: float, cpu_s: float = 0, cores: int = 1
) -> float:
    """Return the most that *servers* answer each second to so many *clients*.

    A request takes *service_s* alone, and *cpu_s* of that on one of the *cores*.
    """
    rate = min(clients, servers) / service_s
    return min(rate, cores / cpu_s) if cpu_s else rate


@dataclass(frozen=True)
class Family:
    """How a strategy serves: a request alone takes *service_s*; *servers* at once at most."""

    service_s: float
    servers: float
    cpu_s: float
    cores: int

    def one(self, clients: int) -> float:
        """Return what one server would answer to *clients*."""
        return bound(clients, self.service_s, 1)

    def many(self, clients: int) -> float:
        """Return what all its servers would answer to *clients*, on the cores that they have."""
        return bound(clients, self.service_s, self.servers, self.cpu_s, self.cores)


def family(line: Mapping[int, Row], run: Run) -> Family:
    """Return how the strategy with the rows *line*, by level, serves.

    As many at once as it has workers; where it says nothing of workers, everybody, unless some
    clients got no right response: then as many as did, and never more at any level. Raises
    CalcbenchError without one connection alone.
    """
    if 1 not in line or not line[1].throughput.median:
        raise CalcbenchError("needs one connection alone (--connections 1,…)")
    options = run.options.get(line[1].condition.strategy, {})
    servers = next((float(options[name]) for name in WORKERS if name in options), math.inf)
    held = min((row.clients_served for row in line.values() if row.starves), default=math.inf)
    if held >= max(row.clients_served for row in line.values()):  # else a window was too short
        servers = min(servers, held)
    cores = len(run.pinning.server) or int(run.machine.get("cores", 1))
    cpu_us = min(row.cpu_us_per_request.median for row in line.values())
    return Family(1 / line[1].throughput.median, servers, cpu_us / 1e6, cores)


def lines_of(rows: Iterable[Row]) -> dict[str, dict[int, Row]]:
    """Return *rows*, of one workload and way of connecting, by strategy and level."""
    found: dict[str, dict[int, Row]] = {}
    for row in rows:
        if row.status == "ok" and not row.condition.is_control:
            found.setdefault(row.condition.strategy, {})[row.condition.connections] = row
    return found


def fit_line(line: Mapping[int, Row]) -> Scaling:
    """Fit the law to every round of every level of *line*; raises as `fit` does."""
    points = [(level, rate) for level, row in line.items() for rate in row.throughput.values]
    return fit([level for level, _ in points], [rate for _, rate in points])
