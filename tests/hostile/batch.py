"""Damaged inputs for one reader, read one after another in this process, which has limits; started by `fuzz`.

    python -m tests.hostile.batch READER FIRST COUNT FOLDER

Prints a line of JSON before each input, and one for each that fails. If this process dies, the last line names the
input.
"""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import resource
import shutil
import sys
import time
import traceback
import warnings
import zlib
from pathlib import Path

import numpy as np

from tests.hostile.mutations import mutated
from tests.hostile.readers import READERS, FuzzedReader

MOST_SECONDS, HANGING_SECONDS = 10, 90
"""Of the processor, so that inputs do not fail on a busy machine; and by the clock, for those that wait for ever."""
MOST_BYTES = 1 << 30
"""Above what the process has before. The system's limit is twice that, because it counts addresses, not use."""


class Inputs:
    """The damaged inputs of one reader; number n is always the same."""

    def __init__(self, name: str, folder: Path) -> None:
        self._name, self._folder = name, folder
        whole = folder / "whole"
        if not whole.exists():
            whole.mkdir(parents=True)
            READERS[name].make(whole)
        self._originals = {
            path.relative_to(whole): path.read_bytes() for path in sorted(whole.rglob("*")) if path.is_file()
        }
        self.place = folder / f"damaged-{os.getpid()}"
        shutil.copytree(whole, self.place)

    def write(self, number: int) -> Path:
        """Write an input among the whole files, and return its path."""
        rng = np.random.default_rng([zlib.crc32(self._name.encode()), number])
        names = list(self._originals)
        name, other = (names[rng.integers(len(names))] for _ in range(2))
        path = self.place / name
        path.write_bytes(mutated(path, self._originals[name], self._originals[other], rng))
        return path

    def restore(self, path: Path) -> None:
        """Make a damaged file whole again."""
        path.write_bytes(self._originals[path.relative_to(self.place)])


def problem(reader: FuzzedReader, path: Path, folder: Path) -> str | None:
    """What is wrong with how a reader takes an input; None if it reads it, or refuses it in our own words."""
    from wsi_haloae.errors import WsiHaloaeError

    before, begun = _peak(reset=True), time.process_time()
    try:
        reader.read(path, folder)
    except WsiHaloaeError as error:
        if not str(error).strip():
            return "an error without words"
    except Exception:  # noqa: BLE001  # whatever it is, it is reported
        return traceback.format_exc()
    taken, seconds = _peak() - before, time.process_time() - begun
    if taken > MOST_BYTES:
        return f"{taken >> 20:,} MiB of memory"
    return f"{seconds:.1f} s" if seconds > MOST_SECONDS else None


def _peak(*, reset: bool = False) -> int:
    """The most memory that this process had in use since the last reset, in bytes; 0 where the system does not say."""
    try:
        if reset:
            Path("/proc/self/clear_refs").write_text("5")
        status = Path("/proc/self/status").read_text()
    except OSError:
        return 0
    return int(status.partition("VmHWM:")[2].split()[0]) << 10


def _limit_memory() -> None:
    try:
        size = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (size + 2 * MOST_BYTES, resource.RLIM_INFINITY))


def main() -> None:
    name, first, count, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    logging.disable()
    warnings.simplefilter("ignore")
    reader, inputs = READERS[name], Inputs(name, folder)
    warm = inputs.write(first)
    inputs.restore(warm)
    problem(reader, warm, inputs.place)  # the first loads libraries, which may take longer than any input may
    _limit_memory()
    try:
        for number in range(first, first + count):
            print(json.dumps({"begun": number}), flush=True)
            faulthandler.dump_traceback_later(HANGING_SECONDS, exit=True)
            path = inputs.write(number)
            found = problem(reader, path, inputs.place)
            faulthandler.cancel_dump_traceback_later()
            if found:
                print(json.dumps({"failed": number, "why": found}), flush=True)
            inputs.restore(path)
    finally:
        shutil.rmtree(inputs.place, ignore_errors=True)


if __name__ == "__main__":
    main()
