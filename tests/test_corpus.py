"""What a server makes of octets: each case of `tests/corpus/`, however it is cut."""

import re
from collections.abc import Iterable

import h11
import pytest
from conversation import (
    BEHIND,
    CORPUS,
    EOF,
    Case,
    Outcome,
    cases,
    octet_by_octet,
    read_case,
    read_replies,
    serve_pieces,
    unescape,
)
from invariants import check

from calcbench.core.http.parser import Parser

CASES = cases()
SECTION = re.compile(
    r"RFC (?:9110|9112|9113|3986|3629|6585|6874|8259)\b.* (?:§[0-9]|appendix)|RFC 8259"
)

FILES = sorted({case.name.partition(":")[0] for case in CASES})

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
each_file = pytest.mark.parametrize("file", FILES)


def cases_of(file: str) -> list[Case]:
    return [case for case in CASES if case.name.startswith(f"{file}: ")]


def outcome_of(case: Case, pieces: Iterable[bytes], parser: Parser | None = None) -> Outcome:
    return serve_pieces(pieces, parser or Parser(case.policy)).without_interim()


@each_case
def test_decides(case: Case) -> None:
    outcome = serve_pieces(case.pieces(), Parser(case.policy))
    replies = read_replies(outcome.output, case.heads)

    assert outcome.served == case.served
    assert outcome.end == case.end
    assert len(replies) == len(case.statuses)
    for reply, status, body in zip(replies, case.statuses, case.bodies, strict=True):
        assert status in (None, reply.status)
        assert body in (None, reply.body)
    # The last response says that it is the last, unless the client went without another word.
    if case.end != "close":
        assert not any(reply.closes for reply in replies)
    elif replies and not case.ends:
        assert replies[-1].closes


@each_file
def test_decides_the_same_at_every_cut(file: str) -> None:
    for case in cases_of(file):
        parser = Parser(case.policy)  # remembers what it saw, from the first time on
        whole = outcome_of(case, case.pieces(), parser)
        assert outcome_of(case, case.pieces(), parser) == whole, case.name
        for cut in range(1, len(case.octets)):
            assert outcome_of(case, case.pieces(cut), parser) == whole, (case.name, cut)


@each_file
def test_decides_the_same_octet_by_octet(file: str) -> None:
    for case in cases_of(file):
        pieces = [*octet_by_octet(case.octets), *([EOF] if case.ends else [])]
        parser = Parser(case.policy)
        outcomes = [outcome_of(case, pieces, parser), outcome_of(case, pieces, parser)]

        assert outcomes == [outcome_of(case, case.pieces())] * 2, case.name


@each_file
def test_decides_the_same_line_by_line(file: str) -> None:
    """Cut behind each CR and behind each LF: where the states of a parser change."""
    for case in cases_of(file):
        parser = Parser(case.policy)
        whole = outcome_of(case, case.pieces(), parser)

        for octet in b"\r", b"\n":
            edges = [at + 1 for at in range(len(case.octets)) if case.octets.startswith(octet, at)]
            assert outcome_of(case, case.pieces(*edges), parser) == whole, case.name


@each_file
def test_decides_the_same_for_a_client_that_reads_slowly(file: str) -> None:
    for case in cases_of(file):
        outcome = serve_pieces(case.pieces(), Parser(case.policy), reads=7)

        assert outcome == serve_pieces(case.pieces(), Parser(case.policy)), case.name


@each_file
def test_serves_what_comes_behind_unless_it_has_closed(file: str) -> None:
    for case in cases_of(file):
        if not case.ends and case.end != "more":
            check_behind(case)


def check_behind(case: Case) -> None:
    alone = outcome_of(case, case.pieces())
    for behind in ([case.octets + BEHIND], [case.octets, BEHIND], [case.octets, b"\r\n", BEHIND]):
        outcome = outcome_of(case, behind)
        if case.end == "close":
            assert outcome == alone, case.name
        else:
            assert outcome.served == (*alone.served, (b"GET", b"/add/20/22", b"")), case.name
            assert outcome.output.startswith(alone.output), case.name
            assert read_replies(outcome.output, [*case.heads, False])[-1].body == b"42", case.name
            assert outcome.end == "open", case.name


@each_file
def test_writes_what_h11_reads(file: str) -> None:
    """A second opinion on each response, from a client that somebody else wrote."""
    for case in cases_of(file):
        client = h11.Connection(h11.CLIENT)
        client.receive_data(outcome_of(case, case.pieces()).output)
        methods = [method for method, _, _ in case.served]
        if len(case.statuses) > len(case.served):
            methods.append(b"HEAD" if case.heads[-1] else b"GET")
        for number, method in enumerate(methods):
            if number:
                client.start_next_cycle()
            client.send(h11.Request(method=method, target=b"/", headers=[(b"Host", b"a")]))
            client.send(h11.EndOfMessage())
            response = client.next_event()
            assert isinstance(response, h11.Response), case.name
            assert case.statuses[number] in (None, response.status_code), case.name
            while not isinstance(client.next_event(), h11.EndOfMessage):
                pass

        assert client.trailing_data[0] == b"", case.name


@each_file
def test_holds_the_invariants_with_small_limits_too(file: str) -> None:
    """What the fuzzer looks for, so that it begins with nothing known."""
    for number, case in enumerate(cases_of(file)):
        for knob in range(4):
            check(case.octets, bytes([knob, number, 7 * knob, number]))


def test_has_a_reason_for_each_case() -> None:
    without = [case.name for case in CASES if not SECTION.match(case.why)]

    assert without == []
    assert len({case.name for case in CASES}) == len(CASES)


def test_has_no_case_that_says_nothing() -> None:
    assert all(case.octets and case.end in ("open", "more", "close") for case in CASES)
    assert all(len(case.statuses) - len(case.served) in (0, 1) for case in CASES)
    assert [path.stem for path in sorted(CORPUS.glob("*.txt"))] == FILES


def test_reads_the_form_of_the_corpus() -> None:
    lines = ["RFC 9110 §1.", "policy max_body=5", r"> HEAD /\x41{ab*2}\r\n", r"> \ ", "!"]
    case = read_case("x", [*lines, "< HEAD /x a b", "= 200 -", "= 400 no", ". close"])

    assert case.octets == b"HEAD /Aabab\r\n "
    assert case.ends
    assert case.policy.max_body == 5
    assert case.served == ((b"HEAD", b"/x", b"a b"),)
    assert (case.statuses, case.bodies, case.heads) == (
        (200, 400),
        (b"", b"no"),
        (True, False),
    )
    assert case.end == "close"
    assert unescape("{{a*2}b*2}") == b"aabaab"
