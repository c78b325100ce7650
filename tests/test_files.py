"""Files that are not what they should be: planted links, pipes, devices."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from calcbench.bench.system.files import (
    is_inside,
    make_folder,
    os_errors_as,
    read_below,
    whole_file,
)
from calcbench.core.errors import CalcbenchError


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_link(path: Path) -> None:
    path.with_name("target").write_text("secret")
    path.symlink_to("target")


def make_loop(path: Path) -> None:
    path.symlink_to(path.name)


def make_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))


MAKERS: dict[Callable[[Path], object], str] = {
    make_pipe: "it is a named pipe, no file",
    Path.mkdir: "it is a folder, no file",
    make_link: "it is a symbolic link",
    make_loop: "it is a symbolic link",
    make_device: "it is a symbolic link",
    make_socket: "No such device or address",
    lambda path: path.write_bytes(bytes(9)): "it has more than 8 bytes",
    lambda _: None: "No such file",
}


@pytest.mark.parametrize(("make", "message"), MAKERS.items())
def test_reads_nothing_but_a_file(
    make: Callable[[Path], object], message: str, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    make(tmp_path / "in" / "it")
    with (
        pytest.raises(CalcbenchError, match=f"cannot read it: {message}"),
        os_errors_as("cannot read it"),
    ):
        read_below(tmp_path, "in/it", 8)


def test_reads_a_file_in_a_folder_that_the_user_named_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "real" / "in").mkdir(parents=True)
    (tmp_path / "real" / "in" / "it").write_text("words")
    (tmp_path / "link").symlink_to("real")

    assert read_below(tmp_path / "link", "in/it", 5) == b"words"


def test_follows_no_link_below_the_folder(tmp_path: Path) -> None:
    (tmp_path / "away").mkdir()
    (tmp_path / "away" / "it").write_text("secret")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "in").symlink_to(tmp_path / "away")
    with pytest.raises(OSError, match="it is a symbolic link"):
        read_below(tmp_path / "run", "in/it", 99)


@pytest.mark.parametrize("name", ["", ".", "/etc/passwd", "../it", "in/../../it", "//it"])
def test_leads_out_of_no_folder(name: str, tmp_path: Path) -> None:
    assert not is_inside(name)
    with pytest.raises(OSError, match="should be a file within the folder"):
        read_below(tmp_path, name, 99)


def test_replaces_a_planted_link_and_leaves_what_it_leads_to(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    folder = tmp_path / "run"
    folder.mkdir()
    # The name itself, and the one that a temporary file had once.
    for name in ("result.json", ".result.json.part"):
        (folder / name).symlink_to(victim)
    with whole_file(folder / "result.json") as file:
        file.write(b"new")

    assert victim.read_text() == "mine"
    assert (folder / "result.json").read_text() == "new"
    assert not (folder / "result.json").is_symlink()


def test_writes_through_no_planted_folder(tmp_path: Path) -> None:
    (tmp_path / "victim").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "charts").symlink_to(tmp_path / "victim")
    with pytest.raises(CalcbenchError, match=r"cannot write to .*charts: it is a symbolic link"):
        make_folder(tmp_path / "run" / "charts")
    with (
        pytest.raises(CalcbenchError, match=r"cannot write .*p99.svg: it is a symbolic link"),
        whole_file(tmp_path / "run" / "charts" / "p99.svg", tmp_path / "run") as file,
    ):
        file.write(b"new")

    assert list((tmp_path / "victim").iterdir()) == []


@contextmanager
def nobody() -> Iterator[None]:
    """Be a user who may do nothing, where we may choose."""
    if os.geteuid() != 0:
        pytest.skip("only root can be somebody else")
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_says_in_one_line_that_a_folder_may_not_be_entered(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with (
        nobody(),
        pytest.raises(CalcbenchError, match=r"^cannot write .*/run/it: Permission denied$"),
        whole_file(tmp_path / "run" / "it") as file,
    ):
        file.write(b"new")
