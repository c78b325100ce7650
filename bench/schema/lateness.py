"""How late requests left by the driver's fault, and what they took at least without that.

Response time counts from when a request was due, so whatever the driver did too late is inside it.
That makes it an upper end; this module finds the lower one, as a function of the samples alone.
"""

from typing import TYPE_CHECKING

from calcbench.bench.schema.outcomes import OK, TIMED_OUT

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from calcbench.bench.schema.samples import Samples


def own_lateness(samples: "Samples") -> "NDArray[np.int64]":
    """Return how late those of *samples* were sent that found a connection free, in their order.

    Who found none free has waited for the server, which is no lateness; when the driver came to
    see that, nobody has written down.
    """
    found: NDArray[np.int64] = (samples["sent_ns"] - samples["intended_ns"])[samples["waited"] == 0]
    return found


def lateness_of_each(samples: "Samples") -> "NDArray[np.int64]":
    """Return `own_lateness` for each of *samples*: 0 for who found no connection free."""
    import numpy as np

    delays: NDArray[np.int64] = samples["sent_ns"] - samples["intended_ns"]
    return np.where(samples["waited"] > 0, 0, delays)


def lateness(samples: "Samples") -> "NDArray[np.int64]":
    """Return by how much the driver's lateness may have prolonged each of *samples*.

    When a driver has been away, all that was due meanwhile goes out in one burst, and each of it
    stands in line behind the rest. In a first-in-first-out server that is idle before a burst,
    nobody in it ends later, by more than the first one was late, than if all had come in time
    (Lindley 1952); so that counts where it is more than its own. What comes after a burst into a
    line that it has left is taken as it is.
    """
    import numpy as np

    order = np.argsort(samples["intended_ns"], kind="stable")
    due, late = samples["intended_ns"][order], lateness_of_each(samples)[order]
    sent = np.maximum.accumulate(samples["sent_ns"][order])
    # Of those that had not gone out when this one was due, the first; itself, where all had.
    first = np.minimum(np.searchsorted(sent, due), np.arange(len(due)))
    found = np.empty_like(late)
    found[order] = np.maximum(late, late[first])
    return found


def prompt_times(samples: "Samples") -> "NDArray[np.int64]":
    """Return what each response took at least, had the driver sent everything when it was due.

    It is never less than what the fastest one took from when it was sent.
    """
    import numpy as np

    service = (samples["done_ns"] - samples["sent_ns"])[samples["outcome"] == OK]
    response = samples["done_ns"] - samples["intended_ns"]
    fastest = int(service.min()) if len(service) else 0
    found: NDArray[np.int64] = np.minimum(
        response, np.maximum(response - lateness(samples), fastest)
    )
    return found


def overdue_ns(samples: "Samples", elapsed_ns: int) -> int:
    """Return for how long, of a window of *elapsed_ns*, the driver owed somebody a request."""
    import numpy as np

    order = np.argsort(samples["intended_ns"], kind="stable")
    begin = samples["intended_ns"][order]
    end = np.maximum.accumulate(begin + lateness_of_each(samples)[order])
    before = np.concatenate([[0], end[:-1]]).clip(0)  # a user may have asked before the window
    return int((np.minimum(end, elapsed_ns) - np.maximum(begin, before)).clip(0).sum())


def timed_out_unsent(samples: "Samples") -> int:
    """Return how many of *samples* timed out because the driver sent them too late.

    Those are the ones that had waited for the driver longer than for anybody else; an older file,
    and one of histograms, does not say.
    """
    import numpy as np

    if "waited" not in samples:
        return 0
    took = samples["done_ns"] - samples["intended_ns"]
    lost = samples["outcome"] == TIMED_OUT
    return int(np.count_nonzero(lost & (lateness(samples) > took / 2)))


def kept_back(samples: "Samples", elapsed_ns: int) -> int:
    """Return how many right responses came too late for a window by the driver's lateness alone.

    *samples* are those of an open loop in a window of *elapsed_ns*; an older file, and one of
    histograms, does not say.
    """
    import numpy as np

    if "waited" not in samples:
        return 0
    done = samples["done_ns"][samples["outcome"] == OK]
    late = lateness(samples)[samples["outcome"] == OK]
    return int(np.count_nonzero((done > elapsed_ns) & (done - late <= elapsed_ns)))
