"""The texts of a lesson as paragraphs: filled for a terminal, or as they are for a page."""

import re
import textwrap
from collections.abc import Iterator

from calcbench.bench.classroom.lessons.conversation import MissedError
from calcbench.bench.classroom.lessons.lesson import Lesson

WIDTH = 79  # columns; a terminal has 80
LETTERS = "abcdef"
# Indented lines, with empty ones between them, or lines that are not indented.
BLOCK = re.compile(r"(?:    .*\n(?:\n+(?=    ))?)+|(?:(?!    ).+\n)+")
INDENT = " " * 6  # below a rule


def blocks(text: str) -> Iterator[tuple[bool, str]]:
    """Yield the blocks of *text*, which empty lines part, and of each whether it is literal.

    Literal is what is indented; empty lines within are part of it.
    """
    for found in BLOCK.finditer(text.strip("\n") + "\n"):
        block = found[0].rstrip()
        literal = block.startswith("    ")
        yield literal, textwrap.dedent(block) if literal else " ".join(block.split())


def filled(text: str, indent: str = "") -> str:
    """Return *text* for a terminal: paragraphs filled, what is literal indented."""
    parts = [
        textwrap.indent(block, f"{indent}    ")
        if literal
        else textwrap.fill(block, WIDTH, initial_indent=indent, subsequent_indent=indent)
        for literal, block in blocks(text)
    ]
    return "\n\n".join(parts)


def choices(lesson: Lesson) -> str:
    """Return the choices of a prediction, a line each."""
    pairs = zip(LETTERS, lesson.prediction.choices, strict=False)
    return "\n".join(f"  {letter}) {choice}" for letter, choice in pairs)


def shortfall(missed: MissedError) -> str:
    """Return why, as far as that is known, what was sent, what came and what was expected."""
    rows = (("sent", missed.sent), ("came back", missed.came), ("expected", missed.expected))
    lines = textwrap.wrap(missed.why, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT)
    lines += [line for name, text in rows if text for line in columns(name, text)]
    return "\n".join(lines)


def columns(name: str, text: str) -> list[str]:
    """Return *text* behind its *name*, in as many lines as it takes."""
    parts = textwrap.wrap(text, WIDTH - len(INDENT) - 11, break_on_hyphens=False)
    names = [name, *[""] * len(parts)]
    return [f"{INDENT}{name:9}  {part}" for name, part in zip(names, parts, strict=False)]
