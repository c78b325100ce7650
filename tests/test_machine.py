"""What a result says about the machine, and what it must not say; and who runs on which core."""

import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import pytest

from calcbench.bench.system import cpus
from calcbench.bench.system.cpu_time import ServerClock
from calcbench.bench.system.cpus import Pinning, choose_cores, on_cores, shared_cores
from calcbench.bench.system.machine import describe_machine, describe_versions, without_paths
from calcbench.bench.system.procfs import TICK_NS


def test_describes_the_machine_and_names_nobody() -> None:
    text = repr((describe_machine(), describe_versions()))

    assert str(os.cpu_count()) in text
    assert platform.python_version() in text
    assert platform.node() not in text
    assert str(Path.home()) not in text


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("calcbench run --out /home/ann/results/x", "calcbench run --out …/x"),
        ("--out=/home/ann/x -q", "--out=…/x -q"),
        ("~/bin/calcbench run", "…/calcbench run"),
        ("cannot open '/home/ann/a b': no", "cannot open '…/a b': no"),
        ('File "/usr/lib/python3.11/x.py", line 3', 'File "…/x.py", line 3'),
        ("results/20261122-080000", "results/20261122-080000"),
        ("--out ./results/x", "--out ./results/x"),
        ("http://127.0.0.1:80/add/2/3", "http://127.0.0.1:80/add/2/3"),
        ("answers/s: 1/2", "answers/s: 1/2"),
    ],
)
def test_cuts_paths_of_this_machine(text: str, result: str) -> None:
    assert without_paths(text) == result


@pytest.mark.parametrize(
    ("cores", "threads", "chosen"),
    [
        ({3}, {}, ((), ())),
        ({0, 1}, {}, ((1,), (0,))),
        ({0, 1, 2, 3}, {3: {2, 3}}, ((3,), (0,))),
        ({2, 3}, {3: {2, 3}}, ((3,), (2,))),
        ({1, 2, 3}, {3: {1, 3}}, ((3,), (2,))),
    ],
)
def test_keeps_server_and_driver_apart(
    cores: set[int],
    threads: dict[int, set[int]],
    chosen: tuple[tuple[int, ...], tuple[int, ...]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: cores)
    monkeypatch.setattr(cpus, "siblings", lambda core: threads.get(core, {core}))
    pinning = choose_cores()

    assert (pinning.server, pinning.driver) == chosen
    assert bool(pinning.note) == (len(cores) < 2 or cores == {2, 3})


def test_moves_to_cores_and_back() -> None:
    before = os.sched_getaffinity(0)
    first = min(before)
    with on_cores((first,)):
        assert os.sched_getaffinity(0) == {first}
    with on_cores(()):
        assert os.sched_getaffinity(0) == before

    assert os.sched_getaffinity(0) == before
    assert Pinning() == Pinning((), (), "")


SPENDS = """
import os, sys, time
def spend():
    while time.process_time() < 0.05: pass
if os.fork() == 0:
    spend(); os._exit(0)
os.wait()  # one child's time is in our account now
if os.fork() == 0:
    spend()
    print("spent", flush=True); sys.stdin.read(); os._exit(0)
spend()
print("spent", flush=True); sys.stdin.read(); os.wait()
"""


def test_accounts_a_server_its_living_and_its_reaped_children() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SPENDS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        process_group=0,
    )
    with process:
        assert process.stdout
        assert process.stdout.readline() + process.stdout.readline() == b"spent\nspent\n"
        used_ns = ServerClock(process.pid).read()
        process.stdin.close()  # type: ignore[union-attr]

    assert used_ns >= 3 * 50_000_000 - 2 * TICK_NS
    assert ServerClock(process.pid).read() == 0
    assert time.process_time_ns() <= ServerClock(os.getpgrp()).read()


TWO_THREADS = Pinning(
    (1,), (0,), "server and driver are pinned to two hardware threads of one core"
)


@pytest.mark.parametrize(
    ("drivers", "pinning", "cores", "shared"),
    [
        (1, Pinning((1,), (0,)), 2, ""),
        (
            2,
            Pinning((1,), (0,)),
            2,
            "2 drivers share core 0: together they make no more load than one",
        ),
        (2, Pinning((3,), (0, 1)), 4, ""),
        (1, TWO_THREADS, 2, TWO_THREADS.note),
        (1, Pinning(note="one core only"), 1, "one core only"),
        (
            1,
            Pinning(),
            1,
            "the only core is the driver's too: a server on this machine",
        ),
        (1, Pinning(), 2, ""),
        (
            2,
            Pinning(),
            2,
            "2 drivers fill the 2 cores: a server on this machine has none",
        ),
        (3, Pinning(), 4, ""),
    ],
)
def test_says_which_drivers_share_a_core(
    drivers: int, pinning: Pinning, cores: int, shared: str
) -> None:
    found = shared_cores(drivers, pinning, cores)

    assert found.startswith(shared)
    assert bool(found) == bool(shared)
