"""Network namespaces: three machines on one, joined by virtual cables, for whoever may make them.

The addresses are of 198.18.0.0/15, which RFC 2544 sets aside for measuring between networks.
"""

import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

SERVER = "198.18.0.1"


@dataclass(frozen=True)
class Machines:
    """What to put before a command, so that it runs on the server's machine or a worker's."""

    server: tuple[str, ...]
    workers: tuple[tuple[str, ...], ...]
    address: str


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


def why_denied() -> str:
    """Return why there are no namespaces for us here, or nothing where there are."""
    if not shutil.which("ip"):
        return "there is no ip (iproute2) here"
    try:
        with machines(1):
            return ""
    except subprocess.CalledProcessError as error:
        return f"no network namespaces here: {error.stderr.strip()}"


@contextmanager
def machines(workers: int) -> Iterator[Machines]:
    """Make a namespace for the server and one for each of *workers*.

    Raises CalledProcessError where that is denied.
    """
    mark = f"calcbench-{uuid.uuid4().hex[:8]}"
    names = [f"{mark}-{number}" for number in range(workers + 1)]
    server, *others = names
    made: list[str] = []
    try:
        for name in names:
            ip("netns", "add", name)
            made.append(name)
            ip("-n", name, "link", "set", "lo", "up")
        ip("-n", server, "address", "add", f"{SERVER}/32", "dev", "lo")
        for number, name in enumerate(others, 1):
            near, far = f"198.18.{number}.1", f"198.18.{number}.2"
            cable = f"to{number}"
            ip(*f"link add {cable} netns {server} type veth peer name home netns {name}".split())
            ip(*f"-n {server} address add {near}/24 dev {cable}".split())
            ip(*f"-n {name} address add {far}/24 dev home".split())
            ip(*f"-n {server} link set {cable} up".split())
            ip(*f"-n {name} link set home up".split())
            ip(*f"-n {name} route add default via {near}".split())
        inside = [("ip", "netns", "exec", name) for name in names]
        yield Machines(inside[0], tuple(inside[1:]), SERVER)
    finally:
        for name in made:  # the cables go with them
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)
