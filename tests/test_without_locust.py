"""Locust is an extra: without it everything else works, and what needs it says so in one line."""

import os
import subprocess
import sys

import pytest

INSTALL = "pip install 'calcbench[locust]'"
WITHOUT = """
import sys
sys.modules |= dict.fromkeys(["locust", "gevent", "greenlet", "zmq", "psutil"])
from calcbench.bench.cli.main import main
main()
"""


def calcbench(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-P", "-c", WITHOUT, *words],
        env=os.environ | {"CALCBENCH_SECRET": "x" * 16},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("words", ["--help", "run --help", "load --help", "worker --help", "list"])
def test_works_without_locust(words: str) -> None:
    done = calcbench(*words.split())

    assert (done.returncode, done.stderr) == (0, "")
    assert "locust" in done.stdout or words == "list"


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ("run --engine locust --out /dev/null/x", "--engine locust"),
        ("run --engine locust --find-knee --slo p99<9ms", "--engine locust"),
        ("load http://127.0.0.1:1/ --engine locust", "--engine locust"),
        ("worker --master 127.0.0.1", "calcbench worker"),
    ],
)
def test_asks_for_locust_where_it_is_needed(words: str, what: str) -> None:
    done = calcbench(*words.split())

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"calcbench: {what} needs Locust: {INSTALL}\n"


def test_prints_the_locustfile_and_says_what_runs_it() -> None:
    done = calcbench("locustfile")

    assert done.returncode == 0
    assert done.stderr == f"calcbench: what runs this file is Locust: {INSTALL}\n"
    compile(done.stdout, "locustfile.py", "exec")
