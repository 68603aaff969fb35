"""Scorer: batches of tiles -> anomaly scores, p-values and maps, with a checkpoint's blocks B and C.

``score`` belongs to the rule in the checkpoint's configuration. The scores of the other rules in the table are
returned too, and the paper's own score, the mean of A_fm (equation 4).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from wsi_haloae.adaptation.standpoint import Standpoint
from wsi_haloae.artefacts.flags import measure_all
from wsi_haloae.config import AUTO, DESCRIPTOR, PAPER, RULES, Rule, compared_by, statistics_of
from wsi_haloae.engine.inference import PRECISIONS, InferenceModel, default_precision
from wsi_haloae.engine.replay import Replayed
from wsi_haloae.engine.transfer import batches_on
from wsi_haloae.errors import CheckpointError
from wsi_haloae.features.preprocessing import normalise, tissue_cells, to_unit
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.model.residuals import residuals
from wsi_haloae.scoring.apply_rule import map_by, score_by
from wsi_haloae.scoring.measured import Measured, Reference
from wsi_haloae.scoring.on_device import OnDevice
from wsi_haloae.scoring.pooling import moments_over_channels
from wsi_haloae.scoring.rules.descriptor import descriptor, moments
from wsi_haloae.scoring.side_by_side import side_by_side
from wsi_haloae.stores.score_header import ComputeRecord
from wsi_haloae.stores.tile_scores import TileScores

if TYPE_CHECKING:
    from wsi_haloae.scoring.learning import Pupil  # loads scikit-learn, which scoring does not need

HALF = float(np.finfo(np.float16).max)
Computation = Callable[[Tensor], dict[str, Tensor]]
Found = TypeVar("Found")


class Scorer:
    """Scores tiles in batches of one fixed size, so that every run computes the same numbers."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        device: torch.device,
        batch_size: int,
        dtype: torch.dtype | None = None,
        *,
        all_rules: bool = True,
        at_once: int | None = None,
    ) -> None:
        """``dtype`` None: the precision in which slides are scored on this device unless a user asks for another.

        ``all_rules`` False leaves out those that are ``on_request``. ``at_once``: how many batches to compute side by
        side, each on one core of the CPU; None: one after the other, each on all threads.
        """
        self.batch_size, self._at_once = batch_size, at_once
        self._device, self._config = device, checkpoint.facts.config
        usual = PRECISIONS[default_precision(device)]
        self._model = InferenceModel(checkpoint.model, device, dtype or usual)
        self._replayed = self._model.replayed()
        self._reference = Reference.of(checkpoint, device)
        self._feature_range = checkpoint.feature_range.to(device)
        self._calibration, self._limits = checkpoint.calibration, checkpoint.facts.artefacts
        self._rules = available_rules(checkpoint, all_rules=all_rules)
        own = RULES.get(self._config.scoring.rule)  # none yet while training chooses
        self._compared = compared_by([*self._rules.values(), *([own] if own else [])])
        self._computed: dict[bool, Computation] = {
            keep_maps: _recorded(partial(self._score_batch, keep_maps=keep_maps), device) for keep_maps in (False, True)
        }

    @classmethod
    def of(cls, checkpoint: Checkpoint, device: torch.device, compute: ComputeRecord) -> Self:
        """The scorer that a score store was begun with, on as many threads as this process has now."""
        at_once = torch.get_num_threads() if device.type == "cpu" else None
        dtype = PRECISIONS[compute.dtype]
        return cls(checkpoint, device, compute.batch_size, dtype, all_rules=compute.all_rules, at_once=at_once)

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the feature layers, in the order of ``layer_residuals``."""
        return self._model.backbone.layers

    @property
    def rules(self) -> tuple[str, ...]:
        """Names of the rules, in the order of ``TileScores.rules``."""
        return tuple(self._rules)

    @property
    def map_size(self) -> int:
        """Cells m per side of the anomaly maps."""
        return self._model.map_size

    def score(
        self, tiles: NDArray[np.uint8], *, keep_maps: bool = False, quantities: NDArray[np.float32] | None = None
    ) -> TileScores:
        """Score uint8 tiles (n, s, s, 3), any n; the last batch is padded to full size.

        ``quantities`` (n, flags) are what `measure` returned for these tiles, if they were measured already. Raises
        `CheckpointError` for a checkpoint whose rule is not chosen yet.
        """
        if self._config.scoring.rule == AUTO:
            raise CheckpointError(
                "scoring.rule is auto, but training chooses the rule at its end, and this model was never calibrated. "
                "Train it with 'wsi-haloae train-tiles'."
            )
        measured = self.measure(tiles) if quantities is None else quantities
        return self.finish(self.begin(tiles, keep_maps=keep_maps), measured)

    @torch.inference_mode()
    def begin(self, tiles: NDArray[np.uint8], *, keep_maps: bool) -> OnDevice:
        """Start to score tiles (n, s, s, 3), as `score` does. A GPU goes on by itself until `finish` is called."""
        return OnDevice.joined(self._each(self._computed[keep_maps], tiles), len(tiles))

    def finish(self, begun: OnDevice, quantities: NDArray[np.float32]) -> TileScores:
        """What `begin` began, with the ``quantities`` (n, flags) that `measure` returned for these tiles."""
        found = begun.fetched()
        described = found.get("descriptor")
        return TileScores(
            score=found["score"],
            score_paper=found["score_paper"],
            p_value=np.full(len(quantities), np.nan, np.float32)
            if self._calibration is None
            else self._calibration.p_values(found["score"]),
            rules=found["rules"],
            layer_residuals=found["layer_residuals"],
            layer_dissimilarities=found["layer_dissimilarities"],
            artefacts=quantities,
            flags=np.zeros(len(quantities), np.uint8) if self._limits is None else self._limits.flags(quantities),
            tissue_cells=found["tissue_cells"].astype(np.int32),
            anomaly_map=found.get("anomaly_map"),
            descriptor=None if described is None else _half(described),
        )

    def measure(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The quantities behind the quality-control flags of tiles (n, s, s, 3): (n, flags); on the CPU, any thread."""
        return measure_all(tiles, self._config.scoring.glass_level)

    @torch.inference_mode()
    def maps(self, tiles: NDArray[np.uint8], seen_from: Standpoint | None = None) -> NDArray[np.float32]:
        """Anomaly maps (n, m, m) of n tiles; with ``seen_from`` those of the scores that tiles have from there."""
        rule, reference = RULES[self._config.scoring.rule], self._reference
        if seen_from is not None:
            rule, reference = RULES[DESCRIPTOR], reference.seen_from(seen_from)

        def mapped(batch: Tensor) -> NDArray[np.float32]:
            measured = replace(self._measure(batch, self._replayed), reference=reference)
            return _numpy(map_by(rule, measured, self._config.scoring))

        none = np.empty((0, self.map_size, self.map_size), np.float32)
        return np.concatenate([none, *self._each(mapped, tiles)])[: len(tiles)]

    @torch.inference_mode()
    def teach(self, pupils: Iterable[Pupil], tiles: NDArray[np.uint8]) -> None:
        """Show n reference tiles, at most one batch, to each of the pupils."""
        (batch,) = batches_on(self._device, tiles, self.batch_size)
        measured = self._measure(batch, self._replayed)
        for pupil in pupils:
            pupil.add(measured, len(tiles))

    @torch.inference_mode()
    def moments(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """What descriptors of n tiles, at most one batch, are projected from: (n, D). Blocks C to E do not run."""
        (batch,) = batches_on(self._device, tiles, self.batch_size)
        unit = to_unit(batch)
        features = self._replayed.features(
            normalise(unit, self._config.model.input_downsample).contiguous(memory_format=torch.channels_last)
        )
        found = moments(*moments_over_channels(features, self._tissue(unit)))
        return _numpy(found)[: len(tiles)]

    def _each(self, computation: Callable[[Tensor], Found], tiles: NDArray[np.uint8]) -> list[Found]:
        """What ``computation`` returns for each batch of tiles (n, s, s, 3), in order."""
        batches = batches_on(self._device, tiles, self.batch_size)
        if self._at_once is None:
            return [computation(batch) for batch in batches]
        return side_by_side(computation, batches, self._at_once)

    def _score_batch(self, batch: Tensor, *, keep_maps: bool) -> dict[str, Tensor]:
        """What `TileScores` has of one batch of full size, uint8 on the device: by name, (B, ...) each.

        Nothing is copied from or to the host, so that a CUDA graph can hold all of it.
        """
        scoring = self._config.scoring
        assert scoring.rule != AUTO, "training chooses its rule before anything is scored"
        rule, measured = RULES[scoring.rule], self._measure(batch, self._model)
        rules = self._rules | {PAPER: RULES[PAPER], rule.name: rule}  # the model's rule is usually among them
        scores = {name: score_by(one, measured, scoring) for name, one in rules.items()}
        found = {
            "score": scores[rule.name],
            "score_paper": scores[PAPER],
            "rules": torch.stack([scores[name] for name in self._rules], dim=1),
            "layer_residuals": measured.layer_residuals,
            "layer_dissimilarities": self._dissimilarities(measured),
            "tissue_cells": measured.cells.sum(dim=(1, 2)),
        }
        if keep_maps:
            found["anomaly_map"] = map_by(rule, measured, scoring)
        if self._reference.basis is not None:
            found["descriptor"] = descriptor(measured)
        return found

    def _measure(self, batch: Tensor, model: InferenceModel) -> Measured:
        """Residuals of one batch of full size, uint8 on the device, over its tissue cells."""
        unit = to_unit(batch)
        scoring = self._config.scoring
        found = residuals(
            model, unit, self._feature_range, self._config, decode=scoring.decodes, compared=self._compared
        )
        return Measured(found, self._tissue(unit), self._reference)

    def _dissimilarities(self, measured: Measured) -> Tensor:
        """Mean 1 - SSIM of each layer, (B, layers); NaN for layers that were not compared."""
        if measured.found.layer_dissimilarities is None:
            return torch.full_like(measured.layer_residuals, torch.nan)
        compared = measured.layer_dissimilarities
        return F.pad(compared, (len(self.layers) - compared.shape[1], 0), value=torch.nan)

    def _tissue(self, unit: Tensor) -> Tensor:
        return tissue_cells(unit, self._model.map_size, self._config.scoring.glass_level)


def available_rules(checkpoint: Checkpoint, *, all_rules: bool = True) -> dict[str, Rule]:
    """The rules that stores keep, except those whose statistics the checkpoint does not have.

    Rules that must be asked for are among them if the checkpoint's configuration asks for them. Without ``all_rules``
    this holds for those that are ``on_request``, too.
    """
    asked = checkpoint.facts.config.scoring.asked

    def kept(rule: Rule) -> bool:
        if rule.name in asked:
            return rule.in_stores or rule.asked_only
        return rule.in_stores and (all_rules or not rule.on_request)

    learned = checkpoint.gaussians.keys()
    return {name: rule for name, rule in RULES.items() if kept(rule) and statistics_of(name) <= learned}


def _recorded(function: Computation, device: torch.device) -> Computation:
    return Replayed(function) if device.type == "cuda" else function


def _half(values: NDArray[np.float32]) -> NDArray[np.float16]:
    """Rounded to half precision; what is too large for it becomes the largest number."""
    return np.clip(values, -HALF, HALF).astype(np.float16)


def _numpy(values: Tensor) -> NDArray[np.float32]:
    return values.float().cpu().numpy()
