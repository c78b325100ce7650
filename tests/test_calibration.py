"""What the driver can do: measured for short, kept, and known again."""

import dataclasses
import itertools
import json
import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import (
    make_calibration,
    make_condition,
    make_measurement,
    make_observation,
    make_run,
)
from click.testing import CliRunner
from truth import until

from calcbench.bench.cli import doctor as doctor_command
from calcbench.bench.cli.doctor import calibrate_command, calibration_lines, prepare_race
from calcbench.bench.loadgen import calibration
from calcbench.bench.loadgen.calibration import (
    WAYS,
    cache_file,
    calibrate_driver,
    drive_null,
    kept_calibration,
    load_calibration,
    save_calibration,
)
from calcbench.bench.loadgen.observation import Observation
from calcbench.bench.loadgen.spec import LoadSpec
from calcbench.bench.schema.calibration import Calibration, Lateness
from calcbench.bench.schema.evidence import Evidence
from calcbench.bench.schema.outcomes import Outcomes
from calcbench.bench.schema.plan import Plan
from calcbench.bench.schema.result import Measurement, Run
from calcbench.bench.system import facts
from calcbench.bench.system.cpus import Pinning, choose_cores
from calcbench.bench.system.facts import Facts
from calcbench.bench.views.report import reference
from calcbench.core.errors import CalcbenchError

KNOWN = make_calibration()
LONG_AGO, LATER = "2020-11-22T08:00:00+01:00", "2020-11-22T09:00:00+01:00"


def disturbed(ratio: float, ceiling: int = 40_000, measured: str = LONG_AGO) -> Calibration:
    """Return a calibration during which others had the driver's core for a share of the time."""
    ways = {
        way: dataclasses.replace(one, contended_ratio=ratio, ceiling_per_s=ceiling)
        for way, one in KNOWN.ways.items()
    }
    return make_calibration(ways=ways, measured=measured)


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def window(ok: int, cpu_us: int, waited_ms: int = 0) -> Observation:
    """Return half a second in which a driver had *ok* responses and computed for *cpu_us*."""
    return make_observation(
        elapsed_ns=500_000_000,
        outcomes=Outcomes(ok=ok),
        driver_cpu_ns=cpu_us * 1_000,
        driver_delay_ns=waited_ms * 1_000_000,
    )


# 8, 5 and 20 µs for each request with connections kept, and 50, 40 and 40 with new ones.
WINDOWS = {
    True: [window(10_000, 80_000), window(30_000, 150_000, 50), window(5_000, 100_000, 100)],
    False: [window(2_000, 100_000), window(3_000, 120_000), window(1_000, 40_000)],
}
LEFT = 10 * np.arange(1, 101)  # the hundredth of a hundred requests leaves 1,000 ns late


class Driver:
    """Has seen what a test makes up, and keeps what it was asked."""

    def __init__(self, **open_loop: Any) -> None:
        self.asked: list[LoadSpec] = []
        self.open_loop = open_loop
        self.windows = {keep_alive: list(windows) for keep_alive, windows in WINDOWS.items()}

    def __call__(self, spec: LoadSpec, _: Pinning) -> Observation:
        self.asked.append(spec)
        if not spec.rate:
            return self.windows[spec.keep_alive].pop(0)
        due = 1_000_000 * np.arange(100)
        samples = {"intended_ns": due, "sent_ns": due + LEFT[::-1]}
        return make_observation(samples=samples, offered_per_s=spec.rate, **self.open_loop)


def test_finds_the_ceiling_of_a_driver_whose_cost_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At 8 µs a core has room for 125,000 requests in a second; the rate that was reached is
    another thing: 30,000 in half a second, the most of the three."""
    monkeypatch.setattr(calibration, "stolen_ns", lambda _: 0)
    driver = Driver(responses=31_250)
    measured = calibrate_driver(duration_s=0.5, rounds=3, drive=driver)
    kept, close = measured.ways["keep-alive"], measured.ways["close"]

    assert (kept.cost_ns, kept.cost_lowest_ns, kept.cost_highest_ns) == (
        8_000,
        5_000,
        20_000,
    )
    assert (kept.ceiling_per_s, kept.reached_per_s) == (125_000, 60_000)
    assert kept.delay_ratio == 0.2  # 100 of 500 ms, in the worst window
    assert kept.contended_ratio == 0.1  # 50 of 500 ms, in the middle one
    assert (close.cost_ns, close.ceiling_per_s, close.reached_per_s) == (
        40_000,
        25_000,
        6_000,
    )
    assert close.delay_ratio == 0
    assert [(one.keep_alive, one.rate) for one in driver.asked] == [
        *[(True, 0)] * 3,
        *[(False, 0)] * 3,
        (True, 31_250),  # a quarter of what one core has room for
    ]


def test_sees_that_the_host_had_the_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of each window, warm-up included: 60 of 600 ms."""
    stolen = itertools.count(0, 60_000_000)
    monkeypatch.setattr(calibration, "stolen_ns", lambda _: next(stolen))
    measured = calibrate_driver(duration_s=0.5, rounds=3, drive=Driver(responses=31_250))

    assert measured.ways["close"].contended_ratio == 0.1
    assert measured.contended_ratio == 0.2  # beside other programs, with connections kept
    assert measured.contended


def test_says_how_late_requests_leave() -> None:
    late = calibrate_driver(rounds=3, drive=Driver(responses=31_250)).lateness

    assert late == Lateness(31_250, p50_ns=500, p99_ns=990, max_ns=1_000, kept=True)
    overdue = Driver(outcomes=Outcomes(ok=100), late=2, lateness_ns=5_000_000)
    assert calibrate_driver(rounds=3, drive=overdue).lateness.kept is False


@pytest.mark.slow
def test_measures_the_driver() -> None:
    measured = calibrate_driver(duration_s=0.05, rounds=1)

    assert set(measured.ways) == set(WAYS)
    assert save_calibration(measured)
    assert load_calibration() == measured


@pytest.mark.slow
def test_is_answered_by_the_null_server() -> None:
    for keep_alive in (True, False):
        spec = LoadSpec("", 0, 4, keep_alive, 0, variety=1)

        def measure(duration_s: float, spec: LoadSpec = spec) -> Observation:
            return drive_null(dataclasses.replace(spec, duration_s=duration_s), choose_cores())

        observation = until(lambda seen: seen.clients_served == 4, measure, 0.05)

        assert observation.outcomes.ok == observation.outcomes.total > 0
        assert observation.clients_served == 4


def test_is_known_again_on_the_same_machine_only(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_calibration() is None
    assert save_calibration(KNOWN)
    assert load_calibration() == KNOWN
    key = calibration.machine_key()
    monkeypatch.setattr(calibration, "machine_key", lambda: key | {"python": "CPython 9.9"})
    assert load_calibration() is None


ONE_WAY = dataclasses.replace(KNOWN, ways={"close": KNOWN.ways["close"]})
ALL_OF_IT = json.dumps(dataclasses.asdict(KNOWN))


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "{}", "\xff", "[" * 100_000),
        ALL_OF_IT.replace('"cost_ns": 7761', '"cost_ns": "7761"'),
        ALL_OF_IT.replace('"kept": true', '"in_time": true'),
        json.dumps(dataclasses.asdict(ONE_WAY)),
    ],
)
def test_calibrates_anew_where_the_file_is_broken_or_old(text: str) -> None:
    save_calibration(KNOWN)
    cache_file().write_text(text, encoding="latin-1")

    assert load_calibration() is None


def test_goes_on_where_nothing_can_be_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))

    assert not save_calibration(KNOWN)
    assert load_calibration() is None


def test_tells_people_what_it_means() -> None:
    [keep_alive, others, *_, lateness] = calibration_lines(disturbed(0.5, 128_841))

    assert keep_alive.startswith("keep-alive: 7.76 µs of CPU for each request (7.07 to 7.86)")
    assert "at most 129,000/s on one core; reached 23,400/s" in keep_alive
    assert "other programs had the driver's core for 50% of that time" in others
    assert not any("other programs" in line for line in calibration_lines(KNOWN))
    assert lateness == (
        "lateness at 32,200/s: half of the requests left within 1.50 µs, 99% within 20.0 µs,"
        " all within 90.0 µs"
    )
    late = make_calibration(lateness=dataclasses.replace(KNOWN.lateness, kept=False))
    assert "too busy for open loops" in calibration_lines(late)[-1]


def run_of(known: Calibration | None, *ratios: float | None) -> Run:
    measurements = [
        Measurement(make_condition(), 1, "ok", evidence=Evidence(ceiling_ratio=ratio))
        for ratio in ratios
    ]
    return make_run(Plan(("selectors",)), *measurements, calibration=known)


def test_every_run_refers_to_it() -> None:
    assert reference(run_of(KNOWN, 0.2, None, 0.91)) == (
        "at most 129,000/s (keep-alive, 7.76 µs each) on one core; it was at most 91% busy"
    )
    assert reference(run_of(KNOWN, None)) == reference(run_of(None, 0.5)) == ""


def test_says_how_busy_the_driver_was_though_it_was_far_from_its_ceiling() -> None:
    """As with a server that closes every connection: to make a new one costs the driver more."""
    evidence = Evidence(ceiling_ratio=0.2, driver_busy_ratio=0.98)
    measurement = Measurement(make_condition(), 1, "ok", evidence=evidence)
    found = reference(make_run(Plan(("selectors",)), measurement, calibration=KNOWN))

    assert found.endswith("it was at most 98% busy")


def test_calibrates_for_all_runs_to_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "calibrate_driver", lambda: KNOWN)
    result = CliRunner().invoke(calibrate_command, ["--json"], standalone_mode=False)

    assert json.loads(result.output) == dataclasses.asdict(KNOWN)
    assert load_calibration() == KNOWN


def test_prepares_a_race(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first time it calibrates; a warning is one line, and quiet is quiet."""
    monkeypatch.setattr(facts, "read_facts", lambda: Facts(cores=1))
    monkeypatch.setattr(calibration, "calibrate_driver", lambda: KNOWN)

    assert prepare_race(quiet=False) == KNOWN
    first = capsys.readouterr().err.splitlines()
    assert prepare_race(quiet=False) == KNOWN
    second = capsys.readouterr().err.splitlines()
    assert prepare_race(quiet=True) == KNOWN

    assert len(second) == 1
    assert second[0].startswith("calcbench: doctor: cores: 1 usable; see calcbench doctor, or: ")
    assert first == [*second, "calcbench: calibrating the driver, once for this machine"]
    assert capsys.readouterr().err == ""


QUIET, QUIET_LATER = disturbed(0), disturbed(0.1, 30_000, LATER)
LOW, HIGH = disturbed(0.3, 36_000, LATER), disturbed(0.5, 46_000)


@pytest.mark.parametrize(
    ("one", "other", "better"),
    [
        (QUIET, None, QUIET),
        (HIGH, None, HIGH),
        (QUIET, HIGH, QUIET),  # whose ceiling is lower
        (QUIET, QUIET_LATER, QUIET_LATER),
        (LOW, HIGH, HIGH),
    ],
)
def test_prefers_the_calibration_that_says_most(
    one: Calibration, other: Calibration | None, better: Calibration
) -> None:
    assert one.better_of(other) == better
    assert other is None or other.better_of(one) == better


def test_keeps_a_disturbed_calibration_only_until_there_is_a_better_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is measured by one run after another: each has the best that there is."""
    monkeypatch.setattr(facts, "read_facts", lambda: Facts(cores=2))
    for measured, used in ((HIGH, HIGH), (LOW, HIGH), (QUIET, QUIET), (LOW, QUIET)):
        monkeypatch.setattr(calibration, "calibrate_driver", lambda measured=measured: measured)
        assert prepare_race(quiet=False) == used
    said = capsys.readouterr().err.splitlines()

    assert [line.partition(", ")[2][:5] for line in said if "calibrating" in line] == [
        "once ",
        *["again"] * 2,
    ]
    assert sum("had the driver's core for 50% of the time" in line for line in said) == 2
    assert load_calibration() == QUIET


def test_does_not_calibrate_again_at_once_where_it_was_disturbed() -> None:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    save_calibration(disturbed(0.5, measured=now))
    fresh = load_calibration()
    save_calibration(disturbed(0.5))
    stale = load_calibration()
    save_calibration(disturbed(0.5, measured="no time at all"))

    assert fresh
    assert stale is load_calibration() is None
    assert kept_calibration()


def test_keeps_the_better_one_where_somebody_calibrates_a_busy_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save_calibration(QUIET)
    monkeypatch.setattr(calibration, "calibrate_driver", lambda: HIGH)
    result = CliRunner().invoke(calibrate_command, standalone_mode=False)

    assert "reached" in result.output
    assert f"kept is the one of {LONG_AGO}, which was disturbed less" in result.stderr
    assert load_calibration() == QUIET


def test_says_in_a_report_that_the_ceiling_may_be_higher() -> None:
    assert (
        "on one core (or more: other programs had 50% of it in the calibration); it was"
        in reference(run_of(disturbed(0.5), 0.2))
    )


@pytest.mark.parametrize(
    ("measured", "kept", "said"),
    [
        (disturbed(0, 133_000), True, ""),
        (disturbed(0, 60_000), False, "beyond the new ceiling too"),
        (None, False, "no calibration: the driver died"),
    ],
)
def test_calibrates_anew_where_a_point_went_beyond_the_ceiling(
    measured: Calibration | None,
    kept: bool,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """At 175 % of 40,000/s: 70,000/s."""

    def calibrate() -> Calibration:
        if measured is None:
            raise CalcbenchError("the driver died")
        return measured

    save_calibration(QUIET)
    monkeypatch.setattr(calibration, "calibrate_driver", calibrate)
    points = [make_measurement(make_condition(), evidence=Evidence(ceiling_ratio=1.75))]

    assert doctor_command.recalibrate(QUIET, points, quiet=False) == measured
    assert kept_calibration() == (measured if kept else None)
    first, *others = capsys.readouterr().err.splitlines()
    assert "selectors went to 175% of what was taken for the driver's ceiling" in first
    assert bool(others) is bool(said)
    assert said in "".join(others)


def test_races_without_a_calibration_where_there_can_be_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise CalcbenchError("the driver died")

    monkeypatch.setattr(calibration, "calibrate_driver", fail)

    assert doctor_command.prepare_race(quiet=True) is None
    assert capsys.readouterr().err == "calcbench: no calibration: the driver died\n"


def test_leaves_no_server_behind() -> None:
    with calibration.null_server(LoadSpec("", 0, 1, True, 1, variety=1), choose_cores()) as port:
        socket.create_connection(("127.0.0.1", port)).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
