"""`calcbench load` against servers of every kind: URLs, sockets, framings, and what is expected."""

import ipaddress
import json
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from builders import only_run
from click.testing import CliRunner
from truth import LONG_S, Behaviour, drive, nobody, only, truth, until

from calcbench.bench.cli.load import contents, question_of
from calcbench.bench.cli.main import cli
from calcbench.bench.loadgen.driver import address
from calcbench.bench.loadgen.driver.address import find, reachable_address
from calcbench.bench.loadgen.spec import LoadSpec, ring
from calcbench.bench.runner.remote import (
    Question,
    Target,
    among_targets,
    ask_of,
    parse_header_options,
    parse_target,
)
from calcbench.bench.schema.plan import CLOSE, KEEP_ALIVE
from calcbench.bench.schema.reader import read_run
from calcbench.bench.schema.samples import read_samples
from calcbench.core.errors import CalcbenchError, UsageError

HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://a.example", Target("a.example/", "a.example", 80, "/")),
        ("http://127.0.0.1:80/x?y=1", Target("127.0.0.1:80/x?y=1", "127.0.0.1", 80, "/x?y=1")),
        ("http://[::1]:8080/", Target("[::1]:8080/", "::1", 8080, "/")),
        ("HTTP://A:1/%20#part", Target("a:1/%20", "a", 1, "/%20")),
        ("http://a:/x", Target("a/x", "a", 80, "/x")),
        (
            "http://[FE80::1%25Eth0]:8080/",
            Target("[fe80::1%25Eth0]:8080/", "fe80::1%Eth0", 8080, "/"),
        ),
        ("http://[fe80::1%lo]/", Target("[fe80::1%25lo]/", "fe80::1%lo", 80, "/")),
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
        ("http:///path", "names no host"),
        ("http://:80/", "names no host"),
        ("http://a:x/", "a port from 1 to 65,535"),
        ("http://a:0/", "a port from 1 to 65,535"),
        ("http://[::1]:00/", "a port from 1 to 65,535"),
        ("http://a:65536/", "a port from 1 to 65,535"),
        ("http://a:-1/", "a port from 1 to 65,535"),
        ("http://a%20b/", "cannot be the name of one"),
        ("http://a b/", "cannot be the name of one"),
        ("http://[fe80::1%25]/", "its zone like"),
        ("http://[fe80::1%25a%20b]/", "is no URL|its zone like"),  # as Python's version has it
        ("http://[::1/", "is no URL"),
        ("http://[::1]a/", "is no URL|beside its brackets"),
        ("http://[::1]80/", "is no URL|beside its brackets"),
        ("http://a[::1]:80/", "is no URL|beside its brackets"),
        ("http://me:secret@a/", "Authorization"),
        ("http://@a/", "Authorization"),
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
    target = parse_target("http://[::1%25lo]:8080/a?b")  # whose zone is nobody else's business
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


def test_sends_no_zone_to_a_calculator() -> None:
    [(request, _)] = ring(LoadSpec("fe80::1%lo", 80, 1, True, 1, variety=1))

    assert b"\r\nHost: [fe80::1]:80\r\n" in request


def test_repeats_no_password() -> None:
    with pytest.raises(UsageError) as refused:
        parse_target("http://me:secret@a/")

    assert "secret" not in str(refused.value)


@pytest.fixture
def several(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    """Give a name with several addresses, of which the third and the fourth serve at a port.

    Nobody listens at the first, and the second does not answer.
    """
    names = [f"127.0.0.{number}" for number in (2, 3, 4, 1)]
    with (
        socket.create_server((names[3], 0)) as fourth,
        socket.create_server((names[2], port := fourth.getsockname()[1])),
        socket.create_server((names[1], port), backlog=0),
        socket.create_connection((names[1], port)),  # its backlog is full now
    ):

        def resolve(host: str, port: int, **_: object) -> list[tuple[Any, ...]]:
            hosts = names if host == "several.example" else [host]
            kind = socket.SOCK_STREAM
            return [(socket.AF_INET, kind, 6, "", (host, port)) for host in hosts]

        monkeypatch.setattr(address, "getaddrinfo", resolve)
        monkeypatch.setattr(address, "TRY_S", 0.02)
        yield "several.example", port


def test_takes_the_first_address_of_a_name_that_works(several: tuple[str, int]) -> None:
    host, port = several

    assert reachable_address(host, port) == (socket.AF_INET, ("127.0.0.4", port))
    assert find(LoadSpec(host, port, 1, True, 1))[1] == ("127.0.0.4", port)
    assert find(LoadSpec(host, port, 1, True, 1, address="127.0.0.1"))[1] == ("127.0.0.1", port)


def test_takes_the_first_of_all_where_none_works(several: tuple[str, int]) -> None:
    with nobody() as port:
        assert reachable_address(several[0], port)[1] == ("127.0.0.2", port)


def test_tries_no_address_that_is_the_only_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("connected")

    monkeypatch.setattr(address, "socket", never)

    assert reachable_address("127.0.0.1", 80)[1] == ("127.0.0.1", 80)


def test_records_the_address_that_is_loaded(several: tuple[str, int]) -> None:
    host, port = several
    targets = [parse_target(f"http://{name}:{port}/") for name in (host, "127.0.0.1")]
    subject = among_targets({target.label: target for target in targets}, Question())

    assert [subject.options[target.label]["address"] for target in targets] == [
        "127.0.0.4",
        "127.0.0.1",
    ]


@pytest.mark.parametrize(
    ("where", "text"),
    [
        ((socket.AF_INET, ("127.0.0.1", 80)), "127.0.0.1"),
        ((socket.AF_INET6, ("::1", 80, 0, 0)), "::1"),
        ((socket.AF_INET6, ("fe80::1", 80, 0, 7)), "fe80::1%7"),
        ((socket.AF_INET6, ("fe80::1%lo", 80, 0, 1)), "fe80::1%lo"),
    ],
)
def test_says_an_address_so_that_it_can_be_used(where: address.Address, text: str) -> None:
    assert address.numeric(where) == text


def test_guesses_the_method_by_the_body(tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(b"\x00\xff")

    assert question_of(None, (), None, None, None).method == "GET"
    assert question_of(None, (), "x", None, None).method == "POST"
    assert question_of("DELETE", (), None, None, "").right_body == b""
    assert question_of(None, (), f"@{tmp_path / 'body'}", None, None).body == b"\x00\xff"
    with pytest.raises(UsageError, match="cannot read"):
        question_of(None, (), "@/nowhere", None, None)
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
        (b"HTTP/1.2 200 OK\nA: b\n c\nContent-Length: 5, 5\n\nhello", ask(right_body=b"hello")),
        (b"HTTP/1.1 999 X\r\nContent-Length: 0\r\n\r\n", ask(status=999)),
    ],
    ids=lambda value: None if isinstance(value, dict) else value[:40].decode(),
)
def test_takes_right_responses_of_any_server(octets: bytes, fields: dict[str, Any]) -> None:
    with truth(says(octets)) as port:
        seen = drive(port, connections=2, duration_s=0.2, **fields)

    assert only(seen, "ok")


@pytest.mark.slow
@pytest.mark.parametrize(
    "octets",
    [
        b"HTTP/1.1 200 OK\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nhello",
        HELLO,
        CHUNKS,
    ],
)
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


def link_local() -> str:
    """Return an address of this machine that needs a zone."""
    table = Path("/proc/net/if_inet6")
    for line in table.read_text().splitlines() if table.exists() else []:
        digits, _, _, _, _, interface = line.split()
        if digits.startswith("fe80"):
            return f"{ipaddress.IPv6Address(int(digits, 16))}%{interface}"
    pytest.skip("no link-local address here")


@pytest.mark.slow
def test_connects_over_ipv6() -> None:
    with truth(says(HELLO), six()) as port:
        seen = drive(port, host="::1", **ask())

    assert only(seen, "ok")


@pytest.mark.slow
def test_connects_over_ipv6_with_a_zone() -> None:
    host = link_local()
    listener = socket.socket(socket.AF_INET6)
    listener.bind(socket.getaddrinfo(host, 0)[0][4])
    listener.listen()
    with truth(says(HELLO), listener) as port:
        seen = drive(port, host=host, **ask())

    assert only(seen, "ok")


@pytest.mark.slow
def test_connects_to_the_address_that_was_chosen() -> None:
    with truth(says(HELLO)) as port:
        seen = drive(port, host="nowhere.invalid", address="127.0.0.1", **ask())

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
        folder = only_run(parent)
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
def test_loads_a_server_with_users_who_think(hello: str, tmp_path: Path) -> None:
    users = ("--users", "20", "--think", "exp:20ms")
    load(f"{hello}/", *SHORT[:4], *users, "--duration", "0.3", "--out", str(tmp_path))
    folder = only_run(tmp_path)
    run = read_run(folder)
    [one] = run.measurements

    assert (run.plan.think_s, run.plan.thinking, run.plan.connections) == (
        0.02,
        "exponential",
        (20,),
    )
    assert one.think_s == 0.02
    assert one.condition.connections == one.clients_served == 20
    assert one.evidence.little_ratio == pytest.approx(1, abs=0.05)


@pytest.mark.slow
@pytest.mark.usefixtures("no_charts")
def test_fails_when_nothing_answers_rightly(hello: str, tmp_path: Path) -> None:
    # Where the driver was the limit all the time, nobody knows that nobody is served.
    with pytest.raises(CalcbenchError, match=r"/ (served nobody|left more than 1% of)"):
        load(f"{hello}/", *SHORT, "--duration", "0.2", "--out", str(tmp_path), "--expect", "404")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("http://a/", "http://a/"), "given twice"),
        (("http://a/", "--arrivals", "poisson"), "--arrivals needs --rate"),
        (("http://a/", "--rate", "0"), "--rate 0 should be from 0.001 to"),
        (
            ("http://a/", "--rate", "2e6"),
            "rate 2000000 should be from 0.001 to 400,000 requests per second for one driver",
        ),
        (("http://a/", "http://b/", "--control", "http://c/"), "http://c/ should be raced"),
        (("http://a/", "--find-knee"), "needs --slo"),
        (
            ("http://a/", "--rate", "0.1", "--duration", "5"),
            "less than one request is due in --duration 5",
        ),
        (
            ("http://a/", "--users", "3,1", "--think", "9s"),
            "less than one request of --users 1 is due in --duration 2: each thinks for 9 s before",
        ),
        (
            ("http://a/", "--users", "3", "--think", "exq:9s"),
            "no think 'exq'; did you mean 'exp'",
        ),
        (("http://a/", "--users", "3", "--think", "exp:"), "--think '' should be seconds"),
        (("http://a/", "--users", "3", "--think", "0"), "--think 0 should be from 0.001 to"),
        (("http://a/", "--timeout", "0"), "timeout 0 should be"),
        (("http://a/", "--rate", "quick"), "should be requests per second"),
        (("http://a/", "--rate", "5", "--arrivals", "posson"), "did you mean 'poisson'"),
        (("http://a/", "--drivers", "0"), "--drivers 0 should be from 1 to 256, as in --drivers 2"),
        (("http://a/", "--expect", "100"), "--expect 100 should be from 200 to 999"),
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
        folder = only_run(tmp_path)
        return str(failed.value), json.loads((folder / "knee.json").read_text())

    def could_be_tried(seen: tuple[str, dict[str, Any]]) -> bool:
        return "no response came" not in seen[1]["knees"][0]["note"]

    told, found = until(could_be_tried, measure, 0.05)

    # Nothing is as quick as that, or else the driver is late: there is no knee either way.
    assert "no rate found that is sustained by" in told
    assert found["plan"]["connections"] == [256]
    assert found["knees"][0]["tries"]


def test_says_that_there_is_no_such_host() -> None:
    with pytest.raises(CalcbenchError, match="cannot be the name of a host"):
        drive(0, host="x" * 64)  # no resolver is asked for that


def test_sends_the_octets_that_were_typed() -> None:
    assert contents(os.fsdecode(b"a\xff")) == b"a\xff"
    assert contents("µ") == "µ".encode()
