"""The page of `calcbench live` in a real browser: every button does what it says."""

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
# No sandbox, since it may be root who tests; and nothing that asks for hosts of its own.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 30_000  # for a laden machine: no test is about how long something takes
MORE_THAN_EMPTY = 6_000  # letters of a picture in base64
LOOK = """(one, [pattern, patience]) => new Promise((done) => {
  const end = performance.now() + patience;
  const look = () => {
    const text = one.textContent;
    if (RegExp(pattern).test(text) || performance.now() > end) done(text);
    else requestAnimationFrame(look);
  };
  look();
})"""
PROGRAM = """
from calcbench.bench.classroom.live import clients
from calcbench.bench.cli.main import main
clients.COMPUTE_S = 1  # long enough to be seen
main()
"""
BASE_MS = 1000.0  # where the recording begins


@contextmanager
def live(*words: str) -> Iterator[str]:
    """Run `calcbench live` with *words*; yield the address of its page."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", PROGRAM, "live", "--port", "0", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    try:
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found
        yield found[0]
    finally:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)

    assert (process.returncode, errors) == (0, "")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium is here: apt-get install chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


@contextmanager
def opened(browser: Browser, url: str) -> Iterator[Page]:
    """Open *url*; what it loads from elsewhere, or complains of, fails the test."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.set_default_timeout(PATIENCE_MS)
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda one: None if one.url.startswith(url) else problems.append(one.url))
    page.goto(url)
    yield page
    page.close()

    assert problems == []


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    """The page with two servers, blocking beside selectors."""
    with live() as url, opened(browser, url) as page:
        expect.set_options(timeout=PATIENCE_MS)
        yield page


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name).click()


def sees(page: Page, pattern: str, selector: str) -> None:
    """Wait until what is written at *selector* matches *pattern*, looking at every frame."""
    text = page.locator(selector).evaluate(LOOK, [pattern, PATIENCE_MS])
    assert re.search(pattern, text)


def is_served(page: Page) -> None:
    """Wait until both servers serve their clients."""
    for side in (0, 1):
        sees(page, r"^[1-9]\d* requests? a second (is|are) served", f"#sentence-{side}")


def test_one_silent_client_stops_blocking_and_not_selectors(page: Page) -> None:
    is_served(page)
    press(page, "Silent client")

    sees(page, "Nobody is served: the main thread has waited .* for a silent client", "#sentence-0")
    sees(page, "served; 1 client is silent, and the loop serves the others", "#sentence-1")
    sees(page, r"^[1-9]", "#queue-0")
    sees(page, "^0/s$", "#rate-0")
    press(page, "Send extra clients away")
    is_served(page)


def test_a_slow_reader_keeps_an_event_loop_writing_to_it_alone(page: Page) -> None:
    page.locator("#words").evaluate("one => { one.open = true }")
    press(page, "Slow reader")

    sees(page, "selectorsevent loopwrites", "#workers")
    press(page, "Send extra clients away")
    is_served(page)


def test_a_computing_request_stops_an_event_loop(page: Page) -> None:
    press(page, "Computing request")

    sees(page, "Nobody is served: the event loop has been busy with one request", "#sentence-1")
    is_served(page)


def test_ten_times_the_clients_come_and_go(page: Page) -> None:
    button = page.get_by_role("button", name="10 × the clients")
    button.click()

    expect(button).to_have_attribute("aria-pressed", "true")
    sees(page, r"^([3-9]\d|\d{3})/s$", "#rate-1")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "false")
    sees(page, r"^\d\d?/s$", "#rate-1")


def test_a_killed_server_is_seen_to_die_and_comes_back(page: Page) -> None:
    is_served(page)
    press(page, "Kill a worker")

    sees(page, "killed", "#last")
    sees(page, "the server was killed by SIGKILL", "#sentence-0")
    is_served(page)


def test_requests_cost_what_is_chosen_and_clients_keep_their_connections(page: Page) -> None:
    page.locator("#cost").select_option("cpu=10ms")
    sees(page, "each request computes for 10 ms", "#last")
    page.locator("#keep").check()
    sees(page, "clients keep their connections", "#last")

    expect(page.locator("#cost")).to_have_value("cpu=10ms")
    page.locator("#keep").uncheck()
    page.locator("#cost").select_option("wait=30ms")
    sees(page, "each request waits 30 ms", "#last")
    is_served(page)


def test_time_is_frozen_stepped_slowed_and_replayed(page: Page) -> None:
    body = page.locator("body")
    press(page, "Freeze")
    expect(body).to_have_attribute("data-shown", "frozen")
    sees(page, "^frozen at", "#clock")
    press(page, "Step")
    sees(page, r"^(blocking|selectors): client \d+ \w+", "#last")
    sees(page, "^step by step at", "#clock")
    press(page, "Slow motion")
    expect(body).to_have_attribute("data-shown", "slow")
    press(page, "Live")
    expect(body).to_have_attribute("data-shown", "live")
    press(page, "Replay 15 s")
    sees(page, "^replay at .* ago$", "#clock")
    press(page, "Live")
    sees(page, "^live at", "#clock")


def test_every_button_has_a_key(page: Page) -> None:
    page.locator("h1").click()
    body = page.locator("body")
    for key, shown in ((" ", "frozen"), (" ", "replay"), ("m", "slow"), ("l", "live")):
        page.keyboard.press(key if key != " " else "Space")
        expect(body).to_have_attribute("data-shown", re.compile(f"{shown}|live"))
    for key, said in (
        ("1", "a silent client"),
        ("0", "leave"),
        ("2", "a slow reader"),
        ("0", "leave"),
    ):
        page.keyboard.press(key)
        sees(page, said, "#last")
    page.keyboard.press("ArrowRight")
    expect(body).to_have_attribute("data-shown", "frozen")
    page.keyboard.press("l")
    expect(body).to_have_attribute("data-shown", "live")
    keys = {one.strip() for one in page.locator("kbd").all_inner_texts()}
    assert keys == {*"123450mrlt", "space", "→"}


def test_keys_work_after_something_was_chosen(page: Page) -> None:
    for chosen, key, said in (("nothing", "1", "a silent client"), ("wait=30ms", "0", "leave")):
        page.locator("#cost").focus()
        page.locator("#cost").select_option(chosen)
        page.keyboard.press(key)
        sees(page, said, "#last")
        page.locator("#keep").click()
        page.keyboard.press("t")
        page.keyboard.press("0")
        sees(page, "leave", "#last")


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("width", [1280, 360])
def test_can_be_read_by_everybody(page: Page, theme: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    if page.evaluate("document.documentElement.dataset.theme") != theme:
        page.keyboard.press("t")
    expect(page.locator("html")).to_have_attribute("data-theme", theme)
    found = Axe().run(page).response["violations"]

    assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    picture = page.locator("#canvas-0").evaluate("canvas => canvas.toDataURL()")
    assert len(picture) > MORE_THAN_EMPTY


def test_a_strategy_is_swapped_and_a_child_can_be_killed_without_the_server(page: Page) -> None:
    page.locator("#strategy-0").focus()
    page.locator("#strategy-0").select_option("fork")
    sees(page, "fork takes over", "#last")
    page.keyboard.press("1")
    sees(page, "served; 1 client is silent, and takes a whole worker", "#sentence-0")
    page.locator("#strategy-1").select_option("threadpool")
    sees(page, "threadpool takes over", "#last")
    press(page, "Kill a worker")

    sees(page, "was killed by SIGKILL", "#sentence-1")
    sees(page, r"^[1-9]\d* requests? a second (is|are) served", "#sentence-0")


def recording() -> str:
    """Return a recording: a silent client holds blocking, while selectors serves a request."""

    def side(events: list[list[float]], **figures: float) -> dict[str, object]:
        known = {
            "left_out": 0,
            "queue": 0,
            "rate": 0,
            "p99": 5,
            "at_least": 0,
            "waiting": 0,
            "since": 0,
        }
        return {"events": events, **known, "oldest": 0, "failed": 0, **figures}

    names = [
        {"strategy": name, "pid": pid, "problem": "", "silent": 0, "slow": 0}
        for name, pid in (("blocking", 7), ("selectors", 8))
    ]
    silent: list[list[float]] = [[BASE_MS + 10, 0, 1, 0, 7, 7, 1]]
    served: list[list[float]] = [
        [BASE_MS + 20 + kind, kind, 1, int(0 < kind < 6), 8, 8, 1] for kind in range(7)
    ]
    lines: list[dict[str, object]] = [
        {"format": "calcbench live", "version": 1},
        {"kind": "state", "at": BASE_MS, "sides": names, "many": False, "keep": False, "cost": "x"},
        {"kind": "tick", "at": BASE_MS + 100, "sides": [side(silent), side(served, rate=9)]},
        {"kind": "note", "at": BASE_MS + 150, "text": "a note"},
    ]
    stopped = side([], waiting=3, oldest=2000, since=2000, queue=1, connected=4)
    lines += [
        {"kind": "tick", "at": BASE_MS + 1000 + at, "sides": [stopped, side([], rate=9)]}
        for at in range(0, 500, 100)
    ]
    return "".join(json.dumps(line) + "\n" for line in lines)


def test_a_recording_is_played_again_without_servers(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "live.jsonl"
    file.write_text(recording(), encoding="utf-8")
    with live("--replay", str(file)) as url, opened(browser, url) as page:
        sees(
            page,
            "3 clients wait, 2 of them in the server's own queue and 1 in",
            "#sentence-0",
        )
        sees(page, "^9 requests? a second (is|are) served", "#sentence-1")
        sees(page, "a note", "#last")
        expect(page.get_by_role("button", name="Silent client")).to_be_disabled()
        sees(page, "^frozen at 2.4 s", "#clock")  # it has ended
        page.evaluate("for (const id of ['again', 'step']) document.getElementById(id).click()")
        steps = []
        for _ in range(8):
            steps.append(page.locator("#last").inner_text())
            press(page, "Step")
        client = "selectors: client 1"
        assert steps == [
            "blocking: client 1 is accepted",
            f"{client} is accepted",
            f"{client} sends its first octet",
            f"{client} is read",
            f"{client} is being handled",
            f"{client} is handled",
            f"{client} has its response",
            f"{client} is closed",
        ]
        sees(page, "nothing more has happened yet", "#last")
