"""Start drivers, hand them their plan, and collect what they have seen."""

import contextlib
import dataclasses
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from types import TracebackType
from typing import Any, Self

from calcbench.bench.loadgen.collector import Collector, Telling
from calcbench.bench.loadgen.observation import Driven
from calcbench.bench.loadgen.spec import Drive
from calcbench.bench.loadgen.wrk import WRK, cross_check
from calcbench.bench.schema.plan import OURS
from calcbench.core.errors import CalcbenchError

COMMAND = (sys.executable, "-P", "-m", "calcbench.bench.loadgen.driver.process")
PATIENCE_S = 30.0  # beyond what a drive should take; a driver that is later than that hangs
TOGETHER_NS = 20_000_000  # from when several drivers are ready to when they begin


class DriverProcess:
    """A driver that is up and waits for its plan; leaving the ``with`` block ends it.

    It has a process group of its own, so that a Ctrl-C reaches only us, and its standard input
    ends when we do, in whatever way, which ends the driver as well.
    """

    def __init__(self) -> None:
        self.complaints = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as we do
        self.process = subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.complaints,
            process_group=0,
        )

    def drive(self, drive: Drive) -> Driven:
        """Let it drive; return what it saw. Raises CalcbenchError when it could not."""
        return drive_together([self], [drive])

    def tell(self, words: Any) -> None:
        """Hand it a line of JSON: its plan, or when to begin."""
        assert self.process.stdin
        with contextlib.suppress(BrokenPipeError):  # it has died: its silence will say so
            self.process.stdin.write(json.dumps(words).encode() + b"\n")
            self.process.stdin.flush()

    def last_words(self) -> str:
        """Return the last line that it has written to its standard error."""
        self.complaints.seek(0)
        return self.complaints.read().decode(errors="replace").strip().rpartition("\n")[2]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.process.kill()  # it has nothing to tidy up
        with contextlib.suppress(BrokenPipeError):
            self.process.communicate()
        self.complaints.close()


class Drivers:
    """Several of them, which drive together as one would; *engine* WRK asks wrk as well."""

    def __init__(self, count: int = 1, engine: str = OURS) -> None:
        self.count, self.engine = count, engine
        self.exits = contextlib.ExitStack()

    def drive(self, drive: Drive) -> Driven:
        """Let them drive; return what they saw. Raises CalcbenchError when one could not."""
        driven = drive_together(self.processes, drive.split(self.count))
        if self.engine == WRK:
            driven = dataclasses.replace(driven, wrk=cross_check(drive))
        return driven

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as starting:
            self.processes = [starting.enter_context(DriverProcess()) for _ in range(self.count)]
            self.exits = starting.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.exits.close()


def drive_together(processes: list[DriverProcess], drives: list[Drive]) -> Driven:
    """Let each of *processes* drive one of *drives*; return what they saw together.

    There may be fewer drives than processes. Raises CalcbenchError when one of them could not.
    """
    tellings: dict[int, Telling] = {}
    owners: dict[int, DriverProcess] = {}
    for process, drive in zip(processes, drives, strict=False):
        process.tell(dataclasses.asdict(drive))
        assert process.process.stdout
        fd = process.process.stdout.fileno()
        tellings[fd], owners[fd] = Telling(), process
    first = drives[0]
    drain_s = 2 * first.timeout_s if first.rate else 0
    patience_s = first.warmup_s + first.duration_s + drain_s + PATIENCE_S
    collector = Collector(drives, list(tellings.values()))
    waiting = set(tellings)
    end = time.monotonic() + patience_s
    while waiting:
        ready, _, _ = select.select(list(waiting), (), (), max(end - time.monotonic(), 0))
        if not ready:
            raise CalcbenchError(f"the driver has not answered for {patience_s:.0f} s")
        for fd in ready:
            chunk = os.read(fd, 1 << 20)
            telling = tellings[fd]
            telling.data += chunk
            for samples in telling.messages():
                collector.add(telling, samples)
            if all(one.is_ready for one in tellings.values()):
                start_ns = time.perf_counter_ns() + TOGETHER_NS
                for one, owner in zip(tellings.values(), owners.values(), strict=True):
                    owner.tell(start_ns)
                    one.is_ready = False
            if not chunk:
                owners[fd].process.wait()  # its connections are closed before the server stops
                waiting.remove(fd)
                if not telling.seen:
                    last = owners[fd].last_words() or "without a word"
                    raise CalcbenchError(f"the driver died: {last}")
    return collector.collect()
