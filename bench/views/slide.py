"""Pictures for a projector: one workload and one quantity each, and what it shows as the title.

1280 by 720 pixels, in letters that the last row can read. Axes begin at zero and are linear, for a
ratio is what there is to see. `Slide` has all words and figures of one, so that they can be kept
beside the picture and compared.
"""

import itertools
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from calcbench.bench.analysis.metrics import (
    CPU,
    INTERVAL_ROUNDS,
    METRICS,
    P50,
    P90,
    P99,
    THROUGHPUT,
    Metric,
)
from calcbench.bench.analysis.ranking import without_controls
from calcbench.bench.analysis.summary import Row, Summary
from calcbench.bench.schema.judgements import CONTENDED, SILENT, UNSTEADY
from calcbench.bench.schema.result import Run
from calcbench.bench.system.files import whole_file
from calcbench.bench.system.terminal import printable_record
from calcbench.bench.units import format_count, format_number
from calcbench.bench.views.charts import (
    METADATA,
    count_lines,
    length,
    measure_labels,
    wrap_to_width,
)
from calcbench.bench.views.markers import with_figures, with_tails
from calcbench.bench.views.palette import styles
from calcbench.bench.views.panel import (
    AXIS_ROOM,
    LABEL_GAP,
    LABEL_LEAD,
    draw_bars,
    draw_lines,
    from_below,
    served_at_last,
    value_in_a_line,
)
from calcbench.bench.views.theme import DPI, PROJECTOR, themed
from calcbench.bench.views.winner import finding, operating_points
from calcbench.bench.views.wording import (
    describe_processor,
    doubt_of_rate,
    enumerate_few,
    load_in_words,
    panel_heading,
    panels,
)

WIDTH, HEIGHT = 12.8, 7.2  # inches
MARGIN = 0.45
LEAD = 1.2 / 72  # inches of a line of one point
MOST_LINES = 2  # of the title, which is written smaller until it fits
ROOM = 3.6  # inches for bars, or for the names of lines
LEAST_BAR = 0.5  # inches from one to the next, so that they can be seen from far
LONGEST_NAME = 22  # characters in one line
LONGEST_FILE = 80  # and of a file's name
WHY_DOUBTED = {  # in a few words
    CONTENDED: "Disturbed: another program ran too.",
    UNSTEADY: "Unsteady: the rate changed.",
    SILENT: "Silent: no responses half of the time.",
}
FINDINGS = (THROUGHPUT, P99, CPU)  # what is worth a slide


@dataclass(frozen=True)
class Slide:
    """What one picture says: its *title*, what was asked, the *figures* by strategy, and whence.

    *key* says what is drawn or written beside the bars, where there is any of it.
    """

    file: str
    title: str
    heading: str
    figures: Mapping[str, str]
    key: str
    footer: str


@dataclass(frozen=True)
class Drawn:
    """A *slide*, and what it is drawn from: *rows* of one workload, and the *metric* of them."""

    slide: Slide
    rows: Sequence[Row]
    metric: Metric


def findings(summary: Summary, run: Run) -> list[Drawn]:
    """Return the slides of *run*: each workload at the most clients, by each of `FINDINGS`."""
    summary, run = printable_record(without_controls(summary)), printable_record(run)
    return [
        drawn(rows, rows, metric, run)
        for rows in operating_points(summary.rows)
        for metric in FINDINGS
        if with_figures(rows, metric)
    ]


def projected(summary: Summary, run: Run) -> list[Drawn]:
    """Return the charts of *run* for a projector: each workload by each quantity, all clients."""
    summary, run = printable_record(without_controls(summary)), printable_record(run)
    whole = list(panels(summary.rows).values())
    last = operating_points(summary.rows)
    return [
        drawn(rows, level, metric, run)
        for rows, level in zip(whole, last, strict=True)
        for metric in METRICS
        if with_figures(rows, metric)
    ]


def drawn(rows: Sequence[Row], level: Sequence[Row], metric: Metric, run: Run) -> Drawn:
    """Return the picture of *rows*; its title is of those at one *level* of clients."""
    condition = level[0].condition
    told = finding(level, metric)
    names = tuple(row.condition.strategy for row in level)
    parts = [condition.workload, *[condition.reuse] * (len(run.plan.reuses) > 1)]
    at = load_in_words(level, condition.connections)
    seen = with_figures(level, metric)
    empty = unknown(level, metric)
    lacking = enumerate_few([*empty]) if len(rows) > len(level) else ""  # else there is a row of it
    slide = Slide(
        file=file_name("-".join([metric.name, *parts])),
        title=(told if told.startswith(names) else told[0].upper() + told[1:]) + ".",
        heading=f"{panel_heading(condition, run.plan)}; {at}",
        figures={row.condition.strategy: value_in_a_line(row, metric) for row in seen} | empty,
        key=key(seen if len(rows) == len(level) else rows, metric),
        footer=f"Median of {format_count(max(row.rounds for row in level), 'round')}."
        f" {describe_processor(run.machine, 'cores')}. Run {run.name}."
        + f" No {metric.name} is known of {lacking}."
        * bool(lacking),
    )
    return Drawn(slide, rows, metric)


def key(rows: Iterable[Row], metric: Metric) -> str:
    """Say in one line what stands beside the figures of *rows*, where there is any of it."""
    seen = with_figures(rows, metric)
    lines = len(seen) > len({row.condition.strategy for row in seen})
    found = []
    if any(low < high for low, _, high in map(metric.of, seen)):
        few = any(metric.spread(row).rounds < INTERVAL_ROUNDS for row in seen)
        what = "all rounds, lowest to highest" if few else "the median lies in it, 95% sure"
        found.append(f"{'Pale band' if lines else '├─┤'}: {what}.")
    if any(map(metric.is_bound, seen)):
        found.append(
            f"{'↑' if lines else '→'} perhaps {'more' if metric.more_is_better else 'longer'}."
        )
    if with_tails(seen, metric):
        found.append("Dotted: perhaps the driver's delay.")
    doubts = {} if lines else dict.fromkeys(map(doubt_of_rate, seen))
    return " ".join([*found, *(WHY_DOUBTED[doubt] for doubt in doubts if doubt in WHY_DOUBTED)])


def unknown(rows: Iterable[Row], metric: Metric) -> dict[str, str]:
    """Return what is said of those of *rows* that hold no figure of *metric*, by strategy."""
    rows = list(rows)
    seen = with_figures(rows, metric)
    return {row.condition.strategy: why_empty(row, metric) for row in rows if row not in seen}


def why_empty(row: Row, metric: Metric) -> str:
    """Say in place of a figure of *metric* what is known of *row*: that it is longer than a p90."""
    if row.status != "ok":
        return "cannot run here" if row.status == "unavailable" else "not measured"
    if row.serves_nobody:
        return "served nobody"
    for lower in (P90, P50):
        if lower.quantile < metric.quantile and lower.known(row):
            return f"not known, at least {format_number(lower.least(row))}{lower.unit}"
    return "not known"


def file_name(text: str) -> str:
    """Return *text* as the name of a file: letters and digits, with dashes between."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:LONGEST_FILE]


def draw_pictures(
    pictures: Sequence[Drawn], folder: Path, suffixes: Sequence[str], *, replace: bool = True
) -> list[Path]:
    """Write *pictures* into *folder*, a file for each of *suffixes*; return their paths.

    Those that are there are written anew only to *replace* them. Raises CalcbenchError.
    """
    paths: list[Path] = []
    with themed(PROJECTOR.name), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a box stands for it
        for picture in pictures:
            files = {folder / f"{picture.slide.file}.{suffix}": suffix for suffix in suffixes}
            paths += files
            wanted = {path: files[path] for path in files if replace or not path.exists()}
            figure = draw_picture(picture) if wanted else None
            for path, suffix in wanted.items():
                assert figure
                with whole_file(path, folder.parent) as file:
                    figure.savefig(file, format=suffix, dpi=DPI, metadata=METADATA[suffix])
    return paths


def most_of(picture: Drawn) -> tuple[list[Row], list[str]]:
    """Return the rows of *picture* for which there is room, and who has none: the last."""
    known = with_figures(picture.rows, picture.metric)
    last = max(row.condition.connections for row in known)
    level = [row for row in known if row.condition.connections == last]
    order = [row.condition.strategy for row in from_below(level, picture.metric)[::-1]]
    lines = len(picture.rows) > len({row.condition.strategy for row in picture.rows})
    if not lines:
        order += unknown(picture.rows, picture.metric)
    notes = served_at_last(known, picture.metric) if lines else {}
    labels = measure_labels(styles(order), notes, LONGEST_NAME)
    needed = itertools.accumulate(
        labels[name].height * LABEL_LEAD if lines else max(labels[name].height * 1.4, LEAST_BAR)
        for name in order
    )
    count = max(sum(height <= ROOM for height in needed), 1)
    rows = [row for row in picture.rows if row.condition.strategy in order[:count]]
    return rows, order[count:]


def draw_picture(picture: Drawn) -> Figure:
    """Return the figure of *picture*; within `themed`."""
    slide, metric = picture.slide, picture.metric
    theme = PROJECTOR
    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI)
    FigureCanvasAgg(figure)
    levels = sorted({row.condition.connections for row in picture.rows})
    rows, left_out = most_of(picture)
    more = f" Not shown: {len(left_out):,} more." if left_out else ""

    room = WIDTH - 2 * MARGIN
    size = theme.title
    while count_lines(title := wrap_to_width([slide.title], room, size, bold=True)) > MOST_LINES:
        size -= 2
    heading = wrap_to_width([slide.heading], room, theme.heading)
    words = filter(None, (slide.key, slide.footer + more))
    footer = wrap_to_width(words, room, theme.small)
    top = HEIGHT - 0.3
    figure.text(MARGIN / WIDTH, top / HEIGHT, title, size=size, weight="bold", va="top")
    top -= count_lines(title) * size * LEAD + 0.1
    figure.text(MARGIN / WIDTH, top / HEIGHT, heading, size=theme.heading, va="top")
    top -= count_lines(heading) * theme.heading * LEAD + 0.15
    figure.text(
        MARGIN / WIDTH, 0.2 / HEIGHT, footer, size=theme.small, va="bottom", color=theme.faint
    )
    bottom = 0.2 + count_lines(footer) * theme.small * LEAD + 1.15  # numbers and title of an axis

    known = styles(row.condition.strategy for row in picture.rows)
    notes = served_at_last(rows, metric)
    labels = measure_labels(known, notes, LONGEST_NAME)
    widest = max(label.width for label in labels.values())
    better = f"{metric.axis}: {'more' if metric.more_is_better else 'less'} is better"
    if len(levels) > 1:
        left, right = AXIS_ROOM * theme.scale, LABEL_GAP * theme.scale + widest
        top -= 0.55  # the title above the axis
    else:
        seen = with_figures(rows, metric)
        values = [length(value_in_a_line(row, metric), theme.text) for row in seen]
        left, right = widest + 0.3, max(values, default=0) + 0.6
    wide, tall = room - left - right, top - bottom
    place = ((MARGIN + left) / WIDTH, bottom / HEIGHT, wide / WIDTH, tall / HEIGHT)
    ax = figure.add_axes(place)
    ax.set_axisbelow(True)
    if len(levels) > 1:
        draw_lines(ax, rows, metric, labels, levels, (wide, tall))
    else:
        draw_bars(ax, rows, metric, labels, unknown(rows, metric))
        ax.set_xlabel(better)
    return figure
