"""The handouts: from the texts of lessons and demos, each on one page."""

import re
import shutil
import subprocess
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner

from calcbench.bench.classroom.demo.playbill import modules
from calcbench.bench.classroom.handouts.bundle import all_sheets
from calcbench.bench.classroom.handouts.sheet import Sheet, page
from calcbench.bench.classroom.lessons.catalogue import lessons
from calcbench.bench.cli.main import cli

SHEETS = all_sheets()
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


class Balance(HTMLParser):
    """Sees that what is opened is closed, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002  # as HTMLParser has it
        if tag != "meta":  # which has no end
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def words(html: str) -> str:
    """Return the text of *html*, its words one space apart."""
    return " ".join(unescape(re.sub(r"<[^>]*>", "", html)).split())


def sheet(name: str) -> Sheet:
    (found,) = (one for one in SHEETS if one.name == name)
    return found


def test_has_two_sheets_for_each_lesson_and_each_demo() -> None:
    names = [one.name for one in SHEETS]

    assert len(set(names)) == len(names) == 2 * (len(lessons()) + len(modules()))
    assert sum(name.endswith("-predict") for name in names) * 2 == len(names)


@pytest.mark.parametrize("one", SHEETS, ids=lambda one: one.name)
def test_is_well_formed(one: Sheet) -> None:
    balance = Balance()
    balance.feed(page(one.heading, [one]))
    balance.close()

    assert balance.open == []
    assert "src=" not in one.body  # nothing is loaded
    assert "http-equiv" not in one.body


def test_tells_the_answer_on_the_solution_alone() -> None:
    for one in lessons():
        predict = words(sheet(f"lesson-{one.number:02}-predict").body)
        solution = words(sheet(f"lesson-{one.number:02}-solution").body)
        reveal, breaks = (" ".join(text.split()) for text in (one.reveal, one.breaks))
        assert reveal in solution
        assert breaks in solution
        assert reveal not in predict
        assert breaks not in predict
        assert "\u2612" not in predict
        assert solution.count("\u2612") == 1
        assert all(choice in predict for choice in one.prediction.choices)


def test_shows_what_a_student_writes_in_bold() -> None:
    body = sheet("lesson-01-solution").body

    assert "<b>    sock.shutdown(socket.SHUT_WR)</b>" in body
    assert "import socket" in body


def test_shows_of_a_demo_where_to_look() -> None:
    scenario = modules()[0].SCENARIO
    solution = words(sheet(f"demo-{scenario.number:02}-{scenario.name}-solution").body)
    predict = words(sheet(f"demo-{scenario.number:02}-{scenario.name}-predict").body)

    assert all(f"{place.file}, {place.function}" in solution for place in scenario.why)
    assert scenario.because in solution
    assert scenario.because not in predict
    assert all(bet in predict for bet in scenario.bets)


def test_writes_what_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def run(line: str) -> str:
        done = CliRunner().invoke(cli, line.split(), standalone_mode=False)
        return str(done.exception or done.output)

    assert run("handout lesson 3").split() == [
        "handouts/lesson-03-predict.html",
        "handouts/lesson-03-solution.html",
    ]
    assert "silent-client" in run("handout demo 1 --out two")
    assert f"{len(SHEETS)} sheets; open all/index.html" in run("handout --out all")
    links = re.findall(r'href="([^"]*)"', (tmp_path / "all/index.html").read_text())
    assert len(links) == len(SHEETS) + 2
    assert all((tmp_path / "all" / link).is_file() for link in links)

    assert run("handout lesson") == "handout lesson needs a name, as in calcbench handout lesson 3"
    assert run("handout lesson 99") == "no lesson 99; there are 1 to 13"
    assert run("handout lessen") == "no handout 'lessen'; did you mean 'lesson'?"
    assert run("handout all 3") == "handout all takes no name; leave out '3'"


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed here")
@pytest.mark.parametrize("paper", ["A4", "Letter"])
def test_each_sheet_is_one_page(tmp_path: Path, paper: str) -> None:
    text = page("All", SHEETS).replace("@page {", f"@page {{ size: {paper};")
    (tmp_path / "all.html").write_text(text)
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu"]
    command += [f"--user-data-dir={tmp_path}/profile", "--no-pdf-header-footer"]
    command += [f"--print-to-pdf={tmp_path}/all.pdf", (tmp_path / "all.html").as_uri()]
    subprocess.run(command, check=True, capture_output=True)
    pages = re.findall(rb"/Type\s*/Page\b", (tmp_path / "all.pdf").read_bytes())

    assert len(pages) == len(SHEETS)
