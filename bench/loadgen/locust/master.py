"""Locust's master: ``python -m calcbench.bench.loadgen.locust.master HOST PORT``.

PORT 0 takes a free one.

It reads what to do from its standard input, a line of JSON each: a load, ``begin`` when all are
ready, ``stop`` when all has been seen. It writes its own messages and the workers' to its
standard output, in the envelopes of `calcbench.bench.loadgen.locust.messages`. When its input ends
it shuts the workers down and ends as well: whoever started it is gone or does not want it any more.
"""

import contextlib
import dataclasses
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gevent
import locust
from gevent.fileobject import FileObject
from gevent.lock import RLock
from locust.env import Environment

import calcbench
from calcbench.bench.loadgen.locust.messages import (
    BEGIN,
    BYE,
    DIED,
    ENVELOPE,
    HELLO,
    LEFT,
    LOAD_SPEC,
    MASTER,
    PROTOCOL,
    REFUSE,
    REPORT_KEY,
    WELCOME,
    Assigned,
    Gone,
    Joined,
    Listening,
    MasterMessage,
    Refused,
    message_to_json,
    plain,
)
from calcbench.bench.loadgen.locust.user import ConnectionUser, Dispatcher
from calcbench.bench.loadgen.spec import LoadSpec, load_spec_from_json

CHECK_S = 0.1  # between two checks of who is still there
GATHER_S = 10.0  # for the users of a load to be there, and for workers to be free again
ABSENT_CHECKS = 30  # a worker that is between two loads is not listed for a moment
POLL_S = 0.01


@dataclass
class Member:
    """A worker that has said who it is."""

    id: str
    number: int
    host: str
    pid: int
    absent: int = 0  # checks since it was seen last
    gone: bool = False


class Master:
    """The master of a race, and who has joined it."""

    def __init__(self, host: str, port: int, write: Callable[[memoryview], int]) -> None:
        self.write, self.writing = write, RLock()
        self.members: dict[str, Member] = {}
        self.driving: list[Member] = []
        self.environment = Environment(user_classes=[ConnectionUser], dispatcher_class=Dispatcher)
        self.runner = self.environment.create_master_runner(host, port)
        self.port: int = self.runner.server.port
        self.runner.register_message(HELLO, self.greet)
        self.runner.register_message(BYE, self.see_off)
        self.environment.events.worker_report.add_listener(self.pass_on)

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

    def greet(self, msg: Any, **_: Any) -> None:
        """Make a member of the worker that says who it is, if it speaks as we do."""
        ours = {
            "calcbench": calcbench.__version__,
            "protocol": str(PROTOCOL),
            "locust": locust.__version__,
        }
        host = plain(msg.data["host"])
        greeting = {"protocol": 1, **msg.data}  # the first did not say so
        theirs = {name: plain(greeting.get(name)) for name in ours}
        if theirs != ours:
            why = "; ".join(
                f"it has {name} {theirs[name]}, this run {ours[name]}"
                for name in ours
                if theirs[name] != ours[name]
            )
            self.runner.send_message(REFUSE, {"why": why}, msg.node_id)
            self.report(Refused(host, why))
            return
        number = len(self.members)
        member = Member(msg.node_id, number, host, int(msg.data["pid"]))
        self.members[msg.node_id] = member
        Dispatcher.members.add(msg.node_id)
        self.runner.send_message(WELCOME, {}, msg.node_id)
        self.report(Joined(number, member.host, member.pid))

    def see_off(self, msg: Any, **_: Any) -> None:
        """Take note that a member leaves."""
        if msg.node_id in self.members:
            self.lose(self.members[msg.node_id], LEFT)

    def lose(self, member: Member, how: str) -> None:
        """Take note that *member* has gone, and report *how*."""
        if not member.gone:
            member.gone = True
            Dispatcher.members.discard(member.id)  # old Locusts deal to the missing too
            self.report(Gone(member.number, how))

    def pass_on(self, client_id: str, data: dict[str, Any], **_: Any) -> None:
        """Hand on what a member has put into a report."""
        if REPORT_KEY in data and client_id in self.members:
            self.send(self.members[client_id].number, data[REPORT_KEY])

    def present(self) -> list[Member]:
        """Return the members that have not gone."""
        return [member for member in self.members.values() if not member.gone]

    def watch(self) -> None:
        """Check, again and again, who is still there; report who is not."""
        while True:
            missing = {node.id for node in self.runner.clients.missing}
            for member in self.present():
                here = member.id in self.runner.clients
                member.absent = 0 if here else member.absent + 1
                if member.id in missing or member.absent > ABSENT_CHECKS:
                    self.lose(member, DIED)
            gevent.sleep(CHECK_S)

    def drive(self, spec: LoadSpec) -> None:
        """Start a user for each connection, wherever Locust wants it; send load specs for that."""
        if spec.cpus:
            os.sched_setaffinity(0, spec.cpus)  # not in the server's way
        clients = self.runner.clients
        self.wait_until(lambda: {m.id for m in self.present()} <= {n.id for n in clients.ready})
        if self.present():
            self.runner.start(spec.connections, spawn_rate=spec.connections)
            self.wait_until(lambda: sum(self.users().values()) == spec.connections)
        users = self.users()
        self.driving = [member for member in self.present() if users.get(member.id)]
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
        return {m.id: clients[m.id].user_count for m in self.present() if m.id in clients}

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
        for name in self.members:  # also those that were given up, for they may be back
            self.runner.send_message(BYE, None, name)
        self.runner.quit()


def main() -> None:
    """Be the master until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is the harness's to handle
    logging.disable(logging.WARNING)  # Locust's advice is for other ways to use it
    host, port = sys.argv[1:]
    # Of gevent's kind: what waits for a pipe must not hold up the heartbeats.
    commands, output = FileObject(0, "rb"), FileObject(1, "wb", buffering=0)
    master = Master(host, int(port), output.write)
    gevent.spawn(master.watch)
    master.report(Listening(master.port))
    for line in commands:
        command = json.loads(line)
        if command == "begin":
            master.begin()
        elif command == "stop":
            master.stop()
        else:
            spec = load_spec_from_json(line)
            assert spec
            master.drive(spec)
    master.end()


if __name__ == "__main__":
    main()
