"""The load driver: a process of its own, one loop, every response checked.

``python -m calcbench.bench.loadgen.driver.process`` reads one line of JSON from its standard input,
a `LoadSpec`, and drives. What it reports goes to its standard output in messages, each behind
its kind and its length: when the window opens, samples as native integers, and in the end what the
window showed (`calcbench.bench.loadgen.pool` reads all that). One of several drivers says when it
is ready, and then reads from a second line when all of them begin. When its standard input ends, so
does it: whoever started it is gone or does not want it any more.

In a closed loop each of N clients sends a request, waits for the whole response, and sends the
next, or, as a user does, thinks before. In an open loop requests are due at times that are fixed in
advance (`calcbench.bench.schema.arrivals`). All N connections that are kept are opened before the
load begins. When a request is due it goes out over the one that was idle longest, so that they take
turns; or, where as few as possible are to be used, over the one that was used last, and over a new
one while there are fewer than N. It waits for the first that becomes free where none is. What the
server closes meanwhile is opened again when its turn comes. What the words of a result mean:

- A request is *intended* for the moment when it is due: a user's at the end of a think, that of a
  closed loop without thinks when its client starts on it. It is *sent* when its client starts on
  it: when it calls `send`, or, where it needs a connection first, when it calls `connect`. The
  *first* octet of the response and the last, when it is *done*, are timed when they have been read.
  A request that never got a connection is sent, and done, when it is given up.
- *ok*, *wrong*, *http_error*: a response came and was the right one, was not (another number, or
  framing that does not hold: a malformed head, a byte too many, a close before the last one),
  or had a status other than the one that is right.
- *refused*, *reset*: nobody listened; the connection broke, or was closed without a response.
- *timed_out*: it had not ended ``timeout_s`` after it was intended. Seen up to an eighth of that
  later.
- Each request that fails has a *cause*, such as its status or what is wrong with its framing. How
  the first response of each cause began is reported.
- After a response that ends its connection, the client waits for a moment until the server has
  closed, and then closes itself, as it must (RFC 9112 §9.6), before it goes on: so there are never
  more than N connections. The response is right all the same, and was *done* with its last byte.
- The window opens and closes between two batches of events, at times that are measured and not
  assumed. In a closed loop it counts the requests that end within it, also those that began before
  it, and of users the load goes on until what was out has ended, to tell who was served. A request
  *in flight* when it closes is not counted: for how long it had waited by then is reported, and
  that is the least that it would have taken.
- After a failure a client of a closed loop connects again at once, and after several in a row it
  pauses before, at most for `calcbench.bench.loadgen.driver.client.PAUSE_NS`. Time in which clients
  pause or think is added up as *away*.
- In an open loop it counts the requests that are intended for it, whenever they end; the load goes
  on until the last of them has: nothing that was due is left out. *In flight* are those that were
  due before the window and had not ended when it closed: they have waited for all of it. It does
  not open before the first response has come, or ``timeout_s`` have gone by: until then nothing
  can come back, and the rate would be too low.
"""

import gc
import resource
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

from calcbench.bench.loadgen.driver.loop import Loop, clock
from calcbench.bench.loadgen.driver.recorder import Recorder
from calcbench.bench.loadgen.driver.turn_loop import TurnLoop
from calcbench.bench.loadgen.driver.turns import Member, drive_in_turns
from calcbench.bench.loadgen.protocol import DriverError, DriverReport, Opened, Ready
from calcbench.bench.loadgen.spec import LoadSpec, TurnSpec, spec_from_json
from calcbench.bench.system.cpu_time import ServerClock
from calcbench.bench.system.cpus import pin
from calcbench.bench.system.procfs import PROC, own_run_delay_ns

SETTLE_NS = 5_000_000  # see run
SPARE_FDS = 32  # descriptors beside the clients' sockets: standard streams, poller, modules


def run(spec: LoadSpec, loop: Loop, start_ns: int) -> DriverReport:
    """Drive from *start_ns*; return what the window showed, apart from the samples themselves."""
    server, recorder = ServerClock(spec.server_group), loop.recorder
    loop.begin_all(start_ns)
    warm = loop.run_until(start_ns + round(spec.warmup_s * 1e9))
    loop.await_flow(0, warm)

    # Responses wait for us while we read /proc: settle, so that this is in nobody's latency,
    # and scale the server's time to the window at the end.
    before = clock()
    server.look_around()
    server_cpu, read = server.read(), clock()
    loop.run_until(read + max(SETTLE_NS, 2 * (read - before)))

    recorder.tidy()
    recorder.counting = True
    tallies = {name: tally.copy() for name, tally in loop.tallies.items()}
    loop.spun = 0
    loop.ledger.renew()
    driver_cpu, driver_delay, opened = time.process_time_ns(), own_run_delay_ns(), clock()
    away = loop.away_until(opened)
    recorder.send(Opened(opened))
    closed = loop.run_until(opened + round(spec.duration_s * 1e9))
    driver_cpu = max(time.process_time_ns() - driver_cpu - loop.spun, 0)
    driver_delay = own_run_delay_ns() - driver_delay
    in_flight_ns = loop.in_flight_ns(opened, closed)
    away = loop.away_until(closed) - away
    for name, tally in loop.tallies.items():
        tallies[name] = tally - tallies[name]
    loop.finish_window(closed)
    ended = clock()
    server.look_around()
    server_cpu = server.read() - server_cpu
    recorder.tidy()
    return DriverReport(
        elapsed_ns=closed - opened,
        driver_cpu_ns=driver_cpu,
        driver_delay_ns=driver_delay,
        server_cpu_ns=round(max(server_cpu, 0) * (closed - opened) / (ended - read)),
        in_flight_ns=in_flight_ns,
        background={name: dict(tally) for name, tally in tallies.items()},
        failures=tuple(loop.ledger.firsts),
        begun=loop.ring.begun(),
        ended=recorder.recorded - loop.never_begun,
        unfinished=loop.unfinished(),
        unopened=loop.unopened,
        away_ns=away,
        warmup_ns=opened - start_ns,
    )


def main() -> None:
    """Drive as the line on standard input says, and report what was seen."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is the harness's to handle
    spec = spec_from_json(sys.stdin.buffer.readline())
    if isinstance(spec, TurnSpec):
        by_turns(spec)
    elif spec:  # else nobody wants anything any more
        alone(spec)


def alone(spec: LoadSpec) -> None:
    """Drive one server, perhaps beside other drivers."""
    recorder = Recorder(sys.stdout.fileno())
    try:
        prepare_process([spec])
        loop = Loop(spec, recorder)
        loop.connect_all()
        start_ns = 0
        if spec.drivers > 1:
            recorder.send(Ready())
            start_ns = int(sys.stdin.buffer.readline() or 0)
        collect_no_garbage()
        report = run(spec, loop, start_ns or clock())
    except OSError as error:
        recorder.send(DriverError(str(error)))
        return
    if not loop.stopped:
        recorder.finish()
        recorder.send(report)


def by_turns(spec: TurnSpec) -> None:
    """Drive several servers, one at a time."""
    recorders = [Recorder(output) for output in spec.outputs]
    try:
        prepare_process(spec.loads)
        members = [
            Member(TurnLoop(load, recorder), ServerClock(load.server_group).read)
            for load, recorder in zip(spec.loads, recorders, strict=True)
        ]
        for member in members:
            member.loop.prepare()
        collect_no_garbage()
        reports = drive_in_turns(members, spec.slice_ns, spec.seed)
    except OSError as error:
        for recorder in recorders:
            recorder.send(DriverError(str(error)))
        return
    for recorder, report in zip(recorders, reports, strict=False):
        recorder.finish()
        recorder.send(report)


def collect_no_garbage() -> None:
    """Collect garbage now and not any more: no loop makes cycles, and it would be in a latency."""
    gc.collect()
    gc.disable()


def prepare_process(specs: Sequence[LoadSpec]) -> None:
    """Move to the driver's cores and allow for the sockets; raises OSError."""
    pin(specs[0].cpus)
    with suppress(OSError):  # an old kernel: a sleep may end some 50 µs late
        (PROC / "self/timerslack_ns").write_text("1")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    connections = sum(spec.connections for spec in specs)
    need = connections + sum(sum(spec.background.values()) for spec in specs)
    need += SPARE_FDS * len(specs)
    if soft < need:
        if need > hard:
            raise OSError(f"{connections} connections need more than {hard} files")
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (need, hard))
        except ValueError:  # macOS sets a bound of its own below a hard limit of none
            raise OSError(f"{connections} connections need more files than there may be") from None


if __name__ == "__main__":
    main()
