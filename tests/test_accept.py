"""What a client would rather have, by its Accept field."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcbench.core.http.accept import quality

HTML, PLAIN = b"text/html; charset=utf-8", b"text/plain; charset=utf-8"
CHROMIUM = (
    b"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,"
    b"*/*;q=0.8,application/signed-exchange;v=b3;q=0.7"
)


@pytest.mark.parametrize(
    ("accept", "html", "plain"),
    [
        (b"*/*", 1, 1),
        (b"", 0, 0),
        (b"text/html", 1, 0),
        (b"TEXT/HTML", 1, 0),
        (b"text/*", 1, 1),
        (b"application/json", 0, 0),
        (CHROMIUM, 1, 0.8),
        (b"text/html;q=0.5", 0.5, 0),
        (b"text/html ; q=0.123 , text/plain", 0.123, 1),
        (b"text/html; Q=0.5", 0.5, 0),
        # The most specific range counts, in whatever order (RFC 9110 §12.5.1).
        (b"text/*;q=0.3, text/html;q=0, */*;q=0.9", 0, 0.3),
        (b"*/*;q=0.9, text/html;q=0.1", 0.1, 0.9),
        (b"text/html;charset=utf-8;q=0.2, text/html;q=0.9", 0.2, 0),
        (b'text/html;charset="utf-8"', 1, 0),
        (b"text/html;level=1", 0, 0),  # we have no such form of it
        # What is malformed says nothing, and does not spoil the rest.
        (b"text, text/html", 1, 0),
        (b"a b/c, text/html", 1, 0),
        (b"text/html;q=1.5", 0, 0),
        (b"text/html;q=-1", 0, 0),
        (b"text/html;q=0.1234", 0, 0),
        (b",, text/html,", 1, 0),
        (b'text/html;a="x, text/plain"', 0, 0),
        (b"xtext/html", 0, 0),
    ],
)
def test_tells_how_much_a_type_is_wanted(accept: bytes, html: float, plain: float) -> None:
    assert quality(accept, HTML) == html
    assert quality(accept, PLAIN) == plain


@given(st.text(alphabet='text/html,;q=01."\\* \t', max_size=80))
def test_takes_whatever_is_sent(accept: str) -> None:
    assert 0 <= quality(accept.encode(), HTML) <= 1


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "accept",
    [
        b"text/html" + b";   " * 2_000 + b"x",
        b"a/b;a=" * 1_300,
        b'a/b;a="' * 1_000,
        b"a/a," * 2_000,
        b"," * 8_000,
    ],
    ids=lambda accept: accept[:12].decode(),
)
def test_takes_no_long_time_for_a_long_field(accept: bytes) -> None:
    assert quality(accept, HTML) == 0
