"""What changed between two results, for the last row of a classroom: in words, and few figures.

As `calcbench.bench.views.projector_table` it has fifteen lines at most, and each workload at the
most clients.
"""

import itertools
from collections.abc import Iterable, Sequence

from calcbench.bench.analysis.compare import Change
from calcbench.bench.analysis.ranking import leading
from calcbench.bench.schema.condition import group_by
from calcbench.bench.units import format_count
from calcbench.bench.views.compare_table import first_line, show_figure
from calcbench.bench.views.gate import changes_of
from calcbench.bench.views.projector_table import (
    NAME_LENGTHS,
    WIDTH,
    Line,
    Page,
    fold,
)
from calcbench.bench.views.text_table import aligned, places_of
from calcbench.bench.views.wording import enumerate_few, shorten_names

HEADINGS = ("strategy", "workload", "A", "B", "change", "B is")
# Columns that are left out where there is little room, the least important first.
LEFT_OUT: tuple[tuple[str, ...], ...] = ((), ("A",), ("A", "B"), ("A", "B", "B is"))
CLEAR = ("better", "worse")


def change_lines(
    changes: Sequence[Change],
    lost: Sequence[str],
    only_in_a: Sequence[str],
    width: int,
    below: Sequence[str] = (),
) -> list[Line]:
    """Return the lines that show *changes* in *width* columns, with those *below* in the end.

    What is *lost* or *only_in_a*, the first of them says.
    """
    width = width or WIDTH
    shown = points(changes)
    words = fold([*first_line(lost, only_in_a), *said(shown)], width)
    tables = [table_of(shown, *how) for how in itertools.product(NAME_LENGTHS, LEFT_OUT)]
    narrow = (one for one in tables if max(map(len, one)) <= width)
    return Page(words, [""], next(narrow, tables[-1]), fold(below, width)).lines(width)


def points(changes: Iterable[Change]) -> list[Change]:
    """Return the changes of what is ranked by, of each workload at the most clients."""
    found = []
    for members in group_by(
        changes, lambda change: change.pair.second.condition, "strategy", "connections"
    ).values():
        most = max(one.pair.second.condition.connections for one in members)
        last = [one for one in members if one.pair.second.condition.connections == most]
        metric = leading(one.pair.second for one in last)
        found += [one for one in last if one.metric is metric]
    return found


def said(shown: Sequence[Change]) -> list[str]:
    """Say who is better in B and who is worse, or that nobody clearly is."""
    told = []
    for what in CLEAR:
        found = [
            f"{one.pair.second.condition.strategy} under {one.pair.second.condition.workload}"
            for one in shown
            if one.verdict == what
        ]
        if found:
            told.append(f"{what.capitalize()} in B than in A: {enumerate_few(found)}.")
    if told:
        return told
    return [f"No clear difference between A and B in {format_count(len(shown), 'comparison')}."]


def table_of(shown: Sequence[Change], length: int, without: Sequence[str]) -> list[str]:
    """Return the table of what is *shown*, *without* some columns, names cut to that *length*."""
    names = shorten_names([one.pair.second.condition.strategy for one in shown], length)
    rows = [HEADINGS, *(cells_of(one, names) for one in shown)]
    kept = [place for place, title in enumerate(HEADINGS) if title not in without]
    headings = [HEADINGS[place] for place in kept]
    left = [title for title in ("strategy", "workload", "B is") if title in headings]
    return list(
        aligned([[row[place] for place in kept] for row in rows], places_of(headings, *left))
    )


def cells_of(change: Change, names: dict[str, str]) -> tuple[str, ...]:
    """Return the cells of *change*, under `HEADINGS`."""
    first, second, comparison = change.pair.first, change.pair.second, change.comparison
    ratio = changes_of(comparison.ratio, comparison.low, comparison.high)[0]
    return (
        names[second.condition.strategy].replace("\n", ""),
        f"{second.condition.workload} at {second.condition.connections:,}",
        *(show_figure(row, change.metric).replace("at least ", "≥") for row in (first, second)),
        ratio if comparison.known else "",
        change.verdict if change.verdict in CLEAR else "not clear",
    )
