"""On what slides are scored: device, precision, batch size and threads. The first three decide the last digits."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path

import torch

from wsi_haloae.engine.batch import LARGEST, automatic_batch_size, whole
from wsi_haloae.engine.inference import PRECISIONS, InferenceModel, default_precision
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.model.device import resolve_device
from wsi_haloae.processors.computing import ready_to_compute
from wsi_haloae.progress import Reporter
from wsi_haloae.scoring.options import ScoreOptions
from wsi_haloae.scoring.turns import turn
from wsi_haloae.stores.filling import SHARD_TILES
from wsi_haloae.stores.score_header import ComputeRecord


class Compute:
    """The device, precision, batch size and threads of one run, as ``options`` say, or found automatically.

    Sets this process's number of threads, and lets it keep the memory that it frees. ``turns`` is the lock of a device
    that processes share by turns. Raises `UsageError` for a device that this machine does not have.
    """

    def __init__(self, checkpoint: Checkpoint, options: ScoreOptions, turns: Path | None = None) -> None:
        self._checkpoint, self.device = checkpoint, resolve_device(options.device)
        self._precision = options.precision or default_precision(self.device)
        self._batch_size, self._all_rules = options.batch_size, options.all_rules
        ready_to_compute(options.threads)
        self._threads = torch.get_num_threads()
        # "float32" in a store means float32, not the 10-bit products that cuDNN would use by default.
        torch.backends.cudnn.allow_tf32 = False
        self._turns = turns
        if turns and not self._batch_size:
            with self.turn():  # now: the first slide would be planned only after the other process's slide
                _ = self._automatic_batch

    def turn(self, ended: Callable[[str], None] | None = None) -> AbstractContextManager[None]:
        """The time in which this process may use the device; see `turns.turn`."""
        return turn(self._turns, ended)

    def record(self, reporter: Reporter) -> ComputeRecord:
        """What a new store says about it; ``reporter`` gets a line if the batch size is lowered."""
        asked = self._batch_size or self._automatic_batch
        batch_size = whole(asked)
        if batch_size != asked:
            reporter.line(
                f"--batch-size {asked}: {batch_size} is used. A batch is at most {LARGEST} tiles, and one of more than "
                f"{SHARD_TILES} (a shard) has a power of two."
            )
        return ComputeRecord(
            batch_size=batch_size,
            dtype=self._precision,
            device=self.device.type,
            threads=self._threads,
            all_rules=self._all_rules,
        )

    @cached_property
    def _automatic_batch(self) -> int:
        """Found once for all slides: it takes trial runs of the model."""
        model = InferenceModel(self._checkpoint.model, self.device, PRECISIONS[self._precision])
        return automatic_batch_size(model, self._checkpoint.facts.tile_size, self.device)
