"""What the kernel tells of a listener's queue, and of what threads wait in."""

import os
import socket
import struct
import sys
from pathlib import Path
from threading import Event, Thread

import pytest
from servers import needs_ipv6

from calcbench.bench.system import backlog, threads
from calcbench.bench.system.backlog import ANSWER, CLOSE_WAIT, ESTABLISHED, FIN_WAIT_2, sort
from calcbench.bench.system.threads import Doing, ThreadState, threads_of

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="the kernel does not tell")
HOST = socket.inet_aton("127.0.0.1")


def message(state: int, client: int, inode: int, local: bytes = HOST) -> bytes:
    port = struct.pack(">H", client)
    return ANSWER.pack(socket.AF_INET, state, b"", port, local, HOST, inode)


def test_tells_who_waits_from_who_is_accepted() -> None:
    queue = sort(
        [
            message(ESTABLISHED, 1, 0),
            message(CLOSE_WAIT, 2, 0),  # it has given up, and must be accepted all the same
            message(ESTABLISHED, 3, 4711),
            message(FIN_WAIT_2, 4, 0),  # the server has closed it
            message(ESTABLISHED, 5, 0, socket.inet_aton("127.0.0.2")),  # another server's
        ],
        HOST,
    )

    assert [waiting[-2:] for waiting in queue.waiting] == [b"\0\1", b"\0\2"]
    assert queue.accepted == 1
    assert len(sort([message(ESTABLISHED, 1, 0)], bytes(4)).waiting) == 1


@needs_linux
@pytest.mark.parametrize(
    ("listening", "reached"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1"),
        pytest.param("::1", "::1", marks=needs_ipv6),
        pytest.param("::", "127.0.0.1", marks=needs_ipv6),
    ],
)
def test_asks_the_kernel(listening: str, reached: str) -> None:
    family = socket.AF_INET6 if ":" in listening else socket.AF_INET
    dual = listening == "::"
    with socket.create_server((listening, 0), family=family, dualstack_ipv6=dual) as listener:
        port = listener.getsockname()[1]
        with (
            socket.create_connection((reached, port)),
            socket.create_connection((reached, port)) as second,
        ):
            before = backlog.queue_of(listener)
            listener.accept()[0].close()
            with socket.create_connection((reached, port)), listener.accept()[0]:
                after = backlog.queue_of(listener)
            second.close()

    assert before
    assert after
    assert (len(before.waiting), before.accepted) == (2, 0)
    assert len(set(before.waiting)) == 2
    assert (len(after.waiting), after.accepted) == (1, 1)


def test_says_nothing_where_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX) as local:
        assert backlog.queue_of(local) is None
    monkeypatch.setattr(sys, "platform", "darwin")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert backlog.queue_of(listener) is None
    assert threads_of([1]) is None


def test_says_nothing_where_the_kernel_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(backlog, "ask", refuse)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert backlog.queue_of(listener) is None


@pytest.mark.parametrize(
    ("place", "state", "doing"),
    [
        ("inet_csk_accept", "S", Doing.ACCEPTS),
        ("do_epoll_wait", "S", Doing.WAITS_FOR_ANY),
        ("ep_poll", "S", Doing.WAITS_FOR_ANY),
        ("poll_schedule_timeout.constprop.0", "S", Doing.WAITS_FOR_ONE),
        ("wait_woken", "S", Doing.WAITS_FOR_ONE),
        ("futex_do_wait", "S", Doing.WAITS_FOR_WORK),
        ("futex_wait_queue_me", "S", Doing.WAITS_FOR_WORK),
        ("hrtimer_nanosleep", "S", Doing.SLEEPS),
        ("0", "R", Doing.RUNS),
        ("0", "S", Doing.UNKNOWN),  # we may not know where
        ("pipe_read", "S", Doing.UNKNOWN),
        ("", "", Doing.UNKNOWN),  # it has ended meanwhile
    ],
)
def test_knows_a_thread_by_the_place_where_it_waits(
    tmp_path: Path, place: str, state: str, doing: Doing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    folder = tmp_path / "7" / "task" / "8"
    folder.mkdir(parents=True)
    if place:
        (folder / "wchan").write_text(place)
        (folder / "stat").write_text(f"8 (a (b) c) {state} 1 2 3")

    assert threads_of([7, 9], tmp_path) == [ThreadState(7, 8, doing)]


def test_looks_at_no_more_threads_than_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(threads, "MOST", 1)
    for number in (8, 9):
        (tmp_path / "7" / "task" / str(number)).mkdir(parents=True)

    assert threads_of([7], tmp_path) is None


@needs_linux
def test_sees_a_thread_of_ours() -> None:
    over = Event()
    thread = Thread(target=over.wait)
    thread.start()
    try:
        found = threads_of([os.getpid()]) or []
        numbers = {one.number for one in found}
    finally:
        over.set()
        thread.join()

    assert thread.native_id in numbers
