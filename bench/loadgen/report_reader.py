"""Read the messages in which one driver reports."""

from dataclasses import dataclass, field

from calcbench.bench.loadgen.protocol import (
    LARGEST_MESSAGE,
    MESSAGE,
    SAMPLES,
    DriverError,
    DriverReport,
    Message,
    Opened,
    Ready,
    ReportError,
    from_octets,
)
from calcbench.core.errors import CalcbenchError


@dataclass
class ReportReader:
    """The messages of one driver, and what it has reported until now: *report* comes last."""

    data: bytearray = field(default_factory=bytearray)
    by_turns: bool = False
    is_ready: bool = False
    opened_ns: int = 0
    ahead_ns: int = 0  # how much more its clock shows than ours
    report: DriverReport | None = None

    def put_at(self, moment_ns: int) -> None:
        """Have its window open at *moment_ns* of our clock: its own is another machine's."""
        self.ahead_ns = self.opened_ns - moment_ns
        self.opened_ns = moment_ns

    def messages(self) -> "list[bytes]":
        """Take in the whole messages that are there; return the samples among them.

        Raises CalcbenchError when the driver says that it cannot drive, ReportError when it makes
        no sense.
        """
        samples = []
        while len(self.data) >= MESSAGE.size:
            kind, length = MESSAGE.unpack_from(self.data)
            if not 0 <= length <= LARGEST_MESSAGE:  # it would be kept until it is whole
                raise ReportError(f"a driver reports a message of {length:,} bytes")
            end = MESSAGE.size + length
            if len(self.data) < end:
                break
            content = bytes(memoryview(self.data)[MESSAGE.size : end])
            del self.data[:end]
            if kind == SAMPLES:
                samples.append(content)
            else:
                self.on_message(from_octets(kind, content))
        return samples

    def on_message(self, message: Message) -> None:
        """Take in *message*; raises CalcbenchError when it says that the driver cannot drive."""
        untimely = Opened if self.opened_ns else DriverReport
        if self.report or isinstance(message, untimely):
            raise ReportError("a driver reports twice, or before its window has opened")
        match message:
            case Ready():
                self.is_ready = True
            case Opened():
                self.opened_ns = message.opened_ns
            case DriverReport():
                self.report = message
            case DriverError():
                raise CalcbenchError(f"the driver cannot drive: {message.error}")
