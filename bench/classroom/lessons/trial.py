"""A student's program under trial: started in a process of its own, and asked from outside.

Whatever it does, it is gone afterwards with all that it has started, and what went wrong is one
`MissedError`, in words for the student.
"""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from calcbench.bench.classroom.lessons.conversation import Conversation, MissedError
from calcbench.bench.system.terminal import one_line

START_S = 5.0  # until a program listens, or connects; an interpreter takes far less
RETRY_S = 0.02  # between two tries to connect
# The last line of a traceback: the exception, and what it says.
RAISED = re.compile(
    r"^(?P<name>[A-Za-z_][\w.]*(?:Error|Exception))(?:: (?P<said>.*))?$", re.MULTILINE
)
PLACE = re.compile(r'^  File "(?P<file>.*)", line (?P<line>\d+)', re.MULTILINE)


@dataclass
class Trial:
    """The program *file*, running; it is told as its first argument which *port* to use."""

    file: Path
    port: int = 0
    process: "subprocess.Popen[bytes] | None" = None
    then: bytes | None = None  # what the next client says who is to be answered; None: nobody is
    clients: int = 0  # who have connected

    def __post_init__(self) -> None:
        self.port = self.port or free_port()

    def __enter__(self) -> "Trial":
        self.printed: BinaryIO = tempfile.TemporaryFile()  # nobody reads a pipe while it runs
        self.complaints: BinaryIO = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [sys.executable, "-u", str(self.file), str(self.port)],
            stdin=subprocess.DEVNULL,
            stdout=self.printed,
            stderr=self.complaints,
            process_group=0,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None and self.then is not None:
                self.answer_the_next(self.then)
        finally:
            assert self.process
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.printed.close()
            self.complaints.close()

    def answer_the_next(self, word: bytes) -> None:
        """See that this same program serves one more client; raises MissedError."""
        with self.connect() as client:
            if word:
                client.send(word)
            if not client.receive():
                raise client.missed("that the same program serves the next client, too")

    @property
    def pid(self) -> int:
        """The program's process id, which is its process group's too."""
        assert self.process
        return self.process.pid

    def ended(self, within_s: float = 0.0) -> bool:
        """Tell whether the program has ended, or does so within some seconds."""
        assert self.process
        try:
            self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def connect(self) -> Conversation:
        """Return a connection to the program as soon as it listens; raises MissedError."""
        until = time.monotonic() + START_S
        while True:
            try:
                sock = socket.create_connection(("localhost", self.port), START_S)
            except OSError:
                if self.ended():
                    raise MissedError(self.how_it_ended()) from None
                if time.monotonic() > until:
                    raise MissedError(self.does_not_listen()) from None
                time.sleep(RETRY_S)
            else:
                self.clients += 1
                return Conversation(sock, self.explain, self.output)

    def does_not_listen(self) -> str:
        """Say that the program runs, and that nobody listens where it was told to."""
        return (
            f"{self.file.name} is running, but nothing listens on localhost port {self.port}."
            f" The check starts it as `python3 {self.file.name} {self.port}`:"
            " the port is int(sys.argv[1])"
        )

    def explain(self) -> str:
        """Return what the program says of its own failure, if it has ended by one; or nothing."""
        return self.how_it_ended() if self.ended(0.2) else self.last_traceback()

    def how_it_ended(self) -> str:
        """Return how the program has ended, in a sentence."""
        assert self.process
        if failure := self.last_traceback():
            return failure
        which = "its first client" if self.clients < 3 else "several clients"
        when = f" after {which}" if self.clients else " before anybody could connect"
        status = f"{self.file.name}, with status {self.process.returncode}"
        return f"it ended{'' if self.then is None else when}: {status}"

    def last_traceback(self) -> str:
        """Return what the program raised last, and where in its file; or nothing."""
        text = read(self.complaints)
        raised = list(RAISED.finditer(text))
        if not raised:
            return ""
        name, said = raised[-1]["name"], one_line(raised[-1]["said"] or "")
        return f"it raised {name}{self.place(text)}{f': {said}' if said else ''}"

    def place(self, text: str) -> str:
        """Return where in the file it was raised, of the traceback *text*, or in which thread."""
        places = [found for found in PLACE.finditer(text) if Path(found["file"]) == self.file]
        if places:
            return f" in {self.file.name}, line {places[-1]['line']}"
        if "Exception in thread" not in text:
            return ""
        lines = self.file.read_text(encoding="utf-8", errors="replace").splitlines()
        starts = [number for number, line in enumerate(lines, start=1) if "Thread(" in line]
        where = f", line {starts[0]}" if len(starts) == 1 else ""
        return f" in the thread that is made in {self.file.name}{where}"

    def output(self) -> str:
        """Return what the program has printed until now."""
        return read(self.printed)

    def has_printed(self, text: str, within_s: float = 2.0) -> bool:
        """Tell whether the program prints *text*, waiting for it for some seconds."""
        until = time.monotonic() + within_s
        while text not in self.output():
            if time.monotonic() > until:
                return False
            time.sleep(RETRY_S)
        return True


def read(file: BinaryIO) -> str:
    """Return what a *file* holds that another process writes to, without moving its place."""
    size = os.fstat(file.fileno()).st_size
    return os.pread(file.fileno(), size, 0).decode(errors="backslashreplace")


def free_port() -> int:
    """Return a port on which nobody listens now."""
    with socket.create_server(("localhost", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port
