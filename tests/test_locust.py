"""Locust as the engine: what its workers see, and what becomes of a race when one of them dies.

Everything here runs in Locust's own processes: none of it may ever be imported into ours.
"""

import contextlib
import errno
import itertools
import json
import os
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import sysconfig
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from builders import only_run
from namespaces import Machines, machines, why_denied
from truth import (
    BIG,
    LONG_S,
    Behaviour,
    always,
    nobody,
    once,
    only,
    refuse_early,
    requests,
    response_to,
    some_ended,
    thinks_between,
    truth,
    until,
)

from calcbench.bench.cli.worker import master
from calcbench.bench.diagnosis.failures import contradiction_of_totals
from calcbench.bench.diagnosis.littles_law import users_ratio
from calcbench.bench.loadgen.driver.ledger import NO_CONNECTION
from calcbench.bench.loadgen.locust.cluster import Cluster
from calcbench.bench.loadgen.locust.messages import (
    DIED,
    PROTOCOL,
    Assigned,
    Gone,
    Joined,
    Listening,
    MasterMessage,
    Refused,
    Strangers,
    message_from_json,
    message_to_json,
    plain,
)
from calcbench.bench.loadgen.locust.reporter import Reporter
from calcbench.bench.loadgen.locust.secret import VARIABLE
from calcbench.bench.loadgen.locust.session import LoadSession
from calcbench.bench.loadgen.observation import Observation
from calcbench.bench.loadgen.protocol import (
    ERROR,
    LARGEST_MESSAGE,
    MESSAGE,
    OPENED,
    REPORT,
    SAMPLES,
    TAG_BITS,
    DriverError,
    DriverReport,
    Opened,
    ReportError,
    samples_to_octets,
    to_octets,
)
from calcbench.bench.loadgen.spec import Ask, LoadSpec
from calcbench.bench.runner.launched import among_strategies
from calcbench.bench.runner.race import pinning_of
from calcbench.bench.schema.arrivals import ARRIVALS, schedule
from calcbench.bench.schema.outcomes import OK, Outcomes
from calcbench.bench.schema.plan import LOCUST, Plan
from calcbench.bench.schema.reader import read_run
from calcbench.bench.schema.result import Run
from calcbench.core.errors import CalcbenchError, UsageError
from calcbench.core.serving.launcher import ServerSpec, launch

pytestmark = pytest.mark.locust

SCRIPTS = Path(sysconfig.get_path("scripts"))
TIMEOUT_S = 90  # for what should take a moment, on a laden machine
SECRET = "0123456789abcdef"
FOREIGN = {"locust", "gevent", "zmq"}  # greenlet comes with Playwright, too

right = always(response_to)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster(2) as two:
        yield two
    assert FOREIGN.isdisjoint(sys.modules)


def drive(
    cluster: Cluster,
    port: int,
    enough: Callable[[Observation], bool] = some_ended,
    duration_s: float = 0.25,
    **changes: object,
) -> Observation:
    """Let *cluster* drive the server at *port* until it is *enough*, changed in a few things."""
    usual = {"connections": 3, "keep_alive": True, "warmup_s": 0.02, "timeout_s": LONG_S}
    fixed = {"host": "127.0.0.1", "port": port}

    def measure(duration_s: float) -> Observation:
        load = LoadSpec(**(fixed | usual | changes | {"duration_s": duration_s}))  # type: ignore[arg-type]
        return cluster.drive(load)

    return until(enough, measure, duration_s)


def silent(conn: socket.socket) -> None:
    for _ in requests(conn):
        pass


def truncating(conn: socket.socket) -> None:
    for _ in requests(conn):
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n12")
        return


def leaving(conn: socket.socket) -> None:
    next(requests(conn))


def closing(conn: socket.socket) -> None:
    for served, number in enumerate(requests(conn)):
        conn.sendall(response_to(number))
        if served == 4:
            return


def bytewise(conn: socket.socket) -> None:
    conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for number in requests(conn):
        for octet in response_to(number):
            conn.send(bytes([octet]))


AS_IT_IS = {
    "right": (right, "ok"),
    "byte by byte": (bytewise, "ok"),
    "closing": (once(lambda number: response_to(number, fields="Connection: close\r\n")), "ok"),
    "lingering": (always(lambda number: response_to(number, fields="Connection: close\r\n")), "ok"),
    "another number": (always(lambda number: response_to(number + 1)), "wrong"),
    "an octet too many": (always(lambda number: response_to(number) + b"!"), "wrong"),
    "no head": (always(lambda _: b"HTTP/1.1 200\r\n\r\n"), "wrong"),
    "truncated": (truncating, "wrong"),
    "an error": (always(lambda number: response_to(number, "500 Oh")), "http_error"),
    "no response": (leaving, "reset"),
    "silence": (silent, "timed_out"),
}
CAUSES = {
    "another number": "wrong body",
    "an octet too many": "bytes follow its end",
    "no head": "it has not exactly one Content-Length",
    "truncated": "the connection was closed within its body",
    "an error": "status 500",
    "no response": "connection closed before a response",
    "silence": "timed out before a response",
}
IN_AN_OPEN_LOOP = ("right", "closing", "lingering", "truncated", "no response", "silence")


@pytest.mark.parametrize(
    ("what", "rate"), [(name, 0) for name in AS_IT_IS] + [(name, 200) for name in IN_AN_OPEN_LOOP]
)
def test_counts_each_response_as_what_it_is(cluster: Cluster, what: str, rate: float) -> None:
    behave, outcome = AS_IT_IS[what]
    with truth(behave) as port:
        observation = drive(
            cluster, port, rate=rate, timeout_s=0.1 if what == "silence" else LONG_S
        )

    assert only(observation, outcome)
    causes = {failure.cause for failure in observation.failures}
    assert causes <= {CAUSES.get(what), NO_CONNECTION.cause}
    assert sum(failure.count for failure in observation.failures) == observation.outcomes.failed
    assert observation.begun == observation.ended
    assert observation.unfinished == 0


def test_tells_a_port_where_nobody_listens(cluster: Cluster) -> None:
    with nobody() as port:
        assert only(drive(cluster, port), "refused")


def test_replaces_a_connection_that_the_server_closed_in_peace(cluster: Cluster) -> None:
    with truth(closing) as port:
        observation = drive(cluster, port, rate=100, connections=4, duration_s=0.4)

    # As of our own driver in test_open_loop.py; each of two workers has a clock of its own.
    assert observation.outcomes.total == observation.outcomes.ok + observation.outcomes.reset
    assert observation.outcomes.total >= 39
    assert observation.outcomes.reset <= observation.outcomes.ok / 5 + 4


def test_asks_anything_of_any_server(cluster: Cluster) -> None:
    def chunked(conn: socket.socket) -> None:
        while conn.recv(4096):
            conn.sendall(
                b"HTTP/1.1 201 Made\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
            )

    ask = Ask("GET /x HTTP/1.1\r\nHost: a\r\n\r\n", status=201, body="hi")
    with truth(chunked) as port:
        assert only(drive(cluster, port, ask=ask), "ok")
        assert only(drive(cluster, port, ask=Ask(ask.request, body="ho")), "wrong")


def test_closes_what_a_server_does_not(cluster: Cluster) -> None:
    with truth(right) as port:
        observation = drive(cluster, port, lambda seen: seen.outcomes.ok > 3, keep_alive=False)

    assert only(observation, "ok")
    assert observation.outcomes.ok > 3  # each of its three clients, and again


def test_hears_a_server_that_does_not_want_all_of_the_request(cluster: Cluster) -> None:
    with truth(refuse_early) as port:
        observation = drive(cluster, port, ask=Ask(BIG, "PUT", 413), timeout_s=10)

    assert only(observation, "ok")


def test_says_why_the_first_response_was_refused(cluster: Cluster) -> None:
    with truth(always(lambda number: response_to(number) + b"!")) as port:
        observation = drive(cluster, port)

    [failure] = observation.failures
    assert (failure.outcome, failure.why) == ("wrong", "bytes follow its end: '!'")
    assert failure.excerpt.startswith(r"HTTP/1.1 200 OK\r\nContent-Length: ")
    assert failure.excerpt.endswith("!")
    assert failure.first_ns >= 0


def test_has_fewer_connections_than_workers(cluster: Cluster) -> None:
    with truth(right) as port:
        observation = drive(cluster, port, connections=1)

    assert only(observation, "ok")
    assert observation.drivers == 1


@pytest.mark.parametrize("keep_alive", [True, False])
@pytest.mark.parametrize("arrivals", ARRIVALS)
def test_asks_for_what_is_due_and_nothing_else(
    cluster: Cluster, arrivals: str, keep_alive: bool
) -> None:
    with truth(right if keep_alive else once(response_to)) as port:
        observation = drive(
            cluster,
            port,
            rate=300,
            arrivals=arrivals,
            seed=5,
            connections=20,
            duration_s=0.3,
            keep_alive=keep_alive,
        )
    # Each worker has every other arrival, by its own clock from its own beginning.
    due = list(itertools.islice(schedule(300, arrivals, 5), 1000))
    intended, client = observation.samples["intended_ns"], observation.samples["client"]
    for number, mine in enumerate((client < 10, client >= 10)):
        gaps = np.diff(np.sort(intended[mine])).tolist()
        all_gaps = np.diff(due[number::2]).tolist()
        assert any(gaps == all_gaps[at : at + len(gaps)] for at in range(len(all_gaps)))

    assert only(observation, "ok")
    assert observation.in_flight == 0
    assert (observation.samples["sent_ns"] >= intended).all()
    assert (observation.samples["first_ns"] > observation.samples["sent_ns"]).all()


def test_gives_every_connection_its_turn(cluster: Cluster) -> None:
    with truth(right) as port:
        observation = drive(
            cluster, port, lambda seen: seen.connections_used == 10, rate=100, connections=10
        )

    assert only(observation, "ok")
    assert (observation.connections_used, observation.unopened) == (10, 0)


def test_says_how_many_connections_could_not_be_opened(cluster: Cluster) -> None:
    with nobody() as port:
        observation = drive(cluster, port, rate=100, connections=7)

    assert observation.unopened == 7
    assert only(observation, "refused")


@pytest.mark.parametrize("keep_alive", [True, False])
def test_users_think_before_each_request(cluster: Cluster, keep_alive: bool) -> None:
    with truth(right if keep_alive else once(response_to)) as port:
        observation = drive(
            cluster,
            port,
            lambda seen: seen.outcomes.ok > 40,
            think_s=0.05,
            connections=20,
            keep_alive=keep_alive,
        )
    samples = observation.samples

    assert only(observation, "ok")
    assert observation.clients_served == 20
    assert (thinks_between(observation) >= 50_000_000).all()
    assert (samples["sent_ns"] >= samples["intended_ns"]).all()
    assert observation.busy_ns is not None
    ratio = users_ratio(observation.busy_ns, observation.away_ns, observation.elapsed_ns, 20)
    assert ratio == pytest.approx(1, abs=0.05)


def test_gives_up_what_never_got_a_connection(cluster: Cluster) -> None:
    with truth(silent) as port:
        observation = drive(cluster, port, rate=1000, connections=2, timeout_s=0.1, duration_s=0.2)
    unsent = observation.samples["client"] == -1

    assert only(observation, "timed_out")
    assert unsent.any()
    assert observation.samples["latency_ns"].min() >= 100_000_000


@pytest.mark.parametrize("rate", [0, 300])
@pytest.mark.parametrize("keep_alive", [True, False])
def test_sees_as_many_responses_as_the_server_counted(
    cluster: Cluster, keep_alive: bool, rate: float
) -> None:
    windows: list[Observation] = []

    def enough(observation: Observation) -> bool:
        windows.append(observation)
        return observation.clients_served == 5

    with launch(ServerSpec("selectors", watched=True)) as server:
        observation = drive(
            cluster,
            server.port,
            enough,
            keep_alive=keep_alive,
            rate=rate,
            connections=5,
            server_group=server.pid,
        )
        assert server.watch
        counted = sum(worker.responses for worker in server.watch.workers())
        counted -= sum(earlier.responses_seen for earlier in windows[:-1])

    assert only(observation, "ok")
    assert counted == observation.responses_seen == observation.begun > observation.outcomes.ok
    assert contradiction_of_totals(observation, counted) == ""
    assert "the server counted" in contradiction_of_totals(observation, counted + 1)
    assert "the server counted" in contradiction_of_totals(observation, counted - 1)
    assert observation.server_cpu_ns > 0
    assert observation.clients_served == 5


def test_asks_at_no_unix_socket_whatever_the_master_says(cluster: Cluster, tmp_path: Path) -> None:
    with truth(right) as port, socket.socket(socket.AF_UNIX) as private:
        private.bind(str(tmp_path / "private"))
        private.listen()
        private.setblocking(False)
        observation = drive(cluster, port, unix=str(tmp_path / "private"))
        with pytest.raises(BlockingIOError):
            private.accept()

    assert only(observation, "ok")


def test_says_what_keeps_it_from_driving(cluster: Cluster) -> None:
    with pytest.raises(CalcbenchError, match="cannot drive"):
        drive(cluster, 1, host="no.such.host.invalid")
    with truth(right) as port:
        assert only(drive(cluster, port), "ok")


def test_puts_windows_of_different_clocks_at_one_instant() -> None:
    session = LoadSession(LoadSpec("", 0, 3, True, duration_s=1.0))
    session.assign({7: 2, 4: 1})
    session.begin()
    report = DriverReport(1_000_000_000, 0, 0, 0, (), begun=1, ended=1, unfinished=0, responses=1)
    for number, clock, client in ((7, 5_000, 1), (4, 9_000_000_000_000, 0)):
        reporter = Reporter()
        reporter.counting = True
        reporter.send(Opened(clock))
        done = clock + 40 + number
        reporter.add((clock + 10, clock + 20, clock + 30, done, client << TAG_BITS | OK), OK)
        reporter.send(report)
        session.take(number, reporter.take())
    session.cpu_readings = [(round(session.opens), 0), (round(session.opens) + 1_000_000_000, 0)]
    both = session.result({})

    assert session.is_over
    assert both.opened_ns == round(session.opens)
    assert both.samples["intended_ns"].tolist() == [10, 10]
    assert both.samples["done_ns"].tolist() == [44, 47]
    assert both.samples["client"].tolist() == [2, 1]
    assert both.responses_seen == 2


REPORTED = to_octets(DriverReport(1, 0, 0, 0, (), 1, 1, 0, responses=1))[MESSAGE.size :]


def reported(count: int = 1, **changes: object) -> bytes:
    """Return a report with *count* failures, changed in a few things."""
    failure = {"outcome": "wrong", "cause": "wrong body", "at_ns": 5} | changes
    return json.dumps(json.loads(REPORTED) | {"failures": [failure] * count}).encode()


@pytest.mark.parametrize("length", [-MESSAGE.size, LARGEST_MESSAGE + 1, 2**63 - 1])
def test_refuses_a_message_that_would_never_end(length: int) -> None:
    session = LoadSession(LoadSpec("", 0, 1, True, duration_s=1.0))
    session.assign({0: 1})

    with pytest.raises(ReportError, match=f"a message of {length:,} bytes"):
        session.take(0, MESSAGE.pack(SAMPLES, length))


def test_refuses_samples_before_a_window_and_a_report_before_one() -> None:
    session = LoadSession(LoadSpec("", 0, 1, True, duration_s=1.0))
    session.assign({0: 1})
    session.begin()

    with pytest.raises(ReportError, match="before the window has opened"):
        session.take(0, samples_to_octets(struct.pack("=5q", 5, 5, 5, 5, 0)))
    with pytest.raises(ReportError, match="before its window has opened"):
        session.take(0, MESSAGE.pack(REPORT, len(REPORTED)) + REPORTED)


def test_refuses_to_drive_with_fewer_users() -> None:
    with pytest.raises(CalcbenchError, match="Locust started 3 of 4 users"):
        LoadSession(LoadSpec("", 0, 4, True, duration_s=1.0)).assign({0: 2, 1: 1})


def test_a_load_fails_whose_worker_opens_its_window_before_it_should() -> None:
    session = LoadSession(LoadSpec("", 0, 1, True, duration_s=1.0))
    session.assign({0: 1})

    with pytest.raises(CalcbenchError, match="opens before it should"):
        session.take(0, to_octets(Opened(5)))


def test_shows_what_a_worker_says_of_itself_in_one_short_line() -> None:
    session = LoadSession(LoadSpec("", 0, 1, True, duration_s=1.0))
    session.assign({0: 1})

    with pytest.raises(CalcbenchError) as failed:
        session.take(0, to_octets(DriverError("\x1b[2J\n" + "x" * 10_000)))
    assert str(failed.value).startswith("the driver cannot drive: [2Jxxx")
    assert len(str(failed.value)) == 500


@pytest.mark.parametrize(
    ("kind", "content", "problem"),
    [
        (OPENED, b"[]", "expected object, got array"),
        (OPENED, b'{"opened_ns": 5}', "twice"),
        (OPENED, b"{}", "opened_ns is missing"),
        (OPENED, b'{"opened_ns": -1}', "opened_ns -1 should be from 0 to"),
        (ERROR, b'{"error": 5}', "expected str, got int at error"),
        (REPORT, b"\xff", ": JSON is malformed"),
        (REPORT, b"{'", "malformed"),
        (REPORT, b"[" * 100_000, "expected object, got array"),
        (REPORT, b"{}", "elapsed_ns is missing"),
        (REPORT, b'{"responses": "many"}', "expected int | null, got str at responses"),
        (REPORT, REPORTED.replace(b'"elapsed_ns": 1', b'"elapsed_ns": 0'), "elapsed_ns 0 should"),
        (REPORT, REPORTED.replace(b'"ended": 1', b'"ended": 1e99'), "at ended"),
        (REPORT, REPORTED.replace(b'"responses": 1', b'"responses": null'), "responses is missing"),
        (REPORT, REPORTED.replace(b'd": {}', b'd": {"idle": {"met": "x"}}'), "at background"),
        (
            REPORT,
            REPORTED.replace(b'd": {}', b'd": {"idle": {"met": -1}}'),
            "met -1 should be from 0 to",
        ),
        (REPORT, reported(outcome="odd"), "outcome 'odd' should be one of ok, wrong"),
        (REPORT, reported(detail="x" * 1001), "a reason should have at most 1000 characters"),
        (REPORT, reported(at_ns=-1), "at_ns -1 should be from 0 to"),
        (REPORT, reported(count=64), "failures should be at most 63"),
        (SAMPLES, b"123", "buffer size"),
        (SAMPLES, b"12345678", "reshape"),
        (SAMPLES, struct.pack("=5q", 5, 5, 5, 5, 1 << TAG_BITS), "a client that it does not have"),
        (SAMPLES, struct.pack("=5q", 5, 5, 5, 5, -2 << TAG_BITS), "a client that it does not have"),
        (SAMPLES, struct.pack("=5q", 5, 5, 5, 5, 7), "no known outcome"),
        (SAMPLES, struct.pack("=5q", 5, 5, 5, 4, 0), "a time that cannot be"),
        (SAMPLES, struct.pack("=5q", 5, 5, 5, 2**62, 0), "a time that cannot be"),
        (SAMPLES, struct.pack("=5q", -(2**63), 5, 5, 5, 0), "a time that cannot be"),
        (b"?", b"", "kind b'?'"),
    ],
)
def test_a_load_fails_whose_worker_reports_nonsense(
    kind: bytes, content: bytes, problem: str
) -> None:
    """Who joins from elsewhere may be anybody, and must not end the race."""
    session = LoadSession(LoadSpec("", 0, 1, True, duration_s=1.0))
    session.assign({0: 1})
    session.begin()
    opened = b'{"opened_ns": 5}'

    def announce(kind: bytes, content: bytes) -> None:
        session.take(0, MESSAGE.pack(kind, len(content)) + content)

    announce(OPENED, opened)
    with pytest.raises(ReportError, match=re.escape(problem)):
        announce(kind, content)


def kill_when_asked(times: int, end: Callable[[], None]) -> Behaviour:
    """Answer rightly, and call *end* before the response to request number *times* of all."""
    number, lock = itertools.count(1), threading.Lock()

    def behave(conn: socket.socket) -> None:
        for result in requests(conn):
            with lock:
                if next(number) == times:
                    end()
            conn.sendall(response_to(result))

    return behave


def test_a_worker_that_comes_late_is_turned_away(cluster: Cluster) -> None:
    place = f"127.0.0.1:{cluster.port}"
    with ended(late := start(CALCBENCH, "worker", "--master", place, secret=cluster.secret)):
        status, out, err = finish(late)
    with truth(right) as port:
        observation = drive(cluster, port)

    assert (status, out) == (1, "")
    assert err == (
        f"calcbench: the master at {place} refused this worker: all workers of this run have"
        " joined\n"
    )
    assert only(observation, "ok")
    assert observation.drivers == 2


def test_names_who_dies_and_what_is_lost() -> None:
    announced: list[str] = []
    with Cluster(2, announce=announced.append) as two:
        pid = two.members[0].pid
        with truth(kill_when_asked(40, lambda: os.kill(pid, signal.SIGKILL))) as port:
            observation = drive(
                two, port, lambda observation: observation.lost != "", connections=8, duration_s=1
            )
        name = rf"worker 1 on .+ \(process {pid}\)"
        lost = rf"{name} died: its share, 4 of 8 connections \(50%\), is lost"

        assert re.fullmatch(lost, observation.lost)
        assert re.fullmatch(f"{name} died", announced[0])
        assert observation.outcomes.ok > 0
        assert observation.drivers == 1
        with truth(right) as port:
            again = drive(
                two, port, lambda observation: observation.clients_served == 8, connections=8
            )
        assert only(again, "ok")
        assert again.lost == ""
        assert again.clients_served == 8
        with truth(kill_when_asked(40, two.master.kill)) as port:
            for _ in range(2):
                with pytest.raises(
                    CalcbenchError, match="Locust's master died: it was killed by SIGKILL"
                ):
                    drive(two, port, lambda _: False)


# The command line.


def start(*words: object, secret: str = SECRET) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [str(word) for word in words],
        env=os.environ | {VARIABLE: secret},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )


@contextmanager
def ended(*processes: "subprocess.Popen[str]") -> Iterator[None]:
    """Leave none of *processes* behind, whatever happens."""
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def finish(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    """Wait for the end of *process*; return its status and what it printed."""
    out, err = process.communicate(timeout=TIMEOUT_S)
    return process.returncode, out, err


def said(process: "subprocess.Popen[str]", pattern: str) -> "re.Match[str]":
    """Read the standard error of *process* up to the line in which *pattern* is found."""
    assert process.stderr
    lines = []
    for line in process.stderr:
        lines.append(line)
        if found := re.search(pattern, line):
            return found
    raise AssertionError(f"{pattern!r} is not in {lines}")


def result_in(folder: Path) -> Run:
    path = only_run(folder)
    return read_run(path)


CALCBENCH = SCRIPTS / "calcbench"
QUICK = ("--connections", "4", "--duration", "0.6", "--warmup", "0.1", "--rounds", "1")


def free_port() -> int:
    """Return a port that is free, and that the kernel gives nobody who does not ask for it."""
    least = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(min(10_000, least - 1), least)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


@pytest.fixture(params=["namespaces", "loopback"])
def places(request: pytest.FixtureRequest) -> Iterator[Machines]:
    denied = why_denied()
    if request.param == "loopback":
        if not denied:
            pytest.skip("namespaces show all of it and more")
        yield Machines((), ((), ()), "127.0.0.1")
    else:
        if denied:
            pytest.skip(denied)
        with machines(2) as three:
            yield three


def test_two_machines_load_a_third(places: Machines, tmp_path: Path) -> None:
    port = free_port()
    workers = [
        start(*place, CALCBENCH, "worker", "--master", f"{places.address}:{port}", "--wait", 60)
        for place in places.workers
    ]
    join = ("--engine", "locust", "--join", 2, "--master-port", port, "--host", places.address)
    race = ("--strategy", "selectors,fork", "--workload", "add", "--control", "none")
    with ended(*workers):
        run = start(*places.server, CALCBENCH, "run", *join, *race, *QUICK, "--out", tmp_path)
        with ended(run):
            status, out, err = finish(run)
        shut_down = [finish(worker) for worker in workers]
    result = result_in(tmp_path)

    assert status == 0, err
    assert (
        "waiting for 2 workers; type on each machine, with the same version of calcbench and with"
        " the same" in err
    )
    assert SECRET not in err
    assert f"--master {places.address}:{port}" in err or places.address == "127.0.0.1"
    assert (
        len(re.findall(r"worker [12] on .+ \(process \d+\) has joined; it is on this machine", err))
        == 2
    )
    assert "selectors" in out
    for code, worker_out, worker_err in shut_down:
        assert code == 0, worker_err
        assert worker_out.splitlines() == [
            f"calcbench: joined the race at {places.address}:{port}; Ctrl-C leaves it",
            "calcbench: the race is over",
        ]
    assert (result.plan.engine, result.plan.join, result.plan.drivers) == (LOCUST, 2, 2)
    assert result.plan.host == places.address
    assert result.pinning.driver == ()
    for one in result.measurements:
        assert (one.status, one.reason) == ("ok", "")
        evidence = one.evidence
        counts = evidence.responses_seen, evidence.server_responses, evidence.requests_begun
        assert len(set(counts)) == 1
        assert (counts[0] or 0) > one.outcomes.ok == one.outcomes.total > 0
        assert one.clients_served == 4
        assert one.evidence.ceiling_ratio is None
        assert one.server_cpu_ns > 0


@contextmanager
def joined_by(
    count: int, tmp_path: Path, end: Callable[["subprocess.Popen[str]", list[int]], None]
) -> Iterator[tuple["subprocess.Popen[str]", list["subprocess.Popen[str]"]]]:
    """Load a server with *count* joined workers, and *end* something at the 8th request."""
    port = free_port()
    workers = [
        start(CALCBENCH, "worker", "--master", f"127.0.0.1:{port}", "--wait", 60)
        for _ in range(count)
    ]
    run: subprocess.Popen[str]

    def act() -> None:
        end(run, [worker.pid for worker in workers])

    with ended(*workers), truth(kill_when_asked(8, act)) as target:
        words = ("--engine", "locust", "--join", count, "--master-port", port, "--out", tmp_path)
        run = start(CALCBENCH, "load", f"http://127.0.0.1:{target}/add/1/2", *words, *QUICK[:-2])
        with ended(run):
            yield run, workers


def test_a_race_goes_on_without_a_worker_that_dies_elsewhere(tmp_path: Path) -> None:
    def kill_one(_: "subprocess.Popen[str]", pids: list[int]) -> None:
        os.kill(pids[0], signal.SIGKILL)

    with joined_by(2, tmp_path, kill_one) as (run, workers):
        status, _, err = finish(run)
        assert finish(workers[1])[0] == 0
        name = rf"worker [12] on .+ \(process {workers[0].pid}\)"
    first, second, third = result_in(tmp_path).measurements

    assert re.search(f"calcbench: {name} died\n", err)
    assert first.status == "failed"
    assert re.fullmatch(
        rf"{name} died: its share, 2 of 4 connections \(50%\), is lost", first.reason
    )
    assert [second.status, third.status] == ["ok", "ok"]
    assert status == 0


def test_writes_what_there_is_when_interrupted(tmp_path: Path) -> None:
    with joined_by(1, tmp_path, lambda run, _: run.send_signal(signal.SIGINT)) as (run, workers):
        status, out, _ = finish(run)
        left = finish(workers[0])

    assert status == 130
    assert "Data:" in out
    assert result_in(tmp_path).partial
    assert left[0] == 0
    assert "the race is over" in left[1]


def test_leaves_no_worker_behind_when_killed(tmp_path: Path) -> None:
    with joined_by(1, tmp_path, lambda run, _: run.kill()) as (run, workers):
        assert run.wait(TIMEOUT_S) == -signal.SIGKILL
        code, worker_out, _ = finish(workers[0])

    assert code == 0
    assert "the race is over" in worker_out


def test_a_worker_leaves_when_told_to(tmp_path: Path) -> None:
    def interrupt(_: "subprocess.Popen[str]", pids: list[int]) -> None:
        os.kill(pids[0], signal.SIGINT)

    with joined_by(1, tmp_path, interrupt) as (run, workers):
        status, _, err = finish(run)
        left = finish(workers[0])

    assert left[0] == 130
    assert left[2] == ""
    assert status == 1
    name = rf"worker 1 on .+ \(process {workers[0].pid}\)"
    first, second, _ = (one.reason for one in result_in(tmp_path).measurements)
    assert re.search(f"calcbench: {name} left\n", err)
    assert re.fullmatch(rf"{name} left: its share, 4 of 4 connections \(100%\), is lost", first)
    assert re.fullmatch(f"no worker is left: {name} left", second)


def test_says_why_a_worker_of_ours_cannot_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def start_another(cluster: Cluster, module: str, *words: str) -> "subprocess.Popen[bytes]":
        return begin(cluster, "nobody" if module == "worker" else module, *words)

    begin = Cluster.start
    monkeypatch.setattr(Cluster, "start", start_another)
    with pytest.raises(CalcbenchError, match=r"a worker of Locust's died: .*nobody"):
        Cluster(2).__enter__()


def test_a_worker_outlives_its_terminal_under_nohup() -> None:
    come: list[subprocess.Popen[str]] = []

    def join(announced: str) -> None:
        if place := re.search(r"--master (\S+)", announced):
            come.append(start("nohup", CALCBENCH, "worker", "--master", place[1]))

    with Cluster(join=1, address="127.0.0.1", announce=join, secret=SECRET) as one, ended(*come):
        assert come[0].stdout
        assert "joined" in come[0].stdout.readline()
        come[0].send_signal(signal.SIGHUP)
        with truth(right) as port:
            assert only(drive(one, port), "ok")


def test_says_that_the_port_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(CalcbenchError, match=f"port {port}: .*in use; --master-port takes"):
            Cluster(join=1, port=port).__enter__()


@pytest.mark.parametrize("host", ["192.0.2.7", "no.such.host.invalid"])
def test_says_that_nobody_can_join_at_an_address_of_others(host: str) -> None:
    with pytest.raises(CalcbenchError, match=f"workers cannot join at {host} port 0: "):
        Cluster(join=1, address=host).__enter__()


def test_waits_for_workers_at_the_address_of_the_run_alone() -> None:
    come: list[subprocess.Popen[str]] = []
    elsewhere: list[int] = []

    def join(announced: str) -> None:
        said = r": (CALCBENCH_SECRET=[0-9a-f]{32} calcbench worker --master 127\.0\.0\.2:(\d+))$"
        if command := re.search(said, announced):
            with socket.socket() as other:
                elsewhere.append(other.connect_ex(("127.0.0.1", int(command[2]))))
            come.append(start("sh", "-c", f"PATH='{SCRIPTS}':$PATH; exec env {command[1]}"))

    with Cluster(join=1, address="127.0.0.2", announce=join) as one, ended(*come):
        assert elsewhere == [errno.ECONNREFUSED]
        with truth(right) as port:
            assert only(drive(one, port), "ok")


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("[::1]", r"no master at \[::1\]:\d+ within 0 s"),
        ("127.0.0.1", r"no master at 127\.0\.0\.1:\d+ within 0 s \(Connection refused\); is "),
        ("no.such.host.invalid", r"no host 'no\.such\.host\.invalid': "),
    ],
)
def test_a_worker_says_that_there_is_no_master(place: str, message: str) -> None:
    with ended(
        worker := start(CALCBENCH, "worker", "--master", f"{place}:{free_port()}", "--wait", 0)
    ):
        status, out, err = finish(worker)

    assert (status, out) == (1, "")
    assert re.match(f"calcbench: {message}", err)
    assert err.count("\n") == 1


def test_a_worker_says_that_this_is_no_master_of_ours() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        place = f"127.0.0.1:{port}"
        with ended(worker := start(CALCBENCH, "worker", "--master", place, "--wait", 0)):
            status, _, err = finish(worker)

    assert status == 1
    assert err == no_run_at(place)


def no_run_at(place: str) -> str:
    return (
        f"calcbench: what listens at {place} is not a calcbench run that waits for workers, or its"
        " secret is different\n"
    )


# A worker from before the protocol had a number.
FIRST_PROTOCOL = """
from locust.runners import WorkerRunner
send = WorkerRunner.send_message
def send_without_number(self, kind, data=None, *more):
    if kind == "calcbench-hello":
        del data["protocol"]
    send(self, kind, data, *more)
WorkerRunner.send_message = send_without_number
"""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("import calcbench; calcbench.__version__ = '0.0.9'", "it has calcbench 0.0.9, this run "),
        (FIRST_PROTOCOL, f"it has protocol 1, this run {PROTOCOL}\n"),
    ],
)
def test_a_worker_of_another_version_is_turned_away(
    cluster: Cluster, change: str, message: str
) -> None:
    program = f"{change}\nfrom calcbench.bench.loadgen.locust.worker import main; main()"
    place = ("127.0.0.1", cluster.port, 9)
    worker = start(sys.executable, "-P", "-c", program, *place, secret=cluster.secret)
    with ended(worker):
        status, out, err = finish(worker)

    assert (status, out) == (1, "")
    assert f"refused this worker: {message}" in err
    assert err.count("\n") == 1
    with truth(right) as port:
        assert drive(cluster, port).drivers == 2


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a", ("a", 5557)),
        ("a:1", ("a", 1)),
        ("[::1]:5", ("::1", 5)),
        ("[::1]", ("::1", 5557)),
        ("::1", ("::1", 5557)),
    ],
)
def test_reads_where_the_master_is(text: str, place: tuple[str, int]) -> None:
    assert master(text) == place


@pytest.mark.parametrize(
    "text",
    [
        *("", ":1", "a:", "a:x", "a:0", "a:65536", "a:" + "9" * 5000),
        *("\udcff", "a\udcff:5557", "a..b", "a" * 64, ".", "a:\N{SUPERSCRIPT TWO}"),
    ],
)
def test_says_what_is_wrong_with_a_master(text: str) -> None:
    with pytest.raises(UsageError, match=r"should (be|name) a host") as refused:
        master(text)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("wait", ["-1", "1e300", "25h"])
def test_says_what_is_wrong_with_a_wait(wait: str) -> None:
    with ended(worker := start(CALCBENCH, "worker", "--master", "127.0.0.1", "--wait", wait)):
        status, _, err = finish(worker)

    assert (status, err) == (
        2,
        f"calcbench: --wait {wait} should be from 0 to 86,400 seconds, as in --wait 30\n",
    )


@pytest.mark.parametrize(
    "message",
    [
        Listening(5557),
        Joined(0, "host", 99),
        Refused("host", "it has protocol 1"),
        Gone(1, DIED),
        Strangers(7),
        Assigned({0: 3, 12: 2}),
    ],
)
def test_reads_each_message_of_the_master(message: MasterMessage) -> None:
    assert message_from_json(message_to_json(message)) == message


def test_shows_words_of_a_stranger_in_one_line() -> None:
    assert plain("a\x1b[2Jb\nc\u202e") == "a[2Jbc"
    assert plain(None) == "None"
    assert len(plain("a" * 1000)) == 100


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"engine": LOCUST, "behaviours": ("idle=2",)}, "no --behaviour"),
        ({"join": 2}, "need --engine locust"),
        ({"master_port": 2}, "need --engine locust"),
        ({"engine": LOCUST, "join": 1000}, "from 1 to 256"),
        ({"engine": LOCUST, "join": 1, "host": "0.0.0.0"}, "should be with --join the one address"),
        ({"engine": "locusts"}, "did you mean 'locust'"),
    ],
)
def test_refuses_what_does_not_go_together(changes: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Plan(("fork",), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--join", "2"), "--join needs --engine locust"),
        (("--engine", "locust", "--master-port", "9"), "--master-port needs --join"),
        (("--engine", "locust", "--join", "2", "--drivers", "2"), "--join and --drivers do not"),
        (("--engine", "locust", "--join", "2"), "--join needs --host"),
    ],
)
def test_explains_options_that_do_not_go_together(words: tuple[str, ...], message: str) -> None:
    with ended(run := start(CALCBENCH, "run", *words)):
        status, _, err = finish(run)

    assert status == 2
    assert message in err


def test_no_core_is_given_to_drivers_on_other_machines() -> None:
    plan = Plan(("selectors",), engine=LOCUST, join=1)

    assert pinning_of(plan, among_strategies(plan)).driver == ()


@pytest.mark.parametrize(
    ("begun", "counted", "responses_seen", "holds"),
    [(9, 9, 9, True), (9, 8, 7, True), (9, 10, 9, False), (9, 8, 9, False), (9, 5, -1, True)],
)
def test_the_totals_must_agree(begun: int, counted: int, responses_seen: int, holds: bool) -> None:
    outcomes = Outcomes(ok=1)
    one = Observation(1, outcomes, 1, (), 1, 1, {}, begun=begun, responses_seen=responses_seen)

    assert (contradiction_of_totals(one, counted) == "") == holds


WATCHED = """
import sys
from calcbench.bench.cli.main import run
status = run()
print(sorted(set(sys.modules) & {"locust", "gevent", "greenlet", "zmq"}), file=sys.stderr)
sys.exit(status)
"""


def watched(*words: object) -> str:
    """Run the command line in one process; return what it printed, and which of FOREIGN it has."""
    with ended(run := start(sys.executable, "-P", "-c", WATCHED, *words)):
        status, _, err = finish(run)
    assert status == 0, err
    return err


@pytest.mark.parametrize("words", ["--help", "run --help", "worker --help", "locustfile"])
def test_explains_locust_without_it(words: str) -> None:
    assert watched(*words.split()) == "[]\n"


def test_never_lets_locust_into_our_process(tmp_path: Path) -> None:
    race = ("--strategy", "selectors", "--workload", "add", "--reuse", "keep-alive,close")
    printed = watched("run", "--engine", "locust", "--drivers", 2, *race, *QUICK, "--out", tmp_path)
    result = result_in(tmp_path)

    assert printed.splitlines()[-1] == "[]"
    assert "joined" not in printed
    assert result.plan.join == 0
    assert result.calibration is None
    assert len(result.measurements) == 2
    for one in result.measurements:
        assert (one.status, one.reason) == ("ok", "")
        assert one.evidence.ceiling_ratio is None  # our driver's, which this is not
        assert one.evidence.unaccounted == 0
        assert one.evidence.responses_seen == one.evidence.server_responses


# What a stranger sends, in a process of its own, since ZeroMQ is not to come into ours. The last
# argument is the secret; those who know that are still no members.
STRANGER = """
import random, socket, sys, time
import zmq
from calcbench.bench.loadgen.locust.transport import server_keys

port, secret = int(sys.argv[1]), sys.argv[2]
draw = random.Random(1)

def plain(data):
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.sendall(data)

def speak(secret, *frames, name=b"vm_0"):
    sock = zmq.Context().socket(zmq.DEALER)
    sock.linger = 300
    sock.routing_id = name
    if secret:
        sock.curve_serverkey, _ = server_keys(secret)
        sock.curve_publickey, sock.curve_secretkey = zmq.curve_keypair()
    sock.connect(f"tcp://127.0.0.1:{port}")
    for frame in frames:
        sock.send_multipart(frame if isinstance(frame, list) else [frame])
    return sock

quit = b"\\x93\\xa4quit\\xc0\\xa4vm_0"
for size in (1, 10, 64, 200, 5000):
    plain(draw.randbytes(size))
plain(b"GET / HTTP/1.1\\r\\n\\r\\n")
plain(b"\\xff" + bytes(8) + b"\\x7f\\x03\\x00NULL" + bytes(16) + bytes([1]) + bytes(31))
idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(200)]
held = [speak("", quit), speak("x" * 16, quit)]
held += [speak(secret, quit, b"", b"\\xc1" * 99, [b"a", b"b"], b"\\x91" * 9999, name=b"vm_%d" % n)
         for n in range(5)]
held.append(speak(secret, bytes(300_000_000), name=b"large"))

# A conversation of somebody who knows the secret, overheard and sent again.
with socket.create_server(("127.0.0.1", 0)) as between:
    own, port = port, between.getsockname()[1]
    speaker = speak(secret, quit, name=b"overheard")
    client, _ = between.accept()
    port, overheard = own, b""
    with socket.create_connection(("127.0.0.1", port)) as server:
        for sock in (client, server):
            sock.settimeout(0.3)
        for _ in range(8):
            for one, other in ((client, server), (server, client)):
                try:
                    data = one.recv(65536)
                except TimeoutError:
                    continue
                other.sendall(data)
                overheard += data if one is client else b""
plain(overheard)
time.sleep(0.5)
print("done", len(overheard) > 200)
"""


def most_memory(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024


def test_strangers_change_nothing_in_a_race() -> None:
    announced: list[str] = []
    come: list[subprocess.Popen[str]] = []

    def attack() -> None:
        come.append(start(sys.executable, "-P", "-c", STRANGER, two.port, two.secret))

    with Cluster(2, announce=announced.append) as two:
        with truth(kill_when_asked(20, attack)) as port:
            observation = drive(two, port, connections=4, duration_s=2)
        with ended(*come):
            status, out, err = finish(come[0])
        with truth(right) as port:
            again = drive(two, port, connections=4)
        largest = most_memory(two.master.pid)

    assert (status, out) == (0, "done True\n"), err
    for one in (observation, again):
        assert only(one, "ok")
        assert (one.drivers, one.lost) == (2, "")
        assert one.begun == one.ended == one.responses_seen
    assert announced == ["somebody without the secret of this run was turned away"]
    assert largest < 250_000_000  # and not as much as somebody likes to send


# The file for plain Locust.

QUANTILES = re.compile(
    r"exactly, of all right responses \(([\d,]+)\):\n((?:  [\d.]+% within [\d.]+ ms\n)+)"
)


@pytest.fixture
def locustfile(tmp_path: Path) -> Path:
    with ended(run := start(CALCBENCH, "locustfile")):
        status, text, err = finish(run)
    assert (status, err) == (0, "")
    path = tmp_path / "locustfile.py"
    path.write_text(text)
    return path


def locust(file: Path, *words: object) -> "subprocess.Popen[str]":
    return start(SCRIPTS / "locust", "-f", file, "--loglevel", "ERROR", *words)


def headless(url: str, duration_s: float) -> tuple[object, ...]:
    users = ("-u", 5, "-r", 5, "-t", f"{duration_s:g}s")
    return ("--headless", "--host", url, *users, "--only-summary")


def exact(printed: str) -> tuple[int, list[float]]:
    """Return how many responses a run has *printed* that it had, and their quantiles."""
    found = QUANTILES.search(printed)
    assert found, printed
    return int(found[1].replace(",", "")), [float(n) for n in re.findall(r"([\d.]+) ms", found[2])]


@pytest.mark.parametrize("distributed", [False, True])
def test_plain_locust_runs_our_file(locustfile: Path, distributed: bool) -> None:
    def measure(duration_s: float) -> tuple[str, str, int]:
        with launch(ServerSpec("selectors", watched=True)) as server:
            words = headless(server.url, duration_s)
            if distributed:
                place = ("--master-host", "127.0.0.1", "--master-port", free_port())
                at = ("--master-bind-host", "127.0.0.1", "--master-bind-port", place[-1])
                run = locust(locustfile, "--master", "--expect-workers", 2, *at, *words)
                workers = [locust(locustfile, "--worker", *place) for _ in range(2)]
            else:
                run, workers = locust(locustfile, *words), []
            with ended(run, *workers):
                status, out, err = finish(run)
                left = [finish(worker)[0] for worker in workers]
            assert server.watch
            counted = sum(worker.responses for worker in server.watch.workers())
        assert status == 0, err
        assert left == [0] * len(workers)
        return out, err, counted

    out, err, counted = until(lambda run: bool(QUANTILES.search(run[0])), measure, 1)
    count, quantiles = exact(out)

    # Of each of the 5 users one request may have been on its way when Locust ended.
    assert 0 < count <= counted <= count + 5
    assert quantiles == sorted(quantiles)
    assert all(name in err for name in ("/add", "/sub", "/mult", "Aggregated"))


def test_plain_locust_sees_what_is_wrong(locustfile: Path) -> None:
    with truth(always(lambda number: response_to(number + 1))) as port:

        def measure(duration_s: float) -> tuple[int, str, str]:
            run = locust(locustfile, *headless(f"http://127.0.0.1:{port}", duration_s))
            with ended(run):
                return finish(run)

        status, out, err = until(lambda run: "response to add" in run[2], measure, 1)

    assert status == 1
    assert "exactly" not in out
    assert "a wrong response to add" in err


def test_plain_locust_shows_exact_quantiles_on_a_page(locustfile: Path) -> None:
    port = free_port()
    page = f"http://127.0.0.1:{port}"
    with launch(ServerSpec("selectors")) as server:
        words = ("--host", server.url, "--web-host", "127.0.0.1", "--web-port", port)
        run = locust(locustfile, *words, "-u", 2, "-r", 2, "--autostart")
        with ended(run):
            until_it_listens(port, run)
            with urllib.request.urlopen(page, timeout=TIMEOUT_S) as responses:
                assert b"<html" in responses.read()
            while True:
                with urllib.request.urlopen(f"{page}/exact", timeout=TIMEOUT_S) as responses:
                    shown = responses.read().decode().replace("<br>", "\n") + "\n"
                if QUANTILES.search(shown):
                    break
            run.send_signal(signal.SIGTERM)
            _, out, _ = finish(run)

    assert exact(out)[0] >= exact(shown)[0] > 0


def until_it_listens(port: int, process: "subprocess.Popen[str]") -> None:
    """Return when somebody listens at *port*; fails when *process* ends first."""
    while process.poll() is None:
        # From another address: where nobody listens yet, who asks often enough is given that very
        # port to ask from, and so meets himself.
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), source_address=("127.0.0.2", 0)).close()
            return
    raise AssertionError(process.communicate())
