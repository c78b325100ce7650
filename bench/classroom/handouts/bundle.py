"""All sheets that are asked for, as files in a folder."""

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from calcbench.bench.classroom.demo.playbill import modules
from calcbench.bench.classroom.handouts.of_demos import sheets_of_demo
from calcbench.bench.classroom.handouts.of_lessons import sheets_of_lesson
from calcbench.bench.classroom.handouts.sheet import Sheet, document, page
from calcbench.bench.classroom.lessons.catalogue import lessons
from calcbench.bench.system.files import make_folder, whole_file

KINDS = (("predict", "Sheets to predict on"), ("solution", "Solutions"))


def all_sheets() -> list[Sheet]:
    """Return the sheets of every demo and every lesson."""
    demos = [sheet for one in modules() for sheet in sheets_of_demo(one.SCENARIO)]
    every = lessons()
    return demos + [sheet for one in every for sheet in sheets_of_lesson(one, len(every))]


def write_sheets(sheets: Sequence[Sheet], folder: Path) -> Iterator[Path]:
    """Write each of *sheets* into *folder*, and yield its file."""
    make_folder(folder)
    for sheet in sheets:
        yield write(folder / f"{sheet.name}.html", page(sheet.heading, [sheet]))


def write_bundles(sheets: Sequence[Sheet], folder: Path) -> Path:
    """Write a file with all *sheets* of a kind, for each kind, and one that leads to all of them.

    Returns the last.
    """
    parts = []
    for kind, title in KINDS:
        some = [sheet for sheet in sheets if sheet.name.endswith(kind)]
        write(folder / f"all-{kind}.html", page(title, some))
        links = "".join(
            f'<li><a href="{sheet.name}.html">{escape(sheet.heading)}</a></li>' for sheet in some
        )
        whole = f'<p><a href="all-{kind}.html">All of them, to print at once</a></p>'
        parts.append(f"<h2>{escape(title)}</h2>{whole}<ul>{links}</ul>")
    content = "<h1>Handouts</h1>" + "".join(parts)
    return write(folder / "index.html", document("calcbench: handouts", content))


def write(path: Path, text: str) -> Path:
    """Write *text* to *path*; return it."""
    with whole_file(path) as file:
        file.write(text.encode())
    return path
