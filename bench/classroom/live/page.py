"""The page: its files, the stream of what happens, and where its buttons send their commands."""

from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from calcbench.bench.classroom.live.commands import parse_command
from calcbench.bench.classroom.live.guard import Guard
from calcbench.bench.classroom.live.stage import Stage
from calcbench.core.errors import UsageError

MOST_BYTES = 1_000  # of a command
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def assets() -> dict[str, tuple[bytes, str]]:
    """Return the files of the page, by their names, with their types."""
    folder = Path(__file__).with_name("assets")
    return {
        file.name: (file.read_bytes(), TYPES[file.suffix])
        for file in folder.iterdir()
        if file.suffix in TYPES
    }


def live_page(stage: Stage, token: str) -> ASGIApp:
    """Return the page on which *stage* is seen and moved."""

    async def events(_: Request) -> Response:
        if stage.viewers.are_many:
            return PlainTextResponse("too many watch already\n", 503)
        stream = stage.viewers.watch(stage.offers())
        return StreamingResponse(stream, media_type="text/event-stream")

    async def command(request: Request) -> Response:
        try:
            text = await read_body(request)
            await stage.do(parse_command(text, stage.strategies))
        except UsageError as error:
            return JSONResponse({"problem": str(error)}, 400)
        return JSONResponse({})

    async def no_recording(_: Request) -> Response:
        return Response(status_code=204)

    routes = [
        Route("/recording", no_recording),
        Route("/events", events),
        Route("/command", command, methods=["POST"]),
    ]
    return guarded(routes, token)


def replay_page(recording: bytes, token: str) -> ASGIApp:
    """Return the page on which a *recording* is seen; its buttons move no server."""

    async def recorded(_: Request) -> Response:
        return Response(recording, media_type="application/jsonl")

    return guarded([Route("/recording", recorded)], token)


def guarded(routes: list[Route], token: str) -> ASGIApp:
    """Return an application with *routes* and the files of the page, all below the *token*."""
    known = assets()

    async def asset(request: Request) -> Response:
        name = request.path_params.get("name", "index.html")
        if name not in known:
            return PlainTextResponse("there is no such file\n", 404)
        content, media_type = known[name]
        return Response(content, media_type=media_type)

    every: list[Any] = [*routes, Route("/", asset), Route("/{name}", asset)]
    return Guard(Starlette(routes=[Mount(f"/{token}", routes=every)] if token else every), token)


async def read_body(request: Request) -> bytes:
    """Return the body of *request*; raises UsageError for one that is too long for a command."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise UsageError("too long for a command")
    return body
