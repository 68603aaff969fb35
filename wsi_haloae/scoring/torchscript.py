"""A trained model as TorchScript: tiles in, two logits out, for programs that know nothing of this one.

    pixels (n, 3, s, s) in [0, 1]  ->  logits (n, 2) = (0, z)

A softmax turns them into 1 - p and p, where p = 1 / (1 + exp(-z)) grows with the score:

    u = (score - high) / (high - low)          in lengths of the colour bar above its upper end
    z = sign(u) * ln(1 + STEEPNESS * |u|)      the odds p / (1 - p) are 1 + 4 u above it, and 1 / (1 - 4 u) below

*low* and *high* are the ends of the colour bar, the 1st and 99.5th percentile of held-out reference tiles. The
logarithm keeps tiles apart that lie far beyond: with z in proportion to the score, p would be 1 for all of them. p is
no probability and no p-value. The score is that before adaptation: the other tiles of the slide are not known.
"""

from __future__ import annotations

import io
import warnings
from typing import Any

import torch
from torch import Tensor, nn

from wsi_haloae.config import AUTO, RULES
from wsi_haloae.engine.inference import InferenceModel
from wsi_haloae.errors import CheckpointError
from wsi_haloae.features.preprocessing import tissue_cells
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.model.residuals import residuals
from wsi_haloae.scoring.apply_rule import score_by
from wsi_haloae.scoring.measured import Measured, Reference

STEEPNESS = 4.0
"""The odds are 1 at the upper end of the colour bar, and 1 to 5 at the lower one."""
TOLERANCE = 1e-3
"""The largest difference of z between the script and the model, relative to max(1, |z|)."""
CPU = torch.device("cpu")


def as_torchscript(checkpoint: Checkpoint) -> bytes:
    """The bytes of ``torch.jit.save``. Raises `CheckpointError` for a model that cannot score single tiles.

    The script is compared with the model before it is returned.
    """
    if checkpoint.facts.config.scoring.rule == AUTO:
        raise CheckpointError("the model has not chosen its rule yet: its training did not end.")
    if checkpoint.facts.stains is not None:
        raise CheckpointError(
            "the model was trained with stain normalisation (stain.normalise), which matches the stains of a whole "
            "slide before a tile is scored. A file that sees one tile cannot do that. Train a model without it."
        )
    side, model = checkpoint.facts.tile_size, _Logits(checkpoint)
    tiles = torch.rand((3, 3, side, side), generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch prefers its newer format, which Java cannot read
        one = torch.jit.trace(model, tiles[:1], check_trace=False)  # type: ignore[no-untyped-call]
        _follow_the_input(one)
        script = torch.jit.script(_OneByOne(one))
        scripted, plain = script(tiles), torch.cat([model(tile[None]) for tile in tiles])
        if ((scripted - plain).abs() > TOLERANCE * plain.abs().clamp_min(1)).any():
            raise CheckpointError("the model gives other numbers as TorchScript; please report this.")
        stream = io.BytesIO()
        torch.jit.save(script, stream)
    return stream.getvalue()


class _Logits(nn.Module):
    """Pixels of one tile (1, 3, s, s) -> logits (1, 2)."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__()
        self._config, self._feature_range = checkpoint.facts.config, checkpoint.feature_range
        self._model, self._reference = InferenceModel(checkpoint.model, CPU), Reference.of(checkpoint, CPU)
        self._low, self._high = checkpoint.facts.display_range
        if not RULES[self._config.scoring.rule].uses_autoencoder:
            self._model.encoder, self._model.decoder = nn.Identity(), nn.Identity()  # not computed for nothing

    def forward(self, pixels: Tensor) -> Tensor:
        scoring = self._config.scoring
        rule = RULES[scoring.rule]
        found = residuals(
            self._model, pixels, self._feature_range, self._config, decode=scoring.decodes, compared=rule.compared
        )
        tissue = tissue_cells(pixels, self._model.map_size, scoring.glass_level)
        score = score_by(rule, Measured(found, tissue, self._reference), scoring)
        beyond = (score - self._high) / (self._high - self._low)
        z = beyond.sign() * (STEEPNESS * beyond.abs()).log1p()
        return torch.stack((torch.zeros_like(z), z), dim=1)


class _OneByOne(nn.Module):
    """Any number of tiles through a script of one, in which the number is fixed."""

    def __init__(self, one: nn.Module) -> None:
        super().__init__()
        self.one = one

    def forward(self, pixels: Tensor) -> Tensor:
        logits = [self.one(pixels[tile : tile + 1]) for tile in range(pixels.shape[0])]
        return torch.cat(logits)


def _follow_the_input(script: Any) -> None:
    """Put the device of the pixels in place of the one that was written down, so that it runs on a GPU too."""
    graph = script.graph
    pixels = list(graph.inputs())[1]
    device = graph.create("prim::device", [pixels])
    device.output().setType(torch._C.DeviceObjType.get())  # graphs have no public interface
    graph.prependNode(device)
    for node in list(graph.nodes()):
        if node.kind() == "prim::Constant" and node.output().type().kind() == "DeviceObjType":
            node.output().replaceAllUsesWith(device.output())
