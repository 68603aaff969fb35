"""Feed every reader with damaged files, each with a limit of memory and time; ``make fuzz`` does this at length.

    python -m tests.hostile.fuzz --inputs 200000 [--reader geojson] [--first 0] [--folder build/fuzz]

An input that ends a reader in any way but a value or a `WsiHaloaeError`, or that takes over 10 s or 1 GiB, is kept in
the folder, with what it did. The same number gives the same input: make it a test, mend its kind, and run it again.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.forked import start
from tests.data_paths import REPOSITORY
from tests.hostile.batch import Inputs
from tests.hostile.readers import READERS

BATCH = 2000
SCRIPT = Path(__file__).with_name("batch.py")
EVENT = re.compile(r'^\{"(?:begun|failed)": .*\}$', re.MULTILINE)
"""A line of `batch` among what libraries say."""


@dataclass(frozen=True)
class Failure:
    """An input that failed."""

    reader: str
    number: int
    why: str


def fuzz(name: str, first: int, count: int, folder: Path) -> Iterator[Failure]:
    """The inputs that fail, of ``count`` from number ``first`` on."""
    end = first + count
    while first < end:
        begun, said = first, folder / f"{name}.log"
        folder.mkdir(parents=True, exist_ok=True)
        batch = start(SCRIPT, name, str(first), str(min(BATCH, end - first)), folder / name, said=said)
        batch.join()
        told = said.read_text(errors="replace")
        for event in map(json.loads, EVENT.findall(told)):
            begun = event.get("begun", begun)
            if "failed" in event:
                yield Failure(name, event["failed"], event["why"])
        if batch.exitcode:
            yield Failure(name, begun, f"the process died (exit {batch.exitcode}): {told[-2000:]}")
            first = begun + 1
        else:
            first = min(first + BATCH, end)


def keep(failure: Failure, folder: Path) -> None:
    """Write the input again, and what it did, beside each other."""
    inputs = Inputs(failure.reader, folder / failure.reader)
    kept = folder / "failed" / f"{failure.reader}-{failure.number}"
    kept.mkdir(parents=True, exist_ok=True)
    path = inputs.write(failure.number)
    shutil.copyfile(path, kept / path.name)
    (kept / "why.txt").write_text(f"{path.relative_to(inputs.place)}\n{failure.why}\n")
    shutil.rmtree(inputs.place)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--inputs", type=int, default=20_000, help="how many, over all readers")
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--reader", choices=READERS, help="only this one")
    parser.add_argument("--folder", type=Path, default=REPOSITORY / "build/fuzz")
    given = parser.parse_args()
    names = [given.reader] if given.reader else list(READERS)
    shares = {name: 1 / READERS[name].seldom for name in names}
    failed = 0
    for name in names:
        count, begun, failures = round(given.inputs * shares[name] / sum(shares.values())), time.monotonic(), 0
        for failure in fuzz(name, given.first, count, given.folder):
            keep(failure, given.folder)
            failures += 1
            print(f"{name} {failure.number}: {failure.why.strip().splitlines()[-1][:200]}", flush=True)
        rate = count / (time.monotonic() - begun)
        print(f"{name}: {count:,} inputs, {failures} failed, {rate:.0f} a second", flush=True)
        failed += failures
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
