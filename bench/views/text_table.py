"""Tables as plain text: columns that line up, two spaces between them."""

from collections.abc import Collection, Iterator, Sequence

from calcbench.bench.system.terminal import one_line

GAP = "  "


def aligned(rows: Sequence[Sequence[str]], left: Collection[int]) -> Iterator[str]:
    """Yield *rows* of cells as lines; the columns in *left* hold words and begin at the left.

    The others hold figures and end at the right. A cell is one line, and printable. Raises
    ValueError where rows differ in length.
    """
    rows = [[one_line(cell) for cell in cells] for cells in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for cells in rows:
        yield GAP.join(
            cell.ljust(width) if place in left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ).rstrip()


def places_of(headings: Sequence[str], *names: str) -> list[int]:
    """Return the places of the columns called *names*."""
    return [headings.index(name) for name in names]
