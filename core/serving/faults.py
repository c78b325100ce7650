"""What can be wrong with the file of a strategy: where it is, and what would be right.

Whoever writes a strategy makes these mistakes in the first half hour, and beside others who do
not. So each is one line, and nobody else's strategy goes with it.
"""

import dataclasses
import inspect
import re
import traceback
from pathlib import Path
from types import ModuleType

from calcbench.core.serving.failure import in_words

# Letters, digits and underscores: dashes are for the command line, where `a_b.py` is `a-b`.
FILE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*\.py")
RESERVED = ("all.py",)  # in lists of strategies it means every one
SIGNATURE = "def serve(listener, service, options, stop)"
KINDS = (int, float, str)


def fault_of_name(where: str) -> str:
    """Return what is wrong with the name of the file *where*, or with its being a folder, or ""."""
    file = where.rpartition("/")[2]
    if not file.endswith(".py"):
        return f"{where}/ is a folder; a strategy is one file: make it {file}.py"
    if file in RESERVED:
        return f"{where} has a name that means every strategy; rename it"
    if FILE_NAME.fullmatch(file):
        return ""
    return (
        f"{where} should have a name of letters, digits and underscores that begins"
        f" with a letter; rename it to {better_name(file)}"
    )


def better_name(file: str) -> str:
    """Return a name near *file* that a strategy's file may have."""
    fit = re.sub(r"[^A-Za-z0-9_]+", "_", file.removesuffix(".py")).strip("_")
    return (fit if fit[:1].isalpha() else f"strategy_{fit}".rstrip("_")) + ".py"


def fault_of_import(where: str, path: Path, error: BaseException) -> str:
    """Return what is wrong with the file *path*, whose import has raised *error*.

    *where* is what the file is called in a message, here and below.
    """
    if isinstance(error, SyntaxError) and error.filename == str(path):
        line = f", line {error.lineno}" if error.lineno else ""
        return f"{where}{line}: {error.msg}; correct it there"
    where += line_in(path, error)
    if isinstance(error, SystemExit):
        return f"{where}: it exits while it is imported; move the code that exits into serve"
    if isinstance(error, ModuleNotFoundError) and error.name:
        what = " ".join(str(error).split())
        package = error.name.partition(".")[0]
        return (
            f"{where}: {what}; install it, or import it inside serve and declare"
            f" REQUIRES = (has({package!r}),)"
        )
    return f"{where}: {in_words(error)}; correct it there"


def line_in(path: Path, error: BaseException) -> str:
    """Return the line of the file *path* that *error* came from, as in ``, line 3``, or nothing."""
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == str(path)
    ]
    return f", line {lines[-1]}" if lines else ""


def fault_of_module(where: str, module: ModuleType) -> str:
    """Return what is wrong with the strategy *module*, which could be imported; "" if nothing."""
    serve = getattr(module, "serve", None)
    if not inspect.isroutine(serve):
        return f"{where} has no function serve; write {SIGNATURE}"
    line = f"{where}, line {serve.__code__.co_firstlineno}" if inspect.isfunction(serve) else where
    if inspect.iscoroutinefunction(serve):
        return f"{line}: serve is async; write {SIGNATURE}, and start the event loop in it"
    try:
        inspect.signature(serve).bind("listener", "service", "options", "stop")
    except TypeError:
        parameters = ", ".join(inspect.signature(serve).parameters)
        return f"{line}: serve takes ({parameters}); write {SIGNATURE}"
    except ValueError:  # some builtin, which has no signature to look at
        pass
    return fault_of_requirements(where, module) or fault_of_options(where, module)


def fault_of_requirements(where: str, module: ModuleType) -> str:
    """Return what is wrong with the REQUIRES of *module*; "" if nothing."""
    requirements = getattr(module, "REQUIRES", ())
    if isinstance(requirements, tuple) and all(
        hasattr(one, "what") and hasattr(one, "met") for one in requirements
    ):
        return ""
    return f"{where}: REQUIRES should be a tuple, as in REQUIRES = (has('os', 'fork'),)"


def fault_of_options(where: str, module: ModuleType) -> str:
    """Return what is wrong with the Options of *module*; "" if nothing."""
    options = getattr(module, "Options", None)
    if options is None:
        return ""
    if not isinstance(options, type) or not dataclasses.is_dataclass(options):
        return f"{where}: Options is not a dataclass; write @dataclass(frozen=True) above it"
    for field in dataclasses.fields(options):
        if "help" not in field.metadata:
            example = f'{field.name}: int = option(8, "what it is")'
            return f"{where}: the option {field.name} has no help; write {example}"
        if type(field.default) not in KINDS:
            kind = type(field.default).__name__
            return (
                f"{where}: the default of the option {field.name} is a {kind}; it should be an int,"
                " a float or a str"
            )
    return ""
