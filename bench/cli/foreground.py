"""Servers in the foreground: they run until a signal stops them, or until one of them dies."""

import signal
import sys
import time
from collections.abc import Sequence

from calcbench.bench.system.terminal import echo
from calcbench.core.errors import CalcbenchError
from calcbench.core.serving.ending import Stopped, status_in_words
from calcbench.core.serving.launcher import Server

# `timeout`, `uv run` and a closing terminal send a signal to us and then to our group, we among it.
# A person who presses Ctrl-C again takes longer.
ECHO_S = 0.3  # a signal that comes so soon after the first is the same once more


def watched_signals() -> set[signal.Signals]:
    """Return the signals that stop us, and the one that tells of a server's end.

    Not SIGHUP where it is ignored: `nohup` wants us to outlive the terminal.
    """
    watched = {signal.SIGINT, signal.SIGTERM, signal.SIGCHLD}
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        watched.add(signal.SIGHUP)
    return watched


def wait_for_stop(servers: Sequence[Server], watched: set[signal.Signals]) -> None:
    """Return when we, or a server itself, are asked to stop.

    Raises CalcbenchError when a server ends without that.
    """
    while not have_ended(servers):
        if signal.sigwait(watched) != signal.SIGCHLD:
            return


def have_ended(servers: Sequence[Server]) -> bool:
    """Tell whether one of *servers* has ended because a signal has told it to.

    Raises CalcbenchError when one has ended without that.
    """
    for server in servers:
        if server.died():
            if server.was_signalled():
                return True
            raise CalcbenchError(how_it_died(server))
    return False


def how_it_died(server: Server) -> str:
    """Return what has become of a *server* that nobody has asked to stop."""
    stopped = server.stop(0)
    why = f": {stopped.failure}" if stopped.failure else ""
    return f"the {server.spec.strategy} server {status_in_words(stopped.status)}{why}"


def stop(servers: Sequence[Server], watched: set[signal.Signals]) -> int:
    """Let *servers* finish, but not after another signal (`ECHO_S`); return our exit status.

    Raises CalcbenchError when one does not end as it should.
    """
    begun = time.monotonic()  # before we say so: who reads it and presses again means it
    if sys.stderr.isatty():
        echo("calcbench: finishing open requests; Ctrl-C again ends at once", err=True)
    for server in servers:
        server.ask_to_stop()
    end = begun + max(server.patience_s for server in servers)
    while any(server.process.poll() is None for server in servers):
        left = end - time.monotonic()
        caught = wait_for_signal(watched, left) if left > 0 else None
        if caught is None:
            break
        if caught != signal.SIGCHLD and time.monotonic() - begun > ECHO_S:
            for server in servers:
                server.kill()
            return 128 + caught
    all_stopped = [server.stop(0) for server in servers]
    for stopped in all_stopped:
        if not stopped.clean:
            raise stop_error(stopped, f"the {servers[0].spec.strategy} server")
    return 0


def wait_for_signal(watched: set[signal.Signals], seconds: float) -> int | None:
    """Return the next signal of *watched*, None if *seconds* go by without one.

    An alarm ends the wait, for macOS has no sigtimedwait(2).
    """
    signal.setitimer(signal.ITIMER_REAL, seconds)
    caught = signal.sigwait({*watched, signal.SIGALRM})
    signal.setitimer(signal.ITIMER_REAL, 0)
    return None if caught == signal.SIGALRM else caught


def stop_error(stopped: Stopped, what: str) -> CalcbenchError:
    """Return as an error how *what*, a server that was asked to stop, has *stopped* instead.

    What it has printed has been passed on by now.
    """
    if stopped.killed:
        return CalcbenchError(f"{what} did not stop in time, and was killed")
    if stopped.status:
        why = f": {stopped.failure}" if stopped.failure else ""
        return CalcbenchError(f"{what} {status_in_words(stopped.status)} when it stopped{why}")
    return CalcbenchError(f"{what} stopped, but printed a traceback: {stopped.failure}")
