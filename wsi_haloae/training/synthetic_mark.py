"""The mark that decides when a training stops if ``training.stop_by`` is *synthetic*, and which weights are the best.

A decoder that copies its input has a low residual everywhere, so a low held-out loss does not show that it is useful.
The mark asks for the contrast: held-out tiles are damaged, and it is the probability that a damaged cell has a larger
residual than the same place of an unchanged held-out tile (an AUROC within each place). It is about a half for a
decoder that copies everything, and 1 for one that rebuilds only what is usual. Mean over damaged tiles, then over
kinds.

    pasted patch, pasted scar   Cut&Paste (block A); the damaged cells are where pixels changed
    shuffled, magnified, ...    `SYNTHETIC_ANOMALIES`; nearly all cells. Only for tiles with a scale: an object is
                                not tissue, and half a screw is no anomaly that anybody looks for

Places are compared with the same place because images may show aligned objects, whose edges are hard to rebuild
whether or not they are damaged; for tiles of slides it makes no difference. Damage is drawn once, by the seed and the
number of the tile, so that epochs differ by the weights alone. The features of the tiles never change either: they
are computed once, and a mark costs only block C.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from wsi_haloae.features.preprocessing import normalise, tissue_cells, to_unit
from wsi_haloae.model.anomaly_map import residual_map
from wsi_haloae.model.cosine import Directions
from wsi_haloae.model.haloae import HaloAE
from wsi_haloae.scoring.measured import FLOOR
from wsi_haloae.scoring.pooling import counted
from wsi_haloae.tiles.sources import evenly
from wsi_haloae.training.cutpaste import paste_patch, paste_scar
from wsi_haloae.training.job import TrainingJob
from wsi_haloae.training.synthetic_anomalies import SYNTHETIC_ANOMALIES, Tile

MOST_TILES = 64
"""At most so many unchanged tiles, and so many damaged ones; the kinds take turns if all would be more."""
KEPT_BYTES = 1024**3
"""Up to this size, features are kept in half precision; beyond it they are computed again for each mark."""
CHANGED_SHARE = 0.25
"""Share of a cell's pixels that must have changed for the cell to be damaged."""
BATCH = 16

Damage = Callable[[Tile, np.random.Generator], Tile]
LOCAL: Mapping[str, Damage] = {"pasted patch": paste_patch, "pasted scar": paste_scar}


class SyntheticMark:
    """Marks the reconstruction of a job's held-out tiles; ``model`` is the one that is trained."""

    def __init__(self, job: TrainingJob, model: HaloAE, device: torch.device) -> None:
        self._source, self._seed, self._glass = (
            job.data.source,
            job.config.training.seed,
            job.config.scoring.glass_level,
        )
        self._model, self._device = model, device
        by_direction = str(job.config.loss.fm_terms) == "cosine"
        self._directions = Directions.of(job.config, model.backbone.layer_channels) if by_direction else None
        self._kinds = LOCAL if job.mpp is None else {**LOCAL, **SYNTHETIC_ANOMALIES}
        most = min(MOST_TILES, job.config.training.validation_tiles)
        chosen = [int(number) for number in evenly(job.data.validation, most)]
        self._unchanged, self._damaged = chosen, list(damaged_tiles(chosen, list(self._kinds), MOST_TILES))
        size = (len(chosen) + len(self._damaged)) * model.backbone.channels * model.map_size**2 * 2
        self._keep, self._kept = size <= KEPT_BYTES, list[tuple[Tensor, Tensor]]()

    @torch.inference_mode()
    def measure(self) -> dict[str, float]:
        """The mark of each kind with the model's present weights, which must be in evaluation mode.

        Not a number if a residual is none.
        """
        residuals, cells = [], []
        for features, counting in self._batches():
            residual = self._residual(features, self._model.reconstruct(features))
            residuals.append(residual.clamp_min(FLOOR).cpu())  # what is copied but for rounding is a tie
            cells.append(counting)
        count = len(self._unchanged)
        found, counting = torch.cat(residuals), torch.cat(cells)
        won: dict[str, list[float]] = {kind: [] for kind in self._kinds}
        for place, (_, kind) in enumerate(self._damaged, start=count):
            share = share_won(found[place], counting[place], found[:count], counting[:count])
            won[kind] += [] if share is None else [share]
        return {kind: float(np.mean(shares)) for kind, shares in won.items() if shares}

    def _residual(self, features: Tensor, reconstruction: Tensor) -> Tensor:
        """What the training makes small: (B, m, m). A cosine leaves open how long a reconstruction is."""
        if self._directions is None:
            return residual_map(features, reconstruction)
        return self._directions.apart(features, reconstruction)

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Features (b, C, m, m), float32, and which cells count (b, m, m).

        In unchanged tiles all tissue counts, in others the damaged tissue.
        """
        if not self._keep:
            yield from self._computed()
            return
        if not self._kept:
            limit = torch.finfo(torch.float16).max
            self._kept = [(features.clamp(-limit, limit).half().cpu(), cells) for features, cells in self._computed()]
        for features, cells in self._kept:
            yield features.to(self._device).float(), cells

    def _computed(self) -> Iterator[tuple[Tensor, Tensor]]:
        views = [*((number, None) for number in self._unchanged), *self._damaged]
        for start in range(0, len(views), BATCH):
            read = [self._view(number, kind) for number, kind in views[start : start + BATCH]]
            unit = to_unit(torch.from_numpy(np.stack([tile for tile, _ in read])).to(self._device))
            images = normalise(unit, self._model.config.input_downsample)
            tissue = counted(tissue_cells(unit, self._model.map_size, self._glass)).cpu()
            changed = changed_cells(np.stack([pixels for _, pixels in read]), self._model.map_size)
            yield self._model.features(images.contiguous(memory_format=torch.channels_last)), tissue & changed

    def _view(self, number: int, kind: str | None) -> tuple[Tile, NDArray[np.bool_]]:
        """A tile as it is or damaged, and the pixels (s, s) that count: all, or those that changed."""
        tile = self._source.read(number)
        if kind is None:
            return tile, np.ones(tile.shape[:2], bool)
        random = np.random.default_rng((self._seed, 7, list(self._kinds).index(kind), number))
        damaged = self._kinds[kind](tile, random)
        return damaged, (damaged != tile).any(axis=2)


def damaged_tiles(numbers: Sequence[int], kinds: Sequence[str], most: int) -> Iterator[tuple[int, str]]:
    """Which tile is damaged in which way: every tile in every way, in turn, until there are ``most``."""
    for turn in range(min(most, len(numbers) * len(kinds))):
        passed, place = divmod(turn, len(numbers))
        yield numbers[place], kinds[(place + passed) % len(kinds)]


def changed_cells(pixels: NDArray[np.bool_], map_size: int) -> Tensor:
    """Cells (b, m, m) of which enough ``pixels`` (b, s, s) changed; at least the one with most, if any did."""
    share = F.adaptive_avg_pool2d(torch.from_numpy(pixels)[:, None].float(), map_size)[:, 0]
    return (share > 0) & (share >= share.amax(dim=(1, 2), keepdim=True).clamp(max=CHANGED_SHARE))


def share_won(residual: Tensor, damaged: Tensor, usual: Tensor, cells: Tensor) -> float | None:
    """Share of pairs in which a ``damaged`` cell (m, m) has more ``residual`` (m, m) than its place in a usual tile.

    ``usual`` (n, m, m) are the residuals of the usual tiles, and ``cells`` (n, m, m) says which of theirs count. Ties
    count half. None if no pair can be made, NaN if a residual is not a number.
    """
    pairs = cells & damaged
    if not pairs.any():
        return None
    difference = (residual - usual)[pairs].double()
    return float((0.5 + 0.5 * difference.sign()).mean()) if bool(difference.isfinite().all()) else float("nan")
