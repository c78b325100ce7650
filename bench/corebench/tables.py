"""The tables of the benchmark, as plain text of at most 100 columns."""

import os
import random
import textwrap
from collections.abc import Sequence
from typing import Any

from calcbench.bench.analysis.spread import Spread
from calcbench.bench.corebench.contest import BARE, CONNECTIONS, SELECTORS, Standing
from calcbench.bench.corebench.parsing import NEVER, REPEAT, Case, Timing, request_of
from calcbench.bench.schema.plan import CLOSE, KEEP_ALIVE
from calcbench.bench.system.cpus import Pinning
from calcbench.bench.units import format_ns, format_number, format_seconds
from calcbench.bench.views.captions import DRIVER_LIMIT
from calcbench.bench.views.text_table import aligned
from calcbench.bench.views.wording import describe_processor

WIDTH = 100  # columns

# What we aim for. In the first, at most so many times httptools; in the second, at least so much of
# the bare loop.
PARSING_TARGETS = {
    Case("small", REPEAT): 2.0,
    Case("browser", REPEAT): 1.3,
    Case("small", NEVER): 3.5,
    Case("browser", NEVER): 5.0,
}
LIMIT_TARGETS = {KEEP_ALIVE: 0.75, CLOSE: 0.85}

PARSING_LEGEND = (
    "ours: feed, handle, respond, sent, on a kept connection; httptools: parses"
    " the same bytes and sends no response. Its callbacks keep what a server needs: target and"
    " fields, and, when the head is complete, version, method and keep-alive; one parser for the"
    " connection. With a parser made for each request it is ×fresh; with the target alone kept,"
    " less than any server can use, it is ×least. CPU time: the best round, and the median;"
    " operands are drawn from 0 to 9,999."
)
CONTEST_LEGEND = (
    "CPU: user and system time of the server's processes for a right response. Of the limit: the"
    " bare loop's CPU time by this server's, in the same round, with the lowest and the highest"
    " round. Won: rounds in which selectors took less CPU, and answered more. Medians of the"
    " rounds; every response was checked. The bare loop is no limit where it is beaten: with new"
    " connections, a loop that finds several waiting can save some of its looks at the sockets."
)


def machine_lines(machine: dict[str, Any], interpreter: str, pinning: Pinning) -> list[str]:
    """Return what a reader must know of *machine* before any figure; from `describe_machine`."""
    cores = (
        f"server on core {pinning.server[0]}, driver on core {pinning.driver[0]}"
        if pinning.server
        else "nothing is pinned"
    )
    text = (
        f"{describe_processor(machine, 'usable_cores')}, {machine['system']} {machine['kernel']},"
        f" {interpreter}; {cores}"
    )
    lines = [text, pinning.note]
    load = os.getloadavg()[0]
    if load > 0.5:
        lines.append(
            f"Other programs are using this machine (load {format_number(load)}):"
            " trust ratios, not times."
        )
    return wrap(*lines)


def parsing_lines(timings: Sequence[Timing], rounds: int) -> list[str]:
    """Return the table of what is measured without a socket."""
    found = {(one.case, one.name): one for one in timings}
    above = ["", "", "field", "ours", "", "httptools", *[""] * 6]
    below = ["head", "bytes", "lines", *["µs", "median"] * 2, "ratio", "median", "target"]
    rows = [above, [*below, "×fresh", "×least"]]
    for case in dict.fromkeys(one.case for one in timings):
        ours, theirs = found[case, "ours"], found[case, "server"]
        target = PARSING_TARGETS.get(case)
        cells = [
            ours.best / 1e3,
            ours.median / 1e3,
            theirs.best / 1e3,
            theirs.median / 1e3,
            ours.best / theirs.best,
            ours.median / theirs.median,
            target,
            ours.best / found[case, "fresh"].best,
            ours.best / found[case, "least"].best,
        ]
        shown = ["" if cell is None else format_number(cell) for cell in cells]
        rows.append([case.head, str(size_of(case)), case.fields, *shown])
    title = f"Without a socket: one request on a kept connection; rounds: {rounds:,}"
    return [title, *aligned(rows, left=(0, 2)), *wrap(PARSING_LEGEND)]


def size_of(case: Case) -> int:
    """Return how many octets a request of *case* has; with other operands, some more or less."""
    return len(request_of(case, random.Random(0), 0)[0])


def contest_lines(
    reuse: str,
    table: Sequence[Standing],
    versions: dict[str, str],
    duration_s: float,
    rounds: int,
) -> list[str]:
    """Return the table of one way of connecting."""
    rows = [
        ["", "", "CPU for", "of the", "lowest–", "", "won by", "won by", "driver's"],
        ["server", "req/s", "a request", "limit", "highest", "target", "CPU", "req/s", "core"],
    ]
    for one in table:
        if not one.cpu_us.rounds:
            continue
        reference = one.server not in (BARE, SELECTORS)
        rows.append(
            [
                f"{one.server} {versions.get(one.server, '')}".rstrip(),
                format_number(one.per_second.median),
                format_ns(one.cpu_us.median * 1e3),
                format_number(one.of_limit.median) if one.of_limit.rounds else "",
                show_range(one.of_limit) if one.server != BARE else "",
                format_number(LIMIT_TARGETS[reuse]) if one.server == SELECTORS else "",
                f"{one.behind_in_cpu} of {one.rounds}" if reference and one.rounds else "",
                f"{one.behind_in_rate} of {one.rounds}" if reference and one.rounds else "",
                f"{one.driver_share:.0%}",
            ]
        )
    how = "kept" if reuse == KEEP_ALIVE else "new for every request"
    each = f"rounds: {rounds:,}, of {format_seconds(duration_s)}"
    lines = [f"{CONNECTIONS} clients, connections {how}; {each}", *aligned(rows, left=(0,))]
    if any(one.driver_share >= DRIVER_LIMIT for one in table):
        lines += wrap(
            "Where the driver's core is full, req/s is what the driver can do, and the server, with"
            " fewer requests for each look at its sockets, takes more CPU for each."
        )
    for one in table:
        if one.failure_reason:
            kept = f"rounds that count: {one.cpu_us.rounds or 'none'} of {rounds:,}"
            lines += wrap(f"{one.server}: {one.failure_reason} ({kept})")
    return lines


def show_range(values: Spread) -> str:
    """Return the lowest and the highest of *values*; nothing for a single round."""
    if values.rounds < 2:
        return ""
    return f"{format_number(values.low)}–{format_number(values.high)}"


def wrap(*paragraphs: str) -> list[str]:
    """Return the lines of *paragraphs*, none of them longer than a table may be."""
    return [line for text in paragraphs for line in textwrap.wrap(text, WIDTH)]
