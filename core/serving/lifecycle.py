"""The events in the life of a request, and the pipe by which a server tells its launcher of them.

Many threads and children write to it, each whole records, in writes that are no longer than
PIPE_BUF, which do not mix (POSIX, write()). One who writes never waits: where the pipe is full,
events are lost. `calcbench.core.serving.trace` writes them.
"""

import fcntl
import os
import select
import struct
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum

from calcbench.core.serving.descriptors import above_standard

RECORD = struct.Struct("=QQIIIHBx")  # moment, connection, process, thread, request, share, kind
AT_ONCE = select.PIPE_BUF // RECORD.size  # records that come out of the pipe as they went in
READ_SIZE = 64 * 1024  # bytes, taken from the pipe at once
PIPE_SIZE = 1024 * 1024  # bytes that wait in it to be read, where that can be asked for


class Kind(IntEnum):
    """What has happened; every request goes through those from FIRST_OCTET to WRITTEN in order."""

    OPENED = 0  # the connection has been accepted; its thread is the first to wait for the client
    FIRST_OCTET = 1  # of a request has been read; of a pipelined one: it is looked at
    PARSED = 2  # the request is complete
    BEGUN = 3  # its handler has been called
    HANDLED = 4  # its response is there, all simulated I/O done
    WRITTEN = 5  # the kernel has taken the last octet of it
    CLOSED = 6  # the connection is over
    HELD = 7  # another worker waits for its client now; told while every request is traced


# As names of the module, and plain numbers: to look up a member takes longer.
OPENED, FIRST_OCTET, PARSED, BEGUN, HANDLED, WRITTEN, CLOSED_EVENT, HELD = map(int, Kind)


@dataclass(frozen=True)
class Event:
    """Something that has happened to a connection.

    *moment_ns* is of CLOCK_MONOTONIC, *connection* a number from 1 in the order of their first
    events, *request* its number on that connection, from 1; 0 for OPENED, CLOSED and HELD.
    *pid* and *thread* are the kernel's numbers of who did it. Of *share* requests, one is traced.
    """

    moment_ns: int
    kind: Kind
    connection: int
    request: int
    pid: int
    thread: int
    share: int


class Trace:
    """The launcher's end: reads what the server has traced, and belongs to whoever made it."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.unread = b""  # of a record that did not come whole
        self.numbers: dict[int, int] = {}  # a connection as the server calls it → its number
        self.opened = 0  # connections that have been numbered

    def read(self) -> list[Event]:
        """Return the events since the last call, without waiting, in the order of their moments.

        An event may come one call after a later one of another thread.
        """
        data = self.unread
        while chunk := self.read_chunk():
            data += chunk
        whole = len(data) - len(data) % RECORD.size
        self.unread = data[whole:]
        records = sorted(RECORD.iter_unpack(data[:whole]), key=lambda record: record[0])
        return [self.event_of(*record) for record in records]

    def read_chunk(self) -> bytes:
        """Return what the pipe has, at most READ_SIZE bytes of it."""
        if self.fd < 0:
            return b""
        try:
            return os.read(self.fd, READ_SIZE)
        except BlockingIOError:
            return b""

    def event_of(
        self, moment: int, name: int, pid: int, thread: int, request: int, share: int, kind: int
    ) -> Event:
        """Return one record as an event, its connection by its number."""
        number = self.numbers.get(name)
        if number is None:
            self.opened = number = self.opened + 1
            self.numbers[name] = number
        if kind == CLOSED_EVENT:
            del self.numbers[name]
        return Event(moment, Kind(kind), number, request, pid, thread, share)

    def close(self) -> None:
        """Close the pipe; a second time does nothing."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def make_pipe() -> tuple[int, int]:
    """Return the descriptors of a pipe for events, to read and to write, neither of which waits."""
    read, write = map(above_standard, os.pipe())
    os.set_blocking(read, False)
    os.set_blocking(write, False)
    if hasattr(fcntl, "F_SETPIPE_SZ"):  # Linux; elsewhere it holds what it holds
        with suppress(OSError):  # an unprivileged user may have used up what all may have
            fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
    return read, write
