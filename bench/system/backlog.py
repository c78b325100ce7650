"""Who has connected to a listener and is not accepted yet, as the kernel of Linux tells it.

It is asked by sock_diag(7), for the sockets of one port alone: to read /proc/net/tcp takes as long
as the whole machine has connections. The server's end of a connection belongs to a file, with a
number of its own (an inode), once the server has accepted it. Until then that number is 0.
"""

import socket
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass

ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, CLOSE_WAIT, LAST_ACK, CLOSING = 1, 4, 5, 8, 9, 11
WAITING = (ESTABLISHED, CLOSE_WAIT)  # the latter: the client has gone, but is in the queue still
ASKED = sum(1 << state for state in (*WAITING, FIN_WAIT_1, FIN_WAIT_2, LAST_ACK, CLOSING))
SOCK_DIAG = 4  # the protocol of netlink
BY_FAMILY, ERROR, DONE = 20, 2, 3  # kinds of messages
REQUEST_DUMP = 0x301  # flags: a request, for all that there are
HEADER = struct.Struct("=IHHII")  # length, kind, flags, sequence, port: of every message
# Family, protocol, extensions, states; then ports and addresses, of which only our port is given.
QUESTION = struct.Struct("=BBBxI2s46x")
# Family, state; ports and addresses of both ends; further on, the inode.
ANSWER = struct.Struct("=BBxx2s2s16s16s12x16xI")
ALIGNED = 4  # bytes, of which the length of each message is a multiple
READ_SIZE = 64 * 1024  # bytes
EVERYWHERE = (bytes(4), bytes(16))  # 0.0.0.0 and ::


@dataclass(frozen=True)
class Queue:
    """The clients of a listener: *waiting* ones by their addresses, and how many are *accepted*."""

    waiting: tuple[bytes, ...]
    accepted: int


def queue_of(listener: socket.socket) -> Queue | None:
    """Return who waits for *listener*; None where that is not told: no Linux, or a Unix socket."""
    if sys.platform != "linux" or listener.family not in (socket.AF_INET, socket.AF_INET6):
        return None
    host, port = listener.getsockname()[:2]
    packed = socket.inet_pton(listener.family, host.partition("%")[0])
    try:
        messages = list(ask(listener.family, port))
    except OSError:  # forbidden here
        return None
    return sort(messages, packed)


def ask(family: int, port: int) -> Iterator[bytes]:
    """Yield what the kernel says of each connection to *port* of this machine; raises OSError."""
    assert hasattr(socket, "AF_NETLINK")  # it is Linux
    question = QUESTION.pack(family, socket.IPPROTO_TCP, 0, ASKED, port.to_bytes(2, "big"))
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, SOCK_DIAG) as kernel:
        kernel.send(
            HEADER.pack(HEADER.size + len(question), BY_FAMILY, REQUEST_DUMP, 0, 0) + question
        )
        while True:
            data = kernel.recv(READ_SIZE)
            while data:
                length, kind, *_ = HEADER.unpack_from(data)
                if kind == DONE:
                    return
                if kind == ERROR:
                    raise OSError("the kernel does not tell")
                yield data[HEADER.size : length]
                data = data[-(-length // ALIGNED) * ALIGNED :]


def sort(messages: list[bytes], host: bytes) -> Queue:
    """Return who waits and how many do not, by *messages* about connections; *host* is packed."""
    waiting, accepted = [], 0
    for message in messages:
        _, state, _, client_port, local, client, inode = ANSWER.unpack_from(message)
        if host not in EVERYWHERE and local[: len(host)] != host:
            continue
        if inode:
            accepted += 1
        elif state in WAITING:
            waiting.append(client + client_port)
    return Queue(tuple(waiting), accepted)
