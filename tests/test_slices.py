"""What was measured in slices, as if it had been one window."""

import random
from collections.abc import Callable

import numpy as np
import pytest

from calcbench.bench.diagnosis.littles_law import little_ratio
from calcbench.bench.loadgen.slices import Slices

# Two turns of 40, whose slices are 20 long and begin 10 after them; the gap between them is 60.
TWO = Slices(((0, 10, 30, 40), (100, 110, 130, 140)), 200)


def samples_of(*requests: tuple[int, int, int]) -> dict[str, np.ndarray]:
    """Return samples of *requests*: intended, sent, done."""
    intended, sent, done = np.array(requests, np.int64).T
    return {
        "intended_ns": intended,
        "sent_ns": sent,
        "first_ns": done,
        "done_ns": done,
        "latency_ns": done - intended,
        "client": np.zeros(len(requests), np.int64),
        "outcome": np.zeros(len(requests), np.int64),
    }


@pytest.mark.parametrize(
    ("request_", "placed"),
    [
        ((5, 5, 12), None),  # begun in the lead-in, though it ended in the slice
        ((10, 10, 12), (0, 0, 2)),
        ((29, 29, 35), (19, 19, 25)),  # it reaches into the lead-out, and counts whole
        ((30, 30, 35), None),
        ((29, 29, 115), (19, 19, 105)),  # its response came in the next turn: it has waited
        ((110, 110, 113), (20, 20, 23)),
        ((129, 131, 150), (39, 41, 60)),  # of an open loop: it was intended for the slice
        ((95, 112, 115), None),  # it waited since the lead-out of the turn before
        ((85, 112, 115), (15, 42, 45)),  # and this one since its slice, 17 and the 10 between
        ((-3, -3, 12), None),  # from the warm-up
    ],
)
def test_places_a_request_in_the_slice_for_which_it_was_intended(
    request_: tuple[int, int, int], placed: tuple[int, int, int] | None
) -> None:
    found = TWO.place(samples_of(request_))
    moments = list(zip(found["intended_ns"], found["sent_ns"], found["done_ns"], strict=True))

    assert moments == ([placed] if placed else [])
    assert list(found["latency_ns"]) == ([request_[2] - request_[0]] if placed else [])


def test_counts_the_slices_alone() -> None:
    assert TWO.elapsed_ns == 40
    assert TWO.own_ns == 80
    assert TWO.ends == [20, 40]


@pytest.mark.parametrize(("measured", "moment"), [(0, 10), (5, 15), (20, 30), (21, 111), (40, 130)])
def test_tells_when_so_much_had_been_measured(measured: int, moment: int) -> None:
    assert TWO.moment(measured) == moment


@pytest.mark.parametrize(
    ("cut", "left"),
    [
        (5, Slices(((-15, 0, 15, 25), (85, 95, 115, 125)), 185)),
        (20, Slices(((70, 80, 100, 110),), 170)),
        (25, Slices(((-15, 0, 15, 25),), 85)),
    ],
)
def test_opens_later(cut: int, left: Slices) -> None:
    assert TWO.later(cut) == left
    assert TWO.elapsed_ns - cut == left.elapsed_ns


LENGTHS: dict[str, Callable[[random.Random], int]] = {
    "constant": lambda _: 700,
    "uneven": lambda draw: round(draw.paretovariate(1.8) * 300),
}


@pytest.mark.parametrize("spread", LENGTHS)
@pytest.mark.parametrize("lost", [(), (5, 6, 7)])
@pytest.mark.parametrize("hanging", [0, 2])  # clients who have had no response since the middle
def test_finds_by_littles_law_whether_requests_were_lost(
    spread: str, lost: tuple[int, ...], hanging: int
) -> None:
    draw = random.Random(7)
    turns, requests, clients = [], [], []
    for start in range(0, 4_000_000, 40_000):
        turns.append((start, start + 2_000, start + 12_000, start + 13_000))
        for client in range(8):
            now, number = start, 0
            while now < start + 13_000 and (client >= hanging or start < 2_000_000):
                done = now + LENGTHS[spread](draw)
                if number not in lost:
                    requests.append((now, now, done))
                    clients.append(client)
                now, number = done, number + 1
    samples = samples_of(*requests)
    samples["client"] = np.array(clients)
    slices = Slices(tuple(turns), 4_000_000)
    ratio = little_ratio(
        slices.place(samples),
        slices.elapsed_ns,
        8,
        hanging,
        keep_alive=True,
        slice_ends=slices.ends,
    )

    assert ratio is not None
    if lost:
        assert ratio < 0.95
    else:
        assert ratio == pytest.approx(1, abs=0.02)
