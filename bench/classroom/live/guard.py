"""Who may see the page and press its buttons, which start and kill processes.

On loopback every program of this machine may, and a browser only from our own page: another page
that it shows could send us requests (cross-site request forgery), or have its name lead to us (DNS
rebinding). Elsewhere the first part of the path has to be the token, for everything.
"""

import hmac
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1")
HEADERS = {
    # Nothing is loaded from elsewhere, run that is not ours, or shown in somebody's frame.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self';"
    " img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # the address has the token
    "Cache-Control": "no-store",
}


def why_refused(
    method: str, path: str, headers: Mapping[str, str], token: str
) -> tuple[int, str] | None:
    """Return status and reason to refuse a request with, None for one that is welcome.

    Without a *token*, we listen on loopback alone.
    """
    host = headers.get("host", "")
    if token:
        given = path[1:].partition("/")[0]
        if not hmac.compare_digest(given.encode(), token.encode()):
            return 403, "the address lacks the token: take it from the terminal"
    elif name_in(host) not in LOOPBACK_NAMES:
        return 403, "this page is at 127.0.0.1 only"
    origin = headers.get("origin")
    if origin is not None and origin != f"http://{host}":
        return 403, "only our own page may ask"
    if headers.get("sec-fetch-site", "none") not in ("same-origin", "none") and method != "GET":
        return 403, "only our own page may ask"
    if method == "POST" and headers.get("content-type", "") != "application/json":
        return 415, "send application/json"
    return None


def name_in(host: str) -> str:
    """Return the name or address in *host*, the field of a request, without its port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


class Guard:
    """Lets to *app* only who is welcome, and has every response carry HEADERS."""

    def __init__(self, app: "ASGIApp", token: str) -> None:
        self.app, self.token = app, token

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Serve one request."""
        from starlette.datastructures import Headers, MutableHeaders
        from starlette.responses import PlainTextResponse
        from starlette.types import Message

        if scope["type"] != "http":
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        refused = why_refused(scope["method"], scope["path"], Headers(scope=scope), self.token)
        app = self.app
        if refused:
            app = PlainTextResponse(refused[1] + "\n", refused[0])
        await app(scope, receive, send_with_headers)
