"""Why requests failed: what a driver keeps of it, and what several drivers have kept together."""

import struct
from collections.abc import Sequence

import numpy as np
import pytest
from builders import make_condition, make_measurement, make_observation, make_run

from calcbench.bench.diagnosis.failures import failure_reason_of_responses, unserved_reason
from calcbench.bench.diagnosis.warmup import without_warmup
from calcbench.bench.loadgen.collector import Collector
from calcbench.bench.loadgen.driver.framing import FramingError, Incoming, parse_any_head
from calcbench.bench.loadgen.driver.ledger import (
    MORE,
    NO_CONNECTION,
    Fault,
    Ledger,
    closed_early,
    fault_of_error,
    fault_of_framing,
    timed_out,
)
from calcbench.bench.loadgen.protocol import (
    CAUSE_SHIFT,
    MOST_CAUSES,
    NOBODY,
    TAG_BITS,
    DriverReport,
    FirstFailure,
)
from calcbench.bench.loadgen.report_reader import ReportReader
from calcbench.bench.loadgen.spec import LoadSpec
from calcbench.bench.schema.failures import Failure
from calcbench.bench.schema.outcomes import (
    HTTP_ERROR,
    OK,
    OUTCOMES,
    REFUSED,
    RESET,
    TIMED_OUT,
    WRONG,
    Outcomes,
)
from calcbench.bench.schema.plan import Plan
from calcbench.bench.schema.result import Measurement
from calcbench.bench.views.failure_lines import MOST_REMARKS, failure_lines, failure_remarks

BUSY = Fault(HTTP_ERROR, "status 503", data=b"HTTP/1.1 503 Busy\r\n\x1b[2J")
OTHER = Fault(WRONG, "wrong body", "'6' should be '5'")


def some_bytes(data: bytes) -> Incoming:
    incoming = Incoming(parse_any_head, most=0)
    incoming.feed(data)
    return incoming


HALF = some_bytes(b"HTTP/1.1 200 OK\r\nCont")


@pytest.mark.parametrize(
    ("fault", "outcome", "cause"),
    [
        (closed_early(), RESET, "connection closed before a response"),
        (timed_out(None), TIMED_OUT, "timed out before a response"),
        (timed_out(HALF), TIMED_OUT, "timed out within a response"),
        (NO_CONNECTION, TIMED_OUT, "timed out before a connection was free"),
        (
            fault_of_error(RESET, ConnectionResetError(104, "Connection reset by peer"), HALF),
            RESET,
            "connection reset by peer within a response",
        ),
        (
            fault_of_error(REFUSED, ConnectionRefusedError(111, "Connection refused"), None),
            REFUSED,
            "connection refused",
        ),
        (
            fault_of_framing(FramingError("bytes follow its end", "'!'")),
            WRONG,
            "bytes follow its end",
        ),
    ],
)
def test_says_the_cause_in_the_same_words_for_all_of_a_kind(
    fault: Fault, outcome: int, cause: str
) -> None:
    assert (fault.outcome, fault.cause) == (outcome, cause)


def test_keeps_the_first_of_each_cause() -> None:
    ledger = Ledger()
    endings = [ledger.ending(BUSY, 5), ledger.ending(OTHER, 6), ledger.ending(BUSY, 7)]

    assert endings == [HTTP_ERROR | 1 << CAUSE_SHIFT, WRONG | 2 << CAUSE_SHIFT, endings[0]]
    assert ledger.firsts == [
        FirstFailure("http_error", "status 503", 5, "", r"HTTP/1.1 503 Busy\r\n\x1b[2J"),
        FirstFailure("wrong", "wrong body", 6, "'6' should be '5'"),
    ]


def test_keeps_the_first_of_the_window_where_there_is_one() -> None:
    """A number lasts: what failed in the warm-up may be recorded in the window."""
    ledger = Ledger()
    before = [ledger.ending(BUSY, 5), ledger.ending(OTHER, 6)]
    ledger.renew()
    after = [ledger.ending(OTHER, 8), ledger.ending(OTHER, 9)]

    assert after == [before[1]] * 2
    assert [first.at_ns for first in ledger.firsts] == [5, 8]


def test_keeps_two_hundred_bytes_of_a_response_however_they_came() -> None:
    whole = b"HTTP/1.1 500 Oh\r\nContent-Length: 900\r\n\r\n" + b"\xff" * 900
    pieces = [whole, *(whole[at : at + 1] for at in range(len(whole)))]
    for piece in (pieces[:1], pieces[1:]):
        incoming = Incoming(parse_any_head, most=0)
        for data in piece:
            incoming.feed(data)
        ledger = Ledger()
        ledger.ending(Fault(HTTP_ERROR, "status 500"), 5, incoming)

        [first] = ledger.firsts
        assert first.excerpt == (repr(whole[:200])[2:-1])
        assert first.excerpt.isascii()
        assert first.excerpt.isprintable()


def test_tells_no_more_causes_apart_than_a_tag_has_room_for() -> None:
    ledger = Ledger()
    for status in range(1000):
        ledger.ending(Fault(HTTP_ERROR, f"status {status:03}"), status)
    for outcome in range(len(OUTCOMES)):
        ending = ledger.ending(Fault(outcome, "something new"), 5)
        assert ending >> CAUSE_SHIFT <= MOST_CAUSES

    assert len(ledger.firsts) <= MOST_CAUSES
    assert ledger.firsts[-1].cause == MORE


S = 1_000_000_000
MOMENT = 5_000 * S  # of a driver's clock
Sample = tuple[int, int]  # when it was done, and the rest of the tag


def report_of(*failures: FirstFailure) -> DriverReport:
    return DriverReport(S, 0, 0, 0, (), 0, 0, 0, failures=failures)


def collector_of(
    drivers: Sequence[tuple[DriverReport, Sequence[Sample]]], max_samples: int = 100
) -> Collector:
    """Return what has collected the samples of *drivers*, whose clocks are 1,000 s apart."""
    clocks = [MOMENT + number * 1_000 * S for number in range(len(drivers))]
    readers = [ReportReader(opened_ns=opened) for opened in clocks]
    for reader in readers:
        reader.put_at(MOMENT)
    spec = LoadSpec("", 0, 4, True, duration_s=1.0)
    collector = Collector([spec] * len(drivers), readers, max_samples=max_samples)
    for opened, reader, (report, samples) in zip(clocks, readers, drivers, strict=True):
        for done, tag in samples:
            at = [opened + done - 1] * 3 + [opened + done]
            collector.add(reader, struct.pack("5q", *at, tag))
        reader.report = report
    return collector


FIRST_OF_503 = FirstFailure("http_error", "status 503", MOMENT + 30, "", "HTTP/1.1 503")
SAME = FirstFailure("http_error", "status 503", MOMENT + 1_000 * S + 20, "", "HTTP/1.0 503")
BODY = FirstFailure("wrong", "wrong body", MOMENT + 1_000 * S + 7, "'\x1b[2J'", "\x1b\n")
TWO = [
    (report_of(FIRST_OF_503), [(30, HTTP_ERROR | 1 << 4), (40, HTTP_ERROR | 1 << 4), (50, OK)]),
    (
        report_of(BODY, SAME),
        [(7, WRONG | 1 << 4), (20, HTTP_ERROR | 2 << 4), (2 * S, HTTP_ERROR | 2 << 4)],
    ),
]


@pytest.mark.parametrize("max_samples", [1, 100])
def test_adds_up_the_causes_of_all_drivers(max_samples: int) -> None:
    """Each driver has its own numbers and its own clock; what is no text is shown as it is.

    Only what ended in the window counts, and it does so as well where there are only histograms.
    """
    observation = collector_of(TWO, max_samples).collect()

    assert observation.outcomes == Outcomes(ok=1, wrong=1, http_error=3)
    assert observation.failures == (
        Failure("http_error", "status 503", 3, 20, "", "HTTP/1.0 503"),
        Failure("wrong", "wrong body", 1, 7, r"'\x1b[2J'", r"\x1b\n"),
    )
    if max_samples > 1:
        assert observation.samples["cause"].tolist() == [2, 1, 1, 1, 0]
        assert "cause" not in observation.columns


def test_has_no_cause_for_a_number_that_nobody_reported() -> None:
    nobody = NOBODY << TAG_BITS | 9 << CAUSE_SHIFT | TIMED_OUT
    observation = collector_of([(report_of(), [(5, nobody), (6, OK)])]).collect()

    assert observation.outcomes == Outcomes(ok=1, timed_out=1)
    assert observation.failures == ()
    assert observation.samples["cause"].tolist() == [0, 0]
    assert observation.samples["client"].tolist() == [-1, 0]


def test_counts_causes_anew_behind_the_warm_up() -> None:
    done = np.arange(10) * S // 10
    outcome = np.array([WRONG, HTTP_ERROR, OK, OK, OK, WRONG, WRONG, OK, OK, OK])
    samples = {
        "intended_ns": done,
        "sent_ns": done,
        "first_ns": done,
        "done_ns": done,
        "latency_ns": np.zeros(10, int),
        "client": np.zeros(10, int),
        "outcome": outcome,
        "waited": np.zeros(10, int),
        "cause": np.array([1, 2, 0, 0, 0, 1, 1, 0, 0, 0]),
    }
    failures = (
        Failure("wrong", "wrong body", 3, 0),
        Failure("http_error", "status 503", 1, S // 10),
    )
    seen = make_observation(samples=samples, failures=failures, outcomes=Outcomes(6, 3, 1))
    rest = without_warmup(seen, S // 2, [])

    assert rest.outcomes == Outcomes(ok=3, wrong=2)
    assert rest.failures == (Failure("wrong", "wrong body", 2, -S // 2),)


def test_gives_the_first_of_the_window_as_the_reason() -> None:
    failures = (
        Failure("wrong", "wrong body", 3, -5, "'7' should be '5'"),
        Failure("wrong", "bytes follow its end", 3, 9, "'!'"),
        Failure("wrong", "it does not begin with HTTP/", 3, 10, "'SSH'"),
    )
    seen = make_observation(outcomes=Outcomes(ok=1, wrong=9), failures=failures)

    assert failure_reason_of_responses(seen) == (
        "9 wrong responses among 10 (the first: bytes follow its end: '!')"
    )


EXCERPT = r"HTTP/1.1 503 Busy\r\n"


def failing(strategy: str, level: int, number: int, *failures: Failure) -> Measurement:
    return make_measurement(make_condition(strategy, level), number, failures=failures)


def test_says_in_a_line_for_each_cause_what_was_wrong() -> None:
    busy = Failure("http_error", "status 503", 700, 5_000_000, "", EXCERPT)
    body = Failure("wrong", "wrong body", 1, 7_000_000, "'6' should be '5'", "HTTP/1.1 200")
    stray = Failure("wrong", "bytes follow its end", 2, -7, "'!'", "?")
    measurements = [
        failing("fork", 8, 2, busy, body),
        failing("fork", 1, 2),
        failing("fork", 32, 1, busy),
        failing("blocking", 8, 1, stray),
    ]

    assert failure_remarks(measurements) == [
        "blocking at 8: bytes follow its end, 2 times: '!'; ?",
        f"fork at 8, 32: status 503, 1,400 times: {EXCERPT}",
        "fork at 8: wrong body, 1 time: '6' should be '5'; HTTP/1.1 200",
    ]


@pytest.mark.parametrize(
    ("outcomes", "failures", "said"),
    [
        (
            Outcomes(timed_out=24),
            [Failure("timed_out", "timed out before a response", 24, 1)],
            "24 timed out before a response",
        ),
        (
            Outcomes(timed_out=24),
            [
                Failure("timed_out", "timed out before a response", 4, 2),
                Failure("timed_out", "timed out within a response", 20, 1),
            ],
            "24 timed out (the first: timed out within a response)",
        ),
        (
            Outcomes(http_error=3),
            [Failure("http_error", "status 503", 3, 1)],
            "3 of another status (the first: status 503)",
        ),
    ],
)
def test_says_nothing_twice_of_who_served_nobody(
    outcomes: Outcomes, failures: list[Failure], said: str
) -> None:
    """Once: «24 timed out (the first: timed out before a response)», though all were so."""
    seen = make_observation(outcomes=outcomes, failures=tuple(failures))

    assert unserved_reason(seen) == f"no right response within the window of 1.00 s: {said}"


def test_says_no_more_below_a_table_than_one_reads() -> None:
    causes = [Failure("http_error", f"status {400 + n}", 1 + n, 0) for n in range(20)]
    lines = failure_remarks([failing("fork", 8, 1, *causes)])

    assert lines[0] == "fork at 8: status 419, 20 times"
    assert lines[MOST_REMARKS:] == ["12 more kinds of failure: see calcbench report"]


def test_shows_all_that_was_wrong_on_a_narrow_screen() -> None:
    busy = Failure("http_error", "status 503", 700, 5_000_000, "", "x" * 150)
    late = Failure("timed_out", "timed out before a response", 1, -1)
    plan = Plan(strategies=("fork",), workloads=("add",), connections=(8,))
    lines = list(failure_lines(make_run(plan, failing("fork", 8, 1, busy, late)), 80))

    assert lines == [
        "",
        "What was wrong, add: the calculator alone",
        "fork at 8: status 503, 700 times, first 5.00 ms into round 1",
        "    " + "x" * 76,
        "    " + "x" * 74,
        "fork at 8: timed out before a response, 1 time, first in the warm-up of round 1",
    ]
    assert list(failure_lines(make_run(plan, failing("fork", 8, 1)), 80)) == []
