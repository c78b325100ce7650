"""The charts: the same bytes for the same summary, every word in its place, no claim too many."""

import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from builders import make_row, make_run, noise_of
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from calcbench.bench.analysis.metrics import METRICS
from calcbench.bench.analysis.quantiles import Reading
from calcbench.bench.analysis.spread import NOTHING, spread
from calcbench.bench.analysis.summary import Row, Summary
from calcbench.bench.schema.condition import Condition
from calcbench.bench.schema.outcomes import Outcomes
from calcbench.bench.schema.plan import KEEP_ALIVE, Plan
from calcbench.bench.schema.result import Run
from calcbench.bench.views.axis import round_numbers
from calcbench.bench.views.captions import footer, headline, notes
from calcbench.bench.views.charts import LONGEST_LINE, WIDTH, draw, draw_charts
from calcbench.bench.views.lateness import TAIL
from calcbench.bench.views.markers import THIN_RATIO, with_figures
from calcbench.bench.views.palette import KNOWN, styles
from calcbench.bench.views.panel import from_below, spread_apart
from calcbench.bench.views.theme import DPI, PAPER, themed
from calcbench.bench.views.wording import about, break_name, cut_line, shorten, shorten_names

FIVE = ("blocking", "fork", "selectors", "thread-per-request", "threadpool")
EIGHT = tuple(
    f"threadpool:workers={workers},queue={queue}"
    for workers, queue in itertools.product((1, 4, 16, 64), (128, 65536))
)
THROUGHPUT, P50, P99 = METRICS

# Answers for each second of every strategy in turn.
STEPS = (3_000, 6_000, 9_000, 12_000, 15_000)
LEVEL = (10_000,) * 8
CLOSE = tuple(range(9_000, 9_800, 100))
DECADES = (10, 60, 400, 2_500, 16_000)


def row(condition: Condition, rate: float, **more: Any) -> Row:
    """A row whose other figures follow from *rate*, answers for each second."""
    latency = condition.connections / rate * 1e9
    figures: dict[str, Any] = {
        "p50_ns": spread([latency, latency * 0.9, latency * 1.1]),
        "p99_ns": spread([latency * 3, latency * 2, latency * 5]),
    }
    rates = [rate * share for share in noise_of(condition.strategy, (1, 0.95, 1.02))]
    return make_row(condition, rates, **(figures | more))


def race(plan: Plan, rates: Sequence[float], **more: Any) -> tuple[Summary, Run]:
    rows = tuple(
        row(condition, rates[plan.strategies.index(condition.variant)], **more)
        for condition in plan.conditions()
    )
    machine = {"cpu": "A Processor With A Name", "cores": 2, "virtual": True, "kernel": "6.1"}
    run = make_run(plan, machine=machine)
    return Summary(1, run.name, False, rows), run


def plan(*strategies: str, **more: Any) -> Plan:
    return Plan(**({"strategies": strategies, "workloads": ("add", "wait=10ms")} | more))


RACES: dict[str, tuple[Summary, Run]] = {
    "five strategies": race(plan(*FIVE), STEPS),
    "one strategy, one level": race(plan("fork", connections=(1,)), LEVEL),
    "one level": race(plan(*FIVE, connections=(32,)), STEPS),
    "eight variants": race(plan(*EIGHT, connections=(1, 2, 4, 8, 16, 32, 64, 1024)), CLOSE),
    "eight variants, one level": race(plan(*EIGHT, connections=(8,)), CLOSE),
    "no difference": race(plan(*FIVE, "prefork", "uvloop"), LEVEL),
    "three decades": race(plan(*FIVE), DECADES),
    "clients never served": race(plan(*FIVE), STEPS, clients_served=1),
    "all that there is": race(
        plan(
            *FIVE,
            workloads=("add", "wait=10ms", "cpu=2ms", "block=10ms"),
            reuses=("keep-alive", "close"),
        ),
        STEPS,
    ),
    "some failed": race(
        plan(*FIVE),
        STEPS,
        failed_rounds=1,
        reason="the server died with status -9: and printed nothing, " * 4,
    ),
    "odd names": race(
        plan("$x$:path=" + "/very/long/path" * 9, "threadpool:workers=" + "9" * 60, "fork"),
        STEPS,
        failed_rounds=1,
        reason="$HOME_and_$PATH_{",
    ),
    "nothing but failures": race(
        plan("fork"), LEVEL, status="failed", reason="boom", rounds=0, failed_rounds=3
    ),
}


def figure_of(name: str, metric: int) -> Figure:
    with themed(PAPER.name):
        figure = draw(*RACES[name], METRICS[metric])
        FigureCanvasAgg(figure).draw()  # type: ignore[no-untyped-call]  # matplotlib's
    return figure


def texts(figure: Figure) -> list[Text]:
    """All words that are drawn: of the axes' ticks only those that are in view."""
    found = list(figure.texts)
    for ax in figure.axes:
        found += [*ax.texts, ax.xaxis.label, ax.yaxis.label]
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = axis.get_major_ticks()
            found += [tick.label1 for tick in ticks if low <= tick.get_loc() <= high]
    return [text for text in found if text.get_text().strip()]


@pytest.mark.slow
@pytest.mark.parametrize("metric", range(3), ids=[metric.file for metric in METRICS])
@pytest.mark.parametrize("name", RACES)
def test_draws_every_word_within_the_figure_and_over_no_other(name: str, metric: int) -> None:
    figure = figure_of(name, metric)
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts(figure)]

    for text, box in boxes:
        assert figure.bbox.x0 <= box.x0, text
        assert box.x1 <= figure.bbox.x1, text
        assert figure.bbox.y0 <= box.y0, text
        assert box.y1 <= figure.bbox.y1, text
    for (text, box), (other, other_box) in itertools.combinations(boxes, 2):
        assert not box.padded(-1).overlaps(other_box.padded(-1)), (text, other)


@pytest.mark.slow
@pytest.mark.parametrize("name", RACES)
def test_draws_words_large_enough_for_a_projector(name: str) -> None:
    figure = figure_of(name, 0)

    assert figure.get_size_inches()[0] * DPI == 1600
    assert min(float(text.get_fontsize()) for text in texts(figure)) >= 12  # points


@pytest.mark.slow
@pytest.mark.parametrize("name", RACES)
def test_names_every_strategy_once_in_every_panel(name: str) -> None:
    figure = figure_of(name, 0)
    summary = RACES[name][0]
    measured = {row.condition.strategy for row in summary.rows if row.status == "ok"}
    found = [text.get_text() for text in texts(figure)]

    for strategy in measured:
        label = shorten_names(measured, LONGEST_LINE)[strategy]
        assert found.count(label) == len(figure.axes)


@pytest.mark.slow
def test_draws_the_same_bytes_from_the_same_summary(tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    drawn = [draw_charts(*RACES["five strategies"], folder) for folder in folders]
    first, second = ([path.read_bytes() for path in sorted(f.iterdir())] for f in folders)

    assert first == second
    assert sorted(path.name for path in drawn[0]) == sorted(
        f"{metric.file}.{suffix}" for metric in METRICS for suffix in ("png", "svg")
    )
    assert first[0].startswith(b"\x89PNG")
    assert b"<dc:date>" not in first[1]


@pytest.mark.slow
@pytest.mark.parametrize("connections", [(8,), (1, 8)])
def test_draws_no_quantile_that_is_not_known(connections: tuple[int, ...]) -> None:
    """As bars and as lines: a p99 of too few requests would be drawn at 0."""
    summary, run = race(plan("fork", "selectors", connections=connections), STEPS)
    few = [
        dataclasses.replace(one, p99_ns=NOTHING, max_ns=one.p50_ns)
        if one.condition.strategy == "fork" or one.condition.workload == "add"
        else one
        for one in summary.rows
    ]
    with themed(PAPER.name):
        figure = draw(dataclasses.replace(summary, rows=tuple(few)), run, P99)
    add, wait = figure.axes
    found = [text.get_text().replace("\n", " ") for text in figure.texts]

    assert list(add.lines) == []
    assert len({line.get_markeredgecolor() for line in wait.lines}) == 1
    assert "too few requests for p99, which takes 299 in each round" in found
    assert any(text.startswith("Too few requests for p99, which takes 299") for text in found)


def test_draws_what_is_no_letter_in_a_form_that_can_be_read(tmp_path: Path) -> None:
    summary, run = race(plan("fork:a=\x1b]0;t\x07\u202e\udc9b\x00", "中"), (1_000, 2_000))
    draw_charts(summary, run, tmp_path)  # a warning would be an error
    drawn = sorted(tmp_path.glob("*.svg"))

    assert len(drawn) == len(METRICS)
    for path in drawn:
        ElementTree.parse(path)  # a control character would end it
        assert r"\x1b]0;t\x07\u202e\x9b\x00" in path.read_text(encoding="utf-8").replace("\n", "")


def test_draws_nothing_when_nothing_was_measured(tmp_path: Path) -> None:
    run = race(plan("fork"), LEVEL)[1]

    assert draw_charts(Summary(1, run.name, True, ()), run, tmp_path) == []


def test_opens_the_marker_where_some_clients_were_never_served() -> None:
    faces = {
        line.get_markerfacecolor()
        for name in ("clients never served", "five strategies")
        for ax in figure_of(name, 0).axes
        for line in ax.get_lines()
        if line.get_marker() == KNOWN["selectors"].marker
    }

    assert faces == {"white", KNOWN["selectors"].colour}


def test_gives_each_of_the_five_its_own_colour_and_marker_in_every_chart() -> None:
    assert len({style.colour for style in KNOWN.values()}) == 5
    assert len({style.marker for style in KNOWN.values()}) == 5
    for name, style in styles([*FIVE, *EIGHT]).items():
        assert style == KNOWN.get(name, style)


def test_gives_every_other_strategy_a_style_from_its_name() -> None:
    eight = styles(EIGHT)

    assert styles(reversed(EIGHT)) == eight
    assert len({style.colour for style in eight.values()}) == 8
    assert len({style.marker for style in eight.values()}) == 8
    assert styles(["prefork"])["prefork"] == styles(["prefork", *FIVE])["prefork"]
    assert not {style.colour for style in eight.values()} & {
        style.colour for style in KNOWN.values()
    }


@given(st.lists(st.floats(-1, 2), min_size=1, max_size=12))
def test_spreads_labels_apart_in_their_order_and_within_their_room(wanted: list[float]) -> None:
    height = 1 / 12
    centres = spread_apart(wanted, [height] * len(wanted), (0, 1))
    placed = sorted(zip(wanted, centres, strict=True), key=lambda pair: pair[1])

    assert [want for want, _ in placed] == sorted(wanted)
    for (_, below), (_, above) in itertools.pairwise(placed):
        assert above - below >= height - 1e-9
    assert placed[0][1] >= height / 2 - 1e-9
    assert placed[-1][1] <= 1 - height / 2 + 1e-9


def test_leaves_labels_alone_that_do_not_overlap() -> None:
    assert spread_apart([0.7, 0.2], [0.1, 0.1], (0, 1)) == pytest.approx([0.7, 0.2])


def test_moves_two_labels_apart_by_the_same_amount() -> None:
    assert spread_apart([0.5, 0.5], [0.1, 0.1], (0, 1)) == pytest.approx([0.45, 0.55])


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (95, 3_100, [50, 100, 200, 500, 1000, 2000, 5000]),
        (1, 10, [1, 2, 5, 10]),
        (0.03, 0.4, [0.02, 0.05, 0.1, 0.2, 0.5]),
        (0.09999999999999999, 1.0000000000000002, [0.05, 0.1, 0.2, 0.5, 1, 2]),
    ],
)
def test_encloses_values_in_round_numbers(low: float, high: float, expected: list[float]) -> None:
    assert round_numbers(low, high) == expected


def test_breaks_long_names_behind_their_colon_and_at_commas() -> None:
    assert break_name("thread-per-request") == ["thread-per-request"]
    assert break_name("threadpool:workers=4") == ["threadpool:workers=4"]
    assert break_name("threadpool:workers=128,queue=65536") == [
        "threadpool:",
        "workers=128",
        "queue=65536",
    ]


def at_32(strategy: str) -> Condition:
    return Condition(strategy, "add", "keep-alive", 32)


def test_says_who_leads_where_rounds_can_tell() -> None:
    rows = [row(at_32("fork"), 1_000), row(at_32("selectors"), 2_000)]

    assert headline(THROUGHPUT, rows) == "selectors leads: 2,000/s at 32 connections"
    assert headline(P50, rows) == "selectors is fastest: 16.0 ms at 32 connections"


@pytest.mark.slow
def test_draws_no_control_and_speaks_of_none(tmp_path: Path) -> None:
    with_control, run = race(plan("fork", "selectors", control="fork"), (1_000, 2_000))
    without, _ = race(plan("fork", "selectors"), (1_000, 2_000))
    for folder, summary in (("a", with_control), ("b", without)):
        (tmp_path / folder).mkdir()
        draw_charts(summary, run, tmp_path / folder)

    assert (tmp_path / "a/throughput.svg").read_bytes() == (
        tmp_path / "b/throughput.svg"
    ).read_bytes()


def test_draws_models_beside_what_was_measured() -> None:
    summary, run = race(plan("fork", "selectors", connections=(1, 2, 4, 8, 16, 32)), (1_000, 2_000))
    with themed(PAPER.name):
        plain, beside = draw(summary, run, THROUGHPUT), draw(summary, run, THROUGHPUT, models=True)

    for before, after in zip(plain.axes, beside.axes, strict=True):
        new = after.lines[: len(after.lines) - len(before.lines)]
        assert {str(line.get_linestyle()) for line in new} == {":", "-."}
        assert len(new) == 4
    assert any("Dotted: what the time" in text.get_text() for text in beside.texts)
    assert not any("Dotted" in text.get_text() for text in plain.texts)


def test_claims_no_lead_from_one_round() -> None:
    once = {"rounds": 1, "counted": (1,), "throughput": spread([2_000])}
    rows = [row(at_32("fork"), 1_990, **once), row(at_32("selectors"), 2_000, **once)]

    assert "came first in the only round: 2,000/s" in headline(THROUGHPUT, rows)


def test_says_below_the_chart_what_was_run() -> None:
    _, closed = race(plan(*FIVE), STEPS)
    _, opened = race(plan(*FIVE, rate=12_500, arrivals="poisson", behaviours=("idle=20",)), STEPS)

    _, users = race(plan(*FIVE, think_s=1.0), STEPS)

    assert "3 rounds of 1.00 s, connections kept alive, seed 1." in footer(closed)
    assert "connections kept alive, users who think 1 s, seed 1." in footer(users)
    assert (
        "an open loop of 12,500 requests per second, poisson arrivals, with background clients"
        " idle=20, seed" in footer(opened)
    )


@pytest.mark.parametrize(
    ("connections", "rounds", "words"),
    [
        (
            (8, 32),
            3,
            "number of connections: median of the rounds; bands behind them: lowest to",
        ),
        ((8, 32), 5, "median of the rounds; bands behind them: 95% interval of the median."),
        ((32,), 3, "Bars and markers: median of the rounds; whiskers: lowest to highest."),
        ((32,), 5, "Bars and markers: median of the rounds; whiskers: 95% interval of the median."),
        ((32,), 1, "Bars and markers: median of the rounds; one round shows no spread."),
    ],
)
def test_says_below_the_chart_what_its_marks_are(
    connections: tuple[int, ...], rounds: int, words: str
) -> None:
    _, run = race(plan(*FIVE, connections=connections, rounds=rounds), STEPS)

    assert words in footer(run)


@pytest.mark.parametrize("level", [8, 32])
def test_draws_no_latency_of_who_served_nobody(level: int) -> None:
    """And says so. Once an open marker was explained there that nobody could find."""
    nobody = make_row(Condition("fork", "add", KEEP_ALIVE, level), [0.0] * 3, clients_served=0)
    other = row(at_32("selectors"), 9_000)

    assert with_figures([nobody, other], P50) == [other]
    assert with_figures([nobody, other], THROUGHPUT) == [nobody, other]
    absent = "No marker: who serves nobody has no latency (fork)."
    assert notes([nobody, other], P50)[0] == absent
    assert notes([nobody, other], THROUGHPUT)[0].startswith("Open marker: not every client got")


@pytest.mark.parametrize(
    ("more", "advice"),
    [
        ({"in_flight": 8}, "A longer --duration would show who is only slow: fork at 32"),
        (
            {"in_flight": 8, "all_outcomes": Outcomes(timed_out=9)},
            "A longer --timeout would show who is only slow: fork at 32",
        ),
        ({"all_outcomes": Outcomes(http_error=9)}, ""),
    ],
)
def test_advises_what_would_show_more_of_who_served_nobody(
    more: dict[str, Any], advice: str
) -> None:
    """Once: a longer --duration, where all requests had timed out; and cut in the middle."""
    why = "no right response within the window of 601 ms: " + "and more, " * 30
    row = make_row(at_32("fork"), [0.0] * 3, clients_served=0, reason=why, **more)

    assert notes([row], THROUGHPUT)[2:] == ([advice] if advice else [])


def test_puts_bars_below_that_leave_clients_or_requests_out() -> None:
    """Once: best on top of the p50 chart stood one that failed 17% of its requests."""
    rows = {
        "fails": row(at_32("fails"), 9_000, fails=True),
        "starves": row(at_32("starves"), 8_000, clients_served=1),
        "slow": row(at_32("slow"), 100),
        "fast": row(at_32("fast"), 200),
        "nobody": make_row(at_32("nobody"), [0.0] * 3, clients_served=0),
    }

    assert from_below([*rows.values()], THROUGHPUT) == [
        rows[name] for name in ("nobody", "starves", "fails", "slow", "fast")
    ]


@pytest.mark.parametrize(
    ("late", "slowest", "shown"),
    [
        (0.5, 1, True),
        (0.99, 1, False),  # 10.6 and 10.5 ms: read apart, drawn in one place
        (0.5, 4, True),
        (0.9, 7, False),  # on an axis that reaches seven times as far
        (0.5, 1000, False),
    ],
)
def test_explains_tails_only_where_they_can_be_seen(
    late: float, slowest: float, *, shown: bool
) -> None:
    def at(name: str, ms: float, share: float) -> Row:
        times = [1e6 * ms * part for part in (1, 0.99, 1.01)]
        prompt = spread([share * one for one in times])
        return row(at_32(name), 900, p50_ns=spread(times), prompt_p50_ns=prompt)

    rows = [at("fork", 10, late), at("selectors", 10 * slowest, 1)]

    assert (TAIL in notes(rows, P50)) is shown


@pytest.mark.parametrize("connections", [(32,), (8, 32)])
def test_keeps_words_clear_of_each_other_beside_arrows_and_at_zero(
    connections: tuple[int, ...],
) -> None:
    """Once: a bound was printed over the name of its line, and a marker at 0 over its name."""
    summary, run = race(plan(*FIVE, workloads=("add",), connections=connections), LEVEL)
    waits = [Reading(1e9, at_least=True)] * 3
    rows = [
        dataclasses.replace(one, p99_ns=spread(waits), clients_served=1)
        if one.condition.strategy in ("fork", "threadpool")
        else one
        for one in summary.rows
    ]
    rows[0] = make_row(rows[0].condition, [0.0] * 3, clients_served=0)
    for metric in (THROUGHPUT, P99):
        with themed(PAPER.name):
            figure = draw(dataclasses.replace(summary, rows=tuple(rows)), run, metric)
            FigureCanvasAgg(figure).draw()  # type: ignore[no-untyped-call]  # matplotlib's
        boxes = [(text.get_text(), text.get_window_extent()) for text in texts(figure)]
        for (text, box), (other, other_box) in itertools.combinations(boxes, 2):
            assert not box.padded(-1).overlaps(other_box.padded(-1)), (text, other)
        [ax] = figure.axes
        if len(connections) == 1:
            marker = PAPER.marker * THIN_RATIO * DPI / 72
            names = [label.get_window_extent().x1 for label in ax.get_yticklabels()]
            assert max(names) < ax.get_window_extent().x0 - marker / 2


def test_says_of_points_of_the_driver_that_they_are_a_lower_bound() -> None:
    rows = [row(at_32("fork"), 9_000, judgement="driver-bound"), row(at_32("selectors"), 2_000)]

    assert headline(THROUGHPUT, rows) == "fork leads: at least 9,000/s at 32 connections"
    assert headline(THROUGHPUT, rows[:1]) == "fork: at least 9,000/s at 32 connections"
    assert notes(rows, THROUGHPUT) == [
        "fork at 32: the driver was the limit, so the server can do this or more"
    ]
    assert notes(rows, P99) == [
        "fork at 32: the driver was the limit, so some of that time may be its own"
    ]


def test_tells_rounds_of_the_driver_in_one_line() -> None:
    rows = [
        dataclasses.replace(
            row(Condition(name, "add", KEEP_ALIVE, level), 9_000),
            throughput=spread([8_900, 9_000, 9_100]),
            counted=(1, 2, 3),
            limited=(3,),
        )
        for name in ("fork", "selectors")
        for level in (8, 32)
    ]

    [note] = notes(rows, THROUGHPUT)
    assert note.startswith("The driver was the limit in some")
    assert note.endswith(" latency may be its own: fork at 8, 32; selectors at 8, 32")
    contended = [dataclasses.replace(row, limited=(), judgement="contended") for row in rows]
    assert notes(contended, THROUGHPUT) == ["Every point: another program was using the cores"]


def test_says_that_nobody_leads_where_rounds_overlap() -> None:
    rates = {"threadpool": 1_990, "selectors": 2_000, "blocking": 1_999}
    rows = [row(at_32(name), rate) for name, rate in rates.items()]
    two, three = headline(THROUGHPUT, rows[:2]), headline(THROUGHPUT, rows)

    assert two == (
        "no clear difference between selectors and threadpool: about 2,000/s at 32 connections"
    )
    assert three.startswith("no clear difference between selectors and 2 others: about 2,000/s")


def test_lets_nobody_lead_who_leaves_clients_without_an_answer() -> None:
    starving = row(at_32("blocking"), 9_000, clients_served=1)
    rows = [starving, row(at_32("fork"), 1_000), row(at_32("selectors"), 2_000)]

    assert headline(THROUGHPUT, rows) == (
        "selectors leads: 2,000/s at 32 connections, not counting open markers"
    )
    assert headline(THROUGHPUT, [starving]) == "at 32 connections, no strategy serves every client"
    assert "only fork serves every client" in headline(THROUGHPUT, rows[:2])
    assert notes(rows, THROUGHPUT) == [
        "Open marker: not every client got a right response (blocking\u00a01\u00a0of\u00a032)."
    ]


def test_says_what_could_not_be_measured_and_why() -> None:
    rows = [
        Row(at_32("fork"), "unavailable", "needs os.fork", failed_rounds=3),
        Row(at_32("selectors"), "failed", "the server died", failed_rounds=3),
        row(at_32("threadpool"), 1_000, failed_rounds=1, reason="2 wrong responses"),
    ]

    assert headline(THROUGHPUT, rows[:2]) == "nothing could be measured"
    assert notes(rows, THROUGHPUT) == [
        "fork cannot run here: needs os.fork",
        "selectors at 32 does not count: the server died",
        "threadpool at 32 does not count in some rounds: 2 wrong responses",
    ]


@pytest.mark.parametrize(
    ("workload", "expected"),
    [
        ("add", "add: the calculator alone"),
        ("wait=10ms", "wait=10ms: each response waits 10 ms for simulated I/O"),
        ("cpu=500us", "cpu=500us: each response takes 500 µs of computing"),
        ("block=1.5s", "block=1.5s: each response sleeps 1.5 s where it is handled"),
        ("other=3", "other=3"),
    ],
)
def test_says_what_a_workload_asks_of_a_server(workload: str, expected: str) -> None:
    assert about(workload) == expected


def test_shortens_to_one_line() -> None:
    assert cut_line("one\ntwo", 10) == "one"
    assert cut_line("a long story", 7) == "a long…"


@pytest.mark.parametrize(
    "names",
    [
        ["http://a/" + "x" * 300, "http://a/" + "x" * 301],
        ["a" * 40 + "1" + "b" * 40, "a" * 40 + "2" + "b" * 40, "a" * 40 + "3" + "b" * 40],
        ["x" * 50, "x" * 16 + "…" + "x" * 15],  # one that is called as the other is shortened
        [f"threadpool:queue={'9' * 40}{end}" for end in "123"],
    ],
)
def test_gives_no_two_names_one_text(names: list[str]) -> None:
    texts = shorten_names(names, 32)

    assert list(texts) == names
    assert len(set(texts.values())) == len(names)
    assert all(len(line) <= 32 for text in texts.values() for line in text.split("\n"))


def test_shortens_in_the_middle() -> None:
    assert shorten("http://host/first/second", 11) == "http:…econd"
    assert shorten("short", 5) == "short"
    assert shorten_names(["fork", "fork"], 32) == {"fork": "fork"}


def test_is_as_wide_as_it_says() -> None:
    assert WIDTH * DPI == 1600
