"""Open a slide in a process of its own first, which may not take more memory and time than the table allows.

OpenSlide and the libraries below it trust what a file says, and cannot be interrupted: a few kilobytes can take all
memory, hang, or crash the process. Only the other process dies of it, and the slide is refused. It takes about 0.1 s,
once per file and process.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Literal

from wsi_haloae.bounds.own_process import without_malloc_settings
from wsi_haloae.bounds.table import SLIDE_OPEN_BYTES, SLIDE_OPEN_SECONDS, SLIDE_TILE_PIXELS
from wsi_haloae.bounds.tiff import read_pages
from wsi_haloae.errors import SlideError
from wsi_haloae.slide.slide_file import OncePerFile

CHILD = Path(__file__).with_name("probe_child.py")
WAITING = 6
"""Of this many seconds one may be work for the processor: a slow network takes more time, but no more work."""

Library = Literal["openslide", "tifffile"]
_harmless = OncePerFile[None](1024)


def require_harmless(path: Path, library: Library = "openslide") -> None:
    """Raise `SlideError` for a slide that ``library`` cannot open within the limits.

    Files that passed are not tried again.
    """

    def find() -> None:
        file.seek(0)
        for page in read_pages(file, path, SlideError):
            SLIDE_TILE_PIXELS.require(page.tile_width * page.tile_height, path, SlideError)
        _try_to_open(path, library)

    with path.open("rb") as file:
        _harmless.ask(path, file, find)


def _try_to_open(path: Path, library: Library) -> None:
    seconds, most = SLIDE_OPEN_SECONDS.most, SLIDE_OPEN_BYTES.most
    work = max(1, seconds // WAITING)
    command = [sys.executable, "-P", os.fspath(CHILD), os.fspath(path), *map(str, (most, work, seconds)), library]
    quiet = subprocess.DEVNULL
    child = subprocess.Popen(  # noqa: S603  # our own program
        command, stdin=quiet, stdout=quiet, stderr=quiet, env=without_malloc_settings()
    )
    try:
        code = child.wait(seconds)
    except subprocess.TimeoutExpired:
        raise _refused(path, f"did not open within {seconds} s ({SLIDE_OPEN_SECONDS.variable})") from None
    finally:
        if child.returncode is None:
            child.kill()
            with suppress(subprocess.TimeoutExpired):  # it may hang in a system call; then it is left behind
                child.wait(1)
    if code:
        raise _refused(path, f"could not be opened with {most:,} bytes of memory ({SLIDE_OPEN_BYTES.variable})")


def _refused(path: Path, why: str) -> SlideError:
    return SlideError(
        f"{path}: the slide {why}. The file is probably damaged: copy it again from its source. If it is right, raise "
        "the environment variable in brackets."
    )
