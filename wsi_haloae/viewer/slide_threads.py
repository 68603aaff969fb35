"""Threads that read one slide, with a deadline: a slide on a dead network mount stops nobody else.

No call of the operating system that waits for a dead mount can be taken back. So each slide has a few threads of its
own, which can all hang without taking anything from other slides, and requests wait for them in the event loop, where
waiting costs no thread. The threads are daemons, so that a hanging one does not keep the server from ending.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Final, TypeVar

from wsi_haloae.errors import SlideError

MOST_THREADS: Final = 4
"""As many as a slide has handles."""
DEADLINE: Final = 10.0
"""Seconds for a request: to open the slide, to read from it, and to wait for its other requests."""
Result = TypeVar("Result")


class SlideSilentError(SlideError):
    """A slide did not answer in time."""


class SlideThreads:
    """The threads of the slide ``name``. They start when there is work, and end when there is none."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._waiting: deque[Callable[[], None]] = deque()
        self._begun: dict[int, float] = {}

    async def run(self, work: Callable[[], Result]) -> Result:
        """The result of ``work``, done on one of the threads. Raises what it raises, and `SlideSilentError`."""
        if self._stuck():
            raise self._silent()
        try:
            return await asyncio.wait_for(asyncio.wrap_future(self.submit(work)), DEADLINE)
        except TimeoutError:
            raise self._silent() from None

    def submit(self, work: Callable[[], Result]) -> Future[Result]:
        """Do ``work`` on one of the threads, in turn. Work that is cancelled before its turn is not done."""
        result: Future[Result] = Future()
        with self._lock:
            self._waiting.append(partial(_do, work, result))
            number = next((number for number in range(MOST_THREADS) if number not in self._begun), None)
            if number is not None:
                self._begun[number] = time.monotonic()
                threading.Thread(target=self._work, args=(number,), name=f"slide {self._name}", daemon=True).start()
        return result

    def _work(self, number: int) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    del self._begun[number]
                    return
                work = self._waiting.popleft()
                self._begun[number] = time.monotonic()
            work()

    def _stuck(self) -> bool:
        """Whether every thread has been at the same work for longer than any request may take."""
        with self._lock:
            late = time.monotonic() - DEADLINE
            return len(self._begun) == MOST_THREADS and max(self._begun.values()) < late

    def _silent(self) -> SlideSilentError:
        return SlideSilentError(
            f"{self._name}: the slide or its scores could not be read within {DEADLINE:.0f} seconds. The disk or "
            "network mount that holds them may be slow or gone; other slides can be viewed. Reload the page to try "
            "again."
        )


def _do(work: Callable[[], Result], result: Future[Result]) -> None:
    if not result.set_running_or_notify_cancel():
        return
    try:
        result.set_result(work())
    except BaseException as error:  # noqa: BLE001  # whoever waits for the result gets it
        result.set_exception(error)
