"""Judge each measurement: say whose figures these are.

============== =================================================================================
`server-bound`  the server's own, whether it computes or waits: nothing else held it up
`driver-bound`  the driver was busy nearly all the time, waited for its core for a quarter of it,
                or came near the ceiling that `calcbench calibrate` found: the server is as fast as
                it looks, or faster
`unserved`      no client got a right response in the whole window, from a server that was there
`silent`        in half of the window or more no right response came: the server hung, failed, was
                stopped or got no core
`contended`     another program took time from the cores, or the host did (steal)
`unsteady`      the rate never settled within the window
`invalid`       the measurement contradicts itself, or there is none
============== =================================================================================

Where several hold, all are in the evidence, and the judgement is the gravest: invalid, then
driver-bound, unserved, silent, contended, unsteady. `classify` is a function of the evidence alone,
so that a result can be judged again.
"""

from dataclasses import dataclass

from calcbench.bench.schema.evidence import Evidence
from calcbench.bench.schema.judgements import (
    CONTENDED,
    DRIVER_BOUND,
    GRAVEST_FIRST,
    INVALID,
    JUDGEMENTS,
    NO_RESPONSES,
    SERVER_BOUND,
    SILENT,
    UNSERVED,
    UNSTEADY,
)
from calcbench.bench.schema.turns import RESTLESS
from calcbench.bench.units import plural

# What is busy nine tenths of its time keeps requests that come at random waiting for ten times as
# long as it takes (the simplest queue, M/M/1): from there on the driver adds to every figure.
BUSY = 0.9
STEAL = 0.02  # of a core, taken by the host
OTHER_LOAD = 0.10  # of a core, used by strangers; a window of 0.6 s has 60 ticks to see it by
DELAY = 0.05  # of the time, ready to run and not running
# A driver that is not there for so much of the time keeps everybody waiting, the server too.
ABSENT = 0.25
LITTLE = 0.05  # what N may differ by from X · (R + Z)
OWED = 0.5  # of the time in which the driver owed somebody a request: so the silence is its own


@dataclass(frozen=True)
class Judgement:
    """What a measurement is: the gravest of the judgements that hold, all of them, and why."""

    name: str
    all: tuple[str, ...]
    why: tuple[str, ...]


def classify(evidence: Evidence, reason: str = "", unserved: str = "") -> Judgement:
    """Return what *evidence* says; *reason* is why there is no measurement, if there is none.

    *unserved* says what the clients met where nobody was served. What is None could not be seen,
    and says nothing.
    """
    found: dict[str, list[str]] = {name: [] for name in JUDGEMENTS}

    def note(name: str, value: float | None, most: float, sentence: str) -> None:
        if value is not None and value > most:
            found[name].append(sentence.format(value))

    if reason:
        found[INVALID].append(reason)
    if unserved:
        found[UNSERVED].append(unserved)
    little, lost = evidence.little_ratio, evidence.unaccounted
    # A driver that does not run makes pauses that no request accounts for.
    stalled = (evidence.driver_delay_ratio or 0) + (evidence.steal_ratio or 0)
    if little is not None and abs(little - 1) > LITTLE + stalled:
        found[INVALID].append(f"Little's law: its requests account for {little:.0%} of the clients")
    if lost:
        found[INVALID].append(
            f"{lost:+} {plural(abs(lost), 'request')} started and neither ended nor open at the end"
        )

    waited = evidence.driver_delay_ratio or 0
    how = f", {waited:.0%} of it waiting for its core" if waited > DELAY else ""
    busy = "the driver was busy {:.0%} of the time" + how
    note(DRIVER_BOUND, evidence.driver_busy_ratio, BUSY, busy)
    absent = "the driver waited for its core {:.0%} of the time"
    note(DRIVER_BOUND, evidence.driver_delay_ratio, ABSENT, absent)
    note(DRIVER_BOUND, evidence.ceiling_ratio, BUSY, "{:.0%} of the driver's ceiling")
    if evidence.driver_fault:
        found[DRIVER_BOUND].append(evidence.driver_fault)

    note(CONTENDED, evidence.steal_ratio, STEAL, "the host took {:.0%} of a core (steal)")
    note(CONTENDED, evidence.other_load_ratio, OTHER_LOAD, "other programs used {:.0%} of a core")
    loud = f"{evidence.neighbour} used {{:.0%}} of a core while it was not its turn"
    note(CONTENDED, evidence.neighbour_cpu_ratio, RESTLESS, loud)
    for who, delay in (
        ("driver", evidence.driver_delay_ratio),
        ("server", evidence.server_delay_ratio),
    ):
        note(CONTENDED, delay, DELAY, f"the {who} waited for its core {{:.0%}} of the time")

    if evidence.settled is False:
        owed = evidence.overdue_ratio or 0
        name, sentence = UNSTEADY, evidence.settled_why or "it never settled"
        if sentence == NO_RESPONSES and owed < OWED:
            name = SILENT
        elif sentence == NO_RESPONSES:
            sentence += f", but for {owed:.0%} of it the driver was late with a request"
        found[name].append(sentence)

    holds = tuple(name for name in GRAVEST_FIRST if found[name])
    why = tuple(dict.fromkeys(sentence for name in holds for sentence in found[name]))
    return Judgement(holds[0] if holds else SERVER_BOUND, holds or (SERVER_BOUND,), why)
