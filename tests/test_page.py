"""The page at ``/``: plain for curl, HTML for a browser."""

import os
from html.parser import HTMLParser

import pytest
from builders import make_request
from client import Client
from servers import make_spec

from calcbench.core.app.application import PAGE, make_handle
from calcbench.core.app.calculator import OPERATIONS
from calcbench.core.app.page import HTML, About, Notice, OptionInUse, Page, split_host
from calcbench.core.app.workload import parse_workload, with_workload
from calcbench.core.http.message import TEXT, Response
from calcbench.core.serving.board import notice_board
from calcbench.core.serving.launcher import launch

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
VOID = {"meta", "link", "input", "br"}


class Reader(HTMLParser):
    """What a page holds: its links, its headings, its text; and whether every element is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.sources: list[str] = []
        self.seen: list[str] = []
        self.ids: list[str] = []
        self.language = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.seen.append(tag)
        if tag == "a":
            self.links.append(given["href"] or "")
        self.sources += [value or "" for name, value in attrs if name in ("src", "srcset")]
        if tag == "link":
            self.sources.append(given["href"] or "")
        if "id" in given:
            self.ids.append(given["id"] or "")
        if tag == "html":
            self.language = given["lang"] or ""
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def ask(about: About, path: str = "/", **headers: str) -> Response:
    """Return what a server that is *about* this responds."""
    handle = make_handle(Page(PAGE, about))
    workload = parse_workload(about.workload)
    return with_workload(handle, workload, 1)(make_request("GET", path, headers=headers))


def html(about: About, **headers: str) -> str:
    return ask(about, **(BROWSER | headers)).body.decode()


@pytest.mark.parametrize(
    "accept", [None, "*/*", "text/plain", "text/html, text/plain", "image/png"]
)
def test_is_plain_for_whoever_does_not_prefer_html(accept: str | None) -> None:
    headers = {} if accept is None else {"Accept": accept}
    response = ask(About("fork"), **headers)

    assert (response.status, response.content_type, response.body) == (200, TEXT, PAGE)
    assert (b"Vary", b"Accept") in response.headers


@pytest.mark.parametrize("accept", ["text/html", BROWSER["Accept"], "text/plain;q=0.9, text/*"])
def test_is_html_for_a_browser(accept: str) -> None:
    response = ask(About("fork"), Accept=accept)

    assert (response.status, response.content_type) == (200, HTML)
    assert (b"Vary", b"Accept") in response.headers


@pytest.mark.parametrize("workload", ["add", "asked", "wait=1ms"])
def test_is_well_formed_and_complete_in_itself(workload: str) -> None:
    reader = Reader(html(About("threadpool", workload=workload)))

    assert reader.open == []
    assert reader.language == "en"
    assert reader.seen.count("h1") == reader.seen.count("title") == 1
    assert len(reader.ids) == len(set(reader.ids))
    assert [source for source in reader.sources if not source.startswith("data:")] == []
    assert [link for link in reader.links if not link.startswith("/")] == []


def test_has_links_that_work() -> None:
    about = About("threadpool", workload="asked")
    links = [link for link in Reader(html(about)).links if "#" not in link]
    slow = [link for link in links if "?" in link]
    quick = {link: ask(about, link).status for link in links if link not in slow}

    assert {link.split("/")[1].encode() for link in quick} >= set(OPERATIONS)
    assert sorted(set(quick.values())) == [200, 404, 422]
    assert [parse_workload(link.partition("?")[2]).kind for link in slow] == [
        "wait",
        "block",
        "cpu",
    ]
    assert not any("?" in link for link in Reader(html(About("threadpool"))).links)


def test_says_what_the_server_is() -> None:
    options = [OptionInUse("workers", "2", "threads in the pool")]
    page = html(About("threadpool", "A pool.", options, "cpu=1us", "Python 3.99", 4711))

    for text in ("threadpool", "A pool.", "workers", "<b>2</b> threads in the pool", "cpu=1us"):
        assert text in page
    assert f"a child process, {os.getpid()}" in page  # for the server is process 4711
    assert "the server's own process" in html(About("fork")).replace("&#x27;", "'")


def test_says_who_waits_where_somebody_watches() -> None:
    about = About("fork", notice=lambda: Notice(["#1 <holds> main"], 0.25))

    assert "--watch" in html(About("fork"))
    assert "<li>#1 &lt;holds&gt; main</li>" in html(about)
    assert "Nobody is connected" in html(About("fork", notice=lambda: Notice([], 0.0)))


def test_shows_no_host_as_it_is_sent() -> None:
    page = html(About("fork", "<script>"), Host="a'b:80")

    assert "<script>\n" in page
    assert "&lt;script&gt;" in page
    assert "a'b" not in page


@pytest.mark.parametrize(
    ("host", "parts"),
    [
        ("localhost:8080", ("localhost", "8080")),
        ("localhost", ("localhost", "80")),
        ("[::1]:8080", ("::1", "8080")),
        ("[::1]", ("::1", "80")),
    ],
)
def test_names_the_host_as_netcat_takes_it(host: str, parts: tuple[str, str]) -> None:
    assert split_host(host) == parts


# The board


def test_has_a_board_that_says_what_was_written_last() -> None:
    with notice_board() as board:
        assert board.read() is None
        board.write(["one", "two"])
        board.write(["three"])
        notice = board.read()
        board.write([])
        empty = board.read()

    assert notice
    assert notice.lines == ["three"]
    assert empty
    assert empty.lines == []


def test_reads_no_half_of_a_notice() -> None:
    with notice_board() as board:
        board.write(["one"])
        os.pwrite(board.fd, b"?", 17)

        assert board.read() is None


@pytest.mark.slow
def test_tells_every_process_of_a_server_what_it_is(strategy: str) -> None:
    with notice_board() as board:
        board.write(["#1 waits"])
        with launch(make_spec(strategy, board=board.fd)) as server, Client(server) as client:
            response = client.get("/", "Accept: text/html")

    page = response.body.decode()
    assert response.headers[b"content-type"] == HTML
    assert f"<h1>calcbench: {strategy}</h1>" in page
    assert f"<b>{server.pid}</b>" in page
    assert "<li>#1 waits</li>" in page
