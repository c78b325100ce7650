"""Wrong command lines: each is one readable line and status 2, whatever shows it.

In this process, for there are many; `test_cli` runs some as users do.
"""

import errno
import io
import json
import math
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from calcbench.bench.cli.base import POLICY
from calcbench.bench.cli.combinations import APART, NEEDED
from calcbench.bench.cli.main import cli, main
from calcbench.bench.cli.param_types import Listed, Number
from calcbench.bench.system.terminal import printable
from calcbench.core.options import Bounds, describe, parse_number, parse_seconds, parse_whole
from calcbench.core.serving import catalogue

RECORDED = Path(__file__).with_name("recorded") / "schema-1"
LOAD = "load http://127.0.0.1:9/"
WRONG = (
    "serv",
    "±",
    "--versoin",
    "list extra",
    "serve",
    "serve --strategy sélectors",
    "serve --strategy threadpool -o worker=8",
    "serve --strategy threadpool -o workers",
    "serve --strategy threadpool -o workers=x",
    "serve --strategy threadpool -o workers=1e9",
    "serve --strategy threadpool -o workers=0",
    "serve --strategy threadpool:workers=4 -o workers=5",
    "serve --strategy fork --port 65536",
    "serve --strategy fork --port -1",
    "serve --strategy fork --port ٨٠٨٠",
    "serve --strategy fork --port 8_080",
    "serve --strategy fork --workload ad",
    "serve --strategy fork --workload wait=10",
    "serve --strategy fork --workload wait=1e99s",
    "serve --strategy fork --workload wait=61s",
    "serve --strategy fork --idle-timeout 1e300",
    "serve --strategy fork --idle-timeout 1e-300",
    "serve --strategy fork --idle-timeout 5parsec",
    "serve --strategy fork --head-timeout nan",
    "serve --strategy fork --drain-timeout 25h",
    "serve --strategy fork --max-body 99999999999",
    "serve --strategy fork --max-fields 0",
    "serve --strategy fork --body-rate 1e10",
    "run --strategy fork,\x1b]0;title\x07",
    "run --strategy fork,\u202egnirts",
    "run --connections 0",
    "run --connections 8,,9",
    "run --connections 1.5",
    "run --connections 1e3",
    "run --connections 1000001",
    f"run --connections {'9' * 5000}",
    "run --duration 0",
    "run --duration -1",
    "run --duration nan",
    "run --duration inf",
    "run --duration 1e-7",
    "run --duration 1e-10",
    "run --duration 1e12",
    "run --duration 2days",
    "run --warmup -1",
    "run --warmup 1e9",
    "run --timeout 1e300",
    "run --timeout 1e10",
    "run --timeout 0",
    "run --rounds 0",
    "run --rounds 10001",
    "run --seed -1",
    "run --seed 99999999999999999999",
    "run --precision 0%",
    "run --precision 100%",
    "run --precision 1e-9",
    "run --precision five",
    "run --precision 5% --most-rounds 0",
    "run --precision 5% --most-rounds 2",
    "run --rate 0",
    "run --rate 1e-300 --duration 1h",
    "run --rate 1e300",
    "run --rate 2e6",
    "run --rate 1 --duration 0.5",
    "run --drivers 0",
    "run --drivers 50 --connections 64",
    "run --drivers 257",
    "run --engine locust --host 127.0.0.1 --join 0",
    "run --engine locust --host 127.0.0.1 --join 300",
    "run --engine locust --host 127.0.0.1 --join 2 --master-port 0",
    "run --engine locust --host 127.0.0.1 --join 2 --master-port 65536",
    "run --engine siege",
    "run --behaviour idle",
    "run --behaviour idle=1000001",
    "run --behaviour idle=99999%",
    f"run --behaviour idle={'9' * 5000}",
    f"run --behaviour idle={'9' * 5000}%",
    "run --arrivals posson --rate 5",
    "run --reuse keepalive",
    "run --control blocking --strategy fork,selectors",
    "run --find-knee --slo p99<1e3µs",
    f"run --find-knee --slo p99<{'9' * 400}ms",
    f"{LOAD} --expect 199",
    f"{LOAD} --expect 1e3",
    f"{LOAD} -X GÉT",
    f"{LOAD} -H ñ",
    "load http://[::1/",
    "load ftp://127.0.0.1/",
    "compare /nowhere/ä /nowhere/中",
    "compare . . --fail-if p99<−5ms",
    "compare . . --fail-if p98<5ms",
    "report /nowhere/\x1b[2J",
    "report",
    "worker --master [::1]:99999",
    "worker --master 127.0.0.1 --wait -1",
    "worker --master 127.0.0.1 --wait 1e300",
    "completion tcsh",
)
STREAMS = ("ascii", "latin-1", "cp1252", "utf-8")


def answer(words: list[str], monkeypatch: pytest.MonkeyPatch, encoding: str) -> tuple[Any, str]:
    """Return the status and the text with which the wrong command line *words* ends."""
    status, out, err = outcome(words, monkeypatch, encoding)
    assert out == ""
    return status, err


def outcome(
    words: list[str], monkeypatch: pytest.MonkeyPatch, encoding: str
) -> tuple[Any, str, str]:
    """Return the status with which the command line *words* ends, and what it printed."""
    out, err = io.BytesIO(), io.BytesIO()
    with monkeypatch.context() as patch:
        patch.setenv("TERM", "dumb")
        patch.setattr(sys, "argv", ["calcbench", *words])
        streams = [io.TextIOWrapper(raw, encoding=encoding) for raw in (out, err)]
        patch.setattr(sys, "stdout", streams[0])
        patch.setattr(sys, "stderr", streams[1])
        with pytest.raises(SystemExit) as ended:
            main()
    for stream in streams:
        stream.detach()  # or it would close what is behind it
    return ended.value.code, out.getvalue().decode(encoding), err.getvalue().decode(encoding)


@pytest.mark.parametrize("line", WRONG, ids=lambda line: ascii(line[:50]))
def test_refuses_a_wrong_command_line_in_one_line(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for encoding in STREAMS:
        status, said = answer(line.split(" "), monkeypatch, encoding)

        assert said.startswith("calcbench: ")
        assert said.count("\n") == 1
        assert said.removesuffix("\n") == printable(said.removesuffix("\n"))
        assert not said.endswith(".\n")
        assert status == 2
    assert list(tmp_path.iterdir()) == []


# What stands in the tables of options, as one may type it.
TYPED = {
    "--rate": "--rate 500",
    "--rounds": "--rounds 5",
    "--precision": "--precision 5%",
    "--most-rounds": "--most-rounds 9",
    "--control": "--control fork",
    "--behaviour": "--behaviour idle=2",
    "--join": "--join 2",
    "--drivers": "--drivers 2",
    "--host": "--host 192.0.2.7",
    "--fail-if": "--fail-if p99>20ms",
    "--most-failures": "--most-failures 2%",
    "--slo": "--slo p99<20ms",
    "--arrivals": "--arrivals poisson",
    "--connections": "--connections 8",
    "--interleave": "--interleave slices",
    "--users": "--users 300",
    "--think": "--think exp:1s",
    "--master-port": "--master-port 5600",
    "--unix-socket": "--unix-socket /nowhere",
}


def typed(option: str) -> str:
    return TYPED.get(option, option)


@pytest.mark.parametrize(("one", "other", "why"), APART)
def test_refuses_options_that_do_not_go_together(
    one: str, other: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)  # no wrk: this comes before that
    base = LOAD if one == "--unix-socket" else "run"
    status, said = answer(f"{base} {typed(one)} {typed(other)}".split(), monkeypatch, "ascii")

    assert said == f"calcbench: {one} and {other} do not go together: {why}\n"
    assert status == 2


@pytest.mark.parametrize(("one", "others", "why"), NEEDED)
def test_refuses_an_option_without_the_one_that_it_needs(
    one: str, others: tuple[str, ...], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = " --engine locust" if others == ("--host",) else ""
    status, said = answer(f"run {typed(one)}{more}".split(), monkeypatch, "ascii")

    assert said == f"calcbench: {one} needs {' or '.join(others)}: {why}\n"
    assert status == 2


def test_names_options_that_there_are_in_its_tables() -> None:
    flags = {flag for name in ("run", "load") for p in command(name).params for flag in p.opts}
    named = {text for one, other, _ in APART for text in (one, other)}
    named |= {text for one, others, _ in NEEDED for text in (one, *others)}

    assert {text.partition(" ")[0] for text in named} <= flags


def command(name: str) -> click.Command:
    found = cli.get_command(click.Context(cli), name)
    assert found
    return found


def numbers(type_: Any) -> list[Number]:
    if isinstance(type_, Listed):
        return numbers(type_.one)
    return [type_] if isinstance(type_, Number) else []


@pytest.mark.parametrize("name", cli.list_commands(click.Context(cli)))
def test_bounds_every_number_of_a_command(name: str) -> None:
    for param in command(name).params:
        assert param.type.name not in ("integer", "float")  # click's own, without bounds
        for one in numbers(param.type):
            assert one.bounds.least <= one.read(one.example.partition(",")[0]) <= one.bounds.most
            assert abs(one.bounds.most) < 1e12
        if param.metavar in ("N", "SECONDS", "PORT", "R", "SHARE", "N,…"):
            assert numbers(param.type) or param.name in POLICY


def test_bounds_every_number_of_the_policy() -> None:
    for field in POLICY.values():
        assert field.least is not None
        assert field.most is not None
        assert field.least <= field.default <= field.most
        assert field.seconds is field.name.endswith("_timeout")


def test_bounds_every_number_of_a_strategy(strategy: str) -> None:
    fields = describe(catalogue.load(strategy).options_type)
    numeric = [field for field in fields if field.type_name != "str"]

    assert [field.name for field in numeric if field.least is None] == []
    assert [field.name for field in numeric if field.most is None] == []


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2", 2),
        ("2.5", 2.5),
        (".5", 0.5),
        ("1s", 1),
        ("500ms", 0.5),
        ("500 ms", 0.5),
        ("250us", 0.00025),
        ("250µs", 0.00025),
        ("2min", 120),
        ("1h", 3600),
        ("1e-3", 0.001),
        ("-1", -1),
    ],
)
def test_reads_a_time_with_a_unit_or_in_seconds(text: str, seconds: float) -> None:
    assert parse_seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "s", "1d", "1 2", "1_0", "٣", "nan", "inf", "0x1", "1e", "1S"]
)
def test_takes_nothing_else_for_a_number(text: str) -> None:
    for read in (parse_seconds, parse_number, parse_whole):
        with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
            read(text)


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        (Bounds(1, 10_000), "from 1 to 10,000"),
        (Bounds(0.01, 86_400.0, "seconds"), "from 0.01 to 86,400 seconds"),
        (Bounds(0.001, 0.99, "%"), "from 0.1% to 99%"),
    ],
)
def test_says_bounds_in_words(bounds: Bounds, words: str) -> None:
    assert str(bounds) == words


def test_holds_no_bounds_for_what_is_not_a_number() -> None:
    assert [number for number in (math.nan, math.inf, -math.inf) if number in Bounds(0, 9)] == []


def test_takes_a_unit_wherever_seconds_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every time of every command, by its own bounds: with the unit it is out of them."""
    for name in ("run", "load", "serve", "worker"):
        for param in command(name).params:
            if param.metavar != "SECONDS":
                continue
            flag = param.opts[0]
            needed = {"serve": "--strategy fork", "worker": "--master h"}.get(name, "")
            line = f"{LOAD if name == 'load' else name} {needed} {flag} 25h"
            status, said = answer(line.split(), monkeypatch, "ascii")

            assert said.startswith(f"calcbench: {flag} 25h should be from ")
            assert status == 2


HOSTILE = "\x1b]0;title\x07 \u202egnirts\u2028 ±中 \udc9b"
SHOWN = r"\x1b]0;title\x07 \u202egnirts\u2028 "
HELP = [f"{name} --help" for name in cli.list_commands(click.Context(cli))]
RIGHT = {
    **{line: {0} for line in ("", "--help", "--version", *HELP)},
    "list": {0},
    "list --json": {0},
    "doctor": {0, 1},
    "doctor --json": {0, 1},
    "completion bash": {0},
    "locustfile": {0},
    "report A": {0},
    "report --models --resources A": {0},
    "compare A A": {0},
    "compare A A --json": {0},
    "compare A A --fail-if p99<1s": {98, 99},
    "compare A A --fail-if p99>1us": {98, 99},
}


@pytest.fixture(scope="module")
def hostile_result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which A is a result whose texts would command a terminal."""
    folder = tmp_path_factory.mktemp("results")
    shutil.copytree(RECORDED, folder / "A")
    path = folder / "A" / "result.json"
    whole = json.loads(path.read_text(encoding="utf-8"))
    whole["started"] = HOSTILE
    whole["machine"]["cpu"] = HOSTILE
    whole["measurements"][0] |= {"status": "failed", "reason": HOSTILE}
    path.write_text(json.dumps(whole), encoding="utf-8")
    return folder


@pytest.fixture
def among_results(hostile_result: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be where the hostile result is, and draw no charts."""
    monkeypatch.setattr("calcbench.bench.views.charts.draw_charts", lambda *_, **__: [])
    monkeypatch.chdir(hostile_result)


@pytest.mark.usefixtures("among_results")
@pytest.mark.parametrize("line", RIGHT)
def test_prints_on_every_stream_what_it_prints_on_one_of_utf_8(
    line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = line.split()
    for encoding in STREAMS:
        status, out, err = outcome(words, monkeypatch, encoding)

        assert status in RIGHT[line]
        assert err == ""
        assert out == printable(out)
        if "--json" in words:
            json.loads(out)
        if line == "report A":
            assert SHOWN in out
            assert ("±" in out) is (encoding != "ascii")
            assert ("+/-" in out) is (encoding == "ascii")


class Broken(io.StringIO):
    """A stream that takes nothing, for the reason *number*."""

    def __init__(self, number: int, fd: int) -> None:
        super().__init__()
        self.number, self.fd, self.held = number, fd, False

    def fileno(self) -> int:
        return self.fd

    def write(self, text: str) -> int:
        self.held = self.held or bool(text)
        return len(text)

    def flush(self) -> None:
        if self.held:
            raise OSError(self.number, os.strerror(self.number))


@pytest.mark.usefixtures("among_results")
# Click prints its version by itself.
@pytest.mark.parametrize("line", [line for line in RIGHT if line != "--version"])
def test_ends_well_without_an_output(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stream is closed, the disk is full, or the reader has gone."""
    said = {
        errno.ENOSPC: "calcbench: cannot write the output: no space left on device\n",
        errno.EPIPE: "",
    }
    for number in (0, errno.ENOSPC, errno.EPIPE):
        err = io.StringIO()
        with monkeypatch.context() as patch, (tmp_path / "out").open("w") as file:
            patch.setattr(sys, "argv", ["calcbench", *line.split()])
            patch.setattr(sys, "stdout", Broken(number, file.fileno()) if number else None)
            patch.setattr(sys, "stderr", err)
            with pytest.raises(SystemExit) as ended:
                main()

        assert err.getvalue() == said.get(number, "")
        assert ended.value.code in ({1} if number else RIGHT[line])


def test_refuses_slices_where_nobody_could_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once: measured in windows without a word, while --drivers 2 was refused."""
    words = ["run", "--interleave", "slices", "--connections", "200"]

    assert answer(words, monkeypatch, "ascii") == (
        2,
        "calcbench: --interleave slices: servers with more than 128 connections take no turns\n",
    )
