"""What a race with `--precision` says of what it was asked for: whether all is known that well."""

import math
from collections.abc import Sequence

from calcbench.bench.analysis.metrics import THROUGHPUT
from calcbench.bench.analysis.stopping import Known, known
from calcbench.bench.analysis.summary import Summary
from calcbench.bench.schema.bounds import DURATION, ROUNDS
from calcbench.bench.schema.result import Run
from calcbench.bench.units import format_share, plural
from calcbench.bench.views.wording import enumerate_names

FEW = 100  # rounds: who needs more had better make them longer


def note(summary: Summary, run: Run) -> str:
    """Say whether *run* is as precise as was asked for; nothing where nothing was asked.

    By the rows of its *summary*, as the verdict.
    """
    if not run.plan.precision or not run.measurements:
        return ""
    found = list(known(run.plan, summary.rows))
    still_open = [one for one in found if one.open]
    hidden = [one for one in found if one.hidden_by_edges]
    what = f"every {subject(found)}"
    share = f"{100 * run.plan.precision:.3g}%"
    sentences = []
    if still_open:
        sentences.append(not_enough(still_open, run, f"{what} to within {share}"))
    if hidden:
        sentences.append(in_vain(what, share, still_open, run) + f": {edges(hidden, run)}.")
    if not sentences and any(one.settled for one in found):
        sentences.append(all_known(found, summary, run, f"{what} is known to within {share}"))
    elif not sentences and found:
        sentences.append(in_vain(what, share, still_open, run) + ": the driver was the limit.")
    return " ".join(sentences)


def in_vain(what: str, share: str, still_open: Sequence[Known], run: Run) -> str:
    """Say that no more rounds of *run* tell *what* that well, and that they ended the race."""
    more = still_open or run.partial
    ended = "" if more else f", so the race ended after {counted(last_round(run))}"
    return f"More rounds cannot make {what} known to within {share}{ended}"


def last_round(run: Run) -> int:
    """Return the number of the last round of *run*, which has one."""
    return max(measurement.round for measurement in run.measurements)


def counted(rounds: int) -> str:
    """Return how many *rounds* there are."""
    return f"{rounds:,} {plural(rounds, 'round')}"


def subject(found: Sequence[Known]) -> str:
    """Return what is to be known: ``difference``, ``difference in p99``, or the figure alone."""
    names = dict.fromkeys(one.metric.name for one in found if one.metric is not THROUGHPUT)
    which = enumerate_names(list(names))
    if any(len(one.rows) > 1 for one in found):
        return f"difference in {which}" if which else "difference"
    return which or "rate"


def not_enough(still_open: Sequence[Known], run: Run, what: str) -> str:
    """Say that the rounds of *run* were too few to know *what*, and what would do."""
    rounds = last_round(run)
    were = "was" if rounds == 1 else "were"
    return f"{counted(rounds)} {were} not enough to know {what}{would_do(still_open, run, rounds)}."


def would_do(still_open: Sequence[Known], run: Run, rounds: int) -> str:
    """Say, as the end of a sentence, what more than so many *rounds* of *run* would do."""
    if any(one.edges_matter for one in still_open):
        return f"; {longer(still_open, run)} would tell more"
    if any(one.lateness_matters for one in still_open):
        return "; the driver was late, and a core of its own would tell more"
    needed = max(one.rounds_needed for one in still_open)
    if rounds < needed < math.inf:
        about = math.ceil(two_digits(needed))
        if about <= FEW:
            option = "" if run.partial else f" (--most-rounds {about})"
            return f"; about {about} as noisy as these would be{option}"
        many = f"about {about:,}" if about <= ROUNDS.most else f"more than {ROUNDS.most:,}"
        return f"; {many} as noisy as these would be, or fewer that are longer (--duration)"
    return "" if run.partial else "; --most-rounds allows more"


def edges(hidden: Sequence[Known], run: Run) -> str:
    """Say what hides those *hidden* by the ends of windows, and what would help."""
    figure = "ratio" if any(len(one.rows) > 1 for one in hidden) else "rate"
    changed = format_share(math.expm1(max(one.edge for one in hidden)))
    return (
        "so few responses fit into a window that where it begins and ends may change a"
        f" {figure} by {changed}; {longer(hidden, run)} would tell more"
    )


def longer(found: Sequence[Known], run: Run) -> str:
    """Return the option with which the ends of windows leave half of the precision to noise."""
    most = max(one.edge for one in found)
    longer_s = two_digits(run.plan.duration_s * 2 * most / math.log1p(run.plan.precision))
    return f"--duration {longer_s:.10g}" if longer_s in DURATION else "a longer --duration"


def two_digits(number: float) -> float:
    """Return *number*, above 0, rounded up to two digits."""
    unit = 10.0 ** (math.floor(math.log10(number)) - 1)
    return round(math.ceil(number / unit) * unit, 6)


def all_known(found: Sequence[Known], summary: Summary, run: Run, what: str) -> str:
    """Say that *what*, all that is *found*, is settled after the rounds of *run*, and who is not.

    Those of *summary* are left out that are not ranked, or whose rate the driver has hidden.
    """
    larger = ", or surely larger," if any(one.settled and not one.narrow for one in found) else ""
    ranked = {row.condition for one in found for row in one.rows}
    limited = {row.condition for one in found if one.hidden_by_driver for row in one.limited}
    raced = [row.condition for row in summary.rows if not row.condition.is_control]
    out = [one for one in raced if one not in ranked - limited]
    names = dict.fromkeys(one.strategy for one in out)
    within = {one.strategy for one in raced} & {one.strategy for one in ranked - limited}
    left = enumerate_names([f"{name} (in part)" if name in within else name for name in names])
    end = f"; left out: {left}" if left else ""
    return f"{what[0].upper()}{what[1:]}{larger} after {counted(last_round(run))}{end}."
