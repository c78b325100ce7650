"""Reference servers: other people's servers, each serving the calculator in its own way.

``python -m calcbench.bench.corebench.reference_servers CONFIG`` runs one of them until it is
killed or whoever started it dies; its config is JSON. All of them get what makes them fast: one
process on one core, uvloop where they can use it, no access log. They are imported by name, because
they live in a virtual environment of their own that neither the type checkers nor our tests see.

Each answers ``GET /op/a/b`` through `response_body`, and nothing else: no error page, no JSON. So
each does a little less than ours.
"""

from collections.abc import Awaitable, Callable, Iterable
from importlib import import_module
from typing import Any

from calcbench.bench.corebench.process import configure
from calcbench.bench.schema.plan import LOOPBACK
from calcbench.core.app.calculator import calculate, parse_number, write_number

TEXT = "text/plain; charset=utf-8"

# What to install for each; the extra `reference-servers` in pyproject.toml has the versions.
NEEDS = {
    "bjoern": ("bjoern",),
    "uvicorn": ("uvicorn", "uvloop", "httptools"),
    "granian": ("granian", "uvloop"),
    "aiohttp": ("aiohttp", "uvloop"),
}


def response_body(path: str) -> bytes:
    """Return the body of the right response to ``/op/a/b``."""
    _, name, left, right = path.encode().split(b"/")
    return write_number(calculate(name, parse_number(left), parse_number(right)))


# bjoern: C on libev, WSGI ------------------------------------------------------------------------


def wsgi(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """Answer one request as a WSGI application (PEP 3333)."""
    body = response_body(environ["PATH_INFO"])
    start_response("200 OK", [("Content-Type", TEXT), ("Content-Length", str(len(body)))])
    return (body,)


def serve_bjoern(port: int) -> None:
    """Serve with bjoern."""
    import_module("bjoern").run(wsgi, LOOPBACK, port)


# uvicorn: Python with a loop (uvloop) and a parser (httptools) in C, ASGI ------------------------


async def asgi(
    scope: dict[str, Any],
    _: Callable[[], Awaitable[Any]],  # would receive the body
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """Answer one request as an ASGI application, with no framework in between."""
    body = response_body(scope["path"])
    length = b"%d" % len(body)
    fields = [(b"content-type", TEXT.encode()), (b"content-length", length)]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": body})


def serve_uvicorn(port: int) -> None:
    """Serve with uvicorn, uvloop and httptools."""
    import_module("uvicorn").run(
        asgi,
        host=LOOPBACK,
        port=port,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        log_level="error",
        access_log=False,
    )


# granian: Rust on hyper, RSGI --------------------------------------------------------------------


async def rsgi(scope: Any, protocol: Any) -> None:
    """Answer one request as an RSGI application: granian's own, its fastest interface."""
    protocol.response_bytes(200, [("content-type", TEXT)], response_body(scope.path))


def serve_granian(port: int) -> None:
    """Serve with granian's one worker; it imports the application from this module by name."""
    granian = import_module("granian")
    granian.Granian(
        "calcbench.bench.corebench.reference_servers:rsgi",
        address=LOOPBACK,
        port=port,
        interface="rsgi",
        loop="uvloop",
        http="1",
        websockets=False,
        log_enabled=False,
    ).serve()


# aiohttp: a server and a framework in Python, with a parser in C ---------------------------------


def serve_aiohttp(port: int) -> None:  # by make bench-core
    """Serve with aiohttp on uvloop."""
    web = import_module("aiohttp.web")
    uvloop = import_module("uvloop")

    async def calculator(request: Any) -> Any:
        return web.Response(body=response_body(request.path), headers={"Content-Type": TEXT})

    application = web.Application()
    application.router.add_get("/{name}/{left}/{right}", calculator)
    loop = uvloop.new_event_loop()
    web.run_app(application, host=LOOPBACK, port=port, access_log=None, print=None, loop=loop)


SERVERS = {
    "bjoern": serve_bjoern,
    "uvicorn": serve_uvicorn,
    "granian": serve_granian,
    "aiohttp": serve_aiohttp,
}


def main() -> None:
    """Serve as the config says: which reference server, on which port and cores."""
    config = configure()
    SERVERS[config["name"]](config["port"])


if __name__ == "__main__":
    main()
