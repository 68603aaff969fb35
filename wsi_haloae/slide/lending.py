"""A few open handles of one slide, lent to whichever thread needs one: for a server, whose threads come and go.

`SlideHandles` keeps a handle for each thread of a pool until the work ends. Here no more than `MOST` reads of a slide
run at a time, a handle goes back when its region is read, and the slide can be closed while reads are under way.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from wsi_haloae.slide.properties import Slide

MOST = 4
"""Handles of a slide: each has OpenSlide's cache of decoded tiles, 32 MB."""


class SlideLender:
    """Lends handles that ``opener`` opens.

    with lender.borrowed() as slide:
        region = slide.read_region(...)
    """

    def __init__(self, opener: Callable[[], Slide]) -> None:
        self._opener = opener
        self._turns = threading.BoundedSemaphore(MOST)
        self._lock = threading.Lock()
        self._idle: list[Slide] = []
        self._closed = False

    @contextmanager
    def borrowed(self) -> Iterator[Slide]:
        """A handle of one's own for a while; waits for one where all are lent. Raises what the opener raises."""
        with self._turns:
            with self._lock:
                slide = self._idle.pop() if self._idle else None
            if slide is None:
                slide = self._opener()
            try:
                yield slide
            finally:
                self._take_back(slide)

    def close(self) -> None:
        """Close what is not lent now; what is, when it comes back. Closing twice does nothing."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for slide in idle:
            slide.close()

    def _take_back(self, slide: Slide) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(slide)
                return
        slide.close()
