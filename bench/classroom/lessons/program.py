"""The programs of the lessons, as a student gets them and as they are solved.

A source holds both. ``# +`` behind a line says that it is of the solution alone, ``# -`` before
one that it is of the beginning alone. In the last step the beginning is the event loop of the step
before, and the solution is what three blocks of lines, given by the lesson, make of it.
"""

import re
from collections.abc import Sequence
from importlib.resources import files

WRITTEN = "  # +"  # behind a line of the solution
GIVEN = re.compile(r"^( *)# - ?")  # before a line of the beginning


def source(name: str) -> str:
    """Return the source of the program *name*, with its marks."""
    folder = files("calcbench.bench.classroom.programs")
    return folder.joinpath(name).read_text(encoding="utf-8")


def beginning(marked: str) -> str:
    """Return what a student begins with, of a *marked* source."""
    lines = [line for line in marked.splitlines() if not line.endswith(WRITTEN)]
    return "\n".join(GIVEN.sub(r"\1", line) for line in lines) + "\n"


def solution(marked: str) -> str:
    """Return the solution in a *marked* source."""
    lines = [line for line in marked.splitlines() if not GIVEN.match(line)]
    return "\n".join(line.removesuffix(WRITTEN) for line in lines) + "\n"


def changed(text: str, changes: Sequence[str]) -> str:
    """Return *text* with each of its marked blocks replaced by one of *changes*, in order.

    The first block begins with the file, and the last ends with it.
    """
    for number, change in enumerate(changes, start=1):
        begin = text.find(f"# Change {number} begins here")
        start = text.rfind("\n", 0, begin) + 1 if begin >= 0 else 0
        end = text.find(f"# Change {number} ends here")
        stop = text.find("\n", end) + 1 if end >= 0 else len(text)
        text = text[:start] + change + text[stop:]
    return text
