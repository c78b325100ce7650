"""Numbers as people read them."""

import os
import re
from pathlib import Path

import pytest

from calcbench.bench import units


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"),
        (0.0456, "0.0456"),
        (1.0, "1.00"),
        (9.876, "9.88"),
        (12, "12"),
        (99.96, "100"),
        (999.6, "1,000"),
        (41_234, "41,200"),
        (41_250.0, "41,200"),
        (1_234_567, "1,230,000"),
        (-41_234.0, "-41,200"),
    ],
)
def test_writes_three_digits(number: float, text: str) -> None:
    assert units.format_number(number) == text


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0 ns"),
        (1, "1 ns"),
        (999, "999 ns"),
        (1_000, "1.00 µs"),
        (123_456, "123 µs"),
        (999_499, "999 µs"),
        (999_500, "1.00 ms"),
        (12_345_678, "12.3 ms"),
        (2_000_000_000, "2.00 s"),
        (61_000_000_000, "61.0 s"),
    ],
)
def test_writes_a_duration_in_its_unit(nanoseconds: int, text: str) -> None:
    assert units.format_ns(nanoseconds) == text


def test_writes_each_kind_of_figure_with_its_unit() -> None:
    assert units.format_rate(41_234.0) == "41,200/s"
    assert units.format_seconds(0.25) == "250 ms"
    assert [units.format_ratio(ratio) for ratio in (2.13, 9.96, 15.4)] == ["2.1x", "10x", "15x"]


def test_writes_a_path_that_is_no_text_with_escapes() -> None:
    assert units.as_text(os.fsdecode(b"r\xff/\xc3\xa4")) == "r\\xff/ä"


ROOT = Path(__file__).parent.parent
SHORT = re.compile(r"\{([^{}:]+):,?(?:\.[1-9])?g\}")  # such as 1e+03, from some size on
SMALL = re.compile(r"[A-Z_]+_S|100 \* .*|timeout_s|facts.quota_cores")  # shares, and what is small


def test_says_no_figure_with_an_exponent() -> None:
    found = [
        (path.name, figure)
        for folder in ("bench", "core", "strategies")
        for path in (ROOT / folder).rglob("*.py")
        for figure in SHORT.findall(path.read_text(encoding="utf-8"))
        if not SMALL.fullmatch(figure)
    ]

    assert found == []
