"""A fast request behind a slow one, several times, and how long the fast one waits."""

import statistics
import threading
import time
from collections.abc import Sequence

from calcbench.bench.classroom.demo.clients import HandClient, ask_once
from calcbench.bench.classroom.demo.lanes import Lane
from calcbench.bench.classroom.demo.scenario import Bar, Figures, Picture
from calcbench.bench.units import format_count, format_ns, format_seconds
from calcbench.core.errors import CalcbenchError
from calcbench.core.serving.launcher import Server

FAST = "/add/2/3"
LEAST_ROUNDS, MOST_S = 3, 6.0  # later than that, no more rounds begin behind so many
HEAD_START_S = 0.05  # of the slow request: by then its server has begun on it


class Behind:
    """Asks *server* for *slow*, and a moment later for a fast answer, in *rounds*.

    On a laden machine, where they take long, there are fewer. Each request has a connection of its
    own, and a round ends when both have their answers. That is done in a thread of ours; `wait` for
    it.
    """

    def __init__(self, label: str, server: Server, slow: str, rounds: int) -> None:
        self.label, self.server, self.slow, self.rounds = label, server, slow, rounds
        self.waited_ns: list[int] = []
        self.slow_ns: list[int] = []
        self.asking_since_ns = 0  # 0: the fast client waits for nothing now
        self.error: CalcbenchError | None = None
        self.thread = threading.Thread(target=self.work, daemon=True)

    def begin(self) -> None:
        """Begin; returns at once."""
        self.thread.start()

    def work(self) -> None:
        """Play all rounds; keep the error that ends them."""
        try:
            end = time.monotonic() + MOST_S
            for number in range(self.rounds):
                if number >= LEAST_ROUNDS and time.monotonic() > end:
                    break  # a laden machine: nobody wants to wait for it
                self.play_round()
        except (CalcbenchError, OSError) as error:
            self.error = CalcbenchError(f"{self.label}: {error}")
        finally:
            self.asking_since_ns = 0

    def play_round(self) -> None:
        """Let both ask, the slow one first."""
        began_ns = time.perf_counter_ns()
        with HandClient(self.server) as slow:
            slow.ask(self.slow)
            time.sleep(HEAD_START_S)
            self.asking_since_ns = time.perf_counter_ns()
            answered = ask_once(self.server, FAST)
            self.waited_ns.append(answered.waited_ns)
            self.asking_since_ns = 0
            slow.receive()
            self.slow_ns.append(time.perf_counter_ns() - began_ns)

    def wait(self) -> "Figures":
        """Return the figures when all rounds are over; raises CalcbenchError."""
        while self.thread.is_alive():
            self.thread.join(0.2)  # a wait without an end would hold back a Ctrl-C
        if self.error:
            raise self.error
        return {
            "label": self.label,
            "fast_waited_ns": self.waited_ns,
            "slow_took_ns": self.slow_ns,
        }

    def waited_s(self) -> float:
        """Return how long the fast client has waited in all rounds until now."""
        since = self.asking_since_ns
        now = time.perf_counter_ns() - since if since else 0
        return (sum(self.waited_ns) + now) / 1e9

    def lane(self) -> Lane:
        """Return the lane that shows how long the fast client has waited."""
        return Lane(self.label, self.waited_s, show=self.in_words)

    def in_words(self, seconds: float) -> str:
        """Return for how many *seconds* the fast client has waited, and how often it has asked."""
        asked = len(self.waited_ns) + (self.asking_since_ns > 0)
        if not asked or not seconds:
            return "not asked yet"
        return f"{format_seconds(seconds)} in {format_count(asked, 'request')}"


def typical_ns(figures: Figures) -> float:
    """Return the median of what the fast one has waited."""
    return float(statistics.median(figures["fast_waited_ns"]))


def picture_of(title: str, servers: Sequence[Figures]) -> Picture:
    """Return a bar for each of *servers*: the median of what the fast one has waited there."""
    waits = [(one["label"], typical_ns(one)) for one in servers]
    bars = tuple(Bar(label, wait / 1e6, format_ns(wait), "for 2 + 3") for label, wait in waits)
    return Picture(title, "milliseconds, median", bars)
