"""A strategy to start from, as a file for any folder."""

import keyword
import sys
from pathlib import Path

from calcbench.core.errors import CalcbenchError, UsageError
from calcbench.core.serving.catalogue import files
from calcbench.core.serving.faults import FILE_NAME, RESERVED, better_name

TEXT = '''\
"""A thread for each client, up to as many as are allowed.

Say here what this way costs, and where it breaks. calcbench shows the first line. If your server
means to serve one client at a time, that line has to say so.
"""

# It works as it is: calcbench check ./{file}
# Now change who waits for whom. What HTTP is, and how long a client may take, is in calcbench.core
# already; a strategy decides which thread, process or loop waits for which client, and no more.

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from calcbench.core.options import option
from calcbench.core.serving.blocking import clients, serve_connection


@dataclass(frozen=True)
class Options:
    """What can be set, as in ./{file}:threads=4. A strategy without options has no such class."""

    threads: int = option(500, "threads, and so clients, at once", least=1, most=30_000)


def serve(listener, service, options, stop):
    """Serve the clients of *listener* until *stop* is set.

    listener: the socket that listens; clients() accepts from it until the stop
    service:  service.connect() begins a conversation, service.handle(request) answers a request
    options:  the Options above, as they were set
    stop:     whoever waits for a client waits for the stop as well; clients() and
              serve_connection() do
    """
    with ThreadPoolExecutor(options.threads) as pool:  # which waits at its end for all threads
        for client in clients(listener, service, stop):
            # CHANGE THIS LINE. Call serve_connection(client, service, stop) right here, and see
            # who has to wait. Then fork for each client. Or leave the loop out, and let a
            # selector tell who is ready: `calcbench lesson` 11 and 13 show how.
            pool.submit(serve_connection, client, service, stop)
'''


def write_template(text: str) -> Path:
    """Write a strategy into the file that *text* names; return it.

    Raises UsageError for a bad name or a folder that is not there, and CalcbenchError where there
    is a file of that name already: what somebody has written is never lost.
    """
    path = Path(text).expanduser()
    if fault := fault_of(path):
        raise UsageError(f"{text!r} {fault}")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(TEXT.format(file=path.name))
    except FileExistsError:
        raise CalcbenchError(f"{text!r} is there already; it stays as it is") from None
    except FileNotFoundError:
        raise UsageError(f"there is no folder {str(path.parent)!r}") from None
    except OSError as error:
        raise CalcbenchError(f"cannot write {text!r}: {error.strerror}") from None
    return path


def fault_of(path: Path) -> str:
    """Return what is wrong with the name of *path*, and which would be right; "" if nothing."""
    if path.is_dir():
        return f"is a folder; name a file in it, as in {str(path / 'mine.py')!r}"
    file = path.name if path.suffix == ".py" else f"{path.name}.py"
    stem = file.removesuffix(".py")
    if file in RESERVED:
        right, why = "my_all.py", "would mean every strategy"
    elif not FILE_NAME.fullmatch(file):
        right, why = better_name(file), "should be letters, digits and underscores, and .py"
    elif stem in sys.stdlib_module_names or keyword.iskeyword(stem) or file in files().values():
        right, why = f"my_{file}", "is the name of something else"
    else:
        right, why = file, "should end in .py"
    return "" if right == path.name else f"{why}; write {str(path.with_name(right))!r}"
