"""What the buttons of the page can ask for: read and checked here, done by the stage."""

import msgspec

from calcbench.core.errors import UsageError

REQUESTS = {  # what each request of the clients costs, as the workload `asked` has it
    "nothing": "costs nothing",
    "wait=30ms": "waits 30 ms, as for a database",
    "block=30ms": "sleeps 30 ms in the handler",
    "cpu=10ms": "computes for 10 ms",
}


class Silent(msgspec.Struct, tag_field="do", tag="silent", forbid_unknown_fields=True):
    """One more client on each side that connects and says nothing."""


class SlowReader(msgspec.Struct, tag_field="do", tag="slow", forbid_unknown_fields=True):
    """One more client on each side that asks for much and does not read it."""


class Compute(msgspec.Struct, tag_field="do", tag="compute", forbid_unknown_fields=True):
    """One request on each side that computes for seconds."""


class Leave(msgspec.Struct, tag_field="do", tag="leave", forbid_unknown_fields=True):
    """The silent clients and the slow readers go."""


class Crowd(msgspec.Struct, tag_field="do", tag="crowd", forbid_unknown_fields=True):
    """Ten times the clients, or as many as before."""

    on: bool


class Keep(msgspec.Struct, tag_field="do", tag="keep", forbid_unknown_fields=True):
    """Whether the clients keep their connections from one request to the next."""

    on: bool


class Ask(msgspec.Struct, tag_field="do", tag="ask", forbid_unknown_fields=True):
    """What each request costs: one of REQUESTS."""

    cost: str


class Kill(msgspec.Struct, tag_field="do", tag="kill", forbid_unknown_fields=True):
    """Kill a worker process on each side."""


class Swap(msgspec.Struct, tag_field="do", tag="swap", forbid_unknown_fields=True):
    """Another strategy on one side."""

    side: int
    strategy: str


Command = Silent | SlowReader | Compute | Leave | Crowd | Keep | Ask | Kill | Swap


def parse_command(text: bytes, strategies: tuple[str, ...]) -> Command:
    """Return the command that *text*, JSON, asks for; *strategies* are those that it may name.

    Raises UsageError.
    """
    try:
        command: Command = msgspec.json.decode(text, type=Command)
    except msgspec.DecodeError as error:  # a ValidationError is one too
        raise UsageError(f"no such command: {error}") from None
    if isinstance(command, Swap):
        if command.side not in (0, 1):
            raise UsageError("side should be 0 or 1")
        if command.strategy not in strategies:
            raise UsageError("no such strategy here")
    if isinstance(command, Ask) and command.cost not in REQUESTS:
        raise UsageError("no such cost here")
    return command
