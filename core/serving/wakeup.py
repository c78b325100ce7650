"""Waking a thread that waits in a selector, from another thread: the self-pipe trick."""

from contextlib import suppress
from socket import socketpair


class WakeUp:
    """To be registered with a selector, in which one thread waits; any other may call `wake`.

    A wake-up carries nothing. Whoever wakes looks at everything that may have changed, so wake-ups
    that come together count as one, and none ever has to wait for room.
    """

    def __init__(self) -> None:
        self.reader, self.writer = socketpair()
        self.reader.setblocking(False)
        self.writer.setblocking(False)

    def fileno(self) -> int:
        """Return the descriptor that is readable after a `wake`."""
        return self.reader.fileno()

    def wake(self) -> None:
        """Wake whoever waits, without waiting."""
        with suppress(BlockingIOError):  # it is full of wake-ups already
            self.writer.send(b"!")

    def clear(self) -> None:
        """Take the wake-ups back; to be called before looking at what may have changed."""
        with suppress(BlockingIOError):
            self.reader.recv(4096)

    def __enter__(self) -> "WakeUp":
        return self

    def __exit__(self, *_: object) -> None:
        self.reader.close()
        self.writer.close()
