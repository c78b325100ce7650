"""What a command does when its run has ended: it points `latest` to it, and opens the browser."""

from pathlib import Path

from calcbench.bench.schema.latest import point_latest
from calcbench.bench.system.browser import open_page
from calcbench.bench.system.terminal import echo


def note_latest(folder: Path) -> None:
    """Let `latest`, beside *folder*, lead to it, for its run has ended; say where it cannot."""
    if why := point_latest(folder):
        echo(f"calcbench: {why}", err=True)


def open_report(page: Path) -> None:
    """Open *page* in the browser, or say in one line why not and where it is."""
    if not page.exists():
        echo("calcbench: there is no page to open, because no charts were drawn", err=True)
    elif why := open_page(page):
        echo(f"calcbench: {why}: open {page} yourself", err=True)
