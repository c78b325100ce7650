"""Fit a curve of a few parameters, each within bounds: Levenberg and Marquardt's least squares."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from calcbench.core.errors import CalcbenchError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

MOST_STEPS = 1_000
CLOSE = 1e-12  # of a parameter: a step that changes none by more is the last
MOST_DAMPING = 1e16  # no step downhill is that short


def fit_within(
    curve: "Callable[[Array], tuple[Array, Array]]",
    measured: "Array",
    start: "Array",
    bounds: "tuple[Array, Array]",
) -> "tuple[Array, Array]":
    """Return the parameters for which *curve* is nearest to *measured*, and their covariance.

    *curve* returns for parameters what it predicts, and the slope of each prediction by each
    parameter. They begin at *start* and stay within *bounds*, low and high: one at its bound
    stays there as long as it would leave (Marquardt 1963, with the gradient projected). Raises
    CalcbenchError when it does not end.
    """
    import numpy as np

    low, high = bounds
    values = np.clip(start, low, high)
    predicted, slopes = curve(values)
    missed = measured - predicted
    damping = 1e-3
    for _ in range(MOST_STEPS):
        downhill = slopes.T @ missed
        free = ~(((values <= low) & (downhill < 0)) | ((values >= high) & (downhill > 0)))
        curvature = (slopes.T @ slopes)[np.ix_(free, free)]
        damped = curvature + damping * np.diag(np.diag(curvature))
        trial = values.copy()
        trial[free] += np.linalg.lstsq(damped, downhill[free], rcond=None)[0]
        trial = np.clip(trial, low, high)
        step = np.abs(trial - values)
        predicted, trial_slopes = curve(trial)
        better = measured - predicted
        if better @ better <= missed @ missed:
            values, slopes, missed, damping = trial, trial_slopes, better, damping / 10
            if (step <= CLOSE * np.abs(values)).all():
                break
        else:
            damping *= 10
            if damping > MOST_DAMPING:
                break
    else:
        raise CalcbenchError(f"no curve fits: not found after {MOST_STEPS:,} steps")
    inverse = np.linalg.pinv(slopes)
    noise = missed @ missed / (len(measured) - len(values))
    return values, inverse @ inverse.T * noise
