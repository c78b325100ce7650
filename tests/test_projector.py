"""The theme for a projector: who wins in words, few figures, one picture each, nothing cut."""

import dataclasses
import itertools
import json
import re
from pathlib import Path

import pytest
from builders import make_row, make_run, noise_of
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from test_charts import DECADES, FIVE, LEVEL, RACES, STEPS, at_32, plan, race, row, texts

from calcbench.bench.analysis.compare import compare_all, matched
from calcbench.bench.analysis.metrics import CPU, METRICS
from calcbench.bench.analysis.spread import spread
from calcbench.bench.analysis.summary import Row, Summary, summarise
from calcbench.bench.schema.plan import KEEP_ALIVE
from calcbench.bench.schema.reader import read_run
from calcbench.bench.views.change_table import change_lines
from calcbench.bench.views.deck import SLIDES, WORDS, deck_as_json, write_deck
from calcbench.bench.views.page import page_of
from calcbench.bench.views.projector_table import LINES, Line, height, projector_lines
from calcbench.bench.views.slide import HEIGHT, WIDTH, Drawn, draw_picture, findings, projected
from calcbench.bench.views.theme import DPI, PAPER, PROJECTOR, current, themed
from calcbench.bench.views.winner import finding, outcome

REFERENCE = Path(__file__).parent.parent / "results" / "reference"
BELOW = ["More: calcbench report results/20261122-181500", "Charts: results/latest/projector"]
THROUGHPUT, P50, P99 = METRICS


def text_of(lines: list[Line]) -> list[str]:
    return [line if isinstance(line, str) else line.text for line in lines]


@pytest.mark.parametrize("name", RACES)
def test_fits_a_terminal_of_any_width(name: str) -> None:
    for width in (40, 79, 200):
        lines = text_of(projector_lines(RACES[name][0], width, BELOW))

        assert height(lines, width) <= LINES
        assert [line for line in lines if len(line) > width and " " in line] == []


@pytest.mark.parametrize("width", [40, 47, 61, 80, 120, 200])
def test_cuts_no_figure_in_the_middle(width: int) -> None:
    """With all strategies, two workloads, three numbers of clients, and clients left out."""
    summary, _ = race(plan(*FIVE), DECADES, clients_served=1)
    lines = text_of(projector_lines(summary, width, BELOW))
    table = [line for line in lines if line.startswith((*FIVE, "thread…"))]

    assert len(table) == len(FIVE)
    for line in table:
        assert re.fullmatch(r"\S+( +[0-9.,]+/s( +[0-9.,]+ ms){0,2} +1 of 32)+(  █*)?", line), line


def test_says_first_who_wins_and_where() -> None:
    summary, _ = race(plan(*FIVE), STEPS)
    lines = text_of(projector_lines(summary, 80, BELOW))

    assert " ".join(lines[:2]) == (
        "add, 32 connections: threadpool wins: 15,000/s, about 1.2 times as fast as"
        " thread-per-request and about 5 times as fast as blocking."
    )
    assert lines[-2:] == BELOW


def test_shows_the_p50_too_where_there_is_one_workload() -> None:
    """The lesson: who serves 1 of 32 clients has the lower p50."""
    lines = text_of(projector_lines(Summary(1, "", False, tuple(ROWS["starving"])), 80))

    assert re.fullmatch("32 connections +add +p50 +p99 +served", lines[2])
    assert re.fullmatch("blocking +2,000/s +16.0 ms +48.0 ms +1 of 32 +█+", lines[3])
    assert re.fullmatch("fork +1,000/s +32.0 ms +96.0 ms +all +█+", lines[4])


def test_names_the_workloads_and_counts_the_strategies_that_have_no_room() -> None:
    lines = text_of(projector_lines(RACES["all that there is"][0], 40, BELOW))
    many = [row(dataclasses.replace(at_32("x"), strategy=f"s{n}"), 1000 + n) for n in range(14)]
    cut = text_of(projector_lines(Summary(1, "", False, tuple(many)), 80, BELOW))

    assert any(line.startswith("Not shown: ") for line in lines)
    assert len(cut) == LINES
    assert [line for line in cut if re.fullmatch(r"and [0-9]+ more", line)] != []


def test_says_what_the_signs_before_figures_mean() -> None:
    rows = (row(at_32("fork"), 9_000, judgement="driver-bound"), row(at_32("selectors"), 200))
    lines = text_of(projector_lines(Summary(1, "", True, rows), 80))

    assert lines[0] == "This is only a part of the race."
    assert "≥ at least; ? perhaps less" in lines
    assert text_of(projector_lines(Summary(1, "", False, ()), 80)) == ["Nothing was measured."]


ROWS: dict[str, list[Row]] = {
    "one": [row(at_32("fork"), 1_000)],
    "winner": [row(at_32("fork"), 1_000), row(at_32("selectors"), 2_000)],
    "level": [row(at_32("threadpool"), 1_990), row(at_32("selectors"), 2_000)],
    "starving": [row(at_32("fork"), 1_000), row(at_32("blocking"), 2_000, clients_served=1)],
    "all starving": [row(at_32(name), 1_000, clients_served=1) for name in ("fork", "blocking")],
    "hidden": [
        row(at_32("fork"), 9_000, judgement="driver-bound"),
        row(at_32("selectors"), 9_100, judgement="driver-bound"),
        row(at_32("blocking"), 10),
    ],
    "failed": [Row(at_32("fork"), "failed", "boom", failed_rounds=3)],
    "silent": [make_row(at_32(name), [0.0] * 3, clients_served=0) for name in ("fork", "x")],
}


@pytest.mark.parametrize(
    ("name", "words", "found"),
    [
        ("one", "fork: 1,000/s", "fork: 1,000/s"),
        (
            "winner",
            "selectors wins: 2,000/s, about 2 times as fast as fork",
            "selectors is about 2 times as fast as fork",
        ),
        (
            "level",
            "no clear difference between selectors and threadpool: about 2,000/s",
            "no clear difference between selectors and threadpool: about 2,000/s",
        ),
        ("starving", "only fork serves every client: 1,000/s", ""),
        ("all starving", "nobody serves every client", "nobody serves every client"),
        (
            "hidden",
            "cannot tell which of selectors and fork wins: the driver was the limit; "
            + (least := "selectors is at least about 770 times as fast as blocking"),
            least,
        ),
        ("failed", "nothing could be measured", "nothing could be measured"),
        ("silent", "nobody served any client", "nobody served any client"),
    ],
)
def test_says_in_few_words_what_came_out(name: str, words: str, found: str) -> None:
    assert outcome(ROWS[name]) == words
    assert finding(ROWS[name], THROUGHPUT) == (found or words)


def test_says_of_times_and_of_cpu_who_takes_longer_and_more() -> None:
    cpu = {"fork": 90.0, "selectors": 10.0}
    rows = [
        row(at_32(name), 1e5 / us, cpu_us_per_request=spread([us, us * 0.99, us * 1.01]))
        for name, us in cpu.items()
    ]

    assert finding(rows, P50) == "fork takes about 9 times as long as selectors (p50)"
    assert finding(rows, CPU) == "fork takes about 9 times the CPU of selectors"
    assert finding(ROWS["one"], P99) == "fork: p99 96.0 ms"
    assert finding(ROWS["starving"], P50) == (
        "blocking shows a lower p50 but serves 1 of 32; only fork serves every client"
    )
    assert finding(ROWS["hidden"], P50).startswith("cannot tell who is first in p50: the driver")
    assert finding(ROWS["level"], CPU) == "no clear difference in CPU"


@pytest.mark.parametrize(
    ("rates", "words"),
    [
        ((8_000, 7_980, 8_200), "selectors is about 8 times as fast as fork"),
        ((1_030, 1_029, 1_032), "selectors is faster than fork"),  # 1.03: no ratio to remember
        # Two thirds of the rounds are far from the median that stands beside the bar.
        ((8_000, 3_400, 15_000), "selectors is faster than fork"),
    ],
)
def test_says_the_ratio_of_the_figures_that_are_shown(rates: tuple[float, ...], words: str) -> None:
    """Once it was that of the paired rounds, and whoever divided got another."""
    rows = [
        make_row(at_32(name), noise_of(name, one) * 2)
        for name, one in {"fork": (1_000, 999, 1_001), "selectors": rates}.items()
    ]

    assert finding(rows, THROUGHPUT) == words


def test_says_no_ratio_where_the_rounds_tell_far_less() -> None:
    """«at least 31,700/s, at least 1.20x as fast» beside 10,100/s."""
    rows = [
        make_row(at_32("fork"), [10_100, 26_000, 9_900, 25_000, 10_000, 10_200, 25_500]),
        make_row(
            at_32("selectors"), [31_700, 31_900, 31_800, 31_600] * 2, judgement="driver-bound"
        ),
    ]

    assert finding(rows, THROUGHPUT) == "selectors is faster than fork"


@pytest.mark.parametrize(
    ("rates", "words"),
    [
        ((9_000, 9_005, 9_010), "three are level: {}; c is about 30 times as fast as d"),
        ((9_000, 9_400, 9_800), "three are nearly level: {}; c is about 33 times as fast as d"),
        ((5_000, 7_000, 9_000), "c is about 30 times as fast as d"),
    ],
)
def test_says_of_several_at_the_top_that_they_are_level(
    rates: tuple[float, ...], words: str
) -> None:
    rows = [
        make_row(at_32(name), noise_of(name, [rate, rate * 0.99, rate * 1.01, rate * 1.005]) * 2)
        for name, rate in zip("abcd", (*rates, 300), strict=True)
    ]

    assert finding(rows, THROUGHPUT) == words.format("c, b and a")


def test_uses_a_theme_only_where_it_is_asked_for() -> None:
    with themed("projector") as theme:
        assert current() is theme is PROJECTOR

    assert current() is PAPER


def figure_of(picture: Drawn) -> Figure:
    with themed("projector"):
        figure = draw_picture(picture)
        FigureCanvasAgg(figure).draw()  # type: ignore[no-untyped-call]  # matplotlib's
    return figure


CROWDED = ("eight variants", "eight variants, one level", "odd names", "clients never served")


@pytest.mark.slow
@pytest.mark.parametrize("name", CROWDED)
def test_draws_large_words_within_the_picture_and_over_no_other(name: str) -> None:
    for picture in (projected(*RACES[name])[0], findings(*RACES[name])[1]):
        figure = figure_of(picture)
        boxes = [(text.get_text(), text.get_window_extent()) for text in texts(figure)]

        assert tuple(figure.get_size_inches() * DPI) == (WIDTH * DPI, HEIGHT * DPI) == (1280, 720)
        assert min(float(text.get_fontsize()) for text in texts(figure)) >= PROJECTOR.small
        for text, box in boxes:
            assert figure.bbox.x0 <= box.x0, text
            assert box.x1 <= figure.bbox.x1, text
            assert figure.bbox.y0 <= box.y0, text
            assert box.y1 <= figure.bbox.y1, text
        for (text, box), (other, other_box) in itertools.combinations(boxes, 2):
            assert not box.padded(-1).overlaps(other_box.padded(-1)), (text, other)


@pytest.mark.parametrize("connections", [(32,), (8, 32)])
def test_draws_what_lies_far_apart_from_zero_and_linearly(connections: tuple[int, ...]) -> None:
    """Once: a log scale made a small step of 13 times as many."""
    summary, run = race(plan(*FIVE, workloads=("add",), connections=connections), DECADES)
    [ax] = figure_of(projected(summary, run)[0]).axes
    axis, limits = (ax.xaxis, ax.get_xlim()) if len(connections) == 1 else (ax.yaxis, ax.get_ylim())

    assert axis.get_scale() == "linear"
    assert limits[0] == 0


def test_writes_beside_a_value_how_many_were_served() -> None:
    summary, run = race(plan(*FIVE, connections=(8,)), LEVEL, clients_served=1)
    written = [
        text.get_text().replace("\u00a0", " ")
        for text in texts(figure_of(projected(summary, run)[0]))
    ]

    assert written.count("10,000/s, 1 of 8 served") == len(FIVE)


def test_says_at_the_foot_what_is_drawn_beside_the_bars_and_no_more() -> None:
    names = ("fork", "blocking")
    run = make_run(plan(*names, workloads=("add",)))
    plain = [make_row(at_32(name), [900.0] * 3) for name in names]
    marked = [
        row(at_32("fork"), 900, judgement="driver-bound"),
        row(at_32("blocking"), 90, judgement="contended"),
    ]
    keys = [
        projected(Summary(1, "", False, tuple(rows)), run)[0].slide.key for rows in (plain, marked)
    ]

    assert keys[0] == ""
    assert re.fullmatch("├─┤: .*lowest to highest. → perhaps more. Disturbed: .*", keys[1])
    lines = projected(*race(plan("fork", connections=(8, 32)), STEPS))[0].slide.key
    assert lines.startswith("Pale band: ")


def test_draws_a_row_for_whom_nothing_is_known_of() -> None:
    """Once the worst of all was left out: too few requests for a p99."""
    slow = {"p90_ns": spread([3e8, 3.1e8, 2.9e8]), "p99_ns": spread([])}
    rows = [
        row(at_32("fork"), 900),
        row(at_32("blocking"), 90, **slow),
        Row(at_32("broken"), "failed", "boom", failed_rounds=3),
    ]
    run = make_run(plan("fork", "blocking", "broken", workloads=("add",)))
    [picture] = [
        one
        for one in projected(Summary(1, "", False, tuple(rows)), run)
        if one.slide.file.startswith("p99")
    ]
    words = [text.get_text() for text in texts(figure_of(picture))]

    for found in ("not known, at least 300 ms", "not measured", "blocking", "broken"):
        assert words.count(found) == 1


def test_has_slides_of_the_reference_run_that_say_what_it_says() -> None:
    run = read_run(REFERENCE)
    stored = json.loads((REFERENCE / SLIDES / WORDS).read_text(encoding="utf-8"))
    pictures = {path.stem for path in (REFERENCE / SLIDES).glob("*.png")}

    assert stored == deck_as_json(summarise(run, REFERENCE), run), "run `make slides`"
    assert pictures == {slide["file"] for slide in stored}
    assert all(slide["title"].endswith(".") for slide in stored)


def test_keeps_results_out_of_the_wheel() -> None:
    import tomllib

    project = tomllib.loads((REFERENCE.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    packed = json.dumps(project["tool"]["setuptools"])

    assert "results" not in packed
    assert "slides" not in packed


@pytest.mark.slow
def test_draws_slides_where_it_is_told_to(tmp_path: Path) -> None:
    paths = write_deck(*race(plan("fork", "selectors", workloads=("add",)), (10, 900)), tmp_path)

    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)
    assert {path.name for path in paths} | {WORDS} == {
        path.name for path in (tmp_path / SLIDES).iterdir()
    }


def test_says_in_few_lines_what_changed() -> None:
    before, _ = race(plan(*FIVE), STEPS)
    after, _ = race(plan(*FIVE), [rate * 3 if rate == STEPS[0] else rate for rate in STEPS])
    changes = compare_all(matched(before, after))
    for width in (40, 80, 200):
        lines = text_of(change_lines(changes, [], [], width, BELOW))

        assert height(lines, width) <= LINES
        assert max(map(len, lines[:-2])) <= width
    assert lines[0] == "Better in B than in A: blocking under add, blocking under wait=10ms."
    assert any(
        re.search(r"blocking +add at 32 +3,000/s +9,000/s +3.0x +better", one) for one in lines
    )
    same = text_of(change_lines(compare_all(matched(before, before)), ["A is a part"], [], 80))
    assert same[:2] == [
        "Not a whole comparison: A is a part",
        "No clear difference between A and B in 10 comparisons.",
    ]


def test_makes_a_page_that_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    summary, run = race(plan("fork", "<b>", workloads=("add",), reuses=(KEEP_ALIVE,)), (10, 900))
    charts = [tmp_path / "charts" / f"throughput.{suffix}" for suffix in ("svg", "png")]
    page = page_of(summary, run, charts, tmp_path).decode()

    assert "<h1>add, 32 connections: &lt;b&gt; wins: 900/s.</h1>" in page
    assert re.findall(r'(?:src|href)="([^"]*)"', page) == ["charts/throughput.svg"]
    assert "http" not in page
