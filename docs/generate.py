"""Write into the pages what code and results say: strategies, help texts, rooms, figures.

A page, README.md too, marks a place with ``<!-- generated: NAME -->`` and ``<!-- end -->``, and
whatever is between the two is written anew. ``python docs/generate.py`` does so, and with
``--check`` only names the pages that are stale, and fails. A strategy that git does not track yet
may be missing: whoever tries one out needs one file and nothing else.
"""

import ast
import dataclasses
import functools
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import click

from calcbench.bench.analysis.scaling import family
from calcbench.bench.analysis.summary import Row, Summary, summarise
from calcbench.bench.cli.main import cli
from calcbench.bench.schema.reader import read_run
from calcbench.bench.schema.result import Run
from calcbench.bench.units import format_number
from calcbench.bench.views.cells import HEADINGS
from calcbench.bench.views.table import LEFT, sections
from calcbench.bench.views.text_table import aligned, places_of
from calcbench.bench.views.wording import enumerate_names
from calcbench.core.options import describe
from calcbench.core.serving import catalogue

DOCS = Path(__file__).parent
ROOT = DOCS.parent
PLACE = re.compile(r"(<!-- generated: (.+?) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
WIDTH = 80  # columns of a help text
DRAWING = 100  # columns of the drawing of the rooms
PARAGRAPH = 106  # columns of a paragraph
REFERENCE = ROOT / "results" / "reference"
REFERENCE_TABLE = re.compile(r"reference: (\S+) at (\S+) under (\S+)")
ALIKE = 1.2  # times as many, up to which it is said to be about as many


def untracked() -> set[str]:
    """Return the strategies that git does not track; none where there is no git to ask."""
    command = ["git", "ls-files", "--others", "../strategies"]
    try:
        listing = subprocess.run(command, cwd=DOCS, capture_output=True, text=True, check=False)
    except OSError:
        return set()
    return {dashed(Path(line)) for line in listing.stdout.splitlines()}


def dashed(file: Path) -> str:
    """Return the name of the strategy in *file*."""
    return file.stem.replace("_", "-")


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
        link = f"[{name}]({file})"
        lines.append(table_row(link, strategy.summary, "<br>".join(options) or "none"))
    return "\n".join(lines)


def table_row(*cells: str) -> str:
    """Return one line of a table in Markdown."""
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


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


def source(path: str) -> str:
    """Return the code in the file at *path*, relative to the checkout, as a block of code."""
    return f"```python\n{(ROOT / path).read_text(encoding='utf-8')}```"


def rooms() -> dict[str, list[Path]]:
    """Return the files of each room, by the room's path relative to the checkout.

    A room is a folder of a wing, or a module beside those folders. A room of more than one file
    begins with its ``__init__.py``. The strategies, which page 3 lists, count as one file.
    """
    found = {"strategies": [ROOT / "strategies/__init__.py"]}
    for wing in ("core", "bench"):
        for path in sorted((ROOT / wing).iterdir()):
            if path.suffix == ".py" and path.stem != "__init__":
                found[f"{wing}/{path.name}"] = [path]
            elif (path / "__init__.py").exists():
                found[f"{wing}/{path.name}"] = sorted(path.rglob("*.py"))
    return found


def first_line(path: Path) -> str:
    """Return the first line of the docstring of the module at *path*."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0]


def imported(path: Path) -> Iterator[str]:
    """Yield what the module at *path* imports of ours, anywhere in it: ``core.http.limits``."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        yield from (name.partition(".")[2] for name in names if name.startswith("calcbench."))


def room_of(name: str, among: dict[str, list[Path]]) -> str:
    """Return the room that *name*, of a module or of something in it, is in; or nothing."""
    wing, _, rest = name.partition(".")
    room = f"{wing}/{rest.partition('.')[0]}"
    return next((one for one in (room, f"{room}.py", wing) if one in among), "")


def uses() -> dict[str, set[str]]:
    """Return the rooms that each room imports from; strategies that git does not track aside."""
    found, aside = rooms(), untracked()
    tried = [path for path in (ROOT / "strategies").glob("*.py") if dashed(path) not in aside]
    return {
        room: {room_of(name, found) for path in paths for name in imported(path)} - {room, ""}
        for room, paths in (found | {"strategies": tried}).items()
    }


def floors() -> list[list[str]]:
    """Return the rooms floor by floor, the highest first, as their imports have it.

    A room is on the lowest floor that is above all it imports. Raises CycleError for a circle.
    """
    below = uses()
    floor_of: dict[str, int] = {}
    for room in TopologicalSorter(below).static_order():
        floor_of[room] = max((floor_of[one] + 1 for one in below[room]), default=0)
    return [
        sorted(room for room in floor_of if floor_of[room] == floor)
        for floor in range(max(floor_of.values()), -1, -1)
    ]


def wings() -> str:
    """Return a drawing of the rooms: what each is for, and below it what it imports."""
    found, below, levels = rooms(), uses(), floors()
    order = [room for level in levels for room in level]
    width = max(map(len, found))
    lines = []
    for number, level in enumerate(levels):
        lines.append(f" floor {len(levels) - 1 - number} ".ljust(DRAWING, "─"))
        for room in level:
            lines += beside(room, first_line(found[room][0]).replace("``", "`"), width)
            known = sorted(below[room], key=order.index)
            if known:
                short = (one.removeprefix("bench/").removesuffix(".py") for one in known)
                lines += beside("", f"→ {', '.join(short)}", width, indent="  ")
    return "\n".join(["```text", *lines, "```"])


def beside(name: str, text: str, width: int, indent: str = "") -> list[str]:
    """Return the lines that show *text* behind a *name* of at most *width* characters."""
    room = DRAWING - width - 4
    wrapped = textwrap.wrap(text, room, subsequent_indent=indent, break_on_hyphens=False)
    names = [name, *[""] * len(wrapped)]
    return [f"  {name:{width}}  {line}" for name, line in zip(names, wrapped, strict=False)]


def modules() -> str:
    """Return a table of the modules of each room that has some, from the highest floor down."""
    found = rooms()
    folders = [room for level in floors() for room in level if len(found[room]) > 1]
    return "\n\n".join(module_table(room, found[room]) for room in folders)


def module_table(room: str, files: list[Path]) -> str:
    """Return the section on a *room*: its purpose, and a line for each of its *files*."""
    lines = [f"### {room}", "", first_line(files[0]), "", "| module | what it is |", "|---|---|"]
    for path in files[1:]:
        name = path.relative_to(ROOT / room).as_posix().removesuffix(".py")
        link = f"[{name.removesuffix('/__init__')}](../{path.relative_to(ROOT).as_posix()})"
        lines.append(table_row(link, first_line(path)))
    return "\n".join(lines)


@functools.cache
def reference_run() -> tuple[Run, Summary]:
    """Return the reference run and its summary."""
    run = read_run(REFERENCE)
    return run, summarise(run, REFERENCE)


def reference_row(strategy: str, workload: str, connections: int) -> Row:
    """Return the one row of the reference run that these name."""
    return next(
        one
        for one in reference_run()[1].rows
        if one.condition.strategy == strategy
        and (one.condition.workload, one.condition.connections) == (workload, connections)
    )


def reference(name: str, old: str) -> str:
    """Return the text of the place called *name*, from the reference run.

    A copy of the code may lack that run: there the place keeps its *old* text.
    """
    if not REFERENCE.exists():
        return old.removeprefix("\n").removesuffix("\n\n")
    if matched := REFERENCE_TABLE.fullmatch(name):
        strategies, levels, workload = matched.groups()
        return reference_table(strategies.split(","), [*map(int, levels.split(","))], workload)
    said = SENTENCES[name]()
    return textwrap.fill(said, PARAGRAPH, break_on_hyphens=False, break_long_words=False)


def reference_table(strategies: list[str], levels: list[int], workload: str) -> str:
    """Return the command for these, and of its table what the reference run has."""
    run, summary = reference_run()
    rows = [reference_row(strategy, workload, level) for level in levels for strategy in strategies]
    [section] = sections(dataclasses.replace(summary, rows=tuple(rows)), run)
    chosen = f"--strategy {','.join(strategies)} --connections {','.join(map(str, levels))}"
    lines = aligned([HEADINGS, *section.rows], places_of(HEADINGS, *LEFT))
    command = f"$ calcbench run {chosen} --workload {workload}"
    return "\n".join(["```console", command, section.heading, *lines, "```"])


def flip() -> str:
    """Say how many times as many one strategy answers as another, under two workloads."""
    costless, waiting = (
        reference_row("selectors", workload, 32).throughput.median
        / reference_row("thread-per-request", workload, 32).throughput.median
        for workload in ("add", "wait=10ms")
    )
    return (
        "With 32 clients and responses that cost nothing (`add`), one event loop (selectors) serves"
        f" {as_many(costless)} requests as a thread for each request (thread-per-request)."
        f" Where responses wait 10 ms, it serves {as_many(waiting)}."
    )


def as_many(ratio: float) -> str:
    """Return *ratio* as a sentence says it, before what is counted."""
    if 1 / ALIKE < ratio < ALIKE:
        return "about as many"
    return f"{ratio:.0f} times as many" if ratio >= 2 else f"{ratio:.1f} times as many"


def prediction() -> str:
    """Say what the time of a request alone predicts for the pool, and what was measured."""
    run, _ = reference_run()
    levels = run.plan.connections
    line = {level: reference_row("threadpool", "wait=10ms", level) for level in levels}
    served = family(line, run)
    predicted = enumerate_names([f"{served.many(level):,.0f}" for level in levels])
    measured = enumerate_names([f"{one.throughput.median:,.0f}" for one in line.values()])
    return (
        "In the [reference run](../results/reference) `wait=10ms` takes"
        f" {format_number(served.service_s * 1e3)} ms alone, so the pool of {served.servers:.0f}"
        f" should answer {predicted} requests a second of"
        f" {enumerate_names([str(level) for level in levels])} clients; measured were {measured}."
    )


SENTENCES = {"reference: flip": flip, "reference: prediction": prediction}


def generate(name: str, old: str, may_miss: set[str]) -> str:
    """Return the text of the place called *name*, whose *old* text is known."""
    if name.startswith("reference: "):
        return reference(name, old)
    if name == "strategies":
        return strategies(old, may_miss)
    if name == "wings":
        return wings()
    if name == "modules":
        return modules()
    if name.endswith(".py"):
        return source(name)
    command = re.fullmatch(r"calcbench (?:(\w+) )?--help", name)
    assert command, f"nothing generates {name!r}"
    return help_of(command[1] or "")


def fresh(page: str, may_miss: set[str]) -> str:
    """Return the text of a *page* with all that is generated written anew."""
    return PLACE.sub(
        lambda place: f"{place[1]}\n{generate(place[2], place[3], may_miss)}\n\n{place[4]}", page
    )


def main() -> None:
    """Rewrite the pages, or check that there is nothing to rewrite."""
    check = "--check" in sys.argv
    may_miss = untracked() if check else set()
    stale = []
    for path in (ROOT / "README.md", *sorted(DOCS.glob("*.md"))):
        old = path.read_text(encoding="utf-8")
        if (new := fresh(old, may_miss)) != old:
            stale.append(path.relative_to(ROOT).as_posix())
            if not check:
                path.write_text(new, encoding="utf-8")
    if stale and check:
        sys.exit(f"stale: {', '.join(stale)}; `make docs` writes them anew")
    print(f"written anew: {', '.join(stale)}" if stale else "all pages are fresh")


if __name__ == "__main__":
    main()
