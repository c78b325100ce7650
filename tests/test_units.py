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


@pytest.mark.parametrize(
    ("ratios", "texts"),
    [
        ((2.12, 1.9, 2.3), "2.1x 1.9x 2.3x"),
        ((2.12, 2.10, 2.15), "2.12x 2.10x 2.15x"),  # once 2.1x [2.1x to 2.1x]
        ((1.04, 1.02, 1.06), "1.04x 1.02x 1.06x"),  # once 1.0x [1.02x to 1.06x]
        ((1.0004, 1.0001, 1.0007), "1.0004x 1.0001x 1.0007x"),
        ((1.01, 1.0002, 1.02), "1.0100x 1.0002x 1.0200x"),  # no end looks like no difference
        ((1.0004, 0.98, 1.02), "1.00x 0.98x 1.02x"),  # but where there is none, 1.00x is right
        ((1.0, 1.0, 1.0), "1.00x 1.00x 1.00x"),
        ((0.333, 0.331, 0.335), "0.333x 0.331x 0.335x"),
        ((15.4, 12.2, 19.0), "15x 12x 19x"),
        ((9.96, 9.1, 11.0), "10x 9x 11x"),
        ((1.004,), "1.004x"),
        ((104.2,), "104x"),
        ((0.033, 0.03, 0.04), "0.033x 0.030x 0.040x"),
    ],
)
def test_writes_a_ratio_as_it_does_its_interval(ratios: tuple[float, ...], texts: str) -> None:
    assert " ".join(units.format_ratios(*ratios)) == texts


def test_writes_a_figure_as_it_does_its_interval() -> None:
    assert units.format_figures(41_234, 40_912, 41_499) == ["41,200", "40,900", "41,500"]
    assert units.format_figures(41_234, 41_229, 41_260) == ["41,234", "41,229", "41,260"]
    assert units.format_figures(9.99, 9.5, 10.26) == ["9.99", "9.50", "10.26"]
    assert units.format_figures(0.0, 0.0, 0.0) == ["0.00", "0.00", "0.00"]


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.121, "12%"), (0.0061, "1%"), (0.0042, "0.4%"), (0.0002, "<0.1%"), (0.0, "0%")],
)
def test_writes_no_share_as_nothing(share: float, text: str) -> None:
    assert units.format_share(share) == text


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


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 requests"), (1, "1 request"), (2, "2 requests"), (1_234, "1,234 requests")],
)
def test_counts_one_thing_in_the_singular(count: int, text: str) -> None:
    assert units.format_count(count, "request") == text
