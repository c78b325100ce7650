"""The load driver: a process of its own, one epoll loop, every response checked.

``python -m calcbench.bench.loadgen.driver.process`` reads one line of JSON from its standard input,
a `LoadSpec`, and drives. What it reports goes to its standard output in messages, each behind
its kind and its length: when the window opens, samples as native integers, and in the end what the
window showed (`calcbench.bench.loadgen.pool` reads all that). One of several drivers says when it
is ready, and then reads from a second line when all of them begin. When its standard input ends, so
does it: whoever started it is gone or does not want it any more.

In a closed loop each of N clients sends a request, waits for the whole response, and sends the
next. In an open loop requests are due at times that are fixed in advance
(`calcbench.bench.schema.arrivals`). When one is due it goes out over a connection that is free, or
over a new one while there are fewer than N, or else waits for the first that becomes free. What the
words of a result mean:

- A request is *intended* for the moment when it is due, in a closed loop for the one when its
  client starts on it. It is *sent* when its client starts on it: when it calls `send`, or, where
  it needs a connection first, when it calls `connect`. The *first* octet of the response and the
  last, when it is *done*, are timed when they have been read. A request that never got a
  connection is sent, and done, when it is given up.
- *ok*, *wrong*, *http_error*: a response came and was the right one, was not (another number, or
  framing that does not hold: a malformed head, a byte too many, a close before the last one),
  or had a status other than the one that is right. Why the first was refused is reported.
- *refused*, *reset*: nobody listened; the connection broke, or was closed without a response.
- *timed_out*: it had not ended ``timeout_s`` after it was intended. Seen up to an eighth of that
  later.
- After a response that ends its connection, the client waits for a moment until the server has
  closed, and then closes itself, as it must (RFC 9112 §9.6), before it goes on: so there are never
  more than N connections. The response is right all the same, and was *done* with its last byte.
- The window opens and closes between two batches of events, at times that are measured and not
  assumed. In a closed loop it counts the requests that end within it, also those that began
  before it. A request *in flight* when it closes is not counted: for how long it had waited by
  then is reported, and that is the least that it would have taken.
- In an open loop it counts the requests that are intended for it, whenever they end; the load goes
  on until the last of them has. None is in flight then: nothing that was due is left out.
"""

import gc
import os
import resource
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

from calcbench.bench.loadgen.driver.loop import Loop, clock
from calcbench.bench.loadgen.driver.recorder import Recorder
from calcbench.bench.loadgen.protocol import DriverError, DriverReport, Opened, Ready
from calcbench.bench.loadgen.spec import LoadSpec, load_spec_from_json
from calcbench.bench.system.cpu_time import group_cpu_ns
from calcbench.bench.system.procfs import read_text, run_queue_ns

SETTLE_NS = 5_000_000  # see run
DRAIN_NS = 5_000_000  # between two checks whether all that was due in the window has ended
SPARE_FDS = 32  # descriptors beside the clients' sockets: standard streams, epoll, modules


def run(spec: LoadSpec, loop: Loop, start_ns: int) -> DriverReport:
    """Drive from *start_ns*; return what the window showed, apart from the samples themselves."""
    group, recorder = spec.server_group, loop.recorder
    loop.begin_all(start_ns)
    loop.run_until(start_ns + round(spec.warmup_s * 1e9))

    # Responses wait for us while we read /proc: settle, so that this is in nobody's latency,
    # and scale the server's time to the window at the end.
    before = clock()
    server_cpu, read = group_cpu_ns(group) if group else 0, clock()
    loop.run_until(read + max(SETTLE_NS, 2 * (read - before)))

    recorder.tidy()
    recorder.counting = True
    tallies = {name: tally.copy() for name, tally in loop.tallies.items()}
    loop.spun = 0
    loop.checker.first_failures.clear()
    driver_cpu, driver_delay, opened = time.process_time_ns(), run_delay_ns(), clock()
    recorder.send(Opened(opened))
    closed = loop.run_until(opened + round(spec.duration_s * 1e9))
    driver_cpu = max(time.process_time_ns() - driver_cpu - loop.spun, 0)
    driver_delay = run_delay_ns() - driver_delay
    in_flight_ns = () if loop.open_loop else loop.waited_ns(closed)
    for name, tally in loop.tallies.items():
        tallies[name] = tally - tallies[name]
    while loop.open_loop and not loop.stopped and loop.owes(closed):
        loop.run_until(clock() + DRAIN_NS)
    ended = clock()
    server_cpu = (group_cpu_ns(group) if group else 0) - server_cpu
    recorder.tidy()
    return DriverReport(
        elapsed_ns=closed - opened,
        driver_cpu_ns=driver_cpu,
        driver_delay_ns=driver_delay,
        server_cpu_ns=round(max(server_cpu, 0) * (closed - opened) / (ended - read)),
        in_flight_ns=in_flight_ns,
        background={name: dict(tally) for name, tally in tallies.items()},
        first_failures=loop.checker.first_failures,
        begun=loop.ring.begun(),
        ended=recorder.recorded - loop.never_begun,
        unfinished=loop.unfinished(),
    )


def run_delay_ns() -> int:
    """Return for how long this process has been ready to run while another one had the core."""
    return run_queue_ns(read_text(Path("/proc/self/schedstat")))


def main() -> None:
    """Drive as the line on standard input says, and report what was seen."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is the harness's to handle
    spec = load_spec_from_json(sys.stdin.buffer.readline())
    if spec is None:
        return  # nobody wants anything any more
    recorder = Recorder(sys.stdout.fileno())
    try:
        prepare_process(spec)
        loop = Loop(spec, recorder)
        start_ns = 0
        if spec.drivers > 1:
            recorder.send(Ready())
            start_ns = int(sys.stdin.buffer.readline() or 0)
        gc.collect()
        gc.disable()  # the loop makes no cycles, and a collection would be in somebody's latency
        report = run(spec, loop, start_ns or clock())
    except OSError as error:
        recorder.send(DriverError(str(error)))
        return
    if not loop.stopped:
        recorder.finish()
        recorder.send(report)


def prepare_process(spec: LoadSpec) -> None:
    """Move to the driver's cores and allow for the sockets; raises OSError."""
    if spec.cpus:
        os.sched_setaffinity(0, spec.cpus)
    with suppress(OSError):  # an old kernel: a sleep may end some 50 µs late
        Path("/proc/self/timerslack_ns").write_text("1")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    need = spec.connections + sum(spec.background.values()) + SPARE_FDS
    if soft < need:
        if need > hard:
            raise OSError(f"{spec.connections} connections need more than {hard} files")
        resource.setrlimit(resource.RLIMIT_NOFILE, (need, hard))


if __name__ == "__main__":
    main()
