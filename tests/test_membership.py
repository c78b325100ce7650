"""Locust's master, as strangers and faulty workers try it: nothing unchecked gets through."""

import random
from typing import Any

import msgspec
import pytest

from calcbench.bench.loadgen.locust.border import FRAME, Counted, Heartbeat, for_locust, read
from calcbench.bench.loadgen.locust.membership import FULL, Membership
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
)
from calcbench.bench.loadgen.locust.secret import given_secret, new_secret, secret_from
from calcbench.core.errors import UsageError

VERSIONS = {"calcbench": "1", "protocol": "4", "locust": "2"}
READY = {"current_cpu_usage": 1.5, "current_memory_usage": 9}


class Race:
    """A membership, and what it has told to whom."""

    def __init__(self, workers: int = 2) -> None:
        self.told: list[tuple[str, Any, str]] = []
        self.reported: list[MasterMessage] = []
        self.passed: list[tuple[int, bytes]] = []
        self.door = Membership(
            workers,
            VERSIONS,
            lambda *message: self.told.append(message),
            self.reported.append,
            lambda *piece: self.passed.append(piece),
        )

    def send(self, sender: str, kind: str, content: Any = None, name: str = "") -> Any:
        return self.door.admit(sender, frame(kind, content, name or sender))

    def join(self, sender: str, **changes: Any) -> None:
        hello = VERSIONS | {"protocol": 4, "host": "h", "pid": 7}
        assert self.send(sender, "client_ready", "2") == ("client_ready", "2")
        self.send(sender, HELLO, hello | changes)


def frame(*message: Any) -> bytes:
    return msgspec.msgpack.encode(message)


def test_takes_in_who_says_hello_and_passes_on_what_they_report() -> None:
    race = Race()
    race.join("a")
    race.join("b", pid=8)

    assert race.reported == [Joined(0, "h", 7), Joined(1, "h", 8)]
    assert race.told == [(WELCOME, {}, "a"), (WELCOME, {}, "b")]
    assert race.send("b", REPORT, {"octets": b"seen"}) is None
    assert race.passed == [(1, b"seen")]
    kind, content = race.send("a", "heartbeat", {"state": "ready", **READY})
    assert (kind, content) == ("heartbeat", Heartbeat("ready"))
    assert race.send("a", BYE) is None
    assert race.reported[2:] == [Gone(0, LEFT)]


NONSENSE = {
    "nothing": b"",
    "no msgpack": b"\xc1",
    "one byte": b"\x93",
    "a number": frame("heartbeat", 5, "a"),
    "no list": msgspec.msgpack.encode("heartbeat"),
    "too short": frame("heartbeat", None),
    "too long": frame("heartbeat", None, "a", 1),
    "a kind that is none": frame("surprise", None, "a"),
    "a kind that is a list": frame(["quit"], None, "a"),
    "a locustfile is asked for": frame("locustfile", {"version": "2"}, "a"),
    "a list for a table": frame("heartbeat", ["ready"], "a"),
    "an unknown state": frame("heartbeat", {"state": "great", **READY}, "a"),
    "a state that is a number": frame("heartbeat", {"state": 5, **READY}, "a"),
    "no users": frame("stats", {}, "a"),
    "a list of users": frame("stats", {"user_classes_count": [1]}, "a"),
    "negative users": frame("stats", {"user_classes_count": {"ConnectionUser": -1}}, "a"),
    "endless users": frame("stats", {"user_classes_count": {"ConnectionUser": float("inf")}}, "a"),
    "too many users": frame("stats", {"user_classes_count": {"ConnectionUser": 2**62}}, "a"),
    "half a user": frame("spawning_complete", {"user_classes_count": {"ConnectionUser": 0.5}}, "a"),
    "users of another kind": frame("spawning_complete", {"user_classes_count": {"Other": 1}}, "a"),
    "ready with a table": frame("client_ready", {"version": "2"}, "a"),
    "ready with a long word": frame("client_ready", "2" * 10_000, "a"),
    "quit with more": frame("quit", [1], "a"),
    "a report that is text": frame(REPORT, {"octets": "seen"}, "a"),
    "a report that is too large": frame(REPORT, {"octets": bytes(FRAME + 1)}, "a"),
    "nested too deeply": b"\x93\xa5stats" + b"\x91" * 100_000,
    "a table that claims too much": b"\x93\xa5stats\xdf\xff\xff\xff\xff\xa1a",
    "another's name": frame("quit", None, "b"),
    "a name that is a number": frame("quit", None, 5),
    "no UTF-8": b"\x93\xa4quit\xc0\xa1\xff",
}


@pytest.mark.parametrize("what", NONSENSE)
def test_expels_a_worker_that_makes_no_sense_and_nobody_else(what: str) -> None:
    race = Race()
    race.join("a")
    race.join("b")
    del race.told[:]

    assert race.door.admit("a", NONSENSE[what]) == ("quit", None)
    assert race.told == [("quit", None, "a")]
    [gone] = race.reported[2:]
    assert isinstance(gone, Gone)
    assert gone.number == 0
    assert gone.how.startswith("sent what cannot be understood (")
    assert gone.how.isprintable()
    assert [member.id for member in race.door.present()] == ["b"]
    assert race.door.admit("a", NONSENSE[what]) is None
    assert race.send("a", REPORT, {"octets": b"more"}) is None
    assert race.passed == []


def test_turns_strangers_away_and_says_so_once_and_then_how_many() -> None:
    race = Race(1)
    for content in NONSENSE.values():
        assert race.door.admit("x", content) is None

    assert race.reported == [Strangers(1)]
    race.join("a")
    assert race.reported[1:] == [Joined(0, "h", 7), Strangers(len(NONSENSE))]
    assert [member.id for member in race.door.present()] == ["a"]


def test_hears_nobody_out_who_has_not_joined() -> None:
    race = Race()
    for kind, content in (("quit", None), (BYE, None), (REPORT, {"octets": b"seen"})):
        assert race.send("x", kind, content) is None

    assert (race.told, race.reported, race.passed) == ([], [], [])


def test_lets_nobody_in_when_all_have_joined() -> None:
    race = Race(1)
    race.join("a")
    del race.told[:], race.reported[:]

    assert race.send("late", "client_ready", "2") is None
    race.send(
        "late", HELLO, {"calcbench": "1", "protocol": 4, "locust": "2", "host": "h", "pid": 9}
    )
    assert race.told == [("ack", {"index": 0}, "late"), (REFUSE, {"why": FULL}, "late")]
    assert race.reported == [Refused("h", FULL)]
    race.send("a", BYE)
    assert race.send("late", "client_ready", "2") is None  # nor for one that has left


def test_a_worker_that_says_hello_again_stays_who_it_is() -> None:
    race = Race()
    race.join("a")
    race.join("a")

    assert race.reported == [Joined(0, "h", 7)]


def test_no_bytes_whatever_end_the_reading() -> None:
    draw = random.Random(8)
    whole = frame("stats", {"user_classes_count": {"ConnectionUser": 3}}, "a")
    for _ in range(3_000):
        damaged = bytearray(whole)
        for _ in range(draw.randrange(1, 4)):
            damaged[draw.randrange(len(damaged))] = draw.randrange(256)
        try:
            kind, content = read("a", bytes(damaged[: draw.randrange(1, len(whole) + 1)]))
        except ValueError:
            continue
        assert kind == "stats"
        assert isinstance(content, Counted)


def test_gives_locust_nothing_that_it_could_fail_on() -> None:
    _, content = read("a", frame("stats", {"user_classes_count": {}, "stats": [[]]}, "a"))

    assert for_locust(content, {"name": "Aggregated"}) == {
        "user_classes_count": {},
        "user_count": 0,
        "stats": [],
        "errors": {},
        "stats_total": {"name": "Aggregated"},
    }


def test_a_secret_is_long_enough_and_another_one_for_each_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert len({new_secret() for _ in range(100)}) == 100
    assert secret_from(new_secret())
    monkeypatch.delenv("CALCBENCH_SECRET", raising=False)
    assert given_secret() == ""
    monkeypatch.setenv("CALCBENCH_SECRET", "x" * 16)
    assert given_secret() == "x" * 16


@pytest.mark.parametrize("text", ["", "x" * 15, "x" * 201, "\udcff" * 20, "x\n" * 10, "é" * 20])
def test_says_what_is_wrong_with_a_secret(text: str) -> None:
    with pytest.raises(UsageError, match="16 to 200 characters") as refused:
        secret_from(text)
    assert not text or text not in str(refused.value)
