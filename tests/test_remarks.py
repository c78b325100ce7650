"""What stands below a table."""

from typing import Any

from builders import make_condition, make_measurement, make_row, make_run

from calcbench.bench.analysis.spread import spread
from calcbench.bench.schema.condition import Condition
from calcbench.bench.schema.evidence import Evidence, WrkFigures
from calcbench.bench.schema.plan import Plan
from calcbench.bench.schema.result import Measurement
from calcbench.bench.views.remarks import remarks

SELECTORS, FORK = make_condition("selectors"), make_condition("fork")


def measured(condition: Condition, number: int = 1, **evidence: Any) -> Measurement:
    return make_measurement(condition, number, evidence=Evidence(**evidence))


def plan(**more: Any) -> Plan:
    return Plan(strategies=("selectors", "fork"), workloads=("add",), connections=(8,), **more)


def test_says_what_the_response_times_of_an_open_loop_are_made_up_of() -> None:
    row = make_row(
        SELECTORS,
        [500],
        offered_per_s=500,
        service_p50_ns=spread([2_000_000]),
        service_p99_ns=spread([30_000_000]),
        dispatch_p50_ns=spread([0]),
        dispatch_p99_ns=spread([4_500_000]),
    )
    lines = remarks([row], make_run(plan(rate=500, arrivals="poisson")))

    assert lines == [
        ("open loop, 500/s offered, poisson arrivals: latencies count from when a request was due"),
        (
            "selectors at 8: service time p50 2.00 ms, p99 30.0 ms;"
            " dispatch delay p50 0 ms, p99 4.50 ms"
        ),
    ]


def test_says_how_many_connections_of_an_open_loop_carried_a_request() -> None:
    row = make_row(SELECTORS, [500, 500], offered_per_s=500)
    run = make_run(
        plan(rate=500),
        measured(SELECTORS, 1, connections_used=3, connections_unopened=0),
        measured(SELECTORS, 2, connections_used=2, connections_unopened=1),
    )
    _, parts, unopened = remarks([row], run)

    assert parts.endswith("; 2 of 8 connections carried a request")
    assert unopened == "selectors at 8: 1 connection could not be opened before the load began"


def test_says_from_when_response_times_of_users_count() -> None:
    row = make_row(SELECTORS, [500], think_s=1.0)

    assert remarks([row], make_run(plan(think_s=1.0, thinking="exponential"))) == [
        "closed loop, exponential thinks: latencies count from the end of a think"
    ]


def test_says_how_long_clients_paused_where_it_matters() -> None:
    row, other = make_row(SELECTORS, [500] * 2), make_row(FORK, [500])
    run = make_run(
        plan(),
        measured(SELECTORS, 1, pause_ratio=0.02),
        measured(SELECTORS, 2, pause_ratio=0.29),
        measured(FORK, 1, pause_ratio=0.009),
    )

    [said] = remarks([row, other], run)
    assert said == (
        "selectors at 8: clients that failed several times in a row waited before they connected"
        " again, 29% of the time of all clients"
    )


def test_says_nothing_of_a_closed_loop_without_background_clients() -> None:
    row = make_row(SELECTORS, [1_000])

    assert remarks([row], make_run(plan(), measured(SELECTORS))) == []


def test_adds_up_what_background_clients_met_in_all_rounds_of_a_condition() -> None:
    met = {"clients": 2, "asked": 1_200, "ok": 1_000, "reset": 1}
    run = make_run(
        plan(behaviours=("burst=2", "idle=5")),
        measured(SELECTORS, 1, background_clients={"burst": met, "idle": {"clients": 5}}),
        measured(SELECTORS, 2, background_clients={"burst": met, "idle": {"clients": 5}}),
        measured(FORK, 1, background_clients={"burst": {"clients": 2, "refused": 3}}),
    )
    lines = remarks([make_row(SELECTORS, [1_000] * 2)], run)
    both = remarks([make_row(SELECTORS, [1_000] * 2), make_row(FORK, [1_000])], run)

    assert lines == [
        (
            "with selectors at 8, add: 2 burst clients: 2,400 requests, 2,000 right responses,"
            " 2 times reset by the server"
        ),
        "with selectors at 8, add: 5 idle clients stayed connected",
    ]
    assert both == [*lines, "with fork at 8, add: 2 burst clients: 3 times refused"]


def test_shows_what_wrk_saw_beside_ours() -> None:
    seen = WrkFigures(per_s=990.0, p50_ns=1_000_000, p99_ns=2_500_000, errors=3)
    lines = remarks([make_row(SELECTORS, [1_000])], make_run(plan(), measured(SELECTORS, wrk=seen)))

    assert lines == [
        (
            "wrk, after selectors at 8, round 1: 990/s, p50 1.00 ms, p99 2.50 ms, 3 errors;"
            " our driver: 1,000/s"
        )
    ]


def test_says_that_histograms_stand_for_samples() -> None:
    run = make_run(plan(), measured(SELECTORS, histograms=True))

    [line] = remarks([make_row(SELECTORS, [1_000])], run)
    assert "histograms" in line


def test_shows_no_latency_of_a_wrk_that_got_no_response() -> None:
    nothing = measured(SELECTORS, wrk=WrkFigures(0.0, errors=9))
    lines = remarks([make_row(SELECTORS, [7_000])], make_run(plan(), nothing))

    assert "wrk, after selectors at 8, round 1: 0/s, 9 errors; our driver" in "\n".join(lines)
