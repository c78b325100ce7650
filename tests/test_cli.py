"""The command line, as a user types it: in a process of its own, with warnings as errors."""

import codecs
import contextlib
import csv
import http.client
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from builders import make_calibration, make_condition, make_row, make_run, only_run
from servers import needs_ipv6
from truth import nobody

import calcbench
from calcbench.bench.analysis.summary import Row, Summary, summarise
from calcbench.bench.cli.completion import SHELLS
from calcbench.bench.cli.foreground import ECHO_S
from calcbench.bench.cli.main import COMMANDS, cli
from calcbench.bench.cli.param_types import parse_strategies, split_variants
from calcbench.bench.cli.session import exit_status_of
from calcbench.bench.loadgen.calibration import machine_key, save_calibration
from calcbench.bench.schema.calibration import WayCalibration
from calcbench.bench.schema.evidence import Evidence
from calcbench.bench.schema.plan import CLOSE, KEEP_ALIVE, Plan
from calcbench.bench.schema.reader import read_run
from calcbench.bench.schema.result import Measurement
from calcbench.bench.system.machine import timestamp
from calcbench.bench.views.conclusions import verdict
from calcbench.bench.views.export import ranking_as_json, to_json
from calcbench.core.errors import CalcbenchError
from calcbench.core.serving import catalogue

COMMAND = str(Path(sysconfig.get_path("scripts")) / "calcbench")
MARK = "CALCBENCH_TEST_MARK"  # every process that a command starts inherits it
TIMEOUT_S = 60  # for what should take a moment, on a laden machine
QUICK = ("--connections", "2", "--duration", "0.05", "--warmup", "0", "--workload", "add")
FIVE = ["blocking", "fork", "selectors", "thread-per-request", "threadpool"]

Processes = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(scope="module", autouse=True)
def _calibrated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A calibration that says of the driver that it can do anything, so none is made on the way."""
    way = WayCalibration(8, 1, 1, 1, 10**9, 10**9, 0.0)
    known = make_calibration(
        **machine_key(), measured=timestamp(), ways={KEEP_ALIVE: way, CLOSE: way}
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        assert save_calibration(known)
        yield


def environment(**more: str) -> dict[str, str]:
    plain = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    return plain | {"PYTHONWARNINGS": "error", "COLUMNS": "100", "TERM": "xterm-256color"} | more


def calcbench_run(
    *arguments: str, cwd: Path | None = None, **env: str
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [COMMAND, *arguments],
        env=environment(**env),
        cwd=cwd,
        text=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=TIMEOUT_S,
        check=False,
    )


def is_marked(pid: str, mark: str) -> bool:
    try:
        return f"{MARK}={mark}".encode() in Path("/proc", pid, "environ").read_bytes().split(b"\0")
    except OSError:  # it has ended, or is not ours to see
        return False


def marked(mark: str) -> set[int]:
    return {int(pid) for pid in os.listdir("/proc") if pid.isdigit() and is_marked(pid, mark)}


@pytest.fixture
def start() -> Iterator[Processes]:
    """What starts a command with pipes, and checks in the end that nothing of it is left."""
    mark = uuid.uuid4().hex
    processes: list[subprocess.Popen[str]] = []

    def starter(
        *arguments: str, stdout: int = subprocess.PIPE, stderr: int = subprocess.PIPE
    ) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [COMMAND, *arguments],
            env=environment(**{MARK: mark}),
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
        )
        processes.append(process)
        return process

    yield starter
    for process in processes:
        process.kill()
        process.communicate()
    # A process that was killed a moment ago may still be about to end; one that was not stays.
    for pid in marked(mark):
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        with os.fdopen(fd):
            assert select.select([fd], [], [], TIMEOUT_S)[0], f"process {pid} was left running"


class Terminal:
    """A terminal that a command writes to, and what has appeared on it."""

    def __init__(self) -> None:
        self.ours, self.theirs = pty.openpty()
        self.decode = codecs.getincrementaldecoder("utf-8")().decode  # a read may end in a letter
        self.text = ""

    def wait_for(self, pattern: str) -> None:
        while not re.search(pattern, self.text):
            assert select.select([self.ours], [], [], TIMEOUT_S)[0], self.text
            self.text += self.decode(os.read(self.ours, 4096))

    def close(self) -> None:
        os.close(self.ours)
        os.close(self.theirs)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    terminal = Terminal()
    yield terminal
    terminal.close()


def one_line(text: str) -> str:
    assert text.count("\n") == 1
    assert text.startswith("calcbench: ")
    return text.removeprefix("calcbench: ").rstrip("\n")


# Help, and what answers at once


@pytest.mark.parametrize("command", ["", "list", "serve", "run", "report", "completion"])
def test_shows_examples_first(command: str) -> None:
    done = calcbench_run(*command.split(), "--help")

    assert done.returncode == 0
    assert done.stdout.startswith(f"Examples:\n  calcbench {command}".rstrip())
    assert "Usage: calcbench" in done.stdout
    assert done.stderr == ""
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_shows_its_help_without_arguments() -> None:
    done = calcbench_run()

    assert (done.returncode, done.stdout) == (0, calcbench_run("--help").stdout)
    assert "Exit status:" in done.stdout
    for command in ("list", "serve", "run", "report", "completion"):
        assert re.search(rf"^  {command} +[A-Z].*\.$", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("command", [[COMMAND], [sys.executable, "-m", "calcbench"]])
def test_tells_its_version(command: list[str]) -> None:
    text = subprocess.check_output([*command, "--version"], text=True, env=environment())

    assert text == f"calcbench {calcbench.__version__}\n"


@pytest.mark.parametrize(
    "command", ["--help", "list", "serve --strategy threadpool --port {port}", "run --rounds 0"]
)
def test_answers_without_heavy_imports(command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        words = command.format(port=taken.getsockname()[1]).split()
        done = calcbench_run(*words, PYTHONPROFILEIMPORTTIME="1")
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}

    assert "calcbench.bench.cli.main" in imported
    for heavy in ("numpy", "matplotlib", "locust", "rich", "scipy", "msgspec"):
        assert heavy not in imported


def test_explains_itself_without_its_commands() -> None:
    done = calcbench_run("--help", PYTHONPROFILEIMPORTTIME="1")
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}

    assert {name for name in imported if name.startswith("calcbench.bench.")} == {
        "calcbench.bench.cli",
        "calcbench.bench.cli.base",
        "calcbench.bench.cli.main",
        "calcbench.bench.system",
        "calcbench.bench.system.program",
        "calcbench.bench.system.terminal",
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_says_of_each_command_what_it_says_itself(name: str) -> None:
    with cli.make_context("calcbench", [], resilient_parsing=True) as ctx:
        command = cli.get_command(ctx, name)
    assert command

    assert command.name == name
    assert (command.help or "").partition("\n\n")[0].replace("\n", " ") == COMMANDS[name][1]


def test_lists_every_strategy() -> None:
    done = calcbench_run("list")

    assert done.returncode == 0
    for name in catalogue.names():
        assert f"{name}: {catalogue.load(name).summary}\n" in done.stdout
    assert "    -o workers=8            threads in the pool\n" in done.stdout
    assert re.search(r"    -o keepalive=yield +.* \(yield, hold\)\n", done.stdout)
    assert re.search(rf"\n[0-9]+ of {len(catalogue.names())} can run here\.\n", done.stdout)
    assert "\x1b" not in done.stdout


def test_lists_every_strategy_for_a_program() -> None:
    strategies = json.loads(calcbench_run("list", "--json").stdout)
    pool = next(strategy for strategy in strategies if strategy["name"] == "threadpool")

    assert [strategy["name"] for strategy in strategies] == catalogue.names()
    assert set(FIVE) <= set(catalogue.names())
    assert pool["available"] is True
    assert pool["options"][0] | {"help": ""} == {
        "name": "workers",
        "default": 8,
        "help": "",
        "type": "int",
        "least": 1,
        "most": pool["options"][0]["most"],
        "choices": [],
    }
    assert pool["options"][2]["choices"] == ["yield", "hold"]


@pytest.mark.parametrize(("no_colour", "codes"), [("", True), ("1", False)])
def test_honours_no_color(terminal: Terminal, no_colour: str, codes: bool) -> None:
    process = subprocess.Popen(
        [COMMAND, "list"], stdout=terminal.theirs, env=environment(NO_COLOR=no_colour)
    )
    terminal.wait_for("threadpool")

    assert process.wait(TIMEOUT_S) == 0
    assert ("\x1b[1m" in terminal.text) is codes


def test_is_silent_when_its_reader_has_seen_enough() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        done = subprocess.run(
            [COMMAND, "list"], stdout=closed, stderr=subprocess.PIPE, env=environment(), check=False
        )

    assert done.stderr == b""
    assert done.returncode == 1


@pytest.mark.parametrize("command", ["list", "--help", "serve --strategy fork --port 0"])
def test_says_in_one_line_that_its_output_is_full(command: str) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [COMMAND, *command.split()],
            stdout=full,
            stderr=subprocess.PIPE,
            env=environment(),
            check=False,
            timeout=TIMEOUT_S,
            text=True,
        )

    assert one_line(done.stderr) == "cannot write the output: no space left on device"
    assert done.returncode == 1


def test_does_without_an_output() -> None:
    closed = f"exec {COMMAND} list >&-"
    done = subprocess.run(
        ["sh", "-c", closed], stderr=subprocess.PIPE, env=environment(), check=False, text=True
    )

    assert done.stderr == ""
    assert done.returncode == 0


# Mistakes


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("serv", "no command 'serv'; did you mean 'serve'?"),
        ("race", "no command 'race'"),
        ("--versoin", "no option '--versoin'; did you mean '--version'?"),
        ("list extra", "got unexpected extra argument (extra)"),
        ("serve", "serve needs --strategy; see calcbench serve --help"),
        ("serve --strategy selector", "no strategy 'selector'; did you mean 'selectors'?"),
        ("serve --strategy threadpool -o worker=8", "no option 'worker'; did you mean 'workers'?"),
        ("serve --strategy threadpool -o workers", "option 'workers' needs a value"),
        ("serve --strategy threadpool -o workers=x", "should be a whole number"),
        ("serve --strategy threadpool -o workers=0", "should be from 1 to 10,000"),
        (
            "serve --strategy threadpool --port 65536",
            "--port 65536 should be from 0 to 65,535, as in --port 8080",
        ),
        ("serve --strategy threadpool --port web", "a whole number, as in --port 8080"),
        ("serve --strategy threadpool --workload ad", "no workload 'ad'; did you mean 'add'?"),
        ("serve --strategy threadpool --workload wait=10", "a time with a unit, as in wait=10ms"),
        (
            "serve --strategy threadpool --idle-timeout soon",
            "--idle-timeout 'soon' should be seconds, or a time such as 500ms, as in --idle",
        ),
        ("serve --strategy fork --unix x --port 80", "--unix and --port exclude one another"),
        ("serve --strategy fork --unix x --host ::", "--unix and --host exclude one another"),
        ("serve --strategy threadpool --idle-timeot 3", "did you mean '--idle-timeout'?"),
        ("run --strateg fork", "no option '--strateg'; did you mean '--strategy'?"),
        ("run --strategy fork,threadpol", "no strategy 'threadpol'; did you mean 'threadpool'?"),
        ("run --strategy threadpool:worker=8", "did you mean 'workers'?"),
        ("run --strategy workers=8", "no strategy 'workers=8'"),
        ("run --connections 0", "--connections 0 should be from 1 to 1,000,000"),
        ("run --connections 8,,9", "'' should be a whole number, as in --connections 1,8,32"),
        ("run --connections 1.5", "'1.5' should be a whole number"),
        ("run --connections 1000000000", "from 1 to 1,000,000, as in --connections"),
        ("run --duration 0", "--duration 0 should be from 0.01 to 86,400 seconds"),
        ("run --duration -1", "--duration -1 should be from 0.01 to"),
        ("run --duration nan", "--duration 'nan' should be seconds"),
        (
            "run --duration long",
            "'long' should be seconds, or a time such as 500ms, as in --duration 2.5",
        ),
        ("run --warmup -1", "--warmup -1 should be"),
        ("run --rounds 0", "--rounds 0 should be from 1 to 10,000, as in --rounds 3"),
        ("run --workload sleep=1s", "no workload 'sleep'"),
        ("run --reuse keepalive", "no way of connecting 'keepalive'; did you mean 'keep-alive'?"),
        (
            "run --max-body -1",
            "--max-body -1 should be from 0 to 1,073,741,824, as in --max-body 65536",
        ),
        ("report", "report needs DIR"),
        ("report /nowhere/at/all", "/nowhere/at/all is not a result: no such folder"),
        ("report /", "/ is not a result: no result.json in it"),
        ("completion tcsh", "'tcsh' is not one of 'bash', 'zsh', 'fish'"),
    ],
)
def test_answers_a_mistake_in_one_line_with_what_would_be_right(
    command: str, expected: str, tmp_path: Path
) -> None:
    done = calcbench_run(*command.split(), cwd=tmp_path)

    assert expected in one_line(done.stderr)
    assert done.stdout == ""
    assert done.returncode == 2
    assert list(tmp_path.iterdir()) == []


def test_says_that_a_port_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = calcbench_run("serve", "--strategy", "fork", "--port", port)

    assert one_line(done.stderr).startswith(f"cannot listen on 127.0.0.1 port {port}")
    assert done.returncode == 1


def test_says_that_results_cannot_be_written() -> None:
    done = calcbench_run("run", "--strategy", "fork", *QUICK, "--out", "/proc/results")

    assert "cannot write to /proc/results" in done.stderr.splitlines()[-1]
    assert done.returncode == 1


def test_refuses_to_race_at_an_address_of_another_machine() -> None:
    done = calcbench_run("run", "--strategy", "fork", "--host", "192.0.2.7")

    assert one_line(done.stderr).startswith("cannot listen on 192.0.2.7 port 0: cannot assign")
    assert done.returncode == 1


def test_refuses_an_empty_host() -> None:
    done = calcbench_run("serve", "--strategy", "fork", "--host", "")

    assert one_line(done.stderr).startswith("--host '' should be a name or an address")
    assert done.returncode == 2


def test_splits_lists_of_variants_at_the_right_commas() -> None:
    assert split_variants("fork,threadpool") == ["fork", "threadpool"]
    assert split_variants("threadpool:workers=4,queue=9,fork") == [
        "threadpool:workers=4,queue=9",
        "fork",
    ]
    assert split_variants("threadpool:workers=4,threadpool:queue=9") == [
        "threadpool:workers=4",
        "threadpool:queue=9",
    ]


def test_races_each_strategy_once_however_often_it_is_named() -> None:
    assert parse_strategies([]) == tuple(catalogue.names())
    assert parse_strategies(["all"]) == tuple(catalogue.names())
    assert parse_strategies(["fork,fork", "thread_per_request", "fork"]) == (
        "fork",
        "thread-per-request",
    )
    assert parse_strategies(["threadpool:workers=4,queue=9,all"])[0] == (
        "threadpool:workers=4,queue=9"
    )


# Completion


@pytest.mark.parametrize("shell", SHELLS)
def test_prints_a_completion_script(shell: str) -> None:
    done = calcbench_run("completion", shell)

    assert done.stderr == ""
    assert "_CALCBENCH_COMPLETE" in done.stdout
    assert calcbench_run(_CALCBENCH_COMPLETE=f"{shell}_source").stdout == done.stdout


def all_names(begin: str, before: str = "") -> list[str]:
    """Return the strategies whose names *begin* so, each with what stands *before* it."""
    return [before + name for name in catalogue.names() if name.startswith(begin)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("calcbench se", ["serve"]),
        ("calcbench run --str", ["--strategy"]),
        ("calcbench serve --strategy thread", all_names("thread")),
        ("calcbench run --strategy al", ["all"]),
        ("calcbench run --strategy fork,sel", all_names("sel", "fork,")),
        ("calcbench run --strategy threadpool:w", ["workers="]),
        ("calcbench run --strategy fork,threadpool:workers=3,qu", ["3,queue="]),
        ("calcbench run --strategy threadpool:workers=3,fo", all_names("fo", "3,")),
        ("calcbench serve --strategy threadpool -o wor", ["workers="]),
        ("calcbench serve --strategy nobody -o wor", []),
        ("calcbench run --workload cpu", ["cpu=2ms"]),
        ("calcbench run --workload add,cpu=", ["2ms"]),
        ("calcbench run --reuse c", ["close"]),
        ("calcbench completion z", ["zsh"]),
    ],
)
def test_completes_in_bash(line: str, expected: list[str]) -> None:
    script = f"""
        PATH={Path(COMMAND).parent}:$PATH
        source <(calcbench completion bash)
        COMP_LINE={line!r} COMP_POINT={len(line)}
        compopt() {{ :; }}  # works only while bash itself completes
        _calcbench_completion calcbench
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        ["bash", "-c", script], env=environment(), text=True, capture_output=True, check=True
    )

    assert done.stdout.split() == expected
    assert done.stderr == ""


def test_completes_in_other_shells() -> None:
    done = calcbench_run(
        _CALCBENCH_COMPLETE="fish_complete",
        COMP_WORDS="calcbench run --strategy",
        COMP_CWORD="threadpool:q",
    )

    assert done.stdout.strip().endswith("threadpool:queue=")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("calcbench se", "serve\tServe the calculator until Ctrl-C or SIGTERM.\n"),
        ("calcbench run --strategy fork,sel", "fork,selectors\n"),
        ("calcbench run --strategy threadpool:w", "threadpool:workers=\n"),
        ("calcbench run --workload add,cpu", "add,cpu=2ms\n"),
        ("calcbench ru", "run\tRace strategies, print a table, draw charts.\n"),
    ],
)
@pytest.mark.skipif(shutil.which("fish") is None, reason="no fish here")
def test_completes_in_fish(tmp_path: Path, line: str, expected: str) -> None:
    script = f"""
        set PATH {Path(COMMAND).parent} $PATH
        calcbench completion fish | source
        complete --do-complete {line!r}
    """
    done = subprocess.run(
        ["fish", "--no-config", "-c", script],
        env=environment(HOME=str(tmp_path)),
        text=True,
        capture_output=True,
        check=True,
    )

    assert done.stdout == expected
    assert done.stderr == ""


def test_cuts_nothing_at_a_comma_in_fish() -> None:
    script = calcbench_run("completion", "fish").stdout

    assert 'string split --max 1 ","' in script


# Serving


def ready(process: "subprocess.Popen[str]", strategy: str) -> int:
    """Wait until *process* says that it is ready; return its port."""
    assert process.stdout
    line = process.stdout.readline()
    matched = re.fullmatch(rf"calcbench: {strategy} on http://127\.0\.0\.1:([0-9]+)\n", line)
    assert matched, line
    return int(matched[1])


def get(port: int, path: str, host: str = "127.0.0.1") -> str:
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    connection.request("GET", path, headers={"Connection": "close"})
    with connection.getresponse() as response:
        return response.read().decode()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("strategy", FIVE)
def test_serves_until_a_signal(start: Processes, strategy: str, number: signal.Signals) -> None:
    process = start("serve", "--strategy", strategy, "--port", "0")
    body = get(ready(process, strategy), "/add/2/3")
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=TIMEOUT_S)

    assert body == "5"
    assert (process.returncode, stdout, stderr) == (0, "", "")


@pytest.mark.slow
def test_watches_in_lines_where_there_is_no_terminal(start: Processes) -> None:
    process = start("serve", "--strategy", "selectors", "--port", "0", "--watch")
    with socket.create_connection(("127.0.0.1", ready(process, "selectors"))):
        assert process.stdout
        lines = [process.stdout.readline() for _ in range(2)]
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=TIMEOUT_S)

    assert lines[0] == "calcbench: a line for each change; #1 is the first connection\n"
    assert re.fullmatch(r" +[0-9.]+ s  #1 holds no thread, just connected\n", lines[1])
    assert process.returncode == 0


@pytest.mark.slow
def test_watches_in_place_on_a_terminal(start: Processes, terminal: Terminal) -> None:
    process = start(
        "serve", "--strategy", "blocking", "--port", "0", "--watch", stdout=terminal.theirs
    )
    terminal.wait_for(r"http://127\.0\.0\.1:[0-9]+")
    port = int(re.findall(r"http://127\.0\.0\.1:([0-9]+)", terminal.text)[0])
    with socket.create_connection(("127.0.0.1", port)):
        terminal.wait_for("#1 holds main, silent")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=TIMEOUT_S)

    assert process.returncode == 0


@pytest.mark.slow
def test_finishes_what_takes_longer_than_any_fixed_time(start: Processes) -> None:
    process = start("serve", "--strategy", "selectors", "--port", "0", "--workload", "wait=6s")
    with begin_request(ready(process, "selectors")) as client:
        process.send_signal(signal.SIGTERM)
        response = finish_request(client)

    assert response.endswith(b'{"result": 8}')
    assert process.communicate(timeout=TIMEOUT_S) == ("", "")
    assert process.returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("strategy", "to"), [*((name, "all") for name in FIVE), ("fork", "the server")]
)
def test_stops_when_every_process_gets_the_signal(start: Processes, strategy: str, to: str) -> None:
    """As a service manager sends it."""
    process = start("serve", "--strategy", strategy, "--port", "0", "--drain-timeout", "60")
    with begin_request(ready(process, strategy)) as client:
        (server,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.killpg(int(server), signal.SIGTERM)
        if to == "all":
            process.send_signal(signal.SIGTERM)
        response = finish_request(client)

    assert response.endswith(b'{"result": 8}')
    assert process.communicate(timeout=TIMEOUT_S) == ("", "")
    assert process.returncode == 0


@needs_ipv6
@pytest.mark.parametrize(
    ("host", "line", "reached"),
    [
        ("[::1]", r"http://\[::1\]:([0-9]+)", "::1"),
        ("::", r"http://\[::\]:([0-9]+), for IPv4 as well", "127.0.0.1"),
    ],
)
def test_serves_ipv6(start: Processes, host: str, line: str, reached: str) -> None:
    process = start("serve", "--strategy", "blocking", "--host", host, "--port", "0")
    assert process.stdout
    port = re.fullmatch(f"calcbench: blocking on {line}\n", process.stdout.readline())

    assert port
    assert get(int(port[1]), "/add/2/3", reached) == "5"


def test_serves_at_every_address_of_a_name() -> None:
    """Whatever the machine's list of hosts says."""
    script = """
        import socket
        real = socket.getaddrinfo
        def getaddrinfo(host, port, *arguments, **more):
            hosts = ["127.0.0.1", "127.0.0.2"] if host == "two.test" else [host]
            return [found for one in hosts for found in real(one, port, *arguments, **more)]
        socket.getaddrinfo = getaddrinfo
        from calcbench.bench.cli.main import main
        main()
    """
    serve = ("serve", "--strategy", "fork", "--host", "two.test", "--port", "0")
    with subprocess.Popen(
        [sys.executable, "-c", dedent(script), *serve],
        env=environment(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout
        first, second = (process.stdout.readline().rpartition(":") for _ in range(2))
        bodies = [get(int(first[2]), "/add/2/3", f"127.0.0.{n}") for n in (1, 2)]
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=TIMEOUT_S)

    assert first[0] == "calcbench: fork on http://127.0.0.1"
    assert (second[0], second[2]) == ("calcbench: fork on http://127.0.0.2", first[2])
    assert bodies == ["5", "5"]
    assert (process.returncode, *said) == (0, "", "")


def test_serves_on_a_unix_socket(start: Processes, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    process = start("serve", "--strategy", "selectors", "--unix", str(path))
    assert process.stdout
    line = process.stdout.readline()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(b"GET /add/2/3 HTTP/1.0\r\n\r\n")
        response = client.makefile("rb").read()
    process.send_signal(signal.SIGTERM)

    assert line == f"calcbench: selectors on unix:{path}\n"
    assert response.endswith(b"\r\n\r\n5")
    assert process.wait(TIMEOUT_S) == 0
    assert not path.exists()


def test_serves_with_all_its_streams_closed(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    command = f"exec {COMMAND} serve --strategy selectors --unix {path} <&- >&- 2>&-"
    with subprocess.Popen(["sh", "-c", command], env=environment()) as process:
        while not path.exists():
            assert process.poll() is None
        with socket.socket(socket.AF_UNIX) as client:
            while client.connect_ex(str(path)):
                assert process.poll() is None
            client.sendall(b"GET /add/2/3 HTTP/1.0\r\n\r\n")
            response = client.makefile("rb").read()
        process.send_signal(signal.SIGTERM)
        status = process.wait(TIMEOUT_S)

    assert response.endswith(b"\r\n\r\n5")
    assert status == 0


CHATTY = """
from calcbench.core.serving.blocking import *

def serve(listener, service, options, stop):
    for client in clients(listener, service, stop):
        print("client from", client.sock.getpeername()[0])
        serve_connection(client, service, stop)
        {}
"""
PRINTED_A_TRACEBACK = (
    "the mine server stopped, but printed a traceback: ZeroDivisionError: division by zero"
)
MINE = "from calcbench import strategies; strategies.__path__ = [{!r}]; from {} import main; main()"


@pytest.mark.parametrize(
    ("then", "status", "said"),
    [
        ("pass", 0, ""),
        (
            "import threading; threading.Thread(target=lambda: 1 / 0).start()",
            1,
            f"calcbench: {PRINTED_A_TRACEBACK}\n",
        ),
    ],
)
def test_passes_on_what_a_strategy_prints(
    tmp_path: Path, then: str, status: int, said: str
) -> None:
    (tmp_path / "mine.py").write_text(CHATTY.format(then))
    script = MINE.format(str(tmp_path), "calcbench.bench.cli.main")
    with subprocess.Popen(
        [sys.executable, "-c", script, "serve", "--strategy", "mine", "--port", "0"],
        env=environment(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stderr
        assert get(ready(process, "mine"), "/add/2/3") == "5"
        first = process.stderr.readline()  # now, and not when it has stopped
        for line in process.stderr if status else ():
            if line.startswith("ZeroDivisionError"):
                break
        process.send_signal(signal.SIGTERM)
        rest = process.communicate(timeout=TIMEOUT_S)[1]

    assert first == "client from 127.0.0.1\n"
    assert rest == said
    assert process.returncode == status


def test_serves_with_options_a_workload_and_limits(start: Processes) -> None:
    process = start(
        *("serve", "--strategy", "threadpool:queue=3", "-o", "workers=2", "--port", "0"),
        *("--workload", "wait=1ms", "--max-request-line", "256"),
    )
    port = ready(process, "threadpool")

    assert get(port, "/mult/6/7") == "42"
    assert "256" in get(port, f"/add/1/{'1' * 300}")


def begin_request(port: int) -> socket.socket:
    """Return a client whose request has begun: the server has asked for the rest of it."""
    client = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)
    client.sendall(
        b"POST /calc HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Expect: 100-continue\r\nContent-Length: 36\r\n\r\n"
    )
    assert client.recv(100).startswith(b"HTTP/1.1 100 ")
    return client


def finish_request(client: socket.socket) -> bytes:
    """Send the rest of what `begin_request` began; return all that comes until the end."""
    client.sendall(b'{"op": "mult", "arg1": 2, "arg2": 4}')
    return client.makefile("rb").read()


def test_finishes_a_request_in_progress_when_stopped(start: Processes, terminal: Terminal) -> None:
    process = start(
        *("serve", "--strategy", "threadpool", "--port", "0", "--drain-timeout", "60"),
        stderr=terminal.theirs,
    )
    with begin_request(ready(process, "threadpool")) as client:
        process.send_signal(signal.SIGINT)
        terminal.wait_for("Ctrl-C again ends at once")
        response = finish_request(client)

    assert response.endswith(b'{"result": 8}')
    assert process.wait(TIMEOUT_S) == 0


def test_ends_at_once_at_a_second_signal(start: Processes, terminal: Terminal) -> None:
    process = start(
        *("serve", "--strategy", "fork", "--port", "0", "--drain-timeout", "60"),
        stderr=terminal.theirs,
    )
    with begin_request(ready(process, "fork")):
        process.send_signal(signal.SIGINT)
        terminal.wait_for("Ctrl-C again ends at once")
        time.sleep(ECHO_S)
        process.send_signal(signal.SIGINT)

        assert process.wait(TIMEOUT_S) == 130


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_takes_a_signal_that_comes_twice_in_a_moment_for_one(
    start: Processes, terminal: Terminal, number: signal.Signals
) -> None:
    # As `timeout` and `uv run` send them: to the process, and then to its group.
    process = start(
        *("serve", "--strategy", "selectors", "--port", "0", "--drain-timeout", "60"),
        stderr=terminal.theirs,
    )
    with begin_request(ready(process, "selectors")) as client:
        process.send_signal(number)
        terminal.wait_for("finishing open requests")
        process.send_signal(number)
        response = finish_request(client)

    assert response.endswith(b'{"result": 8}')
    assert process.wait(TIMEOUT_S) == 0


def test_says_that_its_server_died(start: Processes) -> None:
    process = start("serve", "--strategy", "threadpool", "--port", "0")
    ready(process, "threadpool")
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGKILL)
    stderr = process.communicate(timeout=TIMEOUT_S)[1]

    assert one_line(stderr) == "the threadpool server was killed by SIGKILL"
    assert process.returncode == 1


# Racing


def folder_of(parent: Path) -> Path:
    """Return the only run in *parent*, whose name is a date and a time."""
    folder = only_run(parent)
    assert re.fullmatch(r"[0-9]{8}-[0-9]{6}", folder.name)
    return folder


def error_of(folder: Path, why: str = "the reasons are below the table") -> str:
    """Return what a race has to end with, by its result in *folder*; nothing where all went well.

    On a laden machine a round of 50 ms may not count: that is reported, and is no success.
    """
    run = read_run(folder)
    try:
        assert exit_status_of(summarise(run, folder), run, why) == 0
    except CalcbenchError as error:
        return f"calcbench: {error}\n"
    return ""


@pytest.fixture(scope="module")
def raced(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """A short race of five: its folder, and what it printed to both outputs."""
    parent = tmp_path_factory.mktemp("results")
    words = ("--rounds", "1", "--reuse", "keep-alive,close", "--seed", "3")
    done = calcbench_run("run", "--strategy", ",".join(FIVE), *QUICK, *words, "--out", str(parent))
    folder = folder_of(parent)
    assert done.returncode == bool(error_of(folder)), done.stderr
    return folder, done.stdout, done.stderr


@pytest.mark.slow
def test_races_draws_and_says_where(raced: tuple[Path, str, str]) -> None:
    folder, stdout, stderr = raced
    files = {str(path.relative_to(folder)) for path in folder.rglob("*")}

    for name in FIVE:
        assert len(re.findall(rf"^ +2  {name} ", stdout, re.MULTILINE)) == 2
    assert "\n".join(["", *verdict(summarise(read_run(folder), folder)), ""]) in stdout
    assert stdout.endswith(f"Charts: {folder / 'charts'}\nData:   {folder}\n")
    assert "\x1b" not in stdout + stderr
    begun = r"calcbench: 10 measurements, about [0-9]+ s in all\n"
    warned = r"(calcbench: doctor: .*\n)?"
    assert re.fullmatch(begun + warned + re.escape(error_of(folder)), stderr)
    assert files >= {
        *("result.json", "summary.json", "summary.csv", "samples"),
        *(f"charts/{name}.png" for name in ("throughput", "latency-p50", "latency-p99")),
        *(f"charts/{name}.svg" for name in ("throughput", "latency-p50", "latency-p99")),
    }


@pytest.mark.slow
def test_writes_a_summary_for_programs(raced: tuple[Path, str, str]) -> None:
    folder = raced[0]
    result = json.loads((folder / "result.json").read_text())
    summary = json.loads((folder / "summary.json").read_text())
    with (folder / "summary.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))

    assert result["plan"]["seed"] == 3
    assert result["command"].startswith("calcbench run --strategy blocking,")
    assert summary["schema_version"] >= 1
    assert sorted({row["strategy"] for row in rows}) == FIVE
    assert len(rows) == len(summary["rows"]) == 10


@pytest.mark.slow
def test_draws_an_earlier_race_again(raced: tuple[Path, str, str]) -> None:
    folder, stdout, _ = raced
    drawn = [path for path in folder.rglob("*") if path.is_file() and "samples" not in path.parts]
    before = {path: path.read_bytes() for path in drawn}
    for path in drawn:
        if path.name not in ("result.json", "measurements.jsonl"):
            path.unlink()
    done = calcbench_run("report", str(folder))

    assert (done.returncode, done.stdout, done.stderr) == (0, stdout, "")
    assert {path: path.read_bytes() for path in drawn} == before


@pytest.mark.slow
def test_prints_only_the_folder_when_quiet(tmp_path: Path) -> None:
    done = calcbench_run("run", "-q", "--strategy", "fork", *QUICK, "--rounds", "1", cwd=tmp_path)

    folder = folder_of(tmp_path / "results")
    short = str(folder.relative_to(tmp_path))
    assert done.stdout == f"{short}\n"
    assert done.stderr == error_of(folder, f"calcbench report {short} says why")
    assert done.returncode == bool(done.stderr)


@pytest.mark.slow
def test_says_where_the_reasons_are_when_quiet(tmp_path: Path) -> None:
    words = ("--duration", "0.05", "--warmup", "0", "--rounds", "1", "--out", str(tmp_path))
    with nobody() as port:
        done = calcbench_run("load", "-q", f"http://127.0.0.1:{port}/", *words)

    why = f"calcbench report {folder_of(tmp_path)}"
    assert done.returncode == 1
    assert done.stderr.endswith(f"; {why} says why\n")
    assert "no right response" in calcbench_run(*why.split()[1:]).stdout


@pytest.mark.slow
def test_prints_the_whole_result_as_json(tmp_path: Path) -> None:
    words = ("--json", "--strategy", "threadpool:workers=2,fork", "--rounds", "2")
    done = calcbench_run("run", *QUICK, *words, "--out", str(tmp_path))
    whole, folder = json.loads(done.stdout), folder_of(tmp_path)
    summary = summarise(read_run(folder), folder)

    assert [row["condition"]["strategy"] for row in whole["summary"]["rows"]] == [
        "threadpool:workers=2",
        "fork",
        f"{whole['run']['plan']['control']} (again)",
    ]
    assert len(whole["run"]["measurements"]) == 6
    assert whole["run"] == json.loads((folder / "result.json").read_text())
    assert whole["summary"] == json.loads(to_json(summary, ranking_as_json(summary)))
    assert "threadpool:workers=2" in done.stderr
    assert done.stderr.endswith(error_of(folder))
    assert done.returncode == bool(error_of(folder))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_keeps_what_there_is_of_an_interrupted_race(
    start: Processes, terminal: Terminal, tmp_path: Path, number: signal.Signals, status: int
) -> None:
    words = ("--strategy", "selectors", *QUICK, "--rounds", "1000", "--out", str(tmp_path))
    process = start("run", *words, stderr=terminal.theirs)
    terminal.wait_for(r"(?<!\d)3 of 1,000")
    process.send_signal(number)
    process.send_signal(signal.SIGTERM)  # a second one is too late to spoil anything
    stdout, _ = process.communicate(timeout=TIMEOUT_S)
    folder = folder_of(tmp_path)
    report = calcbench_run("report", str(folder))

    assert process.returncode == status
    assert re.match(r"Partial result: [0-9]+ of 1,000 measurements\n", stdout)
    assert json.loads((folder / "result.json").read_text())["partial"] is True
    assert (folder / "charts" / "throughput.png").exists()
    assert (report.returncode, report.stdout, report.stderr) == (0, stdout, "")
    assert not list(folder.rglob("*.part"))


@pytest.mark.slow
def test_keeps_an_empty_result_of_a_race_that_was_stopped_at_once(
    start: Processes, terminal: Terminal, tmp_path: Path
) -> None:
    words = ("--strategy", "selectors", "--duration", "60", "--out", str(tmp_path))
    process = start("run", *words, stderr=terminal.theirs)
    terminal.wait_for(r"(?<!\d)0 of 18")
    process.send_signal(signal.SIGINT)
    stdout, _ = process.communicate(timeout=TIMEOUT_S)
    folder = folder_of(tmp_path)

    assert process.returncode == 130
    assert "0 of 18 measurements" in stdout
    assert calcbench_run("report", str(folder)).returncode == 0


@pytest.mark.slow
def test_shows_its_progress_with_the_time_left_on_a_terminal_only(
    start: Processes, terminal: Terminal, tmp_path: Path
) -> None:
    words = ("--strategy", "fork", *QUICK, "--rounds", "2", "--out", str(tmp_path))
    process = start("run", *words, stderr=terminal.theirs)
    terminal.wait_for(r"1 of 2\b.*[0-9] s left.*fork, add, 2")
    stdout, _ = process.communicate(timeout=TIMEOUT_S)

    assert process.returncode in (0, 1)  # a round of 50 ms may not count
    assert not re.search(r"[0-9] s left", stdout)
    assert str(folder_of(tmp_path)) in stdout


@pytest.mark.slow
def test_leaves_nothing_running_when_it_is_killed(
    start: Processes, terminal: Terminal, tmp_path: Path
) -> None:
    words = ("--strategy", "fork", "--duration", "60", "--out", str(tmp_path))
    process = start("run", *words, stderr=terminal.theirs)
    terminal.wait_for(r"(?<!\d)0 of 18")
    process.kill()

    assert process.wait(TIMEOUT_S) == -9
    assert not list(folder_of(tmp_path).glob("result.json"))


def test_fails_when_a_strategy_failed_and_not_when_it_cannot_run_here() -> None:
    run = make_run(Plan(("fork", "selectors")))

    def status(*statuses: str) -> int:
        names = ("fork", "selectors")[: len(statuses)]
        rows = [Row(make_condition(name), one) for name, one in zip(names, statuses, strict=True)]
        return exit_status_of(Summary(1, "", False, tuple(rows)), run, "")

    assert status("unavailable", "ok") == 0
    with pytest.raises(CalcbenchError, match="fork could not be measured"):
        status("failed", "ok")
    with pytest.raises(CalcbenchError, match="can run here"):
        status("unavailable")


def test_fails_when_too_many_requests_got_no_right_response() -> None:
    """Once: of a server with no error at all, which served nobody, the same as of one with many."""
    failing = Row(make_condition("fork"), "ok", fails=True)
    nobody = make_row(make_condition("selectors"), [0, 0, 0], fails=True, unserved=(1, 2, 3))
    sometimes = make_row(make_condition("blocking"), [9, 0], fails=True, unserved=(2,))
    run = make_run(Plan(("fork", "selectors")))

    def said(*rows: Row) -> str:
        with pytest.raises(CalcbenchError) as raised:
            exit_status_of(Summary(1, "", False, rows), run, "look there")
        return str(raised.value)

    many = "fork left more than 1% of the requests without a right response (--most-failures)"
    assert said(failing) == many
    assert said(nobody) == "selectors served nobody; look there"
    assert said(failing, nobody) == f"selectors served nobody; {many}; look there"
    assert said(sometimes) == "blocking served nobody in round 2; look there"


@pytest.mark.parametrize(
    ("judgement", "evidence", "fails"),
    [
        ("invalid", Evidence(), True),  # the server died, or never started
        ("invalid", Evidence(little_ratio=0.5), False),  # the measurement contradicts itself
        ("driver-bound", Evidence(driver_fault="late"), False),
    ],
)
def test_fails_when_a_server_failed_in_some_round(
    judgement: str, evidence: Evidence, *, fails: bool
) -> None:
    good = Row(make_condition("fork"), "ok")
    bad = Measurement(good.condition, 2, "failed", "why", judgement=judgement, evidence=evidence)
    run = make_run(Plan(("fork",)), bad)

    expected = pytest.raises(CalcbenchError, match="fork failed")
    with expected if fails else contextlib.nullcontext():
        assert exit_status_of(Summary(1, "", False, (good,)), run, "") == 0
