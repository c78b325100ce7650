"""A result for the last row of a classroom: who wins, in words, and a table of few figures.

In fifteen lines at most, so that it stays on the screen with what was typed. It shows each workload
at the most clients that were measured, and names what it leaves out.
"""

import functools
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from textwrap import wrap

from calcbench.bench.analysis.metrics import P50, P99, THROUGHPUT, Metric
from calcbench.bench.analysis.ranking import leading
from calcbench.bench.analysis.summary import Row, Summary
from calcbench.bench.schema.plan import CLOSE
from calcbench.bench.system.terminal import Styled
from calcbench.bench.units import format_count, format_rate
from calcbench.bench.views.lateness import show_latency
from calcbench.bench.views.markers import with_figures
from calcbench.bench.views.table import rank
from calcbench.bench.views.text_table import GAP, aligned
from calcbench.bench.views.winner import operating_points, outcome
from calcbench.bench.views.wording import (
    DOUBTED,
    DOUBTS,
    clients_noun,
    enumerate_names,
    load_in_words,
    mark,
    percent_of,
    served,
    shorten_names,
)

LINES = 15
WIDTH = 80  # where there is no terminal
NAME_LENGTHS = (28, 18, 12)  # characters of a strategy's name: as many as there is room for
LONGEST_TITLE = 16  # and of a workload's
LEAST_BAR, LONGEST_BAR = 8, 40
BLOCK = "█"
MOST_WORDS = 6  # lines of them
DENSITIES: tuple[tuple[bool, list[str]], ...] = (
    (False, [""]),
    (False, []),
    (True, []),
)  # brief or not, and what stands in between
STATUS = {"unavailable": "cannot run"}
SIGNS = {  # before a figure; below the table, where there are any
    "≥": "at least",
    ">": "more than",
    "≤": "at most",
    "?": "perhaps less",
    **{DOUBTS[doubt][0]: word for doubt, word in DOUBTED.items()},
}
SHORT = ("starves", "fails")
Line = str | Styled


@dataclass(frozen=True)
class Column:
    """One workload: its *title*, and its *rows* at one number of clients, the best first.

    Who wins is said in *words*, or in *brief*.
    """

    title: str
    metric: Metric
    rows: Sequence[Row]
    words: str
    brief: str

    @property
    def clients(self) -> int:
        """How many there were."""
        return self.rows[0].condition.connections

    def headings(self, *, with_clients: bool) -> list[str]:
        """Return the headings of its figures, *with_clients* where those differ."""
        starves, fails = (any(getattr(row, what) for row in self.rows) for what in SHORT)
        at = f" at {self.clients:,}" if with_clients else ""
        of = "" if self.metric is THROUGHPUT else f" {self.metric.name}"
        return [self.title + of + at, *["served"] * starves, *["errors"] * fails]

    def time(self, strategy: str, metric: Metric) -> str:
        """Return the *metric* of *strategy*, a time."""
        found = with_figures(self.rows, metric)
        return "".join(figure(row, metric) for row in found if row.condition.strategy == strategy)

    def cells(self, strategy: str) -> list[str]:
        """Return the figures of *strategy*."""
        row = next((one for one in self.rows if one.condition.strategy == strategy), None)
        starves, fails = (any(getattr(row, what) for row in self.rows) for what in SHORT)
        empty = [""] * (starves + fails)
        if not row:
            return ["", *empty]
        if row.status != "ok":
            return [STATUS.get(row.status, row.status), *empty]
        errors = percent_of(row.all_outcomes.failed_ratio)
        return [figure(row, self.metric), *[served(row)] * starves, *[errors] * fails]


@dataclass(frozen=True)
class Page:
    """What is shown: who wins in *words*, the *table*, and what is in the *tail*; *gap* between."""

    words: list[str]
    gap: list[str]
    table: list[str]
    tail: list[str]

    def room(self, width: int) -> int:
        """Return how many lines are left for the table."""
        return LINES - height([*self.words, *self.gap, *self.gap, *self.tail], width)

    def fits(self, width: int) -> bool:
        """Tell whether it needs no more than `LINES` of that *width*."""
        return max(map(len, self.table)) <= width and len(self.table) <= self.room(width)

    def lines(self, width: int) -> list[Line]:
        """Return the lines; whoever is last in the table is only counted where there is no room."""
        words = [Styled(line, "bold") for line in self.words]
        return [*words, *self.gap, *cut(self.table, self.room(width)), *self.gap, *self.tail]


def figure(row: Row, metric: Metric) -> str:
    """Return the figure of *row* as a cell has it: ``≥21,400/s``, or ``15.3 ms``."""
    if metric is THROUGHPUT:
        return mark(row) + format_rate(float(row.throughput.median))
    return f"{show_latency(row, metric)} ms" if metric.known(row) else ""


def columns_of(summary: Summary) -> list[Column]:
    """Return a column for each workload of *summary* and way of connecting."""
    found = []
    points = operating_points(summary.rows)
    several = len({rows[0].condition.reuse for rows in points}) > 1
    for rows in points:
        condition, metric = rows[0].condition, leading(rows)
        [title] = shorten_names([condition.workload], LONGEST_TITLE).values()
        closes = several and condition.reuse == CLOSE
        order = sorted(rows, key=functools.partial(rank, metric=metric))
        title += ", close" * closes
        at = f"{title}, {load_in_words(rows, condition.connections)}"
        said = [f"{at}: {outcome(rows, brief=brief)}." for brief in (False, True)]
        found.append(Column(title, metric, order, *said))
    return found


def projector_lines(summary: Summary, width: int, below: Sequence[str] = ()) -> list[Line]:
    """Return the lines that show *summary* in *width* columns, with those *below* in the end.

    They are at most `LINES`: what has no room is left out whole, never in the middle of a figure.
    """
    width = width or WIDTH
    columns = columns_of(summary)
    if not columns:
        return [*fold(["Nothing was measured.", *below], width)]
    shown = fitting(columns, width)
    left_out = enumerate_names([column.title for column in columns[len(shown) :]])
    rest = [f"Not shown: {left_out}."] * bool(left_out)
    head = ["This is only a part of the race."] * summary.partial
    names = list(dict.fromkeys(row.condition.strategy for one in shown for row in one.rows))
    tables = [table_of(shown, names, width, length) for length in NAME_LENGTHS]
    pages = [
        Page(
            fold([*head, *(one.brief if brief else one.words for one in shown)], width),
            gap,
            table,
            fold([*signs_of(table), *rest, *below], width),
        )
        for (brief, gap), table in itertools.product(DENSITIES, tables)
    ]
    return next((one for one in pages if one.fits(width)), pages[-1]).lines(width)


def fitting(columns: Sequence[Column], width: int) -> Sequence[Column]:
    """Return as many of *columns* as *width* and `MOST_WORDS` have room for; at least one."""
    for count in range(len(columns), 1, -1):
        shown = columns[:count]
        words = fold([one.brief for one in shown], width)
        names = [row.condition.strategy for one in shown for row in one.rows]
        table = table_of(shown, names, width, NAME_LENGTHS[-1])
        if max(map(len, table)) <= width and height(words, width) <= MOST_WORDS:
            return shown
    return columns[:1]


def table_of(columns: Sequence[Column], names: list[str], width: int, length: int) -> list[str]:
    """Return the table of *columns*, a line for each of the *names*, cut to that *length*.

    A single one has the p50, the p99 and a bar beside it where there is room in *width*.
    """
    levels = {column.clients for column in columns}
    noun = clients_noun(columns[0].rows)
    corner = "strategy" if len(levels) > 1 else format_count(columns[0].clients, noun)
    headings = [one.headings(with_clients=len(levels) > 1) for one in columns]
    shown = shorten_names(names, length)
    rows = [[corner, *(text for texts in headings for text in texts)]]
    for name in names:
        cells = [cell for column in columns for cell in column.cells(name)]
        rows.append([shown[name].replace("\n", ""), *cells])
    lines = list(aligned(rows, [0]))
    if len(columns) > 1:
        return lines
    [column] = columns
    for metrics in ((P50, P99), (P99,)):
        times = {
            metric.name: [column.time(name, metric) for name in names]
            for metric in metrics
            if metric is not column.metric
        }
        known = [[metric, *cells] for metric, cells in times.items() if any(cells)]
        more = [[*cells[:2], *one, *cells[2:]] for cells, *one in zip(rows, *known, strict=True)]
        wider = list(aligned(more, [0]))
        if max(map(len, wider)) <= width:
            lines = wider
            break
    room = width - max(map(len, lines)) - len(GAP)
    return with_bars(lines, column, names, min(room, LONGEST_BAR)) if room >= LEAST_BAR else lines


def with_bars(
    lines: Sequence[str], column: Column, names: Sequence[str], longest: int
) -> list[str]:
    """Return *lines* with a bar for each of the *names*, from zero, none above the *longest*."""
    known = {row.condition.strategy: row for row in with_figures(column.rows, column.metric)}
    values = [column.metric.median(known[name]) if name in known else 0 for name in names]
    most = max(values, default=0) or 1
    ends = max(map(len, lines))
    heading, *rest = lines
    bars = [BLOCK * round(longest * value / most) for value in values]
    return [
        heading,
        *(f"{line:{ends}}{GAP}{bar}".rstrip() for line, bar in zip(rest, bars, strict=True)),
    ]


def cut(table: list[str], room: int) -> list[str]:
    """Return the lines of *table* for which there is *room*, and how many strategies have none."""
    kept = max(room - 1, 2)
    return [*table[:kept], f"and {len(table) - kept:,} more"] if len(table) > room else table


def signs_of(table: Sequence[str]) -> list[str]:
    """Return what the signs before figures of *table* mean, in one line, if there are any."""
    found = {sign for line in table for cell in line.split()[1:] for sign in cell if sign in SIGNS}
    return ["; ".join(f"{sign} {SIGNS[sign]}" for sign in SIGNS if sign in found)] * bool(found)


def fold(texts: Iterable[str], width: int) -> list[str]:
    """Return *texts* in lines of at most *width*; a path or a figure is never broken."""
    return [
        line
        for text in texts
        for line in wrap(text, width, break_on_hyphens=False, break_long_words=False)
    ]


def height(lines: Iterable[str], width: int) -> int:
    """Return how many lines of a terminal *lines* take."""
    return sum(max(-(-len(line) // width), 1) for line in lines)
