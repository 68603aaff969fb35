"""Trains block C on features from disk, with the product's model, losses, optimiser and schedule.

The loop is that of `training.trainer`, without pixels. Every step depends only on (seed, step), and all else is saved
after each epoch, so that a training of hours can be interrupted and goes on to the same weights.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wsi_haloae.atomic import replacing
from wsi_haloae.config import Config
from wsi_haloae.errors import UsageError
from wsi_haloae.experiments.decoder.kept import KeptTiles
from wsi_haloae.model.haloae import HaloAE
from wsi_haloae.model.losses import feature_loss
from wsi_haloae.model.weighting import schedule_time
from wsi_haloae.progress import Reporter
from wsi_haloae.tiles.sources import evenly
from wsi_haloae.training.epoch import HeldOut
from wsi_haloae.training.identity import Identity, require_same
from wsi_haloae.training.job import STATE_NAME
from wsi_haloae.training.objective import Objective
from wsi_haloae.training.optimiser import make_optimiser, set_rates
from wsi_haloae.training.order import Passes
from wsi_haloae.training.trainer import EARLY_STOPPING_FROM, plan_steps

Mark = Callable[[HaloAE], float]
"""How well a model tells synthetic anomalies from the same tiles unchanged: 0..1."""


@dataclass(frozen=True)
class Epoch:
    """One row of the curve: L_fm in training and held out, and the synthetic mark, if it decides."""

    step: int
    train_fm: float
    held_out_fm: float
    mark: float | None

    @property
    def told(self) -> HeldOut:
        """What decides whether it is the best."""
        return HeldOut(self.held_out_fm, self.mark)


@dataclass
class Progress:
    """What changes while a training runs, besides weights and optimiser. ``badness`` is the lowest of all epochs.

    ``seconds`` and ``cpu_seconds`` are those of the training steps, without held-out tiles; on a machine that others
    use, too, only the second says what a step costs.
    """

    step: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    badness: float = math.inf
    best_epoch: int = 0
    best_state: dict[str, Tensor] = field(default_factory=dict)
    curve: list[Epoch] = field(default_factory=list)


class DecoderTrainer:
    """Trains ``model`` in place; after `fit` it has the best weights. ``folder`` keeps the state of a run."""

    def __init__(
        self,
        model: HaloAE,
        feature_range: Tensor,
        kept: KeptTiles,
        config: Config,
        mark: Mark,
        folder: Path,
        identity: Identity,
        device: torch.device,
    ) -> None:
        self.model, self.progress = model, Progress()
        self._kept, self._config, self._device = kept, config, device
        self._path, self._identity = folder / STATE_NAME, identity
        self._mark = mark if config.training.stop_by == "synthetic" else None
        self._objective = Objective(config.loss, config.ews.schedule, feature_range.to(device)).to(device)
        self._optimiser = make_optimiser(model, self._objective, config.training)
        self._per_epoch, self._total = plan_steps(config, len(kept.train))
        self._order = Passes(np.arange(2 * len(kept.train)), config.training.seed)

    def fit(self, reporter: Reporter) -> Progress:
        """Train to the end, or until no epoch was better for ``training.patience`` epochs."""
        self._resume(reporter)
        now, losses = self.progress, []
        with reporter.track("Training", self._total, "steps", done=now.step) as advance:
            while now.step < self._total and not self._finished():
                begun, computed = time.monotonic(), time.process_time()
                losses.append(self._train_step(now.step))
                now.seconds += time.monotonic() - begun
                now.cpu_seconds += time.process_time() - computed
                now.step += 1
                advance(1)
                if now.step % self._per_epoch == 0 or now.step == self._total:
                    self._end_epoch(float(np.mean(losses)))
                    losses = []
        if now.badness == math.inf:
            raise UsageError("training diverged: the held-out loss was never a finite number; lower the learning rate.")
        self.model.load_trained_state(now.best_state)
        return now

    def _train_step(self, step: int) -> float:
        settings = self._config.training
        self.model.train()
        # Dropout draws from the global generator, so that a resumed step must begin with the same state.
        torch.manual_seed(int(np.random.SeedSequence((settings.seed, 7, step)).generate_state(1, np.uint64)[0]))
        set_rates(self._optimiser, settings, step, self._total)
        features, damaged = self._batch(step)
        features = features.to(self._device).contiguous(memory_format=torch.channels_last)
        with torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=settings.precision == "bfloat16"):
            total, losses = self._objective(self.model, features, damaged.to(self._device), self._time(step))
        self._optimiser.zero_grad(set_to_none=True)
        total.backward()
        self._optimiser.step()
        assert losses.fm is not None, "the study trains L_fm"
        return float(losses.fm.detach())

    def _batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Features (b, C, m, m) and which are damaged (b,), in the order of `training.batches`."""
        settings, count = self._config.training, len(self._kept.train)
        copied = self._kept.damaged
        wanted = settings.damaged_per_batch
        copies = (settings.originals_per_batch if wanted is None else wanted) if copied is not None else 0
        views, damaged = [], []
        for slot in range(settings.originals_per_batch):
            view = self._order.tile(step * settings.originals_per_batch + slot)
            tile, once_more = view % count, view >= count
            maps, number = (self._kept.augmented, tile) if once_more else (self._kept.reference, self._kept.train[tile])
            views.append(maps.features[number])
            damaged.append(False)
            if slot < copies and copied is not None:
                views += [copied.features[tile], copied.features[count + tile]]
                damaged += [True, True]
        return torch.from_numpy(np.stack(views).astype(np.float32)), torch.tensor(damaged)

    def _time(self, step: int) -> float:
        return schedule_time(step, self._total, self._per_epoch, self._config.ews.unit)

    def _end_epoch(self, train_fm: float) -> None:
        now = self.progress
        self.model.eval()
        held_out, mark = self._held_out_loss(), None if self._mark is None else self._mark(self.model)
        now.curve.append(Epoch(now.step, train_fm, held_out, mark))
        told, kept = HeldOut(held_out, mark), now.curve[now.best_epoch - 1].told if now.best_epoch else None
        # With L_fm alone nothing evolves, so that the mark may choose an early epoch; the loss is still falling then.
        late = mark is not None or self._time(now.step) >= EARLY_STOPPING_FROM or now.step == self._total
        if late and told.is_better(kept, now.badness):
            now.best_epoch, now.best_state = len(now.curve), copy.deepcopy(self.model.trained_state())
        if late:
            now.badness = min(now.badness, told.badness)
        self._save()

    def _finished(self) -> bool:
        now = self.progress
        return now.badness < math.inf and len(now.curve) - now.best_epoch >= self._config.training.patience

    @torch.inference_mode()
    def _held_out_loss(self) -> float:
        """L_fm of unchanged held-out tiles."""
        chosen, total = evenly(self._kept.validation, self._config.training.validation_tiles), 0.0
        for given in self._kept.features(chosen, self._device):
            features = self.model.features(given)
            rebuilt = self.model.reconstruct(features)
            loss = feature_loss(self.model, features, rebuilt, self._objective.feature_range, self._config.loss)
            total += float(loss) * len(features)
        return total / len(chosen)

    def _save(self) -> None:
        state = {
            "identity": self._identity,
            "model": self.model.trained_state(),
            "objective": self._objective.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "progress": {**vars(self.progress), "curve": [asdict(epoch) for epoch in self.progress.curve]},
        }
        with replacing(self._path) as partial, partial.open("wb") as stream:
            torch.save(state, stream)

    def _resume(self, reporter: Reporter) -> None:
        if not self._path.exists():
            return
        state: dict[str, Any] = torch.load(self._path, map_location=self._device, weights_only=True)
        require_same(self._path, state["identity"], self._identity, "delete this file")
        self.model.load_trained_state(state["model"])
        self._objective.load_state_dict(state["objective"])
        self._optimiser.load_state_dict(state["optimiser"])
        found = state["progress"]
        self.progress = Progress(**{**found, "curve": [Epoch(**epoch) for epoch in found["curve"]]})
        reporter.line(f"resuming after step {self.progress.step}/{self._total}")
