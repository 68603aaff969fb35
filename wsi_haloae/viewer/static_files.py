"""The files of the page, read once when the server starts, so that no request reaches the file system.

`vendor/` holds an unchanged copy of OpenSeadragon (`make vendor`). Nothing is downloaded when the viewer runs.
"""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

FOLDER = Path(__file__).parent / "static"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


def static_files() -> list[Route]:
    """One route for each file, and ``/`` for the page."""
    files = [path for path in sorted(FOLDER.rglob("*")) if path.suffix in _TYPES]
    routes = [_route(f"/static/{path.relative_to(FOLDER).as_posix()}", path) for path in files]
    return [_route("/", FOLDER / "index.html"), *routes]


def _route(address: str, path: Path) -> Route:
    content, media_type = path.read_bytes(), _TYPES[path.suffix]

    def answer(_request: Request) -> Response:
        return Response(content, headers={"Content-Type": media_type, "Cache-Control": "no-cache"})

    return Route(address, answer)
