"""What `serve --watch` makes of events and of what the kernel tells: made up here, with a clock."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from calcbench.bench.classroom.watch import LOST_NS, RATE_NS, SECOND_NS, Sample, Watched
from calcbench.bench.classroom.watch_lines import (
    changes,
    client_lines,
    say_duration,
    screen,
    summary,
    worker_lines,
)
from calcbench.bench.system.backlog import Queue
from calcbench.bench.system.threads import Doing, ThreadState
from calcbench.core.serving.lifecycle import Event, Kind

SERVER, CHILD = 100, 200  # processes
MAIN, FIRST, SECOND = 100, 101, 102  # threads of the server
REQUEST = (Kind.FIRST_OCTET, Kind.PARSED, Kind.BEGUN, Kind.HANDLED, Kind.WRITTEN)


class Stage:
    """A server that is watched, and a clock in seconds that the test moves on."""

    def __init__(self) -> None:
        self.now = 100.0
        self.watched = Watched(SERVER)
        self.events: list[Event] = []
        self.queue: Queue | None = None
        self.threads: Sequence[ThreadState] | None = None

    def event(
        self, kind: Kind, connection: int, thread: int = MAIN, request: int = 0, **more: int
    ) -> None:
        """Have something happen now."""
        pid, share = more.get("pid", SERVER), more.get("share", 1)
        moment = round(self.now * SECOND_NS)
        self.events.append(Event(moment, kind, connection, request, pid, thread, share))

    def serve(self, connection: int, thread: int = MAIN, request: int = 1, share: int = 1) -> None:
        """Have a whole request happen now."""
        for kind in REQUEST:
            self.event(kind, connection, thread, request, share=share)

    def doing(self, *threads: Doing | tuple[int, int, Doing]) -> None:
        """Set what the threads are doing: those of the server in order, others in full."""
        self.threads = [
            ThreadState(SERVER, MAIN + place, what)
            if isinstance(what, Doing)
            else ThreadState(*what)
            for place, what in enumerate(threads)
        ]

    def look(self, after_s: float = 0.0) -> Watched:
        """Let time go by, and look."""
        self.now += after_s
        now = round(self.now * SECOND_NS)
        self.watched.update(Sample(now, self.events, self.queue, now, self.threads))
        self.events = []
        return self.watched

    def clients(self, after_s: float = 0.0) -> list[str]:
        return [line.text for line in client_lines(self.look(after_s))]

    def workers(self) -> list[str]:
        return [line.text for line in worker_lines(self.look())]


def test_says_who_holds_a_worker_and_who_waits() -> None:
    """One silent client in front of everybody: what a class is to see."""
    stage = Stage()
    stage.doing(Doing.WAITS_FOR_ONE)
    stage.event(Kind.OPENED, 1)
    stage.queue = Queue((b"a", b"b"), 1)
    stage.look()

    assert stage.clients(4) == [
        "#1 holds main, silent for 4 s",
        "#2 waits in the backlog for 4 s",
        "#3 waits in the backlog for 4 s",
    ]
    assert stage.workers() == ["main is held by #1"]


def test_the_first_page_shows_what_it_shows() -> None:
    stage = Stage()
    stage.doing(Doing.WAITS_FOR_ONE)
    stage.event(Kind.OPENED, 1)
    stage.queue = Queue((b"a",), 1)
    stage.look()
    shown = screen([("blocking", stage.look(6))], 20, 79)[1:]

    page = Path(__file__).parent.parent / "docs/1-one-request.md"
    assert "\n".join(line.text for line in shown) in page.read_text(encoding="utf-8")


def test_says_who_is_accepted_and_has_no_worker_yet() -> None:
    stage = Stage()
    stage.doing(Doing.ACCEPTS, Doing.WAITS_FOR_ONE)
    stage.event(Kind.OPENED, 1, FIRST)
    stage.queue = Queue((), 3)  # two are in the queue of the pool, of whom nothing is told
    stage.look()

    stage.look(1)
    assert stage.clients(2) == [
        "#1 holds thread-1, silent for 3 s",
        "#2 is accepted and waits for a worker for 2 s",
        "#3 is accepted and waits for a worker for 2 s",
    ]
    assert stage.workers() == ["main waits in accept for a new client", "thread-1 is held by #1"]


def test_does_not_take_one_for_waiting_that_has_just_been_accepted() -> None:
    stage = Stage()
    stage.doing(Doing.WAITS_FOR_ANY)
    stage.queue = Queue((), 1)
    stage.look()
    stage.event(Kind.OPENED, 1)

    assert stage.clients() == ["#1 holds no thread, just connected"]


def test_does_not_show_one_twice_that_is_accepted_as_it_looks() -> None:
    stage = Stage()
    stage.doing(Doing.WAITS_FOR_ONE)
    stage.queue = Queue((b"a", b"b"), 0)
    stage.look()
    looked_at = stage.queue
    stage.now += 0.1
    began = round(stage.now * SECOND_NS)
    stage.now += 0.1
    stage.event(Kind.OPENED, 1)  # between the look at the queue and the one at the events
    now = round(stage.now * SECOND_NS)
    stage.watched.update(Sample(now, stage.events, looked_at, began, stage.threads))

    assert [line.text.partition(",")[0] for line in client_lines(stage.watched)] == [
        "#1 holds main",
        "#2 waits in the backlog for under 1 s",
    ]


def test_does_not_lose_whose_child_is_younger_than_the_look_at_threads() -> None:
    stage = Stage()
    stage.doing(Doing.WAITS_FOR_ANY)
    stage.event(Kind.OPENED, 1, CHILD, pid=CHILD)  # accepted before, told by the child
    assert stage.clients(0.1) == ["#1 holds no thread, just connected"]

    stage.doing(Doing.WAITS_FOR_ANY, (CHILD, CHILD, Doing.WAITS_FOR_ONE))
    assert stage.clients(2) == ["#1 holds child 200, silent for 2 s"]


def test_knows_that_an_event_loop_is_held_by_nobody_who_is_silent() -> None:
    stage = Stage()
    stage.doing(Doing.WAITS_FOR_ANY)
    stage.event(Kind.OPENED, 1)
    stage.event(Kind.OPENED, 2)

    assert stage.clients(2) == [
        "#1 holds no thread, silent for 2 s",
        "#2 holds no thread, silent for 2 s",
    ]
    assert stage.workers() == ["main waits for whoever speaks first"]


@pytest.mark.parametrize(
    ("doing", "said"),
    [
        (Doing.WAITS_FOR_ANY, "#2 holds no thread, its response waits for I/O for 3 s"),
        (Doing.SLEEPS, "#2 holds main, its handler sleeps for 3 s"),
        (Doing.RUNS, "#2 holds main, its handler computes for 3 s"),
        (Doing.WAITS_FOR_WORK, "#2 holds main, its request is handled for 3 s"),
    ],
)
def test_tells_waiting_from_blocking_in_an_event_loop(doing: Doing, said: str) -> None:
    stage = Stage()
    stage.doing(Doing.WAITS_FOR_ANY)
    stage.event(Kind.OPENED, 1)
    stage.event(Kind.OPENED, 2)
    stage.look()
    for kind in REQUEST[:3]:
        stage.event(kind, 2, request=1)
    stage.doing(doing)

    assert stage.clients(3) == ["#1 holds no thread, silent for 3 s", said]


def test_says_what_a_slow_client_is_at() -> None:
    stage = Stage()
    stage.doing(*[Doing.WAITS_FOR_ONE] * 3)
    stage.event(Kind.FIRST_OCTET, 1, FIRST, 1)
    for kind in REQUEST[:4]:
        stage.event(kind, 2, SECOND, 1)

    assert stage.clients(2) == [
        "#1 holds thread-1, its request is not complete for 2 s",
        "#2 holds thread-2, does not read its response for 2 s",
    ]


def test_says_what_a_client_had_before_it_fell_silent() -> None:
    stage = Stage()
    stage.doing(Doing.WAITS_FOR_ONE)
    stage.serve(1)

    assert stage.clients() == ["#1 holds main, served just now"]
    assert stage.clients(75) == ["#1 holds main, silent for 1 min 15 s, after 1 request"]


def test_forgets_a_thread_that_has_ended() -> None:
    """A thread for each request: its client is idle, and holds none."""
    stage = Stage()
    stage.doing(Doing.WAITS_FOR_ANY, Doing.RUNS)
    stage.serve(1, FIRST)
    stage.look()
    stage.doing(Doing.WAITS_FOR_ANY)

    assert stage.clients(2) == ["#1 holds no thread, silent for 2 s, after 1 request"]
    stage.event(Kind.CLOSED, 1)
    assert stage.clients() == []
    assert set(stage.watched.names) == {MAIN}


def test_says_whose_child_has_died() -> None:
    stage = Stage()
    stage.doing(Doing.WAITS_FOR_ANY, (CHILD, CHILD, Doing.WAITS_FOR_ONE))
    stage.event(Kind.OPENED, 1, CHILD, pid=CHILD)

    assert stage.clients(2) == [f"#1 holds child {CHILD}, silent for 2 s"]
    stage.doing(Doing.WAITS_FOR_ANY)
    assert stage.clients() == [f"#1 is lost: child {CHILD} is gone"]
    assert stage.clients(2 * LOST_NS / SECOND_NS) == []


def test_lets_go_of_whom_the_kernel_does_not_know() -> None:
    """Where events were lost, or a thread has died with its client."""
    stage = Stage()
    stage.doing(Doing.ACCEPTS, Doing.WAITS_FOR_ONE)
    stage.queue = Queue((), 2)
    stage.event(Kind.OPENED, 1, FIRST)
    stage.event(Kind.OPENED, 2, SECOND)  # which is gone
    stage.look()
    stage.queue = Queue((), 1)

    stage.look(1)
    assert stage.clients(1) == [
        "#2 is lost: thread-2 is gone",
        "#1 holds thread-1, silent for 2 s",
    ]


def test_counts_nobody_as_lost_who_left_as_it_looked() -> None:
    stage = Stage()
    stage.doing(Doing.WAITS_FOR_ANY)
    stage.queue = Queue((), 1)
    for number in range(1, 6):
        stage.event(Kind.OPENED, number)
        stage.serve(number)
        stage.look(0.25)
        stage.event(Kind.CLOSED, number)

    assert stage.watched.lost == {}
    assert stage.clients() == []


def test_says_so_where_only_some_requests_are_traced() -> None:
    stage = Stage()
    stage.doing(Doing.WAITS_FOR_ANY)
    stage.event(Kind.OPENED, 2)
    for at in range(100):
        stage.serve(1, request=50 * at, share=50)

    watched = stage.look(1)
    assert summary(watched) == [
        "2 connections; 0 waiting; serves 2,500/s; one of 50 requests is seen",
        "this system does not tell who waits in the backlog",
    ]
    # Neither is called silent: what they have asked since may be among the others.
    assert [line.text for line in client_lines(watched)] == [
        "#1 holds no thread, last seen 1 s ago",
        "#2 holds no thread, last seen 1 s ago",
    ]
    assert summary(stage.look(RATE_NS / SECOND_NS))[0] == "2 connections; 0 waiting; serves 0/s"


def test_names_what_a_system_does_not_tell_and_guesses_nothing() -> None:
    stage = Stage()
    stage.event(Kind.OPENED, 1, FIRST)
    stage.event(Kind.BEGUN, 2, SECOND, 1)

    assert stage.clients(2) == [
        "#1: silent for 2 s",
        "#2 holds thread-1, its request is handled for 2 s",
    ]
    assert stage.workers() == []
    assert summary(stage.watched)[1:] == [
        "this system does not tell who waits in the backlog and what each thread does"
    ]


def crowd(stage: Stage) -> None:
    """Have eight workers held, and hundreds of clients wait in vain."""
    stage.doing(Doing.WAITS_FOR_WORK, *[Doing.WAITS_FOR_ONE] * 8)
    for number in range(1, 9):
        stage.event(Kind.OPENED, number, MAIN + number)
    stage.queue = Queue(tuple(b"%d" % number for number in range(300)), 72)
    stage.look()
    stage.look(2)


@pytest.mark.parametrize("rows", range(1, 60))
def test_never_shows_more_lines_than_there_is_room_for(rows: int) -> None:
    stage = Stage()
    crowd(stage)

    lines = screen([("one", stage.watched)], rows, 40)
    assert len(lines) <= rows
    assert max(len(line.text) for line in lines) <= 40
    pair = screen([("one", stage.watched), ("two", Watched(1))], rows, 40)
    assert len(pair) <= rows


def test_says_how_many_there_is_no_room_for() -> None:
    stage = Stage()
    crowd(stage)

    texts = [line.text for line in screen([("title", stage.watched)], 23, 79)]
    assert len(texts) == 23
    assert texts[:2] == ["title", "8 connections; 364 waiting; serves 0/s"]
    assert "and 3 more: 2 held, 1 free" in texts
    assert texts[-1] == "and 359 more: 300 in the backlog, 59 accepted"
    assert "#1 holds thread-1, silent for 2 s" in texts


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "under 1 s"),
        (0.99, "under 1 s"),
        (1, "1 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (80, "1 min 20 s"),
        (3601, "1 h 1 s"),
        (-1, "under 1 s"),
    ],
)
def test_says_how_long(seconds: float, said: str) -> None:
    assert say_duration(round(seconds * SECOND_NS)) == said


def test_tells_changes_once_and_not_that_time_goes_by() -> None:
    stage = Stage()
    stage.doing(Doing.WAITS_FOR_ONE)
    stage.event(Kind.OPENED, 1)
    said, first = changes({}, client_lines(stage.look(2)))
    said, second = changes(said, client_lines(stage.look(5)))
    stage.event(Kind.CLOSED, 1)
    said, third = changes(said, client_lines(stage.look(1)))

    assert first == ["#1 holds main, silent for 2 s"]
    assert second == []
    assert third == ["#1 is gone"]
    assert said == {}
