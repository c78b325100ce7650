"""Start drivers, send them their load specs, and collect what they have seen."""

import contextlib
import dataclasses
import os
import select
import subprocess
import sys
import time
from typing import Self

from calcbench.bench.loadgen.collector import Collector, ReportReader
from calcbench.bench.loadgen.observation import Observation
from calcbench.bench.loadgen.protocol import send_line
from calcbench.bench.loadgen.spec import LoadSpec
from calcbench.bench.loadgen.wrk import cross_check
from calcbench.bench.schema.plan import OURS, WRK
from calcbench.core.errors import CalcbenchError
from calcbench.core.serving.ending import status_in_words
from calcbench.core.serving.output import ProcessOutput

COMMAND = (sys.executable, "-P", "-m", "calcbench.bench.loadgen.driver.process")
TIMEOUT_S = 30.0  # beyond what its load should take; a driver that is later than that hangs
TOGETHER_NS = 20_000_000  # from when several drivers are ready to when they begin


class DriverProcess:
    """A driver that is up and waits for its load spec; leaving the ``with`` block ends it.

    It has a process group of its own, so that a Ctrl-C reaches only us, and its standard input
    ends when we do, in whatever way, which ends the driver as well.
    """

    def __init__(self) -> None:
        self.output = ProcessOutput()
        self.process = subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.output.fileno(),
            process_group=0,
        )

    def drive(self, spec: LoadSpec) -> Observation:
        """Let it drive; return what it saw. Raises CalcbenchError when it could not."""
        return drive_together([self], [spec])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()  # it has nothing to tidy up
        with contextlib.suppress(BrokenPipeError):
            self.process.communicate()
        self.output.close()


class Drivers:
    """Several of them, which drive together as one would; *engine* WRK asks wrk as well."""

    def __init__(self, count: int = 1, engine: str = OURS) -> None:
        self.count, self.engine = count, engine
        self.exits = contextlib.ExitStack()

    def drive(self, spec: LoadSpec) -> Observation:
        """Let them drive; return what they saw. Raises CalcbenchError when one could not."""
        observation = drive_together(self.processes, spec.split(self.count))
        if self.engine == WRK:
            observation = dataclasses.replace(observation, wrk=cross_check(spec))
        return observation

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as starting:
            self.processes = [starting.enter_context(DriverProcess()) for _ in range(self.count)]
            self.exits = starting.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.exits.close()


def drive_together(processes: list[DriverProcess], specs: list[LoadSpec]) -> Observation:
    """Let each of *processes* drive one of *specs*; return what they saw together.

    There may be fewer specs than processes. Raises CalcbenchError when one of them could not.
    """
    readers: dict[int, ReportReader] = {}
    owners: dict[int, DriverProcess] = {}
    for process, spec in zip(processes, specs, strict=False):
        send_line(process.process.stdin, dataclasses.asdict(spec))
        assert process.process.stdout
        fd = process.process.stdout.fileno()
        readers[fd], owners[fd] = ReportReader(), process
    first = specs[0]
    drain_s = 3 * first.timeout_s if first.rate else 0  # once for the first response, see run
    timeout_s = first.warmup_s + first.duration_s + drain_s + TIMEOUT_S
    collector = Collector(specs, list(readers.values()))
    waiting = set(readers)
    end = time.monotonic() + timeout_s
    while waiting:
        ready, _, _ = select.select(list(waiting), (), (), max(end - time.monotonic(), 0))
        if not ready:
            raise CalcbenchError(f"the driver has not answered for {timeout_s:.0f} s")
        for fd in ready:
            chunk = os.read(fd, 1 << 20)
            reader = readers[fd]
            reader.data += chunk
            for samples in reader.messages():
                collector.add(reader, samples)
            if all(one.is_ready for one in readers.values()):
                start_ns = time.perf_counter_ns() + TOGETHER_NS
                for one, owner in zip(readers.values(), owners.values(), strict=True):
                    send_line(owner.process.stdin, start_ns)
                    one.is_ready = False
            if not chunk:
                status = owners[fd].process.wait()  # its connections close before the server stops
                waiting.remove(fd)
                if reader.report is None:
                    printed = owners[fd].output.last_line()
                    last = f": {printed}" if printed else ", which says nothing about the server"
                    raise CalcbenchError(f"the driver {status_in_words(status)}{last}")
    return collector.collect()
