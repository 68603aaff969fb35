"""Trainer: optimises blocks C to E. A training that was killed resumes and ends with the same weights.

Every step depends only on (seed, step). What else a step needs (weights, optimiser, best weights so far, curve) is
saved after each epoch, and after the step in which Ctrl-C is pressed, under a temporary name and then renamed.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from wsi_haloae.atomic import refuse_link, replacing
from wsi_haloae.config import Config
from wsi_haloae.errors import OutputExistsError, UsageError
from wsi_haloae.features.preprocessing import normalise, to_unit
from wsi_haloae.model.haloae import HaloAE
from wsi_haloae.model.losses import IN_WORDS, feature_loss
from wsi_haloae.model.weighting import schedule_time
from wsi_haloae.progress import Reporter
from wsi_haloae.tiles.sources import evenly
from wsi_haloae.training.batches import TrainingBatches, stream
from wsi_haloae.training.epoch import EpochRecord
from wsi_haloae.training.identity import require_same
from wsi_haloae.training.job import TrainingJob
from wsi_haloae.training.objective import Objective
from wsi_haloae.training.optimiser import make_optimiser, set_rates
from wsi_haloae.training.pace import measure_pace, timed_steps
from wsi_haloae.training.pausing import pausable
from wsi_haloae.training.ranks import ALONE, Ranks
from wsi_haloae.training.statistics import images_of
from wsi_haloae.training.synthetic_mark import SyntheticMark

EARLY_STOPPING_FROM = 150.0
"""Schedule time before which no epoch counts as the best (specification, section 2)."""

StepLosses = tuple[float | None, ...]
"""Unweighted L_cls, L_fm and L_im of a step; None for a loss that is left out."""
_NAMES = ("L_cls", "L_fm", "L_im")


class Trainer:
    """Trains a model in place, as a `TrainingJob` describes; after `fit` it has the best weights.

    ``feature_range`` (C,) is SSIM's range of each channel. ``ranks`` are the processes that train together.
    """

    def __init__(
        self, job: TrainingJob, model: HaloAE, feature_range: Tensor, device: torch.device, ranks: Ranks = ALONE
    ) -> None:
        self.job, self.model, self.device = job, model, device
        config, data = job.config, job.data
        self.objective = Objective(config.loss, config.ews.schedule, feature_range.to(device)).to(device)
        self.curve: list[EpochRecord] = []
        self.steps_per_epoch, self.total_steps = plan_steps(config, len(data.train))
        self._ranks = ranks
        self._workers = job.workers if device.type == "cuda" else 0
        self._step, self._best, self._best_epoch, self._best_state = 0, math.inf, 0, model.trained_state()
        self._pending: list[StepLosses] = []  # of the epoch in progress
        settings = config.training
        self._marks = SyntheticMark(job, model, device) if settings.stop_by == "synthetic" else None
        self._optimiser = make_optimiser(model, self.objective, settings)
        self._losses: nn.Module = _Losses(model, self.objective)
        if settings.compile:
            for part in (model.encoder, model.decoder, model.image_decoder):
                part.compile()  # in place, so that the names of weights stay the same

    def fit(self, reporter: Reporter) -> list[EpochRecord]:
        """Train to the end or until early stopping; returns the curve."""
        self._resume(reporter)
        settings = self.job.config.training
        batches = TrainingBatches(
            self.job.data.source,
            self.job.data.order(settings.seed),
            settings,
            self.total_steps,
            copies=self.job.config.loss.copies,
            ranks=self._ranks,
        )
        if self._ranks.first:
            self._rehearse(batches, reporter)
        self._losses = self._ranks.share(self._losses)
        # Ctrl-C also ends the other processes of a torchrun, and those that prepare batches: no step could be finished.
        alone = self._ranks.world == 1 and not self._workers
        with (
            pausable(reporter, wanted=alone) as interrupted,
            reporter.track("Training", self.total_steps, "steps", done=self._step) as advance,
        ):
            for tiles, damaged in stream(batches, self._step, self._workers):
                if self._finished():
                    break
                self._pending.append(self._train_step(tiles, damaged))
                self._step += 1
                advance(1)
                if self._step % self.steps_per_epoch == 0 or self._step == self.total_steps:
                    self._end_epoch(reporter)
                if interrupted():
                    self._pause(reporter)
        if self._best == math.inf:
            raise UsageError(
                f"training diverged: after t = {EARLY_STOPPING_FROM:g} of the schedule, the held-out loss, or the "
                "mark that decides, was never a finite number. Lower the learning rate "
                "(--set training.learning_rate=...) and pass --overwrite."
            )
        self.model.load_trained_state(self._best_state)
        return self.curve

    @property
    def best(self) -> EpochRecord:
        """The epoch whose weights the model has after `fit`."""
        return self.curve[self._best_epoch - 1]

    def _rehearse(self, batches: TrainingBatches, reporter: Reporter) -> None:
        """Print what the training will take, from a few steps that are taken back: nothing of them stays."""
        left = self.total_steps - self._step
        if reporter.quiet or left == 0 or self._finished():
            return
        kept, random = copy.deepcopy(self._learned()), torch.get_rng_state()
        pace = measure_pace(
            lambda: batches[self._step],
            self._train_step,
            lambda: (self._validation_loss(), self._synthetic_marks()),
            self.device,
            self._workers,
            timed_steps(left),
        )
        self._restore(kept)
        torch.set_rng_state(random)
        saved = 4 * sum(tensor.nbytes for tensor in kept["model"].values())  # with the best ones, and two moments
        for line in pace.lines(left, -(-left // self.steps_per_epoch), self.device, self.job.folder, saved):
            reporter.line(line)

    def _train_step(self, tiles: Tensor, damaged: Tensor) -> StepLosses:
        self.model.train()
        # Dropout draws from the global generator, so that a resumed step must begin with the same state.
        key = (self.job.config.training.seed, 7, self._step, self._ranks.rank)
        torch.manual_seed(int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0]))
        set_rates(self._optimiser, self.job.config.training, self._step, self.total_steps)
        images = normalise(to_unit(tiles.to(self.device)), self.job.config.model.input_downsample)
        images = images.contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self._half_precision()):
            total, *losses = self._losses(images, damaged.to(self.device), self._time())
        self._optimiser.zero_grad(set_to_none=True)
        total.backward()
        self._optimiser.step()
        return tuple(None if loss is None else loss.item() for loss in losses)

    def _half_precision(self) -> bool:
        precision = self.job.config.training.precision
        return precision == "bfloat16" or (precision == "auto" and self.device.type == "cuda")

    def _time(self) -> float:
        return schedule_time(self._step, self.total_steps, self.steps_per_epoch, self.job.config.ews.unit)

    def _pause(self, reporter: Reporter) -> None:
        """Save the step just finished, and end as Ctrl-C does."""
        self._save()
        reporter.line(f"saved after step {self._step}/{self.total_steps}, from which the same command continues")
        raise KeyboardInterrupt

    def _end_epoch(self, reporter: Reporter) -> None:
        held_out = self._ranks.from_first(self._validation_loss)
        marks: dict[str, float] | None = self._ranks.from_first(self._synthetic_marks)
        weights = self.objective.weights(self._time())
        cls, fm, im = (_mean(values) for values in zip(*self._pending, strict=True))
        self._pending = []
        record = EpochRecord(
            epoch=len(self.curve) + 1,
            step=self._step,
            loss_cls=cls,
            loss_fm=fm,
            loss_im=im,
            validation_fm=held_out,
            weight_cls=weights.cls,
            weight_fm=weights.fm,
            weight_im=weights.im,
            synthetic_mark=None if marks is None else _mean(list(marks.values())),
        )
        self.curve.append(record)
        if not np.isfinite(held_out):
            reporter.warn(f"epoch {record.epoch}: the held-out loss is {held_out}; the learning rate may be too high")
        if self._counts():
            told, kept = record.held_out, self.best.held_out if self._best_epoch else None
            if told.is_better(kept, self._best):
                self._best_epoch, self._best_state = record.epoch, copy.deepcopy(self.model.trained_state())
            self._best = min(self._best, told.badness)
        if record.epoch == 1:
            reporter.line(IN_WORDS)
        losses_text = [
            f"{name} {value:.3f}" for name, value in zip(_NAMES, (cls, fm, im), strict=True) if value is not None
        ]
        reporter.line(
            f"epoch {record.epoch}, step {self._step}/{self.total_steps}: {', '.join(losses_text)}, "
            f"held-out L_fm {held_out:.4f}{_told(record, marks)}"
        )
        self._save()

    def _counts(self) -> bool:
        """Whether this epoch can be the best: late enough in the schedule, or the last one.

        If L_fm is not trained it says nothing, and the last epoch's weights are taken. If the mark decides, only a
        schedule with weights that evolve is waited for: with L_fm alone, an early epoch is trained for the same aim.
        """
        loss = self.job.config.loss
        evolving = self._marks is None or (loss.weighting == "ews" and loss.cls + loss.fm + loss.im > 1)
        late = (self._time() >= EARLY_STOPPING_FROM or not evolving) and loss.fm
        return late or self._step == self.total_steps

    def _finished(self) -> bool:
        """Early stopping: no better held-out loss, or mark, for ``patience`` epochs that count."""
        if self._best == math.inf:
            return False
        return len(self.curve) - self._best_epoch >= self.job.config.training.patience

    @torch.inference_mode()
    def _validation_loss(self) -> float:
        """Unweighted L_fm on unchanged held-out reference tiles."""
        self.model.eval()
        config, data = self.job.config, self.job.data
        chosen = evenly(data.validation, config.training.validation_tiles)  # from all groups, not only the first
        total = 0.0
        for images in images_of(data.source, chosen, self.model, self.device):
            features = self.model.features(images)
            rebuilt = self.model.reconstruct(features)
            loss = feature_loss(self.model, features, rebuilt, self.objective.feature_range, config.loss)
            total += float(loss) * len(images)
        return total / len(chosen)

    def _synthetic_marks(self) -> dict[str, float] | None:
        """The mark by kind of synthetic anomaly; None if held-out L_fm decides."""
        self.model.eval()
        return None if self._marks is None else self._marks.measure()

    def _save(self) -> None:
        if not self._ranks.first:
            return
        state = {
            "identity": self.job.identity,
            "step": self._step,
            **self._learned(),
            "best": self._best,
            "best_epoch": self._best_epoch,
            "best_state": self._best_state,
            "curve": [asdict(record) for record in self.curve],
            "pending": self._pending,
        }
        with replacing(self.job.state_path) as partial, partial.open("wb") as stream:
            torch.save(state, stream)

    def _learned(self) -> dict[str, Any]:
        """What steps change."""
        return {
            "model": self.model.trained_state(),
            "objective": self.objective.state_dict(),
            "optimiser": self._optimiser.state_dict(),
        }

    def _restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `_learned` returned."""
        self.model.load_trained_state(state["model"])
        self.objective.load_state_dict(state["objective"])
        self._optimiser.load_state_dict(state["optimiser"])

    def _resume(self, reporter: Reporter) -> None:
        refuse_link(self.job.state_path)
        if not self.job.state_path.exists():
            return
        state = _read_state(self.job.state_path, self.device)
        require_same(self.job.state_path, state["identity"], self.job.identity)
        self._restore(state)
        self._step, self._best, self._best_epoch = state["step"], state["best"], state["best_epoch"]
        self._best_state = state["best_state"]
        self.curve = [EpochRecord(**record) for record in state["curve"]]
        self._pending = state.get("pending", [])  # states of older versions end with an epoch
        where = f"in epoch {len(self.curve) + 1}" if self._pending else f"after epoch {len(self.curve)}"
        reporter.line(f"resuming the training {where} (step {self._step}/{self.total_steps})")


def _read_state(path: Path, device: torch.device) -> dict[str, Any]:
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        if not isinstance(state, dict) or not {"identity", "step", "model", "curve"} <= set(state):
            raise ValueError("it holds something else")
    except Exception as error:  # noqa: BLE001  # torch and pickle raise anything over a damaged file
        reason = (str(error).splitlines() or [""])[0]
        raise OutputExistsError(
            f"{path}: cannot be read as the state of an interrupted training ({reason}). Pass --overwrite to start "
            "again, or delete the file."
        ) from None
    return state


class _Losses(nn.Module):
    """Model and objective as one module, as distributed training needs it: batch in, losses out."""

    def __init__(self, model: HaloAE, objective: Objective) -> None:
        super().__init__()
        self.model, self.objective = model, objective

    def forward(
        self, images: Tensor, damaged: Tensor, t: float
    ) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor | None]:
        """What is minimised, and the unweighted L_cls, L_fm and L_im."""
        total, losses = self.objective(self.model, images, damaged, t)
        return total, losses.cls, losses.fm, losses.im


def plan_steps(config: Config, train_tiles: int) -> tuple[int, int]:
    """(steps per epoch, total steps) for this many training tiles."""
    settings = config.training
    per_epoch = settings.steps_per_epoch or max(1, train_tiles // settings.originals_per_batch)
    return per_epoch, settings.steps or settings.epochs * per_epoch


def _mean(values: Sequence[float | None]) -> float | None:
    numbers = [value for value in values if value is not None]
    return float(np.mean(numbers)) if numbers else None


def _told(record: EpochRecord, marks: Mapping[str, float] | None) -> str:
    """What the line of an epoch says about the mark."""
    if marks is None or record.synthetic_mark is None:
        return ""
    listed = ", ".join(f"{kind} {mark:.3f}" for kind, mark in marks.items())
    return f", synthetic anomalies {record.synthetic_mark:.4f} ({listed})"
