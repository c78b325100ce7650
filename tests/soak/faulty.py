"""An interpreter in which things go wrong: it runs a server file, but not as well as Python does.

It is started in Python's place, as ``python faulty.py SWITCH -P server.py CONFIG``. A request with
a field ``Fault: MemoryError`` has its handler raise that. As long as the file SWITCH exists,
neither a thread nor a process can be started.
"""

import builtins
import os
import runpy
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

from calcbench.core.app import application
from calcbench.core.http.message import Request, Response

make_well, start_well, fork_well = application.make_handle, Thread.start, os.fork


def interpreter(folder: Path) -> tuple[Path, Path]:
    """Write into *folder* a program that stands in for Python; return it and its switch."""
    program, switch = folder / "python-with-faults", folder / "nothing-starts"
    words = [sys.executable, "-P", str(Path(__file__).resolve()), str(switch)]
    program.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n', encoding="utf-8")
    program.chmod(0o700)
    return program, switch


def make_handle(page: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """Return what raises what a request asks for, or responds to it."""
    handle_well = make_well(page)

    def handle(request: Request) -> Response:
        if fault := request.headers.get(b"fault"):
            raise getattr(builtins, fault.decode())("as the client has asked")
        return handle_well(request)

    return handle


def main(switch: Path, server_file: str, config: str) -> None:
    """Run *server_file* with *config* as Python would, but for the faults."""

    def start(self: Thread) -> Any:
        if switch.exists():
            raise RuntimeError("can't start new thread")
        return start_well(self)

    def fork() -> int:
        if switch.exists():
            raise BlockingIOError("no process can be started")
        return fork_well()

    application.make_handle = make_handle
    Thread.start = start  # type: ignore[method-assign]
    os.fork = fork
    sys.argv = [server_file, config]
    runpy.run_path(server_file, run_name="__main__")


if __name__ == "__main__":
    the_switch, _, the_server_file, the_config = sys.argv[1:]
    main(Path(the_switch), the_server_file, the_config)
