"""A small netcat: what is typed goes to the other end, and what comes from there is shown.

So that the first lesson needs nothing installed. It works beside the real one, in either role. The
two directions of a connection end apart: the end of the input ends what we send, and nothing else.
"""

import codecs
import io
import os
import re
import selectors
import socket
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TextIO

from calcbench.bench.system.terminal import echo, printable
from calcbench.core.errors import CalcbenchError
from calcbench.core.serving.listeners import addresses, listen_on_all

READ_SIZE = 64 * 1024  # bytes asked of each read
BARE_LF = re.compile(rb"(?<!\r)\n")


@dataclass
class Output:
    """Where what comes is written: as it is, but for a *stream* that is a terminal.

    There a control character is shown and not obeyed, since nobody knows who is at the other end.
    """

    stream: TextIO
    decoder: io.IncrementalNewlineDecoder = field(init=False)
    in_line: bool = field(init=False, default=False)  # on a terminal, behind what it does not end

    def __post_init__(self) -> None:
        utf8 = codecs.getincrementaldecoder("utf-8")(errors="surrogateescape")
        self.decoder = io.IncrementalNewlineDecoder(utf8, translate=True)

    def write(self, data: bytes) -> None:
        """Write *data*, and at the end of all (nothing) what of a character is left."""
        if self.stream.isatty():
            text = printable(self.decoder.decode(data, final=not data))
            data = text.encode(self.stream.encoding or "utf-8", "backslashreplace")
            self.in_line = not data.endswith(b"\n") if data else self.in_line
        self.write_all(data)

    def end_line(self) -> None:
        """Have what is said next to a person begin in a line of its own."""
        if self.in_line:
            self.write_all(b"\n")
            self.in_line = False

    def write_all(self, data: bytes) -> None:
        """Write all of *data*, as it is."""
        while data:
            data = data[os.write(self.stream.fileno(), data) :]


@dataclass
class Input:
    """Where what is sent comes from: the descriptor *fd*, with CRLF for each LF if *crlf*."""

    fd: int
    crlf: bool = False
    after_cr: bool = False  # the last byte was a CR: an LF that follows has one

    def read(self) -> bytes:
        """Return what is there, at least a byte; nothing at the end."""
        try:
            data = os.read(self.fd, READ_SIZE)
        except OSError:  # a terminal that has gone away
            return b""
        if not (self.crlf and data):
            return data
        text = BARE_LF.sub(b"\r\n", data)
        if self.after_cr and data.startswith(b"\n"):
            text = text[1:]
        self.after_cr = data.endswith(b"\r")
        return text


def connect(host: str, port: int, verbose: bool) -> socket.socket:
    """Return a connection to the first address of *host* that takes one.

    Raises CalcbenchError for an unknown host, and where nobody takes it.
    """
    failed = ""
    for address in addresses(host, port):
        if failed and verbose:
            tell(failed)
        sock = socket.socket(address.family)
        try:
            sock.connect(address.sockaddr)
        except OSError as error:
            sock.close()
            failed = f"cannot connect to {address}: {reason(error)}"
            continue
        except BaseException:
            sock.close()
            raise
        if verbose:
            tell(f"connected to {address}")
        return sock
    raise CalcbenchError(failed or f"{host} has no address")


def accept(host: str, port: int, verbose: bool) -> socket.socket:
    """Return the connection of the first client that comes to any address of *host*.

    Raises CalcbenchError for an unknown host, and where somebody listens there already.
    """
    with ExitStack() as open_until_then, selectors.DefaultSelector() as selector:
        for listener in listen_on_all(host, port):
            selector.register(open_until_then.enter_context(listener), selectors.EVENT_READ)
            listener.setblocking(False)
            if verbose:
                name = listener.getsockname()
                tell(f"listening on {name[0]} port {name[1]}")
        while True:
            for key, _ in selector.select():
                assert isinstance(key.fileobj, socket.socket)
                try:
                    sock, client = key.fileobj.accept()
                except OSError:  # it has gone away between the two calls
                    continue
                if verbose:
                    tell(f"connection from {client[0]} port {client[1]}")
                return sock


def converse(sock: socket.socket, source: Input, output: Output, remark_on_end: bool) -> None:
    """Pass on what comes from *source* and from *sock*, until both have ended.

    Raises CalcbenchError when the other end has gone away before it has taken all.
    """
    sock.setblocking(False)
    unsent = b""
    sending = receiving = True
    with selectors.SelectSelector() as selector:  # epoll takes no files
        while sending or receiving:
            wanted = {}
            if receiving:
                wanted[sock.fileno()] = selectors.EVENT_READ
            if unsent:
                wanted[sock.fileno()] = wanted.get(sock.fileno(), 0) | selectors.EVENT_WRITE
            elif sending:  # what is unsent goes first: so a slow reader holds the input back
                wanted[source.fd] = selectors.EVENT_READ
            for fd, events in wanted.items():
                selector.register(fd, events)
            ready = {key.fd: events for key, events in selector.select()}
            for fd in wanted:
                selector.unregister(fd)
            try:
                events = ready.get(sock.fileno(), 0)
                if events & selectors.EVENT_WRITE:
                    unsent = unsent[sock.send(unsent) :]
                if events & selectors.EVENT_READ:
                    data = sock.recv(READ_SIZE)
                    output.write(data)
                    receiving = bool(data)
                    if not data and sending and remark_on_end:
                        output.end_line()
                        tell("the other end has closed its side; Ctrl-D closes ours")
                if source.fd in ready:
                    unsent = source.read()
                    if not unsent:
                        sending = False
                        sock.shutdown(socket.SHUT_WR)
            except BlockingIOError:
                pass
            except BrokenPipeError:
                raise CalcbenchError("the other end has gone away") from None
            except OSError as error:
                raise CalcbenchError(f"the connection has broken: {reason(error)}") from None


def run(host: str, port: int, *, listens: bool, verbose: bool, crlf: bool) -> None:
    """Hold one conversation: standard input to the other end, what comes to standard output."""
    sock = (accept if listens else connect)(host, port, verbose)
    with sock:
        source = Input(sys.stdin.fileno(), crlf)
        converse(sock, source, Output(sys.stdout), sys.stdin.isatty())


def reason(error: OSError) -> str:
    """Return what is wrong, in small letters."""
    return (error.strerror or str(error)).lower()


def tell(line: str) -> None:
    """Print a *line* about the connection, apart from what comes through it."""
    echo(f"calcbench nc: {line}", err=True)
