"""Which strategies there are: the files in the `strategies` folder, and those given by path.

A file that is no strategy, or cannot be imported, takes none of the others along: it is there by
its name, cannot run, and says in one line what is wrong, where, and what would be right.
"""

import contextlib
import dataclasses
import importlib
import importlib.util
import io
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from calcbench.core.errors import CalcbenchError, UsageError
from calcbench.core.options import describe, nearest, parse_options
from calcbench.core.serving import own_file
from calcbench.core.serving.faults import FILE_NAME, fault_of_import, fault_of_module, fault_of_name

PACKAGE = "calcbench.strategies"
OF_ONES_OWN = "my-"  # before the name of a file that is called like a strategy of ours


@dataclass(frozen=True)
class Need:
    """Something that a strategy needs: what it is, and whether it is there."""

    what: str
    met: bool


@dataclass(frozen=True)
class Strategy:
    """A strategy as its file declares it; *unavailable* says why it cannot run here, or is "".

    *broken* says what is wrong with its file, in one line, and is "" for one that is right.
    *path* is where the file is, for one that was given by path.
    """

    name: str
    summary: str
    description: str
    options_type: type | None
    unavailable: str
    serve: Callable[..., None]
    broken: str = ""
    path: str = ""


given: dict[str, Strategy] = {}  # by path, in this process


@dataclass(frozen=True)
class Variant:
    """A strategy with some of its options set."""

    strategy: str
    options: tuple[str, ...]

    @property
    def label(self) -> str:
        """How charts and tables call it."""
        return f"{self.strategy}:{','.join(self.options)}" if self.options else self.strategy


def has(module: str, attribute: str = "") -> Need:
    """Return the need that *module* is installed, and has *attribute* where one is named."""
    what = f"{module}.{attribute}" if attribute else f"the package {module}"
    if importlib.util.find_spec(module) is None:
        return Need(what, False)
    if attribute and not hasattr(importlib.import_module(module), attribute):
        return Need(what, False)
    return Need(what, True)


def folder() -> str:
    """Return the folder that the strategies are in."""
    package = importlib.import_module(PACKAGE)
    return str(next(iter(package.__path__)))


def package_folders() -> dict[str, str]:
    """Return what another interpreter needs to find our packages: each with its folder."""
    core = Path(__file__).parent.parent
    return {"calcbench": "", "calcbench.core": str(core), PACKAGE: folder()}


def files() -> dict[str, str]:
    """Return the file of each strategy by its name, those that are none included.

    Where two would have one name, the one whose file name is right has it.
    """
    entries = [path.name for path in Path(folder()).iterdir() if is_meant_for_one(path)]
    found: dict[str, str] = {}
    for file in sorted(entries, key=lambda file: (fault_of_name(file) != "", file)):
        name = name_of(file)
        while name in found:
            name += "-again"
        found[name] = file
    return dict(sorted(found.items()))


def name_of(file: str) -> str:
    """Return the name of the strategy in *file*; of one with a bad name, as near as one can be."""
    stem = file.removesuffix(".py")
    if FILE_NAME.fullmatch(file):
        return stem.replace("_", "-")
    return re.sub(r"[^A-Za-z0-9]+", "-", stem).strip("-") or "unnamed"


def is_meant_for_one(path: Path) -> bool:
    """Tell whether *path* in the folder is a strategy, or something in its place: a package."""
    if path.suffix == ".py":
        return path.is_file() and path.name != "__init__.py"
    return (path / "__init__.py").is_file()


def names() -> list[str]:
    """Return the names of all strategies, sorted."""
    return list(files())


def load(name: str, *, aloud: bool = False) -> Strategy:
    """Return the strategy called *name*; raises UsageError with the nearest name for no such.

    One whose file is broken is returned as one that cannot run. What it prints while it is imported
    is heard only *aloud*, on standard error.
    """
    if name in given:
        return given[name]
    known = files()
    if name not in known:
        mine = f"./{name.replace('-', '_')}.py"
        there = Path(mine).is_file()
        hint = f"; did you mean {mine!r}?" if there else nearest(name, known)
        raise UsageError(f"no strategy {name!r}{hint}")
    file = known[name]
    module = f"{PACKAGE}.{file.removesuffix('.py')}"
    path = Path(folder()) / file
    return load_module(
        name, f"strategies/{file}", path, lambda: importlib.import_module(module), aloud=aloud
    )


def load_module(
    name: str, where: str, path: Path, read: Callable[[], ModuleType], *, aloud: bool
) -> Strategy:
    """Return the strategy *name* in the module that *read* imports from *path*, or a broken one.

    *where* is what messages call the file.
    """
    if fault := fault_of_name(where):
        return broken_strategy(name, fault)
    try:
        # What it prints is no part of our output; its server says it, once.
        output = sys.stderr if aloud else io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            module = read()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - an exit, too; whatever it was, it is told below
        return broken_strategy(name, fault_of_import(where, path, error))
    if fault := fault_of_module(where, module):
        return broken_strategy(name, fault)
    return strategy_of(module)


def load_file(path: Path, name: str, *, aloud: bool = False) -> Strategy:
    """Return the strategy in the file *path*, read anew and called *name*.

    *aloud* as for `load`; what it imports stays imported then, for its server.
    """
    module = f"{PACKAGE}.{path.stem}"

    def read() -> ModuleType:
        return own_file.import_file(path, module, for_good=aloud)

    found = load_module(name, path.name, path, read, aloud=aloud)
    return dataclasses.replace(found, name=name, path=str(path))


def add_file(text: str) -> str:
    """Make the strategy in the file that the path *text* means known; return its name.

    Whatever was called so before is forgotten. Raises UsageError where there is no such file.
    """
    path = own_file.find(text)
    if path.parent == Path(folder()).resolve():
        return name_of(path.name)
    name = name_of(path.name)
    if name in files():
        name = OF_ONES_OWN + name
    given[name] = load_file(path, name)
    return name


def broken_strategy(name: str, fault: str) -> Strategy:
    """Return what stands for a strategy with a *fault*."""

    def serve(*_: object) -> None:
        raise CalcbenchError(fault)

    return Strategy(name, "", "", None, f"is broken: {fault}", serve, broken=fault)


def strategy_of(module: ModuleType) -> Strategy:
    """Return what the strategy *module* declares, which has no fault."""
    requirements: tuple[Need, ...] = getattr(module, "REQUIRES", ())
    missing = [requirement.what for requirement in requirements if not requirement.met]
    summary, _, description = (module.__doc__ or "").strip().partition("\n")
    serve: Callable[..., None] = module.serve
    return Strategy(
        name=module.__name__.rpartition(".")[2].replace("_", "-"),
        summary=summary,
        description=description.strip(),
        options_type=getattr(module, "Options", None),
        unavailable=f"needs {' and '.join(missing)}" if missing else "",
        serve=serve,
    )


def parse_variant(text: str) -> Variant:
    """Return the variant that *text* names, as in ``threadpool:workers=4,queue=9``.

    Raises UsageError for an unknown strategy or a bad option, CalcbenchError for a broken one that
    is given options.

    Where it names a file, as in ``./mine.py:workers=4``, that is read.
    """
    if by_path := own_file.split_options(text):
        name, assignments = add_file(by_path[0]), by_path[1]
    else:
        name, _, assignments = text.strip().partition(":")
        name = name.strip().replace("_", "-")
    strategy = load(name)
    options = tuple(part.strip() for part in assignments.split(",") if part.strip())
    if strategy.broken and options:
        raise CalcbenchError(strategy.broken)
    try:
        parse_options(strategy.options_type, options)
    except UsageError as error:
        raise UsageError(f"strategy {name!r}: {error}") from None
    return Variant(name, options)


def options_of(variant: Variant) -> dict[str, Any]:
    """Return every option of *variant* with its value, set or default."""
    options_type = load(variant.strategy).options_type
    values = parse_options(options_type, variant.options)
    return {field.name: getattr(values, field.name) for field in describe(options_type)}
