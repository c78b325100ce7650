"""Starting and stopping: what a launcher must do, and what it makes of a bad server."""

import os
import select
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from textwrap import dedent

import pytest
from client import Client

from calcbench.core.errors import CalcbenchError, UsageError
from calcbench.core.serving.catalogue import has, load, names, options_of, parse_variant
from calcbench.core.serving.launcher import ServerSpec, launch


def write(folder: Path, name: str, serve: str, head: str = "") -> None:
    """Write a strategy with the body *serve*."""
    parameters = "listener, service, options, stop"
    body = dedent(serve).replace("\n", "\n    ")
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

    with pytest.raises(CalcbenchError, match="died at its start: ModuleNotFoundError"):
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
    assert "KeyError: 'oh'" in stopped.stderr


def test_kills_a_server_that_will_not_stop(strategies_folder: Path) -> None:
    write(strategies_folder, "stubborn.py", "while True: time.sleep(60)")

    with launch(ServerSpec("stubborn")) as server:
        stopped = server.stop(grace_s=0.1)

    assert stopped.killed
    assert stopped.status == -signal.SIGKILL


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


def test_a_launcher_that_is_killed_takes_its_server_along(strategies_folder: Path) -> None:
    write(strategies_folder, "stubborn.py", "while True: time.sleep(60)")
    script = f"""
        from calcbench import strategies
        strategies.__path__ = [{str(strategies_folder)!r}]
        from calcbench.core.serving.launcher import ServerSpec, launch
        server = launch(ServerSpec("stubborn"))
        print(server.pid, flush=True)
        input()
    """
    with subprocess.Popen(
        [sys.executable, "-c", dedent(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as launcher:
        assert launcher.stdout is not None
        server = int(launcher.stdout.readline())
        end = os.pidfd_open(server)
        launcher.kill()

    assert select.select([end], [], [], 20)[0]
    os.close(end)


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
        (ServerSpec("blocking", ("workers=1",)), "no option 'workers'; there are none"),
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
    assert options_of(parse_variant("threadpool:workers=4")) == {"workers": 4, "queue": 64}


def test_knows_what_an_interpreter_has() -> None:
    assert has("os", "fork").met
    assert has("json").met
    assert not has("no_such_package").met
