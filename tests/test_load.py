"""`calcbench load` against servers of every kind: URLs, sockets, framings, and what is expected."""

import json
import os
import re
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from truth import LONG_S, Behaviour, drive, only, truth, until

from calcbench.bench.cli.load import contents, question_of
from calcbench.bench.cli.main import cli
from calcbench.bench.runner.remote import (
    Question,
    Target,
    ask_of,
    parse_header_options,
    parse_target,
)
from calcbench.bench.schema.plan import CLOSE, KEEP_ALIVE
from calcbench.bench.schema.result import read_run
from calcbench.bench.schema.samples import read_samples
from calcbench.core.errors import CalcbenchError, UsageError

HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://a.example", Target("a.example/", "a.example", 80, "/")),
        ("http://127.0.0.1:80/x?y=1", Target("127.0.0.1:80/x?y=1", "127.0.0.1", 80, "/x?y=1")),
        ("http://[::1]:8080/", Target("[::1]:8080/", "::1", 8080, "/")),
        ("HTTP://a:1/%20#part", Target("a:1/%20", "a", 1, "/%20")),
    ],
)
def test_reads_a_url(url: str, target: Target) -> None:
    assert parse_target(url) == target


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("a.example", "without http://"),
        ("https://a/", "only plain HTTP"),
        ("http://", "names no host"),
        ("http://a:x/", "is no URL"),
        ("http://a:99999/", "is no URL"),
        ("http://[::1/", "is no URL"),
        ("http://me:secret@a/", "Authorization"),
        ("http://a/\u00e4", "percent-encoded"),
        ("http://a/b c", "percent-encoded"),
        ("http://\u00e4/", "in ASCII"),
    ],
)
def test_says_what_is_wrong_with_a_url(url: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_target(url)


@pytest.mark.parametrize(
    "field",
    ["Accept", "Accept : x", ": x", "A b: c", "A: b\r\nC: d", "Connection: close", "A: \u20ac"],
)
def test_lets_no_field_spoil_a_request(field: str) -> None:
    with pytest.raises(UsageError):
        parse_header_options([field])


def test_asks_what_it_is_told_to() -> None:
    target = parse_target("http://[::1]:8080/a?b")
    plain = ask_of(Question(), target, KEEP_ALIVE)
    posted = ask_of(
        Question("PUT", ("Host: other", "A:b"), b"\xff\x00", 201, b"\xfe"), target, CLOSE
    )

    assert plain.request == "GET /a?b HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n"
    assert (plain.method, plain.status, plain.body) == ("GET", 0, None)
    assert posted.request == (
        "PUT /a?b HTTP/1.1\r\nHost: other\r\nA:b\r\nContent-Length: 2\r\nConnection: close\r\n\r\n"
        "\xff\x00"
    )
    assert (posted.method, posted.status, posted.body) == ("PUT", 201, "\xfe")


def test_guesses_the_method_by_the_body(tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(b"\x00\xff")

    assert question_of(None, (), None, None, None).method == "GET"
    assert question_of(None, (), "x", None, None).method == "POST"
    assert question_of("DELETE", (), None, None, "").right_body == b""
    assert question_of(None, (), f"@{tmp_path / 'body'}", None, None).body == b"\x00\xff"
    with pytest.raises(UsageError, match="cannot read"):
        question_of(None, (), "@/nowhere", None, None)
    with pytest.raises(UsageError, match="200 to 599"):
        question_of(None, (), None, 100, None)
    with pytest.raises(UsageError, match="should be one like GET"):
        question_of("GET /", (), None, None, None)


def says(octets: bytes, *, close: bool = False) -> Behaviour:
    """Answer every request with *octets*; the request is whatever ends in an empty line."""

    def behave(conn: socket.socket) -> None:
        data = b""
        while received := conn.recv(65536):
            data += received
            if data.endswith(b"\r\n\r\n"):
                data = b""
                conn.sendall(octets)
                if close:
                    return

    return behave


def ask(method: str = "GET", **changes: Any) -> dict[str, Any]:
    """Return the fields of a drive that asks a truth server."""
    question = Question(method, **changes)
    return {"ask": ask_of(question, Target("t", "t", 80, "/"), KEEP_ALIVE)}


CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"
LONG = b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 3_000_000


@pytest.mark.slow
@pytest.mark.parametrize(
    ("octets", "fields"),
    [
        (HELLO, ask()),
        (HELLO, ask(right_body=b"hello")),
        (CHUNKS, ask(right_body=b"hello")),
        (b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", ask()),
        (b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", ask(status=404)),
        (b"HTTP/1.1 204 No Content\r\n\r\n", ask(status=204)),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", ask()),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", ask("HEAD")),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", ask("HEAD")),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + HELLO, ask(right_body=b"hello")),
        (LONG, ask(right_body=b"x" * 3_000_000)),
        (LONG, ask()),
    ],
    ids=lambda value: None if isinstance(value, dict) else value[:40].decode(),
)
def test_takes_right_responses_of_any_server(octets: bytes, fields: dict[str, Any]) -> None:
    with truth(says(octets)) as port:
        seen = drive(port, connections=2, duration_s=0.2, **fields)

    assert only(seen, "ok")


@pytest.mark.slow
@pytest.mark.parametrize("octets", [b"HTTP/1.1 200 OK\r\n\r\nhello", HELLO, CHUNKS])
def test_takes_responses_that_end_with_their_connection(octets: bytes) -> None:
    closing = octets.replace(b" OK\r\n", b" OK\r\nConnection: close\r\n")
    with truth(says(closing, close=True)) as port:
        seen = drive(port, **ask(right_body=b"hello"))

    assert only(seen, "ok")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("octets", "close", "fields", "outcome"),
    [
        (b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", False, ask(), "http_error"),
        (HELLO, False, ask(status=201), "http_error"),
        (HELLO, False, ask(right_body=b"hallo"), "wrong"),
        (HELLO, False, ask("HEAD"), "wrong"),
        (HELLO[:-1], True, ask(), "wrong"),
        (HELLO + b"!", False, ask(), "wrong"),
        (CHUNKS[:-5], True, ask(), "wrong"),
        (CHUNKS[:-2] + b"!\r\n\r\n", False, ask(), "wrong"),
        (b"SSH-2.0-x\r\n\r\n", False, ask(), "wrong"),
        (b"", True, ask(), "reset"),
        (CHUNKS[:-2], False, ask(), "timed_out"),
        (HELLO[:30], False, ask(), "timed_out"),
    ],
)
@pytest.mark.parametrize("rate", [0, 100])
def test_counts_every_failure_as_what_it_is(
    octets: bytes, close: bool, fields: dict[str, Any], outcome: str, rate: float
) -> None:
    with truth(says(octets, close=close)) as port:
        timeout_s = 0.08 if outcome == "timed_out" else LONG_S
        # Some times as long as a client pauses behind a failure.
        seen = drive(port, rate=rate, duration_s=0.3, timeout_s=timeout_s, **fields)

    assert only(seen, outcome)


def six() -> socket.socket:
    try:
        return socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 here")


@pytest.mark.slow
def test_connects_over_ipv6() -> None:
    with truth(says(HELLO), six()) as port:
        seen = drive(port, host="::1", **ask())

    assert only(seen, "ok")


@pytest.mark.slow
def test_connects_over_a_unix_socket(tmp_path: Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "app.sock"))
    listener.listen()
    with truth(says(HELLO), listener):
        seen = drive(0, unix=str(tmp_path / "app.sock"), rate=100, **ask())
        gone = drive(0, unix=str(tmp_path / "gone.sock"), duration_s=0.2, **ask())

    assert only(seen, "ok")
    assert only(gone, "refused")


@pytest.fixture
def hello() -> Iterator[str]:
    with truth(says(HELLO)) as port:
        yield f"http://127.0.0.1:{port}"


SHORT = ("--warmup", "0.05", "--rounds", "1", "--connections", "2")


def load(*args: str) -> str:
    return (
        CliRunner()
        .invoke(cli, ["load", *args], catch_exceptions=False, standalone_mode=False)
        .output
    )


def load_until_some_ended(parent: Path, *args: str) -> tuple[str, Path]:
    """Load into *parent*, for longer where a window was too short for anything to end in it.

    Returns what was printed, and the folder of the run.
    """

    def measure(duration_s: float) -> tuple[str, Path]:
        shutil.rmtree(parent)
        words = ["load", *args, "--duration", str(duration_s), "--out", str(parent)]
        result = CliRunner().invoke(cli, words, standalone_mode=False)
        if not isinstance(result.exception, CalcbenchError | None):
            raise result.exception
        [folder] = parent.iterdir()
        return result.output, folder

    def some_ended(seen: tuple[str, Path]) -> bool:
        return all(one.outcomes.total for one in read_run(seen[1]).measurements)

    return until(some_ended, measure, 0.2)


@pytest.mark.slow
def test_writes_a_result_like_that_of_a_race(hello: str, tmp_path: Path) -> None:
    output, folder = load_until_some_ended(
        tmp_path, f"{hello}/a", f"{hello}/b", *SHORT, "-H", "Cookie: secret"
    )
    run = read_run(folder)
    names = [label.partition("/")[2] for label in run.plan.strategies]

    assert "/a" in output
    assert names == ["a", "b"]
    assert run.plan.workloads == ("GET",)
    assert len(run.measurements) == 2
    assert all(measurement.outcomes.ok for measurement in run.measurements)
    assert run.options[run.plan.strategies[0]]["path"] == "/a"
    assert len(read_samples(folder, run.measurements[0])["done_ns"])
    assert list((folder / "charts").iterdir())


@pytest.fixture
def no_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calcbench.bench.views.charts.draw_charts", lambda *_, **__: [])


@pytest.mark.slow
@pytest.mark.usefixtures("no_charts")
def test_tells_everything_to_a_program(hello: str, tmp_path: Path) -> None:
    more = ["--duration", "0.2", "--out", str(tmp_path), "--json", "-q", "--rate", "50"]
    args = ["load", f"{hello}/", *SHORT, *more]
    # A driver that is late on a busy machine makes it fail, and is told all the same.
    output = CliRunner().invoke(cli, args, standalone_mode=False).output
    whole = json.loads(output[: output.rindex("}") + 1])
    row = whole["summary"]["rows"][0]

    assert whole["run"]["plan"]["rate"] == 50
    assert row["condition"]["workload"] == "GET"


@pytest.mark.slow
@pytest.mark.usefixtures("no_charts")
def test_fails_when_nothing_answers_rightly(hello: str, tmp_path: Path) -> None:
    with pytest.raises(CalcbenchError, match="failed"):
        load(f"{hello}/", *SHORT, "--duration", "0.2", "--out", str(tmp_path), "--expect", "404")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("http://a/", "http://a/"), "given twice"),
        (("http://a/", "--arrivals", "poisson"), "--arrivals needs --rate"),
        (("http://a/", "--rate", "0"), "rate 0 should be above 0"),
        (("http://a/", "--rate", "2e6"), "at most 400,000 for each of the drivers"),
        (("http://a/", "http://b/", "--control", "http://c/"), "http://c/ should be raced"),
        (("http://a/", "--find-knee"), "needs --slo"),
        (
            ("http://a/", "--rate", "0.1", "--duration", "5"),
            "less than one request is due in --duration 5",
        ),
        (("http://a/", "--timeout", "0"), "timeout 0 should be"),
        (("http://a/", "--rate", "quick"), "should be requests per second"),
        (("http://a/", "--rate", "5", "--arrivals", "posson"), "did you mean 'poisson'"),
        (("http://a/", "--drivers", "0"), "drivers 0 should be 1 to"),
        (("http://a/", "--behaviour", "idle"), "without a number"),
        (("http://a/", "--unix-socket", "/nowhere"), "no Unix socket"),
        (("http://a/", "-H", "nonsense"), "should be like"),
    ],
)
def test_says_what_a_command_line_should_be(args: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load(*args)


@pytest.mark.slow
@pytest.mark.usefixtures("no_charts")
def test_loads_one_of_several_twice_as_a_control(hello: str, tmp_path: Path) -> None:
    more = ("--rounds", "2", "--control", f"{hello}/a", "-q")
    _, folder = load_until_some_ended(tmp_path, f"{hello}/a", f"{hello}/b", *SHORT, *more)
    seen = {m.condition.strategy.partition("/")[2] for m in read_run(folder).measurements}

    assert seen == {"a", "b", "a (again)"}


@pytest.mark.slow
def test_searches_the_highest_rate_of_any_server(hello: str, tmp_path: Path) -> None:
    def measure(duration_s: float) -> tuple[str, dict[str, Any]]:
        shutil.rmtree(tmp_path)
        args = ("--find-knee", "--slo", "p99<0.001ms", "--warmup", "0.01", "-q")
        with pytest.raises(CalcbenchError) as failed:
            load(f"{hello}/", *args, "--duration", str(duration_s), "--out", str(tmp_path))
        [folder] = tmp_path.iterdir()
        return str(failed.value), json.loads((folder / "knee.json").read_text())

    def could_be_tried(seen: tuple[str, dict[str, Any]]) -> bool:
        return "no response came" not in seen[1]["knees"][0]["note"]

    told, found = until(could_be_tried, measure, 0.05)

    # Nothing is as quick as that, or else the driver is late: there is no knee either way.
    assert re.search(r"sustained any rate|could be judged", told)
    assert found["plan"]["connections"] == [256]
    assert found["knees"][0]["tries"]


def test_says_that_there_is_no_such_host() -> None:
    with pytest.raises(CalcbenchError, match="cannot be the name of a host"):
        drive(0, host="x" * 64)  # no resolver is asked for that


def test_sends_the_octets_that_were_typed() -> None:
    assert contents(os.fsdecode(b"a\xff")) == b"a\xff"
    assert contents("µ") == "µ".encode()
