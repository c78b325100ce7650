"""Files below a folder: read without following links or waiting, written whole or not at all.

The folder itself is the user's to name, and may be a link. What lies below it may have been put
there by somebody else, in a shared folder or in a result from elsewhere: a link there could lead to
a file of the reader's, a pipe could keep him waiting for ever, and a file could fill his memory.
"""

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from calcbench.core.errors import CalcbenchError

FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
LINK = "it is a symbolic link, and those are not followed there"


@contextlib.contextmanager
def os_errors_as(failure: str) -> Iterator[None]:
    """Turn an OSError within into a CalcbenchError: *failure*, and what the system says of it."""
    try:
        yield
    except OSError as error:
        raise CalcbenchError(f"{failure}: {error.strerror or error}") from None


def is_inside(name: str) -> bool:
    """Tell whether *name* is a relative path that does not lead out of its folder."""
    path = PurePosixPath(name)
    out = path.is_absolute() or ".." in path.parts
    return bool(path.parts) and not out and "\0" not in name  # a null byte ends a path in C


@contextlib.contextmanager
def folder_below(root: Path, name: str) -> Iterator[tuple[int, str]]:
    """Give a descriptor of the folder in which *name* lies below *root*, and the last part of it.

    Raises OSError where there is none, or where a link stands in its place.
    """
    if not is_inside(name):
        raise OSError(errno.EXDEV, f"{name!r} should be a file within the folder")
    *folders, last = PurePosixPath(name).parts
    fd = os.open(root, FOLDER_FLAGS)
    try:
        for part in folders:
            outer, fd = fd, open_below(fd, part, FOLDER_FLAGS)
            os.close(outer)
        yield fd, last
    finally:
        os.close(fd)


def open_below(folder: int, name: str, flags: int) -> int:
    """Return a descriptor of *name* in *folder*; raises OSError, also where it is a link."""
    try:
        return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666, dir_fd=folder)
    except OSError as error:
        # With O_DIRECTORY a link is "not a directory", without it ELOOP: open(2).
        if error.errno not in (errno.ELOOP, errno.ENOTDIR):
            raise
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        raise OSError(error.errno, LINK) from None if stat.S_ISLNK(found.st_mode) else error


def read_below(root: Path, name: str, most: int) -> bytes:
    """Return the contents of *name*, a relative path below *root*, of at most *most* bytes.

    Never waits, and raises OSError for what is no file.
    """
    with folder_below(root, name) as (folder, last):
        fd = open_below(folder, last, os.O_RDONLY | os.O_NONBLOCK)
        found = os.fstat(fd)
        kind = stat.S_IFMT(found.st_mode)
        if kind != stat.S_IFREG or found.st_size > most:
            os.close(fd)
            what = f"it has more than {most:,} bytes"
            if kind != stat.S_IFREG:
                what = f"it is {KINDS.get(kind, 'something else')}, no file"
            raise OSError(errno.EINVAL, what)
        with os.fdopen(fd, "rb") as file:
            return file.read(most)


@contextlib.contextmanager
def whole_file(path: Path, within: Path | None = None) -> Iterator[BinaryIO]:
    """Give a file to write that becomes *path* when all of it is safely there, or never.

    A link in its place is replaced, not followed; nor is one between it and the folder *within*,
    which is its own where none is given. Raises CalcbenchError when it cannot be written.
    """
    root = within or path.parent
    with (
        os_errors_as(f"cannot write {path}"),
        folder_below(root, str(path.relative_to(root))) as (folder, name),
    ):
        part = f".{secrets.token_hex(8)}.part"  # nobody can have put a link there
        try:
            fd = open_below(folder, part, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            with os.fdopen(fd, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with contextlib.suppress(OSError):  # the first error is the one to tell
                os.unlink(part, dir_fd=folder)
            raise
        with contextlib.suppress(OSError):  # not every file system keeps folders that way
            os.fsync(folder)


def make_folder(folder: Path) -> None:
    """Make *folder*, where its parent is, unless it is there already; a link to one is none.

    Raises CalcbenchError when it cannot be made.
    """
    with os_errors_as(f"cannot write to {folder}"):
        try:
            folder.mkdir()
        except FileExistsError:
            mode = os.lstat(folder).st_mode
            if not stat.S_ISDIR(mode):
                what = LINK if stat.S_ISLNK(mode) else "Not a directory"
                raise OSError(errno.ENOTDIR, what) from None
