"""Answers about marked tiles.

    GET     the tiles that are saved
    POST    scores adapted to the given tiles; nothing is written
    PUT     the same, after writing them

Requests are a JSON list of places. Answers to POST and PUT are facts and values of all tiles in one: a line of JSON,
padded with spaces to a multiple of four bytes, then the scores, p-values and marks of `rasters`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from wsi_haloae.errors import AnnotationError, UsageError
from wsi_haloae.viewer.addresses import on_its_threads
from wsi_haloae.viewer.facts import shown_facts
from wsi_haloae.viewer.opened import OpenedSlide, OpenedSlides
from wsi_haloae.viewer.rasters import Rasters

MOST_BYTES: Final = 1 << 18
"""Of a request: `MOST_MARKS` places of 4,096 x 4,096, with room."""
FRESH = {"Cache-Control": "no-store"}


def marking_route(address: str, slides: OpenedSlides) -> list[Route]:
    """The routes of one slide's marks, at an ``address`` that contains ``{name}``."""
    pages = _MarkingPages(slides)
    return [
        Route(address, on_its_threads(slides, pages.saved)),
        Route(address, pages.preview, methods=["POST"]),
        Route(address, pages.save, methods=["PUT"]),
    ]


class _MarkingPages:
    def __init__(self, slides: OpenedSlides) -> None:
        self._slides = slides

    def saved(self, request: Request) -> Response:
        slide = self._slide(request)
        return JSONResponse(_saved_facts(slide), headers=FRESH)

    async def preview(self, request: Request) -> Response:
        return await self._with_places(self._preview, request)

    async def save(self, request: Request) -> Response:
        return await self._with_places(self._save, request)

    async def _with_places(self, work: Callable[..., Response], request: Request) -> Response:
        places = await _sent(request)
        return await on_its_threads(self._slides, partial(work, places=places))(request)

    def _preview(self, request: Request, places: object) -> Response:
        slide = self._slide(request)
        shown = slide.marking.preview(slide.marking.numbers(places))
        rasters = Rasters(shown, slide.criterion)
        return _together(shown_facts(shown, slide.criterion), rasters)

    def _save(self, request: Request, places: object) -> Response:
        slide = self._slide(request)
        slide.marking.save(slide.marking.numbers(places))
        self._slides.forget(slide.scored.name)
        slide = self._slide(request)
        facts = shown_facts(slide.store, slide.criterion) | _saved_facts(slide) | {"not_exported": slide.not_exported}
        return _together(facts, slide.rasters)

    def _slide(self, request: Request) -> OpenedSlide:
        try:
            return self._slides.get(request.path_params["name"])
        except KeyError:
            raise HTTPException(404) from None


def _saved_facts(slide: OpenedSlide) -> dict[str, Any]:
    """The tiles that are saved, those to which the shown scores are adapted, and what is wrong with the file or ""."""
    marking, trouble = slide.marking, ""
    shown = marking.adapted_by()
    try:
        saved = marking.saved()
    except AnnotationError as error:
        saved, trouble = shown, str(error)
    return {"marked": marking.places(saved), "adapted_by": marking.places(shown), "trouble": trouble}


async def _sent(request: Request) -> object:
    """The JSON of a request. Raises `UsageError` if it is none, and status 413 if it is too long."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            raise HTTPException(413)
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise UsageError("The request is not JSON.") from None


def _together(facts: dict[str, Any], rasters: Rasters) -> Response:
    line = json.dumps(facts).encode()
    parts: list[NDArray[Any]] = [
        rasters.scores.astype("<f4"),
        rasters.p_values.astype("<f4"),
        rasters.marks.astype("<u2"),
    ]
    padded = line + b" " * (-(len(line) + 1) % 4) + b"\n"
    body = padded + b"".join(np.ascontiguousarray(part).tobytes() for part in parts)
    return Response(body, media_type="application/octet-stream", headers=FRESH)
