"""The walk in docs/ is true: its snippets run, its commands parse, its links lead somewhere."""

import doctest
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from calcbench.bench.cli.main import cli
from calcbench.bench.cli.param_types import parse_strategies
from calcbench.bench.views.cells import HEADINGS
from calcbench.core.options import parse_options
from calcbench.core.serving.catalogue import load, parse_variant
from calcbench.core.serving.launcher import ServerSpec, launch

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(path.name for path in DOCS.glob("*.md"))
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FILE = re.compile(r"(?:core|strategies|bench|tests|docs)/[\w/.-]+\.\w+")
EXAMPLE = re.compile(r"Save this as `strategies/(\w+)\.py`:\n\n```python\n(.*?)```", re.DOTALL)
GENERATED = re.compile(r"<!-- generated: .*?<!-- end -->", re.DOTALL)
DATE = re.compile(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT")
REFERENCE = ROOT / "results" / "reference"  # made by `make results`; a copy of the code may lack it


def read(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


def blocks(page: str, *languages: str) -> list[str]:
    """Return the text of every block of code of *page* in one of *languages*."""
    return [text for language, text in FENCE.findall(read(page)) if language in languages]


def prose(page: str) -> str:
    return FENCE.sub("", read(page))


def commands(page: str) -> Iterator[str]:
    """Yield each command line that *page* tells to type, in a block or in the text."""
    for text in blocks(page, "sh"):
        yield from text.splitlines()
    for text in blocks(page, "console"):
        yield from (line[2:] for line in text.splitlines() if line.startswith("$ "))
    # The line about a module may name a command without what it needs.
    yield from CODE.findall(FENCE.sub("", GENERATED.sub("", read(page))))


def anchors(page: Path) -> set[str]:
    """Return what a link can name in *page*: its headings, as the usual renderers write them."""
    headings = re.findall(
        r"^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE
    )
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.fixture
def example(strategies_folder: Path) -> str:
    """The name of the strategy that a page shows in full, saved as a reader would save it."""
    found = EXAMPLE.search(read("3-the-strategies.md"))
    assert found, "page 3 shows a complete strategy"
    module, code = found.groups()
    shutil.copytree(
        ROOT / "strategies",
        strategies_folder,
        ignore=shutil.ignore_patterns("__pycache__"),
        dirs_exist_ok=True,
    )
    (strategies_folder / f"{module}.py").write_text(code, encoding="utf-8")
    return str(module.replace("_", "-"))


def test_what_is_generated_is_fresh() -> None:
    check = [sys.executable, "-P", str(DOCS / "generate.py"), "--check"]
    done = subprocess.run(check, capture_output=True, text=True, check=False)

    assert (done.stderr, done.returncode) == ("", 0)


def test_the_readme_shows_a_strategy_as_it_is() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    strategy = (ROOT / "strategies" / "threadpool.py").read_text(encoding="utf-8")

    assert f"```python\n{strategy}```\n" in readme


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    broken = []
    for link in LINK.findall(prose(page)):
        target, _, anchor = link.partition("#")
        path = (DOCS / target).resolve() if target else DOCS / page
        if "://" in link or (path.is_relative_to(REFERENCE) and not REFERENCE.exists()):
            continue
        if not path.exists() or (anchor and anchor not in anchors(path)):
            broken.append(link)

    assert broken == []


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_of_the_front_pages_lead_somewhere(page: str) -> None:
    for link in LINK.findall(FENCE.sub("", (ROOT / page).read_text(encoding="utf-8"))):
        target, _, anchor = link.partition("#")
        path = ROOT / target if target else ROOT / page
        if "://" in link or (path.is_relative_to(REFERENCE) and not REFERENCE.exists()):
            continue

        assert path.exists(), link
        assert not anchor or anchor in anchors(path), link


@pytest.mark.parametrize("page", PAGES)
def test_files_that_are_named_exist(page: str) -> None:
    new = {f"strategies/{module}.py" for module, _ in EXAMPLE.findall(read(page))}
    named = {file for code in CODE.findall(prose(page)) for file in FILE.findall(code)}

    assert [file for file in sorted(named - new) if not (ROOT / file).exists()] == []


def test_the_index_leads_to_every_page() -> None:
    assert set(PAGES) - set(LINK.findall(prose("README.md"))) == {"README.md"}


@pytest.mark.parametrize("page", PAGES)
def test_commands_can_be_typed(
    page: str, example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for line in commands(page):
        for own in re.findall(r"\./(\w+\.py)", line):  # a strategy of the reader's own
            shutil.copy(ROOT / "strategies/threadpool.py", own)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([\w-]+):", makefile, re.MULTILINE)
    for line in commands(page):
        name, *words = re.split(r"\s[|>&]", line)[0].split("#")[0].split(maxsplit=1) or [""]
        arguments = shlex.split(words[0]) if words else []
        if name == "make":
            assert arguments[0] in targets
        elif name == "calcbench" and arguments:
            check_command(arguments)


def check_command(arguments: list[str]) -> None:
    """Raise what the command line would, short of doing anything."""
    try:
        with cli.make_context("calcbench", [*arguments]) as ctx:
            command = cli.get_command(ctx, arguments[0])
            assert command, f"no command {arguments[0]}"
            params = command.make_context(arguments[0], arguments[1:], parent=ctx).params
    except click.exceptions.Exit as asked_for_help:
        assert asked_for_help.exit_code == 0
        return
    if arguments[0] == "run":
        parse_strategies(params["strategies"])
    elif arguments[0] == "serve":
        variant = parse_variant(params["strategy"])
        parse_options(load(variant.strategy).options_type, params["options"])


@pytest.mark.parametrize("page", PAGES)
def test_tables_have_the_columns_of_today(page: str) -> None:
    heads = [
        line.split()
        for text in blocks(page, "console")
        for line in text.splitlines()
        if line.startswith("clients ")
    ]

    assert [head for head in heads if head != " ".join(HEADINGS).split()] == []


class AnyDate(doctest.OutputChecker):
    """Takes one date of a response for another."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        return super().check_output(DATE.sub("DATE", want), DATE.sub("DATE", got), optionflags)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "pycon")])
def test_snippets_say_what_they_are_said_to_say(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)  # where a reader is told to be
    with launch(ServerSpec("blocking")) as server:
        text = "\n\n".join(blocks(page, "pycon")).replace("8080", str(server.port))
        test = doctest.DocTestParser().get_doctest(text, {}, page, str(DOCS / page), 0)
        problems: list[str] = []
        runner = doctest.DocTestRunner(AnyDate(), verbose=False)
        runner.run(test, out=problems.append)
        stopped = server.stop()

    assert "".join(problems) == ""
    assert stopped.clean


@pytest.mark.parametrize("page", PAGES)
def test_excerpts_are_in_the_code(page: str) -> None:
    shown = {code for _, code in EXAMPLE.findall(read(page))}
    sources = [
        path.read_text(encoding="utf-8")
        for folder in ("core", "strategies", "bench")
        for path in (ROOT / folder).rglob("*.py")
    ]

    for excerpt in set(blocks(page, "python")) - shown:
        assert any(excerpt in source for source in sources), excerpt


@pytest.mark.parametrize("target", ["run", "test", "test-fast", "validate"])
def test_says_one_time_for_one_thing(target: str) -> None:
    pages = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "Makefile")]
    pages += [DOCS / page for page in PAGES]
    command = re.compile(rf"(?:make )?{target}(?: +#|:).*?((?:about )?(?:\w+ to )?\w+) minutes?\b")
    said = [
        (path.name, matched[1])
        for path in pages
        for text in path.read_text(encoding="utf-8").splitlines()
        if (matched := command.match(text))
    ]

    assert len(said) > 1
    assert len({time for _, time in said}) == 1, said
