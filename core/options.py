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
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from calcbench.core.errors import UsageError

WHOLE = re.compile(r"[+-]?[0-9]{1,4000}")  # `int` refuses little more
WHOLE_NOUN, TIME_NOUN = "a whole number", "seconds, or a time such as 500ms"
NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
SECONDS_OF = {"": 1.0, "s": 1.0, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "min": 60.0, "h": 3600.0}
TIME = re.compile(rf"({NUMBER.pattern})\s*({'|'.join(filter(None, SECONDS_OF))})?")


@dataclass(frozen=True)
class Bounds:
    """The *least* and the *most* that a number may be, and its *unit* in words, if it has one."""

    least: float
    most: float
    unit: str = ""

    def __contains__(self, number: float) -> bool:
        """Tell whether *number* lies within; what is not a number does not."""
        return self.least <= number <= self.most

    def __str__(self) -> str:
        """Return them in words: ``from 0.01 to 86,400 seconds``."""
        if self.unit == "%":
            return f"from {100 * self.least:.10g}% to {100 * self.most:.10g}%"
        unit = f" {self.unit}" if self.unit else ""
        return f"from {self.least:,.10g} to {self.most:,.10g}{unit}"


@dataclass(frozen=True)
class OptionField:
    """One option as a user sees it; *type_name* is ``int``, ``float`` or ``str``.

    With *seconds* it is a time, in seconds where no other unit stands behind it.
    """

    name: str
    default: Any
    help: str
    type_name: str
    least: float | None
    most: float | None
    choices: tuple[str, ...]
    seconds: bool = False


def option(
    default: Any,
    help: str,
    *,
    least: float | None = None,
    most: float | None = None,
    choices: tuple[str, ...] = (),
    seconds: bool = False,
) -> Any:
    """Declare a field with its *default*, its *help*, and its range or the words it may be.

    With *seconds* it is a time, and may be given with a unit, such as ``500ms``.
    """
    metadata = {
        "help": help,
        "least": least,
        "most": most,
        "choices": choices,
        "seconds": seconds,
    }
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
            field.metadata["seconds"],
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


def convert(field: OptionField, text: str, flag: str = "") -> Any:
    """Return *text* as a value of *field*; raises UsageError when it cannot be one.

    It was typed behind *flag*, or behind the name of the field and an equals sign.
    """
    if field.type_name == "str":
        if field.choices and text not in field.choices:
            raise UsageError(f"no {field.name} {text!r}{nearest(text, field.choices)}")
        return text
    least = -math.inf if field.least is None else field.least
    most = math.inf if field.most is None else field.most
    bounds = Bounds(least, most, "seconds" if field.seconds else "")
    given = f"{flag} " if flag else f"option {field.name}="
    example = f", as in {given.removeprefix('option ')}{field.default:.10g}"
    read, noun = parse_number, "a number"
    if field.seconds:
        read, noun = parse_seconds, TIME_NOUN
    elif field.type_name == "int":
        read, noun = parse_whole, WHOLE_NOUN
    return read_bounded(text, read, bounds, given, noun, example)


def read_bounded(
    text: str,
    read: Callable[[str], float],
    bounds: Bounds,
    given: str,
    noun: str,
    example: str = "",
) -> float:
    """Return the number within *bounds* that *read* makes of *text*.

    Raises UsageError, which says what was *given* before the text, what would be right (a *noun*,
    or the bounds), and an *example* of it.
    """
    try:
        value = read(text)
    except ValueError:
        raise UsageError(f"{given}{text!r} should be {noun}{example}") from None
    if value not in bounds:
        raise UsageError(f"{given}{text} should be {bounds}{example}")
    return value


def parse_whole(text: str) -> int:
    """Return the whole number in *text*: digits and a sign, where `int` takes much more.

    Raises ValueError.
    """
    if not WHOLE.fullmatch(text):
        raise ValueError(text)
    return int(text)


def parse_number(text: str) -> float:
    """Return the decimal number in *text*, infinity where it is too large; raises ValueError."""
    if not NUMBER.fullmatch(text):
        raise ValueError(text)
    return float(text)


def parse_seconds(text: str) -> float:
    """Return the seconds in *text*: ``2.5``, or with a unit ``2.5s``, ``500ms``, ``2min``.

    Raises ValueError.
    """
    matched = TIME.fullmatch(text)
    if not matched:
        raise ValueError(text)
    return float(matched[1]) * SECONDS_OF[matched[2] or ""]


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the end of an error message: the nearest right name, or all of them."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; there are {', '.join(names)}" if names else "; there are none"
