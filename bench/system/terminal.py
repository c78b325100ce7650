"""All that is printed leaves here: made printable, and fit for whatever it is written to.

What others have said, such as a server, a worker or a result from elsewhere, may hold sequences
that move the cursor, change the title or hide text: every control character is shown in place of
being obeyed. What the encoding of a stream cannot say is written in letters that it has.
"""

import codecs
import contextlib
import dataclasses
import errno
import io
import json
import os
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TextIO, TypeVar

from calcbench.core.errors import CalcbenchError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

# All of C0 but tab and newline, DEL, C1, what turns the direction of writing, separators of lines
# and paragraphs, and halves of characters, which stand for bytes that are no text (PEP 383).
UNPRINTABLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
LINE_ENDS = re.compile(r"[\t\n]")
# How what we write ourselves reads where there is only ASCII.
PLAIN = {
    "±": "+/-",
    "\u2013": "-",
    "—": "-",
    "\u2212": "-",
    "µ": "u",
    "\u03bc": "u",
    "\u00d7": "x",
    "…": "...",
    "·": "*",
    "≤": "<=",
    "≥": ">=",
    "→": "->",
    "↑": "^",
    "§": "section ",
    "√": "sqrt ",
    "«": '"',
    "»": '"',
    "“": '"',
    "”": '"',
    "\u2018": "'",
    "\u2019": "'",
    "†": "+",
    "█": "#",
    "\u00a0": " ",
}
READABLE = "calcbench-readable"  # the name of our way to treat what an encoding lacks
STYLES = {"bold": "1", "red": "31", "yellow": "33"}  # as a terminal numbers them (ECMA-48 §8.3.117)


Record = TypeVar("Record")


class OutputError(CalcbenchError):
    """Standard output takes no more; *reader_gone* where that is a reader's wish, as `head`'s."""

    def __init__(self, error: OSError) -> None:
        reason = (error.strerror or str(error)).lower()
        super().__init__(f"cannot write the output: {reason}")
        self.reader_gone = error.errno == errno.EPIPE


class Styled(NamedTuple):
    """A *text* to print in one of `STYLES`, where colours are wanted."""

    text: str
    style: str


def printable(text: str) -> str:
    r"""Return *text* with its control characters shown, such as ``\x1b``; lines and tabs stay."""
    return UNPRINTABLE.sub(escape, text)


def one_line(text: str) -> str:
    r"""Return *text* as `printable` does, and in one line: a newline is shown as ``\n``."""
    return LINE_ENDS.sub(escape, printable(text))


def printable_record(record: Record) -> Record:
    """Return *record*, of JSON or of dataclasses, with each text in it in `one_line`."""
    return with_texts(record, one_line)


def with_texts(record: Record, change: Callable[[str], str]) -> Record:
    """Return *record*, of JSON or of dataclasses, with what *change* makes of each text in it."""
    made: Any = record
    if isinstance(record, str):
        made = change(record)
    elif isinstance(record, list | tuple):
        made = type(record)(with_texts(one, change) for one in record)
    elif isinstance(record, dict):
        made = {with_texts(key, change): with_texts(one, change) for key, one in record.items()}
    elif dataclasses.is_dataclass(record) and not isinstance(record, type):
        names = [field.name for field in dataclasses.fields(record) if field.init]
        texts = {name: with_texts(getattr(record, name), change) for name in names}
        made = dataclasses.replace(record, **texts)
    result: Record = made
    return result


def escape(found: re.Match[str]) -> str:
    """Return the visible form of the character *found*."""
    number = ord(found[0])
    if 0xDC80 <= number <= 0xDCFF:  # a byte of a name that is no UTF-8, as `os.fsdecode` has it
        return f"\\x{number - 0xDC00:02x}"
    return found[0].encode("unicode_escape").decode("ascii")


def in_plain_letters(error: UnicodeError) -> tuple[str, int]:
    """Return what stands for the characters that an encoding lacks, and where to go on."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    letters = (PLAIN.get(char, char.encode("unicode_escape").decode("ascii")) for char in lacking)
    return "".join(letters), error.end


codecs.register_error(READABLE, in_plain_letters)


def never_fail_for_a_letter() -> None:
    """Have standard output and error write in plain letters what their encoding lacks.

    For the start of every program: it counts for what libraries print as well.
    """
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):  # none where it is closed
            reconfigure(errors=READABLE)


def echo(*parts: str | Styled, err: bool = False, file: TextIO | None = None) -> None:
    """Print *parts*, one behind the other, as a line: to *file*, or to standard output or error.

    Raises OutputError when it cannot be written; of standard error nobody could be told.
    """
    stream = file or (sys.stderr if err else sys.stdout)
    if not stream:  # it was closed before we began, `>&-`
        return
    colours = shows_colours(stream)
    text = "".join(rendered(part, colours=colours) for part in parts)
    try:
        stream.write(f"{text}\n")
        stream.flush()
    except OSError as error:
        if stream is not sys.stderr:
            raise OutputError(error) from None


def echo_json(value: Any) -> None:
    """Print *value* as JSON, in ASCII alone: every encoding has it, and no terminal obeys it."""
    echo(json.dumps(value, indent=1, allow_nan=False))


def overwrite(text: str) -> bool:
    """Print *text* over the last such line of standard error; tell whether that is possible."""
    if not shows_colours(sys.stderr):
        return False
    with contextlib.suppress(OSError):  # of standard error nobody could be told
        sys.stderr.write(f"\r\x1b[K{one_line(text)}")
        sys.stderr.flush()
    return True


def fail(message: str) -> NoReturn:
    """Print *message* to standard error, in one line, and exit with status 1."""
    echo(one_line(message), err=True)
    sys.exit(1)


def rendered(part: str | Styled, *, colours: bool) -> str:
    """Return *part* printable, in its style if it has one and *colours* are wanted."""
    if isinstance(part, str):
        return printable(part)
    text = printable(part.text)
    return f"\x1b[{STYLES[part.style]}m{text}\x1b[0m" if colours else text


def shows_colours(stream: TextIO | None) -> bool:
    """Tell whether *stream* is a terminal that takes escape sequences, and whether it should.

    See https://no-color.org and terminfo(5) of ``dumb``.
    """
    dumb = os.environ.get("TERM", "") in ("dumb", "unknown")
    return bool(stream and stream.isatty()) and not dumb and not os.environ.get("NO_COLOR")


def console(stream: TextIO) -> "Console":
    """Return what draws tables of rich on *stream*, without a single escape where none is wanted.

    What it is given to draw has to be a `painted` text.
    """
    from rich.console import Console

    colours = shows_colours(stream)
    return Console(
        file=stream,
        highlight=False,
        markup=False,
        emoji=False,
        color_system="auto" if colours else None,
    )


def recording_console(columns: int) -> "Console":
    """Return a console of rich that prints nowhere, and keeps what it is given, with colours."""
    from rich.console import Console

    return Console(
        file=io.StringIO(),
        record=True,
        width=columns,
        force_terminal=True,
        color_system="truecolor",
        no_color=False,
        highlight=False,
        markup=False,
        emoji=False,
    )


def painted(text: str, style: str = "") -> "Text":
    """Return *text* as rich draws it, printable and in *style*."""
    from rich.text import Text

    return Text(printable(text), style)
