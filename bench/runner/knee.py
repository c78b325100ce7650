"""The highest rate that a strategy sustains: ``calcbench run --find-knee --slo 'p99<20ms'``.

An open loop at one rate either keeps the objective or does not. The rate is doubled until it is
not kept, or halved until it is, and then bisected (by ratio) until what is kept and what is not
lie close together. Each rate is tried until two tries agree, so that one hiccup decides nothing.
A try whose failure may be the driver's says nothing of the server: once a rate was kept, the search
ends there, and the knee is only known to be no lower. It ends, too, where the driver is as late at
half the rate: its lateness is not the load's.
"""

import dataclasses
import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calcbench.bench.analysis.thresholds import Threshold, parse_threshold
from calcbench.bench.diagnosis.ceiling import Recalibrate, once, reconsider
from calcbench.bench.runner.knee_try import KEPT, NOT_KEPT, UNKNOWN, Try, judge_try
from calcbench.bench.runner.race import pinning_of
from calcbench.bench.runner.subject import Setup, Subject
from calcbench.bench.schema.calibration import Calibration
from calcbench.bench.schema.condition import Condition
from calcbench.bench.schema.plan import Plan
from calcbench.bench.schema.result import Measurement
from calcbench.bench.schema.store import SEARCH, as_bytes, prepare_folder
from calcbench.bench.system.files import whole_file
from calcbench.bench.system.machine import describe_machine, describe_versions
from calcbench.bench.units import format_number, format_rate
from calcbench.bench.views.text_table import aligned
from calcbench.bench.views.wording import plural
from calcbench.core.errors import CalcbenchError, UsageError

if TYPE_CHECKING:
    from calcbench.bench.loadgen.locust.cluster import Cluster

CLOSE_RATIO = 1.1  # ratio of what is not kept to what is, at which the search ends
AGREE = 2  # tries that decide a rate
MOST_TRIES = 5  # of one rate; without agreement it is not kept
MOST_RATES = 16  # of one search
START = 0.5  # of what a closed loop reaches
FALLS = 0.7  # lateness at half the rate that is more than this part of what it was has not fallen
LOWER = 8  # so far below the start a rate is sought at which the driver keeps its schedule

UNFINISHED = "the search was stopped before its end"


@dataclass(frozen=True)
class Knee:
    """What *condition* sustains: *kept* is the highest rate that it did, 0 for none.

    *broken* is the lowest that it did not, infinite where none was found, and *note* says why
    the search ended early, if it did.
    """

    condition: Condition
    kept: float
    broken: float
    tries: tuple[Try, ...]
    note: str = ""


def parse_objective(text: str) -> Threshold:
    """Return the objective that *text*, ``p99<20ms``, states; raises UsageError."""
    threshold = parse_threshold(text, "--slo", "as in 'p99<20ms'")
    if (
        threshold.relative
        or threshold.sign != "<"
        or threshold.metric.name not in ("p50", "p90", "p99", "max")
    ):
        raise UsageError(f"--slo {text!r} should be a latency, < and a time, as in 'p99<20ms'")
    return threshold


def search(attempt: Callable[[float], Try], start: float) -> tuple[float, float, str]:
    """Return the highest rate kept, the lowest not kept, and why it ended early.

    *attempt* tries a rate; the first one is *start*.
    """
    kept, broken, late_ns = 0.0, math.inf, 0
    rate = start
    for _ in range(MOST_RATES):
        one = decide(attempt, rate)
        if one.outcome == UNKNOWN:
            stays = late_ns and one.late_ns > FALLS * late_ns
            late_ns = one.late_ns
            if stays or kept or rate < start / LOWER:
                return kept, broken, cannot_tell(one, stays=bool(stays))
        elif one.outcome == KEPT:
            kept = rate
        else:
            broken = rate
        if kept and broken <= kept * CLOSE_RATIO:
            return kept, broken, ""
        if not kept:
            rate /= 2
            if rate < 1:
                return kept, broken, "it sustains no rate"
        else:
            rate = kept * 2 if math.isinf(broken) else math.sqrt(kept * broken)
    return kept, broken, f"{MOST_RATES} rates were tried"


def cannot_tell(one: Try, *, stays: bool) -> str:
    """Say why *one* try tells nothing, and where the lateness comes from; it *stays* or falls."""
    found = f"at {format_rate(one.rate)}: {one.why}"
    if stays:
        found += "; the driver is as late as at twice the rate, so lower rates will not help"
    return f"{found}; its lateness comes from {one.whose}" if one.whose else found


def decide(attempt: Callable[[float], Try], rate: float) -> Try:
    """Try *rate* until tries agree; return the last of them, which is what they agree on."""
    votes: Counter[str] = Counter()
    last = Try(rate, NOT_KEPT, "")
    for _ in range(MOST_TRIES):
        last = dataclasses.replace(attempt(rate), rate=rate)
        votes[last.outcome] += 1
        if votes[last.outcome] == AGREE:
            return last
    return dataclasses.replace(last, outcome=NOT_KEPT)


def find_knees(
    plan: Plan,
    subject: Subject,
    objective: Threshold,
    folder: Path,
    announce: Callable[[str], None] = lambda _: None,
    prepare: Callable[[], Calibration | None] = lambda: None,
    cluster: "Cluster | None" = None,
    recalibrate: Recalibrate = lambda *_: None,
) -> list[Knee]:
    """Find the knee of every condition of *plan*, and write them to *folder*, try by try.

    *announce* is called with each try in words. The rest is as for
    `calcbench.bench.runner.race.race`.
    """
    prepare_folder(folder)
    pinning = pinning_of(plan, subject)
    units, calibration = subject.calibrate(plan, pinning), prepare()
    recalibrate = once(recalibrate)
    steps = itertools.count()
    where = axes_in_words(list(plan.conditions()))
    found: list[Knee] = []
    header = {
        "objective": objective.text,
        "warmup_s": warmup_of(plan, objective),
        "plan": dataclasses.asdict(plan),
        "machine": describe_machine(),
        "versions": describe_versions(),
    }

    def measure(condition: Condition, rate: float | None) -> Measurement:
        nonlocal calibration
        one = dataclasses.replace(plan, rate=rate)
        if rate is not None:
            one = dataclasses.replace(one, warmup_s=warmup_of(plan, objective))
        setup = Setup(one, folder, pinning, units, calibration, cluster)
        step = next(steps)
        measured = subject.measure(setup, condition, step + 1, step)
        [measured], calibration = reconsider([measured], calibration, recalibrate)
        return measured

    def knee_of(condition: Condition) -> Knee:
        tries: list[Try] = []

        def attempt(rate: float) -> Try:
            one = judge_try(measure(condition, rate), objective, folder)
            one = dataclasses.replace(one, rate=rate)
            tries.append(one)
            write_knees([*found, unfinished(condition, tries)], header, folder, partial=True)
            announce(f"{', '.join([condition.strategy, *where[condition]])}: {tried(one)}")
            return one

        alone = measure(condition, None)
        if alone.status != "ok" or not alone.outcomes.ok:
            why = alone.reason or "; ".join(alone.evidence.reasons[:1])
            return Knee(condition, 0, math.inf, (), why)
        start = START * alone.outcomes.ok * 1e9 / alone.elapsed_ns
        kept, broken, note = search(attempt, start)
        return Knee(condition, kept, broken, tuple(tries), note)

    for condition in where:
        found.append(knee_of(condition))
        write_knees(found, header, folder, partial=len(found) < len(where))
    return found


def unfinished(condition: Condition, tries: Sequence[Try]) -> Knee:
    """Return what *tries* have shown of *condition* by now; its search goes on."""
    votes = Counter((one.rate, one.outcome) for one in tries)
    decided = {at for at, count in votes.items() if count >= AGREE}
    kept = max((rate for rate, outcome in decided if outcome == KEPT), default=0.0)
    broken = min((rate for rate, outcome in decided if outcome == NOT_KEPT), default=math.inf)
    return Knee(condition, kept, broken, tuple(tries), UNFINISHED)


def warmup_of(plan: Plan, objective: Threshold) -> float:
    """Return for how many seconds each try of *plan* warms up.

    As long as the *objective* allows a response to take: the first have come by then where it is
    kept. Nothing right takes longer than the timeout.
    """
    return max(plan.warmup_s, min(objective.limit / 1e3, plan.timeout_s))


def tried(one: Try) -> str:
    """Say what came of *one* try."""
    return f"{format_rate(one.rate)} {one.outcome}: {one.why}"


def write_knees(
    knees: Sequence[Knee], header: Mapping[str, Any], folder: Path, *, partial: bool
) -> None:
    """Write the *header*, *knees* and every try to ``knee.json``, in place of what is there.

    *partial* says that the search goes on. Raises CalcbenchError when it cannot be written.
    """
    rows = [{**dataclasses.asdict(knee), "broken": finite(knee.broken)} for knee in knees]
    with whole_file(folder / SEARCH) as file:
        file.write(as_bytes({**header, "partial": partial, "knees": rows}, indent=1))


def finite(value: float) -> float | None:
    """Return *value*, or None where it is infinite, for JSON."""
    return None if math.isinf(value) else value


def axes_in_words(conditions: Sequence[Condition]) -> dict[Condition, tuple[str, ...]]:
    """Return what tells each of *conditions* from the others, besides its strategy, in words.

    The workload is always named, the rest where it varies.
    """
    texts = {
        at: (at.workload, at.reuse, f"{at.connections:,} {plural(at.connections, 'connection')}")
        for at in conditions
    }
    varies = [len(set(column)) > 1 for column in zip(*texts.values(), strict=True)]
    shown = [True, *varies[1:]]
    return {at: tuple(itertools.compress(words, shown)) for at, words in texts.items()}


def knee_lines(knees: Sequence[Knee], objective: Threshold) -> Iterator[str]:
    """Yield the lines that show *knees*, by their conditions and then from the highest down."""
    yield f"Highest rate sustained with {objective.text.strip()}:"
    where = axes_in_words([knee.condition for knee in knees])
    places = list(dict.fromkeys(where.values()))
    rows = []
    for knee in sorted(knees, key=lambda knee: (places.index(where[knee.condition]), -knee.kept)):
        until = "" if math.isinf(knee.broken) else f", not {format_number(knee.broken)}"
        note = f" ({knee.note})" if knee.note else ""
        value = format_rate(knee.kept) if knee.kept else "none"
        at = knee.condition
        rows.append(["", *where[at], at.strategy, f"{value}{until}{note}"])
    yield from aligned(rows, left=range(len(rows[0])) if rows else ())


def exit_status_of_search(knees: Sequence[Knee]) -> int:
    """Return the exit status; raises CalcbenchError where no knee was found for anybody."""
    if any(knee.kept for knee in knees):
        return 0
    tries = [one for knee in knees for one in knee.tries]
    if lost := [one for one in tries if one.outcome == NOT_KEPT]:
        raise CalcbenchError(f"no strategy sustained any rate; {tried(lost[-1])}")
    if untried := [knee for knee in knees if not knee.tries]:
        first = untried[0]
        raise CalcbenchError(f"no rate could be tried: {first.condition.strategy}: {first.note}")
    raise CalcbenchError(f"no rate could be judged; {tried(tries[-1])}; see calcbench doctor")
