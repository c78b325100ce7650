"""Student's t distribution, for any degrees of freedom above 0, to about twelve digits.

Its tail is half a regularised incomplete beta function, by the continued fraction of DLMF §8.17.22
evaluated as Lentz 1976 does; its quantiles by Newton's method. A library for these two functions
would be by far the largest part of an install; tests compare them with SciPy's.
"""

import math
from statistics import NormalDist

PRECISION = 1e-15
LEAST = 1e-300  # in place of 0, where it would be divided by
MOST_TERMS = 10_000


def tail(freedom: float, t: float) -> float:
    """Return the chance of more than *t*."""
    if t < 0:
        return 1 - tail(freedom, -t)
    square = t * t
    if math.isinf(square):
        return 0.0
    share, rest = freedom / (freedom + square), square / (freedom + square)
    return incomplete_beta(freedom / 2, 0.5, share, rest) / 2


def quantile(freedom: float, q: float) -> float:
    """Return the value that is not exceeded with chance *q*, above 0 and below 1."""
    if q < 0.5:
        return -quantile(freedom, 1 - q)
    # Above the middle the distribution function is concave, and the normal quantile lies below:
    # each step falls short of the value, and never goes beyond it.
    t, beyond = max(NormalDist().inv_cdf(q), 0.0), 1 - q
    for _ in range(MOST_TERMS):
        step = (tail(freedom, t) - beyond) / density(freedom, t)
        if step <= 1e-14 * t:
            break
        t += step
    return t


def density(freedom: float, t: float) -> float:
    """Return the density at *t*."""
    log_beta = math.lgamma(freedom / 2) + math.lgamma(0.5) - math.lgamma((freedom + 1) / 2)
    log_rest = (freedom + 1) / 2 * math.log1p(t * t / freedom)
    return math.exp(-log_beta - log_rest) / math.sqrt(freedom)


def incomplete_beta(a: float, b: float, x: float, y: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b), for x from 0 to 1.

    *y* is 1 − x, to more digits than that difference has where x is near 1.
    """
    if not x or not y:
        return x
    if x > (a + 1) / (a + b + 2):  # where the fraction converges slowly, its mirror image is fast
        return 1 - incomplete_beta(b, a, y, x)
    log_beta = math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
    front = math.exp(a * math.log(x) + b * math.log(y) - log_beta) / a
    return front / fraction(a, b, x)


def fraction(a: float, b: float, x: float) -> float:
    """Return 1 + d1 / (1 + d2 / (1 + …)) of DLMF §8.17.23."""
    value, upper, lower = 1.0, 1.0, 0.0
    for term in range(1, MOST_TERMS):
        m = term // 2
        if term % 2:
            d = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            d = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        lower = 1 / (1 + d * lower or LEAST)
        upper = 1 + d / upper or LEAST
        value *= upper * lower
        if abs(upper * lower - 1) < PRECISION:
            break
    return value
