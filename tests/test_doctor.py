"""What the doctor says of machines that were made up, and of this one."""

import dataclasses
import errno
import json
import resource
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from calcbench.bench.cli.doctor import doctor_command
from calcbench.bench.system import facts as facts_module
from calcbench.bench.system.doctor import OK, WARN, Finding, examine, warning
from calcbench.bench.system.facts import Facts, quota, read_facts
from calcbench.bench.system.perf import USER_ONLY

FIT = Facts(
    cores=4,
    governors=frozenset({"performance"}),
    load=0.1,
    busy_ratio=0.01,
    ports=28_232,
    time_wait=7,
    somaxconn=4096,
    clock="tsc",
    clock_ns=40.0,
)


def test_finds_nothing_to_mend_on_a_fit_machine() -> None:
    findings = examine(FIT)

    assert [finding.status for finding in findings] == [OK] * len(findings)
    assert all(finding.value and finding.meaning for finding in findings)
    assert not any(finding.remedy for finding in findings)
    assert warning(findings) == ""


@pytest.mark.parametrize(
    ("name", "facts", "meaning", "remedy"),
    [
        ("cores", {"cores": 1}, "share it", "taskset"),
        ("cores", {"apart": False}, "hardware threads of one core", "smt/control"),
        ("cores", {"quota_cores": 1.5}, "may use 1.5", "docker update"),
        ("load", {"busy_ratio": 0.5, "load": 6.2}, "contended", "ps -eo pcpu"),
        ("steal", {"steal_ratio": 0.05}, "gaps that no server made", "vmstat"),
        ("governor", {"governors": frozenset({"powersave"})}, "slows down", "cpupower"),
        ("clock", {"clock": "hpet"}, "a system call", "clocksource0"),
        ("clock", {"clock_ns": 900.0}, "a system call", "clocksource0"),
        ("files", {"files_most": 1024}, "about 924 connections", "prlimit"),
        ("ports", {"ports": 900}, "run out of ports", "ip_local_port_range"),
        ("ports", {"reuses_ports": False}, "471 connections a second", "tcp_tw_reuse"),
        ("somaxconn", {"somaxconn": 128}, "cut from 4,096", "somaxconn=4096"),
        ("run-queue delay", {"delays_seen": False}, "may go unseen", "SCHED_INFO"),
    ],
)
def test_says_what_is_wrong_what_it_means_and_what_mends_it(
    name: str, facts: dict[str, object], meaning: str, remedy: str
) -> None:
    findings = examine(dataclasses.replace(FIT, **facts))  # type: ignore[arg-type]
    [bad] = [finding for finding in findings if finding.status == WARN]

    assert bad.name == name
    assert meaning in bad.meaning
    assert remedy in bad.remedy
    assert warning(findings).startswith(f"{name}: ")
    assert warning(findings).endswith(bad.remedy.partition("   #")[0])


@pytest.mark.parametrize(
    ("facts", "value", "meaning", "remedy"),
    [
        ({}, "can be counted", "beside CPU time", ""),
        ({"counted_of": USER_ONLY}, "but not the kernel's", "left out", "perf_event_paranoid=1"),
        ({"count_error": errno.ENOENT}, "cannot", "most virtual machines", "pmu=on"),
        ({"count_error": errno.EACCES, "paranoid": 4}, "cannot", "paranoid is 4", "sysctl"),
        ({"count_error": errno.EPERM, "paranoid": 2}, "cannot", "container", "PERFMON"),
        ({"count_error": errno.EPERM}, "cannot", "container", "PERFMON"),
        ({"count_error": errno.ENOSYS}, "cannot", "kernel has no", ""),
    ],
)
def test_says_whether_instructions_can_be_counted_and_warns_of_nothing(
    facts: dict[str, object], value: str, meaning: str, remedy: str
) -> None:
    if "count_error" in facts:
        facts = {"counted_of": "", **facts}
    findings = examine(dataclasses.replace(FIT, **facts))  # type: ignore[arg-type]
    [found] = [finding for finding in findings if finding.name == "instructions"]

    assert value in found.value
    assert meaning in found.meaning
    assert remedy in found.remedy
    assert warning(findings) == ""


def test_takes_what_cannot_be_seen_for_no_fault() -> None:
    findings = examine(Facts(cores=2))

    assert {finding.status for finding in findings} == {OK}


def test_warns_in_one_line_of_everything() -> None:
    line = warning(examine(dataclasses.replace(FIT, busy_ratio=0.5, somaxconn=128)))

    assert "\n" not in line
    assert line.startswith("load: 50% of all cores busy")
    assert "(and somaxconn)" in line


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_reads_the_facts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, resource.RLIM_INFINITY))
    write(
        tmp_path,
        {
            "proc/sys/net/ipv4/ip_local_port_range": "32768\t60999\n",
            "proc/sys/net/ipv4/tcp_tw_reuse": "0\n",
            "proc/sys/net/core/somaxconn": "128\n",
            "proc/net/sockstat": "TCP: inuse 76 orphan 0 tw 85176 alloc 76 mem 67\n",
            "proc/self/schedstat": "1 2 3\n",
            "proc/sys/kernel/perf_event_paranoid": "3\n",
            "sys/devices/system/clocksource/clocksource0/current_clocksource": "hpet\n",
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave\n",
            "sys/fs/cgroup/cpu.max": "150000 100000\n",
        },
    )
    facts = read_facts(tmp_path, watch_s=0)

    assert (facts.cores, facts.quota_cores) == (2, 1.5)
    assert (facts.files, facts.files_most) == (1024, sys.maxsize)
    assert (facts.ports, facts.reuses_ports, facts.time_wait) == (28_232, False, 85176)
    assert facts.somaxconn == 128
    assert (facts.clock, facts.governors) == ("hpet", frozenset({"powersave"}))
    assert facts.delays_seen
    assert facts.clock_ns > 0
    assert facts.paranoid == 3
    assert bool(facts.counted_of) is (facts.count_error == 0)


def test_reads_no_facts_where_there_are_none(tmp_path: Path) -> None:
    facts = read_facts(tmp_path, watch_s=0)

    assert (facts.ports, facts.somaxconn, facts.clock, facts.quota_cores) == (None, None, "", None)
    assert facts.reuses_ports
    assert not facts.delays_seen


def test_knows_both_kinds_of_control_groups(tmp_path: Path) -> None:
    write(tmp_path / "two", {"sys/fs/cgroup/cpu.max": "max 100000"})
    one = {"cpu.cfs_quota_us": "50000", "cpu.cfs_period_us": "100000"}
    write(tmp_path / "one", {f"sys/fs/cgroup/cpu/{name}": text for name, text in one.items()})
    write(tmp_path / "free", {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1"})

    assert quota(tmp_path / "two") is None
    assert quota(tmp_path / "one") == 0.5
    assert quota(tmp_path / "free") is None


@pytest.mark.parametrize(("facts", "status"), [(FIT, 0), (Facts(cores=1), 1)])
def test_shows_people_and_programs_the_same(
    facts: Facts, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts_module, "read_facts", lambda: facts)
    plain = CliRunner().invoke(doctor_command, standalone_mode=False)
    for_programs = CliRunner().invoke(doctor_command, ["--json"], standalone_mode=False)
    findings = [Finding(**values) for values in json.loads(for_programs.output)]

    assert plain.return_value == for_programs.return_value == status
    assert findings == examine(facts)
    for finding in findings:
        mark = "warn" if finding.status == WARN else "ok"
        assert f"{mark.ljust(4)}  {finding.name}: {finding.value}\n" in plain.output
        assert finding.meaning in plain.output
        assert finding.remedy in plain.output


def test_examines_this_machine() -> None:
    findings = examine(read_facts(watch_s=0))

    assert {finding.status for finding in findings} <= {OK, WARN}
    assert all(finding.remedy for finding in findings if finding.status == WARN)
