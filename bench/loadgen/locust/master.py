"""Locust's master: ``python -m calcbench.bench.loadgen.locust.master HOST PORT WORKERS``.

PORT 0 takes a free one. So many WORKERS can join that know the secret in its environment, and
nobody after them.

It reads what to do from its standard input, a line of JSON each: a load, ``begin`` when all are
ready, ``stop`` when all has been seen, or whom to expel. It writes its own messages and the
workers' to its standard output, in the envelopes of `calcbench.bench.loadgen.locust.messages`. When
its input ends it shuts the workers down and ends as well: whoever started it is gone or does not
want it any more.
"""

import contextlib
import dataclasses
import functools
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any, cast

import gevent
import locust
from gevent.fileobject import FileObject
from gevent.lock import RLock
from locust.env import Environment
from locust.exception import RPCError
from locust.rpc import Message

import calcbench
from calcbench.bench.loadgen.locust.border import for_locust
from calcbench.bench.loadgen.locust.membership import Member, Membership
from calcbench.bench.loadgen.locust.messages import (
    BEGIN,
    BYE,
    DIED,
    ENVELOPE,
    LOAD_SPEC,
    MASTER,
    PROTOCOL,
    Assigned,
    Listening,
    MasterMessage,
    message_to_json,
)
from calcbench.bench.loadgen.locust.secret import VARIABLE
from calcbench.bench.loadgen.locust.transport import LOCUSTS, Server
from calcbench.bench.loadgen.locust.user import ConnectionUser, Dispatcher
from calcbench.bench.loadgen.spec import LoadSpec, load_spec_from_json
from calcbench.bench.system.cpus import pin
from calcbench.bench.system.terminal import fail

CHECK_S = 0.1  # between two checks of who is still there
GATHER_S = 10.0  # for the users of a load to be there, and for workers to be free again
ABSENT_CHECKS = 30  # a worker that is between two loads is not listed for a moment
POLL_S = 0.01


class Master:
    """The master of a race, and who has joined it."""

    def __init__(
        self, host: str, port: int, workers: int, secret: str, write: Callable[[memoryview], int]
    ) -> None:
        self.write, self.writing = write, RLock()
        self.driving: list[Member] = []
        versions = {
            "calcbench": calcbench.__version__,
            "protocol": str(PROTOCOL),
            "locust": locust.__version__,
        }
        self.door = Membership(workers, versions, self.tell, self.report, self.send)
        Dispatcher.members = self.door.present_ids
        self.environment = Environment(user_classes=[ConnectionUser], dispatcher_class=Dispatcher)
        # It has no hook for this. Everything that a worker sends comes through `admit`.
        LOCUSTS.Server = functools.partial(Server, secret, self.admit, self.door.turn_away)
        self.runner = self.environment.create_master_runner(host, port)
        self.port = cast("Server", self.runner.server).port
        self.nothing = self.runner.stats.total.serialize()

    def admit(self, sender: str, frame: bytes) -> Message | None:
        """Return what *sender* has sent if it is for Locust."""
        admitted = self.door.admit(sender, frame)
        if admitted is None:
            return None
        kind, content = admitted
        return Message(kind, for_locust(content, self.nothing), sender)

    def tell(self, kind: str, content: Any, receiver: str) -> None:
        """Send a message to one worker."""
        self.runner.send_message(kind, content, receiver)

    def send(self, number: int, content: bytes) -> None:
        """Write to whoever started us a message of *number*, a worker or `MASTER`."""
        octets = memoryview(ENVELOPE.pack(number, len(content)) + content)
        # Nobody may listen any more: our input ends as well, and then we shut the workers down.
        with self.writing, contextlib.suppress(BrokenPipeError):
            while octets:
                octets = octets[self.write(octets) :]

    def report(self, message: MasterMessage) -> None:
        """Write a *message* of our own."""
        self.send(MASTER, message_to_json(message))

    def expel(self, number: int) -> None:
        """Do without member *number*, whose reports make no sense."""
        for member in self.door.present():
            if member.number == number:
                kind, content = self.door.expel(member, DIED)  # who says so knows why
                self.runner.handle_message(member.id, Message(kind, content, member.id))

    def watch(self) -> None:
        """Check, again and again, who is still there; report who is not."""
        while True:
            missing = {node.id for node in self.runner.clients.missing}
            for member in self.door.present():
                here = member.id in self.runner.clients
                member.absent = 0 if here else member.absent + 1
                if member.id in missing or member.absent > ABSENT_CHECKS:
                    self.door.lose(member, DIED)
            gevent.sleep(CHECK_S)

    def drive(self, spec: LoadSpec) -> None:
        """Start a user for each connection, wherever Locust wants it; send load specs for that."""
        pin(spec.cpus)  # not in the server's way
        clients = self.runner.clients
        self.wait_until(lambda: self.door.present_ids <= {node.id for node in clients.ready})
        if self.door.present():
            self.runner.start(spec.connections, spawn_rate=spec.connections)
            self.wait_until(lambda: sum(self.users().values()) == spec.connections)
        users = self.users()
        self.driving = [member for member in self.door.present() if users.get(member.id)]
        parts = [
            dataclasses.replace(
                spec, connections=users[member.id], number=number, drivers=len(self.driving)
            )
            for number, member in enumerate(self.driving)
        ]
        self.report(Assigned({member.number: users[member.id] for member in self.driving}))
        for member, part in zip(self.driving, parts, strict=True):
            text = json.dumps(dataclasses.asdict(part))
            self.runner.send_message(LOAD_SPEC, {"spec": text}, member.id)

    def users(self) -> dict[str, int]:
        """Return how many users each member has started."""
        clients = self.runner.clients
        return {m.id: clients[m.id].user_count for m in self.door.present() if m.id in clients}

    def begin(self) -> None:
        """Have all begin who have a load spec."""
        for member in self.driving:
            self.runner.send_message(BEGIN, None, member.id)

    def stop(self) -> None:
        """End the load; in a good one all users have left already, and their workers said so."""
        self.wait_until(lambda: not any(self.users().values()), 5 * CHECK_S)
        self.runner.stop()

    def wait_until(self, true: Callable[[], bool], timeout_s: float = GATHER_S) -> None:
        """Return when *true* says so, or when it has not for too long."""
        end = time.monotonic() + timeout_s
        while not true() and time.monotonic() < end:
            gevent.sleep(POLL_S)

    def end(self) -> None:
        """Shut all workers down."""
        for name in self.door.members:  # also those that were given up, for they may be back
            self.runner.send_message(BYE, None, name)
        self.runner.quit()


def main() -> None:
    """Be the master until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is the harness's to handle
    logging.disable(logging.WARNING)  # Locust's advice is for other ways to use it
    host, port, workers = sys.argv[1:]
    # Of gevent's kind: what waits for a pipe must not hold up the heartbeats.
    commands, output = FileObject(0, "rb"), FileObject(1, "wb", buffering=0)
    try:
        master = Master(host, int(port), int(workers), os.environ.pop(VARIABLE), output.write)
    except RPCError as error:
        fail(str(error))
    gevent.spawn(master.watch)
    master.report(Listening(master.port))
    for line in commands:
        command = json.loads(line)
        if command == "begin":
            master.begin()
        elif command == "stop":
            master.stop()
        elif "expel" in command:
            master.expel(command["expel"])
        else:
            spec = load_spec_from_json(line)
            assert spec
            master.drive(spec)
    master.end()


if __name__ == "__main__":
    main()
