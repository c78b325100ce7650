"""Who watches the page, and what each of them is still to be sent."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Mapping
from typing import Any

MOST = 100  # viewers at once: two classes
BEHIND = 300  # messages, half a minute, that one may be behind before it is cut off
PAST = 200  # messages, twenty seconds, that a new one is sent first
END = ""


class Viewers:
    """The viewers. A slow one is cut off, comes again by itself, and holds up nobody."""

    def __init__(self) -> None:
        self.queues: set[asyncio.Queue[str]] = set()
        self.past: deque[str] = deque(maxlen=PAST)
        self.state = ""  # the last message about it, for who comes later
        self.closed = False

    def send(self, message: Mapping[str, Any]) -> None:
        """Send *message* to every viewer."""
        text = json.dumps(message, separators=(",", ":"))
        if message["kind"] == "state":
            self.state = text
        self.past.append(text)
        for queue in list(self.queues):
            if queue.qsize() >= BEHIND:
                self.queues.discard(queue)
                queue.put_nowait(END)
            else:
                queue.put_nowait(text)

    @property
    def are_many(self) -> bool:
        """Whether there is no room for one more."""
        return len(self.queues) >= MOST

    def close(self) -> None:
        """Let all viewers go, and take no other."""
        self.closed = True
        for queue in self.queues:
            queue.put_nowait(END)

    async def watch(self, first: Mapping[str, Any]) -> AsyncIterator[str]:
        """Yield *first*, what has happened lately, and then every message, as server-sent events.

        See https://html.spec.whatwg.org/multipage/server-sent-events.html.
        """
        queue: asyncio.Queue[str] = asyncio.Queue()
        waiting = [json.dumps(first), *self.past]
        if self.state not in self.past:  # it is older than all of them
            waiting.insert(1, self.state)
        self.queues.add(queue)
        try:
            for text in waiting:
                if text:
                    yield f"data: {text}\n\n"
            while not self.closed and (text := await queue.get()) != END:
                yield f"data: {text}\n\n"
        finally:
            self.queues.discard(queue)
