"""A sheet: one page of HTML, to be printed from the browser on A4 or Letter, without colours."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from calcbench.bench.classroom.lessons.wording import LETTERS, blocks

STYLE = """
@page { margin: 14mm 16mm; }
* { box-sizing: border-box; }
body { font: 11pt/1.4 "Liberation Serif", Georgia, serif; color: #000; background: #fff;
       max-width: 178mm; margin: 8mm auto; }
@media print { body { margin: 0; max-width: none; } }
article { break-after: page; }
article:last-of-type { break-after: auto; }
header { display: flex; justify-content: space-between; border-bottom: 1.5pt solid #000;
         font: 9.5pt sans-serif; padding-bottom: 1.5mm; }
h1 { font: bold 17pt/1.2 sans-serif; margin: 4mm 0 3mm; }
h2 { font: bold 10.5pt sans-serif; margin: 4mm 0 1mm; }
p { margin: 0 0 1.6mm; }
ul { list-style: none; margin: 0 0 2mm; padding: 0; }
li { margin: 1mm 0; padding-left: 8mm; text-indent: -8mm; }
pre { font: 9pt/1.3 "Liberation Mono", Menlo, Consolas, monospace; margin: 1mm 0 2mm;
      padding: 0 0 0 3mm; border-left: 1pt solid #999; white-space: pre-wrap; break-inside: avoid; }
pre.program { font-size: 7.8pt; line-height: 1.15; padding: 0; border: 0; }
pre.program b { border-left: 2.5pt solid #000; padding-left: 1.5mm; margin-left: -2.4mm; }
pre.change { border-top: 1pt solid #999; padding-top: 1mm; }
code { font: 9.5pt "Liberation Mono", Menlo, Consolas, monospace; }
.line { border-bottom: .6pt solid #666; height: 8.5mm; }
.right { font-weight: bold; }
"""


@dataclass(frozen=True)
class Sheet:
    """One page: the *name* of its file, its *heading*, and the *body* of it in HTML."""

    name: str
    heading: str
    body: str


def page(title: str, sheets: Sequence[Sheet]) -> str:
    """Return a file of HTML with *sheets*, each on a page of its own."""
    articles = "\n".join(f"<article>\n{sheet.body}\n</article>" for sheet in sheets)
    return document(title, articles)


def document(title: str, content: str) -> str:
    """Return a whole file of HTML."""
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n{content}\n</body>\n</html>\n"
    )


def top(kind: str, title: str, *, for_whom: str = "") -> str:
    """Return what a sheet begins with: what it is, and room for a name *for_whom* it is."""
    name = f"{for_whom}: {'_' * 32}" if for_whom else "calcbench"
    header = f"<header><span>{escape(kind)}</span><span>{name}</span></header>"
    return f"{header}<h1>{escape(title)}</h1>"


def section(heading: str, *parts: str) -> str:
    """Return a part of a sheet under its *heading*."""
    return f"<h2>{escape(heading)}</h2>\n" + "\n".join(parts)


def prose(text: str) -> str:
    """Return the paragraphs of *text*, and what is literal in it, as HTML."""
    return "\n".join(
        f"<pre>{escape(block)}</pre>" if literal else f"<p>{escape(block)}</p>"
        for literal, block in blocks(text)
    )


def boxes(choices: Iterable[str], right: int | None = None) -> str:
    """Return *choices* with a box to tick before each; ticked and bold where one is *right*."""
    lines = []
    for number, choice in enumerate(choices):
        box = "\u2612" if number == right else "\u2610"
        style = ' class="right"' if number == right else ""
        lines.append(f"<li{style}>{box}&ensp;{LETTERS[number]})&ensp;{escape(choice)}</li>")
    return f"<ul>{''.join(lines)}</ul>"


def lines(count: int) -> str:
    """Return so many lines to write on."""
    return '<div class="line"></div>' * count
