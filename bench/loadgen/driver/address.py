"""Which address of a server is loaded: the first that can be connected to.

A name may have several, in the order that RFC 6724 and the machine's settings give them. Each is
tried in turn, once, before the load begins, and the one that works is used for all of it. They do
not race as RFC 8305 has it for browsers: it costs nothing to wait here, and chance must not decide
which way is measured.
"""

import contextlib
from socket import AF_UNIX, SOCK_STREAM, gaierror, getaddrinfo, socket
from typing import Any

from calcbench.bench.loadgen.spec import LoadSpec

Address = tuple[int, Any]  # the family, and what `connect` is given
TRY_S = 1.0  # for one address; a connection over the longest distance takes a third of it
MOST = 8  # addresses that are tried


def find(spec: LoadSpec) -> Address:
    """Return where the server of *spec* is; raises OSError."""
    if spec.unix:
        return AF_UNIX, spec.unix
    return reachable_address(spec.address or spec.host, spec.port)


def reachable_address(host: str, port: int) -> Address:
    """Return the first address of *host* that takes a connection on *port*, or else the first.

    Where there is only one it is not tried. Raises OSError for a host that has none.
    """
    addresses = addresses_of(host, port)
    if len(addresses) > 1:
        for family, address in addresses[:MOST]:
            with contextlib.suppress(OSError), socket(family, SOCK_STREAM) as sock:
                sock.settimeout(TRY_S)
                sock.connect(address)
                return family, address
    return addresses[0]


def addresses_of(host: str, port: int) -> list[Address]:
    """Return all addresses of *host*, the preferred one first; raises OSError for none."""
    try:
        found = getaddrinfo(host, port, type=SOCK_STREAM)
    except gaierror as error:
        raise OSError(f"no host {host!r}: {error.strerror}") from None
    except UnicodeError:  # of a name with a part that is empty or longer than 63 bytes
        raise OSError(f"{host!r} cannot be the name of a host") from None
    return list(dict.fromkeys((entry[0], entry[4]) for entry in found))


def numeric(address: Address) -> str:
    """Return *address*, of IP, as its numbers say it, ``::1`` or ``fe80::1%2``; not its port."""
    host, _, *rest = address[1]  # of IPv6 the flow and the zone
    return f"{host}%{rest[1]}" if rest and rest[1] and "%" not in host else str(host)
