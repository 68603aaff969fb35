"""Training batches. Each depends only on (seed, step), so that a resumed run gets the same ones."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from wsi_haloae.config import TrainingConfig
from wsi_haloae.errors import UsageError
from wsi_haloae.tiles.sources import TileSource
from wsi_haloae.training.augmentation import augment
from wsi_haloae.training.cutpaste import paste_patch, paste_scar
from wsi_haloae.training.order import TileOrder
from wsi_haloae.training.ranks import ALONE, Ranks


class TrainingBatches(Dataset[tuple[Tensor, Tensor]]):
    """Batch of step i: uint8 tiles (n, s, s, 3) and which of them are damaged, bool (n,).

    Undamaged tiles come in the sequence of ``order``. The first ``damaged_per_batch`` tiles of a batch are followed by
    two damaged copies each; ``copies=False`` leaves out all copies, for a training whose losses need none. With several
    ``ranks``, each process gets an equal share of the undamaged tiles, and of those with copies.
    """

    def __init__(
        self,
        source: TileSource,
        order: TileOrder,
        config: TrainingConfig,
        steps: int,
        *,
        copies: bool = True,
        ranks: Ranks = ALONE,
    ) -> None:
        self._source, self._order, self._config, self._steps = source, order, config, steps
        wanted = config.originals_per_batch if config.damaged_per_batch is None else config.damaged_per_batch
        self._damaged = wanted if copies else 0
        for name, count in (("originals_per_batch", config.originals_per_batch), ("damaged_per_batch", self._damaged)):
            if count % ranks.world:
                raise UsageError(
                    f"training.{name} is {count}, which {ranks.world} processes cannot share equally; "
                    f"use a multiple: --set training.{name}={-(-count // ranks.world) * ranks.world}"
                )
        self._slots = range(ranks.rank, config.originals_per_batch, ranks.world)

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        if not 0 <= step < self._steps:
            raise IndexError(step)
        views, damaged = [], []
        for slot in self._slots:
            random = np.random.default_rng((self._config.seed, 1, step, slot))
            tile = self._source.read(self._order.tile(step * self._config.originals_per_batch + slot))
            image = augment(tile, self._config, random)
            views.append(image)
            damaged.append(False)
            if slot < self._damaged:
                views += [paste_patch(image, random), paste_scar(image, random)]
                damaged += [True, True]
        return torch.from_numpy(np.stack(views)), torch.tensor(damaged)


def stream(batches: TrainingBatches, start: int, workers: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches from step ``start`` on, prepared ahead by ``workers`` processes (0: in this process)."""
    loader = DataLoader(
        batches,
        batch_size=None,
        sampler=range(start, len(batches)),
        num_workers=workers,
        pin_memory=torch.cuda.is_available(),
        multiprocessing_context="spawn" if workers else None,
    )
    yield from loader
