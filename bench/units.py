"""Write numbers for people: a unit, and at most three significant digits. And paths, as text.

Everything is stored exactly, as integer nanoseconds and counts; only these functions round.
"""

import math
import os

TIME_UNITS = ((1, "ns"), (1_000, "µs"), (1_000_000, "ms"), (1_000_000_000, "s"))


def round_to_three(value: float) -> float:
    """Return *value* with three significant digits: 41,234 becomes 41,200."""
    if value == 0 or not math.isfinite(value):
        return value
    return round(value, 2 - math.floor(math.log10(abs(value))))


def format_number(value: float) -> str:
    """Return at most three significant digits of *value*: ``41,200``, ``12.3``, ``0.045``."""
    rounded = round_to_three(value)
    if rounded == int(rounded) and (abs(rounded) >= 100 or isinstance(value, int)):
        return f"{int(rounded):,}"
    if rounded == 0:
        return "0"
    decimals = 2 - math.floor(math.log10(abs(rounded)))
    return f"{rounded:,.{max(decimals, 0)}f}"


def as_text(path: str) -> str:
    """Return *path*, of the command line or a folder, with escapes for octets that are no text."""
    return os.fsencode(path).decode(errors="backslashreplace")


def format_rate(per_second: float) -> str:
    """Return requests per second: ``41,200/s``."""
    return f"{format_number(per_second)}/s"


def format_ns(nanoseconds: float) -> str:
    """Return a duration in the unit that suits it: ``123 µs``, ``1.23 ms``, ``2.00 s``."""
    size, name = TIME_UNITS[0]
    if nanoseconds == 0:
        return f"0 {name}"
    for larger, larger_name in TIME_UNITS[1:]:
        if abs(round_to_three(nanoseconds / size)) * size >= larger:
            size, name = larger, larger_name
    return f"{format_number(nanoseconds / size if size > 1 else nanoseconds)} {name}"


def format_seconds(seconds: float) -> str:
    """Return a duration given in seconds, as `format_ns` does."""
    return format_ns(seconds * 1_000_000_000)


def format_ratio(ratio: float) -> str:
    """Return how many times as much, with two digits: ``2.1x``, ``15x``."""
    return f"{ratio:.1f}x" if ratio < 9.95 else f"{format_number(round(ratio))}x"
