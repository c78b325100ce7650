"""Fit a curve of a few parameters, none below 0: Levenberg and Marquardt's least squares."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from calcbench.core.errors import CalcbenchError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

MOST_STEPS = 1_000
CLOSE = 1e-12  # of the squares: whatever promises to lower them by less is the end
MOST_DAMPING = 1e16  # no step downhill is that short


def fit_nonnegative(
    curve: "Callable[[Array], tuple[Array, Array]]", measured: "Array", start: "Array"
) -> "tuple[Array, Array]":
    """Return the parameters for which *curve* is nearest to *measured*, and their covariance.

    *curve* returns for parameters what it predicts, and the slope of each prediction by each
    parameter; where it has no finite prediction is no place to go. They begin at *start*, above 0.
    One that is 0 stays there as long as it would fall (Marquardt 1963, with the gradient
    projected). It ends where the slopes promise nothing any more, or where no step is better, as
    when the curve meets every point but for rounding. Raises CalcbenchError when it does not end.
    """
    import numpy as np

    values = start
    predicted, slopes = curve(values)
    missed = measured - predicted
    damping = 1e-3
    for _ in range(MOST_STEPS):
        free = (values > 0) | (slopes.T @ missed > 0)
        tangents = slopes[:, free]
        promised = tangents @ np.linalg.lstsq(tangents, missed, rcond=None)[0]
        if promised @ promised <= CLOSE * (missed @ missed):
            break
        # Solved as it stands: the normal equations would keep half of the digits only.
        shorter = np.diag(np.sqrt(damping) * np.linalg.norm(tangents, axis=0))
        damped, target = np.vstack((tangents, shorter)), np.append(missed, np.zeros(len(shorter)))
        trial = values.copy()
        trial[free] += np.linalg.lstsq(damped, target, rcond=None)[0]
        trial = np.maximum(trial, 0)
        predicted, trial_slopes = curve(trial)
        better = measured - predicted
        if better @ better < missed @ missed:
            values, slopes, missed, damping = trial, trial_slopes, better, damping / 10
        else:
            damping *= 10
            if damping > MOST_DAMPING:
                break
    else:
        raise CalcbenchError(f"no curve fits: not found after {MOST_STEPS:,} steps")
    lengths = np.linalg.norm(slopes, axis=0)  # parameters may be of very different size
    inverse = np.linalg.pinv(slopes / lengths) / lengths[:, np.newaxis]
    noise = missed @ missed / (len(measured) - len(values))
    return values, inverse @ inverse.T * noise
