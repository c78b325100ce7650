"""What an install contains. Whether the built wheel works is for .ci/run, which has a network."""

import ast
import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

import calcbench

ROOT = Path(__file__).parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
REQUIREMENTS = {
    "dependencies": PROJECT["project"]["dependencies"],
    **PROJECT["project"]["optional-dependencies"],
}


def package_folders() -> dict[str, str]:
    """Return the packages that the folders imply, each with its folder."""
    folders = {
        str(path.parent.relative_to(ROOT))
        for top in ("core", "strategies", "bench")
        for path in (ROOT / top).rglob("*.py")
    }
    named = {f"calcbench.{folder.replace('/', '.')}": folder for folder in folders}
    named["calcbench"] = named.pop("calcbench.bench._root")
    return named


def imported(path: Path) -> set[str]:
    """Return the top-level names that the file at *path* imports, at its head or later."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


def project_names(requirements: list[str]) -> set[str]:
    found = (re.match(r"[\w.-]+", requirement) for requirement in requirements)
    return {match[0].replace("-", "_") for match in found if match}


def test_installs_every_package_folder() -> None:
    listed = PROJECT["tool"]["setuptools"]["packages"]

    assert sorted(listed) == sorted(package_folders())


def test_maps_every_package_to_its_folder() -> None:
    mapping = PROJECT["tool"]["setuptools"]["package-dir"]

    assert mapping.items() <= package_folders().items()
    # A sub-package needs no line of its own: setuptools finds it below its parent.
    assert {name for name in package_folders() if name.count(".") < 2} == set(mapping)


def test_installs_every_file_that_is_not_python() -> None:
    data = PROJECT["tool"]["setuptools"]["package-data"]
    kept = {
        path.relative_to(ROOT)
        for top in ("core", "strategies", "bench")
        for path in (ROOT / top).rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc")
    }
    packed = {
        found.relative_to(ROOT)
        for name, folder in package_folders().items()
        for pattern in data.get(name, [])
        for found in (ROOT / folder).glob(pattern)
    }

    assert kept == packed


def test_has_one_version() -> None:
    assert importlib.metadata.version("calcbench") == calcbench.__version__


def test_is_cited_with_its_version() -> None:
    cited = (ROOT / "CITATION.cff").read_text(encoding="utf-8")

    assert re.findall(r"^version: (.*)$", cited, re.MULTILINE) == [calcbench.__version__]


def test_is_checked_alike_by_hand_and_by_the_host() -> None:
    workflow = (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8")

    assert re.findall(r"\brun: (.*)$", workflow, re.MULTILINE) == ["bash .ci/run"]
    assert (ROOT / ".ci/run").is_file()


def test_every_folder_carries_the_package_marker() -> None:
    missing = [f for f in package_folders().values() if not (ROOT / f / "__init__.py").is_file()]

    assert missing == []


@pytest.mark.parametrize("requirement", [r for rs in REQUIREMENTS.values() for r in rs])
def test_bounds_every_dependency_on_both_sides(requirement: str) -> None:
    if extras := re.fullmatch(r"calcbench\[([\w,]+)\]", requirement):
        assert set(extras[1].split(",")) <= REQUIREMENTS.keys()
        return
    assert re.fullmatch(r"[\w.-]+(\[\w+\])?>=[\d.]+,<[\d.]+", requirement)


def distributions(modules: set[str]) -> set[str]:
    """Return the projects that *modules* come from, where their names differ."""
    return {{"hdrh": "hdrhistogram", "zmq": "pyzmq"}.get(module, module) for module in modules}


# What only Locust's processes import is an extra (see test_layout for which those are), and what
# only the page of `calcbench live` does.
WINGS = {"locust": ["bench/loadgen/locust"], "live": ["bench/classroom/live", "bench/cli/live.py"]}


@pytest.mark.parametrize("extra", ["dependencies", *WINGS])
def test_declares_what_bench_imports(extra: str) -> None:
    wings = {
        name: {path for path in (ROOT / "bench").rglob("*.py") for folder in folders
               if path.is_relative_to(ROOT / folder)}
        for name, folders in WINGS.items()
    }  # fmt: skip
    paths = wings.get(extra) or set((ROOT / "bench").rglob("*.py")).difference(*wings.values())
    used = set().union(*map(imported, paths))

    foreign = distributions(used - sys.stdlib_module_names - {"calcbench"})
    declared = project_names(REQUIREMENTS["dependencies"])
    assert foreign <= declared | project_names(REQUIREMENTS[extra])
    assert all(declared.isdisjoint(project_names(REQUIREMENTS[name])) for name in WINGS)


def test_declares_what_the_tests_import() -> None:
    used = set().union(*(imported(path) for path in (ROOT / "tests").rglob("*.py")))

    files = list((ROOT / "tests").rglob("*.py"))
    beside = {path.stem for path in files} | {path.parent.name for path in files}
    foreign = distributions(used - sys.stdlib_module_names - {"calcbench"} - beside)
    assert foreign <= project_names(REQUIREMENTS["dependencies"] + REQUIREMENTS["test"])


def test_runs_as_a_module(tmp_path: Path) -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "calcbench", "--version"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert finished.returncode == 0, finished.stderr
    assert calcbench.__version__ in finished.stdout


def test_make_help_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony

    bare = {"PATH": os.environ["PATH"]}  # without the flags of a make that runs the tests
    shown = subprocess.run(["make"], cwd=ROOT, env=bare, capture_output=True, text=True, check=True)

    listed = re.findall(r"^  make ([\w-]+)", shown.stdout, re.MULTILINE)
    assert set(phony[1].split()) - {"types"} == set(listed)
