"""Show a summary as a table: with colour on a terminal, as plain aligned text anywhere else.

One section for each workload and way of connecting; within it the strategies, best first, at each
number of clients. Figures are medians of the rounds; ``±`` is the 95 % interval of the median.
Between strategies of one tier no difference could be measured.
"""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from calcbench.bench.analysis.metrics import CPU, P50, P90, P99, Metric
from calcbench.bench.analysis.ranking import groups, leading, numbered_tiers, tier_numbers
from calcbench.bench.analysis.summary import Row, Summary
from calcbench.bench.schema.plan import Plan
from calcbench.bench.schema.result import Run
from calcbench.bench.system.terminal import console, echo, one_line, painted
from calcbench.bench.units import format_count
from calcbench.bench.views.captions import doubts, failure_notes, unknown_notes
from calcbench.bench.views.cells import CPU_TIER, HEADINGS, cells_of_row, show_tiers
from calcbench.bench.views.failure_lines import failure_remarks
from calcbench.bench.views.interleaving import interleaving_legend
from calcbench.bench.views.lateness import lateness_notes
from calcbench.bench.views.legend import legends
from calcbench.bench.views.remarks import remarks
from calcbench.bench.views.resource_table import instructions
from calcbench.bench.views.standing import are_close, figures, why_hidden
from calcbench.bench.views.text_table import aligned, places_of
from calcbench.bench.views.wording import (
    break_name,
    cut_line,
    marks,
    panel_heading,
    panels,
    users_in_words,
)

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text


@dataclass(frozen=True)
class Section:
    """One table: the *rows*' cells, the *sources* that they show, and the *notes* below.

    Below those stands what was wrong with requests: *failures*, on a terminal cut to its width.
    """

    heading: str
    sources: list[Row]
    rows: list[list[str]]
    notes: list[str]
    failures: list[str]


LEFT = ("strategy",)  # columns of words; all others hold figures and end at the right


def sections(summary: Summary, run: Run) -> list[Section]:
    """Return the tables of *summary*, in the order of its plan."""
    found = []
    shown_tiers, cpu_tiers = show_tiers(summary.rows), tier_numbers(summary.rows, CPU)
    lost = {one.condition for one in run.measurements if one.evidence.lost}
    lost -= {one.condition for one in run.measurements if not one.evidence.lost}
    for rows in panels(summary.rows).values():
        shown = sorted(rows, key=functools.partial(rank, metric=leading(rows)))
        cells = [
            cells_of_row(
                row,
                shown_tiers[row.condition],
                cpu_tiers.get(row.condition),
                lost=row.condition in lost,
            )
            for row in shown
        ]
        below = [*failure_notes(rows), *unknown_notes(rows, (P50, P99)), *marks(doubts(rows))]
        below += [*wide_tiers(rows), *unseen_order(shown), *lateness_notes(shown)]
        below += [*remarks(shown, run), *instructions(shown)]
        conditions = {row.condition for row in rows}
        failures = failure_remarks([m for m in run.measurements if m.condition in conditions])
        heading = table_heading(rows, run.plan)
        found.append(Section(heading, shown, cells, below, failures))
    return found


def table_heading(rows: Sequence[Row], plan: Plan) -> str:
    """Return the heading of the table of *rows*: what is asked, and by which users, if by any."""
    heading = panel_heading(rows[0].condition, plan)
    levels = {row.condition.connections for row in rows}
    return f"{heading}; {users_in_words(plan, levels)}" if plan.think_s else heading


def wide_tiers(rows: Sequence[Row]) -> list[str]:
    """Say which tiers of *rows* hold figures so far apart that they seem to be no tier."""
    found = []
    for number, tier in numbered_tiers(rows):
        metric, at = leading(tier), f"{tier[0].condition.connections:,}"
        if any(row.falls_short or why_hidden([row], metric) for row in tier):
            continue
        if not are_close(tier, metric):
            found.append(
                f"tier {number} at {at} holds {figures(tier, metric)}: too few rounds, or too"
                " uneven ones, to put all of them in order"
            )
    return found


def unseen_order(rows: Sequence[Row]) -> list[str]:
    """Say by which figures *rows* are ranked where no column shows them."""
    found = []
    for group in groups(rows):
        metric = leading(group)
        if metric is P90 and (known := [row for row in group if metric.known(row)]):
            at = f"{group[0].condition.connections:,}"
            who = ", ".join(f"{row.condition.strategy} {metric.text(row)}" for row in known)
            found.append(f"tiers at {at} go by {metric.name}: {who}")
    return found


def rank(row: Row, metric: Metric) -> tuple[int, int, bool, float]:
    """Return what sorts rows by clients, and then the best by *metric* first, failures last.

    Who fails too many requests comes before those only who serve nobody.
    """
    best = -metric.median(row) if metric.more_is_better else metric.median(row)
    short = 3 if row.status != "ok" else 2 if row.serves_nobody else int(row.fails)
    return row.condition.connections, short, not metric.known(row), best


def print_table(summary: Summary, run: Run, file: TextIO | None) -> None:
    """Print *summary* to *file*: in colour to a terminal, as plain text to anything else."""
    if file and file.isatty():
        print_colourful(summary, run, file)
        return
    for line in plain_lines(summary, run):
        echo(line, file=file)


def plain_lines(summary: Summary, run: Run) -> Iterator[str]:
    """Yield the lines of plain text that show *summary*; every row says its clients."""
    if summary.partial:
        yield partial_note(run)
        yield ""
    shown = sections(summary, run)
    for section in shown:
        yield section.heading
        yield from aligned([HEADINGS, *section.rows], places_of(HEADINGS, *LEFT))
        yield from section.notes
        yield from section.failures
        yield ""
    yield from legends_of(shown, run)


def legends_of(shown: Sequence[Section], run: Run) -> list[str]:
    """Return what the columns of the tables that are *shown* mean, and how *run* measured."""
    if not shown:
        return []
    cells = [dict(zip(HEADINGS, row, strict=True)) for section in shown for row in section.rows]
    sources = [row for section in shown for row in section.sources]
    by_cpu = any(row[CPU_TIER] for row in cells)
    found = legends({row["tier"] for row in cells}, sources, by_cpu=by_cpu)
    how = interleaving_legend(run, sources)
    return [*found, how] if how else found


def partial_note(run: Run) -> str:
    """Say how much of *run* was measured and can be read."""
    least = "at least " if run.plan.precision else ""
    planned = format_count(run.plan.total, "measurement")
    return f"Partial result: {len(run.measurements):,} of {least}{planned}"


def print_colourful(summary: Summary, run: Run, file: TextIO) -> None:
    """Print *summary* with rich, which honours NO_COLOR and the width of the terminal."""
    drawing = console(file)
    if summary.partial:
        drawing.print(painted(partial_note(run), "bold yellow"), "")
    shown = sections(summary, run)
    for section in shown:
        drawing.print(painted(section.heading, "bold"))
        table = colourful(section)
        wide = drawing.options.update(max_width=1000)
        if drawing.measure(table, options=wide).maximum > drawing.width:
            table = colourful(section, narrow=True)
        drawing.print(table)
        for note in section.notes:
            drawing.print(painted(note, "yellow"))
        for failure in section.failures:
            drawing.print(painted(cut_line(failure, drawing.width), "red"))
        drawing.print()
    for legend in legends_of(shown, run):
        drawing.print(painted(legend, "dim"))


def colourful(section: Section, *, narrow: bool = False) -> "Table":
    """Return *section* as a table of rich, with a gap between the numbers of clients.

    A *narrow* one has one space between columns, breaks long names, and has no tiers by CPU.
    """
    from rich import box
    from rich.table import Table

    padding = (0, 0 if narrow else 1, 0, 0)  # beside the space that stands for a line
    table = Table(box=box.SIMPLE_HEAD, padding=padding, show_edge=False, pad_edge=False)
    titles = [title for title in HEADINGS if not (narrow and title == CPU_TIER)]
    for title in titles:
        # In two lines: it must fit in 80 columns.
        lines = title.replace("/req", "\n/req").replace(CPU_TIER, "CPU\ntier")
        if title in LEFT:
            table.add_column(lines, overflow="fold", min_width=10)
        else:
            table.add_column(lines, justify="right", no_wrap=True)
    last = None
    for row, cells in zip(section.sources, section.rows, strict=True):
        if last not in (None, cells[0]):
            table.add_section()
        shown = [
            "\n".join(break_name(one_line(cell))) if narrow else one_line(cell) for cell in cells
        ]
        painted_cells = paint(row, shown, repeated=cells[0] == last)
        table.add_row(*(painted_cells[title] for title in titles))
        last = cells[0]
    return table


def paint(row: Row, cells: Sequence[str], *, repeated: bool) -> dict[str, "Text"]:
    """Return *cells*, by heading, with what a reader must not miss in colour.

    *Repeated* clients are dim.
    """
    found = {}
    for title, cell in zip(HEADINGS, cells, strict=True):
        style = ""
        if title == "clients" and repeated:
            style = "dim"
        elif title == "strategy" or title == "req/s":
            style = "bold" if row.status == "ok" else "red"
        elif title == "served" and row.starves:
            style = "yellow"
        elif title == "errors" and row.all_outcomes.failed:
            style = "red"
        found[title] = painted(cell, style)
    return found
