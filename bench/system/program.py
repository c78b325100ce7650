"""What every program of ours does at its beginning and its end: what goes wrong is one line."""

import errno
import os
import sys
from collections.abc import Callable
from typing import NoReturn

from calcbench.bench.system.terminal import (
    OutputError,
    echo,
    never_fail_for_a_letter,
    one_line,
)
from calcbench.core.errors import CalcbenchError
from calcbench.core.serving.descriptors import open_standard_streams

INTERRUPTED = 130  # 128 + SIGINT, as shells have it
RULE_BROKEN = 3  # of those who check a server: `calcbench check` and `calcbench lesson`
# What a write may meet that is a limit of the machine, and no failure of whoever is measured.
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS}
# What writing to standard output raises where a library does it, which names no file.
OUTPUT_ERRORS = NO_ROOM | {errno.EPIPE, errno.EBADF}


def run_program(name: str, run: Callable[[], int]) -> NoReturn:
    """Exit with the status that *run* returns, or with that of the failure that it raises.

    The failure is told to standard error in one line, behind the *name* of the program.
    """
    open_standard_streams()  # before anything else opens a file
    never_fail_for_a_letter()
    try:
        status = run()
    except OutputError as error:
        status = output_failed(name, error)
    except CalcbenchError as error:
        tell(name, str(error))
        status = error.exit_status
    except KeyboardInterrupt:
        status = INTERRUPTED
    except OSError as error:
        if error.filename is not None:
            tell(name, f"{os.fsdecode(error.filename)}: {(error.strerror or '').lower()}")
            status = 1
        elif error.errno in OUTPUT_ERRORS:
            status = output_failed(name, OutputError(error))
        else:
            raise
    sys.exit(forget_unwritten(name, status))


def output_failed(name: str, error: OutputError) -> int:
    """Tell of *error*, unless it is a reader that has seen enough; return the exit status."""
    if not error.reader_gone:
        tell(name, str(error))
    return error.exit_status


def forget_unwritten(name: str, status: int) -> int:
    """Write what is left to write; return *status*, or that of a failure to write it.

    What could not be written is forgotten, or Python would try again after us and complain.
    """
    for stream in (sys.stdout, sys.stderr):
        if not stream:  # it was closed before we began, `>&-`
            continue
        try:
            stream.flush()
        except OSError as error:
            if stream is sys.stdout:
                status = status or output_failed(name, OutputError(error))
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return status


def tell(name: str, message: str) -> None:
    """Print *message* in one line to standard error, behind the *name* of the program."""
    echo(f"{name}: {one_line(' '.join(message.split()))}", err=True)
