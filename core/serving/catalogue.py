"""Which strategies there are: the files in the `strategies` folder, and nothing else."""

import importlib
import importlib.util
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from calcbench.core.errors import UsageError
from calcbench.core.options import describe, nearest, parse_options

PACKAGE = "calcbench.strategies"


@dataclass(frozen=True)
class Need:
    """Something that a strategy needs: what it is, and whether it is there."""

    what: str
    met: bool


@dataclass(frozen=True)
class Strategy:
    """A strategy as its file declares it; *unavailable* says why it cannot run here, or is ""."""

    name: str
    summary: str
    description: str
    options_type: type | None
    unavailable: str
    serve: Callable[..., None]


@dataclass(frozen=True)
class Variant:
    """A strategy with some of its options set; *label* is how charts and tables call it."""

    strategy: str
    options: tuple[str, ...]
    label: str


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


def names() -> list[str]:
    """Return the names of all strategies, sorted."""
    return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules([folder()]))


def load(name: str) -> Strategy:
    """Return the strategy called *name*; raises UsageError with the nearest name for no such."""
    known = names()
    if name not in known:
        raise UsageError(f"no strategy {name!r}{nearest(name, known)}")
    return strategy_of(importlib.import_module(f"{PACKAGE}.{name.replace('-', '_')}"))


def strategy_of(module: ModuleType) -> Strategy:
    """Return what the strategy *module* declares."""
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

    Raises UsageError for an unknown strategy or a bad option.
    """
    name, _, assignments = text.strip().partition(":")
    name = name.strip().replace("_", "-")
    strategy = load(name)
    options = tuple(part.strip() for part in assignments.split(",") if part.strip())
    try:
        parse_options(strategy.options_type, options)
    except UsageError as error:
        raise UsageError(f"strategy {name!r}: {error}") from None
    return Variant(name, options, f"{name}:{','.join(options)}" if options else name)


def options_of(variant: Variant) -> dict[str, Any]:
    """Return every option of *variant* with its value, set or default."""
    options_type = load(variant.strategy).options_type
    values = parse_options(options_type, variant.options)
    return {field.name: getattr(values, field.name) for field in describe(options_type)}
