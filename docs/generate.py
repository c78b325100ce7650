"""Write into the pages what the code itself says: the strategies, and the help of the commands.

A page marks a place with ``<!-- generated: NAME -->`` and ``<!-- end -->``; whatever is between
the two is written anew. ``python docs/generate.py`` does so, and with ``--check`` only names
the pages that are stale, and fails. A strategy that git does not track yet may be missing: whoever
tries one out needs one file and nothing else.
"""

import re
import subprocess
import sys
from pathlib import Path

import click

from calcbench.bench.cli.main import cli
from calcbench.core.options import describe
from calcbench.core.serving import catalogue

DOCS = Path(__file__).parent
PLACE = re.compile(r"(<!-- generated: (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)
WIDTH = 80  # columns of a help text


def untracked() -> set[str]:
    """Return the strategies that git does not track; none where there is no git to ask."""
    command = ["git", "ls-files", "--others", "../strategies"]
    try:
        listing = subprocess.run(command, cwd=DOCS, capture_output=True, text=True, check=False)
    except OSError:
        return set()
    return {Path(line).stem.replace("_", "-") for line in listing.stdout.splitlines()}


def strategies(old: str, may_miss: set[str]) -> str:
    """Return a table of every strategy: its file, its summary, its options with their defaults.

    Those that *may_miss* are in it only if they are in the *old* table.
    """
    lines = ["| strategy | in one line | options |", "|---|---|---|"]
    for name in catalogue.names():
        strategy = catalogue.load(name)
        options = [
            f"`{field.name}={field.default}` {field.help}"
            for field in describe(strategy.options_type)
        ]
        file = f"../strategies/{name.replace('-', '_')}.py"
        if name in may_miss and file not in old:
            continue
        cells = f"[{name}]({file})", strategy.summary, "<br>".join(options) or "none"
        lines.append(f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |")
    return "\n".join(lines)


def help_of(name: str) -> str:
    """Return what ``calcbench NAME --help`` prints, as a block of code."""
    with cli.make_context("calcbench", [], resilient_parsing=True, terminal_width=WIDTH) as ctx:
        text = cli.get_help(ctx)
        if name:
            command = cli.get_command(ctx, name)
            assert command, name
            text = command.get_help(click.Context(command, ctx, info_name=name))
    # Releases of click disagree on whether a command that may be left out stands in brackets.
    return f"```text\n{text.replace('[COMMAND]', 'COMMAND')}\n```"


def generate(name: str, old: str, may_miss: set[str]) -> str:
    """Return the text of the place called *name*, whose *old* text is known."""
    if name == "strategies":
        return strategies(old, may_miss)
    command = re.fullmatch(r"calcbench (?:(\w+) )?--help", name)
    assert command, f"nothing generates {name!r}"
    return help_of(command[1] or "")


def fresh(page: str, may_miss: set[str]) -> str:
    """Return the text of a *page* with all that is generated written anew."""
    return PLACE.sub(
        lambda place: f"{place[1]}\n{generate(place[2], place[0], may_miss)}\n\n{place[3]}", page
    )


def main() -> None:
    """Rewrite the pages, or check that there is nothing to rewrite."""
    check = "--check" in sys.argv
    may_miss = untracked() if check else set()
    stale = []
    for path in sorted(DOCS.glob("*.md")):
        old = path.read_text(encoding="utf-8")
        if (new := fresh(old, may_miss)) != old:
            stale.append(f"docs/{path.name}")
            if not check:
                path.write_text(new, encoding="utf-8")
    if stale and check:
        sys.exit(f"stale: {', '.join(stale)}; `make docs` writes them anew")
    print(f"written anew: {', '.join(stale)}" if stale else "all pages are fresh")


if __name__ == "__main__":
    main()
