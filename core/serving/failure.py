"""A request or a client that fails: its traceback is logged, and everybody else is served on."""

import os
import traceback
from collections.abc import Callable
from contextlib import suppress

from calcbench.core.http.message import Request, Response

LONGEST = 200  # characters of a request's target in the log

# What a handler may raise. Not every BaseException: some end a thread, a task or a greenlet.
FAILURES = (Exception, SystemExit, KeyboardInterrupt)


def guard(handle: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """Return *handle*, responding with 500 and a close where it raises or returns no response."""

    def handle_safely(request: Request) -> Response:
        try:
            response = handle(request)
            if type(response) is not Response:
                raise TypeError(f"the handler returned {type(response).__name__}, no Response")
        except FAILURES as error:
            what = request.method + b" " + request.target[:LONGEST]
            log_failure(what.decode("ascii", "backslashreplace"), error, "responded with 500")
            return Response(500, b"the handler failed; the server's log says why\n", close=True)
        return response

    return handle_safely


def log_failure(what: str, error: BaseException, outcome: str) -> None:
    """Write to standard error that *what* failed with *error*, and its *outcome*: one message."""
    with suppress(OSError, MemoryError):  # whoever reads it is gone; nothing is left to say it with
        name = f"{type(error).__name__}: {error}".rstrip(": ")
        lines = traceback.format_exception(error)
        os.write(2, f"calcbench: {what} failed: {name}; {outcome}\n{''.join(lines)}".encode())
