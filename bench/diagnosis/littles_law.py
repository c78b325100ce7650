"""What a measurement must agree with whatever the server did, or it is none.

- Little's law: in a closed loop of N clients, the requests that are out at one moment, and the
  pauses that a client makes in between, are N on average: N = X · (R + Z). A recording that has
  lost samples, counted some twice or stamped them wrongly does not add up to that.
- Conservation: every request that was begun ended in exactly one way, or is still in flight.
- In an open loop, what was sent is what was offered.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from calcbench.bench.schema.samples import Samples


def sent_and_done(samples: "Samples") -> tuple["np.ndarray", "np.ndarray"]:
    """Return when each request was sent and done, in nanoseconds from the window's opening."""
    sent = samples["sent_ns"]
    return sent, samples["done_ns"] if "done_ns" in samples else sent + samples["latency_ns"]


def little_ratio(
    samples: "Samples",
    elapsed_ns: int,
    connections: int,
    in_flight: int,
    *,
    keep_alive: bool,
    slice_ends: Sequence[int] = (),
) -> float | None:
    """Return X · (R + Z) / N of a closed loop, 1 where all is well; None where nothing ended.

    That is how many clients the samples account for, of all *connections*. A client's time is its
    requests, from sent to done, as far as they lie in the window; the pauses between them; and the
    time since its last, if that was a failure, or if a request of this client was still *in_flight*
    at the end: nobody says whose those were, so they are of the clients who have had no response
    for longest. That is X · (R + Z) without its edges. With *keep_alive* a pause is the driver's
    own, so one as long as a request is taken for the usual one: there a request is missing.
    Otherwise, and after a failure, it is as long as it is.

    Where the window is of slices (`calcbench.bench.loadgen.slices`) with *slice_ends*, the last
    request of one reaches into the next, and at the beginning of that there is a part of one that
    is not counted. Over all slices the two are equally long, so both stand as they are.
    """
    import numpy as np

    sent, done = sent_and_done(samples)
    if not len(done):
        return None
    order = np.lexsort((done, samples["client"]))
    sent, done, client = sent[order], done[order], samples["client"][order]
    requests = np.clip(np.minimum(done, elapsed_ns) - np.maximum(sent, 0), 0, None).sum()

    same = client[1:] == client[:-1]
    slices = np.searchsorted(np.array(slice_ends, np.int64), sent, "right")
    apart = (slices[1:] != slices[:-1])[same]
    gaps = (sent[1:] - np.minimum(done[:-1], elapsed_ns))[same]
    if keep_alive:
        smooth = (samples["outcome"][order][:-1] == 0)[same] & ~apart
        usual = float(np.median(gaps[smooth])) if smooth.any() else 0.0
        longest = usual + float(np.median(done - sent))
        gaps = np.where(smooth & (gaps > longest), usual, gaps)
    # Within a slice, below 0 two requests of one client were out at once.
    pauses = np.where(apart, gaps, np.clip(gaps, 0, None)).sum()

    ends = np.append(~same, True)
    first = np.append(True, ~same)
    after = np.clip(elapsed_ns - done[ends], 0, None)
    failed = samples["outcome"][order][ends] != 0  # who failed pauses before the next, or asks
    never = min(connections - int(np.count_nonzero(ends)), in_flight)
    waiting = np.sort(after[~failed])[::-1][: in_flight - never]  # those who have longest had none
    edges = after[failed].sum() + waiting.sum()
    edges += np.clip(sent[first], 0, None).sum()  # before its first: a pause that began earlier
    accounted = float(requests + pauses + edges + never * elapsed_ns) / elapsed_ns
    return round(accounted / connections, 4)


def users_ratio(busy_ns: int, away_ns: int, elapsed_ns: int, users: int) -> float:
    """Return X · (R + Z) / N of *users* who think, 1 where all is well.

    All their requests together were out for *busy_ns* within the window, X · R of them, as samples
    have it; and they thought for *away_ns*, X · Z, as the driver has counted apart from samples.
    """
    return round((busy_ns + away_ns) / elapsed_ns / users, 4)


def unaccounted(begun: int, ended: int, in_flight: int) -> int:
    """Return how many requests were started and neither ended nor are in flight; 0 is right."""
    return begun - ended - in_flight


def sent_ratio(samples: "Samples", elapsed_ns: int) -> float | None:
    """Return which part of what was due in the window of an open loop was sent within it."""
    import numpy as np

    sent, _ = sent_and_done(samples)
    return round(np.count_nonzero(sent < elapsed_ns) / len(sent), 4) if len(sent) else None
