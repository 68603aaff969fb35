"""The routes of the server and its answers.

    /                                                   the page
    /static/...                                         its files, read once when the server starts
    /api/slides                                         the list of slides, and the colour table
    /api/slides/NAME                                    facts of one slide
    /api/slides/NAME/scores | p_values | marks          values of all tiles, see `rasters`
    /api/slides/NAME/outlines                           annotations and exported regions
    /api/slides/NAME/icon.jpg
    /api/slides/NAME/zoom/LEVEL/COLUMN_ROW.jpg          Deep Zoom tiles of the slide
    /api/slides/NAME/map/LEVEL/COLUMN_ROW.png           Deep Zoom tiles of the anomaly map
    /api/slides/NAME/tiles/ROW_COLUMN.jpg | .png        a scored tile, and its anomaly map
    /api/slides/NAME/anchors                            tiles marked as reference tissue, see `marking_pages`

All that is below the base path, if there is one (`front`). The page names addresses relative to its own, so that a
proxy can put anything before them. NAME is looked up in the catalogue; no part of a URL is ever used as a path.
Handlers are plain functions. Those that need a slide run on its own threads, within a time limit (`slide_threads`), so
no slide can make another wait.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from wsi_haloae.errors import WsiHaloaeError
from wsi_haloae.heatmap.colours import COLOUR_TABLE
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.viewer.addresses import PLACE, on_its_threads
from wsi_haloae.viewer.catalogue import OVERLAY_NAME
from wsi_haloae.viewer.facts import list_entry, slide_facts
from wsi_haloae.viewer.front import DIRECT, Front
from wsi_haloae.viewer.guard import Guard
from wsi_haloae.viewer.icon import draw_icon
from wsi_haloae.viewer.marking_pages import marking_route
from wsi_haloae.viewer.opened import OpenedSlide, OpenedSlides
from wsi_haloae.viewer.pixel_map import PixelMapPicture
from wsi_haloae.viewer.rasters import tile_number
from wsi_haloae.viewer.slide_threads import SlideSilentError
from wsi_haloae.viewer.static_files import static_files

JPEG_QUALITY = 88
FRESH = {"Cache-Control": "no-store"}
FOR_A_WHILE = {"Cache-Control": "private, max-age=3600"}
"""For pictures: their URLs name what they were made from (``?of=``)."""


def viewer_app(slides: OpenedSlides, front: Front = DIRECT) -> ASGIApp:
    """The application that shows these slides. It answers requests to this machine, and those that ``front`` allows."""
    pages = _Pages(slides)
    one, zoom = "/api/slides/{name}", f"{{level:{PLACE}}}/{{column:{PLACE}}}_{{row:{PLACE}}}"
    routes = [
        Route("/api/slides", pages.list),
        Route(one, on_its_threads(slides, pages.facts)),
        Route(f"{one}/scores", on_its_threads(slides, pages.scores)),
        Route(f"{one}/p_values", on_its_threads(slides, pages.p_values)),
        Route(f"{one}/marks", on_its_threads(slides, pages.marks)),
        Route(f"{one}/outlines", on_its_threads(slides, pages.outlines)),
        Route(f"{one}/icon.jpg", on_its_threads(slides, pages.icon)),
        Route(f"{one}/zoom/{zoom}.jpg", on_its_threads(slides, pages.zoom_tile)),
        Route(f"{one}/map/{zoom}.png", on_its_threads(slides, pages.map_tile)),
        Route(f"{one}/tiles/{{row:{PLACE}}}_{{column:{PLACE}}}.jpg", on_its_threads(slides, pages.tile)),
        Route(f"{one}/tiles/{{row:{PLACE}}}_{{column:{PLACE}}}.png", on_its_threads(slides, pages.tile_map)),
        *marking_route(f"{one}/anchors", slides),
        *static_files(),
    ]
    handlers = {SlideSilentError: _silent, WsiHaloaeError: _error}
    app = Starlette(routes=routes, exception_handlers=handlers)
    app.router.redirect_slashes = False
    return Guard(app, front)


class _Pages:
    """The handlers. The slide name in a request may be anything."""

    def __init__(self, slides: OpenedSlides) -> None:
        self._slides = slides

    def list(self, _request: Request) -> Response:
        entries = [list_entry(scored) for scored in self._slides.catalogue.values()]
        return JSONResponse({"slides": entries, "colours": COLOUR_TABLE.tolist()}, headers=FRESH)

    def facts(self, request: Request) -> Response:
        slide = self._slide(request)
        if slide.scored.record() != slide.record or slide.record is None or not slide.record.finished:
            self._slides.forget(slide.scored.name)  # it was scored again, or scoring goes on
            slide = self._slide(request)
        return JSONResponse(slide_facts(slide), headers=FRESH)

    def scores(self, request: Request) -> Response:
        return _numbers(self._slide(request).rasters.scores.astype("<f4"))

    def p_values(self, request: Request) -> Response:
        return _numbers(self._slide(request).rasters.p_values.astype("<f4"))

    def marks(self, request: Request) -> Response:
        return _numbers(self._slide(request).rasters.marks.astype("<u2"))

    def outlines(self, request: Request) -> Response:
        return JSONResponse(self._slide(request).outlines, headers=FRESH)

    def icon(self, request: Request) -> Response:
        scored = self._slides.catalogue.get(request.path_params["name"])
        if scored is None:
            raise HTTPException(404)
        # Not through the opened slides: a long list would close the slide that is being viewed.
        return _jpeg(draw_icon(ScoreStore.open(scored.store), scored.file(OVERLAY_NAME)), FRESH)

    def zoom_tile(self, request: Request) -> Response:
        picture, place = self._slide(request).picture, _zoom_place(request)
        if place[0] > picture.finest_level or not picture.deep_zoom.has(*place):
            raise HTTPException(404)
        pixels, could_be_read = picture.zoom_tile(*place)
        # A browser shows a picture only with status 200, so a header marks it as unreadable.
        return _jpeg(pixels, FOR_A_WHILE if could_be_read else FRESH | {"X-Tile": "unreadable"})

    def map_tile(self, request: Request) -> Response:
        cells = _with_maps(self._slide(request)).zoom_tile(*_zoom_place(request))
        if cells is None:
            raise HTTPException(404)
        return _png(cells, FOR_A_WHILE)

    def tile(self, request: Request) -> Response:
        slide = self._slide(request)
        return _jpeg(slide.picture.scored_tile(_number(slide, request)), FOR_A_WHILE)

    def tile_map(self, request: Request) -> Response:
        slide = self._slide(request)
        return _png(_with_maps(slide).of_tile(_number(slide, request)), FOR_A_WHILE)

    def _slide(self, request: Request) -> OpenedSlide:
        try:
            return self._slides.get(request.path_params["name"])
        except KeyError:
            raise HTTPException(404) from None


def _zoom_place(request: Request) -> tuple[int, int, int]:
    level, column, row = (int(request.path_params[name]) for name in ("level", "column", "row"))
    return level, column, row


def _number(slide: OpenedSlide, request: Request) -> int:
    number = tile_number(slide.store, request.path_params["row"], request.path_params["column"])
    if number is None:
        raise HTTPException(404)
    return number


def _with_maps(slide: OpenedSlide) -> PixelMapPicture:
    if slide.pixel_map is None:
        raise HTTPException(404)
    return slide.pixel_map


def _error(_request: Request, error: Exception) -> Response:
    """The message of an error with a slide or a store, for the page to show."""
    return JSONResponse({"error": str(error)}, 422, headers=FRESH)


def _silent(_request: Request, error: Exception) -> Response:
    """The same for a slide that did not answer in time."""
    return JSONResponse({"error": str(error)}, 503, headers=FRESH | {"Retry-After": "10"})


def _numbers(values: NDArray[Any]) -> Response:
    return Response(values.tobytes(), media_type="application/octet-stream", headers=FRESH)


def _jpeg(pixels: NDArray[np.uint8], headers: dict[str, str]) -> Response:
    return Response(
        _encoded(pixels, format="JPEG", quality=JPEG_QUALITY, subsampling="4:4:4"),
        media_type="image/jpeg",
        headers=headers,
    )


def _png(pixels: NDArray[np.uint8], headers: dict[str, str]) -> Response:
    return Response(_encoded(pixels, format="PNG", compress_level=1), media_type="image/png", headers=headers)


def _encoded(pixels: NDArray[np.uint8], **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, **options)
    return buffer.getvalue()
