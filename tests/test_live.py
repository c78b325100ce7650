"""`calcbench live` without a browser: who may press, what is told, and that nothing is left."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from email.message import Message
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

import pytest

from calcbench.bench.analysis.inference import Comparison
from calcbench.bench.classroom.live.commands import Ask, Silent, Swap, parse_command
from calcbench.bench.classroom.live.cost import Cost, measure, tell
from calcbench.bench.classroom.live.figures import Figures
from calcbench.bench.classroom.live.guard import HEADERS, why_refused
from calcbench.bench.classroom.live.page import assets
from calcbench.bench.classroom.live.recording import (
    ENDED,
    MOST_BYTES,
    Recorder,
    read_recording,
)
from calcbench.bench.classroom.live.side import MOST_EVENTS, fewer
from calcbench.bench.classroom.live.stage import Stage
from calcbench.bench.classroom.live.viewers import BEHIND, Viewers
from calcbench.core.errors import CalcbenchError, UsageError
from calcbench.core.serving.lifecycle import Event, Kind

MS = 1_000_000
WITHOUT = """
import sys
sys.modules |= dict.fromkeys(["starlette", "uvicorn"])
from calcbench.bench.cli.main import main
main()
"""


def calcbench(*words: str, program: str = "-m calcbench") -> "subprocess.CompletedProcess[str]":
    start = ["-c", WITHOUT] if program == WITHOUT else program.split()
    return subprocess.run(
        [sys.executable, "-P", *start, *words], capture_output=True, text=True, check=False
    )


# What the clients see -----------------------------------------------------------------------------


def test_counts_what_waits_into_the_99th_percentile() -> None:
    figures = Figures()
    for number in range(3):
        figures.receive(figures.send(number * MS), (number + 10) * MS)
    told = figures.as_json(20 * MS)

    assert (told["rate"], told["p99"], told["at_least"], told["waiting"]) == (3, 10.0, 0, 0)
    figures.send(20 * MS)
    told = figures.as_json(3_020 * MS)
    assert (told["rate"], told["p99"], told["at_least"]) == (0, 3000.0, 1)
    assert (told["waiting"], told["oldest"]) == (1, 3000)


def test_forgets_responses_after_five_seconds_and_counts_failures() -> None:
    figures = Figures()
    figures.receive(figures.send(0), MS)
    figures.fail(figures.send(0))
    figures.forget(figures.send(0))
    told = figures.as_json(6_000 * MS)

    assert (told["p99"], told["failed"], told["waiting"]) == (None, 1, 0)


# Commands -----------------------------------------------------------------------------------------


def test_reads_the_commands_of_the_buttons() -> None:
    assert parse_command(b'{"do":"silent"}', ()) == Silent()
    assert parse_command(b'{"do":"ask","cost":"nothing"}', ()) == Ask("nothing")
    swap = b'{"do":"swap","side":1,"strategy":"fork"}'
    assert parse_command(swap, ("fork",)) == Swap(1, "fork")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b'{"do":"format"}',
        b'{"do":"silent","count":99}',
        b'{"do":"ask","cost":"cpu=60s"}',
        b'{"do":"crowd","on":7}',
        b'{"do":"swap","side":2,"strategy":"fork"}',
        b'{"do":"swap","side":0,"strategy":"../evil.py"}',
        b'{"do":"swap","side":true,"strategy":"fork"}',
        b'{"do":"silent"}\xff',
    ],
)
def test_refuses_what_no_button_says(text: bytes) -> None:
    with pytest.raises(UsageError, match=r"no such|should be"):
        parse_command(text, ("fork",))


# Who may ------------------------------------------------------------------------------------------

HERE = {"host": "127.0.0.1:8000"}
JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    "headers",
    [
        HERE,
        {"host": "localhost:8000"},
        {"host": "[::1]:8000"},
        HERE | {"origin": "http://127.0.0.1:8000", "sec-fetch-site": "same-origin"},
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_lets_our_own_page_in(method: str, headers: dict[str, str]) -> None:
    assert why_refused(method, "/", headers | JSON, "") is None


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", {}, 403),
        ("GET", {"host": "evil.example:8000"}, 403),  # a name that leads to us
        ("GET", {"host": "[::1"}, 403),
        ("GET", {"host": "127.0.0.1.evil.example"}, 403),
        ("POST", HERE | JSON | {"origin": "http://evil.example"}, 403),
        ("POST", HERE | JSON | {"origin": "null"}, 403),
        ("POST", HERE | JSON | {"origin": "http://127.0.0.1:9"}, 403),  # another server of ours
        ("POST", HERE | JSON | {"sec-fetch-site": "cross-site"}, 403),
        ("POST", HERE | {"content-type": "text/plain"}, 415),  # what a form can send
        ("POST", HERE, 415),
    ],
)
def test_lets_nobody_else_in(method: str, headers: dict[str, str], status: int) -> None:
    refused = why_refused(method, "/command", headers, "")

    assert refused
    assert refused[0] == status


@pytest.mark.parametrize("path", ["/", "/wrong/", "/tokenx/", "/tok/", "//token/", "/tökén/"])
def test_asks_for_the_token(path: str) -> None:
    assert why_refused("GET", path, HERE, "token") is not None
    assert why_refused("GET", "/token/", {"host": "any.example"}, "token") is None
    cross = JSON | {"host": "any.example", "origin": "http://evil.example"}
    assert why_refused("POST", "/token/command", cross, "token") is not None


# What is told -------------------------------------------------------------------------------------


def make_events(count: int) -> list[Event]:
    return [
        Event(at, Kind(at % 5 + 1), at // 5 % 90 + 1, at // 450 + 1, 1, 1, 1) for at in range(count)
    ]


def test_tells_of_whole_requests_where_there_are_too_many() -> None:
    events = make_events(5 * MOST_EVENTS)
    told = fewer(events)
    kinds: dict[tuple[int, int], set[Kind]] = {}
    for event in told:
        kinds.setdefault((event.connection, event.request), set()).add(event.kind)

    assert 0 < len(told) <= MOST_EVENTS
    assert {len(one) for one in kinds.values()} == {5}
    assert fewer(events[:MOST_EVENTS]) == events[:MOST_EVENTS]


def test_cuts_off_a_viewer_that_is_too_slow() -> None:
    async def watch() -> int:
        viewers = Viewers()
        stream = viewers.watch({"kind": "offers"})
        assert await anext(stream) == 'data: {"kind": "offers"}\n\n'
        for number in range(BEHIND + 5):
            viewers.send({"kind": "tick", "number": number})
        seen = [text async for text in stream]
        return len(seen)

    assert asyncio.run(watch()) == BEHIND


def test_tells_a_new_viewer_what_has_happened_lately() -> None:
    async def watch() -> list[str]:
        viewers = Viewers()
        viewers.send({"kind": "state"})
        for number in range(300):
            viewers.send({"kind": "tick", "number": number})
        stream = viewers.watch({"kind": "offers"})
        seen = [await anext(stream) for _ in range(202)]
        viewers.close()
        assert [text async for text in stream] == []
        return seen

    seen = asyncio.run(watch())
    assert '"state"' in seen[1]
    assert '"number":100}' in seen[2]
    assert '"number":299}' in seen[-1]


def test_tells_on_which_side_something_has_happened() -> None:
    told: list[dict[str, object]] = []
    stage = Stage(("threadpool", "fork"), (), told.append)
    stage.note("a kill", "✕", stage.sides[1])
    stage.note("a silent client comes", "+1 silent")

    assert (told[0]["side"], told[0]["mark"]) == (1, "✕")
    assert "side" not in told[1]


# Recordings ---------------------------------------------------------------------------------------

NOTE = {"kind": "note", "at": 1.5, "text": "a note"}


def test_reads_what_it_has_recorded(tmp_path: Path) -> None:
    file = tmp_path / "new" / "live.jsonl"
    with Recorder(file) as recorder:
        recorder.write(NOTE)

    assert json.loads(read_recording(file)) == NOTE
    with pytest.raises(UsageError, match="exists; name a new file"):
        Recorder(file)


def test_ends_a_recording_that_is_full(tmp_path: Path) -> None:
    file = tmp_path / "live.jsonl"
    with Recorder(file) as recorder:
        recorder.write(NOTE)
        recorder.write(NOTE | {"text": "x" * MOST_BYTES})
        recorder.write(NOTE)
    first, last = map(json.loads, read_recording(file).splitlines())

    assert (first, last["text"]) == (NOTE, ENDED)


HEAD = '{"format": "calcbench live", "version": 1}\n'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is no recording of calcbench live"),
        ("[1]\n", "is no recording of calcbench live"),
        ("\x00\x01", "is no recording of calcbench live"),
        ('{"format": "calcbench live", "version": 9}\n', "is of another version"),
        (HEAD, "is empty"),
        (HEAD + '{"kind": "no', "is empty"),  # it was cut off
        (HEAD + "{}\n", "is damaged in line 2"),
        (HEAD + '{"kind": "note", "at": "x", "text": ""}\n', "is damaged in line 2"),
        (HEAD + '{"kind": "note", "at": 1, "text": "", "side": 2}\n', "is damaged in line 2"),
        (HEAD + '{"kind": "tick", "at": 1, "sides": [{}]}\n', "is damaged in line 2"),
        (HEAD + '{"kind": "tick", "at": 1, "sides": [{}, {"events": [[1]]}]}\n', "line 2"),
    ],
)
def test_says_in_one_line_why_a_file_is_no_recording(
    tmp_path: Path, text: str, problem: str
) -> None:
    file = tmp_path / "live.jsonl"
    file.write_text(text, encoding="utf-8")

    with pytest.raises(CalcbenchError, match=problem):
        read_recording(file)


# The command --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("--strategy fork", "--strategy 'fork' should name two"),
        ("--strategy fork,selector", "no strategy 'selector'; did you mean 'selectors'?"),
        ("--replay x --record y", "--replay and --record exclude one another"),
        ("--cost --open", "--cost and --open exclude one another"),
        ("--host ''", "should be a name or an address"),
    ],
)
def test_says_what_is_wrong_with_the_command_line(words: str, problem: str) -> None:
    done = calcbench("live", *[word.strip("'") for word in words.split()])

    assert (done.returncode, done.stdout) == (2, "")
    assert problem in done.stderr
    assert done.stderr.count("\n") == 1


def test_says_what_to_install() -> None:
    done = calcbench("live", program=WITHOUT)

    assert done.returncode == 2
    install = "pip install 'calcbench[live]'"
    assert done.stderr == f"calcbench: calcbench live needs Starlette and uvicorn: {install}\n"


def test_says_that_the_port_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = calcbench("live", "--port", str(port))

    assert done.returncode == 1
    assert f"port {port} is taken" in done.stderr
    assert "Traceback" not in done.stderr


@contextmanager
def live(*words: str, **environment: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Run `calcbench live` with *words*; yield its process and the address of its page."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "calcbench", "live", "--port", "0", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    )
    assert process.stdout
    try:
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found
        yield process, found[0]
    finally:
        process.kill()
        process.communicate()


class Answer(NamedTuple):
    status: int
    headers: Message
    body: bytes


def ask(url: str, path: str = "", method: str = "GET", **headers: str) -> Answer:
    host, _, rest = url.removeprefix("http://").partition("/")
    body = '{"do":"leave"}' if method == "POST" else None
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with closing(HTTPConnection(host, timeout=60)) as connection:
        connection.request(method, f"/{rest}{path}", body, named)
        with connection.getresponse() as response:
            return Answer(response.status, response.headers, response.read())


def first_state(url: str) -> dict[str, list[dict[str, int]]]:
    """Return the first that the page is told of the state."""
    host = url.removeprefix("http://").strip("/")
    with closing(HTTPConnection(host, timeout=60)) as connection:
        connection.request("GET", "/events")
        with connection.getresponse() as response:
            told = (line for line in response if b'"kind":"state"' in line)
            found: dict[str, list[dict[str, int]]] = json.loads(next(told).removeprefix(b"data: "))
            return found


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_leaves_nothing_behind(how: signal.Signals) -> None:
    with live("--strategy", "blocking,fork") as (process, url):
        state = first_state(url)
        pids = [side["pid"] for side in state["sides"]]
        assert all(map(is_there, pids))
        process.send_signal(how)
        _, errors = process.communicate(timeout=60)

    assert (process.returncode, errors) == (0, "")
    assert not any(map(is_there, pids))


@pytest.mark.slow
def test_serves_nothing_from_elsewhere_and_nobody_else() -> None:
    with live() as (_, url):
        page = ask(url)
        assert page.status == 200
        for name, value in HEADERS.items():
            assert page.headers[name] == value
        for name in assets():
            assert ask(url, name).status == 200
        assert ask(url, "nothing.js").status == 404
        assert ask(url, "..%2fguard.py").status == 404
        assert ask(url, host="evil.example").status == 403
        assert ask(url, "command", "POST", content_type="application/json").status == 200
        assert ask(url, "command", "POST", content_type="text/plain").status == 415
        evil = {"content_type": "application/json", "origin": "http://evil.example"}
        assert ask(url, "command", "POST", **evil).status == 403


@pytest.mark.slow
def test_asks_others_for_the_token_in_everything(tmp_path: Path) -> None:
    file = tmp_path / "live.jsonl"
    file.write_text(HEAD + json.dumps(NOTE) + "\n", encoding="utf-8")
    with live("--host", "localhost", "--replay", str(file)) as (_, url):
        assert ask(url).status == 200
        bare = url[: url.index("/", 8) + 1]
        assert len(url) > len(bare) + 16
        for path in ("", "live.css", "recording", "events", "wrong/", "wrong/recording"):
            assert ask(bare, path).status == 403
        recording = ask(url, "recording").body

    assert json.loads(recording) == NOTE


@pytest.mark.slow
def test_says_that_nothing_here_opens_the_page(tmp_path: Path) -> None:
    file = tmp_path / "live.jsonl"
    file.write_text(HEAD + json.dumps(NOTE) + "\n", encoding="utf-8")
    nothing = str(tmp_path / "none")
    with live("--open", "--replay", str(file), BROWSER=nothing) as (process, url):
        assert ask(url).status == 200
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)

    why = f"cannot start {nothing}, because it is not here"
    assert errors == f"calcbench: {why}: open {url} yourself\n"


# What watching costs ------------------------------------------------------------------------------


@pytest.mark.slow
def test_measures_what_watching_costs() -> None:
    cost = measure("selectors", slices=2, rate=5_000)

    assert cost.plain_ns > 0
    assert cost.watched_ns > 0
    assert "selectors: " in tell("selectors", cost)


def test_says_whether_watching_costs_too_much() -> None:
    def line(ratio: float) -> str:
        found = Comparison(ratio, 1.0, 1.1, test="exact signed-rank")
        return tell("fork", Cost(40_000, 41_000, found, 4))

    assert line(1.03).startswith("fork: 40.0 µs a request, watched 41.0 µs: 3.00 % more")
    assert "within the 5 %" in line(1.03)
    assert "0.1% of a core" in line(1.03)
    assert "over the 5 %" in line(1.06)
    assert "one request in 4" in line(1.03)
    assert "does not tell" in tell("fork", Cost(0, 0, Comparison(), 1))
