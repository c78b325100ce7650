"""How long a race will take, as far as that is known before it begins.

The times are those of a machine of two cores that had other work as well.
"""

from calcbench.bench.schema.plan import LOCUST, WRK, Plan

AROUND_S = 0.5  # to start and stop a server and its driver
# Of servers that take turns: the same, and a turn with what is not counted of it, as a ratio.
AROUND_TURNS_S, TURN_RATIO = 0.2, 1.3
BEFORE_S = 0.5  # to look at the machine
CPU_WORKLOAD_S = 0.05  # to measure the work that stands for one
LOCUST_S = 3.0  # to start Locust's master and workers
SUMMARY_S = 0.3  # to read the samples and sum them up
CHARTS_S, PANEL_S = 0.6, 0.6  # to draw charts, and each of the panels in all of them


def seconds_of_race(plan: Plan, *, calibration_s: float = 0, charts: bool = True) -> float:
    """Return for how many seconds somebody waits who races as *plan* says.

    From the calibration of the driver, which takes *calibration_s* where it is not known yet, to
    the last of the *charts*. Workers from elsewhere come when they come.
    """
    cpu_workloads = sum(workload.startswith("cpu=") for workload in plan.workloads)
    before_s = BEFORE_S + calibration_s + cpu_workloads * CPU_WORKLOAD_S
    if plan.engine == LOCUST:
        before_s += LOCUST_S
    return (
        before_s + plan.total * seconds_of_measurement(plan) + seconds_behind(plan, charts=charts)
    )


def seconds_of_measurement(plan: Plan) -> float:
    """Return how long one measurement takes on average, its server's start and end included."""
    asks_wrk = max(plan.duration_s, 1) if plan.engine == WRK else 0
    alone_s = plan.warmup_s + plan.duration_s + asks_wrk + AROUND_S
    by_turns_s = plan.warmup_s + TURN_RATIO * plan.duration_s + AROUND_TURNS_S
    groups = plan.groups(1)
    turning = sum(len(group) for group in groups if len(group) > 1) / sum(map(len, groups))
    return turning * by_turns_s + (1 - turning) * alone_s


def seconds_behind(plan: Plan, *, charts: bool = True) -> float:
    """Return how long it takes from the last measurement to the end, with or without *charts*."""
    panels = len(plan.workloads) * len(plan.reuses)
    return SUMMARY_S + (CHARTS_S + panels * PANEL_S if charts else 0)
