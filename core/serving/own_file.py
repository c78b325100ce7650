"""A strategy in a file of one's own, in any folder: ``./mine.py``, ``~/course/mine.py:workers=4``.

What contains a ``/`` or ends in ``.py`` is a path. The file may import others that lie beside it.
"""

import importlib
import importlib.util
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from calcbench.core.errors import UsageError
from calcbench.core.options import nearest

# The path, and behind its colon the options. A path may have a colon; an option has no slash.
WITH_OPTIONS = re.compile(r"(?P<path>.*\.py|.*/[^:]*)(?::(?P<options>[^/]*))?", re.DOTALL)


def split_options(text: str) -> tuple[str, str] | None:
    """Return the path and the options that *text* consists of; None where it is no path."""
    matched = WITH_OPTIONS.fullmatch(text.strip())
    return (matched["path"], matched["options"] or "") if matched else None


def find(text: str) -> Path:
    """Return the file that the path *text* means, absolute; raises UsageError if there is none."""
    path = Path(text).expanduser()
    if path.is_dir():
        raise UsageError(f"{text!r} is a folder; a strategy is one file, as in './mine.py'")
    if path.suffix != ".py":
        with_ending = f"{text}.py"
        better = f"; did you mean {with_ending!r}?" if Path(f"{path}.py").is_file() else ""
        raise UsageError(f"{text!r} should be a file whose name ends in .py{better}")
    if not path.is_file():
        there = [str(path.with_name(one.name)) for one in sorted(path.parent.glob("*.py"))]
        better = nearest(text, there) if there else ""
        raise UsageError(f"there is no file {text!r}{better}")
    return path.resolve()


def import_file(path: Path, name: str, *, for_good: bool) -> ModuleType:
    """Return the module in *path*, imported anew as *name*; raises whatever it raises.

    Its folder is the last one that is searched for what it imports: a file there that is called
    like a module of the standard library does not hide it. Where it is not *for_good*, all that is
    forgotten again, so that files of the same name in two folders are kept apart.
    """
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"no Python file: {path.name}")
    module = importlib.util.module_from_spec(spec)
    with no_bytecode():
        if for_good:
            sys.path.append(str(path.parent))
            sys.modules[name] = module
            spec.loader.exec_module(module)
        else:
            with forgotten_afterwards(path.parent, name):
                sys.modules[name] = module
                spec.loader.exec_module(module)
    return module


@contextmanager
def no_bytecode() -> Iterator[None]:
    """Write no ``__pycache__`` beside what is imported within: it is edited and tried in turns.

    Bytecode counts as fresh when its source has the same size and the same second.
    """
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


@contextmanager
def forgotten_afterwards(folder: Path, name: str) -> Iterator[None]:
    """Search *folder* for what is imported within, and forget that and the module *name*."""
    before, path = dict(sys.modules), str(folder)
    sys.path.append(path)
    importlib.invalidate_caches()  # a file may have come a moment ago
    try:
        yield
    finally:
        sys.path.remove(path)
        for new, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if new not in before and file and Path(file).is_relative_to(folder):
                del sys.modules[new]
        sys.modules.pop(name, None)
        if name in before:
            sys.modules[name] = before[name]
