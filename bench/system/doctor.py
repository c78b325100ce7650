"""Whether this machine is fit for a race: what each fact of it means for a run.

`examine` is a function of the facts alone. A finding is ``ok``, or ``warn`` with the command that
mends it: what it warns of bends the figures or ends a run early.
"""

import errno
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from calcbench.bench.system.facts import Facts
from calcbench.bench.system.perf import FORBIDDEN, WITH_KERNEL
from calcbench.core.serving.listeners import BACKLOG

BUSY = 0.10  # of all cores, used by others before the race has begun
STEAL = 0.02  # of all cores, taken by the host
MANY_FILES = 4096  # two for each client of a large race, and some
MANY_PORTS = 16_000
GOOD_CLOCKS = ("tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter", "xen")
SLOW_CLOCK_NS = 200  # a reading through the kernel costs more, and the driver reads twice a request
TIME_WAIT_S = 60  # of Linux, not to be changed

PARANOID = 2  # beyond this, nobody without privileges may count anything

OK, WARN = "ok", "warn"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: what it is, what that means for a run, and what mends it."""

    name: str
    status: str
    value: str
    meaning: str
    remedy: str = ""


def examine(facts: Facts) -> list[Finding]:
    """Return what *facts* mean for a run, in the order in which they matter."""
    return [
        of_cores(facts),
        of_load(facts),
        *(judge(facts) for judge in (of_steal, of_governor) if facts.processes_seen),
        of_clock(facts),
        of_files(facts),
        of_ports(facts),
        of_backlog(facts),
        *(judge(facts) for judge in (of_delays, of_instructions) if facts.processes_seen),
        of_gil(facts),
        *of_missing(facts),
    ]


def finding(name: str, value: str, good: str, problem: str = "", remedy: str = "") -> Finding:
    """Return what is to be said: *good*, or else *problem* and its *remedy*."""
    return Finding(name, WARN if problem else OK, value, problem or good, remedy)


def of_cores(facts: Facts) -> Finding:
    """Judge whether server and driver can have a core each."""
    problem = remedy = ""
    if facts.quota_cores is not None and facts.quota_cores < 2:
        problem = (
            f"the control group may use {facts.quota_cores:g}: the kernel stops server and driver"
            " in the middle of a run, for tens of milliseconds"
        )
        remedy = "docker update --cpus 2 CONTAINER   # or whatever set its cpu.max"
    elif facts.cores < 2:
        problem = "server and driver share it, and each is measured together with the other"
        remedy = "taskset -cp 0,1 $$   # where there are more, or else a larger machine"
    elif not facts.apart:
        problem = "server and driver run on two hardware threads of one core, and slow each other"
        remedy = "echo off | sudo tee /sys/devices/system/cpu/smt/control"
    good = "server and driver have one each; strategies of many processes share the server's"
    if not facts.pins:
        good = "which of them server and driver run on is for the system to decide"
    return finding("cores", f"{facts.cores} usable", good, problem, remedy)


def of_load(facts: Facts) -> Finding:
    """Judge whether others use the cores."""
    if facts.busy_ratio is None:
        return finding("load", f"{facts.load:.1f}", "this system does not tell how busy cores are")
    problem = remedy = ""
    if facts.busy_ratio > BUSY:
        problem = (
            "other programs use the cores: points will be marked contended, and only CPU"
            " per request and ratios within one run can be trusted"
        )
        remedy = "ps -eo pcpu,pid,comm --sort=-pcpu | head   # and end what can wait"
    value = f"{facts.busy_ratio:.0%} of all cores busy, load {facts.load:.1f}"
    return finding("load", value, "no other program uses the cores now", problem, remedy)


def of_steal(facts: Facts) -> Finding:
    """Judge whether the host gives the cores to somebody else."""
    problem = remedy = ""
    if (facts.steal_ratio or 0) > STEAL:
        problem = (
            "the host gives this machine's cores to others: latencies have gaps that no server made"
        )
        remedy = "vmstat 1   # watch st, and measure when it is 0 or on a machine of your own"
    value = f"{facts.steal_ratio or 0:.0%} stolen"
    return finding("steal", value, "the host leaves the cores to this machine", problem, remedy)


def of_governor(facts: Facts) -> Finding:
    """Judge whether the cores change their frequency."""
    value = ", ".join(sorted(facts.governors)) or "unknown"
    problem = remedy = ""
    if facts.governors - {"performance"}:
        problem = "an idle core slows down: light loads look slower than heavy ones"
        remedy = "sudo cpupower frequency-set -g performance"
    seen = "every core keeps its frequency"
    unseen = "this machine does not say, perhaps because it is virtual; the host decides"
    return finding("governor", value, seen if facts.governors else unseen, problem, remedy)


def of_clock(facts: Facts) -> Finding:
    """Judge what a time stamp costs."""
    problem = remedy = ""
    if facts.clock_ns > SLOW_CLOCK_NS or (facts.clock and facts.clock not in GOOD_CLOCKS):
        problem = "each time stamp is a system call, which costs the driver much of its time"
        remedy = (
            "echo tsc | sudo tee /sys/devices/system/clocksource/clocksource0/current_clocksource"
        )
    value = f"{facts.clock or 'unknown'}, {facts.clock_ns:,.10g} ns a reading"
    return finding("clock", value, "time stamps are cheap against a request", problem, remedy)


def of_files(facts: Facts) -> Finding:
    """Judge how many connections there can be."""
    problem = remedy = ""
    most = facts.files_most
    if most < MANY_FILES:
        problem = f"no more than about {most - 100:,} connections can be raced"
        remedy = f"sudo prlimit --nofile={MANY_FILES * 4} --pid $$"
    value = f"{facts.files:,} open files, up to {'any' if most == sys.maxsize else f'{most:,}'}"
    good = "enough; a race raises its own limit to what it needs"
    return finding("files", value, good, problem, remedy)


def of_ports(facts: Facts) -> Finding:
    """Judge how many connections can be opened one after the other."""
    if facts.ports is None:
        return finding("ports", "unknown", "no limit is known")
    problem = remedy = ""
    if facts.ports < MANY_PORTS:
        problem = "with --reuse close the driver may run out of ports"
        remedy = 'sudo sysctl -w net.ipv4.ip_local_port_range="1024 65535"'
    elif not facts.reuses_ports:
        problem = (
            f"with --reuse close, {facts.ports / TIME_WAIT_S:,.0f} connections a second are all"
            f" that can last: each port rests {TIME_WAIT_S} s"
        )
        remedy = "sudo sysctl -w net.ipv4.tcp_tw_reuse=2"
    value = f"{facts.ports:,} for clients, connections in TIME_WAIT: {facts.time_wait:,}"
    good = "enough for new connections, and those in TIME_WAIT are used again"
    return finding("ports", value, good, problem, remedy)


def of_backlog(facts: Facts) -> Finding:
    """Judge how many clients may wait to be accepted."""
    if facts.somaxconn is None:
        return finding("somaxconn", "unknown", "no limit is known")
    problem = remedy = ""
    if facts.somaxconn < BACKLOG:
        problem = (
            f"the backlog, the queue of clients not yet accepted, is cut from {BACKLOG:,}: clients"
            " beyond it try again after a second, which looks like the server's latency"
        )
        remedy = f"sudo sysctl -w net.core.somaxconn={BACKLOG}"
    value = f"clients that may wait to be accepted: {facts.somaxconn:,}"
    good = "servers get as long a backlog as they ask for"
    return finding("somaxconn", value, good, problem, remedy)


def of_delays(facts: Facts) -> Finding:
    """Judge whether it can be seen that a process waits for a core."""
    problem = remedy = ""
    if not facts.delays_seen:
        problem = (
            "the kernel does not report how long threads wait for a core, so contention may go"
            " unseen"
        )
        remedy = "grep SCHED_INFO /boot/config-$(uname -r)   # a kernel with it"
    value = "reported" if facts.delays_seen else "not reported"
    return finding("run-queue delay", value, "contention can be seen", problem, remedy)


def of_instructions(facts: Facts) -> Finding:
    """Say whether the instructions of a server can be counted; a race does without, so no fault."""
    name, value = "instructions", "cannot be counted"
    without = ": results have the CPU time for each request, but not its instructions"
    allow = "sudo sysctl -w kernel.perf_event_paranoid=1"
    if facts.counted_of == WITH_KERNEL:
        return Finding(name, OK, "can be counted", "they stand beside CPU time in the results")
    if facts.counted_of:
        meaning = "those that the kernel executes for a server are left out"
        return Finding(name, OK, "can be counted, but not the kernel's", meaning, allow)
    if facts.count_error == errno.ENOSYS:
        return Finding(name, OK, value, "the kernel has no call for it" + without)
    if facts.count_error not in FORBIDDEN:
        why = "the processor's counters are not available here, as in most virtual machines"
        return Finding(
            name,
            OK,
            value,
            why + without,
            "qemu … -cpu host,pmu=on   # on the host, if it is yours",
        )
    if facts.paranoid is not None and facts.paranoid > PARANOID:
        why = f"the kernel forbids it: kernel.perf_event_paranoid is {facts.paranoid}"
        return Finding(name, OK, value, why + without, allow)
    why = "the container forbids it"
    remedy = "docker run --cap-add PERFMON …   # if it is Docker's"
    return Finding(name, OK, value, why + without, remedy)


def of_gil(facts: Facts) -> Finding:
    """Say what the interpreter's lock does to threads; with or without, it is no fault."""
    version = ".".join(map(str, sys.version_info[:3]))
    value = f"Python {version}, {'with' if facts.gil else 'without'} the interpreter's lock"
    with_lock = "threads wait side by side and compute one after the other"
    return finding("GIL", value, with_lock if facts.gil else "threads compute side by side")


def of_missing(facts: Facts) -> list[Finding]:
    """Say what results leave out here, if anything; nobody can mend that, so it is no fault."""
    if not facts.missing:
        return []
    meaning = "this system does not tell or offer it: results leave it out, and guess nothing"
    return [finding("left out", "; ".join(facts.missing), meaning)]


def warning(findings: Sequence[Finding]) -> str:
    """Return in one line what stands against a race now, and what mends it; or nothing."""
    problems = [finding for finding in findings if finding.status == WARN]
    if not problems:
        return ""
    first, *others = problems
    mend = first.remedy.partition("   #")[0]
    more = f" (and {', '.join(other.name for other in others)})" if others else ""
    return f"{first.name}: {first.value}{more}; see calcbench doctor, or: {mend}"
