"""The benchmark of the core: that it measures what it says, whatever comes out of it."""

import contextlib
import json
import os
import random
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from truth import until

from calcbench.bench.corebench import __main__ as speed
from calcbench.bench.corebench import contest, environment, parsing, reference_servers, tables
from calcbench.bench.corebench.contest import BARE, SELECTORS, Contest, Figures
from calcbench.bench.corebench.environment import Interpreter
from calcbench.bench.corebench.parsing import CASES, NEVER, ONE, REPEAT, Case, Timing
from calcbench.bench.schema.plan import CLOSE, KEEP_ALIVE, REUSES
from calcbench.bench.system.cpus import Pinning
from calcbench.core.errors import UsageError

MACHINE = {
    "cpu": "A processor with a rather long name, as they have them, at 3.00GHz",
    "usable_cores": 2,
    "virtual": True,
    "system": "Linux",
    "kernel": "6.18.44-some-flavour",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    contest.make_path(tmp_path)
    return tmp_path


def lines_of(case: Case, serial: int) -> list[bytes]:
    octets, _ = parsing.request_of(case, random.Random(serial), serial)
    return octets.split(b"\r\n")[1:-2]


# Without a socket


@pytest.mark.parametrize(("head", "fields", "octets"), [("small", 3, 108), ("browser", 9, 500)])
def test_sends_heads_of_the_size_it_names(head: str, fields: int, octets: int) -> None:
    case = Case(head, REPEAT)

    assert len(lines_of(case, 1)) == fields
    assert abs(tables.size_of(case) - octets) < 30


@pytest.mark.parametrize("head", parsing.HEADS)
def test_repeats_all_field_lines_but_one_or_none(head: str) -> None:
    same = {
        fields: len({*lines_of(Case(head, fields), 1)} & {*lines_of(Case(head, fields), 2)})
        for fields in parsing.FIELDS
    }

    count = len(parsing.HEADS[head])
    assert same[REPEAT] == count
    assert same[ONE] == count - 1
    assert same[NEVER] == (head == "browser")  # Connection has no room for a serial number


def test_varies_the_operands() -> None:
    draw = random.Random(1)
    requests = {parsing.request_of(CASES[0], draw, n)[0] for n in range(100)}

    assert len(requests) == 100


@pytest.mark.parametrize("case", CASES, ids=str)
def test_measures_a_response_that_is_right(case: Case) -> None:
    parsing.check_case(case)


def test_times_every_case_in_every_way() -> None:
    timings = parsing.time_parsers(rounds=1, seed=1)

    assert {(one.case, one.name) for one in timings} == {
        (case, name) for case in CASES for name in ("ours", "server", "least", "fresh")
    }
    assert all(0 < one.best <= one.median for one in timings)


# With a socket


@pytest.mark.slow
@pytest.mark.parametrize("reuse", REUSES)
def test_measures_the_bare_loop_and_selectors_alike(reuse: str, path: Path) -> None:
    announced: list[str] = []

    def measure(duration_s: float) -> list[Figures]:
        announced.clear()
        asked = Contest(reuse, sys.executable, path, Pinning(), duration_s, 1)
        return contest.compete(asked, [BARE, SELECTORS], 1, announced.append)

    figures = until(lambda figures: all(one.per_second for one in figures), measure, 0.1)

    assert [one.failure_reason for one in figures] == ["", ""]
    assert all(one.cpu_us > 0 and one.per_second > 0 for one in figures)
    assert len(announced) == 2


def test_says_why_a_server_does_not_count(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def serve(port: int) -> None: ...

    monkeypatch.setitem(reference_servers.SERVERS, "nobody", serve)
    asked = Contest(KEEP_ALIVE, sys.executable, path, Pinning(), 0.1, 1)
    figures = contest.compete(asked, ["nobody"], 1, lambda _: None)

    assert figures[0].failure_reason == "nobody died at its start: KeyError: 'nobody'"


def test_never_counts_wrong_responses(path: Path) -> None:
    asked = Contest(KEEP_ALIVE, sys.executable, path, Pinning(), 0.1, 1)
    figures = contest.measure_server(asked, "a bare loop, asked many things", 1)

    assert figures.failure_reason.startswith("not every response was right")
    assert figures.cpu_us == 0


# An application of ours is all that this one needs of bjoern.
BJOERN = """
from wsgiref.simple_server import make_server
def run(wsgi, host, port):
    make_server(host, port, wsgi).serve_forever()
"""
HOLDER = """
import json, os, signal, sys
from pathlib import Path
from calcbench.bench.corebench.contest import Contest, serving
from calcbench.bench.system.cpus import Pinning
contest = Contest("keep-alive", sys.executable, Path(sys.argv[1]), Pinning(), 0.1, 1)
with serving(contest, sys.argv[2]) as (_, server):
    print(server, flush=True)
    signal.pause()
"""
BENCHMARK = """
import sys
from calcbench.bench.corebench import __main__ as benchmark, contest
def tell(server, process, *more):
    until_ready(server, process, *more)
    print(process.pid, file=sys.stderr, flush=True)
until_ready, contest.wait_until_ready = contest.wait_until_ready, tell
benchmark.compete = lambda asked, servers, *more: contest.compete(asked, [contest.BARE], *more)
benchmark.main()
"""


@pytest.mark.slow
@pytest.mark.parametrize("server", [BARE, "bjoern"])
def test_servers_end_with_whoever_started_them(server: str, path: Path) -> None:
    (path / "bjoern.py").write_text(BJOERN)
    words = [sys.executable, "-P", "-c", HOLDER, str(path), server]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        end = os.pidfd_open(int(holder.stdout.readline()))
        holder.kill()  # so that nothing of its own can tidy up
    try:
        ended, _, _ = select.select([end], (), (), 20)
    finally:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(end, signal.SIGKILL)
        os.close(end)

    assert ended


@pytest.mark.slow
def test_a_benchmark_that_is_terminated_leaves_nobody() -> None:
    words = ["--duration", "30", "--only", "keep-alive"]
    with subprocess.Popen(
        [sys.executable, "-P", "-c", BENCHMARK, *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as benchmark:
        assert benchmark.stderr
        end = os.pidfd_open(int(benchmark.stderr.readline()))
        benchmark.terminate()
        err = benchmark.stderr.read()
    try:
        ended, _, _ = select.select([end], (), (), 20)
    finally:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(end, signal.SIGKILL)
        os.close(end)

    assert (benchmark.returncode, err) == (128 + signal.SIGTERM, "")
    assert ended


def test_compares_within_a_round() -> None:
    figures = [
        Figures(BARE, 1, cpu_us=6, per_second=100),
        Figures(SELECTORS, 1, cpu_us=8, per_second=90),
        Figures("bjoern", 1, cpu_us=9, per_second=95),
        Figures(BARE, 2, cpu_us=12, per_second=50),
        Figures(SELECTORS, 2, cpu_us=15, per_second=45),
        Figures("bjoern", 2, cpu_us=14, per_second=40),
        Figures("granian", 1, failure_reason="it fell over"),
        Figures("granian", 2, failure_reason="and again"),
    ]
    bare, ours, bjoern, granian = contest.standings(figures)

    assert [one.server for one in (bare, ours, bjoern, granian)] == [
        BARE,
        SELECTORS,
        "bjoern",
        "granian",
    ]
    assert (bare.of_limit.low, bare.of_limit.high) == (1, 1)
    assert (ours.of_limit.low, ours.of_limit.high) == (0.75, 0.8)
    assert (bjoern.behind_in_cpu, bjoern.behind_in_rate, bjoern.rounds) == (1, 1, 2)
    assert granian.failure_reason == "it fell over"
    assert granian.cpu_us.rounds == 0


def test_compares_with_nobody_whose_round_failed() -> None:
    figures = [
        Figures(BARE, 1, failure_reason="it fell over"),
        Figures(SELECTORS, 1, failure_reason="so did this"),
        Figures("bjoern", 1, cpu_us=9, per_second=95),
    ]
    found = {one.server: one for one in contest.standings(figures)}

    assert found["bjoern"].cpu_us.rounds == 1
    assert found["bjoern"].of_limit.rounds == 0
    assert found["bjoern"].rounds == 0


# Reference servers


def test_reference_servers_answer_as_we_do() -> None:
    assert reference_servers.response_body("/mult/12/34") == b"408"


def test_speaks_wsgi() -> None:
    said: list[object] = []
    body = reference_servers.wsgi({"PATH_INFO": "/sub/2/3"}, lambda *words: said.append(words))

    assert list(body) == [b"-1"]
    assert said == [
        ("200 OK", [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", "2")])
    ]


def test_speaks_asgi() -> None:
    said: list[dict[str, object]] = []

    async def receive() -> None: ...

    async def send(message: dict[str, object]) -> None:
        said.append(message)

    run(reference_servers.asgi({"path": "/add/2/3"}, receive, send))
    assert said[0]["status"] == 200
    assert said[1]["body"] == b"5"


def test_speaks_rsgi() -> None:
    class Protocol:
        said: tuple[object, ...] = ()

        def response_bytes(self, *words: object) -> None:
            self.said = words

    class Scope:
        path = "/add/2/3"

    protocol = Protocol()
    run(reference_servers.rsgi(Scope(), protocol))
    assert protocol.said == (200, [("content-type", "text/plain; charset=utf-8")], b"5")


def run(coroutine: object) -> None:
    """Run what never waits."""
    with pytest.raises(StopIteration):
        coroutine.send(None)  # type: ignore[attr-defined]  # a coroutine


def test_asks_for_what_every_reference_server_needs() -> None:
    needed = {package for packages in reference_servers.NEEDS.values() for package in packages}

    assert needed <= set(environment.wanted_packages())
    assert set(reference_servers.NEEDS) == set(reference_servers.SERVERS)


def test_knows_what_an_interpreter_has() -> None:
    found = environment.inspect(sys.executable, ["httptools"])

    assert found.name.endswith(sys.version.split()[0])
    assert "httptools" in found.versions


def test_names_an_interpreter_that_does_not_run() -> None:
    with pytest.raises(UsageError, match="'/nowhere/python' is no Python that runs"):
        environment.inspect("/nowhere/python", [])


def test_says_in_one_line_what_cannot_be_installed(tmp_path: Path) -> None:
    """An interpreter that has nothing, and whose pip fails."""
    python = tmp_path / "python"
    python.write_text(
        f'#!/bin/sh\ncase "$*" in *pip*) echo "ERROR: no network"; exit 1;; esac\n'
        f'exec {sys.executable} -S "$@"\n'
    )
    python.chmod(0o755)
    wanted = {"bjoern": "bjoern>=3", "gr": "gr>=2"}
    announced: list[str] = []
    nothing = environment.inspect(str(python), wanted)
    found = environment.install(nothing, wanted, announced.append)

    assert found.versions == {}
    assert announced == [
        "installing bjoern>=3",
        f"bjoern cannot be installed, so it is left out: {environment.HINTS['bjoern']}",
        "installing gr>=2",
        "gr cannot be installed, so it is left out: no network",
    ]


# What is printed


def timings() -> Iterator[Timing]:
    for case in CASES:
        for name, best in (("ours", 12_345.6), ("server", 2_000), ("least", 500), ("fresh", 4_000)):
            yield Timing(case, name, best, best * 1.1)


def test_prints_the_ratios_beside_their_targets() -> None:
    lines = tables.parsing_lines(list(timings()), 75)

    row = next(line for line in lines if line.startswith("browser") and REPEAT in line)
    assert "6.17" in row
    assert "1.30" in row
    assert max(map(len, lines)) <= tables.WIDTH


def test_prints_a_contest_within_its_width() -> None:
    names = [BARE, SELECTORS, *reference_servers.SERVERS]
    figures = [
        Figures(name, number, cpu_us=123.4 + number, per_second=123_456, driver_share=0.99)
        for name in names
        for number in (1, 2)
    ]
    figures.append(Figures("bjoern", 3, failure_reason="why " * 50))
    versions = dict.fromkeys(reference_servers.SERVERS, "10.20.30rc1")
    lines = tables.contest_lines(CLOSE, contest.standings(figures), versions, 0.25, 3)

    text = "\n".join(lines)
    assert "0.850" in text
    assert "bjoern: why" in text
    assert "the driver's core is full" in text
    assert max(map(len, lines)) <= tables.WIDTH


def test_names_machine_and_python() -> None:
    lines = tables.machine_lines(MACHINE, "CPython 3.11.7", Pinning((1,), (0,)))

    text = " ".join(lines)
    assert "CPython 3.11.7" in text
    assert "server on core 1" in text
    assert max(map(len, lines)) <= tables.WIDTH


@pytest.mark.parametrize(
    ("only", "parts", "servers"),
    [
        ("", list(speed.PARTS), [SELECTORS, *reference_servers.SERVERS]),
        ("parsing", ["parsing"], [SELECTORS, *reference_servers.SERVERS]),
        ("close, bjoern", [CLOSE], ["bjoern"]),
        ("selectors", list(speed.PARTS), [SELECTORS]),
    ],
)
def test_measures_only_what_is_asked_for(only: str, parts: list[str], servers: list[str]) -> None:
    assert speed.chosen(only) == (parts, servers)


def test_refuses_a_name_that_is_nothing() -> None:
    with pytest.raises(UsageError, match="no part or server 'bjorn'; did you mean 'bjoern'"):
        speed.chosen("bjorn")


def test_lists_what_is_not_installed() -> None:
    lacking = Interpreter("python", "CPython", {"uvloop": "1", "granian": "1"})
    found = speed.not_installed(lacking, [SELECTORS, "uvicorn", "granian"])

    assert list(found) == ["uvicorn"]
    assert found["uvicorn"].startswith("python -m pip install 'uvicorn")
    assert "uvloop" not in found["uvicorn"]


@pytest.mark.slow
def test_runs_from_the_command_line(tmp_path: Path) -> None:
    words = ["--rounds", "1", "--duration", "0.1", "--only", "keep-alive,selectors"]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "calcbench.bench.corebench", *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert [line for line in done.stdout.splitlines() if line.startswith((BARE, SELECTORS))]


def test_passes_on_what_was_measured() -> None:
    written = json.dumps([asdict(one) for one in timings()])

    assert parsing.timings_from_json(written) == list(timings())


def test_ends_in_one_line_when_it_cannot(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        speed.main(["--rounds", "0"])

    assert capsys.readouterr().err == "bench-core: --rounds 0 should be from 1 to 10,000\n"
