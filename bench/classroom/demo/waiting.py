"""How many requests of an open loop wait for a server, while it is loaded."""

import time

from calcbench.bench.classroom.demo.stage import responses
from calcbench.bench.units import format_number
from calcbench.core.serving.launcher import Server


def in_words(count: float) -> str:
    """Return how many wait, as it reads."""
    return f"{format_number(count)} {'is' if count == 1 else 'are'} waiting"


class Waiting:
    """Counts who waits for *server*: what was due at a constant *rate*, without the answered.

    The load lasts for *load_s*. That it has begun is known by the first answers.
    """

    def __init__(self, server: Server, rate: float, load_s: float) -> None:
        self.server, self.rate, self.load_s = server, rate, load_s
        self.began = 0.0
        self.most = 0

    def count(self) -> int:
        """Return how many wait now."""
        answered = responses(self.server)
        return self.left(answered, time.monotonic()) if answered else 0

    def most_at_once(self) -> int:
        """Return how many waited at once until now, of all times at which this was asked."""
        self.most = max(self.most, self.count())
        return self.most

    def left(self, answered: int, now: float) -> int:
        """Return how many wait at the moment *now*, when so many have been *answered*."""
        self.began = self.began or now - answered / self.rate
        due = round(self.rate * min(now - self.began, self.load_s))
        return max(due - answered, 0)
