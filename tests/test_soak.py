"""`make soak`: what it calls broken, how it counts, and that its parts run."""

import socket
import sys
from collections.abc import Iterator
from math import inf
from pathlib import Path

import pytest
from soak import aftermath, faults, growth, neighbours
from soak.__main__ import SPARE, room_for, run
from soak.aftermath import Aftermath, count_statuses
from soak.crowd import Crowd, response_length
from soak.faulty import interpreter
from soak.footprint import Footprint, accepted_ports, footprint
from soak.outcome import Column, Row, Table, line, print_broken, print_tables
from soak.stopping import Stop

RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2"
LAST = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\n2"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
NINE = Footprint(processes=1, threads=9, descriptors=6, rss_kib=17_000, pss_kib=11_000)


def stopped(**changes: object) -> Stop:
    """Return a stop with which nothing is wrong, but for *changes*."""
    values: dict[str, object] = {
        "strategy": "fork",
        "clients": "100 busy",
        "served": 90,
        "waiting": 10,
        "seconds": 2.5,
        "status": 0,
        "killed": False,
        "clean": True,
        "in_flight": 90,
        "whole": 80,
        "late": 10,
        "lost": 0,
        "cut": 0,
    }
    return Stop(**values | changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        ({}, []),
        ({"allowed_s": 3.0}, []),
        ({"allowed_s": 2.0}, ["took 2.5 s, with nothing under way"]),
        ({"killed": True, "status": -9, "seconds": 8.0}, ["had to be killed after 8.0 s"]),
        ({"killed": True, "seconds": 8.0, "allowed_s": 2.0}, ["had to be killed after 8.0 s"]),
        ({"status": 1, "clean": False}, ["ended with status 1"]),
        ({"clean": False}, ["printed or raised something"]),
        ({"lost": 2}, ["2 requests in flight got nothing, before the deadline"]),
        ({"cut": 1, "status": 1}, ["ended with status 1", "1 responses were cut"]),
    ],
)
def test_calls_a_stop_broken(changes: dict[str, object], broken: list[str]) -> None:
    assert stopped(**changes).broken == tuple(
        f"fork, stop with 100 busy: {what}" for what in broken
    )


def test_shows_a_stop_as_a_row() -> None:
    row = stopped(allowed_s=inf).row

    assert row.cells == (
        *("fork", "100 busy", "90", "10", "2.50 s", "status 0", "90", "80", "10", "-", "-"),
    )


def after(**changes: object) -> Aftermath:
    """Return a fault from which nothing is left, but for *changes*."""
    values: dict[str, object] = {
        "strategy": "threadpool",
        "fault": "raise",
        "required": (500,),
        "statuses": (500, 500),
        "bystanders": (4, 4),
        "fresh": (32, 32),
        "before": NINE,
        "after": NINE,
        "died": False,
        "seconds": 0.1,
        "status": 0,
        "killed": False,
    }
    return Aftermath(**values | changes)  # type: ignore[arg-type]


FIVE = Footprint(processes=1, threads=5, descriptors=6, rss_kib=17_000, pss_kib=11_000)


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        ({}, []),
        ({"statuses": ()}, []),
        ({"statuses": (500, 0)}, ["of those hit 1x closed"]),
        ({"statuses": (500, 0), "required": ()}, []),
        ({"statuses": (0, -1, -1), "required": ()}, ["of those hit 2x nothing"]),
        ({"bystanders": (3, 4)}, ["3 of 4 bystanders were served"]),
        ({"fresh": (0, 32)}, ["0 of 32 fresh were served"]),
        ({"after": FIVE}, ["5 of 9 threads are left"]),
        ({"before": FIVE, "after": NINE}, []),
        ({"died": True, "status": 1, "fresh": (0, 32)}, ["the server died, with status 1"]),
        ({"killed": True, "seconds": 8.0}, ["had to be killed after 8.0 s"]),
        ({"status": 3}, ["ended with status 3"]),
    ],
)
def test_calls_an_aftermath_broken(changes: dict[str, object], broken: list[str]) -> None:
    assert after(**changes).broken == tuple(f"threadpool, raise: {what}" for what in broken)


def test_counts_what_those_hit_got() -> None:
    assert count_statuses([500, 0, 500, -1]) == "2x 500, 1x closed, 1x nothing"


@pytest.mark.parametrize(
    ("now", "unanswered", "broken"),
    [
        (NINE, 0, []),
        (Footprint(1, 9, 6, 90_000, 11_000 + growth.LEAK_KIB), 0, []),
        (Footprint(1, 9, 6, 17_000, 11_001 + growth.LEAK_KIB), 0, ["8,193 KiB more memory"]),
        (Footprint(2, 10, 7, 17_000, 0), 0, ["processes", "threads", "descriptors"]),
        (NINE, 3, ["3 clients got no response"]),
    ],
)
def test_calls_growth_broken(now: Footprint, unanswered: int, broken: list[str]) -> None:
    found = growth.broken(NINE, now, unanswered)

    assert len(found) == len(broken)
    assert all(word in what for word, what in zip(broken, found, strict=True))


def test_compares_medians_with_what_is_owed_to_each_who_pipelines() -> None:
    most = neighbours.MOST_MS_EACH
    fair = neighbours.row("fork", {0: [[1.0]], 1: [[0.0, most, 900.0]], 8: [[8 * most], []]})
    unfair = neighbours.row("fork", {0: [[1.0]], 1: [[most + 0.1]], 8: [[], []]})

    assert fair.broken == ()
    assert fair.cells[:2] == ("fork", "1 of 4")
    assert unfair.broken == (
        "fork, beside 1 who pipeline: the others' median is 20.10 ms",
        "fork, beside 8 who pipeline: the others' median is unserved",
    )


def test_prints_each_row_when_it_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    seen = []

    def rows() -> Iterator[Row]:
        yield Row(("fork", "1"))
        seen.append(capsys.readouterr().out)
        yield Row(("selectors", "2"), ("selectors is broken",))

    columns = (Column("name", 9, words=True), Column("n", 3))
    broken = print_tables([Table("A title", columns, rows())])
    print_broken(broken)

    assert seen == ["\nA title\n\nname         n\nfork         1\n"]
    assert capsys.readouterr().out == (
        "selectors    2  <- BROKEN\n\n1 broken:\n  selectors is broken\n"
    )


def test_says_that_nothing_is_broken(capsys: pytest.CaptureFixture[str]) -> None:
    print_broken([])

    assert capsys.readouterr().out == "\nevery requirement held\n"


def test_places_words_at_the_left_and_figures_at_the_right() -> None:
    assert line((Column("a", 4, words=True), Column("b", 4)), ("x", "1")) == "x        1"


@pytest.mark.parametrize(
    ("descriptors", "memory_kib", "room"),
    [(20_000, 10**9, 20_000 - SPARE), (10**6, 640_000, 10_000)],
)
def test_has_room_for_what_the_machine_allows(descriptors: int, memory_kib: int, room: int) -> None:
    assert room_for(descriptors, memory_kib) == room


@pytest.mark.parametrize(
    ("data", "length"),
    [
        (b"", None),
        (RESPONSE, len(RESPONSE)),
        (RESPONSE[:-1], None),
        (RESPONSE + RESPONSE, len(RESPONSE)),
        (CONTINUE + RESPONSE, len(CONTINUE)),
        (RESPONSE.lower(), len(RESPONSE)),
    ],
)
def test_finds_where_a_response_ends(data: bytes, length: int | None) -> None:
    assert response_length(data) == length


def test_counts_whole_responses_and_knows_who_has_been_accepted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host, port = listener.getsockname()
        with Crowd(host, port) as crowd:
            (served,) = crowd.gather(1, 10, b"request" * 2, 2)
            theirs, _ = listener.accept()
            (waiting,) = crowd.gather(1, 10)
            with theirs:
                theirs.sendall(CONTINUE + RESPONSE + RESPONSE[:-1])
                crowd.wait(lambda: bool(served.buffer), 10)

                assert (served.whole, served.statuses, served.waiting) == (1, [200], True)
                assert accepted_ports(port) == {served.port}
                assert waiting.port not in accepted_ports(port)
            assert crowd.wait(lambda: not served.open, 10)
            assert served.cut
            assert not served.reset or served.closed_at is not None


def test_expects_nothing_more_of_a_server_that_says_close() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        Crowd(*listener.getsockname()) as crowd,
    ):
        (client,) = crowd.gather(1, 10, b"request" * 2, 2)
        theirs, _ = listener.accept()
        with theirs:
            theirs.sendall(LAST)
            crowd.wait(lambda: bool(client.whole), 10)

        assert client.dismissed
        assert not client.waiting


def test_a_request_to_a_closed_connection_stays_without_a_response() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        Crowd(*listener.getsockname()) as crowd,
    ):
        (client,) = crowd.gather(1, 10)
        listener.accept()[0].close()
        crowd.wait(lambda: not client.open, 10)
        crowd.say(client, b"request", 1)

        assert client.waiting


def test_gathers_no_more_than_the_backlog_takes() -> None:
    with (
        socket.create_server(("127.0.0.1", 0), backlog=1) as listener,
        Crowd(*listener.getsockname()) as crowd,
    ):
        clients = crowd.gather(10, 10)

        assert len(clients) == 10
        assert 0 < sum(client.connected for client in clients) < 10


def test_sees_what_a_process_holds() -> None:
    import os

    seen = footprint(os.getpgrp())

    assert seen.processes >= 1
    assert seen.threads >= seen.processes
    assert seen.descriptors >= 3
    assert 0 < seen.pss_kib <= seen.rss_kib


def test_stands_in_for_python(tmp_path: Path) -> None:
    program, switch = interpreter(tmp_path)

    assert not switch.exists()
    assert sys.executable in program.read_text(encoding="utf-8")
    assert program.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("arguments", [["--part", "stops"], ["--strategy", "selector"]])
def test_names_the_part_or_the_strategy_that_was_meant(arguments: list[str]) -> None:
    with pytest.raises(Exception, match="did you mean"):
        run(arguments)


@pytest.mark.slow
@pytest.mark.timeout(300)  # it waits for deadlines
def test_every_part_runs(capsys: pytest.CaptureFixture[str]) -> None:
    status = run(["--quick", "--strategy", "selectors"])
    shown = capsys.readouterr().out

    # What holds or not is for `make soak`, on a machine with nothing else to do.
    assert status in (0, 1)
    assert ("every requirement held" in shown) == (status == 0)
    for table in ("Time to stop", "Survivors of a fault", "What is held", "Median time"):
        assert table in shown
    assert shown.count("\nselectors ") == 6 + len(faults.FAULTS[::3]) + 2


@pytest.mark.slow
def test_a_handler_that_raises_is_survived_by_the_fork_server(tmp_path: Path) -> None:
    program, switch = interpreter(tmp_path)
    seen = aftermath.observe("fork", faults.FAULTS[1], str(program), switch)

    assert seen.fresh == (aftermath.FRESH, aftermath.FRESH)
    assert seen.bystanders == (aftermath.BYSTANDERS, aftermath.BYSTANDERS)
    assert len(seen.statuses) == faults.TIMES
    assert set(seen.statuses) <= {500, 0}
    assert seen.broken == ()
