"""Addresses that name a slide, and a place on it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from wsi_haloae.viewer.opened import OpenedSlides

PLACE: Final = "place"
"""The name of `_Place` in routes."""


def on_its_threads(
    slides: OpenedSlides, handler: Callable[[Request], Response]
) -> Callable[[Request], Awaitable[Response]]:
    """``handler``, called on the threads of the slide that the request names, within a time limit."""

    async def answer(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in slides.catalogue:
            raise HTTPException(404)
        return await slides.threads(name).run(partial(handler, request))

    return answer


class _Place(Convertor[int]):
    """A level, row or column. Longer numbers are of no slide, and Python refuses to read numbers of 5,000 digits."""

    regex = "[0-9]{1,9}"

    def convert(self, value: str) -> int:
        return int(value)

    def to_string(self, value: int) -> str:
        return str(value)


register_url_convertor(PLACE, _Place())
