"""Telling when a server is ready: when its strategy first waits for clients, and not before.

By then a pool has its threads and a parent its children. No strategy needs to say so.
"""

import select
from collections.abc import Callable
from socket import socket

START_S = 30.0  # an interpreter starts in a fraction of a second; this is for a laden machine
READY_S = 5.0  # between the call of a strategy and its first wait, such as for many threads

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


def wait_for_word(stop_socket: socket) -> bytes:
    """Return READY, the word of a server on its launcher's *stop_socket*; b"" if it ends first.

    BEGUN where that is all for READY_S: a strategy may never wait for clients, and is left to that.
    Raises TimeoutError for a server of which nothing is heard.
    """
    poll = select.poll()
    poll.register(stop_socket, select.POLLIN)
    if not poll.poll(START_S * 1000):
        raise TimeoutError(f"did not start in {START_S:g} s")
    word = stop_socket.recv(1)
    if word == BEGUN and poll.poll(READY_S * 1000):
        word = stop_socket.recv(1)
    return word
