"""What a server used, from texts of /proc that were recorded or made up."""

import os
import socket
import threading
import time
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from calcbench.bench.system.procfs import (
    TICK_NS,
    core_times,
    listener_state,
    net_counter,
    run_queue_ns,
    stat_fields,
    switches,
    time_wait,
    value_of,
)
from calcbench.bench.system.sampler import CounterSum, Sampler, take_samples
from calcbench.bench.system.series import Counters, Levels, Sample, between
from calcbench.bench.system.usage import Life, jain, resource_usage
from calcbench.bench.system.watch import NICE, PIECE_NS, Pace, Sampling, step_back
from calcbench.core.serving.counters import Worker

STATUS = """\
Name:\tpython
VmPeak:\t   20000 kB
VmHWM:\t   12345 kB
Threads:\t9
voluntary_ctxt_switches:\t17
nonvoluntary_ctxt_switches:\t4
"""
NETSTAT = """\
TcpExt: SyncookiesSent ListenOverflows ListenDrops
TcpExt: 0 141 142
IpExt: InNoRoutes InTruncatedPkts
IpExt: 7 8
"""
SOCKSTAT = """\
sockets: used 99
TCP: inuse 76 orphan 0 tw 85176 alloc 76 mem 67
UDP: inuse 0 mem 0
"""
STAT = """\
cpu  30 0 30 90 2 0 4 6 0 0
cpu0 10 1 12 45 1 2 3 5 0 0
cpu1 20 0 18 45 1 0 1 1 9 0
intr 1 2 3
ctxt 99
"""
MS = 1_000_000


def test_reads_the_texts_of_proc() -> None:
    assert stat_fields(b"12 (a) b (c) S 1 12 12 0")[:3] == [b"S", b"1", b"12"]
    assert value_of(STATUS, "VmHWM") == 12345
    assert value_of(STATUS, "Vm") == 0
    assert switches(STATUS) == (17, 4)
    assert run_queue_ns("349109 1935354 3\n") == 1935354
    assert run_queue_ns("") == 0
    assert net_counter(NETSTAT, "TcpExt", "ListenOverflows") == 141
    assert net_counter(NETSTAT, "IpExt", "InTruncatedPkts") == 8
    assert net_counter(NETSTAT, "TcpExt", "Nothing") == net_counter("", "TcpExt", "X") == 0
    assert time_wait(SOCKSTAT) == 85176
    assert time_wait("") == 0


def test_counts_the_time_of_each_core() -> None:
    busy, steal = core_times(STAT, (1, 0, 7))

    assert busy == ((20 + 18) * TICK_NS, (10 + 1 + 12) * TICK_NS, 0)
    assert steal == (1 * TICK_NS, 5 * TICK_NS, 0)
    assert core_times("", (0,)) == ((0,), (0,))


def test_sees_what_a_listener_turns_away() -> None:
    """A backlog of one: the third client that nobody accepts is one too many."""
    with socket.create_server(("127.0.0.1", 0), backlog=1) as listener:
        before = listener_state(listener)
        clients = []
        for _ in range(6):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
            clients.append(client)
        drops = waiting = 0
        while drops < 4 or waiting < 2:  # the kernel is at it; a test that hangs here has failed
            drops, waiting = listener_state(listener)
        for client in clients:
            client.close()

    assert before == (0, 0)
    assert waiting == 2
    assert listener_state(None) == (0, 0)


def test_never_forgets_a_thread_that_has_ended() -> None:
    tally = CounterSum()

    assert tally.add({1: (5, 1, 100), 2: (3, 0, 50)}) == (8, 1, 150)
    assert tally.add({1: (6, 1, 110)}) == (9, 1, 160)
    assert tally.add({1: (2, 0, 5), 3: (1, 1, 1)}) == (12, 2, 166)  # another thread is 1 now
    assert tally.add({}) == (12, 2, 166)


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))


def stat(pid: int, group: int, user: int, system: int, threads: int) -> str:
    middle = " ".join(["0"] * 8)
    return f"{pid} (python) x) S 1 {group} {middle} {user} {system} 1 2 0 0 {threads} 0 0"


def test_adds_up_the_processes_of_one_group(tmp_path: Path) -> None:
    huge = 4_190_000  # no process has such an id here, so no clock answers for it
    for pid, group in ((huge, huge), (huge + 1, huge), (huge + 2, 1)):
        write(
            tmp_path,
            {
                f"{pid}/stat": stat(pid, group, 7, 3, 2),
                f"{pid}/status": STATUS,
                f"{pid}/smaps_rollup": "Rss: 100 kB\nPss:  10 kB\n",
                f"{pid}/task/{pid}/status": STATUS,
                f"{pid}/task/{pid}/schedstat": "1 1000 1",
                f"{pid}/task/{pid + 100}/status": STATUS,
                f"{pid}/task/{pid + 100}/schedstat": "1 2000 1",
            },
        )
    write(
        tmp_path,
        {
            "stat": STAT,
            "net/netstat": NETSTAT,
            "net/sockstat": SOCKSTAT,
            "self": "not a process",
        },
    )
    sampler = Sampler(huge, proc=tmp_path)
    take_samples([sampler], (0, 1), thorough=True)
    seen = sampler.samples[0]

    assert seen.levels == Levels(2, 4, 12345 * 1024, 20 * 1024, 0, 85176)
    counters = seen.counters
    assert counters.cpu_ns == 2 * (7 + 3 + 1 + 2) * TICK_NS
    assert (counters.user_ns, counters.system_ns) == (2 * 8 * TICK_NS, 2 * 5 * TICK_NS)
    assert (counters.voluntary, counters.involuntary) == (4 * 17, 4 * 4)
    assert counters.run_queue_ns == 2 * 3000
    assert counters.overflows == 141
    take_samples([sampler])
    take_samples([sampler])
    assert [one.levels.pss_bytes for one in sampler.samples[1:]] == [0, 20 * 1024]


def test_sees_ourselves() -> None:
    sampler = Sampler(os.getpgrp())
    with Sampling([sampler], sorted(os.sched_getaffinity(0))):
        while not sampler.samples:
            threading.Event().wait(0.001)
    first, last = sampler.samples[0], sampler.samples[-1]

    assert len(sampler.samples) >= 2
    assert last.counters.at_ns > first.counters.at_ns
    assert last.counters.cpu_ns >= first.counters.cpu_ns > 0
    assert last.levels.processes >= 1
    assert last.levels.threads >= 1
    assert last.levels.peak_bytes > 1_000_000
    assert last.levels.pss_bytes > 100_000


def test_watches_several_servers_at_once(tmp_path: Path) -> None:
    """Each has samples of its own, and knows what the others have used of the cores."""
    for pid, user in ((4_190_000, 7), (4_190_001, 20), (4_190_002, 100)):
        write(tmp_path, {f"{pid}/stat": stat(pid, pid, user, 3, 1)})
    write(tmp_path, {"stat": STAT})
    samplers = [Sampler(group, proc=tmp_path) for group in (4_190_000, 4_190_001, 4_190_002)]
    take_samples(samplers, (0,))
    seen = [sampler.samples[0].counters for sampler in samplers]

    assert [one.cpu_ns // TICK_NS for one in seen] == [13, 26, 106]
    assert [one.others_ns // TICK_NS for one in seen] == [132, 119, 39]
    assert {one.busy_ns for one in seen} == {(23 * TICK_NS,)}


def test_rests_between_its_steps(tmp_path: Path) -> None:
    """After each process of the machine, the machine, each process of the server, each thread."""
    group = 4_190_000
    for pid in range(group, group + 3):
        write(tmp_path, {f"{pid}/stat": stat(pid, group, 7, 3, 2)})
        write(tmp_path, {f"{pid}/task/{pid + 10 * task}/status": STATUS for task in range(4)})
    steps: list[int] = []
    take_samples([Sampler(group, proc=tmp_path)], step=lambda: steps.append(1))

    assert len(steps) == 3 + 2 + 3 + 3 * 4


def test_keeps_to_its_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0, 100_000, PIECE_NS, 1_000_000, 1_100_000, 1_000_000 + PIECE_NS, 2_000_000])
    rests: list[float] = []
    monkeypatch.setattr(time, "thread_time_ns", lambda: next(clock))
    monkeypatch.setattr(time, "sleep", rests.append)
    pace = Pace()
    rested = []
    for _ in range(4):
        pace.step()
        rested.append(len(rests))

    assert rested == [0, 1, 1, 2]


def test_steps_back_behind_everybody() -> None:
    """The thread that samples does, and the one that started it stays as it is."""
    seen: list[tuple[int, int]] = []

    def look() -> None:
        step_back()
        priority = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
        seen.append((os.sched_getscheduler(0), priority))

    before = os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, 0)
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()

    assert seen == [(os.SCHED_BATCH, NICE)]
    assert (os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, 0)) == before


def samples(*rows: tuple[int, dict[str, Any]], **levels: int) -> list[Sample]:
    return [Sample(Counters(at_ns=at * MS, **more), Levels(**levels)) for at, more in rows]


def test_takes_the_window_out_of_the_samples_around_it() -> None:
    """1 a millisecond until 900, then nothing: the samples behind the window must not count."""
    seen = samples(
        *(
            (at, {"voluntary": min(at, 900), "busy_ns": (min(at, 900), 0)})
            for at in (0, 100, 300, 500, 700, 880, 1100)
        )
    )
    total = between(seen, 200 * MS, 900 * MS)

    assert total.at_ns == 700 * MS
    assert total.voluntary == 700
    assert total.busy_ns == (700, 0)


def test_has_figures_even_when_no_sample_fell_into_the_window() -> None:
    seen = samples((0, {"voluntary": 0}), (1000, {"voluntary": 1000}))

    assert between(seen, 400 * MS, 500 * MS).voluntary == 100
    assert between(seen, 1400 * MS, 1500 * MS).voluntary == 100


def test_counts_what_was_read_late_at_the_time_when_it_was_read() -> None:
    """One a millisecond; in the middle sample, the threads were read 300 ms after the rest."""
    late = {"cpu_ns": 500, "voluntary": 800, "threads_at_ns": 800 * MS}
    seen = samples((0, {}), (500, late), (1000, {"cpu_ns": 1000, "voluntary": 1000}))
    total = between(seen, 200 * MS, 1000 * MS)

    assert (total.cpu_ns, total.voluntary) == (800, 800)


def test_never_counts_backwards() -> None:
    seen = samples((0, {"voluntary": 50}), (1000, {"voluntary": 40}))

    assert between(seen, 0, 1000 * MS).voluntary == 0


def test_says_what_a_server_used() -> None:
    seen = samples(
        (0, {"user_ns": 0, "system_ns": 0, "cpu_ns": 0}),
        (1000, {"user_ns": 300 * MS, "system_ns": 100 * MS, "cpu_ns": 440 * MS, "voluntary": 8}),
        processes=1,
        threads=3,
        peak_bytes=5,
        time_wait=2,
    )
    workers = [Worker(9, 9, 25), Worker(9, 10, 75)]
    usage = resource_usage(seen, 0, 1000 * MS, 100, workers=workers, life=Life(9, 0, 100))
    exact = resource_usage(seen, 0, 1000 * MS, 100, cpu_ns=800_000)
    most = resource_usage(seen, 0, 1000 * MS, 100, cpu_ns=900 * MS)

    assert usage
    assert exact
    assert most
    assert usage.cpu_us_per_request == 4400
    assert (usage.cpu_user_ns, usage.cpu_system_ns) == (330 * MS, 110 * MS)
    assert (usage.voluntary_switches, usage.switches_from) == (8, "every thread")
    assert usage.run_queue_complete
    assert usage.pss_bytes is None
    assert [worker.responses for worker in usage.workers] == [75, 25]
    assert usage.workers_jain == pytest.approx(0.8)
    assert exact.cpu_us_per_request == 8
    assert most.cpu_user_ns is most.cpu_system_ns is None  # most of it between the ticks
    assert resource_usage(seen[:1], 0, 1, 1) is None


def test_asks_the_kernel_for_the_switches_of_threads_that_came_and_went() -> None:
    seen = samples((0, {}), (1000, {"voluntary": 8}))
    usage = resource_usage(seen, 0, 1000 * MS, 50, life=Life(4_000, 200, 100))

    assert usage
    assert (usage.voluntary_switches, usage.involuntary_switches) == (2_000, 100)
    assert usage.switches_from == "the whole life"
    assert not usage.run_queue_complete


def test_knows_how_fair_a_share_is() -> None:
    assert jain([3, 3, 3]) == 1
    assert jain([9, 0, 0]) == pytest.approx(1 / 3)
    assert jain([1, 2, 3]) == pytest.approx(36 / 42)
    assert jain([]) is jain([0, 0]) is None
