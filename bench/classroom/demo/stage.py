"""What a scenario plays on: servers, clients and drivers, which all end when the stage is left."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self, TextIO

from calcbench.bench.classroom.demo.clients import HandClient
from calcbench.bench.classroom.demo.lanes import Lane, shown
from calcbench.bench.loadgen.observation import Observation
from calcbench.bench.loadgen.pool import DriverProcess
from calcbench.bench.loadgen.spec import LoadSpec
from calcbench.core.errors import CalcbenchError
from calcbench.core.serving.catalogue import parse_variant
from calcbench.core.serving.launcher import Server, ServerSpec, launch

# A silent client is to be there for as long as a scenario wants it, on a slow machine too.
PATIENT = ("idle_timeout=60", "head_timeout=60", "drain_timeout=1")
TIMEOUT_S = 30.0  # of a driver's request: who waits in a scenario waits to its end
BEGUN_S = 20.0  # within which something has to begin, on a laden machine
LOOK_S = 0.01  # between two looks at something that is about to begin


class Driving:
    """Drivers at work in threads of ours, one for each load; `wait` for what they see."""

    def __init__(self, drivers: Sequence[DriverProcess], specs: Sequence[LoadSpec]) -> None:
        self.seen: dict[int, Observation] = {}
        self.errors: list[Exception] = []
        self.threads = [
            threading.Thread(target=self.drive, args=(number, driver, spec), daemon=True)
            for number, (driver, spec) in enumerate(zip(drivers, specs, strict=True))
        ]
        for thread in self.threads:
            thread.start()

    def drive(self, number: int, driver: DriverProcess, spec: LoadSpec) -> None:
        """Let *driver* drive, and keep what it saw, or why it could not."""
        try:
            self.seen[number] = driver.drive(spec)
        except (CalcbenchError, OSError, ValueError) as error:  # it may be killed under our hands
            self.errors.append(error)

    def wait(self) -> list[Observation]:
        """Return what was seen of each load, in their order; raises CalcbenchError."""
        for thread in self.threads:
            while thread.is_alive():
                thread.join(0.2)  # a wait without an end would hold back a Ctrl-C
        if self.errors:
            raise CalcbenchError(str(self.errors[0]))
        return [self.seen[number] for number in range(len(self.threads))]


class Stage:
    """Where one scenario runs; leaving its ``with`` block ends every process on it.

    *strategy* is the label of the strategy that the scenario is about, or of the one that was put
    in its place. What is shown while it runs goes to *screen*, or nowhere.
    """

    def __init__(self, strategy: str = "", screen: TextIO | None = None) -> None:
        self.strategy = strategy
        self.screen = screen
        self.exits = contextlib.ExitStack()

    @property
    def name(self) -> str:
        """The name of that strategy, without its options."""
        return self.strategy.partition(":")[0]

    def launch(
        self, label: str, workload: str = "add", policy: Sequence[str] = PATIENT, **more: Any
    ) -> Server:
        """Start a server of the strategy with *label*, as ``threadpool:workers=8``.

        Its responses are counted while it runs (`responses`), and deadlines are long unless a
        *policy* is given; *more* are fields of its `ServerSpec`.
        """
        variant = parse_variant(label)
        spec = ServerSpec(
            variant.strategy,
            variant.options,
            workload,
            policy=tuple(policy),
            watched=True,
            **more,
        )
        return self.exits.enter_context(launch(spec))

    def connect(self, server: Server, count: int = 1) -> list[HandClient]:
        """Return *count* clients that have connected to *server* and say nothing."""
        return [self.exits.enter_context(HandClient(server)) for _ in range(count)]

    def load(self, server: Server, clients: int, duration_s: float, **more: Any) -> LoadSpec:
        """Return the load of *clients* who each ask again when they have an answer.

        *more* are fields of a `LoadSpec`, such as ``keep_alive=False`` or ``rate=500``.
        """
        fields: dict[str, Any] = {"keep_alive": True, "timeout_s": TIMEOUT_S, **more}
        return LoadSpec(server.host, server.port, clients, duration_s=duration_s, **fields)

    def drive(self, *loads: LoadSpec) -> Driving:
        """Begin to drive *loads*, each from a process of its own; returns at once."""
        return Driving([self.exits.enter_context(DriverProcess()) for _ in loads], loads)

    @contextlib.contextmanager
    def lanes(self, *lanes: Lane, seconds: float) -> Iterator[None]:
        """Show *lanes* as they grow, for the *seconds* that what is done within will take."""
        with shown(self.screen, lanes, seconds):
            yield

    def wait_until(self, is_so: Callable[[], bool], what: str) -> None:
        """Return when *is_so*; raises CalcbenchError where *what* does not happen in time."""
        end = time.monotonic() + BEGUN_S
        while not is_so():
            if time.monotonic() > end:
                raise CalcbenchError(f"{what} did not happen within {BEGUN_S:g} s")
            time.sleep(LOOK_S)

    def wait(self, seconds: float) -> None:
        """Let the scenario go on for so many *seconds*."""
        time.sleep(seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.exits.close()


def responses(server: Server) -> int:
    """Return how many responses *server* has given until now."""
    return sum(worker.responses for worker in server.watch.workers()) if server.watch else 0


def lane_of(label: str, server: Server, unit: str = "answers") -> Lane:
    """Return the lane that shows how many responses *server* has given."""
    return Lane(label, lambda: responses(server), unit)
