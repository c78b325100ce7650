"""Telling when a server is ready: when its strategy first waits for clients, and not before.

By then a pool has its threads and a parent its children. No strategy needs to say so.
"""

from collections.abc import Callable
from socket import socket

# What a server says to its launcher, on the stop socket.
BEGUN = b"b"  # its strategy has been called
READY = b"r"  # its strategy waits for clients
SIGNALLED = b"s"  # it stops, because a signal has told it to


class ReadyListener(socket):
    """A listening socket that calls *ready*, once, when somebody first waits for it.

    That is the first `accept`, or the first registration with a selector, which asks for `fileno`.
    """

    def __init__(self, fileno: int, ready: Callable[[], None]) -> None:
        super().__init__(fileno=fileno)
        # As attributes of the instance they hide the methods, and cost nothing once removed.
        for name in ("accept", "fileno"):
            setattr(self, name, self.first_use(getattr(self, name), ready))

    def first_use(
        self, method: Callable[[], object], ready: Callable[[], None]
    ) -> Callable[[], object]:
        """Return what calls *ready* before *method*, the first time that either is used."""

        def call() -> object:
            if vars(self).pop("accept", None):  # once, whichever thread comes first
                vars(self).clear()
                ready()
            return method()

        return call
