"""The samples of a worker, as `calcbench.bench.loadgen.protocol` has them, kept for its reports."""

from calcbench.bench.loadgen.protocol import PACKED, Message, samples_to_octets, to_octets
from calcbench.bench.schema.outcomes import OUTCOMES

PIECE = 1 << 20  # bytes of the samples in one message


class Reporter:
    """What one load has to report: `add` takes a sample, `take` gives what nobody took yet."""

    def __init__(self) -> None:
        self.packed = bytearray()
        self.messages: list[bytes] = []
        self.counting = False  # before the window samples are counted and forgotten
        self.ways = [0] * len(OUTCOMES)  # requests by outcome since the start

    def add(self, sample: tuple[int, int, int, int, int], outcome: int) -> None:
        """Record a *sample*, whose tag holds its *outcome*."""
        self.ways[outcome] += 1
        if self.counting:
            self.packed += PACKED.pack(*sample)
        if len(self.packed) >= PIECE:
            self.bundle_packed()

    def bundle_packed(self) -> None:
        """Make a message of the samples that are packed."""
        self.messages.append(samples_to_octets(self.packed))
        self.packed.clear()

    def bundle(self) -> None:
        """Make a message of the samples that are there."""
        if self.packed:
            self.bundle_packed()

    def send(self, message: Message) -> None:
        """Add a message that is not samples, behind those that there are."""
        self.bundle()
        self.messages.append(to_octets(message))

    def take(self) -> bytes:
        """Return all messages since the last time."""
        self.bundle()
        taken = b"".join(self.messages)
        self.messages.clear()
        return taken
