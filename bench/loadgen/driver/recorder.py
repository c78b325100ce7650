"""What a driver reports: samples, recorded at the least cost, and a few messages around them.

All of it goes to standard output in messages: a kind, a length, the content. Samples are native
integers, the rest is JSON.
"""

import os
from collections import deque
from contextlib import suppress

from calcbench.bench.loadgen.protocol import PACKED, Message, samples_to_octets, to_octets

PIECE = 32_768  # samples of a message
KEPT = 24  # full pieces


class Recorder:
    """The samples: `add` takes each as `PACKED` packs it.

    Nothing takes them faster than a list; from there they go, some hundred at a time, to memory
    that holds nothing else. A message has about *piece_size* samples; so many full pieces are
    *kept* until the end, and beyond them they are sent while we drive.
    """

    def __init__(self, fd: int, *, piece_size: int = PIECE, kept: int = KEPT) -> None:
        self.fd, self.piece_size, self.kept = fd, piece_size, kept
        self.fresh: list[bytes] = []
        self.add = self.fresh.append
        self.piece = bytearray()
        self.pieces: deque[bytearray] = deque()
        self.recorded = 0  # samples, whether or not they count
        self.counting = False  # before the window everything is forgotten
        self.pending = memoryview(b"")  # what standard output did not take yet

    @property
    def ended(self) -> int:
        """How many requests have ended until now, whether or not they count."""
        return self.recorded + len(self.fresh)

    def tidy(self) -> None:
        """Join what is fresh; call it often, at moments when nobody waits for us."""
        self.recorded += len(self.fresh)
        if self.counting:
            self.piece += b"".join(self.fresh)
            if len(self.piece) >= PACKED.size * self.piece_size:
                self.pieces.append(self.piece)
                self.piece = bytearray()
            if self.pending or len(self.pieces) > self.kept:
                self.send_some()
        self.fresh.clear()

    def send_some(self) -> None:
        """Send some of the oldest piece, as much as fits in the pipe without waiting."""
        if not self.pending:
            piece = self.pieces.popleft()
            self.pending = memoryview(samples_to_octets(piece))
        os.set_blocking(self.fd, False)
        with suppress(BlockingIOError):
            self.pending = self.pending[os.write(self.fd, self.pending[: 64 * 1024]) :]
        os.set_blocking(self.fd, True)

    def finish(self) -> None:
        """Send all that there is."""
        self.tidy()
        self.pieces.append(self.piece)
        self.write(self.pending)
        self.pending = memoryview(b"")
        for piece in self.pieces:
            self.write(memoryview(samples_to_octets(piece)))

    def send(self, message: Message) -> None:
        """Send a message that is not samples."""
        self.write(self.pending)
        self.pending = memoryview(b"")
        self.write(memoryview(to_octets(message)))

    def write(self, data: memoryview) -> None:
        """Write all of *data*, however long it takes."""
        while data:
            data = data[os.write(self.fd, data) :]
