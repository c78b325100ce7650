"""How the times of requests are kept in a file: in few octets, and exactly.

In memory every request has its four times, ``intended_ns``, ``sent_ns``, ``first_ns`` and
``done_ns``, from the opening of the window. They lie close to one another, so a file has one of
them and the distances: how long the sending was delayed (nothing at all in a closed loop), how
long the answer took, and how long its last octet came behind its first (mostly nothing).
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from calcbench.bench.result import Samples

DERIVED = ("intended_ns", "first_ns", "done_ns")


def compact(samples: "Samples") -> "Samples":
    """Return *samples* as a file keeps them."""
    kept = {name: column for name, column in samples.items() if name not in DERIVED}
    kept["dispatch_ns"] = samples["sent_ns"] - samples["intended_ns"]
    kept["tail_ns"] = samples["done_ns"] - samples["first_ns"]
    return kept


def expand(kept: "Samples") -> "Samples":
    """Return the samples that a file has *kept*; those of older files as they are."""
    if "tail_ns" not in kept:
        return kept
    samples = {n: column for n, column in kept.items() if n not in ("dispatch_ns", "tail_ns")}
    samples["intended_ns"] = kept["sent_ns"] - kept["dispatch_ns"]
    samples["done_ns"] = samples["intended_ns"] + kept["latency_ns"]
    samples["first_ns"] = samples["done_ns"] - kept["tail_ns"]
    return samples
