"""Write numbers for people: a unit, and at most three significant digits. And paths, as text.

Everything is stored exactly, as integer nanoseconds and counts; only these functions round.
"""

import itertools
import math
import os
from collections.abc import Sequence

TIME_UNITS = ((1, "ns"), (1_000, "µs"), (1_000_000, "ms"), (1_000_000_000, "s"))
SAME = 1e-9  # what floating point makes of values that are the same
LEAST_PLACE = -12  # no digit is shown behind it


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


def plural(count: float, noun: str) -> str:
    """Return *noun* for *count* of them."""
    return noun if count == 1 else f"{noun}s"


def format_count(count: int, noun: str) -> str:
    """Return how many there are: ``1 request``, ``2,000 requests``."""
    return f"{count:,} {plural(count, noun)}"


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


def format_alike(values: Sequence[float], place: int, *unlike: float) -> list[str]:
    """Return *values* that belong together, a figure and what it is told from, rounded alike.

    The first is the figure. The last digit of all is that of 10 to the *place*, or a smaller
    one: as small as tells the figure from each other value, and all of them from what they are
    *unlike*, but for what is the same.
    """
    pairs = [(values[0], other) for other in values[1:]]
    pairs += itertools.product(values, unlike)
    told = [pair for pair in pairs if not math.isclose(*pair, rel_tol=SAME, abs_tol=SAME)]
    while place > LEAST_PLACE and any(round(a, -place) == round(b, -place) for a, b in told):
        place -= 1
    rounded = (round(value, -place) + 0.0 for value in values)  # and no −0
    return [f"{value:,.{max(-place, 0)}f}" for value in rounded]


def last_place(value: float, digits: int) -> int:
    """Return which power of ten the last of so many *digits* of *value* stands for."""
    return math.floor(math.log10(abs(value))) - digits + 1 if value else 1 - digits


def format_figures(value: float, *others: float) -> list[str]:
    """Return *value* and *others* around it, rounded alike: ``41,200``, ``40,900``, ``41,500``."""
    return format_alike((value, *others), last_place(round_to_three(value), 3))


def format_ratios(ratio: float, *others: float) -> list[str]:
    """Return how many times as much, and the ends of its interval, if it has one, rounded alike.

    ``2.1x``, ``15x``, and near 1 ``1.04x``, or ``1.004x``: a difference never looks like none.
    """
    place = min(last_place(float(f"{ratio:.1e}"), 2), 0)
    differs = not others or not min(others) <= 1 <= max(others)
    texts = format_alike(
        (ratio, *others), -2 if 0.1 <= ratio < 2 else place, *([1.0] if differs else [])
    )
    return [f"{text}x" for text in texts]


def format_share(share: float) -> str:
    """Return *share* in percent, and never 0 % of something: ``12%``, ``0.4%``, ``<0.1%``."""
    if round(share, 2) > 0 or not share:
        return f"{share:.0%}"
    return f"{share:.1%}" if round(share, 3) > 0 else "<0.1%"
