"""What was computed of tiles and still lies on the device: several quantities that come to the host in one copy.

A GPU computes while Python goes on, until something is copied: each copy waits for all that was launched before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class OnDevice:
    """Quantities of n tiles side by side, (n, k) float32, and the shape that each of them has for a tile, by name."""

    packed: Tensor
    shapes: Mapping[str, tuple[int, ...]]

    @classmethod
    def joined(cls, batches: Sequence[Mapping[str, Tensor]], count: int) -> Self:
        """The first ``count`` tiles of batches that all have the same quantities; there is at least one batch.

        Whole numbers must be below 2^24, or float32 would round them.
        """
        shapes = {name: tuple(values.shape[1:]) for name, values in batches[0].items()}
        rows = [torch.cat([values.flatten(1).float() for values in _columns(batch)], dim=1) for batch in batches]
        return cls(torch.cat(rows)[:count], shapes)

    def fetched(self) -> dict[str, NDArray[np.float32]]:
        """All of them on the host, (n, ...) each; waits until they are computed."""
        values, edges = self.packed.cpu().numpy(), np.cumsum([prod(shape) for shape in self.shapes.values()])
        parts = np.split(values, edges[:-1], axis=1)
        return {
            name: np.ascontiguousarray(part).reshape(len(values), *shape)
            for (name, shape), part in zip(self.shapes.items(), parts, strict=True)
        }


def _columns(batch: Mapping[str, Tensor]) -> list[Tensor]:
    return [values[:, None] if values.ndim == 1 else values for values in batch.values()]
