"""The sockets that servers listen on: for an address, for all that a name has, or for a path.

A strategy is given one listener, whatever it is: to wait for clients on several at once would be a
lesson of its own.
"""

import errno
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from calcbench.core.errors import CalcbenchError
from calcbench.core.serving.descriptors import socket_above_standard

BACKLOG = 4096  # clients that may wait to be accepted; the kernel cuts it to somaxconn
NOT_HERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)  # an address of a name that we do not have
TRIES = 10  # to find one port that is free at every address
ALL_IPV6 = "::"
MAPPED = "::ffff:"  # an IPv4 address in the dress of an IPv6 one (RFC 4291 §2.5.5.2)


@dataclass(frozen=True)
class Address:
    """One address of a *host*, as `socket.bind` has it."""

    host: str
    family: socket.AddressFamily
    sockaddr: tuple[str, int] | tuple[str, int, int, int]

    def with_port(self, port: int) -> "Address":
        """Return it with another *port*."""
        host, _, *rest = self.sockaddr
        return Address(self.host, self.family, (host, port, *rest))  # type: ignore[arg-type]

    def __str__(self) -> str:
        numeric, port = self.sockaddr[:2]
        where = self.host if self.host.partition("%")[0] == numeric else f"{self.host} ({numeric})"
        return f"{where} port {port}"


def addresses(host: str, port: int) -> list[Address]:
    """Return every address that *host* has, in the order in which they should be tried (RFC 6724).

    An IPv6 address may stand in brackets, as in a URL, with its zone behind ``%25`` (RFC 6874).
    Raises CalcbenchError for an unknown host.
    """
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1].replace("%25", "%")
    try:
        found = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (socket.gaierror, UnicodeError, ValueError):  # ValueError: a null byte
        raise CalcbenchError(f"unknown host {host!r}; try 127.0.0.1") from None
    # A list of hosts may name one address twice.
    return list(dict.fromkeys(Address(host, family, name) for family, *_, name in found))  # type: ignore[arg-type]


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on *host* and *port*, at the first address that is ours.

    Port 0 takes a free one. Raises CalcbenchError when the host is unknown or the port is taken.
    """
    return bind_some(addresses(host, port), most=1)[0]


def listen_on_all(host: str, port: int) -> list[socket.socket]:
    """Return a socket for each address of *host* that is ours, all of them on one port.

    Raises as `listen` does.
    """
    everywhere = addresses(host, port)
    for _ in range(TRIES - 1):
        try:
            return bind_some(everywhere)
        except PortTakenError:  # a port that was free at one address need not be at the next
            if port:
                raise
    return bind_some(everywhere)


class PortTakenError(CalcbenchError):
    """Somebody listens at that address and port."""


def bind_some(candidates: list[Address], most: int = 0) -> list[socket.socket]:
    """Return listeners at those of *candidates* that this machine has, at *most* so many, 0: all.

    They share one port. Raises CalcbenchError where there is none.
    """
    with ExitStack() as made:
        listeners: list[socket.socket] = []
        missing = None
        for address in candidates:
            if listeners and not address.sockaddr[1]:
                address = address.with_port(listeners[0].getsockname()[1])
            try:
                listeners.append(made.enter_context(bind(address)))
            except OSError as error:
                if error.errno not in NOT_HERE:
                    raise refusal(str(address), error) from None
                missing = missing or refusal(str(address), error)
            if most and len(listeners) == most:
                break
        if not listeners:
            raise missing or CalcbenchError("no address to listen on")
        made.pop_all()
        return listeners


def refusal(where: str, error: OSError) -> CalcbenchError:
    """Return why nobody can listen at *where*, in one line."""
    reason = (error.strerror or str(error)).lower()
    if error.errno == errno.EADDRINUSE:
        return PortTakenError(f"cannot listen on {where}: {reason}; port 0 takes a free one")
    return CalcbenchError(f"cannot listen on {where}: {reason}")


def bind(address: Address) -> socket.socket:
    """Return a socket that listens at *address*; raises OSError.

    At ``::`` it listens for IPv4 as well, and at any other IPv6 address for IPv6 alone.
    """
    listener = socket_above_standard(socket.socket(address.family))
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted sockets inherit it: a small response must not wait for the ACK of the last one.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if address.family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not serves_ipv4(address))
        listener.bind(address.sockaddr)
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def serves_ipv4(address: Address) -> bool:
    """Tell whether a listener at the IPv6 *address* takes IPv4 clients."""
    return address.sockaddr[0] == ALL_IPV6 or address.sockaddr[0].startswith(MAPPED)


@contextmanager
def listen_on_path(path: str) -> Iterator[socket.socket]:
    """Yield a socket that listens at *path*, a Unix socket, which is gone afterwards.

    Replaces a socket on which nobody listens any more, and nothing else. Raises CalcbenchError
    when the path cannot be had.
    """
    listener, place = socket_above_standard(socket.socket(socket.AF_UNIX)), Path(path)
    try:
        try:
            remove_if_stale(place)
            listener.bind(path)
            ours = place.stat()
            listener.listen(BACKLOG)
        except (OSError, ValueError) as error:  # ValueError: a null byte
            strerror = error.strerror if isinstance(error, OSError) else None
            reason = (strerror or str(error)).lower()
            raise CalcbenchError(f"cannot listen on the Unix socket {path!r}: {reason}") from None
        try:
            yield listener
        finally:
            with suppress(OSError):  # somebody has removed it
                if os.path.samestat(ours, place.stat()):
                    place.unlink()
    finally:
        listener.close()


def remove_if_stale(path: Path) -> None:
    """Remove the Unix socket at *path* if its server has ended; raises CalcbenchError if not."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise CalcbenchError(f"{str(path)!r} exists and is not a Unix socket; choose another path")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)  # a full backlog would hold us up
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except BlockingIOError:
            pass
    raise CalcbenchError(
        f"something already listens on the Unix socket {str(path)!r}; choose another path"
    )


def name_of_listener(listener: socket.socket) -> tuple[str, int]:
    """Return the host and the port of *listener*; its path and 0 where it has one of those."""
    name = listener.getsockname()
    if listener.family == socket.AF_UNIX:
        return os.fsdecode(name), 0
    zone = name[3] if len(name) > 3 else 0
    return f"{name[0]}%{socket.if_indextoname(zone)}" if zone else name[0], name[1]
