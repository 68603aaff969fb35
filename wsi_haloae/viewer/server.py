"""``wsi-haloae view``: a server on this machine that runs until it is interrupted.

It uses Starlette and Uvicorn, which are small, typed, well maintained (by the authors of httpx) and already installed
on many machines. Starlette runs plain functions in threads, which suits reading a slide, and Uvicorn stops cleanly on
Ctrl-C. With the server of the standard library we would have to write routing, threading and shutdown ourselves.
"""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import uvicorn

from wsi_haloae.annotations.objects import Objects
from wsi_haloae.errors import UsageError
from wsi_haloae.viewer.catalogue import find_scored
from wsi_haloae.viewer.front import DIRECT, Front
from wsi_haloae.viewer.opened import OpenedSlides
from wsi_haloae.viewer.pages import viewer_app
from wsi_haloae.viewer.prompt_protocol import PromptProtocol

HOST = "127.0.0.1"
WAITING = 2048
"""Connections that may wait to be accepted. To more, the system answers a second later."""


def serve(
    place: Path,
    port: int,
    annotations: Path | None,
    ready: Callable[[str], None],
    warn: Callable[[str], None],
    *,
    objects: Objects = "annotation",
    front: Front = DIRECT,
    log_requests: bool = False,
) -> None:
    """Show the scored slides in ``place`` until Ctrl-C. ``ready`` is called with the URL once the server listens.

    ``objects`` are the kinds of objects in the annotations that are drawn; ``front`` is for a proxy. Port 0 uses any
    free port. With ``log_requests``, each request and its status goes to the log "uvicorn.access".
    Raises `UsageError` if there is nothing to show, or if the port is taken.
    """
    catalogue = find_scored(place, warn)
    if annotations is not None and annotations.is_file() and len(catalogue) > 1:
        raise UsageError(
            f"--annotations {annotations} was given, but {place} holds {len(catalogue)} slides. Name a folder of "
            "<stem>.geojson, or one slide's folder in OUT."
        )
    with _listening(port) as listener:
        bound = int(listener.getsockname()[1])
        slides = OpenedSlides(catalogue, annotations, objects)
        server = uvicorn.Server(
            uvicorn.Config(
                viewer_app(slides, front),
                log_config=None,
                access_log=log_requests,
                lifespan="off",
                http=PromptProtocol,
                ws="none",
                server_header=False,
                timeout_graceful_shutdown=1,
            )
        )
        threading.Thread(target=slides.warm_up, daemon=True).start()  # while the browser loads the page
        # It listens already: requests that arrive now are answered in a moment.
        ready(f"http://{HOST}:{bound}{front.address}")
        try:
            with suppress(KeyboardInterrupt):  # uvicorn stops, and then raises the interrupt again
                server.run(sockets=[listener])
        finally:
            slides.close()


def _listening(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if sys.platform != "win32":  # on Windows this would let two servers share a port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(WAITING)
    except OSError as error:
        listener.close()
        raise UsageError(
            f"--port {port}: this port cannot be used ({error.strerror}). Another viewer may be running. Pass another "
            "port, or --port 0 for any free port."
        ) from None
    return listener
