"""`results/latest`: a link to the newest run that came to its end.

It is made when a run has ended and replaced in one step, so it never leads to a run that was
interrupted, nor nowhere for a moment, and of two runs that end at once one has it.
"""

import contextlib
import os
import secrets
from pathlib import Path

LATEST = "latest"


def point_latest(folder: Path) -> str:
    """Let the link beside *folder*, of a run that has ended, lead to it; return why it cannot.

    It is relative, so that all runs can be moved together. Nobody else's file or folder of that
    name is touched. An empty text says that all went well.
    """
    link = folder.parent / LATEST
    if os.path.lexists(link) and not link.is_symlink():
        return f"{link} is not a link, so it stays as it is"
    part = folder.parent / f".{LATEST}.{secrets.token_hex(8)}"
    try:
        part.symlink_to(folder.name, target_is_directory=True)
        part.replace(link)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        return f"no link {link} here: {error.strerror or error}"
    return ""
