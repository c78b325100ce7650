"""The validation itself, on noise that is known: it must find what is broken."""

import itertools

import numpy as np
import pytest

from calcbench.bench import validation
from calcbench.bench.metric import THROUGHPUT
from calcbench.bench.plan import AGAIN, KEEP_ALIVE, Condition
from calcbench.bench.statistics import Row, spread
from calcbench.bench.validation import Promise, at_most, between, drawing, residuals, share

NOISE = np.random.default_rng(3).normal(0, 0.02, (2, 24))


def rows() -> tuple[Row, Row]:
    first, again = (
        Row(
            Condition(name, "add", KEEP_ALIVE, 8),
            "ok",
            rounds=24,
            counted=tuple(range(1, 25)),
            throughput=spread(np.exp(9 + noise).tolist()),
            cpu_us_per_request=spread(np.exp(3 + noise / 4).tolist()),
        )
        for name, noise in zip(("selectors", "selectors" + AGAIN), NOISE, strict=True)
    )
    return first, again


def test_sees_the_noise_that_there_is() -> None:
    seen = residuals(rows(), THROUGHPUT)

    assert seen.shape == (2, 24)
    assert np.median(seen, axis=1) == pytest.approx([0, 0])
    assert np.diff(seen) == pytest.approx(np.diff(NOISE))
    drawn = drawing(NOISE)(4_000)
    assert abs(np.median(drawn)) < 0.002
    assert drawn.std() == pytest.approx(0.02, rel=0.25)


def test_allows_for_the_error_of_counting_and_for_no_more() -> None:
    assert share([True] * 5 + [False] * 95)[0] == 0.05
    assert at_most("", 0.05, [True] * 6 + [False] * 94).held
    assert not at_most("", 0.05, [True] * 20 + [False] * 80).held
    assert between("", 0.93, 0.97, [True] * 95 + [False] * 5).held
    assert not between("", 0.93, 0.97, [True] * 800 + [False] * 200).held
    assert not between("", 0.93, 0.97, [True] * 1_000).held


def test_prints_a_table_and_fails_with_a_broken_promise(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(validation, "noise_race", rows)
    monkeypatch.setattr(
        validation, "promises", lambda _: iter([Promise("a", "b", "c", held=False)])
    )

    assert validation.main() == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Noise from round to round, 24 rounds of selectors twice")
    assert lines[1].split() == ["promise", "promised", "measured"]
    assert lines[2].split() == ["a", "b", "c", "NOT", "HELD"]


def test_counts_every_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation, "DRAWN", 20)
    monkeypatch.setattr(validation, "COMPARISONS", 10)
    found = list(itertools.islice(validation.promises(rows()), 20))

    assert len(found) == 5 + 6 + 2 + 2
    assert "found" in found[-1].what
    assert found[-1].held  # a difference of 5 % in CPU time with a noise of half a percent
