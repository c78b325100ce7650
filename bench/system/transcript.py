"""What a terminal showed, kept as a picture or a page: for `--export FILE.svg` and `FILE.html`.

All that is written to standard output is kept beside, with its colours. What moves the cursor,
such as a display that is drawn over and over, is no part of it: see `not_exported`.
"""

import contextlib
import html
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

from calcbench.bench.system.files import whole_file
from calcbench.bench.system.terminal import recording_console
from calcbench.core.errors import CalcbenchError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

SUFFIXES = (".svg", ".html")
FONTS = "DejaVu Sans Mono, Menlo, Consolas"  # nothing is loaded from elsewhere
FONT_FACE = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
COLUMNS = 120  # where there is no terminal
LONGEST_TITLE = 70  # characters
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="UTF-8">
<title>TITLE</title>
<style>
{stylesheet}
body {{ color: {foreground}; background-color: {background}; }}
pre {{ font-family: FONTS, monospace; font-size: 1rem; }}
</style>
</head>
<body>
<pre><code>{code}</code></pre>
</body>
</html>
"""


class Tee:
    """A stream that keeps what is written to *stream*, unless it is *paused*."""

    def __init__(self, stream: TextIO) -> None:
        self.stream, self.parts, self.paused = stream, list[str](), False

    def write(self, text: str) -> int:
        """Write *text*, and keep it."""
        written = self.stream.write(text)
        if not self.paused:
            self.parts.append(text)
        return written

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def export_path(text: str) -> Path:
    """Return the path in *text*; raises UsageError where nothing can be exported to it."""
    path = Path(text)
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"--export {text!r} should end in {' or '.join(SUFFIXES)}")
    if not path.parent.is_dir():
        raise UsageError(f"--export {text!r}: there is no folder {str(path.parent)!r}")
    if path.is_dir():
        raise UsageError(f"--export {text!r} is a folder")
    return path


@contextlib.contextmanager
def exported(path: Path | None) -> Iterator[None]:
    """Write to *path*, if there is one, all that is printed within; also where it ends in an error.

    Nothing is written where it is interrupted, or where nothing was printed. Raises CalcbenchError
    when it cannot be written.
    """
    if not path or not sys.stdout:
        yield
        return
    tee = Tee(sys.stdout)
    sys.stdout = cast("TextIO", tee)
    try:
        yield
    except Exception:
        with contextlib.suppress(CalcbenchError):  # the first error is the one to tell
            write_export(path, tee)
        raise
    finally:
        sys.stdout = tee.stream
    write_export(path, tee)


@contextlib.contextmanager
def not_exported() -> Iterator[None]:
    """Leave out of an export what is printed within."""
    tee: Any = sys.stdout
    if not isinstance(tee, Tee):
        yield
        return
    before, tee.paused = tee.paused, True
    try:
        yield
    finally:
        tee.paused = before


def write_export(path: Path, tee: Tee) -> None:
    """Write what *tee* has kept to *path*; raises CalcbenchError when it cannot be written."""
    shown = "".join(tee.parts).strip("\n")
    if not shown:
        return
    columns = shutil.get_terminal_size().columns if tee.stream.isatty() else COLUMNS
    drawing = recorded(shown, columns)
    title = shlex.join(["calcbench", *sys.argv[1:]])
    if len(title) > LONGEST_TITLE:
        title = title[: LONGEST_TITLE - 1] + "…"
    made = as_svg(drawing, title) if path.suffix.lower() == ".svg" else as_html(drawing, title)
    with whole_file(path) as file:
        file.write(made.encode(errors="backslashreplace"))


def recorded(shown: str, columns: int) -> "Console":
    """Return a console of rich in which *shown*, with its colours, stands in so many *columns*."""
    from rich.text import Text

    drawing = recording_console(columns)
    drawing.print(Text.from_ansi(shown))
    return drawing


def as_svg(drawing: "Console", title: str) -> str:
    """Return *drawing* as a picture that needs no other file."""
    return FONT_FACE.sub("", drawing.export_svg(title=title)).replace("Fira Code", FONTS)


def as_html(drawing: "Console", title: str) -> str:
    """Return *drawing* as a page that needs no other file."""
    named = html.escape(title).replace("{", "{{").replace("}", "}}")
    page = PAGE.replace("TITLE", named).replace("FONTS", FONTS)
    return drawing.export_html(code_format=page, inline_styles=False)
