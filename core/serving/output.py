"""What a process prints: passed on line by line as it comes, and kept within bounds.

The process is given a pipe, which a thread of ours empties all the time, so that it never waits
for us. Kept are the beginning and the end: whoever prints for every request under load fills
neither the disk nor the memory. That a traceback is among it is noticed wherever it comes.
"""

import fcntl
import os
import re
import select
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from threading import Condition, Lock, Thread
from time import sleep

from calcbench.core.serving.descriptors import above_standard

KEPT = 32 * 1024  # bytes of the beginning, and as many of the end
PIPE_SIZE = 1024 * 1024  # bytes that may be in the pipe: the most that Linux gives to anybody
READ_SIZE = 64 * 1024  # bytes
PAUSE_S = 0.01  # between two looks: a line at a time would cost us a core that is not ours to use
LONGEST_LINE = 8 * 1024  # bytes; what is longer is shown as several lines
WAITING = 1_000  # lines that may wait to be shown; a terminal is slower than a server
SHOWN_S = 2.0  # for the last lines to be shown; a terminal may have been stopped with Ctrl-S
TRACEBACK = "Traceback (most recent call last)"
FAILED = re.compile(r"calcbench: (.* failed: .*)")  # what the core logs before the traceback

Show = Callable[[str], None]  # is given one line


class ProcessOutput:
    """The pipe that a process is given as its standard output, error, or both.

    *show* is called with each line, without its end, on a thread of its own.
    """

    def __init__(self, show: Show | None = None) -> None:
        reading, writing = os.pipe()
        self.reading, self.writing = above_standard(reading), above_standard(writing)
        os.set_blocking(self.reading, False)
        if sys.platform == "linux":
            with suppress(OSError):  # this user's pipes are too large already
                fcntl.fcntl(self.writing, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
        self.lock = Lock()
        self.kept = Ends()
        self.line = b""
        self.tracebacks = Tracebacks()
        self.display = Display(show) if show else None
        start_thread(self.read_on, "output")

    def fileno(self) -> int:
        """Return the descriptor to hand to `subprocess.Popen`."""
        return self.writing

    def read_on(self) -> None:
        """Take in whatever is printed, until nobody can print any more."""
        poll = select.poll()
        poll.register(self.reading, select.POLLIN)
        while True:
            poll.poll()
            with self.lock:
                if not self.take_in():
                    os.close(self.reading)
                    self.reading = -1
                    return
            sleep(PAUSE_S)

    def take_in(self) -> bool:
        """Take in what is in the pipe, without waiting; tell whether more may come."""
        with suppress(BlockingIOError):
            for _ in range(PIPE_SIZE // READ_SIZE):
                data = os.read(self.reading, READ_SIZE) if self.reading >= 0 else b""
                if not data:
                    return False
                self.kept.add(data)
                *lines, self.line = (self.line + data).split(b"\n")
                for line in lines:
                    self.take_line(line)
                if len(self.line) > LONGEST_LINE:
                    self.end_line()
        return True

    def take_line(self, line: bytes) -> None:
        """Look through a whole *line*, and have it shown."""
        for start in range(0, max(len(line), 1), LONGEST_LINE):
            text = line[start : start + LONGEST_LINE].decode(errors="replace")
            self.tracebacks.look_at(text)
            if self.display:
                self.display.add(text.rstrip("\r"))

    def end_line(self) -> None:
        """Take what there is of a line for a whole one."""
        if self.line:
            self.take_line(self.line)
            self.line = b""

    def text(self) -> str:
        """Return what has been printed until now, without space around it."""
        with self.lock:
            self.take_in()
            return self.kept.text().strip()

    def failure(self) -> str:
        """Return what the first traceback was about, in one line; empty if there was none."""
        with self.lock:
            self.take_in()
            return self.tracebacks.first

    def last_line(self, otherwise: str = "") -> str:
        """Return the last line of that, which mostly says what went wrong; *otherwise* if none."""
        return last_line(self.text(), otherwise)

    def finish(self) -> None:
        """Have all that has been printed shown: whoever printed has ended."""
        with self.lock:
            self.take_in()
            self.end_line()
        if self.display:
            self.display.finish()

    def close(self) -> None:
        """Let go of the pipe. The thread ends with the last process that can print."""
        if self.writing >= 0:
            os.close(self.writing)
            self.writing = -1

    def __enter__(self) -> "ProcessOutput":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Ends:
    """The beginning and the end of a text of any length."""

    def __init__(self) -> None:
        self.first, self.last = bytearray(), bytearray()
        self.left_out = 0

    def add(self, data: bytes) -> None:
        """Append *data*, and forget what is neither of the beginning nor of the end any more."""
        room = KEPT - len(self.first)
        self.first += data[:room]
        self.last += data[room:]
        if len(self.last) > 2 * KEPT:  # not for every line: it moves the rest
            self.left_out += len(self.last) - KEPT
            del self.last[:-KEPT]

    def text(self) -> str:
        """Return both, with a line between them that says how much was left out."""
        left_out = self.left_out + max(len(self.last) - KEPT, 0)
        first, last = self.first, self.last[-KEPT:]
        if not left_out:
            return (first + last).decode(errors="replace")
        middle = f"\n[bytes left out: {left_out:,}]\n"
        return first.decode(errors="replace") + middle + last.decode(errors="replace")


class Tracebacks:
    """Looks for tracebacks, line by line; *first* says what the first one was about."""

    def __init__(self) -> None:
        self.first = ""
        self.within = False
        self.before = ""

    def look_at(self, line: str) -> None:
        """Take note of the next *line*."""
        if TRACEBACK in line:
            logged = FAILED.match(self.before)
            self.within = not (self.first or logged)
            self.first = self.first or (logged[1] if logged else "an exception")
        elif self.within and line[:1].strip():  # not indented: the exception itself
            self.first, self.within = line, False
        self.before = line


class Display:
    """Shows lines on a thread of its own: a terminal that is slow holds nobody else up.

    What would have to wait too long is left out, and a line says so.
    """

    def __init__(self, show: Show) -> None:
        self.show = show
        self.changed = Condition()
        self.waiting: list[str] = []
        self.left_out = 0
        self.finished = False
        self.thread = start_thread(self.run, "display")

    def add(self, line: str) -> None:
        """Have *line* shown behind those that wait, if there are not too many of them."""
        with self.changed:
            if len(self.waiting) < WAITING:
                self.waiting.append(line)
            else:
                self.left_out += 1
            self.changed.notify()

    def run(self) -> None:
        """Show what comes, until it is finished."""
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.waiting or self.finished)
                lines, self.waiting = self.waiting, []
                left_out, self.left_out = self.left_out, 0
            if not lines:
                return
            if left_out:
                lines.append(f"[lines left out, for they came too fast: {left_out:,}]")
            for line in lines:
                with suppress(OSError, ValueError):  # nobody can see it: the output is closed
                    self.show(line)

    def finish(self) -> None:
        """Have the last lines shown, and wait for that, though not for long."""
        with self.changed:
            self.finished = True
            self.changed.notify()
        self.thread.join(SHOWN_S)


def start_thread(work: Callable[[], None], name: str) -> Thread:
    """Start a thread for *work*, which is given no signal: whoever waits for one gets them all.

    It is there for as long as it is needed, and keeps nobody from ending.
    """
    thread = Thread(target=work, name=name, daemon=True)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # it inherits them
    try:
        thread.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return thread


def last_line(text: str, otherwise: str = "") -> str:
    """Return the last line of *text* that is not empty, or *otherwise*."""
    return text.strip().rpartition("\n")[2] or otherwise
