"""`calcbench new` and `calcbench check`, from the command line."""

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from threading import Thread
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from calcbench.bench.classroom.conformance import site, suite
from calcbench.bench.classroom.conformance.catalogue import RULES
from calcbench.bench.classroom.conformance.program import is_program
from calcbench.bench.classroom.conformance.verdict import (
    ADVICE,
    BROKEN,
    KEPT,
    NOT_JUDGED,
    NOT_OFFERED,
    Verdict,
    insist,
)
from calcbench.bench.classroom.lessons.program import solution, source
from calcbench.bench.cli.main import cli
from calcbench.core.errors import CalcbenchError, UsageError
from calcbench.core.serving import catalogue

STRATEGIES = Path(__file__).parent / "planted/right/strategies"
STEPS = ("step03_greet.py", "step08_threads.py", "step10_fork.py", "step11_loop.py")
TELLS_PIDS = '''"""One client at a time, and each server writes down its number."""

import os
from pathlib import Path

from calcbench.core.serving.blocking import clients, serve_connection


def serve(listener, service, options, stop):
    with Path(__file__).with_name("pids").open("a") as pids:
        print(os.getpid(), file=pids)
    for client in clients(listener, service, stop):
        serve_connection(client, service, stop)
'''
QUICK = ("--only", "answers", "--only", "keep-alive", "--only", "stops-unused")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in which one works."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(catalogue, "given", {})
    return tmp_path


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments, standalone_mode=False)


def refused(*arguments: str) -> str:
    """Return in which words the command line is refused."""
    error = invoke(*arguments).exception
    assert isinstance(error, CalcbenchError)
    return str(error)


def test_every_rule_says_what_it_is() -> None:
    names = [rule.name for rule in RULES]

    assert len(set(names)) == len(names)
    for number, rule in enumerate(RULES):
        assert rule.promise
        assert rule.mistake
        assert rule.hint
        assert rule.test.__doc__
        assert set(rule.after) <= set(names[:number])


@pytest.mark.slow
def test_writes_a_strategy_that_keeps_to_the_rules(folder: Path) -> None:
    made, done = invoke("new", "mine.py"), invoke("check", "./mine.py")

    assert "calcbench check ./mine.py" in made.output
    assert done.return_value == 0, done.output
    assert done.output.count("\nok ") == len(RULES) - 1
    assert f"mine: {len(RULES)} rules kept" in done.output


def test_never_writes_over_a_file(folder: Path) -> None:
    (folder / "mine.py").write_text("x = 1\n")

    assert refused("new", "mine.py") == "'mine.py' is there already; it stays as it is"
    assert (folder / "mine.py").read_text() == "x = 1\n"


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("my-server.py", "write 'my_server.py'"),
        ("my server.py", "write 'my_server.py'"),
        ("1st.py", "write 'strategy_1st.py'"),
        ("mine", "write 'mine.py'"),
        ("all.py", "write 'my_all.py'"),
        ("threadpool.py", "write 'my_threadpool.py'"),
        ("queue.py", "write 'my_queue.py'"),
        ("class.py", "write 'my_class.py'"),
        (".", "is a folder; name a file in it, as in 'mine.py'"),
        ("no/such/mine.py", "there is no folder 'no/such'"),
    ],
)
def test_refuses_a_name_and_says_a_right_one(folder: Path, name: str, right: str) -> None:
    assert refused("new", name).endswith(right)
    assert list(folder.iterdir()) == []


@pytest.mark.slow
def test_says_what_was_sent_and_seen(folder: Path) -> None:
    planted = Path(__file__).parent / "planted/strategies/one_request_each.py"
    done = invoke("check", str(planted), *QUICK, "--junit", "out.xml", "-x")
    case = ElementTree.parse("out.xml").findall("testsuite/testcase")[1]

    assert done.return_value == 3
    assert "BROKEN  keep-alive: no keep-alive: it closes after a response" in done.output
    assert "one-request-each: 1 rule kept; 1 broken: keep-alive" in done.output
    assert "stops-unused" not in done.output
    assert (case.get("name"), case.get("classname")) == ("keep-alive", "one-request-each")
    assert "in place of" in str(case.findtext("failure"))


@pytest.mark.slow
def test_tells_programs_all_of_it(folder: Path) -> None:
    record = json.loads(invoke("check", "selectors", *QUICK, "--json").output)

    assert record["passed"]
    assert record["checked"] == "selectors"
    assert [rule["outcome"] for rule in record["rules"]] == ["kept"] * 3


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ('"""Mine."""\ndef serve(:\n', "mine.py, line 2: invalid syntax; correct it there"),
        ('"""Mine."""\n', "mine.py has no function serve; write def serve(listener,"),
        ('"""Mine."""\ndef serve(stop): ...\n', "mine.py, line 2: serve takes (stop); write"),
        ('"""Mine."""\n1 / 0\n', "mine.py, line 2: ZeroDivisionError: division by zero"),
        (
            "def serve(listener, service, options, stop):\n    listener.accept()\n    1 / 0\n",
            "mine.py, line 1: no docstring; its first line says what this strategy",
        ),
        (
            '"""Mine."""\ndef serve(listener, service, options, stop):\n    print(x)\n',
            "mine.py, line 3: NameError: name 'x' is not defined",
        ),
    ],
)
def test_says_what_is_wrong_with_a_file(folder: Path, text: str, seen: str) -> None:
    (folder / "mine.py").write_text(text)
    done = invoke("check", "./mine.py", "-x")

    assert done.return_value == 3
    assert seen in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "what is to be checked? as in: calcbench check ./mine.py"),
        (("./no.py",), "there is no file './no.py'"),
        (("fork", "--only", "keepalive"), "no rule 'keepalive'; did you mean 'keep-alive'?"),
        (("fork", "--clients", "two"), "--clients 'two' should be one or many"),
        (("fork", "--require", "keepalive"), "no rule 'keepalive'; did you mean 'keep-alive'?"),
        (
            ("fork", "--skip", "reset", "--require", "reset"),
            "--require reset: --only or --skip leaves it out",
        ),
        (("http://",), "'http://' should be a URL such as http://127.0.0.1:8080/"),
        (("localhost:80",), "'localhost:80' is no strategy; did you mean http://localhost:80?"),
        (("https://localhost",), "should be a URL such as http://127.0.0.1:8080/"),
    ],
)
def test_refuses_what_cannot_be_meant(
    folder: Path, arguments: tuple[str, ...], message: str
) -> None:
    error = invoke("check", *arguments).exception

    assert isinstance(error, UsageError)
    assert message in str(error)


def test_says_that_nobody_listens() -> None:
    message = refused("check", "http://127.0.0.1:9/")

    assert message == "nothing listens at http://127.0.0.1:9/; is it running?"


def test_says_that_nobody_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        mute.shutdown(socket.SHUT_RD)
        mute.listen()
        url = f"http://127.0.0.1:{mute.getsockname()[1]}"
        closing = Thread(target=close_each, args=(mute,))
        closing.start()
        done = invoke("check", url, "--only", "answers", "--only", "reset")
        mute.shutdown(socket.SHUT_RD)
        closing.join()

    assert done.return_value == 3
    assert "BROKEN  answers: it does not answer" in done.output
    assert "not judged: reset: it does not answer, so" in done.output


def close_each(listener: socket.socket) -> None:
    """Close every connection at once, until the *listener* is shut down."""
    with suppress(OSError):
        while True:
            listener.accept()[0].close()


@pytest.mark.parametrize("name", STEPS)
def test_does_not_import_a_program_of_ones_own(
    folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / name).write_text(f"open('was here', 'w')\n{solution(source(name))}")
    message = refused("check", name)

    assert message == (
        f"{name} is a program of its own, not a strategy: start it, then"
        " calcbench check http://localhost:PORT"
    )
    assert not (folder / "was here").exists()


@pytest.mark.parametrize("path", sorted(STRATEGIES.rglob("*.py")), ids=lambda path: path.stem)
def test_takes_no_strategy_for_a_program(path: Path) -> None:
    assert not is_program(path.read_bytes() + b'if __name__ == "__main__":\n    print()\n')


def test_names_what_no_time_was_left_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "TOTAL_S", -1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(site, "FIRST_S", 0.0)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        done = invoke("check", url)

    assert f": no time left\n{url}: 0 rules kept; {len(RULES)} not judged" in done.output


@pytest.mark.slow
def test_leaves_no_server_behind_at_ctrl_c(folder: Path) -> None:
    (folder / "mine.py").write_text(TELLS_PIDS)
    command = [sys.executable, "-m", "calcbench", "check", "./mine.py"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline().startswith("ok ")
        process.send_signal(signal.SIGINT)
        output = process.stdout.read()

    assert process.returncode == 130
    assert "stopped by Ctrl-C" in output
    pids = (folder / "pids").read_text().split()
    assert pids
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


@pytest.mark.parametrize(
    ("outcome", "required"),
    [(KEPT, KEPT), (ADVICE, BROKEN), (NOT_JUDGED, BROKEN), (NOT_OFFERED, BROKEN)],
)
def test_what_is_required_has_to_be_kept(outcome: str, required: str) -> None:
    verdict = insist(Verdict(RULES[0], outcome, "it has no POST /calc"))

    assert verdict.outcome == required
    assert verdict.why == "it has no POST /calc"


def test_prints_the_rules() -> None:
    listed = invoke("check", "--rules").output.splitlines()

    assert [line.partition(": ")[0] for line in listed] == [rule.name for rule in RULES]
