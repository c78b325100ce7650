"""Which processes are a server's, in family trees that were made up, and in a real one."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from calcbench.bench.system.procfs import Family, search

SERVER = 10


class Proc:
    """A /proc that a test makes up: who there is, in which group, and who started whom."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def add(
        self,
        pid: int,
        children: str = "",
        *,
        group: int = SERVER,
        started: int = 1,
        threads: int = 1,
    ) -> None:
        """Let *pid* be there; its last thread has started *children*."""
        middle = " ".join(["0"] * 14)
        tasks = [pid, *range(pid * 100, pid * 100 + threads - 1)]
        for task in tasks:
            folder = self.root / str(pid) / "task" / str(task)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "children").write_text(children if task == tasks[-1] else "")
        line = f"{pid} (a) b) S 1 {group} {middle} {threads} 0 {started} 0"
        (self.root / str(pid) / "stat").write_text(line)

    def end(self, pid: int) -> None:
        """Let *pid* have ended."""
        (self.root / str(pid) / "stat").unlink()


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    return Proc(tmp_path)


def ids(family: Family) -> list[int]:
    return sorted(pid for pid, _ in family.members())


def test_goes_down_the_tree(proc: Proc) -> None:
    """Children of any thread count, and one that has left the group; nobody else is looked at."""
    proc.add(SERVER, "11 12", threads=3)
    proc.add(11, "13", group=11)  # as setsid(2) leaves it
    proc.add(12)
    proc.add(13, group=11)
    proc.add(99, group=1)
    (proc.root / "99" / "stat").write_text("nobody may read this")

    assert ids(Family(SERVER, proc.root)) == [SERVER, 11, 12, 13]


def test_keeps_an_orphan_that_it_knew(proc: Proc) -> None:
    proc.add(SERVER, "11")
    proc.add(11, "12")
    proc.add(12, group=12)
    family = Family(SERVER, proc.root)
    before = ids(family)
    proc.end(11)
    proc.add(SERVER)
    proc.add(12, "13", group=12)  # and what the orphan starts itself
    proc.add(13, group=12)

    assert before == [SERVER, 11, 12]
    assert ids(family) == [SERVER, 12, 13]


def test_finds_an_orphan_of_the_group_by_a_search(proc: Proc) -> None:
    """A double fork between two looks: nobody in the tree leads there."""
    proc.add(SERVER)
    family = Family(SERVER, proc.root)
    proc.add(12)
    proc.add(13, group=20)
    other = Family(20, proc.root)
    other.has_tree = True
    steps: list[int] = []

    assert ids(family) == [SERVER]
    search([family, other], lambda: steps.append(1))
    assert len(steps) == 3  # one for each process there is
    assert ids(family) == ids(family) == [SERVER, 12]
    assert ids(other) == [13]


def test_does_not_take_a_stranger_with_a_known_id(proc: Proc) -> None:
    proc.add(SERVER, "11 12")
    proc.add(11, started=5)
    proc.add(12, started=5)
    family = Family(SERVER, proc.root)
    before = ids(family)
    proc.add(SERVER, "12")
    proc.add(11, group=1, started=6)  # the id is somebody else's now
    proc.add(12, started=6)  # and this one again a child of ours

    assert before == [SERVER, 11, 12]
    assert ids(family) == [SERVER, 12]


def test_searches_where_the_kernel_tells_no_children(proc: Proc) -> None:
    proc.add(SERVER)
    proc.add(12)
    proc.add(13, group=1)
    (proc.root / f"{SERVER}/task/{SERVER}/children").unlink()

    assert ids(Family(SERVER, proc.root)) == [SERVER, 12]


def test_survives_that_everybody_has_ended(proc: Proc) -> None:
    proc.add(SERVER, "11")
    proc.add(11)
    family = Family(SERVER, proc.root)
    proc.end(11)

    assert ids(family) == [SERVER]
    proc.end(SERVER)
    assert ids(family) == []


FORKING = """
import os, sys
if os.fork() == 0:
    if os.fork() == 0:
        os.write(1, b"%d\\n" % os.getpid())
        sys.stdin.read()
    os._exit(0)
os.wait()
os.write(1, b"alone\\n")
sys.stdin.read()
"""


@pytest.fixture
def forking() -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [sys.executable, "-c", FORKING],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        process_group=0,
    ) as process:
        yield process
        process.communicate()


def test_finds_a_real_orphan(forking: "subprocess.Popen[str]") -> None:
    assert forking.stdout
    lines = sorted(forking.stdout.readline().strip() for _ in range(2))
    orphan = int(lines[0])
    family = Family(forking.pid)
    search([family])

    assert lines[1] == "alone"
    assert ids(family) == sorted((forking.pid, orphan))


def test_finds_ourselves_and_our_child(forking: "subprocess.Popen[str]") -> None:
    assert {os.getpid(), forking.pid} <= set(ids(Family(os.getpid())))
