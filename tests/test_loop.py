"""The driver's loop, one step at a time: whose turn it is, and who pauses or thinks how long."""

import contextlib
import errno
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from truth import LONG_S, response_to

from calcbench.bench.loadgen.driver.client import IDLE, PAUSING, Client, pause_after
from calcbench.bench.loadgen.driver.ledger import closed_early
from calcbench.bench.loadgen.driver.loop import NEVER, Loop, clock
from calcbench.bench.loadgen.driver.poller import READABLE
from calcbench.bench.loadgen.driver.recorder import Recorder
from calcbench.bench.loadgen.protocol import PACKED, TAG_BITS, WAITED
from calcbench.bench.loadgen.spec import LoadSpec
from calcbench.bench.schema.outcomes import REFUSED

LOST = closed_early()

MS = 1_000_000


@contextlib.contextmanager
def idle(count: int, **changes: Any) -> Iterator[Loop]:
    """Give a loop of *count* clients that keep a connection to nobody, and have no request."""
    loop = Loop(LoadSpec("127.0.0.1", 1, count, True, LONG_S, **changes), Recorder(-1))
    with contextlib.ExitStack() as closing:
        for client in loop.everyone:
            ours, theirs = socket.socketpair()
            ours.setblocking(False)
            closing.enter_context(theirs)
            closing.enter_context(ours)
            loop.attach(client, ours)
            client.state = IDLE
            loop.poller.register(ours.fileno(), READABLE)
        yield loop


def answer(loop: Loop, client: Client) -> None:
    loop.read(client, response_to((client.expected or b"").decode()), clock())


def ask_what_is_due(loop: Loop, count: int = 1) -> list[int]:
    """Have *count* requests be due now; return which clients have them, in their order."""
    before = {client: client.sent for client in loop.everyone}
    now = clock()
    loop.next_due, loop.due = now, iter([*[now] * (count - 1), NEVER])
    loop.send_what_is_due(now)
    asked = [client for client in loop.everyone if client.sent != before[client]]
    return [client.base >> TAG_BITS for client in sorted(asked, key=lambda one: one.sent)]


def test_lets_connections_take_turns_whoever_was_idle_longest_first() -> None:
    with idle(3, rate=1) as loop:
        first, second, third = loop.everyone

        assert ask_what_is_due(loop) == [0]
        answer(loop, first)
        assert ask_what_is_due(loop, 2) == [1, 2]
        answer(loop, third)
        answer(loop, second)
        assert ask_what_is_due(loop, 3) == [0, 2, 1]


def test_uses_the_connection_again_that_was_used_last_where_asked_to() -> None:
    with idle(3, rate=1, reuse_first=True) as loop:
        first, second, _ = loop.everyone

        assert ask_what_is_due(loop) == [0]
        answer(loop, first)
        assert ask_what_is_due(loop, 2) == [0, 1]
        answer(loop, first)
        answer(loop, second)
        assert ask_what_is_due(loop) == [1]


@pytest.mark.parametrize(("reuse_first", "order"), [(False, [0, 1, 2]), (True, [1, 2, 0])])
def test_keeps_the_turn_of_a_connection_that_the_server_closed(
    reuse_first: bool, order: list[int]
) -> None:
    """Where as few as possible are used, it is one of those that are not open, behind the rest."""
    with idle(3, rate=1, reuse_first=reuse_first) as loop:
        first = loop.everyone[0]
        loop.read(first, b"", clock())

        assert first.state == PAUSING
        assert [client.base >> TAG_BITS for client in loop.free] == order


def test_counts_a_request_whose_connection_turns_out_to_be_refused() -> None:
    """It was still coming about when the request was due: the send says what became of it."""

    def refuse(_: bytes) -> int:
        raise ConnectionRefusedError(errno.ECONNREFUSED, "refused")

    with idle(2, rate=1) as loop:
        first, second = loop.everyone
        first.send = refuse  # type: ignore[assignment]
        ask_what_is_due(loop)

        assert PACKED.unpack(loop.recorder.fresh[-1])[-1] & (WAITED - 1) == REFUSED
        assert list(loop.free) == [second, first]


@pytest.mark.parametrize(
    ("changes", "opened"),
    [({"rate": 1}, 3), ({"think_s": 1}, 3), ({"rate": 1, "reuse_first": True}, 0), ({}, 0)],
    ids=["open loop", "users", "as few as possible", "closed loop"],
)
def test_opens_the_connections_that_are_kept_before_the_load(
    changes: dict[str, Any], opened: int
) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        port = listener.getsockname()[1]
        loop = Loop(LoadSpec("127.0.0.1", port, 3, True, LONG_S, **changes), Recorder(-1))
        loop.connect_all()

        assert sum(client.state == IDLE for client in loop.everyone) == opened
        assert loop.unopened == 0
        for client in loop.everyone:
            client.sock.close()


def test_opens_no_connection_before_where_each_request_has_its_own() -> None:
    loop = Loop(LoadSpec("127.0.0.1", 1, 3, False, LONG_S, rate=1), Recorder(-1))
    loop.connect_all()

    assert loop.unopened == 0
    assert all(client.state == PAUSING for client in loop.everyone)


@pytest.mark.parametrize(
    ("failures", "pause_ms"),
    [(0, 0), (1, 0), (2, 1), (3, 2), (4, 4), (7, 32), (8, 50), (9, 50), (10**9, 50)],
)
def test_pauses_longer_the_more_often_it_fails_in_a_row(failures: int, pause_ms: int) -> None:
    assert pause_after(failures) == pause_ms * MS


def fail(loop: Loop, client: Client) -> int:
    """Have the request of *client* be reset; return for how long it pauses then."""
    client.state, now = PAUSING, clock()
    loop.fail(client, LOST, now)
    when, _, _ = loop.timers.pop()
    return when - now


def test_connects_again_at_once_after_a_failure_behind_a_success() -> None:
    with idle(1) as loop:
        [client] = loop.everyone
        client.opened = client.sent = 1  # the first request on its connection

        assert [fail(loop, client) for _ in range(4)] == [0, MS, 2 * MS, 4 * MS]

        client.sent = 2  # the next on that connection: the first was answered
        assert fail(loop, client) == 0

        client.opened = client.sent = 3
        assert fail(loop, client) == MS

        client.state, client.done = IDLE, 4  # answered, and closed as it was to be
        loop.start_over = lambda _: None  # type: ignore[assignment, method-assign]
        loop.finish(client)
        assert fail(loop, client) == 0


def test_adds_up_how_long_clients_pause() -> None:
    with idle(2) as loop:
        first, second = loop.everyone
        began = clock()
        for client in (first, second):
            client.state = PAUSING
            loop.fail(client, LOST, began)

        assert loop.away_until(began + 70) == 2 * 70

        loop.begin_now = lambda _: None  # type: ignore[assignment, method-assign]
        loop.come_back(first)
        back = clock()

        assert loop.away_until(back + 70) - loop.away_until(back) == 70


def test_wakes_users_when_they_have_thought() -> None:
    with idle(2, think_s=1) as loop:
        first, second = loop.everyone
        now = clock()
        first.next_think, second.next_think = iter([50, 70]).__next__, iter([60]).__next__
        loop.think_from(first, now)
        loop.think_from(second, now)

        assert loop.next_due == now + 50
        loop.wake_users(now + 55)
        assert (first.intended, second.intended) == (now + 50, 0)
        assert loop.next_due == now + 60

        loop.wake_users(now + 65)
        assert second.intended == now + 60
        assert (loop.away, loop.away_ns) == (0, 50 + 60)

        answer(loop, first)
        assert first.state == IDLE
        assert loop.next_due == loop.thinking[0][0] >= now + 70


def test_a_user_thinks_after_a_failure_too_and_connects_again_with_the_next_request() -> None:
    with idle(1, think_s=1) as loop:
        [user] = loop.everyone
        user.next_think = iter([50, 70]).__next__
        loop.think_from(user, 0)
        loop.wake_users(60)
        loop.fail(user, LOST, clock())

        assert user.state == PAUSING
        assert [client for _, _, client in loop.thinking] == [user]
        assert loop.timers == []
