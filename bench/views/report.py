"""Write what people and programs read of a result: the summary as JSON and CSV, and the charts."""

import shlex
import shutil
import textwrap
from pathlib import Path
from typing import TextIO

from calcbench.bench.analysis.summary import Summary
from calcbench.bench.schema.result import Run
from calcbench.bench.system.cpus import shared_cores
from calcbench.bench.system.files import make_folder, whole_file
from calcbench.bench.system.terminal import echo, printable_record
from calcbench.bench.units import format_ns, format_rate, format_share
from calcbench.bench.views.conclusions import verdict
from calcbench.bench.views.export import ranking_as_json, to_csv, to_json
from calcbench.bench.views.page import INDEX, write_page
from calcbench.bench.views.precision import note
from calcbench.bench.views.projector_table import projector_lines
from calcbench.bench.views.table import print_table
from calcbench.bench.views.theme import PAPER, PROJECTOR
from calcbench.core.errors import CalcbenchError

CHARTS, PROJECTED = "charts", "projector"  # where those of each theme are


def write_views(
    summary: Summary,
    run: Run,
    folder: Path,
    *,
    models: bool = False,
    replace: bool = True,
    charts: bool = True,
    theme: str = PAPER.name,
) -> list[Path]:
    """Write ``summary.json``, ``summary.csv`` and ``charts/`` into *folder*; return the charts.

    They *replace* those of an earlier time, or only join them; *models* as for
    `calcbench.bench.views.charts`. Without *charts* none is drawn, and no page that shows them.
    Those of the *theme* for a projector are in a folder of their own. Raises CalcbenchError when
    they cannot be written or drawn.
    """
    as_json = to_json(summary, ranking_as_json(summary))
    for name, text in (("summary.json", as_json), ("summary.csv", to_csv(summary))):
        if replace or not (folder / name).exists():
            with whole_file(folder / name) as file:
                file.write(text.encode())
    if not charts or not summary.rows:  # no rows: it was stopped before its first measurement
        return []
    target = folder / folder_of_charts(theme)
    make_folder(target)
    # With them comes matplotlib: only when there is something to draw.
    from calcbench.bench.views.charts import METADATA, draw_charts
    from calcbench.bench.views.slide import draw_pictures, projected

    try:
        if theme == PROJECTOR.name:
            drawn = draw_pictures(projected(summary, run), target, [*METADATA], replace=replace)
        else:
            drawn = draw_charts(summary, run, target, models=models, replace=replace)
        write_page(summary, run, page_of_run(folder, theme).parent, drawn, replace=replace)
        return drawn
    except CalcbenchError:
        raise
    except Exception as error:  # matplotlib fails in its own ways, and takes no measured data
        what = " ".join(str(error).split()) or type(error).__name__
        raise CalcbenchError(f"cannot draw the charts in {target}: {what}") from error


def folder_of_charts(theme: str) -> str:
    """Return in which folder of a run the charts of this *theme* are."""
    return PROJECTED if theme == PROJECTOR.name else CHARTS


def page_of_run(folder: Path, theme: str) -> Path:
    """Return the page of the run in *folder* that shows the charts of this *theme*."""
    return (folder / PROJECTED if theme == PROJECTOR.name else folder) / INDEX


def print_report(
    summary: Summary,
    run: Run,
    folder: Path,
    file: TextIO | None,
    views: Path | None = None,
    *,
    charts: bool = True,
    theme: str = PAPER.name,
    explain: bool = False,
) -> None:
    """Print the table of *summary*, what it says in words, and where everything lies.

    The data is in *folder*, and so are the *views* unless they are said to be elsewhere. Without
    *charts* it says what draws them. In the *theme* for a projector there is first who wins, and
    the rest only to *explain* it.
    """
    # A newline in a label of somebody's result begins no line of ours.
    summary, run = printable_record(summary), printable_record(run)
    width = width_of(file)
    if theme == PROJECTOR.name:
        drawn = (views or folder) / folder_of_charts(theme)
        below = [f"Charts: {drawn}"] * (charts and bool(summary.rows))
        if not explain:
            below.insert(0, f"More: {shlex.join(['calcbench', 'report', str(folder)])}")
        for line in projector_lines(summary, width, below):
            echo(line, file=file)
        if not explain:
            return
        echo(file=file)
    print_table(summary, run, file)
    echo(file=file)
    for sentence in filter(None, (*verdict(summary), note(summary, run))):
        echo(fill(sentence, width), file=file)
    echo(file=file)
    if driver := reference(run):
        echo(fill(f"Load generator: {driver}", width), file=file)
    if shared := cores_shared(run):
        echo(fill(f"Cores: {shared}", width), file=file)
    if missing := left_out(run):
        echo(fill(f"Left out: {missing}", width), file=file)
    if summary.rows:
        drawn = (views or folder) / folder_of_charts(theme)
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


def left_out(run: Run) -> str:
    """Say what the system of *run* does not tell or offer, or nothing."""
    names = run.machine.get("missing")  # as a file has it: anything
    if not isinstance(names, list) or not names:
        return ""
    names = "; ".join(map(str, names))
    return f"{names} (the system does not tell or offer it, so no verdict could rest on it)"
