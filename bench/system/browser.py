"""Open a page in the browser of whoever sits here, if there is one to be seen."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

OPENERS = ("wslview", "xdg-open", "sensible-browser", "x-www-browser", "firefox", "chromium")
QUIETLY = '"$@" </dev/null >/dev/null 2>&1 &'  # a browser says much that is no part of a report
DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME")


def open_page(page: Path) -> str:
    """Open *page* and return at once; return why not, or nothing where all went well."""
    return open_address(page.resolve().as_uri())


def open_address(address: str) -> str:
    """Open *address* and return at once; return why not, or nothing where all went well.

    The command in ``BROWSER`` comes first, as for other programs.
    """
    command = command_that_opens()
    if not command:
        return "there is no browser or no display here"
    if not shutil.which(command[0]):
        return f"cannot start {command[0]}, because it is not here"
    # The shell leaves it behind: a browser stays when we have ended, and the terminal is closed.
    words = ["/bin/sh", "-c", QUIETLY, "sh", *command, address]
    subprocess.run(words, start_new_session=True, check=False)
    return ""


def command_that_opens() -> list[str]:
    """Return the command that opens a page, or nothing where none can be seen."""
    if wanted := os.environ.get("BROWSER", ""):
        return shlex.split(wanted.partition(os.pathsep)[0].replace("%s", ""))
    if sys.platform == "darwin":
        return ["open"]
    if not any(os.environ.get(name) for name in DISPLAYS):
        return []
    return [path for name in OPENERS if (path := shutil.which(name))][:1]
