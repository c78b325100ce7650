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
    with suppress(Exception):  # whoever reads it is gone, or no memory is left to say it with
        lines = traceback.format_exception(error)
        text = f"calcbench: {what} failed: {in_words(error)}; {outcome}\n{''.join(lines)}"
        os.write(2, text.encode(errors="backslashreplace"))


def in_words(error: BaseException) -> str:
    """Return the kind of *error* and what it says, in one line; the kind alone if it cannot say."""
    said = ""
    with suppress(Exception):  # its __str__ may be as wrong as what has raised it
        said = " ".join(str(error).split())
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
