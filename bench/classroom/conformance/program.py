"""A program of one's own that was named where a strategy is meant: it is not to be imported."""

import ast

from calcbench.core.errors import UsageError
from calcbench.core.serving import own_file

PARAMETERS = 4  # of a strategy's serve
WAITS = ast.While, ast.For, ast.With, ast.AsyncFor, ast.AsyncWith


def refuse_program(text: str) -> None:
    """Raise UsageError where the path *text* names a program that serves by itself."""
    if not (by_path := own_file.split_options(text)):
        return
    path = own_file.find(by_path[0])
    if is_program(path.read_bytes()):
        raise UsageError(
            f"{path.name} is a program of its own, not a strategy: start it, then"
            " calcbench check http://localhost:PORT"
        )


def is_program(source: bytes) -> bool:
    """Tell whether *source* does something when it is run, and has no serve as a strategy has."""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError):
        return False  # which is told when it is loaded
    return any(map(acts, body)) and not any(map(serves, body))


def serves(statement: ast.stmt) -> bool:
    """Tell whether *statement* makes a `serve` that may be a strategy's."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        arguments = statement.args
        count = len(arguments.posonlyargs) + len(arguments.args)
        return statement.name == "serve" and (count == PARAMETERS or arguments.vararg is not None)
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return any((name.asname or name.name) in ("serve", "*") for name in statement.names)
    if isinstance(statement, ast.Assign):
        return any(isinstance(one, ast.Name) and one.id == "serve" for one in statement.targets)
    return False


def acts(statement: ast.stmt) -> bool:
    """Tell whether *statement* does something: it calls, or repeats, or is for the main program."""
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Call | ast.Await)
    if isinstance(statement, ast.If):
        names = {one.id for one in ast.walk(statement.test) if isinstance(one, ast.Name)}
        return "__name__" in names
    return isinstance(statement, WAITS)
