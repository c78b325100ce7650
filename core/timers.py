"""What an event loop has to do later: a heap of items, the soonest first."""

from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import count
from time import monotonic
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Timers(Generic[Item]):
    """Items, each with the moment at which it is due."""

    def __init__(self) -> None:
        self.heap: list[tuple[float, int, Item]] = []
        self.number = count()  # keeps items of the same moment in order, and uncompared

    def add(self, seconds: float, item: Item) -> None:
        """Have *item* due in *seconds* from now."""
        heappush(self.heap, (monotonic() + seconds, next(self.number), item))

    def pause(self, longest: float) -> float:
        """Return for how many seconds nothing is due, at most *longest*."""
        if not self.heap:
            return longest
        return min(longest, max(0.0, self.heap[0][0] - monotonic()))

    def due(self) -> Iterator[Item]:
        """Yield, and remove, the items that are due by now."""
        if self.heap:
            now = monotonic()
            while self.heap and self.heap[0][0] <= now:
                yield heappop(self.heap)[2]
