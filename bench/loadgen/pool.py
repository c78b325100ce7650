"""Start drivers, send them their load specs, and collect what they have seen."""

import contextlib
import dataclasses
import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from calcbench.bench.loadgen.collector import Collector
from calcbench.bench.loadgen.observation import Observation
from calcbench.bench.loadgen.protocol import send_line
from calcbench.bench.loadgen.report_reader import ReportReader
from calcbench.bench.loadgen.spec import LoadSpec, TurnSpec
from calcbench.bench.loadgen.wrk import cross_check
from calcbench.bench.schema.plan import OURS, WRK
from calcbench.core.errors import CalcbenchError
from calcbench.core.serving.ending import status_in_words
from calcbench.core.serving.output import ProcessOutput

COMMAND = (sys.executable, "-P", "-m", "calcbench.bench.loadgen.driver.process")
TIMEOUT_S = 30.0  # beyond what its load should take; a driver that is later than that hangs
MOST_TURNS = 4  # times what is measured of it, that a server's turns may take
TOGETHER_NS = 20_000_000  # from when several drivers are ready to when they begin


class DriverProcess:
    """A driver that is up and waits for its load spec; leaving the ``with`` block ends it.

    It has a process group of its own, so that a Ctrl-C reaches only us, and its standard input
    ends when we do, in whatever way, which ends the driver as well. With *servers* it is for the
    turns of so many, and reports on each through a pipe of its own, else on its standard output.
    """

    def __init__(self, servers: int = 0) -> None:
        self.output = ProcessOutput()
        with contextlib.ExitStack() as opening:
            opening.callback(self.output.close)
            pipes = []
            for _ in range(servers):
                pipes.append(os.pipe())
                for end in pipes[-1]:
                    opening.callback(os.close, end)
            self.outputs = [write_end for _, write_end in pipes]
            self.process = subprocess.Popen(
                COMMAND,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self.output.fileno(),
                process_group=0,
                pass_fds=self.outputs,
            )
            opening.pop_all()
        for write_end in self.outputs:
            os.close(write_end)
        assert self.process.stdout
        self.reports = [read_end for read_end, _ in pipes] or [self.process.stdout.fileno()]

    def drive(self, spec: LoadSpec) -> Observation:
        """Let it drive; return what it saw. Raises CalcbenchError when it could not."""
        return drive_together([self], [spec])

    def drive_by_turns(
        self, loads: Sequence[LoadSpec], slice_s: float, seed: str
    ) -> list[Observation]:
        """Let it drive several servers by turns; return what it saw of each, in their order.

        Raises CalcbenchError when it could not.
        """
        outputs = tuple(self.outputs[: len(loads)])
        spec = TurnSpec(tuple(loads), outputs, round(slice_s * 1e9), seed)
        send_line(self.process.stdin, dataclasses.asdict(spec))
        readers = [ReportReader(by_turns=True) for _ in loads]
        collectors = [
            Collector([load], [reader]) for load, reader in zip(loads, readers, strict=True)
        ]
        parts = [
            Part(fd, self, reader, collector)
            for fd, reader, collector in zip(self.reports, readers, collectors, strict=False)
        ]
        timeout_s = sum(MOST_TURNS * longest_s(load) for load in loads) + TIMEOUT_S
        receive(parts, timeout_s)
        return [collector.collect() for collector in collectors]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()  # it has nothing to tidy up
        with contextlib.suppress(BrokenPipeError):
            self.process.communicate()
        if self.outputs:
            for read_end in self.reports:
                os.close(read_end)
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


@dataclass(frozen=True)
class Part:
    """What comes by descriptor *fd* from *process*: one driver's report, for its collector."""

    fd: int
    process: DriverProcess
    reader: ReportReader
    collector: Collector


def drive_together(processes: list[DriverProcess], specs: list[LoadSpec]) -> Observation:
    """Let each of *processes* drive one of *specs*; return what they saw together.

    There may be fewer specs than processes. Raises CalcbenchError when one of them could not.
    """
    readers = [ReportReader() for _ in specs]
    collector = Collector(specs, readers)
    parts = []
    for process, spec, reader in zip(processes, specs, readers, strict=False):
        send_line(process.process.stdin, dataclasses.asdict(spec))
        parts.append(Part(process.reports[0], process, reader, collector))
    receive(parts, longest_s(specs[0]) + TIMEOUT_S)
    return collector.collect()


def longest_s(spec: LoadSpec) -> float:
    """Return how many seconds a load by *spec* should take at most."""
    drain_s = 2 * spec.timeout_s if spec.keeps_schedule else 0
    if spec.rate:
        drain_s += spec.timeout_s  # for its first response: a window does not open before
    return spec.warmup_s + spec.duration_s + drain_s


def receive(parts: Sequence[Part], timeout_s: float) -> None:
    """Take in what drivers report, until all have; raises CalcbenchError when one could not.

    When every one of several is ready, they are told when to begin.
    """
    waiting: Mapping[int, Part] = {part.fd: part for part in parts}
    end = time.monotonic() + timeout_s
    while waiting:
        ready, _, _ = select.select(list(waiting), (), (), max(end - time.monotonic(), 0))
        if not ready:
            raise CalcbenchError(f"the driver has not answered for {timeout_s:.0f} s")
        for part in [waiting[fd] for fd in ready]:
            chunk = os.read(part.fd, 1 << 20)
            part.reader.data += chunk
            for samples in part.reader.messages():
                part.collector.add(part.reader, samples)
            if all(one.reader.is_ready for one in parts):
                start_ns = time.perf_counter_ns() + TOGETHER_NS
                for one in parts:
                    send_line(one.process.process.stdin, start_ns)
                    one.reader.is_ready = False
            if not chunk:
                waiting = {fd: one for fd, one in waiting.items() if one is not part}
                check_end(part)


def check_end(part: Part) -> None:
    """Wait for a driver that says no more; raises CalcbenchError where it has not reported."""
    status = part.process.process.wait()  # its connections close before the server stops
    if part.reader.report is None:
        printed = part.process.output.last_line()
        last = f": {printed}" if printed else ", which says nothing about the server"
        raise CalcbenchError(f"the driver {status_in_words(status)}{last}")
