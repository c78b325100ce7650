"""Descriptors 0, 1 and 2 belong to the standard streams, even where whoever started us closed them.

The kernel gives a new file the lowest descriptor that is free. In a process that was started with
``<&-`` or ``2>&-``, the next socket would become its standard input or its standard error.
"""

import fcntl
import os
import sys
from socket import socket

STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def open_standard_streams() -> None:
    """Open on the null device whichever of descriptors 0, 1 and 2 is closed.

    Call it before anything else opens a file. Our `sys.stdin`, `sys.stdout` and `sys.stderr`,
    None until then where theirs was closed, and those of the processes that we start are files.
    """
    for fd, (name, mode) in enumerate(STREAMS):
        try:
            os.fstat(fd)
        except OSError:  # it is closed; those below are open, so it is the lowest that is free
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
        if getattr(sys, name) is None:
            stream = open(fd, mode, encoding="utf-8", closefd=False)  # noqa: SIM115 - for good
            setattr(sys, name, stream)


def above_standard(fd: int) -> int:
    """Return *fd*, or a duplicate that replaces it where it is one of 0, 1 and 2.

    What a child process is to inherit beside its standard streams must not be in their place.
    """
    if fd > 2:
        return fd
    try:
        return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
    finally:
        os.close(fd)


def socket_above_standard(sock: socket) -> socket:
    """Return *sock*, or what replaces it, with a descriptor as `above_standard` has it."""
    return socket(fileno=above_standard(sock.detach()))
