"""The rules of the house that a reader relies on: who imports whom, and what a file looks like."""

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from types import ModuleType

import pytest

from calcbench.core.options import describe
from calcbench.core.serving.catalogue import files, load, strategy_of

ROOT = Path(__file__).parent.parent
OURS = ("core", "strategies", "bench", "tests")
STRATEGY_LINES = range(15, 81)  # a screen or two
MODULE_LINES = 300  # one that passes this does two jobs, or says why not
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc"}


def modules(*folders: str) -> list[Path]:
    """Return every Python file of *folders*, relative to the checkout."""
    found = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return sorted(path.relative_to(ROOT) for path in found)


def strategies() -> list[Path]:
    return [path for path in modules("strategies") if path.name != "__init__.py"]


def parse(path: Path) -> ast.Module:
    try:
        return ast.parse((ROOT / path).read_bytes(), str(path))
    except (SyntaxError, ValueError) as error:  # ValueError: a null byte, before Python 3.12
        line = getattr(error, "lineno", None)
        pytest.fail(f"{path}{f', line {line}' if line else ''}: {error}", pytrace=False)


def imports(tree: ast.AST) -> Iterator[tuple[ast.stmt, str]]:
    """Yield each import below *tree* and the full name of what it asks for."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = "." * node.level + (node.module or "")
            yield from ((node, f"{above}.{alias.name}") for alias in node.names)


def is_standard(name: str) -> bool:
    return name.partition(".")[0] in sys.stdlib_module_names


def is_below(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


@pytest.mark.parametrize("path", modules(*OURS), ids=str)
def test_names_its_own_modules_in_full(path: Path) -> None:
    names = [name for _, name in imports(parse(path))]

    assert [name for name in names if name.startswith(".")] == []
    assert [
        name for name in names if name.partition(".")[0] in ("core", "strategies", "bench")
    ] == []


# Who may import whom: a room imports from the floors below it and from itself, never from a
# neighbour on its own floor. The highest floor comes first. A room is a folder or one module.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("bench._root",),
    ("bench.cli",),
    ("bench.classroom", "bench.history", "bench.validation"),
    ("bench.runner", "bench.corebench"),
    ("bench.diagnosis", "bench.views"),
    ("bench.loadgen", "bench.analysis"),
    ("bench.schema",),
    ("bench.system", "bench.names", "bench.units"),
    ("strategies",),
    ("core.serving",),
    ("core.app",),
    ("core.http",),
    ("core.options",),
    ("core.errors",),
)
FLOOR_OF = {room: number for number, floor in enumerate(FLOORS) for room in floor}
# The one arrow that runs the other way: the catalogue finds the strategies by their names.
EXCEPTIONS = {("core.serving.catalogue", "strategies")}
# And the one module that everybody may import: `import calcbench`, for its version.
PACKAGE = "bench._root"


def name_of(path: Path) -> str:
    """Return the module in *path*, without ``calcbench.``."""
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def room_of(module: str) -> str:
    """Return the room that *module*, without ``calcbench.``, is in; empty for a folder of rooms."""
    parts = module.split(".")
    for end in range(len(parts), 0, -1):
        if (room := ".".join(parts[:end])) in FLOOR_OF:
            return room
    return ""


MODULES = {name_of(path): path for path in modules("core", "strategies", "bench")}


def module_in(name: str) -> str:
    """Return the module that *name*, of an import or of something in it, is of; or nothing."""
    parts = name.removeprefix("calcbench.").split(".")
    for end in range(len(parts), 0, -1):
        if (module := ".".join(parts[:end])) in MODULES:
            return module
    return ""


def is_package(name: str) -> bool:
    """Tell whether *name* is of the package itself, and not of one of its parts."""
    return name in ("calcbench", "calcbench.__version__")


def uses(path: Path) -> set[str]:
    """Return the modules of ours that *path* imports anywhere, or names as a text."""
    tree = parse(path)
    named = [name for _, name in imports(tree) if is_below(name, "calcbench")]
    for node in ast.walk(tree):
        # Modules that are started or found by their name: entry points of processes, strategies.
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            named += re.findall(r"^calcbench\.[\w.]+", node.value)
    found = {PACKAGE if is_package(name) else module_in(name) for name in named} - {name_of(path)}
    return {module for module in found if room_of(module)}


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_imports_go_down(module: str) -> None:
    room = room_of(module)
    upward = [
        used
        for used in uses(MODULES[module])
        if (other := room_of(used)) != room
        and FLOOR_OF[other] <= FLOOR_OF[room]
        and (module, other) not in EXCEPTIONS
        and used != PACKAGE
    ]

    assert upward == []


def test_the_package_itself_is_imported_for_its_version_alone() -> None:
    importers = [path for path in MODULES.values() if PACKAGE in uses(path)]
    wanted = {
        node.attr
        for path in importers
        for node in ast.walk(parse(path))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "calcbench"
    }

    assert wanted == {"__version__"}
    # It imports nothing of ours, or whoever imports it would import that as well.
    assert uses(MODULES[PACKAGE]) == set()


def test_every_module_is_in_a_room() -> None:
    folders = {"core", "strategies", "bench"}  # whose __init__ is only a docstring

    assert [module for module in MODULES if not room_of(module) and module not in folders] == []


def test_no_modules_import_one_another_in_a_circle() -> None:
    sorter = TopologicalSorter(
        {
            module: {used for used in uses(path) if (module, room_of(used)) not in EXCEPTIONS}
            for module, path in MODULES.items()
        }
    )

    sorter.prepare()  # raises CycleError, which names the circle


def test_names_of_modules_in_texts_exist() -> None:
    texts = [ROOT / "pyproject.toml", ROOT / "Makefile", *(ROOT / "docs").glob("*.md")]
    texts += [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    texts += [ROOT / path for path in modules(*OURS)]
    gone = [
        (path.name, name)
        for path in texts
        for name in re.findall(r"\bcalcbench\.(?:core|bench)\.\w+(?:\.\w+)*", read(path))
        if not module_in(name) or not is_there(name)
    ]

    assert gone == []


def is_there(name: str) -> bool:
    """Tell whether *name*, ``calcbench.core.errors.HttpError``, is a module or something in one."""
    module = module_in(name)
    rest = name.removeprefix("calcbench.").removeprefix(module).lstrip(".").split(".")[0]
    return not rest or re.search(rf"\b{rest}\b", read(ROOT / MODULES[module])) is not None


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", modules("core"), ids=str)
def test_core_imports_only_core_and_the_standard_library(path: Path) -> None:
    foreign = [
        name
        for _, name in imports(parse(path))
        if not is_standard(name) and not is_below(name, "calcbench.core")
    ]

    assert foreign == []


@pytest.mark.parametrize("name", files())
def test_strategies_can_be_loaded(name: str) -> None:
    """Every file in the folder, by whatever name; the line says what would be right."""
    if broken := load(name).broken:
        pytest.fail(broken, pytrace=False)


@pytest.mark.parametrize("path", strategies(), ids=str)
def test_strategies_import_only_core_and_the_standard_library(path: Path) -> None:
    tree = parse(path)
    inside_serve = {
        node
        for function in tree.body
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and function.name == "serve"
        for node in ast.walk(function)
    }

    foreign = [
        name
        for node, name in imports(tree)
        if not is_standard(name)
        and not is_below(name, "calcbench.core")
        # A third-party loop may be missing, so it is asked for late; and it is never one of ours.
        and (node not in inside_serve or is_below(name, "calcbench"))
    ]

    assert foreign == []


@pytest.mark.parametrize("path", strategies(), ids=str)
def test_strategies_fit_on_two_screens(path: Path) -> None:
    lines = (ROOT / path).read_text(encoding="utf-8").splitlines()

    assert len(lines) in STRATEGY_LINES, f"{path} has {len(lines)} lines; it should have 15 to 80"


@pytest.mark.parametrize("path", strategies(), ids=str)
def test_strategies_say_what_they_are_and_what_they_cost(path: Path) -> None:
    summary, blank, *rest = [*(ast.get_docstring(parse(path)) or "").splitlines(), "", ""]

    assert summary, f"{path} has no docstring; its first line is what calcbench list prints"
    assert blank == "", f"{path}: behind the first line of its docstring one should be empty"
    assert any(rest), f"{path}: a paragraph after the first line says what this way costs"


@pytest.mark.parametrize("path", strategies(), ids=str)
def test_strategies_read_in_one_order(path: Path) -> None:
    """REQUIRES, Options, serve, and then the helpers of serve; only serve has to be there."""
    defined = []
    for node in parse(path).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            defined.append(node.name)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            defined.append(node.targets[0].id)

    order = [name for name in defined if name in ("REQUIRES", "Options", "serve")]
    functions = [
        node.name
        for node in parse(path).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert order == [name for name in ("REQUIRES", "Options", "serve") if name in order]
    assert functions[:1] == ["serve"], f"{path}: serve should be the first function"


@pytest.mark.parametrize("path", strategies(), ids=str)
def test_strategies_leave_policy_to_the_core(path: Path) -> None:
    attributes = {node.attr for node in ast.walk(parse(path)) if isinstance(node, ast.Attribute)}

    assert attributes & {"setsockopt", "settimeout", "status", "headers"} == set()


@pytest.mark.parametrize("path", modules("core", "bench"), ids=str)
def test_modules_do_one_job_or_say_why_they_are_long(path: Path) -> None:
    text = read(ROOT / path)

    assert len(text.splitlines()) <= MODULE_LINES or "\n# Longer than 300 lines: " in text


@pytest.mark.parametrize("path", modules(*OURS), ids=str)
def test_modules_have_telling_names(path: Path) -> None:
    inside_package = path.relative_to("bench/_root") if path.is_relative_to("bench/_root") else path
    names = [part.removesuffix(".py") for part in inside_package.parts]

    assert VAGUE.isdisjoint(names)
    assert [name for name in names if name.startswith("_") and not name.endswith("__")] == []


def test_strategies_are_one_flat_folder() -> None:
    inside = {path.name for path in (ROOT / "strategies").iterdir() if path.is_dir()}

    assert inside - {"__pycache__"} == set()


def shown_to_contributors() -> str:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return text.partition("```python\n")[2].partition("```")[0]


def test_the_strategy_shown_to_contributors_is_one() -> None:
    code = shown_to_contributors()
    module = ModuleType("calcbench.strategies.acceptors")
    sys.modules[module.__name__] = module  # dataclasses look it up
    try:
        exec(compile(code, "CONTRIBUTING.md", "exec"), module.__dict__)
        shown = strategy_of(module)
    finally:
        del sys.modules[module.__name__]

    assert shown.summary
    assert [field.name for field in describe(shown.options_type)] == ["threads"]
    assert len(code.splitlines()) in STRATEGY_LINES


def shown_to_students() -> str:
    text = (ROOT / "docs" / "3-the-strategies.md").read_text(encoding="utf-8")
    _, _, rest = text.partition("Save this as `strategies/my_threads.py`:")
    return rest.partition("```python\n")[2].partition("```")[0]


@pytest.mark.slow
@pytest.mark.timeout(600)  # a suite within the suite
@pytest.mark.waits
@pytest.mark.parametrize(  # not by their names: the suite within would take this test for its own
    ("module", "code"),
    [("acceptors", shown_to_contributors()), ("my_threads", shown_to_students())],
    ids=["to contributors", "to students"],
)
def test_the_strategy_that_is_shown_passes_the_suite_of_all(
    module: str, code: str, tmp_path: Path
) -> None:
    name, folder = module.replace("_", "-"), tmp_path / "strategies"
    shutil.copytree(ROOT / "strategies", folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / f"{module}.py").write_text(code, encoding="utf-8")
    plugin = f"import calcbench.strategies\ncalcbench.strategies.__path__ = [{str(folder)!r}]\n"
    (tmp_path / "one_more.py").write_text(plugin, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pytest", "-p", "one_more", "-q", "-k", name],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        text=True,
        capture_output=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


LOCUST = ("locust", "gevent", "greenlet", "zmq")
LOCUST_WING = Path("bench/loadgen/locust")
OUTSIDE = {
    LOCUST_WING / f"{name}.py"
    for name in (
        *("__init__", "cluster", "session", "reporter", "messages", "secret"),
        *("border", "membership"),
    )
}


def is_of(names: list[str], packages: tuple[str, ...]) -> list[str]:
    return [name for name in names if any(is_below(name, package) for package in packages)]


@pytest.mark.parametrize("path", modules(*OURS), ids=str)
def test_locust_stays_in_processes_of_its_own(path: Path) -> None:
    """It replaces parts of the standard library for whoever imports it."""
    names = [name for _, name in imports(parse(path))]
    cluster = is_of(names, ("calcbench.bench.loadgen.locust",))
    if path.is_relative_to(LOCUST_WING) and path not in OUTSIDE:
        return
    may = tuple(f"calcbench.bench.loadgen.locust.{file.stem}" for file in OUTSIDE)

    assert is_of(names, LOCUST) == []
    assert [name for name in cluster if not is_of([name], may)] == []


# Everything printed goes through one module, which lets no terminal be commanded. The others that
# write to standard output: processes that we start and whose output we read ourselves, a program
# that is run by an interpreter without us, and the file for plain Locust, which is nobody's module.
PRINTING = Path("bench/system/terminal.py")
PRINTS_FOR_US = {
    Path("bench/corebench/parsing.py"),
    Path("bench/corebench/environment.py"),  # in the text of such a program
    Path("bench/loadgen/locust/locustfile.py"),
    *modules("bench/classroom/programs"),  # a student's own
}
PRINTERS = re.compile(
    r"(?<![.\w])print\(|\bclick\.(?:echo|secho|echo_via_pager|style)\b|\bConsole\("
    r"|\bsys\.(?:__)?std(?:out|err)(?:__)?\.write|\bsys\.exit\(f?[\"']"
)


@pytest.mark.parametrize("path", modules("bench"), ids=str)
def test_one_module_prints(path: Path) -> None:
    found = PRINTERS.findall(read(ROOT / path))

    assert not found or path == PRINTING or path in PRINTS_FOR_US
