"""What a response costs beyond the calculator, so that strategies show what they are good at.

========== ===================================================================================
``add``        the calculator alone
``wait=10ms``  10 ms of simulated I/O, which each strategy waits for in its own way
``cpu=2ms``    2 ms of computing in Python
``block=10ms`` the handler sleeps where it runs: the mistake that stalls an event loop
``asked``      what each request asks for in its query: ``/add/2/3?wait=1s``; nothing without one
========== ===================================================================================
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from time import perf_counter, sleep

from calcbench.core.errors import UsageError
from calcbench.core.http.message import Request, Response
from calcbench.core.options import nearest

KINDS = ("add", "wait", "cpu", "block", "asked")
ASKED = "asked"
FREE = ("add", ASKED)  # by themselves they cost nothing
TIME = re.compile(r"([0-9]+(?:\.[0-9]+)?)(us|ms|s)")
SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
LONGEST_S = 60.0
LONGEST_ASKED_S = 10.0  # by any one request

Handle = Callable[[Request], Response]


@dataclass(frozen=True)
class Workload:
    """One workload; *name* is its canonical text, *seconds* what a response costs at most."""

    name: str
    kind: str
    seconds: float = 0.0


def parse_workload(text: str) -> Workload:
    """Return the workload that *text* names; raises UsageError with what would be right."""
    kind, equals, cost = text.strip().partition("=")
    if kind not in KINDS:
        raise UsageError(f"no workload {kind!r}{nearest(kind, KINDS)}")
    if kind in FREE:
        if equals:
            raise UsageError(f"workload {kind!r} takes no time")
        return Workload(kind, kind, LONGEST_ASKED_S if kind == ASKED else 0.0)
    matched = TIME.fullmatch(cost.strip())
    if matched is None:
        raise UsageError(f"workload {text!r} needs a time with a unit, as in {kind}=10ms")
    seconds = float(matched[1]) * SECONDS[matched[2]]
    if not 0 < seconds <= LONGEST_S:
        raise UsageError(f"workload {text!r} should take more than 0 and at most {LONGEST_S:g} s")
    return Workload(f"{kind}={matched[0]}", kind, seconds)


def with_workload(handle: Handle, workload: Workload, cpu_units: int = 0) -> Handle:
    """Return *handle* with the cost of *workload* added to every response.

    *cpu_units* is how much work a ``cpu`` response takes; 0 has `calibrate_workload` measure it.
    """
    if workload.kind == "wait":

        def waiting(request: Request) -> Response:
            response = handle(request)
            response.wait = workload.seconds
            return response

        return waiting
    if workload.kind == "block":

        def blocking(request: Request) -> Response:
            sleep(workload.seconds)
            return handle(request)

        return blocking
    if workload.kind == "cpu":
        units = cpu_units or calibrate_workload(workload.seconds)

        def computing(request: Request) -> Response:
            compute(units)
            return handle(request)

        return computing
    if workload.kind == ASKED:
        return as_asked(handle, calibrate_workload(1.0))
    return handle


def as_asked(handle: Handle, units_per_s: int) -> Handle:
    """Return *handle* at the cost that each request asks for: its query is a workload.

    As in ``GET /add/2/3?cpu=20ms``, up to LONGEST_ASKED_S. Anything else as a query gets 400.
    """

    @lru_cache(maxsize=64)
    def costly(query: str) -> Handle:
        workload = parse_workload(query)
        if workload.kind == ASKED or workload.seconds > LONGEST_ASKED_S:
            example = f"?wait=1s, ?block=1s or ?cpu=1s, up to {LONGEST_ASKED_S:g}s"
            raise UsageError(f"a request may ask for {example}, not for {query!r}")
        return with_workload(handle, workload, round(units_per_s * workload.seconds))

    def asking(request: Request) -> Response:
        _, _, query = request.target.partition(b"?")
        if not query:
            return handle(request)
        try:
            costly_handle = costly(query.decode("ascii", "backslashreplace"))
        except UsageError as error:
            return Response(400, str(error).encode())
        return costly_handle(request)

    return asking


def compute(units: int) -> int:
    """Do *units* of work in plain Python, which holds the interpreter as real handlers do."""
    value = 1
    for _ in range(units):
        value = (value * 1103515245 + 12345) & 0x7FFFFFFF
    return value


def calibrate_workload(seconds: float) -> int:
    """Return how many units of work take *seconds* on this core while nothing else runs.

    The work is fixed by its amount, not by watching the clock: when workers contend for the
    interpreter or a core, each response then takes longer, as it should. The fastest of several
    trials is the one that was disturbed least.
    """
    units = 20_000
    best = min(time_of(units) for _ in range(15))
    return max(1, round(units * seconds / best))


def time_of(units: int) -> float:
    """Return the seconds that *units* of work took just now."""
    begin = perf_counter()
    compute(units)
    return perf_counter() - begin
