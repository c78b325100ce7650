"""A notice board between a launcher and its server: text that one writes and all others read.

It is a file without a name, so that every process of the server has it, forked children included,
whatever they are doing. It says who waits; the server's page at ``/`` shows that.
"""

import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import monotonic

from calcbench.core.app.page import Notice
from calcbench.core.serving.descriptors import above_standard

SIZE = 16 * 1024  # bytes, of the longest notice
HEADER = struct.Struct("=IId")  # length, checksum, moment
TRIES = 3  # to read a notice while another one is being written


class Board:
    """The board behind the descriptor *fd*, which belongs to whoever made it (`notice_board`)."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def write(self, lines: Sequence[str]) -> None:
        """Have the board say *lines*, and nothing else; a notice that is too long is cut."""
        text = "\n".join(lines).encode(errors="replace")[: SIZE - HEADER.size]
        header = HEADER.pack(len(text), zlib.crc32(text), monotonic())
        os.pwrite(self.fd, header + text, 0)

    def read(self) -> Notice | None:
        """Return what the board says, None where nobody has written on it."""
        for _ in range(TRIES):
            data = os.pread(self.fd, SIZE, 0)
            if len(data) < HEADER.size:
                return None
            length, checksum, moment = HEADER.unpack_from(data)
            text = data[HEADER.size : HEADER.size + length]
            if zlib.crc32(text) == checksum:
                lines = text.decode(errors="replace").split("\n") if text else []
                return Notice(lines, max(0.0, monotonic() - moment))
        return None


@contextmanager
def notice_board() -> Iterator[Board]:
    """Yield an empty board, which is gone afterwards."""
    import tempfile  # only where a board is made: it takes as long to load as the rest of a server

    with tempfile.TemporaryFile() as file:
        fd = above_standard(os.dup(file.fileno()))
    try:
        yield Board(fd)
    finally:
        os.close(fd)
