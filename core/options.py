"""An option is declared once, as a field of a frozen dataclass; all else derives from it.

The flag, the conversion, the check of its range, the help and the recorded result all read
the same declaration::

    @dataclass(frozen=True)
    class Options:
        workers: int = option(8, "threads in the pool", least=1)
"""

import dataclasses
import difflib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from calcbench.core.errors import UsageError


@dataclass(frozen=True)
class OptionField:
    """One option as a user sees it; *type_name* is ``int``, ``float`` or ``str``."""

    name: str
    default: Any
    help: str
    type_name: str
    least: float | None
    most: float | None
    choices: tuple[str, ...]


def option(
    default: Any,
    help: str,
    *,
    least: float | None = None,
    most: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """Declare a field with its *default*, its *help*, and its range or the words it may be."""
    metadata = {"help": help, "least": least, "most": most, "choices": choices}
    return dataclasses.field(default=default, metadata=metadata)


def describe(options_type: type | None) -> list[OptionField]:
    """Return the options that *options_type* declares, in order; none for None."""
    if options_type is None:
        return []
    return [
        OptionField(
            field.name,
            field.default,
            field.metadata["help"],
            type(field.default).__name__,
            field.metadata["least"],
            field.metadata["most"],
            field.metadata["choices"],
        )
        for field in dataclasses.fields(options_type)
    ]


def parse_options(options_type: type | None, assignments: Sequence[str]) -> Any:
    """Return an instance of *options_type* made from texts like ``workers=8``.

    A dash in a name stands for an underscore. Returns None where there are no options.
    Raises UsageError for an unknown name, a value of the wrong kind or out of range.
    """
    known = {field.name: field for field in describe(options_type)}
    values: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        name = name.strip().replace("-", "_")
        if not equals:
            raise UsageError(f"option {assignment!r} needs a value, as in {name}=8")
        if name not in known:
            raise UsageError(f"no option {name!r}{nearest(name, known)}")
        if name in values:
            raise UsageError(f"option {name!r} is given twice")
        values[name] = convert(known[name], text.strip())
    return options_type(**values) if options_type is not None else None


def convert(field: OptionField, text: str) -> Any:
    """Return *text* as a value of *field*; raises UsageError when it cannot be one."""
    if field.type_name == "str":
        if field.choices and text not in field.choices:
            raise UsageError(f"no {field.name} {text!r}{nearest(text, field.choices)}")
        return text
    kind, noun = (int, "a whole number") if field.type_name == "int" else (float, "a number")
    try:
        value = kind(text)
    except ValueError:
        raise UsageError(f"option {field.name}={text!r} should be {noun}") from None
    if isinstance(value, float) and not math.isfinite(value):
        raise UsageError(f"option {field.name}={text!r} should be a finite number")
    if field.least is not None and value < field.least:
        raise UsageError(f"option {field.name}={text} should be at least {field.least:g}")
    if field.most is not None and value > field.most:
        raise UsageError(f"option {field.name}={text} should be at most {field.most:g}")
    return value


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the end of an error message: the nearest right name, or all of them."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; there are {', '.join(names)}" if names else "; there are none"
