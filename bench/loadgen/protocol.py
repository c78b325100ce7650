"""How drivers report: messages of a kind, a length and a content.

Samples are native integers, the rest is JSON of the records here. What drivers are sent is lines of
JSON: a load spec, or when to begin.
"""

import contextlib
import dataclasses
import json
import struct
from dataclasses import dataclass
from typing import IO, Any

from calcbench.bench.schema.outcomes import OUTCOMES
from calcbench.core.errors import CalcbenchError

# A sample is these integers of 64 bits: intended, sent, first, done, and in one the client, why it
# failed, whether it had to wait for a free connection, and the outcome:
# client << TAG_BITS | cause << CAUSE_SHIFT | waited | outcome.
SAMPLE = 5
PACKED = struct.Struct(f"={SAMPLE}q")
WAITED = 8
CAUSE_SHIFT = 4
CAUSE_BITS = 6
TAG_BITS = CAUSE_SHIFT + CAUSE_BITS
MOST_CAUSES = (1 << CAUSE_BITS) - 1  # 0 is that of a right response
NOBODY = -1  # the client of a request that never got a connection
BATCH = 256  # samples that are joined at once
MESSAGE = struct.Struct("=cq")
READY, OPENED, SAMPLES, REPORT, ERROR = b"r", b"o", b"s", b"j", b"e"
LARGEST = 2**63 - 1  # as a sample's integers
LONGEST_REASON = 1000  # characters; ours quote 200 bytes, at most four characters for each
LARGEST_MESSAGE = 1 << 24  # bytes of the content; drivers send ten times less at once


class ReportError(CalcbenchError):
    """What a driver reports makes no sense."""


@dataclass(frozen=True)
class Ready:
    """One of several drivers could begin."""


@dataclass(frozen=True)
class Opened:
    """The window has opened, at *opened_ns* of the driver's clock."""

    opened_ns: int

    def __post_init__(self) -> None:
        check_range("opened_ns", self.opened_ns)


Turn = tuple[int, int, int, int]


@dataclass(frozen=True)
class TurnsReport:
    """The turns of one server among several (`calcbench.bench.loadgen.driver.turns`).

    Of each turn, of the driver's clock: when it began, when its slice opened and closed, and since
    when nobody began a request. The last turn of all servers ended at *closed_ns*, until when the
    driver had computed for *driver_cpu_ns* since the window opened, and this server for
    *idle_cpu_ns* in the turns of the others.
    """

    turns: tuple[Turn, ...]
    closed_ns: int
    driver_cpu_ns: int
    idle_cpu_ns: int


@dataclass(frozen=True)
class FirstFailure:
    """The first request of a window that failed with an *outcome*, of `OUTCOMES`, for a *cause*.

    That was at *at_ns* of the driver's clock; *detail* and *excerpt* as those of
    `calcbench.bench.schema.failures.Failure`.
    """

    outcome: str
    cause: str
    at_ns: int
    detail: str = ""
    excerpt: str = ""

    def __post_init__(self) -> None:
        check_range("at_ns", self.at_ns)
        if self.outcome not in OUTCOMES:
            outcome, words = self.outcome[:LONGEST_REASON], ", ".join(OUTCOMES)
            raise ValueError(f"outcome {outcome!r} should be one of {words}")
        if max(map(len, (self.cause, self.detail, self.excerpt))) > LONGEST_REASON:
            raise ValueError(f"a reason should have at most {LONGEST_REASON} characters")


@dataclass(frozen=True)
class DriverReport:
    """What one driver's window of *elapsed_ns* showed, apart from the samples themselves.

    The driver computed for *driver_cpu_ns* and was ready to, but waited for its core, for
    *driver_delay_ns*; the server computed for *server_cpu_ns*, 0 where the driver does not look.
    Of the requests that had not ended when the window closed, *in_flight_ns* says for how long
    each had waited by then; in an open loop of those that were due before it opened, for of the
    others the end is waited for. *background* counts what clients beside those that are measured
    have met in it, by behaviour, and *failures* are the first for each cause, in the order of the
    causes' numbers.

    Of its connections *unopened* could not be opened before the load began, and the clients of a
    closed loop paused or thought for *away_ns* in the window, added up.

    *begun* requests, of which *ended* have an outcome and *unfinished* have not, are all since the
    driver started, and so are *responses*, None where it does not count them. The load had lasted
    for *warmup_ns* when the window opened, 0 where the driver does not say.
    """

    elapsed_ns: int
    driver_cpu_ns: int
    driver_delay_ns: int
    server_cpu_ns: int
    in_flight_ns: tuple[int, ...]
    begun: int
    ended: int
    unfinished: int
    responses: int | None = None
    unopened: int = 0
    away_ns: int = 0
    warmup_ns: int = 0
    background: dict[str, dict[str, int]] = dataclasses.field(default_factory=dict)
    failures: tuple[FirstFailure, ...] = ()
    turns: TurnsReport | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, int):
                check_range(name, value, least=int(name == "elapsed_ns"))
        for waited_ns in self.in_flight_ns:
            check_range("in_flight_ns", waited_ns)
        for counts in self.background.values():
            for name, value in counts.items():
                check_range(name, value)
        if len(self.failures) > MOST_CAUSES:
            raise ValueError(f"failures should be at most {MOST_CAUSES}")


@dataclass(frozen=True)
class DriverError:
    """The driver cannot drive; *error* says why."""

    error: str


Message = Ready | Opened | DriverReport | DriverError
KINDS: dict[bytes, type[Message]] = {
    READY: Ready,
    OPENED: Opened,
    REPORT: DriverReport,
    ERROR: DriverError,
}


def check_range(name: str, value: int, *, least: int = 0) -> None:
    """Raise ValueError unless *value*, which is called *name*, is from *least* to `LARGEST`."""
    if not least <= value <= LARGEST:
        raise ValueError(f"{name} {value} should be from {least} to {LARGEST}")


def to_octets(message: Message) -> bytes:
    """Return *message* as it is sent."""
    [kind] = (kind for kind, record in KINDS.items() if isinstance(message, record))
    content = json.dumps(dataclasses.asdict(message)).encode()
    return MESSAGE.pack(kind, len(content)) + content


def samples_to_octets(samples: bytes | bytearray) -> bytes:
    """Return packed *samples* as they are sent."""
    return MESSAGE.pack(SAMPLES, len(samples)) + samples


def from_octets(kind: bytes, content: bytes) -> Message:
    """Return the message of *kind* with *content*, every value checked.

    Raises ReportError, which names the key that is wrong.
    """
    import msgspec

    from calcbench.bench.schema.checker import in_words

    if kind not in KINDS:
        raise ReportError(f"a driver reports what cannot be understood: kind {kind!r}")
    try:
        return msgspec.json.decode(content, type=KINDS[kind])
    except msgspec.ValidationError as error:
        problem = in_words(str(error))
    except (ValueError, RecursionError) as error:  # no JSON; too many [[[
        problem = str(error)
    raise ReportError(f"a driver reports what cannot be understood: {problem}")


def send_line(pipe: IO[bytes] | None, message: Any) -> None:
    """Send *message* as a line of JSON to the process whose standard input is *pipe*."""
    assert pipe
    with contextlib.suppress(BrokenPipeError):  # it has died: its silence will say so
        pipe.write(json.dumps(message).encode() + b"\n")
        pipe.flush()
