"""A page for a run's folder: what came of it in words, and its charts. It loads nothing else."""

import html
from collections.abc import Sequence
from pathlib import Path

from calcbench.bench.analysis.summary import Summary
from calcbench.bench.schema.result import Run
from calcbench.bench.system.files import whole_file
from calcbench.bench.system.terminal import printable_record
from calcbench.bench.views.conclusions import verdict
from calcbench.bench.views.projector_table import columns_of

INDEX = "index.html"
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --page: #fff; --ink: #111; --faint: #444; }}
@media (prefers-color-scheme: dark) {{ :root {{ --page: #111; --ink: #f4f4f4; --faint: #bbb; }} }}
body {{ background: var(--page); color: var(--ink); font: 1.25rem/1.5 sans-serif;
  max-width: 80rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere; }}
h1 {{ font-size: 2rem; line-height: 1.25; }}
footer {{ color: var(--faint); }}
img {{ width: 100%; height: auto; background: #fff; margin: 0.5rem 0; }}
</style>
</head>
<body>
<main>
<h1>{winner}</h1>
{body}
</main>
<footer><p>Run {name}. All figures and notes: <code>calcbench report</code>.</p></footer>
</body>
</html>
"""


def write_page(
    summary: Summary, run: Run, folder: Path, charts: Sequence[Path], *, replace: bool = True
) -> Path:
    """Write the page of *summary* with *charts*, which lie below *folder*; return its path.

    One that is there stays unless it is to *replace* it. Raises CalcbenchError.
    """
    page = folder / INDEX
    if replace or not page.exists():
        with whole_file(page) as file:
            file.write(page_of(printable_record(summary), printable_record(run), charts, folder))
    return page


def page_of(summary: Summary, run: Run, charts: Sequence[Path], folder: Path) -> bytes:
    """Return the page: who wins, the rest in words, and the *charts*."""
    winners = [column.brief for column in columns_of(summary)]
    pictures = [path for path in charts if path.suffix == ".svg"]  # the same as PNG, and sharper
    parts = [f"<p>{html.escape(sentence)}</p>" for sentence in verdict(summary)]
    parts += [
        f'<p><img src="{html.escape(path.relative_to(folder).as_posix())}"'
        f' alt="Chart: {html.escape(path.stem.replace("-", " "))}"></p>'
        for path in pictures
    ]
    title = f"calcbench {run.name}"
    text = PAGE.format(
        title=html.escape(title),
        winner="<br>".join(map(html.escape, winners)) or html.escape(title),
        body="\n".join(parts),
        name=html.escape(run.name),
    )
    return text.encode(errors="backslashreplace")
