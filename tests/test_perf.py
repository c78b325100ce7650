"""Counting events in all processes of a server, by one that every machine can count: CPU time."""

import errno
import functools
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from test_sampler import MS, samples

from calcbench.bench.runner import launched
from calcbench.bench.runner.launched import among_strategies
from calcbench.bench.runner.race import race
from calcbench.bench.schema.plan import Plan
from calcbench.bench.system import perf
from calcbench.bench.system.perf import (
    EXCLUDE_KERNEL,
    INSTRUCTIONS,
    READING,
    TASK_CLOCK,
    USER_ONLY,
    WITH_KERNEL,
    Event,
    EventCounter,
    countable,
    counted,
    open_counter,
)
from calcbench.bench.system.sampler import Sampler, take_samples
from calcbench.bench.system.usage import resource_usage
from calcbench.core.errors import CalcbenchError

UNKNOWN = Event(77, 1)
SPEND_NS = 20 * MS
# Two processes that hang together, and a second thread in each, all of which compute for 20 ms.
FAMILY = f"""
import os, sys, threading, time
os.fork()
def spend():
    until = time.thread_time_ns() + {SPEND_NS}
    while time.thread_time_ns() < until:
        pass
thread = threading.Thread(target=spend)
thread.start()
spend()
thread.join()
os.write(1, b"spent\\n")
sys.stdin.read()
"""


def run(program: str) -> Callable[[], "subprocess.Popen[str]"]:
    command = [sys.executable, "-c", program]
    pipe = subprocess.PIPE
    return lambda: subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, process_group=0)


@pytest.fixture
def _countable() -> None:
    if not countable(TASK_CLOCK)[0]:
        pytest.skip("this kernel, or its container, lets nobody count")


@pytest.mark.usefixtures("_countable")
def test_counts_children_and_threads_and_nobody_else() -> None:
    with counted(run(FAMILY), TASK_CLOCK) as (process, counter):
        assert process.stdout
        lines = process.stdout.readline(), process.stdout.readline()
        assert counter
        sampler = Sampler(process.pid, counter=counter)
        take_samples([sampler])
        with run(FAMILY)() as other:  # which we start later
            other.communicate()
        take_samples([sampler])
        process.communicate()
        ended = counter.read()

    first, last = (sample.counters.instructions for sample in sampler.samples)
    assert lines == ("spent\n", "spent\n")
    assert first >= 4 * SPEND_NS
    assert last - first < 4 * SPEND_NS
    assert ended >= last  # and it outlives them
    with pytest.raises(OSError, match="Bad file descriptor"):
        counter.read()


@pytest.mark.usefixtures("_countable")
def test_leaves_nothing_open_where_the_start_fails() -> None:
    def fail() -> "subprocess.Popen[str]":
        raise CalcbenchError("no")

    before = os.listdir("/proc/self/fd")
    with pytest.raises(CalcbenchError), counted(fail, TASK_CLOCK):
        pass

    assert os.listdir("/proc/self/fd") == before


def test_goes_without_where_nothing_can_be_counted() -> None:
    assert countable(UNKNOWN) == ("", errno.ENOENT) or countable(TASK_CLOCK)[1]
    with counted(run("input()"), UNKNOWN) as (process, counter):
        process.communicate("\n")

    assert counter is None


def test_counts_user_code_alone_where_the_kernel_forbids_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []

    def forbid(event: Event, flags: int) -> int:
        assert event == INSTRUCTIONS
        asked.append(flags)
        if not flags & EXCLUDE_KERNEL:
            raise OSError(errno.EACCES, "forbidden")
        return os.open(os.devnull, os.O_RDONLY)

    monkeypatch.setattr(perf, "open_event", forbid)
    with open_counter() as counter:
        assert counter.of == USER_ONLY
    assert asked == [0, EXCLUDE_KERNEL]
    assert countable() == (USER_ONLY, 0)


@pytest.mark.parametrize(
    ("reading", "count"), [((600, 9, 9), 600), ((600, 9, 3), 1_800), ((0, 9, 0), 0)]
)
def test_allows_for_the_time_in_which_a_processor_counted_something_else(
    reading: tuple[int, int, int], count: int
) -> None:
    out, into = os.pipe()
    os.write(into, READING.pack(*reading))
    os.close(into)

    with EventCounter(out, WITH_KERNEL) as counter:
        assert counter.read() == count


def test_shares_instructions_out_as_cpu_time() -> None:
    """3 a nanosecond; the window used 500 ms of the CPU time by the exact account."""
    seen = samples((0, {}), (1000, {"cpu_ns": 400 * MS, "instructions": 1_200 * MS}))
    usage = resource_usage(seen, 0, 1000 * MS, 100, 500 * MS, instructions_of=USER_ONLY)
    none = resource_usage(samples((0, {}), (1000, {"cpu_ns": 400 * MS})), 0, 1000 * MS, 100)

    assert usage
    assert (usage.instructions_per_request, usage.instructions_of) == (15 * MS, USER_ONLY)
    assert none
    assert (none.instructions_per_request, none.instructions_of) == (None, "")


@pytest.mark.slow
@pytest.mark.usefixtures("_countable")
def test_counts_while_a_server_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The CPU time of its processes, by two ways: what is counted is what was used."""
    monkeypatch.setattr(launched, "counted", functools.partial(counted, event=TASK_CLOCK))
    plan = Plan(("selectors",), connections=(4,), workloads=("add",), duration_s=0.3, rounds=1)
    [one] = race(plan, among_strategies(plan), tmp_path / "run").measurements
    usage = one.resource_usage

    assert usage
    assert usage.instructions_of == WITH_KERNEL
    assert usage.instructions_per_request
    assert usage.cpu_us_per_request
    assert usage.instructions_per_request == pytest.approx(usage.cpu_us_per_request * 1e3, rel=0.2)
