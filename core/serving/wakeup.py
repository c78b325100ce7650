"""Waking a thread that waits in a selector: the self-pipe trick."""

import signal
from contextlib import suppress
from socket import socketpair


class WakeUp:
    """To be registered with a selector, in which one thread waits; any other may call `wake`.

    A wake-up carries nothing. Whoever wakes looks at everything that may have changed, so wake-ups
    that come together count as one, and none ever has to wait for room.
    """

    def __init__(self) -> None:
        self.reader, self.writer = socketpair()
        self.woken_by_signals = False
        self.reader.setblocking(False)
        self.writer.setblocking(False)

    def fileno(self) -> int:
        """Return the descriptor that is readable after a `wake`."""
        return self.reader.fileno()

    def wake(self) -> None:
        """Wake whoever waits, without waiting."""
        with suppress(OSError):  # it is full of wake-ups already, or nobody waits any more
            self.writer.send(b"!")

    def wake_on(self, number: signal.Signals) -> None:
        """Have the signal *number* wake the main thread, which must be the one that waits."""
        self.woken_by_signals = True
        signal.set_wakeup_fd(self.writer.fileno(), warn_on_full_buffer=False)
        signal.signal(number, lambda *_: None)  # by default there would be no signal to notice

    def clear(self) -> None:
        """Take the wake-ups back; to be called before looking at what may have changed."""
        with suppress(BlockingIOError):
            self.reader.recv(4096)

    def __enter__(self) -> "WakeUp":
        return self

    def __exit__(self, *_: object) -> None:
        if self.woken_by_signals:
            signal.set_wakeup_fd(-1)
        self.reader.close()
        self.writer.close()
