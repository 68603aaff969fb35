"""Checks every request: only the viewer's own page may use the server, not pages of other sites.

A page on the internet can make a browser send requests to 127.0.0.1. If its owner points a host name there (DNS
rebinding), the page can also read the answers. So a request must name this machine as its host, or a name that the user
allowed (`front`), and must not come from another site. Marked tiles can be sent; such a request must say that it comes
from this very page, and be JSON, which no form of another site can send. What a proxy claims about the address that
people use (X-Forwarded-Host and the like) does not count: anybody can claim it. The headers of the answers forbid
everything that the viewer's page does not need.
"""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wsi_haloae.viewer.front import Front, Host

WRITING, WRITTEN = frozenset({"POST", "PUT"}), "/anchors"
"""Methods besides GET and HEAD, and the end of the only paths that they may be used with."""
OPENSEADRAGON_STYLE = "'sha256-9xTiqzfwFaL2SGb1rmr8gysEwVVjIvqWAgmZgqFqpEE='"
"""Hash of the one style element that OpenSeadragon adds to the page."""
HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'self'; style-src 'self' {OPENSEADRAGON_STYLE}; object-src 'none'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Guard:
    """Refuses foreign requests, takes the base path off the others, and sets the headers of every answer."""

    def __init__(self, app: ASGIApp, front: Front) -> None:
        self._app, self._front = app, front

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        inside = {**scope, "path": self._front.inside(scope["path"])}
        answer = self._refusal(inside)
        if answer is None and inside["path"] == "":
            answer = RedirectResponse(self._front.address, 308)  # the page's addresses are relative to its folder
        await (answer or self._app)(inside, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        named = headers.getlist("host")
        if named == [] or not all(map(self._front.answers_to, named)):
            return _refuse_host(named)
        if scope["method"] in WRITING and scope["path"].endswith(WRITTEN):
            return self._refusal_to_write(headers)
        if scope["method"] not in {"GET", "HEAD"}:
            return PlainTextResponse("Only GET and HEAD.\n", 405, {"Allow": "GET, HEAD"})
        origins = headers.getlist("origin")
        own = all(self._front.is_own(origin, headers["host"]) for origin in origins)
        if not own or self._from_another_site(scope, headers):
            return PlainTextResponse("Requests from other sites are refused.\n", 403)
        return None

    def _refusal_to_write(self, headers: Headers) -> Response | None:
        origins = headers.getlist("origin")
        own = len(origins) == 1 and self._front.is_own(origins[0], headers["host"])
        if not own or headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return JSONResponse(
                {
                    "error": "Only the viewer's own page may mark tiles. If you came through a proxy, start the viewer "
                    "with --allow-host and the name in the browser's address."
                },
                403,
            )
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return PlainTextResponse("JSON is needed.\n", 415)
        return None

    @staticmethod
    def _from_another_site(scope: Scope, headers: Headers) -> bool:
        if headers.get("sec-fetch-site", "none") in {"same-origin", "none"}:
            return False
        # A link to the page may be followed from any site; that site cannot read what the page shows.
        followed = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
        return not (followed and scope["path"] in {"", "/"})


def _refuse_host(named: list[str]) -> Response:
    host = Host.read(named[0]) if len(named) == 1 else None
    told = "" if host is None else f", and it was asked for {named[0].lower()}"  # spelled with letters of names alone
    return PlainTextResponse(
        f"This server answers to 127.0.0.1 and localhost{told}. If you came through a proxy, start the viewer with "
        "--allow-host and this name.\n",
        421,
    )
