"""What may come from a worker: a schema for each message, and a size for all of them.

A worker is another machine's process. Nothing that it sends reaches Locust or us before it is
checked here, and Locust, which would believe anything, is handed no more than it needs.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from calcbench.bench.loadgen.locust.messages import BYE, HELLO, LONGEST, REPORT

FRAME = 1 << 18  # bytes of a report; a worker sends longer ones in pieces
LARGEST_FRAME = FRAME + 4096  # and what Locust adds
MOST_USERS = 1_000_000

Name = Annotated[str, msgspec.Meta(max_length=256)]
Word = Annotated[str, msgspec.Meta(max_length=4 * LONGEST)]
Number = Annotated[int, msgspec.Meta(ge=0, le=2**31)]
Users = dict[Literal["ConnectionUser"], Annotated[int, msgspec.Meta(ge=0, le=MOST_USERS)]]


class Hello(msgspec.Struct, frozen=True):
    """Who a worker is."""

    calcbench: Word
    locust: Word
    host: Word
    pid: Number
    protocol: Number = 1  # the first did not say so


class Heartbeat(msgspec.Struct, frozen=True):
    """It lives."""

    state: Literal["ready", "spawning", "running", "cleanup", "stopping", "stopped"]


class Counted(msgspec.Struct, frozen=True):
    """How many users it has."""

    user_classes_count: Users


class Piece(msgspec.Struct, frozen=True):
    """A piece of what it has seen."""

    octets: Annotated[bytes, msgspec.Meta(max_length=FRAME)]


# Of Locust's and of ours. Who sends what is not here is expelled, also for a request for a
# locustfile, for which a master without one would end. Locust's logs and tracebacks are dropped.
SCHEMAS: dict[str, Any] = {
    "client_ready": Word,
    "client_stopped": None,
    "heartbeat": Heartbeat,
    "spawning": None,
    "spawning_complete": Counted,
    "stats": Counted,
    "quit": None,
    HELLO: Hello,
    REPORT: Piece,
    BYE: None,
}
FROM_NEWCOMERS = ("client_ready", HELLO)
IGNORED = ("exception", "logs")


def read(sender: str, frame: bytes) -> tuple[str, Any]:
    """Return the kind and the content of a *frame* that *sender*, a connection, has sent.

    Raises ValueError, which says what is wrong.
    """
    try:
        kind, content, name = msgspec.msgpack.decode(frame, type=tuple[Name, msgspec.Raw, Name])
        if name != sender:
            raise ValueError("it uses the identity of another worker")
        if kind in IGNORED:
            return kind, None
        if kind not in SCHEMAS:
            raise ValueError("a message of no known kind")
        return kind, msgspec.msgpack.decode(content, type=SCHEMAS[kind])
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from None
    except RecursionError:
        raise ValueError("nested too deeply") from None


def for_locust(content: Any, total: Mapping[str, Any]) -> Any:
    """Return *content* as Locust wants it, where its master acts on it.

    It counts no request of ours, so what it merges into its own figures is a *total* of nothing.
    """
    match content:
        case Heartbeat(state):
            return {"state": state, "current_cpu_usage": 0, "current_memory_usage": 0}
        case Counted(users):
            count = {"user_classes_count": users, "user_count": sum(users.values())}
            return {**count, "stats": [], "errors": {}, "stats_total": total}
    return content
