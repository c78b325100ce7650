"""Starting and stopping: what a launcher must do, and what it makes of a bad server."""

import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack, suppress
from pathlib import Path
from queue import SimpleQueue
from textwrap import dedent

import pytest
from client import Client
from servers import GRACE_S, make_spec, needs_proc

from calcbench.core.errors import CalcbenchError, UsageError
from calcbench.core.serving.catalogue import has, load, names, options_of, parse_variant
from calcbench.core.serving.ending import Stopped, status_in_words
from calcbench.core.serving.launcher import Server, ServerSpec, launch
from calcbench.core.serving.sockets import LINUX

TIMEOUT_S = 60  # for what should take a moment, on a laden machine


def write(folder: Path, name: str, serve: str, head: str = "") -> None:
    """Write a strategy with the body *serve*."""
    parameters = "listener, service, options, stop"
    ready = "listener.fileno()  # as whoever waits for clients does\n"
    body = (ready + dedent(serve)).replace("\n", "\n    ")
    imports = "import os, sys, time\nfrom calcbench.core.serving.blocking import *\n"
    (folder / name).write_text(
        f'"""A test.\n\nOnly that."""\n{imports}{head}\ndef serve({parameters}):\n    {body}\n'
    )


def test_finds_a_strategy_that_is_one_new_file(strategies_folder: Path) -> None:
    write(
        strategies_folder,
        "my_own.py",
        "for client in clients(listener, service, stop): serve_connection(client, service, stop)",
    )

    assert names() == ["my-own"]
    assert load("my-own").summary == "A test."
    with launch(ServerSpec("my-own")) as server:
        with Client(server) as client:
            assert client.get("/add/2/3").body == b"5"
        assert server.stop().clean


def test_says_why_a_strategy_cannot_run_here(strategies_folder: Path) -> None:
    head = (
        "from calcbench.core.serving.catalogue import has\n"
        "REQUIRES = (has('os', 'no_such_call'),)\n"
    )
    write(strategies_folder, "lame.py", "pass", head)

    assert load("lame").unavailable == "needs os.no_such_call"
    with pytest.raises(CalcbenchError, match=r"lame cannot run here: it needs os\.no_such_call"):
        launch(ServerSpec("lame"))


def test_reports_a_server_that_dies_at_its_start(strategies_folder: Path) -> None:
    (strategies_folder / "broken.py").write_text('"""A test."""\ndef serve(*_): pass\n')
    load("broken")
    (strategies_folder / "broken.py").write_text('"""A test."""\nimport no_such_module\n')

    with pytest.raises(CalcbenchError, match=r"died at its start: strategies/broken\.py, line 2"):
        launch(ServerSpec("broken"))


def test_reports_a_server_that_raises(strategies_folder: Path) -> None:
    serve = "next(clients(listener, service, stop)); raise KeyError('oh')"
    write(strategies_folder, "raising.py", serve)

    with launch(ServerSpec("raising")) as server:
        with Client(server) as client:
            assert client.is_closed()
        stopped = server.stop()

    assert stopped.status == 1
    assert not stopped.clean
    assert "KeyError: 'oh'" in stopped.printed


def test_kills_a_server_that_will_not_stop(strategies_folder: Path) -> None:
    write(strategies_folder, "stubborn.py", "while True: time.sleep(60)")

    with launch(ServerSpec("stubborn")) as server:
        stopped = server.stop(grace_s=0.1)

    assert stopped.killed
    assert stopped.status == -signal.SIGKILL


@needs_proc
def test_kills_children_that_a_server_leaves_behind(strategies_folder: Path) -> None:
    write(
        strategies_folder,
        "careless.py",
        """
        if os.fork() == 0:
            time.sleep(60)
        stop.wait(60)
        """,
    )

    with launch(ServerSpec("careless")) as server:
        group = server.pid
        stopped = server.stop()

    assert stopped.killed
    while alive_in(group):
        os.sched_yield()  # the kernel is at it; a test that hangs here has failed


def alive_in(group: int) -> list[int]:
    """Return the processes of *group* that have not ended; a zombie has."""
    alive = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            state, _, its_group = (process / "stat").read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state != "Z":
                alive.append(int(process.name))
    return alive


@needs_proc
@pytest.mark.parametrize(
    "serve",
    [
        "while True: time.sleep(60)",
        "while True: pass",
        "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65)); 3 ** (10 ** 9)  # holds the GIL",
        "os.fork(); os.fork(); time.sleep(60)",
    ],
)
def test_a_launcher_that_is_killed_takes_its_server_along(
    strategies_folder: Path, serve: str
) -> None:
    write(strategies_folder, "stubborn.py", serve, "import signal")
    script = f"""
        import threading
        from calcbench import strategies
        strategies.__path__ = [{str(strategies_folder)!r}]
        from calcbench.core.serving.launcher import ServerSpec, launch
        thread = threading.Thread(target=lambda: print(launch(ServerSpec("stubborn")).pid))
        thread.start()
        thread.join()
        print(flush=True)
        input()
    """
    with subprocess.Popen(
        [sys.executable, "-c", dedent(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as launcher:
        assert launcher.stdout is not None
        group = int(launcher.stdout.readline())
        launcher.stdout.readline()
        left = alive_in(group)
        launcher.kill()

    assert left
    while alive_in(group):
        os.sched_yield()  # the kernel is at it; a test that hangs here has failed


@needs_proc
def test_a_server_outlives_the_thread_that_launched_it() -> None:
    launched: list[Server] = []
    thread = threading.Thread(target=lambda: launched.append(launch(ServerSpec("blocking"))))
    thread.start()
    thread.join()
    while Path(f"/proc/self/task/{thread.native_id}").exists():
        os.sched_yield()  # it has ended for us, but perhaps not yet for the kernel
    with launched[0] as server:
        with Client(server) as client:
            assert client.get("/add/2/3").body == b"5"
        assert server.stop().clean


def test_serves_where_standard_streams_are_closed() -> None:
    script = """
        from calcbench.core.serving.launcher import ServerSpec, launch
        import socket, sys
        with launch(ServerSpec("selectors", watched=True)) as server:
            with socket.create_connection((server.host, server.port)) as client:
                client.sendall(b"GET /add/2/3 HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
                answered = client.recv(1000).endswith(b"5")
            sys.exit(not (answered and server.stop().clean))
    """
    closed = 'exec "$0" -c "$1" <&- >&- 2>&-'
    done = subprocess.run(["sh", "-c", closed, sys.executable, dedent(script)], check=False)

    assert done.returncode == 0


BEGUN = b"GET /add/2/3 HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("strategy", "number"),
    [
        *((name, signal.SIGTERM) for name in names()),
        ("blocking", signal.SIGINT),
        ("blocking", signal.SIGHUP),
    ],
)
def test_takes_a_signal_to_the_server_for_a_stop(strategy: str, number: signal.Signals) -> None:
    spec = make_spec(strategy, workload="wait=100ms", policy=("drain_timeout=60",))
    with launch(spec) as server, Client(server) as client, ExitStack() as stack:
        assert client.get("/add/1/1").body == b"2"
        assert not server.was_signalled()
        client.send_all_the_way(BEGUN)
        idle = stack.enter_context(Client(server))
        os.killpg(server.pid, number)
        body = client.response().body
        with suppress(ConnectionError):  # it may have been waiting to be accepted
            if LINUX:  # elsewhere it waits until the launcher closes the listener
                idle.file.read()
        stopped = server.stop(grace_s=GRACE_S)

        assert body == b"5"
        assert stopped == Stopped(status=0, killed=False)


@pytest.mark.slow
def test_takes_a_second_signal_for_nothing_new_while_it_ends(strategies_folder: Path) -> None:
    """Python restores the signals' defaults before it has ended."""
    write(
        strategies_folder,
        "slow_to_end.py",
        """
        class Slow:
            def __del__(self, write=os.write, sleep=time.sleep):
                write(1, b"ending\\n")
                sleep(0.5)

        sys.slow = Slow()
        for client in clients(listener, service, stop):
            serve_connection(client, service, stop)
        """,
    )
    lines = SimpleQueue[str]()
    with launch(ServerSpec("slow-to-end"), show=lines.put) as server:
        os.killpg(server.pid, signal.SIGTERM)
        assert lines.get(timeout=GRACE_S) == "ending"
        os.killpg(server.pid, signal.SIGTERM)
        stopped = server.stop(grace_s=GRACE_S)

        assert stopped.clean


def test_shows_what_a_strategy_prints_as_it_happens(strategies_folder: Path) -> None:
    write(
        strategies_folder,
        "chatty.py",
        """
        for client in clients(listener, service, stop):
            print("client é", client.sock.getpeername()[0])
            serve_connection(client, service, stop)
        """,
    )
    lines = SimpleQueue[str]()

    with launch(ServerSpec("chatty"), show=lines.put) as server:
        with Client(server) as client:
            assert client.get("/add/2/3").body == b"5"
            assert lines.get(timeout=TIMEOUT_S) == "client é 127.0.0.1"
        stopped = server.stop()

    assert stopped == Stopped(status=0, killed=False, printed="client é 127.0.0.1")
    assert stopped.clean


def test_is_not_held_up_by_a_strategy_that_prints_much(strategies_folder: Path) -> None:
    serve = "for n in range(100_000): print('line', n)\nstop.wait(60)"
    write(strategies_folder, "endless.py", serve)

    with launch(ServerSpec("endless")) as server:
        while not server.output.text().endswith("line 99999"):
            os.sched_yield()  # a test that hangs here has failed
        stopped = server.stop()

    assert stopped.clean
    assert "[bytes left out: " in stopped.printed


@pytest.mark.parametrize(
    "raising",
    [
        "raise KeyError('oh')",
        "t = threading.Thread(target=lambda: {}['oh']); t.start(); t.join()",
    ],
)
def test_takes_a_traceback_for_a_failure(strategies_folder: Path, raising: str) -> None:
    write(strategies_folder, "raising.py", raising, "import threading")

    with launch(ServerSpec("raising")) as server:
        server.process.wait()
        stopped = server.stop()

    assert stopped.failure == "KeyError: 'oh'"
    assert not stopped.clean


@pytest.mark.parametrize(
    ("status", "words"),
    [(0, "ended with status 0"), (-9, "was killed by SIGKILL"), (-40, "was killed by signal 40")],
)
def test_says_how_a_process_ended(status: int, words: str) -> None:
    assert status_in_words(status) == words


def test_refuses_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CalcbenchError, match=f"port {port}: address already in use"):
            launch(ServerSpec("blocking"), port=port)


def test_refuses_an_unknown_host() -> None:
    with pytest.raises(CalcbenchError, match=r"unknown host 'no\.such\.host\.invalid'"):
        launch(ServerSpec("blocking"), host="no.such.host.invalid")


def test_serves_over_ipv6() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with launch(ServerSpec("selectors"), host="::1") as server:
        assert server.url.startswith("http://[::1]:")
        with Client(server) as client:
            assert client.get("/add/2/3").body == b"5"
        assert server.stop().clean


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (ServerSpec("selector"), "no strategy 'selector'; did you mean 'selectors'?"),
        (ServerSpec("threadpool", ("worker=4",)), "no option 'worker'; did you mean 'workers'?"),
        (ServerSpec("threadpool", ("workers",)), "option 'workers' needs a value"),
        (ServerSpec("threadpool", ("workers=four",)), "should be a whole number"),
        (ServerSpec("threadpool", ("workers=0",)), "should be from 1 to 10,000, as in workers=8"),
        (ServerSpec("threadpool", ("workers=1", "workers=2")), "is given twice"),
        (ServerSpec("selectors", ("workers=1",)), "no option 'workers'; there are none"),
        (ServerSpec("blocking", ("keepalive=holt",)), "no keepalive 'holt'; did you mean 'hold'?"),
        (ServerSpec("blocking", workload="wat=1ms"), "no workload 'wat'; did you mean 'wait'?"),
        (ServerSpec("blocking", workload="wait"), "needs a time with a unit, as in wait=10ms"),
        (ServerSpec("blocking", workload="wait=0ms"), "more than 0"),
        (ServerSpec("blocking", workload="add=1ms"), "takes no time"),
        (
            ServerSpec("blocking", policy=("idle_timeout=nan",)),
            "such as 500ms, as in idle_timeout=5",
        ),
        (ServerSpec("blocking", policy=("idle=1",)), "did you mean 'idle_timeout'?"),
        (ServerSpec("blocking", python="/no/such/python"), "cannot run '/no/such/python'"),
    ],
)
def test_refuses_what_cannot_be_meant(spec: ServerSpec, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        launch(spec)

    assert message in str(refused.value)


def test_reads_variants() -> None:
    variant = parse_variant("thread_per_request:threads=4")

    assert (variant.strategy, variant.label) == (
        "thread-per-request",
        "thread-per-request:threads=4",
    )
    options = {"workers": 4, "queue": 64, "keepalive": "yield"}
    assert options_of(parse_variant("threadpool:workers=4")) == options


def test_knows_what_an_interpreter_has() -> None:
    assert has("os", "fork").met
    assert has("json").met
    assert not has("no_such_package").met
