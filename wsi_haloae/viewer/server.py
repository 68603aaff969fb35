"""``wsi-haloae view``: a server on this machine, for as long as it is not interrupted.

Starlette and Uvicorn carry it: small, typed, kept by the people of httpx, and already what many have installed.
Starlette puts plain functions on threads, which is what reading a slide needs; Uvicorn ends cleanly with Ctrl-C.
The standard library's server would need our own routing, threads and shutdown.
"""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import uvicorn

from wsi_haloae.errors import UsageError
from wsi_haloae.viewer.catalogue import find_scored
from wsi_haloae.viewer.opened import OpenedSlides
from wsi_haloae.viewer.pages import viewer_app

HOST = "127.0.0.1"


def serve(
    place: Path,
    port: int,
    annotations: Path | None,
    ready: Callable[[str], None],
    warn: Callable[[str], None],
    *,
    log_requests: bool = False,
) -> None:
    """Show the scored slides in ``place`` until Ctrl-C; ``ready`` is told the address, once it answers.

    ``log_requests``: each request and its status goes to the log "uvicorn.access".

    Port 0 takes a free one. Raises `UsageError` where there is nothing to show, or the port is taken.
    """
    catalogue = find_scored(place, warn)
    if annotations is not None and annotations.is_file() and len(catalogue) > 1:
        raise UsageError(
            f"--annotations {annotations} was given, but {place} holds {len(catalogue)} slides. Name a folder of "
            "<stem>.geojson, or one slide's folder in OUT."
        )
    with _listening(port) as listener:
        bound = int(listener.getsockname()[1])
        slides = OpenedSlides(catalogue, annotations)
        server = uvicorn.Server(
            uvicorn.Config(
                viewer_app(slides, bound),
                log_config=None,
                access_log=log_requests,
                lifespan="off",
                ws="none",
                server_header=False,
                timeout_graceful_shutdown=1,
            )
        )
        threading.Thread(target=slides.warm_up, daemon=True).start()  # while the page is on its way
        ready(f"http://{HOST}:{bound}/")  # it listens already: who connects now is answered in a moment
        try:
            with suppress(KeyboardInterrupt):  # uvicorn ends, and then raises what ended it again
                server.run(sockets=[listener])
        finally:
            slides.close()


def _listening(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if sys.platform != "win32":  # there it would let two servers share a port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise UsageError(
            f"--port {port}: this port cannot be had ({error.strerror}). Another viewer may be running; give another "
            "one, or --port 0 for any that is free."
        ) from None
    return listener
