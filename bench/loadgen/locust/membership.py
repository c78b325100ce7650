"""Who takes part in a race: the master's door, at which every message of a worker arrives."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from calcbench.bench.loadgen.locust.border import FROM_NEWCOMERS, IGNORED, Hello, read
from calcbench.bench.loadgen.locust.messages import (
    BYE,
    HELLO,
    LEFT,
    REFUSE,
    REPORT,
    WELCOME,
    Gone,
    Joined,
    MasterMessage,
    Refused,
    Strangers,
    plain,
)

FULL = "all workers of this run have joined"


@dataclass
class Member:
    """A worker that has said who it is; *id* is the name of its connection."""

    id: str
    number: int
    absent: int = 0  # checks since it was seen last
    expelled: bool = False  # we do not listen to it any more


class Membership:
    """The members of a race, of which there are so many *workers*, and nobody after them.

    They have the same *versions* as we. *tell* sends a message to a connection: its kind, its
    content, and whose it is. *report* has what our own user should know, and *pass_on* what member
    number so-and-so has seen.
    """

    def __init__(
        self,
        workers: int,
        versions: Mapping[str, str],
        tell: Callable[[str, Any, str], None],
        report: Callable[[MasterMessage], None],
        pass_on: Callable[[int, bytes], None],
    ) -> None:
        self.workers, self.versions = workers, versions
        self.tell, self.report, self.pass_on = tell, report, pass_on
        self.members: dict[str, Member] = {}
        self.present_ids: set[str] = set()
        self.is_full = False
        self.strangers = 0

    def present(self) -> list[Member]:
        """Return the members that have not gone."""
        return [member for member in self.members.values() if member.id in self.present_ids]

    def admit(self, sender: str, frame: bytes) -> tuple[str, Any] | None:
        """Act on what *sender* has sent; return kind and content if it is Locust who should."""
        member = self.members.get(sender)
        if member and member.expelled:
            return None
        try:
            kind, content = read(sender, frame)
        except ValueError as error:
            if member:
                return self.expel(member, f"sent what cannot be understood ({plain(error)})")
            self.turn_away()
            return None
        if kind in IGNORED:
            return None
        return self.hear(member, kind, content) if member else self.receive(sender, kind, content)

    def hear(self, member: Member, kind: str, content: Any) -> tuple[str, Any] | None:
        """Act on a message of a *member*; return it if it is for Locust."""
        if kind == REPORT:
            self.pass_on(member.number, content.octets)
        elif kind == BYE:
            self.lose(member, LEFT)
        elif kind != HELLO:
            return kind, content
        return None

    def receive(self, sender: str, kind: str, content: Any) -> tuple[str, Any] | None:
        """Act on a message of somebody who is no member; return it if it is for Locust."""
        if kind not in FROM_NEWCOMERS:
            return None
        if kind == HELLO:
            self.greet(sender, content)
        elif self.is_full:
            self.tell("ack", {"index": 0}, sender)  # so that it says who it is, and is told why not
        else:
            return kind, content
        return None

    def greet(self, sender: str, hello: Hello) -> None:
        """Make a member of *sender*, if by its *hello* it speaks as we do and there is room."""
        host = plain(hello.host)
        theirs = {name: plain(getattr(hello, name)) for name in self.versions}
        why = FULL if self.is_full else ""
        if theirs != self.versions:
            why = "; ".join(
                f"it has {name} {theirs[name]}, this run {ours}"
                for name, ours in self.versions.items()
                if theirs[name] != ours
            )
        if why:
            self.tell(REFUSE, {"why": why}, sender)
            self.report(Refused(host, why))
            return
        member = self.members[sender] = Member(sender, len(self.members))
        self.present_ids.add(sender)
        self.tell(WELCOME, {}, sender)
        self.report(Joined(member.number, host, hello.pid))
        if len(self.present_ids) == self.workers:
            self.is_full = True
            if self.strangers > 1:
                self.report(Strangers(self.strangers))

    def turn_away(self) -> None:
        """Take note of somebody who does not know the secret, or what to say; report it once."""
        self.strangers += 1
        if self.strangers == 1:
            self.report(Strangers(1))

    def expel(self, member: Member, why: str) -> tuple[str, Any]:
        """Listen to *member* no more, report *why*; return what tells Locust that it has gone."""
        member.expelled = True
        self.lose(member, why)
        self.tell("quit", None, member.id)
        return "quit", None

    def lose(self, member: Member, how: str) -> None:
        """Take note that *member* has gone, and report *how*."""
        if member.id in self.present_ids:
            self.present_ids.remove(member.id)
            self.report(Gone(member.number, how))
