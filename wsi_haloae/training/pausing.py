"""Ctrl-C during a training waits for the step in progress, so that everything learned until then can be saved."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from wsi_haloae.progress import Reporter


@contextmanager
def pausable(reporter: Reporter, *, wanted: bool) -> Iterator[Callable[[], bool]]:
    """The first Ctrl-C only makes the yielded function return True; a second one interrupts at once.

    Where somebody else handles or ignores Ctrl-C, in another thread than the main one, or if it is not ``wanted``,
    nothing changes.
    """
    pressed: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        if pressed:
            raise KeyboardInterrupt
        pressed.append(number)
        reporter.line("interrupted: this step is finished and saved first; press Ctrl-C again to stop without saving")

    main = threading.current_thread() is threading.main_thread()
    if not (wanted and main and signal.getsignal(signal.SIGINT) is signal.default_int_handler):
        yield lambda: False
        return
    signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
