"""What strategies share, without a server: no failure of one client reaches the others."""

import errno
import os
import select
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from math import inf

import pytest

from calcbench.core.app import application
from calcbench.core.app.workload import parse_workload
from calcbench.core.http.limits import Policy
from calcbench.core.http.message import Request, Response
from calcbench.core.serving import acceptor, event_loop
from calcbench.core.serving.blocking import clients, serve_connection, serve_request, spawn
from calcbench.core.serving.event_loop import Later, drain, expire, resume, serve_ready
from calcbench.core.serving.idle_clients import IdleClients
from calcbench.core.serving.ready import ReadyListener
from calcbench.core.serving.service import Service, make_service
from calcbench.core.serving.sockets import Client, NoRoomError, accept
from calcbench.core.serving.stop import Stop, ask
from calcbench.core.serving.wakeup import WakeUp

GET = b"GET /add/1/1 HTTP/1.1\r\nHost: test\r\n\r\n"
BROKEN = b"GET /broken HTTP/1.1\r\nHost: test\r\n\r\n"
HALF = GET[:12]


def break_down(request: Request) -> Response:
    """Handle a request like an application with a fault."""
    if request.path == b"/broken":
        raise ZeroDivisionError("as told")
    return application.handle(request)


def make(
    policy: Policy | None = None, handle: Callable[[Request], Response] = break_down
) -> Service:
    return make_service(policy or Policy(linger_timeout=0.1), parse_workload("add"), handle=handle)


@contextmanager
def stop_pair(drain_s: float = 3.0) -> Iterator[tuple[Stop, socket.socket]]:
    """Yield the stop, and the launcher's end of it."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Stop(ours, drain_s), theirs


@contextmanager
def guests(service: Service, count: int = 1) -> Iterator[tuple[list[Client], list[socket.socket]]]:
    """Yield *count* clients as a strategy has them, and their own ends."""
    with ExitStack() as stack:
        served, ends = [], []
        for _ in range(count):
            ours, theirs = socket.socketpair()
            stack.enter_context(ours)
            theirs.settimeout(60.0)
            ends.append(stack.enter_context(theirs))
            served.append(Client(ours, service.connect()))
        yield served, ends


def status(end: socket.socket) -> int:
    """Return the status of the response that has come to *end*, 0 for an end without one."""
    return int((end.recv(65_536) or b"HTTP/1.1 000")[9:12])


def unhurried() -> Later:
    """Return what a turn works with that may take as long as it likes."""
    later = Later()
    later.until = inf
    return later


# A handler that fails


FAILING: list[Callable[[Request], Response]] = []


def failing(handle: Callable[[Request], Response]) -> Callable[[Request], Response]:
    FAILING.append(handle)
    return handle


@failing
def raise_error(request: Request) -> Response:
    raise ZeroDivisionError("as told")


@failing
def exit_server(request: Request) -> Response:
    raise SystemExit(3)


@failing
def interrupt(request: Request) -> Response:
    raise KeyboardInterrupt


@failing
def run_out_of_memory(request: Request) -> Response:
    raise MemoryError


@failing
def call_itself(request: Request) -> Response:
    return call_itself(request)


@failing
def raise_what_cannot_be_encoded(request: Request) -> Response:
    raise ValueError("\udcff")


class MuteError(Exception):
    def __str__(self) -> str:
        raise ZeroDivisionError


@failing
def raise_what_cannot_be_said(request: Request) -> Response:
    raise MuteError


@failing
def raise_two_lines(request: Request) -> Response:
    raise ValueError("one\ntwo")


@failing
def return_nothing(request: Request) -> Response:
    return None  # type: ignore[return-value]


@pytest.mark.parametrize("handle", FAILING, ids=lambda handle: handle.__name__)
def test_responds_with_500_where_a_handler_fails(
    handle: Callable[[Request], Response], capfd: pytest.CaptureFixture[str]
) -> None:
    service = make(handle=handle)
    with stop_pair() as (stop, _), guests(service) as ([client], [end]):
        end.sendall(GET + GET)
        serve_connection(client, service, stop)
        said = end.recv(65_536)
        assert said.startswith(b"HTTP/1.1 500 ")
        assert b"\r\nConnection: close\r\n" in said
        assert said.count(b"HTTP/1.1") == 1
    lines = capfd.readouterr().err.splitlines()
    assert lines[0].startswith("calcbench: GET /add/1/1 failed: ")
    assert lines[0].endswith("; responded with 500")
    assert lines[1] == "Traceback (most recent call last):"
    assert sum("; responded" in line for line in lines) == 1


def test_serves_the_others_where_a_handler_fails(capfd: pytest.CaptureFixture[str]) -> None:
    service, later = make(), unhurried()
    with guests(service, 3) as (served, ends):
        for end, request in zip(ends, (GET, BROKEN, GET), strict=True):
            end.sendall(request)
        serve_ready(served, service.handle, later)
        assert [status(end) for end in ends] == [200, 500, 200]
        assert [client.connection.finished for client in served] == [False, True, False]
    assert "ZeroDivisionError" in capfd.readouterr().err


@pytest.mark.parametrize("response", [Response(299), Response(200, headers=((b"A", None),))])  # type: ignore[arg-type]
def test_lets_a_client_go_whose_response_cannot_be_written(
    response: Response, capfd: pytest.CaptureFixture[str]
) -> None:
    """It fails behind the handler: nobody has guarded that."""
    service, later = make(handle=lambda _: response), unhurried()
    with stop_pair() as (stop, _), guests(service, 2) as (served, ends):
        for end in ends:
            end.sendall(GET)
        serve_ready(served[:1], service.handle, later)
        serve_connection(served[1], service, stop)
        assert [client.connection.finished for client in served] == [True, True]
    assert capfd.readouterr().err.count("calcbench: a connection failed: ") == 2


def test_lets_a_client_go_whose_delayed_response_cannot_be_written(
    capfd: pytest.CaptureFixture[str],
) -> None:
    service, later = make(handle=lambda _: Response(299, wait=1e-9)), unhurried()
    with guests(service) as ([client], [end]):
        end.sendall(GET)
        serve_ready([client], service.handle, later)
        while not (due := resume(service.handle, later)):
            pass
        assert due == [client]
        assert client.connection.finished
    assert "KeyError" in capfd.readouterr().err


def test_says_in_one_message_what_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes that fail at once would mix up the lines of two messages."""
    written: list[bytes] = []
    monkeypatch.setattr("os.write", lambda _, data: written.append(data))
    service = make()
    with guests(service) as ([client], [end]):
        end.sendall(BROKEN.replace(b"/broken", b"/broken?" + b"x" * 5000))
        serve_ready([client], service.handle, unhurried())

    (message,) = written
    first, second, *_, last = message.decode().splitlines()
    assert len(first) < 400
    assert second == "Traceback (most recent call last):"
    assert last == "ZeroDivisionError: as told"


# A client that pipelines


class Costly:
    """A handler whose requests take *seconds* each, on a clock that only they move."""

    def __init__(self, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds, self.now = seconds, 1000.0
        monkeypatch.setattr(event_loop, "monotonic", lambda: self.now)

    def __call__(self, request: Request) -> Response:
        self.now += self.seconds
        return application.handle(request)


@pytest.mark.parametrize(
    ("seconds", "at_once"), [(0.01, 1), (0.0004, 3), (0.0, 100)], ids=["costly", "some", "cheap"]
)
def test_serves_what_is_pipelined_for_a_moment_and_then_turns_to_others(
    seconds: float, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle, later = Costly(seconds, monkeypatch), Later()
    service = make(handle=handle)
    with guests(service, 2) as (served, ends):
        ends[0].sendall(GET * 100)
        ends[1].sendall(GET)
        serve_ready(served, service.handle, later)
        assert ends[0].recv(65_536).count(b"HTTP/1.1 200") == at_once
        assert later.until_next() == (0.0 if at_once < 100 else event_loop.SWEEP_S)
        if later.begin_turn():
            resume(service.handle, later)
            serve_ready(served, service.handle, later)
        assert status(ends[1]) == 200


def test_handles_one_costly_request_in_a_turn_however_many_are_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else a stop would not be seen before all of them have their responses."""
    handle, later = Costly(1.0, monkeypatch), Later()
    service = make(handle=handle)
    count = 3 * event_loop.BATCH
    with guests(service, count) as (served, ends):
        for end in ends:
            end.sendall(GET)
            end.settimeout(0.0)
        serve_ready(served, service.handle, later)
        for turn in range(1, count):
            assert handle.now == pytest.approx(1000.0 + turn)
            assert later.begin_turn()
            assert resume(service.handle, later) == [served[turn]]  # in the order they came
            serve_ready([served[turn]], service.handle, later)
        assert [status(end) for end in ends] == [200] * count
        assert not later.begin_turn()


def test_lets_nobody_starve_who_is_put_off(monkeypatch: pytest.MonkeyPatch) -> None:
    handle, later = Costly(0.02, monkeypatch), Later()
    service = make(handle=handle)
    with guests(service, 5) as (served, ends):
        for end in ends:
            end.sendall(GET * 3)
        serve_ready(served, service.handle, later)
        order = []
        while later.begin_turn():
            resumed = resume(service.handle, later)
            serve_ready(resumed, service.handle, later)
            order += [served.index(client) for client in resumed]

        assert order == [1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4]
        assert [end.recv(65_536).count(b"HTTP/1.1 200") for end in ends] == [3] * 5


def test_serves_all_that_is_pipelined_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    handle, later = Costly(0.01, monkeypatch), Later()
    service = make(handle=handle)
    with guests(service, 1) as (served, [end]):
        end.sendall(GET * 20)
        turns, responses = 0, 0
        ready = served
        while ready:
            serve_ready(ready, service.handle, later)
            responses += end.recv(65_536).count(b"HTTP/1.1 200")
            turns += 1
            ready = resume(service.handle, later) if later.begin_turn() else []

        assert responses == 20
        assert turns >= 10
        assert served[0].connection.interest == selectors.EVENT_READ


def test_reads_nothing_while_a_pipelined_request_is_put_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What a client sends faster than it is served must not fill the memory."""
    handle, later = Costly(0.01, monkeypatch), Later()
    service = make(handle=handle)
    with guests(service, 1) as (served, [end]):
        end.sendall(GET * 20)
        serve_ready(served, service.handle, later)
        buffered = len(served[0].connection.buffer)
        end.sendall(GET * 20)
        serve_ready(served, service.handle, later)

        assert len(served[0].connection.buffer) == buffered


# A server that stops


def test_lets_all_requests_that_are_here_share_one_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handle, later = Costly(1.0, monkeypatch), Later()
    service = make(handle=handle)
    with guests(service, 10) as (served, ends):
        for end in ends:
            end.sendall(GET)
        drain(served, 1003.5)
        serve_ready(served, service.handle, later)
        while later.begin_turn():
            serve_ready(resume(service.handle, later), service.handle, later)
        assert all(client.connection.finished for client in served)
        for client in served:
            client.sock.close()
        assert [status(end) for end in ends] == [200] * 4 + [0] * 6


def test_lets_go_at_once_of_whoever_has_nothing_under_way() -> None:
    service = make()
    with guests(service, 4) as (served, ends):
        ends[1].sendall(GET)
        ends[2].sendall(HALF)
        ends[3].shutdown(socket.SHUT_WR)
        drain(served, time.monotonic() + 60)

        assert [client.connection.finished for client in served] == [True, False, False, True]


def test_looks_for_the_stop_between_pipelined_requests() -> None:
    with stop_pair() as (stop, launcher):

        def handle(request: Request) -> Response:
            ask(launcher)
            return application.handle(request)

        service = make(handle=handle)
        with guests(service) as ([client], [end]):
            end.sendall(GET * 100)
            serve_connection(client, service, stop)
            assert end.recv(65_536).count(b"HTTP/1.1 200") <= 2


def test_has_one_deadline_however_late_somebody_looks() -> None:
    with stop_pair(drain_s=3.0) as (stop, launcher):
        before = time.monotonic()
        ask(launcher)
        asked = time.monotonic()
        late = Stop(stop.sock, 3.0)  # as another process has it
        time.sleep(0.01)
        ask(launcher)

        assert before + 3.0 - 1e-5 <= stop.deadline <= asked + 3.0
        assert late.deadline == stop.deadline
        assert stop.is_set()


@pytest.mark.parametrize("end", ["closed", "nonsense"])
def test_has_a_deadline_where_nobody_says_since_when(end: str) -> None:
    with stop_pair(drain_s=3.0) as (stop, launcher):
        if end == "closed":
            launcher.close()
        else:
            launcher.send(b"!")
        now = time.monotonic()
        deadline = stop.deadline

        assert now + 3.0 <= deadline <= time.monotonic() + 3.0
        assert stop.deadline == deadline
        assert stop.is_set()


def test_has_one_deadline_for_all_processes_where_a_signal_asks() -> None:
    """One of them may be in a handler, and look long after the signal."""
    with stop_pair(drain_s=3.0) as (stop, _):
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            select.select([read], [], [], 60)  # it must not outlive a test that has failed
            os._exit(
                stop.asked[0] != 0.0 and stop.is_set() and stop.deadline < time.monotonic() + 3
            )
        before = time.monotonic()
        stop.set()
        deadline = stop.deadline
        assert before + 3.0 <= deadline <= time.monotonic() + 3.0
        time.sleep(0.01)
        stop.set()
        assert stop.deadline == deadline
        os.write(write, b"!")
        assert os.waitpid(child, 0)[1] == 1 << 8
        os.close(read)
        os.close(write)


def test_keeps_the_deadline_of_the_launcher_where_a_signal_follows() -> None:
    with stop_pair(drain_s=3.0) as (stop, launcher):
        ask(launcher)
        asked = time.monotonic()
        time.sleep(0.01)
        stop.set()
        assert stop.deadline <= asked + 3.0


def test_gives_a_blocking_client_no_time_behind_the_deadline() -> None:
    """It sends its request piece by piece, each of them just before its time is up."""
    now = [1000.0]
    with stop_pair(drain_s=3.0) as (stop, launcher):
        service = make()
        with guests(service) as ([client], [end]):
            end.sendall(GET[:5])
            stop.asked[0] = 1000.0
            ask(launcher)

            def clock() -> float:
                now[0] += 1.3
                end.send(b"x")
                return now[0]

            serve_connection(client, service, stop, clock=clock)
            assert now[0] < 1003.0 + 4 * 1.3


# A server that stood still


@pytest.mark.parametrize("said", [GET, HALF + GET[12:]], ids=["idle", "begun"])
def test_serves_a_client_that_has_spoken_in_time(said: bytes) -> None:
    """The server looks long after the deadline, but the request was there before that."""
    service, later = make(), unhurried()
    with guests(service) as ([client], [end]):
        if said != GET:
            end.sendall(HALF)
            serve_ready([client], service.handle, later)
        client.connection.time_left(time.monotonic() - 1000)
        end.sendall(said[12:] if said != GET else GET)
        expire([client], lambda late: serve_ready(late, service.handle, later))
        assert status(end) == 200
        assert not client.connection.finished


@pytest.mark.parametrize("said", [GET, HALF + GET[12:]], ids=["idle", "begun"])
def test_serves_a_client_that_has_spoken_in_time_where_it_blocks(said: bytes) -> None:
    times = iter([0.0, 1000.0, 1000.0, 1000.0, 1000.0])
    service = make()
    with stop_pair() as (stop, _), guests(service) as ([client], [end]):
        if said != GET:
            client.connection.store(HALF)
            client.connection.next_request()
        client.connection.time_left(next(times))
        end.sendall(said[12:] if said != GET else GET)
        serve_request(client, service, stop, clock=lambda: next(times))
        assert status(end) == 200


def test_serves_a_client_that_speaks_between_the_wait_and_the_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Poll:
        def __getattr__(self, name: str) -> Callable[..., list[tuple[int, int]]]:
            return lambda *_: []

    service = make()
    with stop_pair() as (stop, _), guests(service) as ([client], [end]):
        end.sendall(GET)
        monkeypatch.setattr("select.poll", Poll)
        serve_request(client, service, stop)
        assert status(end) == 200


def test_serves_an_idle_client_that_has_spoken_in_time() -> None:
    service = make()
    with guests(service, 2) as (served, ends), selectors.DefaultSelector() as selector:
        idle = IdleClients(selector)
        for client in served:
            idle.add(client)
            client.connection.time_left(time.monotonic() - 1000)
        ends[0].sendall(GET)
        assert idle.expire() == []  # not yet time to look
        idle.sweep.next = 0.0
        assert set(idle.expire()) == set(served)
        assert [client.connection.has_buffered for client in served] == [True, False]
        assert [client.connection.finished for client in served] == [False, True]
        assert len(idle) == 0
        assert not selector.get_map()


def test_times_out_whoever_drips_although_octets_are_ready() -> None:
    service, later = make(), unhurried()
    with guests(service) as ([client], [end]):
        end.sendall(HALF)
        serve_ready([client], service.handle, later)
        client.connection.time_left(time.monotonic() - 1000)
        end.sendall(b"x")
        expire([client], lambda late: serve_ready(late, service.handle, later))
        assert status(end) == 408


# Somebody else who waits


def test_says_that_a_response_is_the_last_while_somebody_waits() -> None:
    service = make()
    waiting = iter([False, False, True])
    with stop_pair() as (stop, _), guests(service) as ([client], [end]):
        said = b""
        for _ in range(3):
            end.sendall(GET)
            serve_request(client, service, stop, lambda: next(waiting))
            said = end.recv(65_536)
            assert client.connection.finished == (b"Connection: close" in said)
        assert client.connection.finished


# Accepting


class Accepting:
    """A listener whose accept fails in the ways of *errors*."""

    def __init__(self, errors: list[Exception]) -> None:
        self.errors = errors

    def setblocking(self, blocking: bool) -> None:
        assert not blocking

    def accept(self) -> tuple[socket.socket, object]:
        raise self.errors.pop(0)


@pytest.mark.parametrize("number", [errno.EPROTO, errno.ECONNABORTED, errno.EPERM])
def test_goes_on_accepting_behind_a_transient_error(number: int) -> None:
    with stop_pair() as (stop, _):
        listener = Accepting([OSError(number, "as told")] * 2)
        for _ in range(2):
            assert accept(listener, make(), stop) is None  # type: ignore[arg-type]


def test_raises_an_error_of_the_listener_itself() -> None:
    with stop_pair() as (stop, _), pytest.raises(OSError, match="as told"):
        accept(Accepting([OSError(errno.EBADF, "as told")]), make(), stop)  # type: ignore[arg-type]


EXHAUSTED = [OSError(errno.EMFILE, "as told"), OSError(errno.ENFILE, "as told"), MemoryError()]


@pytest.mark.parametrize("error", EXHAUSTED, ids=repr)
def test_says_that_there_is_no_room(error: Exception) -> None:
    with stop_pair() as (stop, _), pytest.raises(NoRoomError):
        accept(Accepting([error]), make(), stop)  # type: ignore[arg-type]


def test_waits_for_the_stop_too_where_there_is_no_room() -> None:
    with stop_pair() as (stop, launcher):
        listener = Accepting([EXHAUSTED[0], EXHAUSTED[0], OSError(errno.EINVAL, "shut down")])
        ask(launcher)
        assert list(clients(listener, make(), stop)) == []  # type: ignore[arg-type]


@contextmanager
def listening() -> Iterator[tuple[socket.socket, list[socket.socket]]]:
    """Yield a listener at which two clients wait."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        address = listener.getsockname()
        waiting = [stack.enter_context(socket.create_connection(address)) for _ in range(2)]
        yield listener, waiting


def is_watched(selector: selectors.BaseSelector, sock: socket.socket) -> bool:
    return sock.fileno() in selector.get_map()


def test_does_not_listen_while_as_many_are_connected_as_may_be() -> None:
    with stop_pair() as (stop, _), listening() as (listener, _), ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        door = acceptor.Acceptor(selector, listener, make(Policy(max_connections=1)), stop)
        door.watch(0)
        assert is_watched(selector, listener)
        (accepted,) = door.accept_batch(0)
        stack.enter_context(accepted.sock)
        door.watch(1)
        assert not is_watched(selector, listener)
        assert list(door.accept_batch(1)) == []
        door.watch(0)
        assert is_watched(selector, listener)
        door.close()
        door.watch(0)
        assert not is_watched(selector, listener)
        assert door.closed


def test_does_not_listen_for_a_moment_where_descriptors_have_run_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A listener that is watched and not accepted from would wake the loop for ever."""
    now = [1000.0]
    monkeypatch.setattr(acceptor, "monotonic", lambda: now[0])

    def no_room(*_: object) -> None:
        raise NoRoomError

    with stop_pair() as (stop, _), listening() as (listener, _), ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        door = acceptor.Acceptor(selector, listener, make(), stop)
        door.watch(0)
        with monkeypatch.context() as patch:
            patch.setattr(acceptor, "accept", no_room)
            assert list(door.accept_batch(0)) == []
        door.watch(0)
        assert not is_watched(selector, listener)
        now[0] += acceptor.RETRY_S
        door.watch(0)
        assert is_watched(selector, listener)


class Popular:
    """A listener at which another client is always waiting."""

    def setblocking(self, blocking: bool) -> None:
        assert not blocking

    def accept(self) -> tuple[socket.socket, object]:
        return socket.socket(), None


def test_turns_to_others_although_new_clients_never_end() -> None:
    with stop_pair() as (stop, _), selectors.DefaultSelector() as selector:
        door = acceptor.Acceptor(selector, Popular(), make(), stop)  # type: ignore[arg-type]
        accepted = list(door.accept_batch(0))
        for client in accepted:
            client.sock.close()

        assert len(accepted) == acceptor.BATCH


# Threads


def test_says_that_no_thread_could_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    with guests(make()) as ([client], _):
        assert not spawn(lambda _: None, client)


def test_never_waits_to_wake_somebody() -> None:
    """The thread that is to be woken may be the one that wakes, or be busy for long."""
    with WakeUp() as wakeup:
        for _ in range(100_000):
            wakeup.wake()
        poll = select.poll()
        poll.register(wakeup, select.POLLIN)
        assert poll.poll(0)
        while poll.poll(0):
            wakeup.clear()
        wakeup.clear()  # with nothing there
        wakeup.wake()
        assert poll.poll(0)
    wakeup.wake()  # by a thread whose work was seen to be done before it could say so


# Being ready


@pytest.mark.parametrize("first", ["accept", "register"])
def test_is_ready_when_somebody_first_waits_for_clients(first: str) -> None:
    said: list[str] = []
    with listening() as (listener, _), ExitStack() as stack:
        ready = ReadyListener(listener.detach(), lambda: said.append("ready"))
        stack.enter_context(ready)
        ready.setblocking(False)
        ready.getsockname()
        assert said == []
        if first == "register":
            selector = stack.enter_context(selectors.DefaultSelector())
            selector.register(ready, selectors.EVENT_READ)
            assert said == ["ready"]
        for _ in range(2):
            sock, _ = ready.accept()
            sock.close()
        assert said == ["ready"]
        assert vars(ready) == {}  # no later call pays for it
