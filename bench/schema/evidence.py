"""What a measurement is judged by, and what its drivers reported beside its outcomes.

Where a figure is None nobody could see it, and it says nothing. Ratios lie in 0–1, those of
Little's law and of the schedule around 1.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class WrkFigures:
    """What wrk saw of the same server behind our driver: its rate and two quantiles."""

    per_s: float
    errors: int = 0
    p50_ns: int | None = None
    p99_ns: int | None = None


@dataclass(frozen=True)
class Evidence:
    """One figure for each thing that could be wrong with a measurement, and what came of them.

    *judgements* are all that hold, *reasons* why, in words.

    The driver computed for *driver_cpu_ratio* of the time and was ready to, but waited for its
    core, for *driver_delay_ratio*; *driver_busy_ratio* is both. *ceiling_ratio* is its rate to what
    `calcbench calibrate` found it can do, and *driver_fault* says that it could not keep its
    schedule. The server used *server_busy_ratio* of its cores and waited for them for
    *server_delay_ratio* of the time, which says something of a single thread only; the host took
    *steal_ratio* of a core, and other programs *other_load_ratio*.

    *settled* says whether the rate settled, with *settled_why*, as judged from *series*, the
    responses in each bin of *series_bin_ns*, or in an open loop the median latency. Of a server
    that took turns with others, *common_movement* is what they did in each bin, around 1.

    *little_ratio* is X · (R + Z) / N of a closed loop, with the thinks of its users in Z. In an
    open loop *sent_ratio* of what was due in the window was sent within it, *achieved_ratio* of
    what was offered was answered, *late_ratio* of the requests were sent late by the driver's
    fault, and *waited_ratio* found no connection free; the latest was sent *lateness_ns* after it
    was due, and 99 in 100 at most *lateness_p99_ns* after that. For *overdue_ratio* of the time the
    driver owed somebody a request. *lateness_error_ratio* is the largest part that lateness may be
    of a reported quantile. *unaccounted* requests were started and neither ended nor are in flight.

    Of an open loop's connections *connections_used* had a request out at some time in the window;
    and *connections_unopened*, also of users who think, could not be opened before the load began.
    The clients of a closed loop spent *pause_ratio* of their time waiting, because they had failed
    several times in a row, before they connected again.

    *background_clients* counts what the others met, by behaviour. *histograms* says that there
    were too many samples to keep. *lost* says which driver died, and what is lost with it. Where
    drivers count since their start, *requests_begun* and *responses_seen* are theirs, and
    *server_responses* the server's.

    A server that took turns with others was measured in so many *slices* of *slice_ns* on average,
    1 for a window, and used *idle_cpu_ratio* of a core while it was not its turn; of the others,
    *neighbour* used most, *neighbour_cpu_ratio*. None where it was alone.
    """

    judgements: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    driver_cpu_ratio: float | None = None
    driver_delay_ratio: float | None = None
    driver_busy_ratio: float | None = None
    ceiling_ratio: float | None = None
    driver_fault: str = ""
    server_busy_ratio: float | None = None
    server_delay_ratio: float | None = None
    steal_ratio: float | None = None
    other_load_ratio: float | None = None
    settled: bool | None = None
    settled_why: str = ""
    series_bin_ns: int = 0
    series: tuple[float, ...] = ()
    common_movement: tuple[float, ...] = ()
    little_ratio: float | None = None
    sent_ratio: float | None = None
    achieved_ratio: float | None = None
    late_ratio: float | None = None
    waited_ratio: float | None = None
    lateness_ns: int | None = None
    lateness_p99_ns: int | None = None
    lateness_error_ratio: float | None = None
    overdue_ratio: float | None = None
    unaccounted: int | None = None
    connections_used: int | None = None
    connections_unopened: int | None = None
    pause_ratio: float | None = None
    background_clients: dict[str, dict[str, int]] = field(default_factory=dict)
    histograms: bool = False
    wrk: WrkFigures | None = None
    lost: str = ""
    requests_begun: int | None = None
    responses_seen: int | None = None
    server_responses: int | None = None
    slices: int | None = None
    slice_ns: int | None = None
    idle_cpu_ratio: float | None = None
    neighbour: str = ""
    neighbour_cpu_ratio: float | None = None


NO_EVIDENCE = Evidence()
