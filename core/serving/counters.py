"""Count the responses of every worker, a thread of a process, while the server runs.

A table in shared memory, so that whoever launched the server reads it at any time, whatever the
server is doing, and forked children write into the same one. Row 0 holds how many rows are in
use; each other row is a worker's own: its process, its thread, its responses. A worker claims its
row with its first response and is then the only one that writes to it, so that counting takes no
lock. Threads that come after one another under one identifier share a row.
"""

import fcntl
import mmap
import os
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock, get_ident, get_native_id

from calcbench.core.http.connection import Connection
from calcbench.core.http.message import Response
from calcbench.core.serving.descriptors import above_standard

ROWS = 65_536  # workers of one server; those beyond them are counted together, in row 0
COLUMNS = 3  # process, thread, responses; in row 0: rows in use, nothing, responses of all others
SIZE = ROWS * COLUMNS * 8  # bytes; memory that is never touched is never there


@dataclass(frozen=True)
class Worker:
    """A thread of a process and the responses that it has given."""

    pid: int
    thread: int
    responses: int


class Watch:
    """The table behind the descriptor *fd*, which belongs to whoever made it (`make_table`)."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.cells = memoryview(mmap.mmap(fd, SIZE)).cast("Q")
        self.mine: dict[int, int] = {}  # a thread of this process → where its count is
        self.lock = Lock()

    def connections(self) -> type[Connection]:
        """Return the `Connection` that counts its responses, in this process and its children."""
        os.register_at_fork(after_in_child=self.begin_afresh)
        return counting_connection(self.mine, self.cells, self.claim)

    def begin_afresh(self) -> None:
        """Forget the rows of the parent: a child counts in rows of its own."""
        self.mine.clear()
        self.lock = Lock()  # a thread that is not in the child may have held it

    def claim(self) -> int:
        """Return where the calling thread is to count from now on."""
        with self.lock:
            fcntl.lockf(self.fd, fcntl.LOCK_EX)  # against other processes; the lock, threads
            try:
                row = self.cells[0] + 1
                if row < ROWS:
                    self.cells[row * COLUMNS] = os.getpid()
                    self.cells[row * COLUMNS + 1] = get_native_id()
                    self.cells[0] = row  # last: whoever reads sees whole rows only
                else:
                    row = 0
            finally:
                fcntl.lockf(self.fd, fcntl.LOCK_UN)
            place = row * COLUMNS + 2
            self.mine[get_ident()] = place
            return place

    def workers(self) -> list[Worker]:
        """Return what has been counted until now; process 0 stands for those without a row."""
        cells = self.cells
        found = [
            Worker(cells[at], cells[at + 1], cells[at + 2])
            for at in range(COLUMNS, (cells[0] + 1) * COLUMNS, COLUMNS)
        ]
        return [*found, Worker(0, 0, cells[2])] if cells[2] else found


def make_table() -> int:
    """Return the descriptor of an empty table, to be closed by the caller."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("calcbench-watch")
    else:
        import tempfile  # by whoever needs it: it takes as long to load as the rest of a server

        with (
            tempfile.TemporaryFile() as file
        ):  # which has no name, so that it goes with its descriptors
            fd = os.dup(file.fileno())
    fd = above_standard(fd)
    os.ftruncate(fd, SIZE)
    return fd


def counting_connection(
    mine: dict[int, int], cells: "memoryview[int]", claim: Callable[[], int]
) -> type[Connection]:
    """Return a `Connection` that counts its responses in *cells*, where *mine* says or *claim*."""
    respond = Connection.respond
    place_of = mine.get

    class Watched(Connection):
        __slots__ = ()

        def respond(self, response: Response) -> None:
            respond(self, response)
            place = place_of(get_ident())
            cells[claim() if place is None else place] += 1

    return Watched
