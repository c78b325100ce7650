"""The page at ``/``: plain text for curl, and HTML for whoever asks for it, as browsers do.

The HTML tells what the server is, has links to try, and says who waits, where somebody watches. It
is complete in itself: nothing is loaded from elsewhere. Its text is in page.html beside this file.
"""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from string import Template
from threading import get_native_id

from calcbench.core.app.workload import ASKED
from calcbench.core.http.accept import quality
from calcbench.core.http.message import TEXT, Request, Response

HTML = b"text/html; charset=utf-8"
# A page without foreign parts can say so: nobody else's script runs in it.
PARTS = (
    b"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    b"connect-src 'self'; img-src data:; base-uri 'none'; form-action 'self'"
)
HEADERS = (
    (b"Vary", b"Accept"),  # RFC 9110 §12.5.5: another Accept would have got another text
    (b"Cache-Control", b"no-store"),  # it says what is so at the moment
    (b"Content-Security-Policy", PARTS),
)
PLAIN_HEADERS = HEADERS[:1]
TEMPLATE = Path(__file__).with_name("page.html")
SLOW = ("wait", "block", "cpu")  # what a request may ask for, as page.html has links for it


@dataclass(frozen=True)
class OptionInUse:
    """An option of the strategy, its value, and what it means."""

    name: str
    value: str
    help: str


@dataclass(frozen=True)
class Notice:
    """Who waits right now: *lines*, as somebody who watches has seen it *age_s* seconds ago."""

    lines: Sequence[str]
    age_s: float


@dataclass(frozen=True)
class About:
    """What the server is. Made once, before any thread or child, so that each of them knows it.

    *notice* is called for each page: a child has no other way to hear what goes on outside of it.
    """

    strategy: str
    summary: str = ""
    options: Sequence[OptionInUse] = ()
    workload: str = "add"
    python: str = f"Python {sys.version.split()[0]}"
    pid: int = field(default_factory=os.getpid)
    notice: Callable[[], Notice | None] = lambda: None


class Page:
    """Responds to requests for ``/`` with *plain*, or with the HTML of what is known *about* it."""

    def __init__(self, plain: bytes, about: About) -> None:
        self.plain, self.about = plain, about
        self.template = Template(TEMPLATE.read_text(encoding="utf-8"))

    def __call__(self, request: Request) -> Response:
        """Return the page in the form that the client would rather have; plain where it is even."""
        accept = request.headers.get(b"accept", b"*/*")
        if quality(accept, HTML) > quality(accept, TEXT):
            return Response(200, self.html(request), HTML, HEADERS)
        return Response(200, self.plain, headers=PLAIN_HEADERS)

    def html(self, request: Request) -> bytes:
        """Return the page for a browser, as it is now and where it is made."""
        about = self.about
        host = (request.fields.host or b"localhost:8080").decode("ascii", "replace")
        name, port = split_host(host)
        text = self.template.substitute(
            strategy=escape(about.strategy),
            summary=escape(about.summary),
            options="\n".join(map(option_row, about.options)) or "<p>It has no options.</p>",
            workload=escape(about.workload),
            python=escape(about.python),
            pid=about.pid,
            made_by=escape(made_by(about.pid)),
            host=escape(host),
            nc=escape(f"{name} {port}"),
            slow_links=SLOW_LINKS if about.workload == ASKED else slow_hint(about),
            who=who_waits(about),
        )
        return text.encode()


def made_by(server_pid: int) -> str:
    """Say who is at work on this very page: it may be a child, or one of several threads."""
    pid = os.getpid()
    process = "the server's own process" if pid == server_pid else f"a child process, {pid}"
    thread = get_native_id()
    return f"{process}, in its {'main thread' if thread == pid else f'thread {thread}'}"


def split_host(host: str) -> tuple[str, str]:
    """Return the name and the port of *host*, as netcat takes them: no brackets."""
    name, colon, port = host.rpartition(":")
    if not colon or port.endswith("]"):  # the port of http, by default
        name, port = host, "80"
    return name.strip("[]"), port


def option_row(option: OptionInUse) -> str:
    """Return an entry of a description list for *option*."""
    return (
        f"<div><dt>{escape(option.name)}</dt>"
        f"<dd><b>{escape(option.value)}</b> {escape(option.help)}</dd></div>"
    )


def slow_link(kind: str, what: str) -> str:
    """Return the link for a request that takes three seconds in the way *kind*."""
    path = f"/add/2/3?{kind}=3s"
    return f'<li><a href="{path}" data-try><b>{what}</b> <code>{path}</code></a></li>'


SLOW_LINKS = f"""<ul class="tiles">
{slow_link("wait", "wait 3 s, as for a database")}
{slow_link("block", "block for 3 s where it runs")}
{slow_link("cpu", "compute for 3 s")}
</ul>
<p>Press one of them, and at once one of the quick links above. Does the quick one wait?</p>"""


def slow_hint(about: About) -> str:
    """Say how to get links that take their time."""
    command = f"calcbench serve --strategy {about.strategy} --workload {ASKED}"
    every = "" if about.workload == "add" else f"Every response here costs {about.workload}. "
    return (
        f"<p>{escape(every)}For links that wait, block or compute, start the server with"
        f" <code>{escape(command)}</code>.</p>"
    )


def who_waits(about: About) -> str:
    """Say who waits right now, or how to see it."""
    notice = about.notice()
    if notice is None:
        command = f"calcbench serve --strategy {about.strategy} --watch"
        return f"<p>Start the server with <code>{escape(command)}</code> to see it here.</p>"
    lines = "".join(f"<li>{escape(line)}</li>" for line in notice.lines)
    shown = f"<ul>{lines}</ul>" if lines else "<p>Nobody is connected.</p>"
    return f"{shown}\n<p><small>As seen {notice.age_s:.1f} s before this page.</small></p>"
