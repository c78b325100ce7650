"""The highest rate that a strategy sustains: ``calcbench run --find-knee --slo 'p99<20ms'``.

What came of every try is written down as it is found; how the rates are chosen,
`calcbench.bench.runner.knee_search` says.
"""

import dataclasses
import itertools
import math
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calcbench.bench.analysis.rates import KEPT_UP
from calcbench.bench.analysis.thresholds import Threshold, parse_threshold
from calcbench.bench.diagnosis.ceiling import Recalibrate, once, reconsider
from calcbench.bench.runner.knee_search import AGREE, search
from calcbench.bench.runner.knee_try import (
    KEPT,
    LEAST_REQUESTS,
    NOT_KEPT,
    Try,
    chance_at_ends,
    judge_try,
)
from calcbench.bench.runner.race import pinning_of
from calcbench.bench.runner.subject import Setup, Subject
from calcbench.bench.schema.arrivals import POISSON
from calcbench.bench.schema.bounds import SEED
from calcbench.bench.schema.calibration import Calibration
from calcbench.bench.schema.condition import Condition
from calcbench.bench.schema.plan import Plan
from calcbench.bench.schema.result import Measurement
from calcbench.bench.schema.store import SEARCH, as_bytes, prepare_folder
from calcbench.bench.system.files import whole_file
from calcbench.bench.system.machine import describe_machine, describe_versions
from calcbench.bench.units import format_count, format_number, format_rate
from calcbench.bench.views.text_table import aligned
from calcbench.bench.views.wording import enumerate_few
from calcbench.core.errors import CalcbenchError, UsageError

if TYPE_CHECKING:
    from calcbench.bench.loadgen.locust.cluster import Cluster

START = 0.5  # of what a closed loop reaches
LONGER = 10  # times the duration of the plan that a try may last, for as many requests as it takes
TO_SPARE = 1.25  # times that many are due in it: arrivals vary, and a warm-up may be cut off

UNFINISHED = "the search was stopped before its end"


@dataclass(frozen=True)
class Knee:
    """What *condition* sustains: *kept* is the highest rate that it did, 0 for none.

    *broken* is the lowest that it did not, infinite where none was found, and *note* says why
    the search ended early, if it did. Who is *unavailable* cannot run here.
    """

    condition: Condition
    kept: float
    broken: float
    tries: tuple[Try, ...]
    note: str = ""
    unavailable: bool = False


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

    def measure(condition: Condition, rate: float | None, number: int = 0) -> Measurement:
        nonlocal calibration
        one = dataclasses.replace(plan, rate=rate)
        if rate is not None:
            one = dataclasses.replace(
                one,
                warmup_s=warmup_of(plan, objective),
                duration_s=duration_of(plan, objective, rate),
                seed=seed_of(plan, number),
            )
        setup = Setup(one, folder, pinning, units, calibration, cluster)
        step = next(steps)
        measured = subject.measure(setup, condition, step + 1, step)
        [measured], calibration = reconsider([measured], calibration, recalibrate)
        return measured

    def knee_of(condition: Condition) -> Knee:
        tries: list[Try] = []

        def attempt(rate: float) -> Try:
            one = judge_try(
                measure(condition, rate, len(tries) + 1), objective, folder, plan.arrivals
            )
            one = dataclasses.replace(one, rate=rate)
            tries.append(one)
            write_knees([*found, unfinished(condition, tries)], header, folder, partial=True)
            announce(f"{', '.join([condition.strategy, *where[condition]])}: {tried(one)}")
            return one

        alone = measure(condition, None)
        if alone.status != "ok" or not alone.outcomes.ok:
            why = alone.reason or "; ".join(alone.evidence.reasons[:1])
            return Knee(condition, 0, math.inf, (), why, alone.status == "unavailable")
        start = START * alone.outcomes.ok * 1e9 / alone.elapsed_ns
        kept, broken, note = search(attempt, start, lowest_rate(plan))
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
    kept.
    """
    return max(plan.warmup_s, longest_s(plan, objective))


def longest_s(plan: Plan, objective: Threshold) -> float:
    """Return how many seconds a response may take: nothing right takes longer than the timeout."""
    return min(objective.limit / 1e3, plan.timeout_s)


def duration_of(plan: Plan, objective: Threshold, rate: float) -> float:
    """Return for how many seconds a try of *plan* at *rate* lasts.

    As long as *plan* says, or until enough requests are due: to keep a low rate, and of independent
    users so many that few of them are out at an end of it by chance, where responses take as long
    as the *objective* allows. At most `LONGER` times as long.
    """
    enough_s = TO_SPARE * LEAST_REQUESTS / rate
    if plan.arrivals == POISSON:
        by_chance = chance_at_ends(rate * longest_s(plan, objective))
        enough_s = max(enough_s, by_chance / rate / (1 - KEPT_UP))
    return max(plan.duration_s, min(LONGER * plan.duration_s, enough_s))


def seed_of(plan: Plan, number: int) -> int:
    """Return the seed of try *number* of a condition of *plan*, counted from 1.

    Each has arrivals of its own: of two tries with the same ones, the second would only repeat what
    the first had by chance. All conditions have the same in the same order.
    """
    return random.Random(f"{plan.seed}/tries/{number}").randrange(int(SEED.most) + 1)


def lowest_rate(plan: Plan) -> float:
    """Return the lowest rate, 1 or more, that a try of *plan* can last long enough to keep."""
    return max(TO_SPARE * LEAST_REQUESTS / (LONGER * plan.duration_s), 1.0)


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
        at: (at.workload, at.reuse, format_count(at.connections, "connection")) for at in conditions
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
        note = f" ({knee.note})" if knee.note else ""
        at = knee.condition
        rows.append(["", *where[at], at.strategy, f"{in_words(knee)}{note}"])
    yield from aligned(rows, left=range(len(rows[0])) if rows else ())


def in_words(knee: Knee) -> str:
    """Say between which rates *knee* lies, as far as the search has come."""
    if knee.unavailable:
        return "unavailable"
    if not knee.kept and not knee.tries:
        return "none"
    if math.isinf(knee.broken):
        return f"at least {format_rate(knee.kept)}" if knee.kept else "cannot tell"
    if knee.kept:
        return f"{format_rate(knee.kept)}, not {format_number(knee.broken)}"
    return f"less than {format_rate(knee.broken)}"


def exit_status_of_search(knees: Sequence[Knee]) -> int:
    """Return the exit status; raises CalcbenchError where no rate was found for somebody.

    As in a race, who cannot run here has not failed, as long as another one can.
    """
    able = [knee for knee in knees if not knee.unavailable]
    if not able:
        raise CalcbenchError("none of these strategies can run here")
    without = [knee for knee in able if not knee.kept]
    if not without:
        return 0
    where = axes_in_words([knee.condition for knee in knees])
    names = [f"{knee.condition.strategy} ({', '.join(where[knee.condition])})" for knee in without]
    first = f"; {names[0]}" if names[1:] else ""
    raise CalcbenchError(
        f"no rate found that is sustained by {enumerate_few(names)}{first}: {why_none(without[0])}"
    )


def why_none(knee: Knee) -> str:
    """Say why no rate was found for *knee*: what the last try that failed has shown, if any did."""
    if not knee.tries:
        return knee.note
    if failed := [one for one in knee.tries if one.outcome == NOT_KEPT]:
        return tried(failed[-1])
    return f"{tried(knee.tries[-1])}; see calcbench doctor"
