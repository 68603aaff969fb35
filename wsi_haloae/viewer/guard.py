"""Checks every request: only the viewer's own page on this machine may use the server, not pages of other sites.

A page on the internet can make a browser send requests to 127.0.0.1. If its owner points a host name there (DNS
rebinding), the page can also read the answers. So a request must name this server as its host and must not come from
another site. Marked tiles can be sent; such a request must say that it comes from this very page, and be JSON, which no
form of another site can send. The headers of the answers forbid everything that the viewer's page does not need.
"""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

WRITING, WRITTEN = frozenset({"POST", "PUT"}), "/anchors"
"""Methods besides GET and HEAD, and the end of the only paths that they may be used with."""
HOSTS = ("127.0.0.1", "localhost", "[::1]")
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
    """Refuses foreign requests and sets the headers of every answer. ``port`` is the server's port."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app = app
        self._hosts = {*HOSTS, *(f"{host}:{port}" for host in HOSTS)}
        self._origins = {f"http://{host}" for host in self._hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        refusal = self._refusal(scope)
        await (refusal or self._app)(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        headers = Headers(scope=scope)
        if headers.getlist("host") == [] or any(host.lower() not in self._hosts for host in headers.getlist("host")):
            return PlainTextResponse("This server answers to 127.0.0.1 and localhost only.\n", 421)
        if scope["method"] in WRITING and scope["path"].endswith(WRITTEN):
            return self._refusal_to_write(headers)
        if scope["method"] not in {"GET", "HEAD"}:
            return PlainTextResponse("Only GET and HEAD.\n", 405, {"Allow": "GET, HEAD"})
        origin = headers.get("origin")
        if (origin is not None and origin not in self._origins) or self._from_another_site(scope, headers):
            return PlainTextResponse("Requests from other sites are refused.\n", 403)
        return None

    @staticmethod
    def _refusal_to_write(headers: Headers) -> PlainTextResponse | None:
        own = f"http://{headers['host'].lower()}"
        if headers.getlist("origin") != [own] or headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return PlainTextResponse("Only the viewer's own page may mark tiles.\n", 403)
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return PlainTextResponse("JSON is needed.\n", 415)
        return None

    @staticmethod
    def _from_another_site(scope: Scope, headers: Headers) -> bool:
        if headers.get("sec-fetch-site", "none") in {"same-origin", "none"}:
            return False
        # A link to the page may be followed from any site; that site cannot read what the page shows.
        followed = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
        return not (followed and scope["path"] == "/")
