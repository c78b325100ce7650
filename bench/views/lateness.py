"""Say what the driver's lateness may be of a latency, where a reader can see it in the figure."""

from collections.abc import Sequence

from calcbench.bench.analysis.metrics import P50, P99, Metric
from calcbench.bench.analysis.summary import Row
from calcbench.bench.units import format_number

AT_MOST = "≤"
AT_MOST_LEGEND = (
    f"{AT_MOST}: the driver was late for some requests, and what they waited for it is in the"
    " figure; the server's own lies between the two figures below the table"
)
DRIVERS = "?"
DRIVERS_LEGEND = (
    f"{DRIVERS}: the driver was the limit in some rounds, so some of that time may be its own"
)
TAIL = "Dotted tail: the driver was late for some requests; so much of the latency may be its own."


def show_latency(row: Row, metric: Metric) -> str:
    """Return the median of a latency; as an upper end where lateness could change what is read.

    It is doubtful where the driver was the limit in any round: nobody knows what it hid there.
    A lower bound stays one: who never got an answer has waited longer than any lateness. Of too few
    requests there is none.
    """
    if not metric.known(row):
        return ""
    late = AT_MOST if metric.lateness_shows(row) else ""
    sign = metric.bound if metric.is_bound(row) else late
    if row.limited:
        sign = DRIVERS + sign
    return sign + format_number(float(metric.median(row)))


def lateness_notes(rows: Sequence[Row]) -> list[str]:
    """Say, for each of *rows* whose p50 or p99 the driver's lateness can change, how far."""
    found = []
    for row in rows:
        shown = [metric for metric in (P50, P99) if metric.lateness_shows(row)]
        if shown and row.status == "ok":
            ranges = ", ".join(f"{metric.name} {show_range(row, metric)}" for metric in shown)
            name = f"{row.condition.strategy} at {row.condition.connections:,}"
            found.append(f"{name}, without the driver's lateness and with it: {ranges}")
    return found


def show_range(row: Row, metric: Metric) -> str:
    """Return both ends of a latency, ``9.10 to 12.4 ms``, or what it is where they read alike."""
    if not metric.lateness_shows(row):
        return metric.text(row)
    return f"{format_number(metric.least(row))} to {metric.text(row)}"
