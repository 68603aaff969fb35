"""Open handles of one slide for many threads. Threads could share one, but after an error it fails for all of them.

`ThreadHandles` keeps one handle per thread of a pool until the work ends. `HandlePool` keeps a few handles that any
thread may borrow. It is for a server, whose threads come and go.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from wsi_haloae.slide.properties import Slide


class ThreadHandles:
    """Opens a slide once in each thread that asks for it, and closes them all together.

    The thread pool must be idle when `close` is called (leave its ``with`` block first).

        with ThreadHandles(lambda: open_slide(path)) as handles, ThreadPoolExecutor(4) as pool:
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


MOST = 4
"""Most handles per slide. Each has OpenSlide's cache of decoded tiles, 32 MB, and may have one of its own, as large."""


class HandlePool:
    """Slide handles, opened with ``opener``, that any thread may borrow.

    with pool.borrowed() as slide:
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
        """A handle for this thread alone. Waits if all are in use. Raises what the opener raises."""
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
        """Close idle handles now, and borrowed ones when they come back. Closing twice does nothing."""
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
