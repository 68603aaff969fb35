"""One open slide per thread: OpenSlide handles are safe to share, but one error latches all of them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from wsi_haloae.slide.properties import Slide


class SlideHandles:
    """Opens a slide once in each thread that asks for it, and closes them all together.

    The thread pool must be idle when `close` is called (leave its ``with`` block first).

        with SlideHandles(lambda: open_slide(path)) as handles, ThreadPoolExecutor(4) as pool:
            regions = list(pool.map(lambda box: handles.get().read_region(*box), boxes))
    """

    def __init__(self, opener: Callable[[], Slide]) -> None:
        self._opener = opener
        self._of_this_thread = threading.local()
        self._all: list[Slide] = []
        self._lock = threading.Lock()
        self._closed = False

    def get(self) -> Slide:
        """The calling thread's slide; raises what the opener raises, and `ValueError` once closed."""
        if self._closed:
            raise ValueError("the slide handles are closed")
        slide: Slide | None = getattr(self._of_this_thread, "slide", None)
        if slide is None:
            slide = self._opener()
            with self._lock:
                self._all.append(slide)
            self._of_this_thread.slide = slide
        return slide

    def close(self) -> None:
        """Close every thread's slide. Closing twice does nothing."""
        self._closed = True
        with self._lock:
            while self._all:
                self._all.pop().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
