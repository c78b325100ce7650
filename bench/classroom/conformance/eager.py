"""An interpreter whose threads take turns as often as they can: what is not locked, shows.

It runs a server's file as Python would: ``python eager.py -P server.py CONFIG``. Within the file of
the strategy, and those beside it, a thread may be interrupted between any two steps of the
interpreter. So it may be in any case, once in ten thousand times; here it is, often.
"""

import json
import random
import runpy
import shlex
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

OFTEN_S = 1e-5  # by default, a thread runs for 5 ms before another one gets its turn
MOMENT_S = 1e-6  # for which one that is interrupted sleeps: long enough for others
SELDOM = 4  # one in so many steps is followed by an interruption

Trace = Callable[[FrameType, str, Any], Any]


def write_interpreter(folder: Path) -> Path:
    """Write into *folder* a program that stands in for Python; return it."""
    program = folder / "eager-python"
    words = [sys.executable, "-P", str(Path(__file__).resolve())]
    program.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n', encoding="utf-8")
    program.chmod(0o700)
    return program


def folder_of(config: dict[str, Any]) -> str:
    """Return the folder of the strategy that *config* of a server names."""
    if config["path"]:
        return str(Path(config["path"]).parent)
    return str(config["packages"]["calcbench.strategies"])


def interrupter(folder: str) -> Trace:
    """Return what interrupts threads in the code in *folder*, as `sys.settrace` takes it."""
    known: dict[str, bool] = {}
    draw = random.Random(0).randrange

    def trace(frame: FrameType, _: str, __: Any) -> Trace | None:
        file = frame.f_code.co_filename
        if file not in known:
            known[file] = str(Path(file).parent) == folder
        if not known[file]:
            return None
        frame.f_trace_opcodes = True
        return step

    def step(_: FrameType, event: str, __: Any) -> Trace:
        if event == "opcode" and not draw(SELDOM) and threading.active_count() > 1:
            time.sleep(MOMENT_S)
        return step

    return trace


if __name__ == "__main__":
    _, _, server_file, the_config = sys.argv
    sys.argv = [server_file, the_config]
    sys.setswitchinterval(OFTEN_S)
    the_trace = interrupter(folder_of(json.loads(the_config)))
    threading.settrace(the_trace)
    sys.settrace(the_trace)
    runpy.run_path(server_file, run_name="__main__")
