"""calcbench on a system that has only what POSIX has, and kqueue: see posix/sitecustomize.py."""

import errno
import json
import os
import selectors
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import test_launcher
from builders import only_run
from servers import needs_proc

from calcbench.bench.loadgen.driver import poller
from calcbench.bench.loadgen.driver.client import SENDING
from calcbench.bench.loadgen.driver.loop import Loop
from calcbench.bench.loadgen.driver.recorder import Recorder
from calcbench.bench.loadgen.spec import LoadSpec
from calcbench.core.serving.launcher import ServerSpec, launch

CALCBENCH = (sys.executable, "-P", "-m", "calcbench")
SHORT = ("--duration", "0.2", "--warmup", "0.1", "--rounds", "1")


@pytest.fixture(autouse=True)
def only_posix(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have all that a test starts find nothing that Linux alone has."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).with_name("posix")))


def calcbench(*words: str) -> str:
    """Return what a command prints, which must succeed."""
    done = subprocess.run([*CALCBENCH, *words], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    return done.stdout


def result(out: Path) -> Any:
    """Return the one result in *out*."""
    return json.loads((only_run(out) / "result.json").read_text())


def test_says_what_it_leaves_out() -> None:
    findings = json.loads(calcbench("doctor", "--json"))

    left_out = {finding["name"]: finding["value"] for finding in findings}["left out"]
    assert "CPU time" in left_out
    assert "cores of their own" in left_out


@pytest.mark.slow
def test_runs_by_turns_and_draws(tmp_path: Path) -> None:
    words = ("--strategy", "selectors,fork", "--workload", "add", "--connections", "2")

    shown = calcbench("run", *words, *SHORT, "--out", str(tmp_path))

    run = result(tmp_path)
    assert [one["status"] for one in run["measurements"]] == ["ok", "ok"]
    assert all(one["evidence"]["slices"] for one in run["measurements"])  # by turns
    assert not any(one["server_cpu_ns"] for one in run["measurements"])
    assert not any(one["resource_usage"] for one in run["measurements"])
    assert all(one["evidence"]["driver_delay_ratio"] is None for one in run["measurements"])
    assert run["machine"]["missing"]
    assert "Left out: a server's CPU time" in shown
    assert list(tmp_path.glob("*/charts/*.png"))


@pytest.mark.slow
def test_serves_and_loads_with_new_connections_at_a_rate(tmp_path: Path) -> None:
    serve = ("serve", "--strategy", "thread-per-request", "--port", "0")
    with subprocess.Popen([*CALCBENCH, *serve], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        url = server.stdout.readline().split()[-1]
        load = ("load", f"{url}/add/2/3", "--reuse", "close", "--rate", "50")
        calcbench(*load, *SHORT, "--connections", "4", "--out", str(tmp_path), "--no-charts")
        server.send_signal(signal.SIGTERM)

    assert server.returncode == 0
    (measurement,) = result(tmp_path)["measurements"]
    assert measurement["status"] == "ok"


@needs_proc
@pytest.mark.slow
@pytest.mark.parametrize("serve", ["while True: pass", "os.fork(); os.fork(); time.sleep(60)"])
def test_a_launcher_that_is_killed_takes_its_server_along(
    strategies_folder: Path, serve: str
) -> None:
    test_launcher.test_a_launcher_that_is_killed_takes_its_server_along(strategies_folder, serve)


def test_hides_it_from_servers_too(strategies_folder: Path) -> None:
    seen = "print(sys.platform, hasattr(os, 'memfd_create')); stop.wait(60)"
    test_launcher.write(strategies_folder, "looking.py", seen, "import sys")

    with launch(ServerSpec("looking")) as server:
        stopped = server.stop()

    assert stopped.clean
    assert stopped.printed == "posix False"


def test_waits_for_a_connection_where_a_system_calls_it_not_connected() -> None:
    def send(*_: object) -> int:
        raise OSError(errno.ENOTCONN, "no connection yet")

    loop = Loop(LoadSpec("127.0.0.1", 1, 1, True, 1.0, 0.0), Recorder(1))
    (client,) = loop.everyone
    client.send, client.unsent = send, b"GET"

    assert loop.push(client)
    assert client.state == SENDING
    assert client.unsent == b"GET"


def test_says_what_a_driver_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poller, "DefaultSelector", selectors.PollSelector)

    with pytest.raises(OSError, match="needs epoll or kqueue"):
        poller.SelectorPoller()


def test_a_poller_by_a_selector_forgets_what_it_is_told_to() -> None:
    waiting = poller.SelectorPoller()
    reader, writer = os.pipe()
    waiting.register(reader, selectors.EVENT_READ)
    waiting.register(writer, 0)
    os.write(writer, b"!")
    before = waiting.poll(0)
    waiting.unregister(reader)
    waiting.unregister(writer)
    os.close(reader)
    os.close(writer)

    assert before == [(reader, selectors.EVENT_READ)]
    assert waiting.poll(0) == []
