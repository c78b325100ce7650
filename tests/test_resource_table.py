"""What the servers used, as people read it."""

import dataclasses
import re
from typing import Any

from builders import make_condition, make_measurement, make_run, make_usage

from calcbench.bench.schema.outcomes import Outcomes
from calcbench.bench.schema.plan import Plan
from calcbench.bench.schema.result import Measurement, Run
from calcbench.bench.views.resource_table import THINGS, TIME, resource_lines

PLAN = Plan(("fork", "selectors"), connections=(8,), duration_s=1, rounds=3)


def measurement(strategy: str, number: int, **more: Any) -> Measurement:
    return make_measurement(make_condition(strategy), number, resource_usage=make_usage(**more))


def run(*measurements: Measurement) -> Run:
    return make_run(PLAN, *measurements)


def test_shows_what_each_request_and_each_server_cost() -> None:
    rounds = [measurement("selectors", number, cpu_ns=ns) for number, ns in ((1, 13e6), (2, 30e6))]
    lines = list(resource_lines(run(*rounds, measurement("fork", 1, run_queue_complete=False))))

    assert lines[0] == "add, connections kept alive"
    assert re.split("  +", lines[1]) == [*TIME]
    assert " ".join(lines[2].split()) == "8 fork 16.0 75% 25% 0.500 0.0200 ≥25%"
    assert lines[3].split()[:6] == ["8", "selectors", "13.0", "87%", "13%", "0.500"]
    assert re.split("  +", lines[5]) == [*THINGS]
    assert " ".join(lines[6].split()) == "8 fork 11.5 17.0 1 1 3 1,234 1 0.980"
    assert [line.partition(":")[0] for line in lines[-1:]] == ["PSS"]


def test_shows_instructions_where_they_could_be_counted() -> None:
    counted = {"instructions_per_request": 41_230.0, "instructions_of": "user"}
    some = list(resource_lines(run(measurement("selectors", 1, **counted), measurement("fork", 1))))

    assert some[1].endswith("  instructions")
    assert some[2].endswith("25%")
    assert some[3].endswith("25%        41,200")
    assert "for each request, which depends less" in some[-2]
    assert some[-2].endswith("(user code)")
    assert not any("instructions" in line for line in resource_lines(run(measurement("fork", 1))))


def test_leaves_out_what_does_not_count_or_was_not_seen() -> None:
    failed = dataclasses.replace(measurement("fork", 1), status="failed")
    unseen = dataclasses.replace(measurement("fork", 2), resource_usage=None)
    some = measurement("selectors", 1, pss_bytes=None, workers_jain=None, cpu_system_ns=None)

    assert list(resource_lines(run(failed, unseen))) == ["What the servers used was not recorded."]
    lines = list(resource_lines(run(failed, some)))
    assert not any("fork" in line for line in lines)
    assert "17.0" in lines[5]


def test_counts_the_rounds_that_the_summary_counts() -> None:
    """Per right response that came within the window; a round of the driver's is left out."""
    own = measurement("selectors", 2, cpu_ns=13_000_000)
    bound = dataclasses.replace(own, round=1, judgement="driver-bound", outcomes=Outcomes(ok=1))
    late = dataclasses.replace(own, offered_per_s=9.0, responses_in_window=500)

    for rounds, cpu in (((bound, own), "13.0"), ((late,), "26.0")):
        assert list(resource_lines(run(*rounds)))[2].split()[2] == cpu
