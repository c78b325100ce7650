"""The sums that every server here does: read two numbers, calculate, write the result.

Pure functions: no HTTP in sight but the status that a refusal carries, 400 for what is no number
and 422 for what has no result. Integers are exact. All else is a double (IEEE 754 binary64), and
so becomes an integer that meets one. No result is infinite or not-a-number, and the size of every
result is known to be small before it is worked out.
"""

import math
import operator
import re
import sys
from collections.abc import Callable

from calcbench.core.errors import HttpError

Number = int | float  # never a bool

OPERAND_DIGITS = 1_000  # so that reading a number takes microseconds
RESULT_DIGITS = 4_000  # only pow gets there: the others make 2,000 at most of two operands
TOO_LONG = 10**RESULT_DIGITS  # the smallest integer that is
LARGEST_DOUBLE = "1.79e308"
ZERO = ord("0")
SHOWN = 60  # characters of what a client gave that an error repeats

# RFC 8259 §6, in ASCII octets: no sign but "-", no leading zero, a digit on each side of a point.
NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")

# Python writes integers of 4,300 digits at most, or of fewer if the environment says so.
if 0 < sys.get_int_max_str_digits() < RESULT_DIGITS:
    sys.set_int_max_str_digits(RESULT_DIGITS)


def parse_number(text: bytes) -> Number:
    """Return the number that *text* is in JSON's grammar: an int if it is but sign and digits.

    Raises HttpError: 400 when malformed, 422 with too many digits or beyond the largest double.
    """
    # As most are. To remember them instead costs more: a memory of thousands of numbers is not
    # in the processor's caches, where these few instructions are.
    if text.isdigit() and text[0] != ZERO and len(text) <= OPERAND_DIGITS:
        return int(text)
    number = NUMBER.fullmatch(text)
    if number is None:
        raise HttpError(400, f"{quote(text)} is not a number; write it as 7, -2.5 or 1e3")
    digits = len(text.translate(None, b"-+.eE"))
    if digits > OPERAND_DIGITS:
        raise HttpError(422, f"{quote(text)} has {digits} digits; give at most {OPERAND_DIGITS}")
    if number.lastindex is None:  # neither fraction nor exponent
        return int(text)
    double = float(text)
    if math.isinf(double):
        raise HttpError(422, f"{quote(text)} is too large; a decimal goes up to {LARGEST_DOUBLE}")
    return double


def write_number(number: Number) -> bytes:
    """Return *number* in JSON's grammar: all digits of an int, as few as tell a double."""
    return b"%d" % number if type(number) is int else repr(number).encode()


def calculate(name: bytes, left: Number, right: Number) -> Number:
    """Return what the operation *name*, a key of OPERATIONS, makes of two numbers.

    Raises HttpError 422 when there is no such number, or none that can be given.
    """
    try:
        result = OPERATIONS[name](left, right)
        if type(result) is int or -math.inf < result < math.inf:
            return result
        raise OverflowError
    except OverflowError:
        problem = f"is too large; with decimals, every number stays below {LARGEST_DOUBLE}"
    except ZeroDivisionError:
        problem = "divides by zero; give a number other than 0"
    raise no_result(name.decode(), left, right, problem)


def divide(left: Number, right: Number) -> Number:
    """Return an int if two ints divide without a rest, else the double nearest to the quotient."""
    if isinstance(left, int) and isinstance(right, int) and left % right == 0:
        return left // right
    return left / right


def power(base: Number, exponent: Number) -> Number:
    """Return *base* to the *exponent*: an int if both are and the exponent is not negative."""
    if isinstance(base, float) or isinstance(exponent, float):
        if base < 0 and not float(exponent).is_integer():
            problem = "is not a real number; raise a negative number to a whole power"
            raise no_result("pow", base, exponent, problem)
        double: float = float(base) ** float(exponent)
        return double
    # The base is at least 2**(bits - 1), so the result has at least this many bits, and at most
    # twice as many: known before any work is done. The bases 0, 1 and -1 never grow.
    least_bits = (base.bit_length() - 1) * abs(exponent)
    fits = least_bits <= TOO_LONG.bit_length()
    if exponent < 0:
        return 1 / base**-exponent if fits else 0.0  # the double nearest to something so small
    result: int = base**exponent if fits else TOO_LONG
    if abs(result) >= TOO_LONG:
        problem = f"has more than {RESULT_DIGITS} digits; give a smaller base or exponent"
        raise no_result("pow", base, exponent, problem)
    return result


OPERATIONS: dict[bytes, Callable[[Number, Number], Number]] = {
    b"add": operator.add,
    b"sub": operator.sub,
    b"mult": operator.mul,
    b"div": divide,
    b"mod": operator.mod,  # Python's: floored, so the result has the sign of the second number
    b"pow": power,
}


def no_result(name: str, left: Number, right: Number, problem: str) -> HttpError:
    """Return the error that says why a calculation has no result."""
    return HttpError(422, f"{shorten(repr(left))} {name} {shorten(repr(right))} {problem}")


def quote(octets: bytes) -> str:
    """Return what a client sent in quotes, printable and shortened, to name it in an error."""
    beginning = octets[: 4 * SHOWN]  # a character takes up to 4 octets of UTF-8
    return shorten(repr(beginning.decode(errors="replace")))


def shorten(text: str) -> str:
    """Return *text*, or only its beginning where it is longer than an error should repeat."""
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."
