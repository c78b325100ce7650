"""The messages between the harness, Locust's master and its workers."""

import struct

import msgspec

from calcbench.core.serving.sockets import in_url

LONGEST = 100  # of what is shown of a stranger's text; a name of a host has 64 characters

# What the messages hold. It changes when they do, for versions change with a release only.
# 1 had no number; with 2 `drive` became `spec`, and `answers` `responses`; with 3 a plan is called
# a load spec, and a report holds no `opened_ns`, which its worker has sent before; with 4 there is
# a secret, and reports are messages of their own; with 5 a load spec has turns and thinks, and a
# sample a number for its cause.
PROTOCOL = 5

# Messages of Locust's, from worker to master and back.
HELLO = "calcbench-hello"  # who I am; the first thing that a worker says
WELCOME, REFUSE = "calcbench-welcome", "calcbench-refuse"
LOAD_SPEC = "calcbench-load-spec"  # a worker's part of a load
BEGIN = "calcbench-begin"
BYE = "calcbench-bye"  # from the master: the race is over; from a worker: I leave it
LEFT, DIED = "left", "died"  # what becomes of a worker before the race is over
REPORT = "calcbench-report"  # a piece of the messages of `calcbench.bench.loadgen.protocol`

# What the master writes to its standard output: whose message it is, and how long. A worker's go
# by its number, from 0, and are as it has sent them; the master's own are the JSON of one of the
# messages below.
ENVELOPE = struct.Struct("=qq")
MASTER = -1


class Listening(msgspec.Struct, frozen=True, tag="listening"):
    """The master is there, at *port*."""

    port: int


class Joined(msgspec.Struct, frozen=True, tag="joined"):
    """A worker has joined: process *pid* of *host*, *number* from now on."""

    number: int
    host: str
    pid: int


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """A worker on *host* was turned away, and *why*."""

    host: str
    why: str


class Strangers(msgspec.Struct, frozen=True, tag="strangers"):
    """So often somebody who does not know the secret of the run was turned away."""

    count: int


class Gone(msgspec.Struct, frozen=True, tag="gone"):
    """Worker *number* has gone; *how*, `LEFT`, `DIED` or what it did wrong."""

    number: int
    how: str


class Assigned(msgspec.Struct, frozen=True, tag="assigned"):
    """The users of a load are there: *connections* says how many each worker has, by number."""

    connections: dict[int, int]


MasterMessage = Listening | Joined | Refused | Strangers | Gone | Assigned


def message_to_json(message: MasterMessage) -> bytes:
    """Return *message* as JSON, which names its kind."""
    return msgspec.json.encode(message)


def message_from_json(content: bytes) -> MasterMessage:
    """Return the message that *content* holds; raises ValueError, for it is our own master's."""
    message: MasterMessage = msgspec.json.decode(content, type=MasterMessage)
    return message


def place(host: str, port: int) -> str:
    """Return where a master is, as it is typed behind ``--master``."""
    return f"{in_url(host)}:{port}"


def plain(text: object, most: int = LONGEST) -> str:
    """Return *text*, which anybody may have sent, as it can be shown: *most* letters of a line."""
    return "".join(filter(str.isprintable, str(text)))[:most]
