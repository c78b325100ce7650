"""What commands exit with: the table in docs/README.md, the help text and the code say the same."""

import ast
import re
import signal
from collections.abc import Iterator
from pathlib import Path

from calcbench.bench.analysis.thresholds import WORDS
from calcbench.bench.cli.main import EXIT_STATUS
from calcbench.bench.system.program import INTERRUPTED, RULE_BROKEN
from calcbench.core.errors import CalcbenchError

ROOT = Path(__file__).parent.parent
SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)  # those that a race takes for its end


def declared() -> Iterator[tuple[str, int]]:
    """Yield each class that declares an exit status, and that; without importing any."""
    for path in [*(ROOT / "bench").rglob("*.py"), *(ROOT / "core").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_bytes())):
            for line in node.body if isinstance(node, ast.ClassDef) else ():
                if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "exit_status":
                    assert isinstance(node, ast.ClassDef)
                    yield node.name, ast.literal_eval(line.value)


def in_code() -> set[int]:
    return {
        0,
        RULE_BROKEN,
        INTERRUPTED,
        *WORDS,
        *dict(declared()).values(),
        *(128 + one for one in SIGNALS),
    }


def test_finds_the_errors_that_have_a_status_of_their_own() -> None:
    found = dict(declared())

    assert found["CalcbenchError"] == CalcbenchError.exit_status == 1
    assert {"UsageError", "Interrupted"} <= set(found)


def test_the_table_of_exit_statuses_has_all_that_the_code_has() -> None:
    page = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    table = page.partition("## Exit statuses")[2].partition("\n## ")[0]
    listed = [int(number) for number in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)]

    assert listed == sorted(in_code())


def test_the_help_text_has_them_too() -> None:
    listed = [int(number) for number in re.findall(r"^ +(\d+) ", EXIT_STATUS, re.MULTILINE)]
    listed += [int(number) for number in re.findall(r"(\d+) by SIG", EXIT_STATUS)]

    assert sorted(listed) == sorted(in_code())
