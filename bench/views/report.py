"""Write what people and programs read of a result: the summary as JSON and CSV, and the charts."""

import shlex
import shutil
import textwrap
from pathlib import Path
from typing import TextIO

from calcbench.bench.analysis.stopping import by_condition, settled
from calcbench.bench.analysis.summary import Summary
from calcbench.bench.schema.result import Run
from calcbench.bench.system.cpus import shared_cores
from calcbench.bench.system.files import make_folder, whole_file
from calcbench.bench.system.terminal import echo, printable_record
from calcbench.bench.units import format_count, format_ns, format_rate, format_share
from calcbench.bench.views.conclusions import verdict
from calcbench.bench.views.export import ranking_as_json, to_csv, to_json
from calcbench.bench.views.table import print_table
from calcbench.core.errors import CalcbenchError

CHARTS = "charts"


def write_views(
    summary: Summary,
    run: Run,
    folder: Path,
    *,
    models: bool = False,
    replace: bool = True,
    charts: bool = True,
) -> list[Path]:
    """Write ``summary.json``, ``summary.csv`` and ``charts/`` into *folder*; return the charts.

    They *replace* those of an earlier time, or only join them; *models* as for
    `calcbench.bench.views.charts`. Without *charts* none is drawn. Raises CalcbenchError when they
    cannot be written or drawn.
    """
    as_json = to_json(summary, ranking_as_json(summary))
    for name, text in (("summary.json", as_json), ("summary.csv", to_csv(summary))):
        if replace or not (folder / name).exists():
            with whole_file(folder / name) as file:
                file.write(text.encode())
    if not charts or not summary.rows:  # no rows: it was stopped before its first measurement
        return []
    target = folder / CHARTS
    make_folder(target)
    # With it comes matplotlib: only when there is something to draw.
    from calcbench.bench.views.charts import draw_charts

    try:
        return draw_charts(summary, run, target, models=models, replace=replace)
    except CalcbenchError:
        raise
    except Exception as error:  # matplotlib fails in its own ways, and takes no measured data
        what = " ".join(str(error).split()) or type(error).__name__
        raise CalcbenchError(f"cannot draw the charts in {target}: {what}") from error


def print_report(
    summary: Summary,
    run: Run,
    folder: Path,
    file: TextIO | None,
    views: Path | None = None,
    *,
    charts: bool = True,
) -> None:
    """Print the table of *summary*, what it says in words, and where everything lies.

    The data is in *folder*, and so are the *views* unless they are said to be elsewhere. Without
    *charts* it says what draws them.
    """
    # A newline in a label of somebody's result begins no line of ours.
    summary, run = printable_record(summary), printable_record(run)
    print_table(summary, run, file)
    width = width_of(file)
    echo(file=file)
    for sentence in filter(None, (*verdict(summary), note(run))):
        echo(fill(sentence, width), file=file)
    echo(file=file)
    if driver := reference(run):
        echo(fill(f"Load generator: {driver}", width), file=file)
    if shared := cores_shared(run):
        echo(fill(f"Cores: {shared}", width), file=file)
    if summary.rows:
        drawn = (views or folder) / CHARTS
        later = shlex.join(["calcbench", "report", str(folder)])
        echo(f"Charts: {drawn if charts else f'none; draw them with {later}'}", file=file)
    echo(f"Data:   {folder}", file=file)


def width_of(file: TextIO | None) -> int:
    """Return in how many columns *file* shows a line, 0 where it is no terminal."""
    return shutil.get_terminal_size().columns if file and file.isatty() else 0


def fill(text: str, width: int) -> str:
    """Return *text* in lines of at most *width*, or in one where that is 0."""
    return textwrap.fill(text, width, break_on_hyphens=False) if width else text


def reference(run: "Run") -> str:
    """Return in one line what the driver of *run* can do, and how near it came; or nothing."""
    ways = run.calibration.ways if run.calibration else {}
    used = [way for way in run.plan.reuses if way in ways]
    # By its own time, and by what it can do at most: a connection for each request costs it more.
    shares = [(m.evidence.ceiling_ratio, m.evidence.driver_busy_ratio) for m in run.measurements]
    near = [max(one or 0, other or 0) for one, other in shares]
    if not used or not any(near):
        return ""
    can = " and ".join(
        f"{format_rate(ways[way].ceiling_per_s)} ({way}, {format_ns(ways[way].cost_ns)} each)"
        for way in used
    )
    known = run.calibration
    doubt = ""
    if known and known.contended:
        doubt = (
            f" (or more: other programs had {known.contended_ratio:.0%} of it in the calibration)"
        )
    return f"at most {can} on one core{doubt}; it was at most {format_share(max(near))} busy"


def cores_shared(run: Run) -> str:
    """Say which drivers of *run* shared a core with one another or with a server; or nothing."""
    cores = run.machine.get("usable_cores")  # as a file has it: anything
    if not isinstance(cores, int) or run.plan.join:
        return ""
    return shared_cores(run.plan.drivers, run.pinning, cores)


def note(run: Run) -> str:
    """Say whether *run* is as precise as was asked for; nothing where nothing was asked."""
    if not run.plan.precision or not run.measurements:
        return ""
    rounds = max(measurement.round for measurement in run.measurements)
    known = by_condition(run.measurements)
    raced = [condition for condition in run.plan.conditions() if not condition.is_control]
    if not any(condition in known for condition in raced):
        return ""
    counted = format_count(rounds, "round")
    share = f"{100 * run.plan.precision:.3g}%"
    whose = (
        ""
        if all(condition in known for condition in raced)
        else " between those that always counted"
    )
    if settled(run.plan, run.measurements):
        return f"Every difference{whose} is known to within {share} after {counted}."
    were = "was" if rounds == 1 else "were"
    more = "" if run.partial else "; --most-rounds allows more"
    return f"{counted} {were} not enough to know every difference{whose} to within {share}{more}."
