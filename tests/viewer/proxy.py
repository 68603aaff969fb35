"""A reverse proxy as those of JupyterHub and Open OnDemand: a process's page below a path, on another port."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

OF_A_CONNECTION = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length"})


@dataclass
class Proxy:
    """Where it sends requests, what it changes about them, and the addresses that led out of its path."""

    name: str
    """In the browser's address."""
    prefix: str = ""
    strips: bool = True
    host: str | None = None
    """The name that it passes on in place of the browser's; None passes on the browser's."""
    port: int = 0
    to_port: int = 0
    strayed: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Of the page, in a browser."""
        return f"http://{self.name}:{self.port}{self.prefix}/"

    def forward(self, request: BaseHTTPRequestHandler) -> None:
        """Pass on one request and its answer."""
        if not f"{request.path}/".startswith(f"{self.prefix}/"):
            self.strayed.append(request.path)
            request.send_error(404)
            return
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        headers = {name: value for name, value in request.headers.items() if name.lower() not in OF_A_CONNECTION}
        headers |= {"Host": self.host or headers["Host"], "X-Forwarded-Host": headers["Host"]}
        path = (request.path[len(self.prefix) :] or "/") if self.strips else request.path
        behind = HTTPConnection("127.0.0.1", self.to_port, timeout=30)
        behind.request(request.command, path, body or None, headers)
        answer = behind.getresponse()
        content = answer.read()
        request.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in OF_A_CONNECTION:
                request.send_header(name, value)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)
        behind.close()


@contextmanager
def running(proxy: Proxy) -> Iterator[Proxy]:
    """The proxy on a port of its own, as long as the context lasts."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            proxy.forward(self)

        def do_POST(self) -> None:
            proxy.forward(self)

        def do_PUT(self) -> None:
            proxy.forward(self)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        proxy.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield proxy
        finally:
            server.shutdown()
