"""Rows of a table that fill up as they are measured, and what is broken by one."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """A column: its heading, how many characters it has, and whether it holds words."""

    heading: str
    width: int
    words: bool = False


@dataclass(frozen=True)
class Row:
    """One line of a table, and in *broken*, a line for each requirement that it breaks."""

    cells: tuple[str, ...]
    broken: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """A table: what it is about, in a line or several, its columns, and its rows to be measured."""

    title: str
    columns: tuple[Column, ...]
    rows: Iterator[Row]


def wrong_end(status: int, killed: bool, clean: bool, seconds: float) -> list[str]:
    """Return what is wrong with a stop that took *seconds*: nothing or one thing.

    *clean* says that the server has neither printed nor raised what it should not.
    """
    if killed:
        return [f"had to be killed after {seconds:.1f} s"]
    if status:
        return [f"ended with status {status}"]
    return [] if clean else ["printed or raised something"]


def change(before: int, after: int) -> str:
    """Return a number that may have changed: ``9``, or ``9 > 12``."""
    return f"{before:,}" if before == after else f"{before:,} > {after:,}"


def line(columns: Sequence[Column], cells: Sequence[str]) -> str:
    """Return *cells* under *columns*: words begin at the left, figures end at the right."""
    placed = [
        cell.ljust(column.width) if column.words else cell.rjust(column.width)
        for column, cell in zip(columns, cells, strict=True)
    ]
    return "  ".join(placed).rstrip()


def print_tables(tables: Iterable[Table]) -> list[str]:
    """Print each row of each table when it has been measured; return all that is broken."""
    broken: list[str] = []
    for table in tables:
        print(f"\n{table.title}\n")
        print(line(table.columns, [column.heading for column in table.columns]), flush=True)
        for row in table.rows:
            mark = "  <- BROKEN" if row.broken else ""
            print(f"{line(table.columns, row.cells)}{mark}", flush=True)
            broken += row.broken
    return broken


def print_broken(broken: Sequence[str]) -> None:
    """Print what is *broken*, each in a line, or that nothing is."""
    print()
    if not broken:
        print("every requirement held")
        return
    print(f"{len(broken)} broken:")
    for one in broken:
        print(f"  {one}")
