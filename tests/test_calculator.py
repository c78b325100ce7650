import json
import math
import os
import subprocess
import sys
from contextlib import suppress
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcbench.core.app.calculator import (
    OPERATIONS,
    RESULT_DIGITS,
    SHOWN,
    Number,
    calculate,
    parse_number,
    quote,
    write_number,
)
from calcbench.core.errors import HttpError

NINES = "9" * 1000
integers = st.integers(-12, 12) | st.integers() | st.integers(1 - 10**1000, 10**1000 - 1)
doubles = st.floats(allow_nan=False, allow_infinity=False)
numbers = integers | doubles
names = st.sampled_from(sorted(OPERATIONS))


def status_of(name: bytes, left: Number, right: Number) -> int:
    try:
        calculate(name, left, right)
    except HttpError as error:
        return error.status
    return 200


def same(number: Number, other: Number) -> bool:
    """Tell apart what == does not: 2 and 2.0, 0.0 and -0.0."""
    return repr(number) == repr(other)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("-0", 0),
        ("7", 7),
        ("-7", -7),
        ("10", 10),
        (NINES, 10**1000 - 1),
        ("-" + NINES, 1 - 10**1000),
        ("2.5", 2.5),
        ("2.0", 2.0),
        ("-0.0", -0.0),
        ("0.1", 0.1),
        ("1e3", 1000.0),
        ("1E+3", 1000.0),
        ("1e-3", 0.001),
        ("0e0", 0.0),
        ("1e0000000003", 1000.0),
        ("1.7976931348623157e308", sys.float_info.max),
        ("5e-324", 5e-324),
        ("1e-999", 0.0),
        ("1e-" + "9" * 500, 0.0),
        ("0." + "1" * 999, 1 / 9),
    ],
)
def test_reads_a_number(text: str, number: Number) -> None:
    assert same(parse_number(text.encode()), number)


@pytest.mark.parametrize(
    "text",
    [
        *("", "-", "+5", "--5", "007", "-007", "00", "1.", ".5", "-.5", ".", "1.e3", "1e", "1e+"),
        *("e3", "1e3.0", "1.2.3", "0x10", "1_000", "1,000", "5-", "1 2", " 5", "5 ", "5\n", "\t5"),
        *("NaN", "nan", "Infinity", "-Infinity", "inf", "true", "null", '"2"', "5\0", "1j", "½"),
        *("٣", "５", "²", "1e３", "−5", "𝟓"),  # noqa: RUF001 - digits and signs beyond ASCII
        *("007" * 1000, NINES + "x", "1" * 5000 + ".", "-" * 5000),
    ],
)
def test_refuses_what_is_no_number(text: str) -> None:
    with pytest.raises(HttpError) as refusal:
        parse_number(text.encode())

    assert refusal.value.status == 400
    assert quote(text.encode()) in str(refusal.value)
    assert "-2.5" in str(refusal.value)


@pytest.mark.parametrize("text", [b"\xff", b"5\xff", b"\xed\xa0\x80", b"1\x80"])
def test_refuses_octets_that_are_no_text(text: bytes) -> None:
    with pytest.raises(HttpError) as refusal:
        parse_number(text)

    assert refusal.value.status == 400


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1" + "0" * 1000, "1001 digits; give at most 1000"),
        ("-1" + "0" * 1000, "1001 digits"),
        ("1" * 100_000, "100000 digits"),
        ("0." + "1" * 1000, "1001 digits"),
        ("1e" + "0" * 1000, "1001 digits"),
        ("1e999", "1.79e308"),
        ("-1e309", "1.79e308"),
        ("1e" + "9" * 999, "1.79e308"),
        ("9" * 309 + ".0", "1.79e308"),
    ],
)
def test_refuses_a_number_that_is_too_long_or_too_large(text: str, says: str) -> None:
    with pytest.raises(HttpError) as refusal:
        parse_number(text.encode())

    assert refusal.value.status == 422
    assert says in str(refusal.value)


@pytest.mark.parametrize(
    ("left", "name", "right", "result"),
    [
        (2, "add", 3, 5),
        (2, "sub", 3, -1),
        (2, "mult", 4, 8),
        (10**999, "mult", 10**999, 10**1998),
        (0.1, "add", 0.2, 0.30000000000000004),
        (2, "add", 3.0, 5.0),
        (0, "mult", -1.5, -0.0),
        (4, "div", 2, 2),
        (-6, "div", 3, -2),
        (0, "div", -5, 0),
        (1, "div", 3, 0.3333333333333333),
        (1, "div", -2, -0.5),
        (4.0, "div", 2, 2.0),
        (10**999, "div", 10**999 + 1, 1.0),
        (10**999, "div", 10**998, 10),
        (1, "div", 10**999, 0.0),
        (2**53 + 1, "div", 2, 4503599627370496.5),
        (7, "mod", 3, 1),
        (-7, "mod", 3, 2),
        (7, "mod", -3, -2),
        (-7, "mod", -3, -1),
        (5.5, "mod", 2, 1.5),
        (2, "pow", 10, 1024),
        (-2, "pow", 3, -8),
        (2, "pow", -1, 0.5),
        (10, "pow", -2, 0.01),
        (1, "pow", -1, 1.0),
        (-1, "pow", -3, -1.0),
        (0, "pow", 0, 1),
        (0.0, "pow", 0, 1.0),
        (2, "pow", 0.5, 1.4142135623730951),
        (-8.0, "pow", 2, 64.0),
        (-8, "pow", 3.0, -512.0),
        # However huge the exponent, these bases stay small.
        (0, "pow", 10**999, 0),
        (1, "pow", 10**999, 1),
        (-1, "pow", 10**999, 1),
        (-1, "pow", 10**999 + 1, -1),
        (1, "pow", -(10**999), 1.0),
        (-1, "pow", -(10**999) - 1, -1.0),
        (2, "pow", -(10**999), 0.0),
        (10**999, "pow", -(10**999), 0.0),
        (0.5, "pow", 1e300, 0.0),
        # 4,000 digits, and not one more.
        (10, "pow", 3999, 10**3999),
        (10**999, "pow", 4, 10**3996),
        (2, "pow", 13287, 2**13287),
        (-3, "pow", 8383, (-3) ** 8383),
    ],
)
def test_calculates(left: Number, name: str, right: Number, result: Number) -> None:
    assert same(calculate(name.encode(), left, right), result)


@pytest.mark.parametrize(
    ("left", "name", "right", "says"),
    [
        (1, "div", 0, "1 div 0 divides by zero"),
        (0, "div", 0, "zero"),
        (1.5, "div", 0.0, "zero"),
        (1, "div", -0.0, "zero"),
        (1, "mod", 0, "zero"),
        (1.5, "mod", 0.0, "zero"),
        (0, "pow", -1, "zero"),
        (0, "pow", -(10**999), "zero"),
        (0.0, "pow", -1, "zero"),
        (-0.0, "pow", -0.5, "zero"),
        (1e308, "add", 1e308, "1.79e308"),
        (-1e308, "sub", 1e308, "1.79e308"),
        (1e308, "mult", 10, "1.79e308"),
        (1e308, "div", 1e-308, "1.79e308"),
        (10**999, "add", 0.5, "1.79e308"),
        (0.5, "sub", 10**999, "1.79e308"),
        (10**999, "mult", 0.5, "1.79e308"),
        (10**999, "div", 7, "1.79e308"),
        (10**999, "mod", 0.5, "1.79e308"),
        (10**999, "pow", 0.5, "1.79e308"),
        (1.5, "pow", 10**999, "1.79e308"),
        (-1.5, "pow", 10**999, "1.79e308"),
        (1e200, "pow", 2, "1.79e308"),
        (-8, "pow", 0.5, "-8 pow 0.5 is not a real number"),
        (-1e308, "pow", 1.5, "not a real number"),
        (10, "pow", 4000, "10 pow 4000 has more than 4000 digits"),
        (-10, "pow", 4001, "4000 digits"),
        (2, "pow", 13288, "4000 digits"),
        (3, "pow", 8384, "4000 digits"),
        (2, "pow", 10**999, "4000 digits"),
        (10**999, "pow", 10**999, "4000 digits"),
    ],
)
def test_says_why_there_is_no_result(left: Number, name: str, right: Number, says: str) -> None:
    with pytest.raises(HttpError) as refusal:
        calculate(name.encode(), left, right)

    assert refusal.value.status == 422
    assert says in str(refusal.value)
    assert ";" in str(refusal.value)  # what stands behind it is what would be right


@given(names, numbers, numbers)
def test_gives_a_finite_result_that_reads_back_or_says_422(
    name: bytes, left: Number, right: Number
) -> None:
    try:
        result = calculate(name, left, right)
    except HttpError as refusal:
        assert refusal.status == 422
        assert len(str(refusal)) < 250
        return
    written = write_number(result)

    assert type(result) in (int, float)
    assert -math.inf < result < math.inf
    assert len(written) <= RESULT_DIGITS + 1
    assert same(json.loads(written), result)


@given(integers, integers)
def test_is_exact_with_integers(left: int, right: int) -> None:
    assert same(calculate(b"add", left, right), left + right)
    assert same(calculate(b"sub", left, right), left - right)
    assert same(calculate(b"mult", left, right), left * right)
    assert same(calculate(b"sub", calculate(b"add", left, right), right), left)


@given(integers, integers.filter(bool))
def test_divides_to_an_integer_or_the_nearest_double(left: int, right: int) -> None:
    quotient = Fraction(left, right)

    if quotient.denominator == 1:
        assert same(calculate(b"div", left, right), int(quotient))
    elif abs(quotient) > Fraction(sys.float_info.max):
        assert status_of(b"div", left, right) == 422
    else:
        assert same(calculate(b"div", left, right), float(quotient))
    assert same(calculate(b"div", left * right, right), left)


@given(integers, integers.filter(bool))
def test_gives_the_remainder_the_sign_of_the_divisor(left: int, right: int) -> None:
    remainder = calculate(b"mod", left, right)

    assert (left - remainder) % right == 0
    assert abs(remainder) < abs(right)
    assert remainder == 0 or (remainder > 0) == (right > 0)


@given(
    st.tuples(st.integers(-30, 30), st.integers(-9000, 9000))
    | st.tuples(integers, st.integers(-6, 6))
)
def test_raises_integers_to_powers_of_up_to_4000_digits(operands: tuple[int, int]) -> None:
    base, exponent = operands
    impossible = base == 0 and exponent < 0
    if impossible or (exponent > 0 and abs(base) ** exponent >= 10**4000):
        assert status_of(b"pow", base, exponent) == 422
    elif exponent >= 0:
        assert same(calculate(b"pow", base, exponent), base**exponent)
    else:
        assert calculate(b"pow", base, exponent) == float(Fraction(1, base**-exponent))


@given(doubles, doubles)
def test_agrees_with_the_arithmetic_of_doubles(left: float, right: float) -> None:
    for name, exact in [
        (b"add", Fraction(left) + Fraction(right)),
        (b"sub", Fraction(left) - Fraction(right)),
        (b"mult", Fraction(left) * Fraction(right)),
    ]:
        try:
            rounded = float(exact)
        except OverflowError:
            assert status_of(name, left, right) == 422
        else:
            assert calculate(name, left, right) == rounded


@given(numbers)
def test_reads_back_every_number_it_writes(number: Number) -> None:
    assert same(parse_number(write_number(number)), number)


@given(
    st.text("0123456789+-.eE", max_size=12)
    | st.from_regex(r"-?[0-9]{1,4}(\.[0-9]{1,4})?([eE][+-]?[0-9]{1,4})?", fullmatch=True)
    | st.text(max_size=4)
)
def test_accepts_the_numbers_that_json_accepts(text: str) -> None:
    expected: Any = None
    if text.strip() == text:  # around a number, JSON allows white space
        with suppress(json.JSONDecodeError):
            expected = json.loads(text, parse_constant=str)
    try:
        number = parse_number(text.encode())
    except HttpError as refusal:
        assert refusal.status == 422 or type(expected) not in (int, float)
        assert refusal.status == 400 or expected in (math.inf, -math.inf)
    else:
        assert same(number, expected)


@given(st.binary(max_size=200))
def test_quotes_anything_shortly_and_printably(octets: bytes) -> None:
    assert len(quote(octets)) <= SHOWN
    assert quote(octets).isprintable()


@pytest.mark.parametrize("digits", ["640", "0"])
def test_calculates_all_digits_whatever_python_was_told(digits: str) -> None:
    script = (
        "from calcbench.core.app.calculator import calculate, parse_number, write_number\n"
        "number = parse_number(b'9' * 1000)\n"
        "print(len(write_number(calculate(b'pow', number, 4))))"
    )
    environment = os.environ | {"PYTHONINTMAXSTRDIGITS": digits}
    ran = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
    )

    assert (ran.stdout, ran.stderr) == ("4000\n", "")
