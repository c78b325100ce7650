"""Where a server listens: at every address of a name, and on a path."""

import errno
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from servers import needs_ipv6

from calcbench.core.errors import CalcbenchError
from calcbench.core.serving import listeners
from calcbench.core.serving.listeners import (
    Address,
    addresses,
    listen,
    listen_on_all,
    listen_on_path,
    name_of_listener,
)
from calcbench.core.serving.sockets import in_url

V4, V6 = ("127.0.0.1", 0), ("::1", 0, 0, 0)


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that is both loopbacks, whatever the machine's list of hosts says, one of them twice.

    The first of its addresses is none of ours.
    """
    real = socket.getaddrinfo
    known: dict[str, list[tuple[int, tuple[Any, ...]]]] = {
        "both.test": [
            (socket.AF_INET, ("192.0.2.1", 0)),
            (socket.AF_INET6, V6),
            (socket.AF_INET6, V6),
            (socket.AF_INET, V4),
        ],
        "elsewhere.test": [(socket.AF_INET, ("192.0.2.1", 0))],
    }

    def getaddrinfo(host: str, port: int, **more: int) -> list[object]:
        if host not in known:
            return list(real(host, port, **more))
        return [(family, 1, 6, "", (name[0], port, *name[2:])) for family, name in known[host]]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@needs_ipv6
@pytest.mark.usefixtures("both")
def test_listens_at_every_address_of_a_name_on_one_port() -> None:
    six, four = listen_on_all("both.test", 0)
    with six, four:
        assert [one.getsockname()[0] for one in (six, four)] == ["::1", "127.0.0.1"]
        assert six.getsockname()[1] == four.getsockname()[1] > 0


@needs_ipv6
@pytest.mark.usefixtures("both")
def test_listens_at_the_first_address_that_is_ours() -> None:
    with listen("both.test", 0) as listener:
        assert listener.getsockname()[0] == "::1"


@pytest.mark.usefixtures("both")
def test_says_that_no_address_is_ours() -> None:
    with pytest.raises(CalcbenchError, match=r"on elsewhere\.test \(192\.0\.2\.1\) port 0: "):
        listen_on_all("elsewhere.test", 0)


@needs_ipv6
@pytest.mark.usefixtures("both")
def test_refuses_a_name_of_which_one_address_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CalcbenchError, match=r"both\.test \(127\.0\.0\.1\) port .* in use"):
            listen_on_all("both.test", port)


@needs_ipv6
@pytest.mark.usefixtures("both")
def test_looks_for_a_port_that_is_free_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    bind, refused = listeners.bind, list[Address]()

    def bind_at_second_try(address: Address) -> socket.socket:
        if address.family == socket.AF_INET and address.sockaddr[0] == V4[0] and not refused:
            refused.append(address)
            raise OSError(errno.EADDRINUSE, "Address already in use")
        return bind(address)

    monkeypatch.setattr(listeners, "bind", bind_at_second_try)
    found = listen_on_all("both.test", 0)
    for listener in found:
        listener.close()

    assert (len(found), len(refused)) == (2, 1)


@needs_ipv6
@pytest.mark.parametrize(
    ("host", "reached"), [("::", ("127.0.0.1", "::1")), ("::1", ("::1",)), ("[::1]", ("::1",))]
)
def test_takes_ipv4_as_well_at_every_address_and_nowhere_else(
    host: str, reached: tuple[str, ...]
) -> None:
    with listen(host, 0) as listener:
        found = []
        for client in ("127.0.0.1", "::1"):
            try:
                socket.create_connection((client, listener.getsockname()[1])).close()
            except ConnectionRefusedError:
                continue
            found.append(client)

    assert tuple(found) == reached


@pytest.mark.parametrize("host", ["fe80::1%lo", "[fe80::1%lo]", "[fe80::1%25lo]"])
def test_reads_the_zone_of_an_address(host: str) -> None:
    (address,) = addresses(host, 80)

    assert address.sockaddr == ("fe80::1", 80, 0, socket.if_nametoindex("lo"))


def test_names_the_zone_of_a_listener() -> None:
    class Listener:
        family = socket.AF_INET6

        def getsockname(self) -> tuple[str, int, int, int]:
            return "fe80::1", 80, 0, socket.if_nametoindex("lo")

    assert name_of_listener(Listener()) == ("fe80::1%lo", 80)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("host", "in_a_url"),
    [
        ("localhost", "localhost"),
        ("::1", "[::1]"),
        ("[::1]", "[::1]"),
        ("fe80::1%a", "[fe80::1%25a]"),
    ],
)
def test_writes_a_host_as_a_url_has_it(host: str, in_a_url: str) -> None:
    assert in_url(host) == in_a_url


# Unix sockets


def test_listens_on_a_path_that_is_gone_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with listen_on_path(str(path)) as listener:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
        assert name_of_listener(listener) == (str(path), 0)
        assert listener.fileno() > 2

    assert not path.exists()


def test_replaces_a_socket_whose_server_has_ended(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as ended:
        ended.bind(str(path))

    with listen_on_path(str(path)), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_removes_no_socket_but_its_own(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with listen_on_path(str(path)):
        path.rename(tmp_path / "moved")
        path.touch()

    assert path.exists()


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ("file", "exists and is not a Unix socket"),
        ("folder", "exists and is not a Unix socket"),
        ("link", "exists and is not a Unix socket"),
        ("listener", "something already listens on the Unix socket"),
        ("crowded listener", "something already listens on the Unix socket"),
        ("no folder", "no such file or directory"),
        ("long", "path too long"),
    ],
)
def test_refuses_a_path_that_it_cannot_have(tmp_path: Path, made: str, message: str) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        if made == "file":
            path.touch()
        elif made == "folder":
            path.mkdir()
        elif made == "link":
            path.symlink_to(tmp_path / "nothing")
        elif made.endswith("listener"):
            listener.bind(str(path))
            listener.listen(0)
            if made.startswith("crowded"):
                client.connect(str(path))
        elif made == "no folder":
            path /= "socket"
        else:
            path = tmp_path / ("x" * 120)
        before = os.listdir(tmp_path)
        with pytest.raises(CalcbenchError) as refused, listen_on_path(str(path)):
            pass

    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
    assert os.listdir(tmp_path) == before
