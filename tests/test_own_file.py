"""Strategies given by the path of their file, in any folder."""

import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from client import Client

from calcbench.bench.cli.main import cli
from calcbench.bench.cli.param_types import parse_strategies
from calcbench.core.errors import CalcbenchError, UsageError
from calcbench.core.serving import catalogue
from calcbench.core.serving.catalogue import load, options_of, parse_variant
from calcbench.core.serving.launcher import ServerSpec, launch

STRATEGIES = Path(__file__).parent.parent / "strategies"
SERVE = """
from calcbench.core.serving.blocking import clients, serve_connection
def serve(listener, service, options, stop):
    for client in clients(listener, service, stop):
        serve_connection(client, service, stop)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in which one works, and a catalogue that forgets what was given there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(catalogue, "given", {})
    return tmp_path


def write(path: Path, text: str = SERVE, summary: str = "Mine.") -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f'"""{summary}"""\n{text}')


@pytest.mark.parametrize("text", ["./my_own.py", "my_own.py", "../{0}/my_own.py"])
def test_serves_with_a_file(folder: Path, text: str) -> None:
    write(folder / "my_own.py")
    name = parse_variant(text.format(folder.name)).label

    assert name == "my-own"
    assert load(name).summary == "Mine."
    with launch(ServerSpec(name)) as server:
        with Client(server) as client:
            assert client.get("/add/2/3").body == b"5"
        assert server.stop().clean
    assert not (folder / "__pycache__").exists()


@pytest.mark.slow
def test_serves_with_a_file_and_an_interpreter_in_which_nothing_is_installed(folder: Path) -> None:
    write(folder / "mine.py", f"import helper\n{SERVE}")
    (folder / "helper.py").write_text("import sys\nprint(sys.flags.isolated, 'calcbench')")
    bare = folder / "python"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S "$@"\n')
    bare.chmod(0o755)
    lines: list[str] = []
    spec = ServerSpec(parse_variant("./mine.py").strategy, python=str(bare))
    with launch(spec, show=lines.append) as server:
        with Client(server) as client:
            assert client.get("/add/2/3").body == b"5"
        assert server.stop().clean

    assert lines == ["1 calcbench"]


def test_sets_the_options_of_a_file(folder: Path) -> None:
    (folder / "pool.py").write_bytes((STRATEGIES / "threadpool.py").read_bytes())
    variant = parse_variant("./pool.py:workers=4,queue=9")

    assert variant.label == "pool:workers=4,queue=9"
    assert options_of(variant)["workers"] == 4
    assert parse_variant(variant.label) == variant
    with pytest.raises(UsageError, match="no option 'worker'; did you mean 'workers'"):
        parse_variant("./pool.py:worker=4")


def test_tells_a_copy_of_a_strategy_from_the_original(folder: Path) -> None:
    write(folder / "threadpool.py")

    assert parse_strategies(["./threadpool.py,threadpool"]) == ("my-threadpool", "threadpool")
    assert load("my-threadpool").summary == "Mine."
    assert load("threadpool").options_type is not None
    assert parse_strategies([str(STRATEGIES / "threadpool.py")]) == ("threadpool",)


def test_reads_a_file_anew_each_time_it_is_given(folder: Path) -> None:
    write(folder / "mine.py", summary="Old.")
    old = load(parse_variant("./mine.py").strategy)
    write(folder / "mine.py", summary="New.")

    assert (old.summary, load(parse_variant("./mine.py").strategy).summary) == ("Old.", "New.")


def test_keeps_the_neighbours_of_two_files_apart(folder: Path) -> None:
    for place in ("a", "b"):
        write(folder / place / f"in_{place}.py", f"from beside import {place}\n{SERVE}")
        (folder / place / "beside.py").write_text(f"{place} = 1\n")
        (folder / place / "selectors.py").write_text("1 / 0\n")  # hides no standard module

    assert parse_strategies(["a/in_a.py,b/in_b.py"]) == ("in-a", "in-b")
    assert "beside" not in sys.modules


def test_refuses_two_files_of_one_name(folder: Path) -> None:
    for place in ("a", "b"):
        write(folder / place / "mine.py")

    assert parse_strategies(["a/mine.py,a/mine.py"]) == ("mine",)
    with pytest.raises(UsageError, match="another file would both be called mine; rename one"):
        parse_strategies(["a/mine.py,b/mine.py"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("./mime.py", "there is no file './mime.py'; did you mean 'mine.py'?"),
        ("./mine", "'./mine' should be a file whose name ends in .py; did you mean './mine.py'?"),
        ("./mine.txt", "'./mine.txt' should be a file whose name ends in .py"),
        ("./", "'./' is a folder; a strategy is one file, as in './mine.py'"),
        ("mine", "no strategy 'mine'; did you mean './mine.py'?"),
        ("./mine.py:x=1", "strategy 'mine': no option 'x'; there are none"),
    ],
)
def test_says_what_was_meant_perhaps(folder: Path, text: str, message: str) -> None:
    write(folder / "mine.py")

    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        parse_variant(text)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("mine.py", "\n\ndef serve(:", "mine.py, line 4: invalid syntax; correct it there"),
        ("mine.py", "x = 1 / 0", "mine.py, line 2: ZeroDivisionError: division by zero; correct"),
        ("mine.py", "x = 1", "mine.py has no function serve; write def serve(listener, service,"),
        ("mine.py", "def serve(s): ...", "mine.py, line 2: serve takes (s); write def serve(list"),
        ("mine.py", "import beside", "mine.py, line 2: No module named 'beside'; install it, or"),
        ("all.py", SERVE, "all.py has a name that means every strategy; rename it"),
        ("1st.py", SERVE, "1st.py should have a name of letters, digits and underscores that begi"),
    ],
)
def test_says_in_one_line_what_is_wrong_with_a_file(
    folder: Path, file: str, text: str, message: str
) -> None:
    write(folder / file, text)

    with pytest.raises(CalcbenchError, match=rf"^{re.escape(message)}[^\n]*$"):
        parse_strategies([f"./{file}"])


@pytest.mark.slow
def test_keeps_the_path_of_a_file_out_of_the_result(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder / "course" / "mine.py", f"print(__file__)\n{SERVE}")
    quick = "--connections 1 --duration 0.05 --warmup 0 --workload add --rounds 1 --out out"
    given = str(folder / "course" / "mine.py")
    arguments = ["run", "--strategy", given, *quick.split(), "--no-charts", "-q"]
    monkeypatch.setattr(sys, "argv", ["calcbench", *arguments])
    done = CliRunner().invoke(cli, arguments, standalone_mode=False)
    written = {path: path.read_text("latin-1") for path in Path("out").rglob("*.*")}

    assert done.exit_code == 0
    assert any('"mine"' in text and "mine.py" in text for text in written.values())
    assert [path for path, text in written.items() if str(folder) in text] == []
