"""Files in `strategies/` that are no strategies: one line each, and the others go on."""

import re
import shutil
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from calcbench.bench.cli.list import list_command
from calcbench.bench.cli.main import cli
from calcbench.bench.cli.param_types import parse_strategies
from calcbench.core.errors import CalcbenchError
from calcbench.core.serving.catalogue import load, names, parse_variant
from calcbench.core.serving.launcher import ServerSpec, launch

GOOD = '"""A good one."""\n\ndef serve(listener, service, options, stop):\n    stop.wait(60)\n'
OPTIONS = "from dataclasses import dataclass\nfrom calcbench.core.options import option\n"
DATACLASS = f"{OPTIONS}@dataclass(frozen=True)\nclass Options:\n    "

# What stands in a file, and a part of the line that says what is wrong with it.
BROKEN: dict[str, tuple[str | bytes, str]] = {
    "a syntax error": ("x = 1\ndef serve(:\n", r"bad\.py, line 2: .*; correct it there"),
    "bytes that are no text": (b"x = '\xff'\n", r"bad\.py.*utf-8.*correct it there"),
    "a null byte": (b"x = 1\n\0\n", r"bad\.py.*null bytes.*correct it there"),
    "a missing import": (
        "\nimport uvloop_of_nobody.loop\n",
        r"line 2: No module named 'uvloop_of_nobody'; .* REQUIRES = .has..uvloop_of_nobody..,.",
    ),
    "an import of what is not there": (
        "from os import no_such_thing\n",
        r"bad\.py, line 1: ImportError: cannot import name 'no_such_thing'.*; correct it there",
    ),
    "an exception": ("def f():\n    1 / 0\nf()\n", r"bad\.py, line 2: ZeroDivisionError: division"),
    "an exception of many lines": ("raise ValueError('a\\nb')", r"line 1: ValueError: a b; corr"),
    "an exit": ("import sys\nsys.exit(3)\n", r"bad\.py, line 2: it exits while it is imported;"),
    "an odd exception": ("raise GeneratorExit\n", r"bad\.py, line 1: GeneratorExit; correct it"),
    "no serve": ("x = 1\n", r"bad\.py has no function serve; write def serve\(listener, service,"),
    "a serve that is none": ("serve = 3\n", r"bad\.py has no function serve"),
    "an async serve": (
        "async def serve(listener, service, options, stop): ...\n",
        r"bad\.py, line 1: serve is async; write def serve\(.*, and start the event loop in it",
    ),
    "other parameters": (
        "\ndef serve(listener, stop): ...\n",
        r"bad\.py, line 2: serve takes \(listener, stop\); write def serve\(listener, service,",
    ),
    "options that are no dataclass": (
        f"class Options:\n    workers: int = 8\n{GOOD}",
        r"bad\.py: Options is not a dataclass; write @dataclass\(frozen=True\) above it",
    ),
    "an option without help": (
        f"{DATACLASS}workers: int = 8\n{GOOD}",
        r"bad\.py: the option workers has no help; write workers: int = option\(8, \"what",
    ),
    "an option without a default": (
        f"{DATACLASS}workers: int\n{GOOD}",
        r"bad\.py: the option workers has no help",
    ),
    "an option of a strange kind": (
        f"{DATACLASS}eager: bool = option(False, 'eager')\n{GOOD}",
        r"bad\.py: the default of the option eager is a bool; it should be an int, a float or a",
    ),
    "a requirement that is no tuple": (
        f"from calcbench.core.serving.catalogue import has\nREQUIRES = has('os')\n{GOOD}",
        r"bad\.py: REQUIRES should be a tuple, as in REQUIRES = \(has\('os', 'fork'\),\)",
    ),
}


@pytest.fixture
def folder(strategies_folder: Path) -> Path:
    """A folder in which there is one good strategy."""
    (strategies_folder / "good.py").write_text(GOOD)
    return strategies_folder


def listed(*arguments: str) -> Result:
    return CliRunner().invoke(list_command, arguments, catch_exceptions=False)


@pytest.mark.parametrize("kind", BROKEN)
def test_says_in_one_line_what_is_wrong_with_a_file(folder: Path, kind: str) -> None:
    text, message = BROKEN[kind]
    (folder / "bad.py").write_bytes(text.encode() if isinstance(text, str) else text)
    broken = load("bad").broken

    assert re.search(message, broken)
    assert broken.startswith("strategies/bad.py")
    assert "\n" not in broken
    assert str(folder) not in broken
    assert names() == ["bad", "good"]
    assert load("good").summary == "A good one."
    assert f"bad: broken: {broken}\n" in listed().output
    assert "good: A good one.\n" in listed().output
    assert "\n1 of 2 can run here.\n" in listed().output
    assert listed("--json").exit_code == 0


@pytest.mark.parametrize(
    ("file", "name", "message"),
    [
        ("my-server.py", "my-server", "rename it to my_server.py"),
        ("my server.py", "my-server", "rename it to my_server.py"),
        ("1st.py", "1st", "rename it to strategy_1st.py"),
        ("_draft.py", "draft", "rename it to draft.py"),
        ("sérvice.py", "s-rvice", "rename it to s_rvice.py"),
        ("a,b:c=d.py", "a-b-c-d", "rename it to a_b_c_d.py"),
        ("-.py", "unnamed", "rename it to strategy.py"),
        ("all.py", "all", "has a name that means every strategy; rename it"),
    ],
)
def test_says_what_is_wrong_with_a_name(folder: Path, file: str, name: str, message: str) -> None:
    (folder / file).write_text(GOOD)

    assert sorted(names()) == sorted(["good", name])
    assert load(name).broken.startswith(f"strategies/{file} ")
    assert load(name).broken.endswith(message)
    assert parse_strategies([]) == tuple(names())
    assert [parse_variant(label).strategy for label in names()] == names()


def test_keeps_what_a_file_prints_out_of_our_own_output(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its server says it, and then it is passed on: once."""
    (folder / "loud.py").write_text(
        f"import sys\nprint('hello')\nprint('you', file=sys.stderr)\n{GOOD}"
    )
    load("loud")
    here = capsys.readouterr()
    lines: list[str] = []
    with launch(ServerSpec("loud"), show=lines.append) as server:
        server.stop()

    assert (here.out, here.err) == ("", "")
    assert lines == ["hello", "you"]


def test_keeps_two_files_of_one_name_apart(folder: Path) -> None:
    (folder / "a_b.py").write_text(GOOD)
    (folder / "a-b.py").write_text(GOOD)

    assert names() == ["a-b", "a-b-again", "good"]
    assert not load("a-b").broken
    assert load("a-b-again").broken.startswith("strategies/a-b.py should have a name of letters,")


def test_says_that_a_folder_is_no_strategy(folder: Path) -> None:
    (folder / "mine").mkdir()
    (folder / "mine" / "__init__.py").write_text(GOOD)
    (folder / "notes").mkdir()
    (folder / "hollow.py").mkdir()

    assert names() == ["good", "mine"]
    assert load("mine").broken == (
        "strategies/mine/ is a folder; a strategy is one file: make it mine.py"
    )


def test_lists_a_strategy_without_a_docstring(folder: Path) -> None:
    (folder / "good.py").write_text(GOOD.partition("\n")[2])

    assert "good: (no docstring: its first line" in listed().output


def test_shows_nothing_of_a_name_that_a_terminal_obeys(folder: Path) -> None:
    (folder / "\x1b[2J.py").write_text(GOOD)

    assert "\x1b" not in listed().output


def test_races_the_others(folder: Path, tmp_path: Path) -> None:
    (folder / "bad.py").write_text("import no_such_module\n")
    shutil.copy(Path(__file__).parent.parent / "strategies" / "selectors.py", folder / "good.py")
    quick = "--connections 2 --duration 0.05 --warmup 0 --workload add --rounds 1 --out"
    done = CliRunner().invoke(cli, ["run", *quick.split(), str(tmp_path)], standalone_mode=False)

    assert "strategies/bad.py, line 1: No module named 'no_such_module'" in done.output
    assert "good" in done.output


@pytest.mark.parametrize("asked", ["bad", "good,bad", "bad:workers=3"])
def test_refuses_a_broken_one_that_is_asked_for(folder: Path, asked: str) -> None:
    (folder / "bad.py").write_text("import no_such_module\n")

    assert parse_strategies([]) == ("bad", "good")
    with pytest.raises(CalcbenchError, match=r"^strategies/bad\.py, line 1: No module named"):
        parse_strategies([asked])
    with pytest.raises(CalcbenchError, match=r"^strategies/bad\.py, line 1: No module named"):
        launch(ServerSpec("bad"))


def test_says_that_a_file_may_not_be_read(folder: Path) -> None:
    file = folder / "bad.py"
    file.write_text(GOOD)
    file.chmod(0)
    if file.stat().st_mode & stat.S_IRUSR or load("bad").broken == "":
        pytest.skip("whoever runs the tests may read everything")

    assert "PermissionError" in load("bad").broken
