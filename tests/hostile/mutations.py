"""Damage to files: of any bytes, and of documents by their own structure. The same generator gives the same damage."""

from __future__ import annotations

import copy
import gzip
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml

Rng = np.random.Generator
NUMBERS = (0, 1, 2, 3, 7, 16, 127, 128, 255, 256, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1)
VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        2,
        15,
        16,
        255,
        10**8,
        2**31,
        2**63,
        10**30,
        10**400,
        -0.0,
        0.5,
        1e30,
        1e308,
        1e-308,
    ),
    *(
        float("nan"),
        float("inf"),
        -float("inf"),
        "",
        "NA",
        "null",
        "4.6x",
        "=1+1",
        "\0",
        "\x1b[31m",
        "\ud800",
        "..",
        "/",
    ),
    *([], {}, [[]], [None], {"name": None}, "x" * 5000, list(range(300))),
)


def mutated(path: Path, data: bytes, other: bytes, rng: Rng) -> bytes:
    """``data`` of a file with this name, damaged; ``other`` is another file of its kind."""
    structured = _STRUCTURED.get(path.suffix)
    if structured is not None and rng.random() < 0.6:
        try:
            return structured(data, rng)
        except (ValueError, yaml.YAMLError, RecursionError):
            pass
    if path.suffix == ".gz" and rng.random() < 0.8:
        return gzip.compress(mutated(path.with_suffix(""), gzip.decompress(data), other, rng), 1)
    for _ in range(int(rng.integers(1, 5))):
        data = BYTES[rng.integers(len(BYTES))](data, other, rng)
    return data


def _place(data: bytes, rng: Rng) -> int:
    """Anywhere; half of the time near the beginning, where headers are."""
    if not data:
        return 0
    return int(rng.integers(min(len(data), 512) if rng.random() < 0.5 else len(data)))


def _flip(data: bytes, _other: bytes, rng: Rng) -> bytes:
    changed = bytearray(data)
    if changed:
        changed[_place(data, rng)] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _number(data: bytes, _other: bytes, rng: Rng) -> bytes:
    """A length, count or offset that is not true."""
    at, width = _place(data, rng), int(rng.choice([1, 2, 4, 8]))
    value = NUMBERS[rng.integers(len(NUMBERS))] % (1 << 8 * width)
    order = "little" if rng.random() < 0.6 else "big"
    return data[:at] + value.to_bytes(width, order) + data[at + width :]


def _cut(data: bytes, _other: bytes, rng: Rng) -> bytes:
    return data[: _place(data, rng)]


def _removed(data: bytes, _other: bytes, rng: Rng) -> bytes:
    at = _place(data, rng)
    return data[:at] + data[at + int(rng.integers(1, 64)) :]


def _repeated(data: bytes, _other: bytes, rng: Rng) -> bytes:
    at, width, times = _place(data, rng), int(rng.integers(1, 256)), int(rng.choice([1, 2, 50]))
    return data[:at] + data[at : at + width] * times + data[at:]


def _spliced(data: bytes, other: bytes, rng: Rng) -> bytes:
    return data[: _place(data, rng)] + other[_place(other, rng) :]


def _random(data: bytes, _other: bytes, rng: Rng) -> bytes:
    at, width = _place(data, rng), int(rng.integers(1, 32))
    return data[:at] + rng.bytes(width) + data[at + width :]


BYTES: tuple[Callable[[bytes, bytes, Rng], bytes], ...] = (
    _flip,
    _number,
    _number,
    _cut,
    _removed,
    _repeated,
    _spliced,
    _random,
)


def _json(data: bytes, rng: Rng) -> bytes:
    return json.dumps(_changed(json.loads(data), rng)).encode()


def _yaml(data: bytes, rng: Rng) -> bytes:
    return yaml.safe_dump(_changed(yaml.safe_load(data), rng), allow_unicode=True).encode("utf-8", "surrogatepass")


def _csv(data: bytes, rng: Rng) -> bytes:
    rows = [line.split(",") for line in data.decode().splitlines()]
    for _ in range(int(rng.integers(1, 4))):
        row = rows[rng.integers(len(rows))]
        value = VALUES[rng.integers(len(VALUES))]
        row[rng.integers(len(row))] = value if isinstance(value, str) else str(value)
    return "\n".join(",".join(row) for row in rows).encode("utf-8", "surrogatepass")


def _changed(document: Any, rng: Rng) -> Any:
    """Some values replaced, removed, exchanged, repeated or nested."""
    for _ in range(int(rng.integers(1, 4))):
        places = list(_places(document))
        if not places:
            return VALUES[rng.integers(len(VALUES))]
        holder, key = places[rng.integers(len(places))]
        source, other = places[rng.integers(len(places))]
        how = rng.integers(6)
        if how == 0:
            del holder[key]
        elif how == 1:
            holder[key] = copy.deepcopy(source[other])
        elif how == 2 and isinstance(holder, list):
            holder.extend(copy.deepcopy([holder[key]]) * int(rng.choice([1, 100])))
        elif how == 3:
            for _ in range(int(rng.choice([1, 20, 400]))):
                holder[key] = [holder[key]]
        else:
            holder[key] = copy.deepcopy(VALUES[rng.integers(len(VALUES))])
    return document


def _places(document: Any) -> Iterator[tuple[Any, Any]]:
    """(holder, key) of every value inside a document."""
    waiting = [document]
    while waiting:
        holder = waiting.pop()
        keys = list(holder) if isinstance(holder, dict) else range(len(holder)) if isinstance(holder, list) else ()
        for key in keys:
            yield holder, key
            waiting.append(holder[key])


def _safetensors(data: bytes, rng: Rng) -> bytes:
    """A safetensors file with its header, and the header inside that, changed by structure."""
    stream = io.BytesIO(data)
    length = int.from_bytes(stream.read(8), "little")
    header = json.loads(stream.read(length))
    if rng.random() < 0.7:
        inner = json.loads(header["__metadata__"]["wsi-haloae"])
        header["__metadata__"]["wsi-haloae"] = json.dumps(_changed(inner, rng))
    else:
        header = _changed(header, rng)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + stream.read()


_STRUCTURED: dict[str, Callable[[bytes, Rng], bytes]] = {
    ".json": _json,
    ".geojson": _json,
    ".yaml": _yaml,
    ".csv": _csv,
    ".safetensors": _safetensors,
}
